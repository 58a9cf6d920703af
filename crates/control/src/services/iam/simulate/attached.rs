//! The policies a user, group or role has.

use portcullis_api::iam as api;
use portcullis_core::Arn;
use portcullis_policy::Document;

use crate::gate::policies::default_policy;
use crate::services::iam::entity::{Holder, Subject};
use crate::services::iam::errors::IamError;
use crate::services::iam::shapes::name_of;
use crate::world::Snapshot;

/// A policy of an entity.
pub(in crate::services::iam) struct Attached<'a> {
    /// The name results give it: a managed policy's own, of an inline policy `user_NAME_POLICY`.
    pub id: String,
    /// The policy.
    pub document: &'a Document,
    /// Where it hangs.
    pub place: Place<'a>,
}

/// Where a policy hangs.
pub(in crate::services::iam) enum Place<'a> {
    /// By itself, attached by its ARN.
    Managed(&'a Arn),
    /// In a user, group or role.
    Inline {
        /// `user`, `group` or `role`.
        kind: &'static str,
        /// The name of the holder.
        holder: &'a str,
        /// The name of the policy.
        name: &'a str,
    },
}

impl Attached<'_> {
    /// The ARN of a managed policy.
    pub fn arn(&self) -> Option<&str> {
        match self.place {
            Place::Managed(arn) => Some(arn.as_str()),
            Place::Inline { .. } => None,
        }
    }

    /// Whether an identifier of `PolicyExclusionList` means this policy.
    pub fn is(&self, identifier: &api::PolicyIdentifier) -> bool {
        match self.place {
            Place::Managed(arn) => identifier.policy_arn.as_deref() == Some(arn.as_str()),
            Place::Inline { kind, holder, name } => {
                identifier
                    .inline_policy_identifier
                    .as_ref()
                    .is_some_and(|inline| {
                        inline.attachment_type == kind
                            && inline.attachment_name.eq_ignore_ascii_case(holder)
                            && inline.policy_name == name
                    })
            }
        }
    }
}

/// All policies of an entity; of a user those of its groups too (R135).
pub(in crate::services::iam) fn policies<'a>(
    view: &'a Snapshot,
    subject: &Subject<'a>,
) -> Result<Vec<Attached<'a>>, IamError> {
    let mut policies = Vec::new();
    match *subject {
        Subject::User(user) => {
            add(view, user, &mut policies)?;
            for group in user.groups.iter().filter_map(|name| view.group(name)) {
                add(view, group.as_ref(), &mut policies)?;
            }
        }
        Subject::Group(group) => add(view, group, &mut policies)?,
        Subject::Role(role) => add(view, role, &mut policies)?,
    }
    Ok(policies)
}

fn add<'a, H: Holder>(
    view: &'a Snapshot,
    holder: &'a H,
    policies: &mut Vec<Attached<'a>>,
) -> Result<(), IamError> {
    let permissions = holder.permissions();
    for (name, text) in &permissions.inline {
        let document = text.document().ok_or(IamError::PolicyEvaluation)?;
        let id = format!("{}_{}_{name}", H::WORD, holder.name());
        policies.push(Attached {
            id,
            document,
            place: Place::Inline {
                kind: H::WORD,
                holder: holder.name(),
                name,
            },
        });
    }
    for arn in &permissions.attached {
        let policy = default_policy(view, arn).ok_or(IamError::PolicyEvaluation)?;
        policies.push(Attached {
            id: name_of(arn).to_owned(),
            document: policy.document(),
            place: Place::Managed(arn),
        });
    }
    Ok(())
}

/// The permissions boundary of an entity.
pub(super) fn boundary<'a>(
    view: &'a Snapshot,
    subject: &Subject<'a>,
) -> Result<Option<(&'a str, &'a Document)>, IamError> {
    let boundary = match *subject {
        Subject::User(user) => &user.permissions.boundary,
        Subject::Role(role) => &role.permissions.boundary,
        Subject::Group(_) => &None,
    };
    let Some(arn) = boundary else { return Ok(None) };
    let policy = default_policy(view, arn).ok_or(IamError::PolicyEvaluation)?;
    Ok(Some((name_of(arn), policy.document())))
}
