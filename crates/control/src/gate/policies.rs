//! Which policies speak about a caller: gathered from the picture that decides.

use portcullis_core::Arn;
use portcullis_policy::{Document, Source};

use super::caller::{Caller, Identity};
use crate::world::records::PolicyText;
use crate::world::records::iam::Permissions;
use crate::world::{Snapshot, managed};

/// The policies of one caller. Service principals and root have none.
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
        match &caller.identity {
            Identity::Root | Identity::Service(_) => {}
            Identity::User { name, .. } | Identity::Federated { user: name, .. } => {
                policies.add_user(view, name)?;
            }
            Identity::Role { name, arn, .. } => {
                let role = view.role(name).ok_or_else(|| Unreadable(arn.to_string()))?;
                policies.add(view, &role.arn, &role.permissions)?;
            }
        }
        policies.add_session(view, caller)?;
        Ok(policies)
    }

    fn add_user(&mut self, view: &'a Snapshot, name: &str) -> Result<(), Unreadable> {
        let user = view.user(name).ok_or_else(|| Unreadable(name.to_owned()))?;
        self.add(view, &user.arn, &user.permissions)?;
        for group in &user.groups {
            if let Some(group) = view.group(group) {
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
        let Some(session) = &caller.session else {
            return Ok(());
        };
        if session.policy.is_none() && session.policy_arns.is_empty() {
            return Ok(());
        }
        let mut sources = Vec::new();
        if let Some(policy) = &session.policy {
            let document = policy
                .document()
                .ok_or_else(|| Unreadable("session policy".to_owned()))?;
            sources.push(Source {
                name: "session policy",
                arn: None,
                attached_to: None,
                document,
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
    let document = default_document(view, arn).ok_or_else(|| Unreadable(arn.to_string()))?;
    let name = arn.as_str().rsplit('/').next().unwrap_or_default();
    Ok(Source {
        name,
        arn: Some(arn.as_str()),
        attached_to: Some(owner),
        document,
    })
}

/// The document in force of a managed policy, the customer's or AWS's.
pub fn default_document<'a>(view: &'a Snapshot, arn: &Arn) -> Option<&'a Document> {
    match view.policy(arn) {
        Some(policy) => policy
            .versions
            .get(&policy.default_version)?
            .document
            .document()
            .map(AsRef::as_ref),
        None => managed::find(arn.as_str())?.document(),
    }
}
