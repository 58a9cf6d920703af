//! The policy simulator: what policies would say about calls nobody makes.

pub(super) mod attached;
mod context;
mod evaluate;
mod inputs;

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{AccountId, Arn};
use portcullis_policy::Principal;

use self::attached::Attached;
use self::evaluate::Simulation;
use self::inputs::Inputs;
use super::checks::{self, Checks, one};
use super::entity::Subject;
use super::errors::IamError;
use super::paging::Paging;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read};
use crate::world::Snapshot;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        read::<op::SimulateCustomPolicy>(
            &["iam:SimulateCustomPolicy"],
            |_| one(Check::new("iam:SimulateCustomPolicy", "*")),
            custom,
        ),
        read::<op::SimulatePrincipalPolicy>(
            &["iam:SimulatePrincipalPolicy"],
            |ask| {
                one(checks::on_subject(
                    "iam:SimulatePrincipalPolicy",
                    &ask,
                    &ask.input.policy_source_arn,
                ))
            },
            principal,
        ),
        read::<op::GetContextKeysForCustomPolicy>(
            &["iam:GetContextKeysForCustomPolicy"],
            |_| -> Checks { one(Check::new("iam:GetContextKeysForCustomPolicy", "*")) },
            keys_of_custom,
        ),
        read::<op::GetContextKeysForPrincipalPolicy>(
            &["iam:GetContextKeysForPrincipalPolicy"],
            |ask| {
                let source = &ask.input.policy_source_arn;
                one(checks::on_subject(
                    "iam:GetContextKeysForPrincipalPolicy",
                    &ask,
                    source,
                ))
            },
            keys_of_principal,
        ),
    ]
}

fn custom(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::SimulateCustomPolicy>,
) -> Result<api::SimulatePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let inputs = Inputs::of_custom(input)?;
    let caller = caller(view, input.caller_arn.as_ref())?;
    let simulation = Simulation {
        principal: principal_of(call, caller.as_ref()),
        account: call.account.clone(),
        partition: call.caller.partition,
        owner: owner(call, input.resource_owner.as_ref())?,
        context: context::of_custom(view, call, caller.as_ref(), input.context_entries.as_ref())?,
        inputs: &inputs,
        attached: &[],
        boundary: None,
        is_member: false,
    };
    answer(
        &simulation,
        &input.action_names,
        input.resource_arns.as_ref(),
        &Paging::of(input.marker.as_ref(), input.max_items).map_err(|_| bad_marker())?,
    )
}

fn principal(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::SimulatePrincipalPolicy>,
) -> Result<api::SimulatePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let inputs = Inputs::of_principal(input)?;
    let source = subject(view, &input.policy_source_arn)?;
    let caller = match caller(view, input.caller_arn.as_ref())? {
        Some(caller) => caller,
        None => source,
    };
    let excluded = input.policy_exclusion_list.as_deref().unwrap_or_default();
    let attached: Vec<Attached<'_>> = attached::policies(view, &source)?
        .into_iter()
        .filter(|policy| !excluded.iter().any(|identifier| policy.is(identifier)))
        .collect();
    let simulation = Simulation {
        principal: principal_of(call, Some(&caller)),
        account: call.account.clone(),
        partition: call.caller.partition,
        owner: owner(call, input.resource_owner.as_ref())?,
        context: context::of(view, call, Some(&caller), input.context_entries.as_ref())?,
        inputs: &inputs,
        attached: &attached,
        boundary: attached::boundary(view, &source)?.filter(|_| !excluded.iter().any(is_boundary)),
        is_member: view
            .organization()
            .is_some_and(|organization| organization.management != view.account),
    };
    answer(
        &simulation,
        &input.action_names,
        input.resource_arns.as_ref(),
        &Paging::of(input.marker.as_ref(), input.max_items).map_err(|_| bad_marker())?,
    )
}

/// An entity has one boundary at most, so naming the type is enough.
fn is_boundary(identifier: &api::PolicyIdentifier) -> bool {
    identifier.policy_type.as_deref() == Some("permission-boundary")
}

