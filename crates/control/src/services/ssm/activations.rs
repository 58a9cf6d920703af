//! Activations: the tokens by which machines join.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    self as api, CreateActivationRequest, CreateActivationResult, DeleteActivationResult,
    DescribeActivationsResult,
};
use portcullis_core::{Arn, Timestamp, uuid};

use super::errors::SsmError;
use super::joining::digest;
use super::paging::Pager;
use super::tags;
use crate::gate::assume::{Assumption, SSM, service_call, trusts};
use crate::gate::call::Call;
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::ssm::{Activation, ManagedInstance, role_arn};
use crate::world::{Snapshot, Tx};

/// How long an activation is good when nobody says, in seconds.
const LIFE_SECONDS: i64 = 24 * 3_600;
/// How long it may be, in seconds.
const LIFE_SECONDS_MAX: i64 = 30 * 24 * 3_600;
/// Bytes of chance in a code: 20 letters, as AWS's have.
const CODE_BYTES: usize = 15;

/// The activation, and passing its role to Systems Manager.
pub(super) fn require_create(ask: Ask<'_, CreateActivationRequest>) -> Result<Vec<Check>, ServiceError> {
    let mut create = Check::new("ssm:CreateActivation", "*");
    add_request_tags(&mut create.context, &tags::requested(ask.input.tags.as_ref()));
    let role = role_arn(&ask.call.region, &ask.call.account, &ask.input.iam_role);
    let pass = Check::new("iam:PassRole", role.as_str()).with("iam:PassedToService", SSM);
    Ok(vec![create, pass])
}

/// Makes an activation. Its code is in this reply and nowhere else.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateActivation>,
) -> Result<CreateActivationResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let role = role_arn(&call.region, &call.account, &input.iam_role);
    if !is_for_machines(tx.view(), call, &role) {
        return Err(SsmError::Role(role.to_string()).into());
    }
    let expires = input.expiration_date.unwrap_or(tx.now.plus_seconds(LIFE_SECONDS));
    if expires <= tx.now || expires > tx.now.plus_seconds(LIFE_SECONDS_MAX) {
        return Err(SsmError::ExpirationDate.into());
    }
    let id = uuid(tx.random);
    let mut bytes = [0_u8; CODE_BYTES];
    tx.random.fill(&mut bytes);
    let code = STANDARD.encode(bytes);
    tx.put(Activation {
        code_digest: STANDARD.encode(digest(tx.vault, &id, &code)),
        id: id.clone(),
        region: call.region.clone(),
        description: input.description.clone(),
        default_instance_name: input.default_instance_name.clone(),
        iam_role: input.iam_role.clone(),
        limit: input
            .registration_limit
            .and_then(|n| n.try_into().ok())
            .unwrap_or(1),
        count: 0,
        expires,
        created: tx.now,
        tags: tags::checked(input.tags.as_ref())?,
    });
    Ok(CreateActivationResult {
        activation_id: Some(id),
        activation_code: Some(code),
    })
}

/// Whether the role is there and lets Systems Manager give it to machines.
fn is_for_machines(view: &Snapshot, call: &Call, role: &Arn) -> bool {
    let any = ManagedInstance::arn_of(&call.region, &call.account, "*");
    let assumption = Assumption {
        principal: SSM,
        source: &any,
        session_name: "",
    };
    let found = view.role_by_arn(role.as_str());
    let assuming = service_call(view, &assumption, call.now, call.request_id.clone());
    let both = found.zip(assuming);
    both.is_some_and(|(role, assuming)| trusts(view, &assuming, role, &assumption))
}

/// Forgets an activation. Machines that joined by it stay.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteActivation>,
) -> Result<DeleteActivationResult, ServiceError> {
    let (id, call) = (&auth.input().activation_id, auth.call());
    let found = tx.view().ssm.activations.get(id);
    if found.is_none_or(|row| row.region != call.region) {
        return Err(SsmError::InvalidActivationId.into());
    }
    tx.delete::<Activation>(id);
    Ok(DeleteActivationResult {})
}

/// The activations that a caller asks for.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeActivations>,
) -> Result<DescribeActivationsResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let is_wanted = |row: &Activation| {
        let mut filters = input.filters.iter().flatten();
        row.region == call.region && filters.all(|filter| matches(filter, row))
    };
    let rows = view.ssm.activations.iter().filter(|(_, row)| is_wanted(row));
    let (rows, next_token) = pager.page(rows);
    Ok(DescribeActivationsResult {
        activation_list: Some(rows.into_iter().map(|row| shown(row, call.now)).collect()),
        next_token,
    })
}

fn matches(filter: &api::DescribeActivationsFilter, row: &Activation) -> bool {
    let value = match filter.filter_key.as_deref() {
        Some("ActivationIds") => Some(&row.id),
        Some("DefaultInstanceName") => row.default_instance_name.as_ref(),
        Some("IamRole") => Some(&row.iam_role),
        _ => return true,
    };
    let mut wanted = filter.filter_values.iter().flatten();
    value.is_some_and(|value| wanted.any(|one| one == value))
}

fn shown(row: &Activation, now: Timestamp) -> api::Activation {
    api::Activation {
        activation_id: Some(row.id.clone()),
        description: row.description.clone(),
        default_instance_name: row.default_instance_name.clone(),
        iam_role: Some(row.iam_role.clone()),
        registration_limit: i32::try_from(row.limit).ok(),
        registrations_count: i32::try_from(row.count).ok(),
        expiration_date: Some(row.expires),
        expired: Some(row.expires <= now),
        created_date: Some(row.created),
        tags: Some(tags::shown(&row.tags)),
    }
}
