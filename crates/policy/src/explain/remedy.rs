//! Finding the smallest change. Nothing is suggested that was not tried: edits are parsed and matched, and another
//! request is decided again before it is called enough.

use crate::decide;
use crate::document::{Condition, Document, Kind, Statement, Version};
use crate::explain::change::{Change, Element, NewStatement, Place};
use crate::explain::needs::{self, Candidate};
use crate::explain::refusal::{self, Considered, Refusal, Refusing};
use crate::explain::{CheckEffect, ElementReport, StatementReport, nearest, resources};
use crate::matching::condition;
use crate::matching::principal::Naming;
use crate::matching::resource::{ResourceForm, ResourceMatch};
use crate::{Context, Effect, PolicySets, PolicyType, Principal, Request};

/// What a remedy is looked for in.
pub(super) struct Remedy<'x, 'a> {
    pub(super) request: &'x Request<'x>,
    pub(super) sets: &'x PolicySets<'a>,
    pub(super) considered: &'x [Considered<'a>],
    pub(super) reports: &'x [StatementReport],
    /// Every set that refuses now.
    pub(super) refusing: &'x [Refusing],
}

impl Remedy<'_, '_> {
    /// A refusing set, with what came nearest and what would change it.
    pub(super) fn refusal(&self, refusing: Refusing) -> Refusal {
        let (policy_type, level, effect) = refusing;
        let (nearest, changes) = match effect {
            CheckEffect::ExplicitDeny => (None, self.of_denies(policy_type)),
            _ => {
                let nearest = nearest::find(self.reports, policy_type, level);
                (nearest, self.of_silence(refusing, nearest))
            }
        };
        Refusal {
            policy_type,
            level,
            effect,
            nearest,
            changes,
            is_lifted: false,
        }
    }

    /// How closely the resource's policy would name the caller once its own refusal is changed, if it refuses (R118).
    pub(super) fn grant(&self, refusals: &[Refusal]) -> Option<Naming> {
        let of_resource = |refusal: &&Refusal| {
            refusal.effect == CheckEffect::ImplicitDeny
                && matches!(refusal.policy_type, PolicyType::Resource | PolicyType::RoleTrust)
        };
        let refusal = refusals.iter().find(of_resource)?;
        let is_new = |change: &Change| match change {
            Change::AddStatement { .. } => true,
            Change::Add { element, .. } => !matches!(element, Element::Action | Element::Resource),
            Change::Remove { .. } | Change::Request { .. } | Change::Resource { .. } => false,
        };
        if refusal.changes.iter().any(is_new) {
            return Some(match self.request.principal {
                Principal::RoleSession { .. } => Naming::Entity,
                Principal::Root { .. } => Naming::Account,
                _ => Naming::Direct,
            });
        }
        let one = self.considered.get(refusal.nearest?)?;
        let asked = decide::asked(self.request, self.sets);
        Some(asked.principal(one.statement, one.set.names_principals()))
    }

    /// What would make a silent set allow: the nearest statement changed in as few places as it fails, or a new
    /// statement where that would widen more than one element.
    fn of_silence(&self, refusing: Refusing, nearest: Option<usize>) -> Vec<Change> {
        let (policy_type, level, _) = refusing;
        let new = self.new_statement(policy_type, level);
        let near = nearest.and_then(|at| Some((self.considered.get(at)?, self.reports.get(at)?)));
        if let (Some((one, report)), Some(new)) = (near, &new)
            && let Some(changes) = self.near(refusing, one, report, new)
        {
            return changes;
        }
        let preferred = near.map(|(_, report)| report);
        let Some(mut statement) = new else {
            return Vec::new();
        };
        let is_own = matches!(
            policy_type,
            PolicyType::Identity | PolicyType::Boundary | PolicyType::Session
        );
        let (asked, pattern) = match resources::wanted(self.request).filter(|_| is_own) {
            Some((asked, pattern)) => (Some(asked), Some(pattern)),
            None => (None, None),
        };
        statement.resource = pattern.or(statement.resource);
        asked
            .into_iter()
            .chain([self.add_statement(policy_type, level, preferred, statement)])
            .collect()
    }

