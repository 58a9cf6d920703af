//! What an import does: the calls that lead from the identities of a server to those of a file, in an order in which
//! each finds what it needs.

use portcullis_api::iam as api;
use portcullis_api::iam::op;

use super::removal::{self, Belongings};
use super::step::Step;
use super::who::{Tagged, Who, join, leave, tag_list};
use super::{Grants, Identities, InstanceProfile, LinkedRole, Named, Policy, Role, User, arn_of};

/// Versions a policy has at most (R26).
const VERSIONS: usize = 5;
/// Services that may have several roles, told apart by what follows.
const WITH_SUFFIX: &str = "AWSServiceRoleForAutoScaling_";
/// The trust of a role that waits for those it trusts: it trusts nobody.
const CLOSED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

/// The difference between a file and a server.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is done.
    pub steps: Vec<Step>,
    /// What is on the server and not in the file, and stays.
    pub kept: Vec<String>,
    /// Why nothing can be done: IAM has no call for it.
    pub blocked: Vec<String>,
}

/// Compares a file's identities with those of a server. `belongings` is there when what the file does not hold is to
/// be deleted.
pub fn plan(wanted: &Identities, present: &Identities, belongings: Option<Belongings>) -> Plan {
    let mut planner = Planner {
        wanted,
        present,
        account: &present.account,
        belongings,
        plan: Plan::default(),
        removals: Vec::new(),
    };
    planner.policies();
    planner.groups();
    planner.users();
    let closed = planner.roles();
    planner.linked_roles();
    planner.grants();
    planner.memberships();
    planner.instance_profiles();
    planner.trust(&closed);
    planner.delete_entities();
    let Planner {
        mut plan, removals, ..
    } = planner;
    plan.steps.extend(removals);
    plan
}

struct Planner<'a> {
    wanted: &'a Identities,
    present: &'a Identities,
    account: &'a str,
    belongings: Option<Belongings>,
    plan: Plan,
    removals: Vec<Step>,
}

impl<'a> Planner<'a> {
    fn arn(&self, reference: &str) -> String {
        arn_of(reference, self.account)
    }

    fn policy_arn(&self, name: &str, policy: &Policy) -> String {
        self.arn(&format!("policy{}{name}", policy.path))
    }

