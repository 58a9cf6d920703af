//! May they? Every check of a call against every policy that speaks about its caller.

use portcullis_policy::{Context, Decision, Explanation, PolicySets, Request, Source};

use super::call::Call;
use super::context::add_global_keys;
use super::error::ServiceError;
use super::operation::{Check, Granted, ResourcePolicy};
use super::policies::{Policies, Unreadable};
use crate::open_points;
use crate::world::Snapshot;

/// Decides all checks of a call; the first refused one is the answer (R139).
pub(crate) fn authorize(view: &Snapshot, call: &Call, checks: &[Check]) -> Result<Granted, ServiceError> {
    let policies = Policies::of(view, &call.caller).map_err(|unreadable| broken(call, &unreadable))?;
    let mut granted = Granted { optional: Vec::new() };
    let refusals = checks.iter().filter_map(|check| {
        let refused = refused(view, call, check, &policies);
        if check.optional && refused.is_none() {
            granted.optional.push(check.action);
        }
        refused.filter(|_| !check.optional)
    });
    match open_points::r139_answer(refusals) {
        Some(error) => Err(error),
        None => Ok(granted),
    }
}

/// Why a check is refused; `None` when it is allowed.
fn refused(view: &Snapshot, call: &Call, check: &Check, policies: &Policies<'_>) -> Option<ServiceError> {
    let refused = with_request(view, call, check, policies, |request, sets| {
        let decision = portcullis_policy::decide(request, sets);
        (!decision.is_allowed()).then(|| refusal(call, check, Some(&decision)))
    });
    // No outcome: the policy of the resource cannot be read, which denies (R31).
    refused
        .unwrap_or_else(|| Some(refusal(call, check, None)))
        .or_else(|| not_the_owner(call, check))
}

/// Why each check of a call was decided as it was: the slow path beside [`authorize`].
pub fn explain(view: &Snapshot, call: &Call, checks: &[Check]) -> Vec<Explanation> {
    let Ok(policies) = Policies::of(view, &call.caller) else {
        return Vec::new();
    };
    let one = |check| with_request(view, call, check, &policies, portcullis_policy::explain);
    checks.iter().filter_map(one).collect()
}

fn with_request<R>(
    view: &Snapshot,
    call: &Call,
    check: &Check,
    policies: &Policies<'_>,
    then: impl FnOnce(&Request<'_>, &PolicySets<'_>) -> R,
) -> Option<R> {
    let mut context = Context::new();
    add_global_keys(&mut context, view, call);
    // A check may know better: AssumeRole's own MFA code speaks for that call (R162).
    for (key, value) in check.context.iter() {
        context.insert(key, value.clone());
    }
    let resource = match &check.resource_policy {
        Some(ResourcePolicy { name, document }) => Some(Source {
            name,
            arn: None,
            attached_to: Some(&check.resource),
            document: document.as_deref()?,
        }),
        None => None,
    };
    let principal = call.caller.principal();
    let request = Request {
        principal: &principal,
        action: check.action,
        resource: &check.resource,
        context: &context,
        resource_account: Some(&call.account),
    };
    let sets = PolicySets {
        identity: &policies.identity,
        boundary: policies.boundary,
        session: policies.session.as_deref(),
        resource,
        ..PolicySets::default()
    };
    Some(then(&request, &sets))
}

/// Keeps out whoever has the permission but is not the one the resource belongs to.
fn not_the_owner(call: &Call, check: &Check) -> Option<ServiceError> {
    let owner = check.owner.as_ref()?;
    if owner.user_id == call.caller.user_id() {
        return None;
    }
    let text = format!(
        "User: {} is not authorized to perform: {} on resource: {} because {}",
        call.caller.arn(),
        check.action,
        owner.resource,
        owner.because
    );
    Some(ServiceError::access_denied(call.service, text))
}

fn refusal(call: &Call, check: &Check, decision: Option<&Decision<'_>>) -> ServiceError {
    let resource = check.shown_resource.as_deref().unwrap_or(&check.resource);
    let text = match decision {
        Some(decision) => {
            portcullis_policy::access_denied_message(&call.caller.arn(), check.action, resource, decision)
        }
        None => format!(
            "User: {} is not authorized to perform: {} on resource: {resource}",
            call.caller.arn(),
            check.action
        ),
    };
    ServiceError::access_denied(call.service, text)
}

fn broken(call: &Call, Unreadable(what): &Unreadable) -> ServiceError {
    tracing::error!(caller = %call.caller.arn(), policy = %what, "an attached policy cannot be read: everything is denied until it is replaced");
    let text = format!(
        "User: {} is not authorized to perform: {}:{}",
        call.caller.arn(),
        call.service.name,
        call.operation
    );
    ServiceError::access_denied(call.service, text)
}
