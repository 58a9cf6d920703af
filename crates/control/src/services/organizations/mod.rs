//! AWS Organizations, as far as several accounts on one server need it: an organization and the accounts it makes.

mod accounts;
mod errors;
mod organization;
mod paging;
mod requests;
mod shapes;

use portcullis_api::organizations::op;

use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Check, Row, read, write};
use crate::world::Snapshot;
use crate::world::records::organization::Organization;
use errors::OrganizationsError;

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
            |ask| on_everything(ask, "organizations:ListAccounts"),
            accounts::list,
        ),
        read::<op::DescribeCreateAccountStatus>(
            &["organizations:DescribeCreateAccountStatus"],
            |ask| on_everything(ask, "organizations:DescribeCreateAccountStatus"),
            requests::describe,
        ),
        read::<op::ListCreateAccountStatus>(
            &["organizations:ListCreateAccountStatus"],
            |ask| on_everything(ask, "organizations:ListCreateAccountStatus"),
            requests::list,
        ),
    ]
}

/// The actions without resource-level permissions.
fn on_everything<I>(_ask: Ask<'_, I>, action: &'static str) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new(action, "*")])
}

/// The organization a call is about, which only its management account may manage.
fn managed(view: &Snapshot, call: &Call) -> Result<std::sync::Arc<Organization>, OrganizationsError> {
    let organization = view.organization().ok_or(OrganizationsError::NotInUse)?;
    if organization.management != call.account {
        return Err(OrganizationsError::NotManagement);
    }
    Ok(organization)
}