    fn step(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    /// Something the file does not hold: it goes or stays, as the importer wishes.
    fn extra(&mut self, step: Step) {
        match self.belongings {
            Some(_) => self.removals.push(step),
            None => self.plan.kept.push(step.what().to_owned()),
        }
    }

    fn block(&mut self, why: String) {
        self.plan.blocked.push(why);
    }

    fn policies(&mut self) {
        for (name, policy) in self.wanted.policies.iter() {
            match self.present.policies.get(name) {
                None => self.step(create_policy(name, policy)),
                Some(before) => self.change_policy(name, policy, before),
            }
        }
    }

    fn change_policy(&mut self, name: &str, policy: &Policy, before: &Policy) {
        if policy.path != before.path || policy.description != before.description {
            self.block(format!(
                "policy {name} has another path or description, which IAM never changes"
            ));
            return;
        }
        let arn = self.policy_arn(name, policy);
        if policy.document != before.document {
            let has_room = before.other_versions.len() + 1 < VERSIONS;
            match before.other_versions.first().filter(|_| !has_room) {
                Some(oldest) if self.belongings.is_some() => {
                    self.step(removal::version_of(name, &arn, oldest))
                }
                Some(_) => self.block(format!(
                    "policy {name} has {VERSIONS} versions; delete one or use --prune"
                )),
                None => {}
            }
            let input = api::CreatePolicyVersionRequest {
                policy_arn: arn.clone(),
                policy_document: policy.document.to_text(),
                set_as_default: Some(true),
            };
            self.step(Step::change::<op::CreatePolicyVersion>(
                format!("policy {name}: new version"),
                input,
            ));
        }
        self.tags(&Tagged::Policy(name, arn), &policy.tags, &before.tags);
    }

    fn groups(&mut self) {
        for (name, group) in self.wanted.groups.iter() {
            match self.present.groups.get(name) {
                None => {
                    let input = api::CreateGroupRequest {
                        path: Some(group.path.clone()),
                        group_name: name.clone(),
                    };
                    self.step(Step::add::<op::CreateGroup>(format!("group {name}"), input));
                }
                Some(before) if before.path != group.path => {
                    let input = api::UpdateGroupRequest {
                        group_name: name.clone(),
                        new_path: Some(group.path.clone()),
                        new_group_name: None,
                    };
                    self.step(Step::change::<op::UpdateGroup>(
                        format!("group {name}: path {}", group.path),
                        input,
                    ));
                }
                Some(_) => {}
            }
        }
    }

    fn users(&mut self) {
        for (name, user) in self.wanted.users.iter() {
            let Some(before) = self.present.users.get(name) else {
                let step = self.create_user(name, user);
                self.step(step);
                continue;
            };
            if user.path != before.path {
                let input = api::UpdateUserRequest {
                    user_name: name.clone(),
                    new_path: Some(user.path.clone()),
                    new_user_name: None,
                };
                self.step(Step::change::<op::UpdateUser>(
                    format!("user {name}: path {}", user.path),
                    input,
                ));
            }
            self.boundary(Who::User(name), user.boundary.as_ref(), before.boundary.as_ref());
            self.tags(&Tagged::User(name), &user.tags, &before.tags);
        }
    }

    fn create_user(&mut self, name: &str, user: &User) -> Step {
        self.known_boundary(&format!("user {name}"), user.boundary.as_ref());
        let input = api::CreateUserRequest {
            path: Some(user.path.clone()),
            user_name: name.to_owned(),
            permissions_boundary: user.boundary.as_deref().map(|reference| self.arn(reference)),
            tags: tag_list(&user.tags),
        };
        Step::add::<op::CreateUser>(format!("user {name}"), input)
    }

    /// Answers the roles whose trust waits until all roles are there.
    fn roles(&mut self) -> Vec<&'a str> {
        let mut closed = Vec::new();
        let is_new = |name: &String| !self.present.roles.contains_key(name);
        let mut missing: Vec<(&String, String)> = self
            .wanted
            .roles
            .iter()
            .filter(|(name, _)| is_new(name))
            .map(|(name, role)| {
                (
                    name,
                    format!("arn:aws:iam::{}:role{}{name}", self.account, role.path),
                )
            })
            .collect();
        for (name, role) in self.wanted.roles.iter() {
            let Some(before) = self.present.roles.get(name) else {
                let waits = missing.iter().any(|(_, arn)| role.trust.mentions(arn));
                let trust = if waits {
                    CLOSED.to_owned()
                } else {
                    role.trust.to_text()
                };
                let step = self.create_role(name, role, trust);
                self.step(step);
                if waits {
                    closed.push(name.as_str());
                }
                missing.retain(|(other, _)| *other != name);
                continue;
            };
            self.change_role(name, role, before);
        }
        closed
    }

    fn create_role(&mut self, name: &str, role: &Role, trust: String) -> Step {
        self.known_boundary(&format!("role {name}"), role.boundary.as_ref());
        let input = api::CreateRoleRequest {
            path: Some(role.path.clone()),
            role_name: name.to_owned(),
            assume_role_policy_document: trust,
            description: role.description.clone(),
            max_session_duration: Some(role.max_session_duration),
            permissions_boundary: role.boundary.as_deref().map(|reference| self.arn(reference)),
            tags: tag_list(&role.tags),
        };
        Step::add::<op::CreateRole>(format!("role {name}"), input)
    }

    fn change_role(&mut self, name: &str, role: &Role, before: &Role) {
        if role.path != before.path {
            self.block(format!("role {name} has another path, which IAM never changes"));
        }
        let lasting = |role: &Role| (role.description.clone(), role.max_session_duration);
        if lasting(role) != lasting(before) {
            let input = api::UpdateRoleRequest {
                role_name: name.to_owned(),
                description: Some(role.description.clone().unwrap_or_default()),
                max_session_duration: Some(role.max_session_duration),
            };
            let what = format!("role {name}: description, longest session");
            self.step(Step::change::<op::UpdateRole>(what, input));
        }
        self.boundary(Who::Role(name), role.boundary.as_ref(), before.boundary.as_ref());
        self.tags(&Tagged::Role(name), &role.tags, &before.tags);
    }