    /// What the request would need for no Deny of the set to apply; nothing when no request would do.
    fn of_denies(&self, policy_type: PolicyType) -> Vec<Change> {
        let denies = self.considered.iter().zip(self.reports).filter(|(one, report)| {
            report.applies && one.set.policy_type == policy_type && one.statement.effect == Effect::Deny
        });
        let action = self.request.action;
        let mut context = self.request.context.clone();
        let mut changes = Vec::new();
        for (one, _) in denies {
            let holds = |context: &Context| {
                one.statement
                    .conditions
                    .iter()
                    .all(|c| condition::evaluate(c, context).met)
            };
            if !holds(&context) {
                continue;
            }
            let escape = one.statement.conditions.iter().find_map(|condition| {
                let (candidate, changed) = needs::find(condition, (action, &context), false, |_| true)?;
                Some((condition, candidate, changed))
            });
            let Some((condition, candidate, changed)) = escape else {
                return Vec::new();
            };
            context = changed;
            changes.push(request_change(condition, candidate));
        }
        let healed: Vec<Refusing> = self
            .refusing
            .iter()
            .copied()
            .filter(|(known, _, effect)| *known == policy_type && *effect == CheckEffect::ExplicitDeny)
            .collect();
        if self.heals(&context, &healed, false) {
            changes
        } else {
            Vec::new()
        }
    }

    /// The nearest statement's own way: one element edited at most, and a request with the keys it asks for.
    fn near(
        &self,
        refusing: Refusing,
        one: &Considered<'_>,
        report: &StatementReport,
        new: &NewStatement,
    ) -> Option<Vec<Change>> {
        let mut failing = report.elements().filter(|element| !element.matched);
        let (first, second) = (failing.next(), failing.next());
        let by_variable = first
            .filter(|element| second.is_none() && element.element == "Resource")
            .and_then(|_| resources::missing_variable(one.statement, self.request));
        let edited = first.is_some() && by_variable.is_none();
        let (mut changes, context) = match (first, by_variable) {
            (None, _) => (Vec::new(), self.request.context.clone()),
            (Some(_), Some((change, context))) => (vec![change], context),
            (Some(element), None) if second.is_none() && report.policy.is_editable() => (
                self.edit(one.statement, report, element, new)?,
                self.request.context.clone(),
            ),
            _ => return None,
        };
        let (context, asked_for) = self.needed(one.statement, context)?;
        changes.extend(asked_for);
        let resource_holds = edited && report.resource.as_ref().is_some_and(|element| !element.matched);
        let holds = self.holds(one, &context, resource_holds);
        (holds && self.heals(&context, &[refusing], true)).then_some(changes)
    }

    /// These keys, changed so that every condition of the statement holds.
    fn needed(&self, statement: &Statement, mut context: Context) -> Option<(Context, Vec<Change>)> {
        let mut changes = Vec::new();
        for one in &statement.conditions {
            if condition::evaluate(one, &context).met {
                continue;
            }
            let same_key: Vec<&Condition> = statement
                .conditions
                .iter()
                .filter(|other| crate::text::same(&other.key, &one.key))
                .collect();
            let fits = |context: &Context| same_key.iter().all(|c| condition::evaluate(c, context).met);
            let (candidate, changed) = needs::find(one, (self.request.action, &context), true, fits)?;
            context = changed;
            changes.push(request_change(one, candidate));
        }
        Some((context, changes))
    }

    /// Whether the statement's resource and conditions hold with other keys; variables may have changed their value.
    fn holds(&self, one: &Considered<'_>, context: &Context, resource_is_edited: bool) -> bool {
        let request = Request {
            context,
            ..*self.request
        };
        let asked = decide::asked(&request, self.sets);
        let statement = one.statement;
        let conditions_hold = statement
            .conditions
            .iter()
            .all(|c| condition::evaluate(c, context).met);
        conditions_hold
            && if resource_is_edited {
                self.edited_resource_holds(statement, context)
            } else {
                asked.resource(statement.resource.as_ref(), statement.effect)
            }
    }

