//! Aliases: names of keys that can be given to another one.

use portcullis_api::kms::op;
use portcullis_api::kms::{
    AliasListEntry, CreateAliasRequest, DeleteAliasRequest, ListAliasesResponse, UpdateAliasRequest,
};
use portcullis_core::Arn;
use portcullis_wire::Empty;

use super::checks::{self, Asked};
use super::errors::KmsError;
use super::keys::edit;
use super::paging::Pager;
use super::resolve::{Takes, find, staying};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::kms::{Alias, Key};
use crate::world::{Snapshot, Tx};

/// Aliases a key may have.
const ALIASES_MAX: usize = 50;
const PREFIX: &str = "alias/";

fn arn(call: &Call, name: &str) -> Arn {
    Arn::regional("kms", &call.region, &call.account, name)
}

/// The alias, by which policies of callers decide alone: aliases have no policies.
fn on_alias(call: &Call, action: &'static str, name: &str) -> Check {
    Check::new(action, arn(call, name).as_str()).with("kms:CallerAccount", call.caller.account.as_str())
}

fn on_key(view: &Snapshot, call: &Call, action: &'static str, named: &str) -> Result<Check, KmsError> {
    let found = find(view, call, named, Takes::Own)?;
    Ok(checks::on_key(call, action, &found, Asked::default()))
}

fn is_named(name: &str) -> Result<(), KmsError> {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        let text = "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html";
        return Err(KmsError::Validation(text.to_owned()));
    };
    if rest.is_empty() || rest.contains(':') {
        return Err(KmsError::AliasName(name.to_owned()));
    }
    match rest.starts_with("aws/") {
        true => Err(KmsError::ReservedAlias),
        false => Ok(()),
    }
}

/// The alias and its key.
pub(super) fn require_create(ask: Ask<'_, CreateAliasRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    Ok(vec![
        on_alias(ask.call, "kms:CreateAlias", &input.alias_name),
        on_key(ask.view, ask.call, "kms:CreateAlias", &input.target_key_id)?,
    ])
}

/// Names a key.
pub(super) fn create(tx: &mut Tx<'_>, auth: Authorized<'_, op::CreateAlias>) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    is_named(&input.alias_name)?;
    let key = edit(tx, call, &input.target_key_id)?;
    staying(&key)?;
    if tx
        .view()
        .kms
        .alias(call.region.as_str(), &input.alias_name)
        .is_some()
    {
        return Err(KmsError::AliasExists(arn(call, &input.alias_name)).into());
    }
    room_for_alias(tx.view(), &key)?;
    tx.put(Alias {
        name: input.alias_name.clone(),
        region: call.region.clone(),
        target: key.id,
        created: tx.now,
        updated: tx.now,
    });
    Ok(Empty {})
}

fn room_for_alias(view: &Snapshot, key: &Key) -> Result<(), KmsError> {
    match view.kms.aliases_of(key).len() < ALIASES_MAX {
        true => Ok(()),
        false => Err(KmsError::Limit(format!(
            "{} has as many aliases as it may have.",
            key.arn
        ))),
    }
}

/// The alias, the key it has and the one it is to have.
pub(super) fn require_update(ask: Ask<'_, UpdateAliasRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    let mut checks = vec![on_alias(call, "kms:UpdateAlias", &input.alias_name)];
    if let Some(row) = ask.view.kms.alias(call.region.as_str(), &input.alias_name) {
        checks.push(on_key(ask.view, call, "kms:UpdateAlias", &row.target)?);
    }
    checks.push(on_key(ask.view, call, "kms:UpdateAlias", &input.target_key_id)?);
    Ok(checks)
}

/// Gives an alias to another key of the same kind.
pub(super) fn update(tx: &mut Tx<'_>, auth: Authorized<'_, op::UpdateAlias>) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    is_named(&input.alias_name)?;
    let mut alias = existing(tx.view(), call, &input.alias_name)?;
    let key = edit(tx, call, &input.target_key_id)?;
    staying(&key)?;
    let old = tx.view().kms.key(call.region.as_str(), &alias.target);
    if old.is_some_and(|old| {
        old.usage != key.usage || (old.spec == "SYMMETRIC_DEFAULT") != (key.spec == "SYMMETRIC_DEFAULT")
    }) {
        let text = "The alias must be given to a key of the same type and key usage.";
        return Err(KmsError::Validation(text.to_owned()).into());
    }
    if alias.target != key.id {
        room_for_alias(tx.view(), &key)?;
    }
    alias.target = key.id;
    alias.updated = tx.now;
    tx.put(alias);
    Ok(Empty {})
}

fn existing(view: &Snapshot, call: &Call, name: &str) -> Result<Alias, KmsError> {
    let row = view.kms.alias(call.region.as_str(), name);
    row.map(|row| Alias::clone(row))
        .ok_or_else(|| KmsError::NoAlias(arn(call, name)))
}

/// The alias and its key.
pub(super) fn require_delete(ask: Ask<'_, DeleteAliasRequest>) -> Result<Vec<Check>, ServiceError> {
    let (name, call) = (&ask.input.alias_name, ask.call);
    let mut checks = vec![on_alias(call, "kms:DeleteAlias", name)];
    if let Some(row) = ask.view.kms.alias(call.region.as_str(), name) {
        checks.push(on_key(ask.view, call, "kms:DeleteAlias", &row.target)?);
    }
    Ok(checks)
}

/// Forgets a name of a key; the key stays.
pub(super) fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteAlias>) -> Result<Empty, ServiceError> {
    let (name, call) = (&auth.input().alias_name, auth.call());
    is_named(name)?;
    existing(tx.view(), call, name)?;
    tx.delete::<Alias>(&format!("{}/{name}", call.region));
    Ok(Empty {})
}

/// The aliases of the account and region, or those of a key.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListAliases>,
) -> Result<ListAliasesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let pager = Pager::of(input.marker.as_deref(), input.limit, 50, 100)?;
    let region = call.region.as_str();
    let row = |alias: &Alias| (format!("{region}/{}", alias.name), shown(call, alias));
    let (aliases, next_marker) = match &input.key_id {
        Some(named) => {
            let found = find(view, call, named, Takes::Own)?;
            let names = view.kms.aliases_of(found.there()?).into_iter();
            let rows = names.filter_map(|name| view.kms.alias(region, &name).map(|alias| row(alias)));
            pager.page(rows)
        }
        None => {
            let prefix = format!("{region}/");
            let rows = view.kms.aliases.after(&prefix, pager.after());
            pager.page(rows.map(|(_, alias)| row(alias)))
        }
    };
    Ok(ListAliasesResponse {
        aliases: Some(aliases),
        truncated: Some(next_marker.is_some()),
        next_marker,
    })
}

fn shown(call: &Call, alias: &Alias) -> AliasListEntry {
    AliasListEntry {
        alias_name: Some(alias.name.clone()),
        alias_arn: Some(arn(call, &alias.name).to_string()),
        target_key_id: Some(alias.target.clone()),
        creation_date: Some(alias.created),
        last_updated_date: Some(alias.updated),
    }
}
