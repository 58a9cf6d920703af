//! Subscription filters. CloudWatch Logs tries a destination before it takes a filter for it, and nothing that could be a
//! destination is on this server: each filter is refused, and none is ever there.

use portcullis_api::logs::op;
use portcullis_api::logs::{
    DeleteSubscriptionFilterRequest, DescribeSubscriptionFiltersRequest, DescribeSubscriptionFiltersResponse,
    PutSubscriptionFilterRequest,
};
use portcullis_wire::Empty;

use super::errors::LogsError;
use super::names::{GroupRef, on_named};
use super::read::pattern;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::logs::LogGroupClass;
use crate::world::{Snapshot, Tx};

/// Who assumes the role of a subscription.
const PRINCIPAL: &str = "logs.amazonaws.com";

/// The group, and passing the role.
pub(super) fn require_put(ask: Ask<'_, PutSubscriptionFilterRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    let check = group.check(ask.view, ask.call, "logs:PutSubscriptionFilter");
    let pass = ask
        .input
        .role_arn
        .as_ref()
        .map(|role| Check::new("iam:PassRole", role.as_str()).with("iam:PassedToService", PRINCIPAL));
    Ok([check].into_iter().chain(pass).collect())
}

/// Says what is wrong with a filter; with a good one that nothing is here to deliver to.
pub(super) fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutSubscriptionFilter>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let group = GroupRef::named(call, &input.log_group_name);
    if group.found(tx.view(), call)?.class != LogGroupClass::Standard {
        return Err(LogsError::NotStandard.into());
    }
    pattern(Some(&input.filter_pattern))?;
    let vendor = input.destination_arn.split(':').nth(2).unwrap_or_default();
    let has_role = input.role_arn.is_some();
    let refusal = match vendor {
        "kinesis" | "firehose" if !has_role => LogsError::WithoutRole(vendor.to_owned()),
        "lambda" if has_role => LogsError::LambdaWithRole,
        "kinesis" | "firehose" | "lambda" => LogsError::NotDelivered,
        "logs" => LogsError::NoDestination,
        other => LogsError::Vendor(other.to_owned()),
    };
    Err(refusal.into())
}

/// The group.
pub(super) fn require_delete(
    ask: Ask<'_, DeleteSubscriptionFilterRequest>,
) -> Result<Vec<Check>, ServiceError> {
    on_named(&ask, "logs:DeleteSubscriptionFilter", &ask.input.log_group_name)
}

/// There is none to delete.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteSubscriptionFilter>,
) -> Result<Empty, ServiceError> {
    GroupRef::named(auth.call(), &auth.input().log_group_name).found(tx.view(), auth.call())?;
    Err(LogsError::NoSubscriptionFilter.into())
}

/// The group.
pub(super) fn require_describe(
    ask: Ask<'_, DescribeSubscriptionFiltersRequest>,
) -> Result<Vec<Check>, ServiceError> {
    on_named(
        &ask,
        "logs:DescribeSubscriptionFilters",
        &ask.input.log_group_name,
    )
}

/// None.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeSubscriptionFilters>,
) -> Result<DescribeSubscriptionFiltersResponse, ServiceError> {
    GroupRef::named(auth.call(), &auth.input().log_group_name).found(view, auth.call())?;
    Ok(DescribeSubscriptionFiltersResponse {
        subscription_filters: Some(Vec::new()),
        next_token: None,
    })
}
