//! The account's alias: at most one, a new one takes the old one's place.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Empty;

use super::checks::one;
use super::credential_errors::CredentialError;
use super::paging::Paging;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read, write};
use crate::world::records::settings::AccountProfile;
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::CreateAccountAlias>(
            &["iam:CreateAccountAlias"],
            |_| one(Check::new("iam:CreateAccountAlias", "*")),
            create,
        ),
        read::<op::ListAccountAliases>(
            &["iam:ListAccountAliases"],
            |_| one(Check::new("iam:ListAccountAliases", "*")),
            list,
        ),
        write::<op::DeleteAccountAlias>(
            &["iam:DeleteAccountAlias"],
            |_| one(Check::new("iam:DeleteAccountAlias", "*")),
            delete,
        ),
    ]
}

fn create(tx: &mut Tx<'_>, auth: Authorized<'_, op::CreateAccountAlias>) -> Result<Empty, ServiceError> {
    let alias = &auth.input().account_alias;
    let settings = AccountProfile::of(tx.view());
    if settings.alias.as_ref() == Some(alias) {
        return Err(CredentialError::AliasExists(alias.clone()).into());
    }
    let alias = Some(alias.clone());
    tx.put(AccountProfile { alias, ..settings });
    Ok(Empty {})
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListAccountAliases>,
) -> Result<api::ListAccountAliasesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let page = paging.counted(AccountProfile::of(view).alias.into_iter())?;
    Ok(api::ListAccountAliasesResponse {
        is_truncated: page.is_truncated(),
        account_aliases: page.items,
        marker: page.marker,
    })
}

/// A name that is not the alias in force deletes nothing.
fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteAccountAlias>) -> Result<Empty, ServiceError> {
    let alias = &auth.input().account_alias;
    let settings = AccountProfile::of(tx.view());
    if settings.alias.as_ref() != Some(alias) {
        return Err(CredentialError::NoAlias(alias.clone()).into());
    }
    let alias = None;
    tx.put(AccountProfile { alias, ..settings });
    Ok(Empty {})
}
