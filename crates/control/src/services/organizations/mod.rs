//! AWS Organizations, as far as several accounts on one server need it: an organization and the accounts it makes.

mod accounts;
mod errors;
mod organization;
mod paging;
mod requests;
mod shapes;

use std::sync::Arc;

use portcullis_api::organizations::op;

use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Check, Owner, Row, read, write};
use crate::world::Snapshot;
use crate::world::records::organization::Organization;
use errors::{NOT_MANAGEMENT, OrganizationsError};

/// Most accounts of one server.
pub(crate) const ACCOUNTS_MAX: usize = 1_000;

/// The operations of the service.
pub fn table() -> Vec<Row> {
    vec![
        write::<op::CreateOrganization>(
            &["organizations:CreateOrganization", "iam:CreateServiceLinkedRole"],
            organization::require_create,
            organization::create,
        ),
        read::<op::DescribeOrganization>(
            &["organizations:DescribeOrganization"],
            |ask| on_everything(ask, "organizations:DescribeOrganization"),
            organization::describe,
        ),
        write::<op::CreateAccount>(
            &["organizations:CreateAccount", "organizations:TagResource"],
            accounts::require_create,
            accounts::create,
        ),
        read::<op::DescribeAccount>(
            &["organizations:DescribeAccount"],
            accounts::require_describe,
            accounts::describe,
        ),
        read::<op::ListAccounts>(
            &["organizations:ListAccounts"],
            |ask| on_managed(ask, "organizations:ListAccounts"),
            accounts::list,
        ),
        read::<op::DescribeCreateAccountStatus>(
            &["organizations:DescribeCreateAccountStatus"],
            |ask| on_managed(ask, "organizations:DescribeCreateAccountStatus"),
            requests::describe,
        ),
        read::<op::ListCreateAccountStatus>(
            &["organizations:ListCreateAccountStatus"],
            |ask| on_managed(ask, "organizations:ListCreateAccountStatus"),
            requests::list,
        ),
    ]
}

/// A check on everything.
fn on_everything<I>(_ask: Ask<'_, I>, action: &'static str) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new(action, "*")])
}

/// The same for what only the management account may.
fn on_managed<I>(ask: Ask<'_, I>, action: &'static str) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new(action, "*").only_for(management(ask.view))])
}

/// Who alone manages the organization; nobody in particular before there is one.
fn management(view: &Snapshot) -> Option<Owner> {
    view.organization().map(|organization| Owner::Account {
        id: organization.management.clone(),
        refusal: NOT_MANAGEMENT,
    })
}

/// The organization a call is about.
fn organization(view: &Snapshot) -> Result<Arc<Organization>, OrganizationsError> {
    view.organization().ok_or(OrganizationsError::NotInUse)
}
