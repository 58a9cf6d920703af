//! The organization itself.

use portcullis_api::organizations::op::{CreateOrganization, DescribeOrganization};
use portcullis_api::organizations::{
    CreateOrganizationRequest, CreateOrganizationResponse, DescribeOrganizationResponse,
};
use portcullis_core::Random;

use super::errors::OrganizationsError;
use super::shapes;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::iam::service_linked;
use crate::world::records::organization::Organization;
use crate::world::{Snapshot, Tx};

const SERVICE: &str = "organizations.amazonaws.com";

/// The service's own role is made along with the organization.
pub fn require_create(ask: Ask<'_, CreateOrganizationRequest>) -> Result<Vec<Check>, ServiceError> {
    let own = Check::new("organizations:CreateOrganization", "*");
    let role = service_linked::missing(ask.view, ask.call, SERVICE);
    Ok([own].into_iter().chain(role).collect())
}

/// Makes the account the management account of an organization.
pub fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateOrganization>,
) -> Result<CreateOrganizationResponse, ServiceError> {
    if tx.view().organization().is_some() {
        return Err(OrganizationsError::AlreadyInOrganization.into());
    }
    let organization = Organization {
        id: format!("o-{}", letters_and_digits(10, tx.random)),
        root_id: format!("r-{}", letters_and_digits(4, tx.random)),
        management: auth.call().account.clone(),
        feature_set: auth
            .input()
            .feature_set
            .clone()
            .unwrap_or_else(|| "ALL".to_owned()),
        created: tx.now,
    };
    let shown = shapes::organization(&organization);
    tx.put(organization);
    if tx.view().role("AWSServiceRoleForOrganizations").is_none() {
        service_linked::make_default(tx, SERVICE);
    }
    Ok(CreateOrganizationResponse {
        organization: Some(shown),
    })
}

/// Every account of an organization may know of it.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    _auth: Authorized<'_, DescribeOrganization>,
) -> Result<DescribeOrganizationResponse, ServiceError> {
    let organization = view.organization().ok_or(OrganizationsError::NotInUse)?;
    Ok(DescribeOrganizationResponse {
        organization: Some(shapes::organization(&organization)),
    })
}

fn letters_and_digits(count: usize, random: &dyn Random) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz0123456";
    let mut bytes = vec![0_u8; count];
    random.fill(&mut bytes);
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().map(char::from);
    bytes.iter().filter_map(letter).collect()
}
