//! Which policies speak about a caller: gathered from the picture that decides, compiled to decide and as they were
//! written to explain.

use std::sync::Arc;

use portcullis_core::Arn;
use portcullis_policy::{PolicySets, Program, Programs, Source};

use super::caller::{Caller, Identity};
use crate::services::resource_policies::Home;
use crate::world::compiled::{Compiled, Policy};
use crate::world::records::PolicyText;
use crate::world::records::iam::{Permissions, Role, User};
use crate::world::{Snapshot, managed};

/// The picture of the caller's own account: its permissions count wherever it calls.
pub(super) fn home<'v>(view: &'v Snapshot, caller: &Caller) -> Home<'v> {
    Home::of(view, caller.account.as_str()).unwrap_or(Home::Here(view))
}

/// Whether two pictures of an account decide alike, as far as callers' policies and buckets' go: nothing of what decides
/// was changed between them.
pub(crate) fn decides_alike(one: &Snapshot, other: &Snapshot) -> bool {
    one.users.is_same(&other.users)
        && one.groups.is_same(&other.groups)
        && one.roles.is_same(&other.roles)
        && one.policies.is_same(&other.policies)
        && one.organizations.is_same(&other.organizations)
        && one.member_accounts.is_same(&other.member_accounts)
        && one.s3.buckets.is_same(&other.s3.buckets)
}

/// What decides about one caller. Service principals and root have nothing but perhaps a session.
#[derive(Debug)]
pub struct Standing<'a> {
    compiled: Option<&'a Compiled>,
    session: Option<Vec<&'a Program>>,
}

impl<'a> Standing<'a> {
    /// Looks up what was compiled for a caller; compiles it when nobody asked before.
    pub fn of(view: &'a Snapshot, caller: &'a Caller) -> Result<Self, Unreadable> {
        let compiled = match Entity::of(view, caller)? {
            None => None,
            Some(entity) => {
                let slot = &entity.permissions().compiled;
                let compiled = slot.get_or_compile(|| compile(view, entity).ok());
                Some(compiled.ok_or_else(|| unreadable(view, entity))?)
            }
        };
        Ok(Self {
            compiled,
            session: session_programs(view, caller)?,
        })
    }

    /// The programs of all sets, with that of the resource's own policy.
    pub fn programs<'s>(&'s self, resource: Option<&'s Program>) -> Programs<'s> {
        let boundary = self.compiled.and_then(|compiled| compiled.boundary.as_ref());
        Programs {
            identity: self.compiled.map(|compiled| &compiled.identity),
            boundary: boundary.map(|boundary| boundary.program()),
            session: self.session.as_deref(),
            resource,
            ..Programs::default()
        }
    }
}

fn compile(view: &Snapshot, entity: Entity<'_>) -> Result<Compiled, Unreadable> {
    let mut policies = Policies::default();
    policies.add_entity(view, entity)?;
    let boundary = entity.permissions().boundary.as_ref();
    Ok(Compiled {
        identity: Program::compile(policies.identity.iter().map(|source| source.document)),
        boundary: boundary.and_then(|arn| default_policy(view, arn)).cloned(),
    })
}

/// Which policy cannot be read.
fn unreadable(view: &Snapshot, entity: Entity<'_>) -> Unreadable {
    let unknown = || Unreadable(entity.arn().to_string());
    compile(view, entity).err().unwrap_or_else(unknown)
}

fn session_programs<'a>(
    view: &'a Snapshot,
    caller: &'a Caller,
) -> Result<Option<Vec<&'a Program>>, Unreadable> {
    let Some(session) = caller.session.as_ref().filter(|session| session.has_policies()) else {
        return Ok(None);
    };
    let inline = session.policy.iter().map(|policy| {
        let policy = policy.policy().ok_or_else(unreadable_session_policy)?;
        Ok(policy.program())
    });
    let managed = session.policy_arns.iter().map(|arn| {
        let policy = default_policy(view, arn).ok_or_else(|| Unreadable(arn.to_string()))?;
        Ok(policy.program())
    });
    inline.chain(managed).collect::<Result<_, _>>().map(Some)
}

fn unreadable_session_policy() -> Unreadable {
    Unreadable("session policy".to_owned())
}

/// Whose policies a caller has.
#[derive(Clone, Copy)]
enum Entity<'a> {
    User(&'a User),
    Role(&'a Role),
}

impl<'a> Entity<'a> {
    /// `None` for root and services, who have no policies.
    fn of(view: &'a Snapshot, caller: &Caller) -> Result<Option<Self>, Unreadable> {
        match &caller.identity {
            Identity::Root
            | Identity::Service(_)
            | Identity::Anonymous
            | Identity::WebIdentity(_)
            | Identity::Federated { user: None, .. } => Ok(None),
            Identity::User { name, .. } | Identity::Federated { user: Some(name), .. } => {
                let user = view.user(name).ok_or_else(|| Unreadable(name.to_owned()))?;
                Ok(Some(Self::User(user)))
            }
            Identity::Role { name, arn, .. } => {
                let role = view.role(name).ok_or_else(|| Unreadable(arn.to_string()))?;
                Ok(Some(Self::Role(role)))
            }
        }
    }

    fn arn(self) -> &'a Arn {
        match self {
            Self::User(user) => &user.arn,
            Self::Role(role) => &role.arn,
        }
    }

    fn permissions(self) -> &'a Permissions {
        match self {
            Self::User(user) => &user.permissions,
            Self::Role(role) => &role.permissions,
        }
    }
}