    /// Whether the resource element, edited so that it holds for the request, also holds with other keys: what is left in
    /// NotResource still matches nothing, and has its variables' values (R57).
    fn edited_resource_holds(&self, statement: &Statement, context: &Context) -> bool {
        let negated = statement.resource.iter().filter(|list| list.negated);
        let misses = |form: &ResourceForm, context: &Context| {
            form.matches(self.request.resource, context) == ResourceMatch::No
        };
        let mut left = negated
            .flat_map(|list| &list.patterns)
            .filter(|pattern| misses(&pattern.form, self.request.context));
        left.all(|pattern| misses(&pattern.form, context))
    }

    /// Whether with these keys nothing refuses that does not refuse already, once `healed` no longer does.
    /// `by_allow`: they are healed by an Allow that takes effect; otherwise they have to be gone by themselves.
    fn heals(&self, context: &Context, healed: &[Refusing], by_allow: bool) -> bool {
        if *context == *self.request.context {
            return by_allow;
        }
        let request = Request {
            context,
            ..*self.request
        };
        let applying = refusal::applying(&request, self.sets, self.considered, self.reports);
        let still = refusal::refusing(&request, self.sets, &applying);
        still.iter().all(|refusing| {
            let is_healed = healed.contains(refusing);
            self.refusing.contains(refusing) && (by_allow || !is_healed)
        })
    }

    /// One element of the nearest statement, widened by what was asked for.
    fn edit(
        &self,
        statement: &Statement,
        report: &StatementReport,
        element: &ElementReport,
        new: &NewStatement,
    ) -> Option<Vec<Change>> {
        let add = |element: Element, value: String| {
            vec![Change::Add {
                place: Place::of(report),
                element,
                value,
            }]
        };
        match element.element {
            "Principal" if statement.principal.is_some() => {
                let (element, value) = new.principal.clone()?;
                Some(add(element, value))
            }
            "Action" => Some(add(Element::Action, new.action.clone())),
            "Resource" => match resources::wanted(self.request) {
                Some((asked, _)) => Some(vec![asked]),
                None => Some(add(Element::Resource, new.resource.clone()?)),
            },
            "NotAction" => {
                let asked = decide::asked(self.request, self.sets).action;
                let hits = statement.action.patterns.iter().map(|p| p.form.matches(asked));
                removal(Element::NotAction, report, element, hits)
            }
            "NotResource" => {
                let list = statement.resource.as_ref()?;
                let answer = |pattern: &crate::document::ResourcePattern| {
                    pattern.form.matches(self.request.resource, self.request.context) != ResourceMatch::No
                };
                removal(
                    Element::NotResource,
                    report,
                    element,
                    list.patterns.iter().map(answer),
                )
            }
            _ => None,
        }
    }

    /// A statement with exactly what is asked for, which the set's policies may hold and which applies.
    fn new_statement(&self, policy_type: PolicyType, level: usize) -> Option<NewStatement> {
        let document = self.document_of(policy_type, level);
        let kind = document.map_or_else(|| kind_of(policy_type), Document::kind);
        let version = document.map_or(Version::V2012, Document::version);
        let principal = match kind.names_principals() {
            true => Some(principal_value(self.request.principal)),
            false => None,
        };
        let resources = match kind {
            Kind::Trust => vec![None],
            _ => vec![
                Some(literal(self.request.resource, version)),
                Some("*".to_owned()),
            ],
        };
        let mut statements = resources.into_iter().map(|resource| NewStatement {
            principal: principal.clone(),
            action: self.request.action.to_owned(),
            resource,
        });
        statements.find(|statement| self.applies(statement, kind, version))
    }