    /// Services' own roles are made, and never deleted: their services use them.
    fn linked_roles(&mut self) {
        let missing = self
            .wanted
            .service_linked_roles
            .difference(&self.present.service_linked_roles);
        for LinkedRole { service, name } in missing {
            let input = api::CreateServiceLinkedRoleRequest {
                aws_service_name: service.clone(),
                description: None,
                custom_suffix: name.strip_prefix(WITH_SUFFIX).map(str::to_owned),
            };
            let what = format!("service-linked role {name}");
            self.step(Step::add::<op::CreateServiceLinkedRole>(what, input));
        }
    }

    fn grants(&mut self) {
        let none = Grants::default();
        for (name, group) in self.wanted.groups.iter() {
            let before = self.present.groups.get(name).map_or(&none, |group| &group.grants);
            self.grants_of(Who::Group(name), &group.grants, before);
        }
        for (name, user) in self.wanted.users.iter() {
            let before = self.present.users.get(name).map_or(&none, |user| &user.grants);
            self.grants_of(Who::User(name), &user.grants, before);
        }
        for (name, role) in self.wanted.roles.iter() {
            let before = self.present.roles.get(name).map_or(&none, |role| &role.grants);
            self.grants_of(Who::Role(name), &role.grants, before);
        }
    }

    fn grants_of(&mut self, who: Who<'_>, wanted: &Grants, before: &Grants) {
        for reference in wanted.attached.difference(&before.attached) {
            self.known_policy(&who.shown(), reference);
            self.step(who.attach(reference, self.arn(reference)));
        }
        for (name, document) in wanted.inline.iter() {
            let old = before.inline.get(name);
            if old != Some(document) {
                self.step(who.put(name, document, old.is_some()));
            }
        }
        for reference in before.attached.difference(&wanted.attached) {
            self.extra(who.detach(reference, self.arn(reference)));
        }
        for name in before
            .inline
            .keys()
            .filter(|name| !wanted.inline.contains_key(*name))
        {
            self.extra(who.delete_inline(name));
        }
    }

    fn boundary(&mut self, who: Who<'_>, wanted: Option<&String>, before: Option<&String>) {
        match (wanted, before) {
            (Some(reference), _) if wanted != before => {
                self.known_policy(&who.shown(), reference);
                let step = who.bound(reference, self.arn(reference), before.is_some());
                self.plan.steps.extend(step);
            }
            (None, Some(reference)) => {
                if let Some(step) = who.unbound(reference) {
                    self.extra(step);
                }
            }
            _ => {}
        }
    }

    fn tags(&mut self, of: &Tagged<'_>, wanted: &Named<String>, before: &Named<String>) {
        for (key, value) in wanted.iter() {
            let old = before.get(key);
            if old != Some(value) {
                self.step(of.tag(key, value, old.is_some()));
            }
        }
        for key in before.keys().filter(|key| !wanted.contains_key(*key)) {
            self.extra(of.untag(key));
        }
    }

    fn memberships(&mut self) {
        let none = User::default();
        for (name, user) in self.wanted.users.iter() {
            let before = self.present.users.get(name).unwrap_or(&none);
            for group in user.groups.difference(&before.groups) {
                if !self.wanted.groups.contains_key(group) && !self.present.groups.contains_key(group) {
                    self.block(format!("user {name} is in group {group}, which is nowhere"));
                }
                self.step(join(name, group));
            }
            for group in before.groups.difference(&user.groups) {
                self.extra(leave(name, group));
            }
        }
    }

    fn instance_profiles(&mut self) {
        for (name, profile) in self.wanted.instance_profiles.iter() {
            match self.present.instance_profiles.get(name) {
                None => {
                    let input = api::CreateInstanceProfileRequest {
                        instance_profile_name: name.clone(),
                        path: Some(profile.path.clone()),
                        tags: tag_list(&profile.tags),
                    };
                    self.step(Step::add::<op::CreateInstanceProfile>(
                        format!("instance profile {name}"),
                        input,
                    ));
                    self.profile_role(name, profile, None);
                }
                Some(before) if before.path != profile.path => {
                    self.block(format!(
                        "instance profile {name} has another path, which IAM never changes"
                    ));
                }
                Some(before) => {
                    self.profile_role(name, profile, before.role.as_ref());
                    self.tags(&Tagged::InstanceProfile(name), &profile.tags, &before.tags);
                }
            }
        }
    }

