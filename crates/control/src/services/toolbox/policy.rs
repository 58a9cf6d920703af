//! GetRequestAuthorizationPolicy.

use portcullis_api::iam_toolbox::op::GetRequestAuthorizationPolicy;
use portcullis_api::iam_toolbox::{GetRequestAuthorizationPolicyInput, GetRequestAuthorizationPolicyOutput};
use portcullis_policy::{Document, Kind};

use super::errors::ToolboxError;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::open_points;
use crate::services::iam;
use crate::world::Snapshot;
use crate::world::records::PolicyText;

/// The action that authorises it.
pub(super) const ACTION: &str = "iam:GetRequestAuthorizationPolicy";

/// Nobody reads policies without permission, whoever was refused.
pub(super) fn require(_ask: Ask<'_, GetRequestAuthorizationPolicyInput>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new(ACTION, open_points::r175_resource())])
}

/// A policy as it was when the request was refused.
pub(super) fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, GetRequestAuthorizationPolicy>,
) -> Result<GetRequestAuthorizationPolicyOutput, ServiceError> {
    let input = auth.input();
    let kept = env
        .reasons
        .find(&input.authorization_id, &auth.call().caller.account);
    let kept = kept.ok_or(ToolboxError::NoSuchAuthorization)?;
    let text = kept
        .policies
        .get(&input.policy_uri)
        .ok_or(ToolboxError::NoSuchPolicy)?;
    let policy_document = serde_json::from_str(&shown(view, text)).map_err(|error| {
        tracing::error!(%error, "a policy that decided is no JSON");
        ToolboxError::Internal
    })?;
    Ok(GetRequestAuthorizationPolicyOutput { policy_document })
}

/// The text to show: trust policies are kept with unique ids and shown with the ARNs of those who are still there (R65).
fn shown(view: &Snapshot, text: &str) -> String {
    match Document::parse(text, Kind::Trust) {
        Ok(document) => iam::shown_trust_policy(view, &PolicyText::new(&document)),
        Err(_) => text.to_owned(),
    }
}