    /// Whether the statement may be written and applies.
    fn applies(&self, statement: &NewStatement, kind: Kind, version: Version) -> bool {
        let version = match version {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        };
        let text = format!("{{\"Version\": \"{version}\", \"Statement\": {statement}}}");
        let Ok(document) = Document::parse(&text, kind) else {
            return false;
        };
        let asked = decide::asked(self.request, self.sets);
        let names_principals = match kind.names_principals() {
            true => crate::matching::statement::NamesPrincipals::Yes,
            false => crate::matching::statement::NamesPrincipals::No,
        };
        document
            .statements()
            .iter()
            .any(|statement| asked.naming(statement, names_principals) > Naming::None)
    }

    fn add_statement(
        &self,
        policy_type: PolicyType,
        level: usize,
        preferred: Option<&StatementReport>,
        statement: NewStatement,
    ) -> Change {
        let of_set = self
            .reports
            .iter()
            .filter(|report| report.policy.policy_type == policy_type && report.policy.level == level);
        let policy = preferred
            .into_iter()
            .chain(of_set)
            .find(|report| report.policy.is_editable())
            .map(|report| report.policy.name.clone());
        Change::AddStatement {
            policy_type,
            level,
            policy,
            statement,
        }
    }

    fn document_of(&self, policy_type: PolicyType, level: usize) -> Option<&Document> {
        let in_set = |one: &&Considered<'_>| one.set.policy_type == policy_type && one.set.level == level;
        self.considered
            .iter()
            .find(in_set)
            .map(|one| one.set.source.document)
    }
}

/// Takes out the values that hit; an element may not become empty (R12, R13).
fn removal(
    element: Element,
    report: &StatementReport,
    of: &ElementReport,
    hits: impl Iterator<Item = bool>,
) -> Option<Vec<Change>> {
    let hit: Vec<usize> = hits
        .enumerate()
        .filter_map(|(at, hit)| hit.then_some(at))
        .collect();
    if hit.len() == of.wanted.len() {
        return None;
    }
    let changes = hit.into_iter().filter_map(|at| {
        Some(Change::Remove {
            place: Place::of(report),
            element,
            value: of.wanted.written(at)?.into_owned(),
        })
    });
    Some(changes.collect())
}

fn request_change(condition: &Condition, candidate: Candidate) -> Change {
    Change::Request {
        key: condition.key.clone(),
        need: candidate.need,
        example: candidate.value,
    }
}

/// What the policies of a set are written as when there are none yet.
fn kind_of(policy_type: PolicyType) -> Kind {
    match policy_type {
        PolicyType::ServiceControl => Kind::ServiceControl,
        PolicyType::ResourceControl => Kind::ResourceControl,
        PolicyType::Endpoint => Kind::Endpoint,
        PolicyType::Resource => Kind::Resource,
        PolicyType::RoleTrust => Kind::Trust,
        PolicyType::Boundary => Kind::Boundary,
        PolicyType::Session => Kind::Session,
        PolicyType::Identity => Kind::Identity,
    }
}

/// How a policy names the caller: a role session by its role, since sessions come and go (R63, R67).
fn principal_value(caller: &Principal) -> (Element, String) {
    let arn = match caller {
        Principal::Root { account } => format!("arn:aws:iam::{account}:root"),
        Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => arn.as_str().to_owned(),
        Principal::RoleSession { role_arn, .. } => role_arn.as_str().to_owned(),
        Principal::Federated { provider } => return (Element::FederatedPrincipal, provider.clone()),
        Principal::Service(name) => return (Element::ServicePrincipal, name.clone()),
        Principal::Anonymous => "*".to_owned(),
    };
    (Element::AwsPrincipal, arn)
}

/// A resource as a policy writes it. A `*` in it stays, as AWS's own advice has it (R50); `${` begins a variable
/// since 2012-10-17 (R55).
fn literal(resource: &str, version: Version) -> String {
    match version {
        Version::V2012 => resource.replace("${", "${$}{"),
        Version::V2008 => resource.to_owned(),
    }
}