    fn profile_role(&mut self, name: &str, profile: &InstanceProfile, before: Option<&String>) {
        if profile.role.as_ref() == before {
            return;
        }
        match (&profile.role, before) {
            (None, Some(role)) => self.extra(removal::role_of(name, role)),
            (Some(_), Some(role)) => self.step(removal::role_of(name, role)),
            (_, None) => {}
        }
        if let Some(role) = &profile.role {
            let input = api::AddRoleToInstanceProfileRequest {
                instance_profile_name: name.to_owned(),
                role_name: role.clone(),
            };
            let what = format!("instance profile {name}: role {role}");
            self.step(Step::add::<op::AddRoleToInstanceProfile>(what, input));
        }
    }

    /// Last, because a trust policy may name any user or role of the file.
    fn trust(&mut self, closed: &[&str]) {
        for (name, role) in self.wanted.roles.iter() {
            let before = self.present.roles.get(name);
            let is_other = before.is_some_and(|before| before.trust != role.trust);
            if is_other || closed.contains(&name.as_str()) {
                let input = api::UpdateAssumeRolePolicyRequest {
                    role_name: name.clone(),
                    policy_document: role.trust.to_text(),
                };
                let what = format!("role {name}: trust policy");
                self.step(Step::change::<op::UpdateAssumeRolePolicy>(what, input));
            }
        }
    }

    /// Those first that need others.
    fn delete_entities(&mut self) {
        let (wanted, present, account) = (self.wanted, self.present, self.account);
        for (name, profile) in missing_in(&wanted.instance_profiles, &present.instance_profiles) {
            self.extra_entity(
                format!("instance profile {name}"),
                removal::instance_profile(name, profile),
            );
        }
        for (name, role) in missing_in(&wanted.roles, &present.roles) {
            let steps = removal::entity(Who::Role(name), &role.grants, account);
            self.extra_entity(format!("role {name}"), steps);
        }
        for (name, user) in missing_in(&wanted.users, &present.users) {
            let belongings = self
                .belongings
                .as_mut()
                .and_then(|all| all.remove(name))
                .unwrap_or_default();
            let steps = removal::user(name, user, belongings, account);
            self.extra_entity(format!("user {name}"), steps);
        }
        for (name, group) in missing_in(&wanted.groups, &present.groups) {
            let steps = removal::entity(Who::Group(name), &group.grants, account);
            self.extra_entity(format!("group {name}"), steps);
        }
        for (name, policy) in missing_in(&wanted.policies, &present.policies) {
            let steps = removal::policy(name, policy, &self.policy_arn(name, policy));
            self.extra_entity(format!("policy {name}"), steps);
        }
    }

    fn extra_entity(&mut self, what: String, steps: Vec<Step>) {
        match self.belongings {
            Some(_) => self.removals.extend(steps),
            None => self.plan.kept.push(what),
        }
    }

    fn known_boundary(&mut self, whose: &str, reference: Option<&String>) {
        if let Some(reference) = reference {
            self.known_policy(whose, reference);
        }
    }

    /// AWS managed policies and those of other accounts are the server's to judge.
    fn known_policy(&mut self, whose: &str, reference: &str) {
        let own = |policies: &Named<Policy>| {
            policies
                .iter()
                .any(|(name, policy)| reference == format!("policy{}{name}", policy.path))
        };
        if reference.starts_with("policy/") && !own(&self.wanted.policies) && !own(&self.present.policies) {
            self.block(format!("{whose} has {reference}, which is nowhere"));
        }
    }
}

fn missing_in<'a, T>(
    wanted: &'a Named<T>,
    present: &'a Named<T>,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    present.iter().filter(|(name, _)| !wanted.contains_key(*name))
}

fn create_policy(name: &str, policy: &Policy) -> Step {
    let input = api::CreatePolicyRequest {
        policy_name: name.to_owned(),
        path: Some(policy.path.clone()),
        policy_document: policy.document.to_text(),
        description: policy.description.clone(),
        tags: tag_list(&policy.tags),
    };
    Step::add::<op::CreatePolicy>(format!("policy {name}"), input)
}
