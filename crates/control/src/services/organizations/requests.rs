//! How far the accounts that were asked for are.

use portcullis_api::organizations::op::{DescribeCreateAccountStatus, ListCreateAccountStatus};
use portcullis_api::organizations::{DescribeCreateAccountStatusResponse, ListCreateAccountStatusResponse};
use portcullis_core::AccountId;

use super::errors::OrganizationsError;
use super::{managed, shapes};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::Snapshot;

const PAGE_MAX: usize = 20;

/// One request.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeCreateAccountStatus>,
) -> Result<DescribeCreateAccountStatusResponse, ServiceError> {
    managed(view, auth.call())?;
    let id = &auth.input().create_account_request_id;
    let mut members = view.member_accounts.iter();
    let found = members.find(|(_, member)| member.request_id == *id);
    let (_, member) = found.ok_or_else(|| OrganizationsError::NoRequest(id.clone()))?;
    Ok(DescribeCreateAccountStatusResponse {
        create_account_status: Some(shapes::status(member)),
    })
}

/// All requests in the wanted states, in the order of account ids. A token is the last account id of its page.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListCreateAccountStatus>,
) -> Result<ListCreateAccountStatusResponse, ServiceError> {
    managed(view, auth.call())?;
    let input = auth.input();
    let after = input.next_token.as_deref();
    if after.is_some_and(|token| token.parse::<AccountId>().is_err()) {
        return Err(OrganizationsError::Token.into());
    }
    let limit = input
        .max_results
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(PAGE_MAX);
    let is_wanted = |state: &str| match &input.states {
        Some(states) if !states.is_empty() => states.iter().any(|wanted| wanted == state),
        _ => true,
    };
    let rows = view.member_accounts.after("", after);
    let statuses = rows.map(|(id, member)| (id, shapes::status(member)));
    let wanted = statuses.filter(|(_, status)| status.state.as_deref().is_some_and(is_wanted));
    let mut page: Vec<_> = wanted.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let last = page.last().map(|(id, _)| (*id).to_owned());
    Ok(ListCreateAccountStatusResponse {
        next_token: last.filter(|_| more),
        create_account_statuses: Some(page.into_iter().map(|(_, status)| status).collect()),
    })
}
