//! The version of the tokens that STS's global endpoint gives. Ours are good in every region, as version 2 is; the
//! choice is kept and shown by GetAccountSummary.

use portcullis_api::iam::op;
use portcullis_wire::Empty;

use super::checks::one;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, write};
use crate::world::records::settings::AccountProfile;
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![write::<op::SetSecurityTokenServicePreferences>(
        &["iam:SetSecurityTokenServicePreferences"],
        |_| one(Check::new("iam:SetSecurityTokenServicePreferences", "*")),
        set,
    )]
}

/// The version in force.
pub(super) fn global_version(view: &Snapshot) -> usize {
    AccountProfile::of(view).global_token_version.unwrap_or(2).into()
}

fn set(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::SetSecurityTokenServicePreferences>,
) -> Result<Empty, ServiceError> {
    let version = match auth.input().global_endpoint_token_version.as_str() {
        "v1Token" => 1,
        _ => 2,
    };
    let settings = AccountProfile::of(tx.view());
    let global_token_version = Some(version);
    tx.put(AccountProfile {
        global_token_version,
        ..settings
    });
    Ok(Empty {})
}