/// The policies of one caller as they were written. Service principals and root have none.
#[derive(Debug, Default)]
pub struct Policies<'a> {
    /// Inline and attached, of the user and of its groups, or of the role.
    pub identity: Vec<Source<'a>>,
    /// The permissions boundary.
    pub boundary: Option<Source<'a>>,
    /// The session policies; `None` when the session has none.
    pub session: Option<Vec<Source<'a>>>,
}

/// A policy that is attached but cannot be read. Everything is denied until it is mended (R31, R138).
#[derive(Debug)]
pub struct Unreadable(pub String);

impl<'a> Policies<'a> {
    /// Gathers the policies of a caller.
    pub fn of(view: &'a Snapshot, caller: &'a Caller) -> Result<Self, Unreadable> {
        let mut policies = Self::default();
        if let Some(entity) = Entity::of(view, caller)? {
            policies.add_entity(view, entity)?;
        }
        policies.add_session(view, caller)?;
        Ok(policies)
    }

    /// All sets, with the resource's own policy.
    pub fn sets<'s>(&'s self, resource: Option<Source<'s>>) -> PolicySets<'s> {
        PolicySets {
            identity: &self.identity,
            boundary: self.boundary,
            session: self.session.as_deref(),
            resource,
            ..PolicySets::default()
        }
    }

    fn add_entity(&mut self, view: &'a Snapshot, entity: Entity<'a>) -> Result<(), Unreadable> {
        self.add(view, entity.arn(), entity.permissions())?;
        if let Entity::User(user) = entity {
            for group in user.groups.iter().filter_map(|group| view.group(group)) {
                self.add(view, &group.arn, &group.permissions)?;
            }
        }
        Ok(())
    }

    /// Adds the policies of one entity.
    pub fn add(
        &mut self,
        view: &'a Snapshot,
        owner: &'a Arn,
        permissions: &'a Permissions,
    ) -> Result<(), Unreadable> {
        for (name, text) in &permissions.inline {
            self.identity.push(inline(owner, name, text)?);
        }
        for arn in &permissions.attached {
            self.identity.push(managed(view, arn, owner.as_str())?);
        }
        if let Some(arn) = &permissions.boundary {
            self.boundary = Some(managed(view, arn, owner.as_str())?);
        }
        Ok(())
    }

    fn add_session(&mut self, view: &'a Snapshot, caller: &'a Caller) -> Result<(), Unreadable> {
        let Some(session) = caller.session.as_ref().filter(|session| session.has_policies()) else {
            return Ok(());
        };
        let mut sources = Vec::new();
        if let Some(policy) = &session.policy {
            let policy = policy.policy().ok_or_else(unreadable_session_policy)?;
            sources.push(Source {
                name: "session policy",
                arn: None,
                attached_to: None,
                document: policy.document(),
            });
        }
        for arn in &session.policy_arns {
            sources.push(managed(view, arn, "session")?);
        }
        self.session = Some(sources);
        Ok(())
    }
}

fn inline<'a>(owner: &'a Arn, name: &'a str, text: &'a PolicyText) -> Result<Source<'a>, Unreadable> {
    let document = text
        .document()
        .ok_or_else(|| Unreadable(format!("inline policy {name} of {owner}")))?;
    Ok(Source {
        name,
        arn: None,
        attached_to: Some(owner.as_str()),
        document,
    })
}

fn managed<'a>(view: &'a Snapshot, arn: &'a Arn, owner: &'a str) -> Result<Source<'a>, Unreadable> {
    let policy = default_policy(view, arn).ok_or_else(|| Unreadable(arn.to_string()))?;
    let name = arn.as_str().rsplit('/').next().unwrap_or_default();
    Ok(Source {
        name,
        arn: Some(arn.as_str()),
        attached_to: Some(owner),
        document: policy.document(),
    })
}

/// The version in force of a managed policy, the customer's or AWS's.
pub fn default_policy<'a>(view: &'a Snapshot, arn: &Arn) -> Option<&'a Arc<Policy>> {
    match view.policy(arn) {
        Some(policy) => {
            let version = policy.versions.get(&policy.default_version)?;
            version.document.policy()
        }
        None => managed::find(arn.as_str())?.policy(),
    }
}