/// One result for every action.
fn answer(
    simulation: &Simulation<'_>,
    actions: &[String],
    resources: Option<&Vec<String>>,
    paging: &Paging,
) -> Result<api::SimulatePolicyResponse, ServiceError> {
    // An empty list is none at all.
    let resources = resources.filter(|resources| !resources.is_empty());
    for resource in resources.into_iter().flatten() {
        if resource != "*" && resource.parse::<Arn>().is_err() {
            return Err(IamError::InvalidInput(format!(
                "Resource {resource} must be in ARN format or \"*\"."
            ))
            .into());
        }
    }
    let page = paging.counted(actions.iter()).map_err(|_| bad_marker())?;
    Ok(api::SimulatePolicyResponse {
        is_truncated: page.is_truncated(),
        evaluation_results: Some(simulation.results(page.items.into_iter(), resources)),
        marker: page.marker,
    })
}

fn bad_marker() -> IamError {
    IamError::InvalidInput("Invalid marker for pagination.".to_owned())
}

fn keys_of_custom(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetContextKeysForCustomPolicy>,
) -> Result<api::GetContextKeysForPolicyResponse, ServiceError> {
    let documents = inputs::identity(&auth.input().policy_input_list)?;
    let keys = documents.iter().flat_map(|(_, document)| document.context_keys());
    Ok(api::GetContextKeysForPolicyResponse {
        context_key_names: Some(context::unique(keys)),
    })
}

fn keys_of_principal(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetContextKeysForPrincipalPolicy>,
) -> Result<api::GetContextKeysForPolicyResponse, ServiceError> {
    let input = auth.input();
    let documents = inputs::identity(input.policy_input_list.as_deref().unwrap_or_default())?;
    let attached = attached::policies(view, &subject(view, &input.policy_source_arn)?)?;
    let attached = attached.iter().flat_map(|policy| policy.document.context_keys());
    let keys = attached.chain(documents.iter().flat_map(|(_, document)| document.context_keys()));
    Ok(api::GetContextKeysForPolicyResponse {
        context_key_names: Some(context::unique(keys)),
    })
}

fn subject<'a>(view: &'a Snapshot, arn: &str) -> Result<Subject<'a>, IamError> {
    let parsed: Arn = arn
        .parse()
        .map_err(|_| IamError::InvalidInput(format!("ARN {arn} is not valid.")))?;
    Subject::find(view, &parsed).ok_or_else(|| IamError::NoEntity(arn.to_owned()))
}

/// The simulated caller: only a user can be one.
fn caller<'a>(view: &'a Snapshot, arn: Option<&String>) -> Result<Option<Subject<'a>>, IamError> {
    let Some(arn) = arn else { return Ok(None) };
    match subject(view, arn)? {
        user @ Subject::User(_) => Ok(Some(user)),
        Subject::Group(_) | Subject::Role(_) => Err(IamError::InvalidInput(format!(
            "CallerArn {arn} must be the ARN of a user."
        ))),
    }
}

/// The caller as policies see it; without one, a user nobody names.
fn principal_of(call: &Call, subject: Option<&Subject<'_>>) -> Principal {
    let account = call.account.clone();
    match subject {
        Some(Subject::User(user)) => Principal::User {
            arn: user.arn.clone(),
            id: user.id.clone(),
            account,
        },
        Some(Subject::Role(role)) => {
            let session = format!("assumed-role/{}/simulation", role.name);
            Principal::RoleSession {
                session_arn: Arn::global("sts", call.caller.partition, &call.account, session),
                role_arn: role.arn.clone(),
                role_id: role.id.clone(),
                account,
            }
        }
        Some(Subject::Group(_)) | None => Principal::User {
            arn: checks::arn(call, "user", "/", "simulation"),
            id: String::new(),
            account,
        },
    }
}

/// The account that owns the simulated resource: `ResourceOwner` is its root ARN or its id.
fn owner(call: &Call, named: Option<&String>) -> Result<AccountId, IamError> {
    let Some(named) = named else {
        return Ok(call.account.clone());
    };
    let id = named
        .parse::<Arn>()
        .map_or_else(|_| named.clone(), |arn| arn.account().to_owned());
    id.parse()
        .map_err(|_| IamError::InvalidInput(format!("ResourceOwner {named} is not an account.")))
}
