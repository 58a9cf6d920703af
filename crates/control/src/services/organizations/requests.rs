//! How far the accounts that were asked for are.

use portcullis_api::organizations::op::{DescribeCreateAccountStatus, ListCreateAccountStatus};
use portcullis_api::organizations::{DescribeCreateAccountStatusResponse, ListCreateAccountStatusResponse};

use super::errors::OrganizationsError;
use super::paging::Pager;
use super::{organization, shapes};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::Snapshot;

/// One request.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeCreateAccountStatus>,
) -> Result<DescribeCreateAccountStatusResponse, ServiceError> {
    organization(view)?;
    let id = &auth.input().create_account_request_id;
    let mut members = view.member_accounts.iter();
    let found = members.find(|(_, member)| member.request_id == *id);
    let (_, member) = found.ok_or_else(|| OrganizationsError::NoRequest(id.clone()))?;
    Ok(DescribeCreateAccountStatusResponse {
        create_account_status: Some(shapes::status(member)),
    })
}

/// All requests in the wanted states, in the order of account ids.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListCreateAccountStatus>,
) -> Result<ListCreateAccountStatusResponse, ServiceError> {
    organization(view)?;
    let input = auth.input();
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let is_wanted = |state: &str| match &input.states {
        Some(states) if !states.is_empty() => states.iter().any(|wanted| wanted == state),
        _ => true,
    };
    let rows = view.member_accounts.after("", pager.after);
    let statuses = rows.map(|(id, member)| (id, shapes::status(member)));
    let wanted = statuses.filter(|(_, status)| status.state.as_deref().is_some_and(is_wanted));
    let (statuses, next_token) = pager.page(wanted);
    Ok(ListCreateAccountStatusResponse {
        next_token,
        create_account_statuses: Some(statuses),
    })
}
