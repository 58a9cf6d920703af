//! GetRequestAuthorizationDetails.

use portcullis_api::iam_toolbox::op::GetRequestAuthorizationDetails;
use portcullis_api::iam_toolbox::{
    GetRequestAuthorizationDetailsInput, GetRequestAuthorizationDetailsOutput,
};

use super::errors::ToolboxError;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::open_points;
use crate::world::Snapshot;

/// The action that authorises it.
pub(super) const ACTION: &str = "iam:GetRequestAuthorizationDetails";
/// Evaluations in one answer.
const PAGE: usize = 100;

/// Who was refused may ask without permission, and gets little more than he was told then.
pub(super) fn require(ask: Ask<'_, GetRequestAuthorizationDetailsInput>) -> Result<Vec<Check>, ServiceError> {
    let check = Check::new(ACTION, open_points::r175_resource());
    let caller = &ask.call.caller;
    let whose = ask
        .env
        .reasons
        .whose(&ask.input.authorization_id, &caller.account);
    let is_own = whose.is_some_and(|own_id| own_id == caller.own_id());
    Ok(vec![if is_own { check.optional() } else { check }])
}

/// Why a request was refused.
pub(super) fn get(
    _view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, GetRequestAuthorizationDetails>,
) -> Result<GetRequestAuthorizationDetailsOutput, ServiceError> {
    let (input, caller) = (auth.input(), &auth.call().caller);
    let kept = env.reasons.find(&input.authorization_id, &caller.account);
    let kept = kept.ok_or(ToolboxError::NoSuchAuthorization)?;
    let is_own = kept.user_id == caller.own_id();
    let kept = match (is_own && !auth.may(ACTION), input.portcullis) {
        (true, _) => kept.told_anyway(),
        (false, Some(true)) => kept,
        (false, _) => kept.without_ours(),
    };
    let mut output: GetRequestAuthorizationDetailsOutput = portcullis_wire::json::from_value(&kept.details)
        .map_err(|error| {
        tracing::error!(%error, "the details of a refusal could not be read");
        ToolboxError::Internal
    })?;
    let from = input
        .next_token
        .as_deref()
        .map_or(Ok(0), |token| position(token, output.evaluations.len()))?;
    let rest = output.evaluations.split_off(from);
    output.next_token = (rest.len() > PAGE).then(|| (from + PAGE).to_string());
    output.evaluations = rest.into_iter().take(PAGE).collect();
    Ok(output)
}

/// Where a page begins.
fn position(token: &str, count: usize) -> Result<usize, ToolboxError> {
    let position = token.parse().ok();
    position
        .filter(|position| *position < count && position % PAGE == 0)
        .ok_or(ToolboxError::InvalidNextToken)
}
