//! Staging labels: UpdateSecretVersionStage, ListSecretVersionIds.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{
    ListSecretVersionIdsRequest, ListSecretVersionIdsResponse, SecretVersionsListEntry,
    UpdateSecretVersionStageRequest, UpdateSecretVersionStageResponse,
};

use super::create::own_live;
use super::errors::SecretsError;
use super::names::Named;
use super::paging::Pager;
use super::versions::{self, CURRENT, Stages};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::secrets::{SecretVersion, StoredSecret};
use crate::world::{Snapshot, Tx};

/// What stands for the service's own key in lists of versions.
const DEFAULT_KEY: &str = "DefaultEncryptionKey";
const PAGE_MAX: usize = 100;

/// The secret, with the label.
pub(super) fn require_update(
    ask: Ask<'_, UpdateSecretVersionStageRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let check = Named::of(ask.view, ask.call, &ask.input.secret_id)
        .check("secretsmanager:UpdateSecretVersionStage")
        .with("secretsmanager:VersionStage", ask.input.version_stage.clone());
    Ok(vec![check])
}

/// Moves a label from one version to another, or takes it off.
pub(super) fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateSecretVersionStage>,
) -> Result<UpdateSecretVersionStageResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let mut row = own_live(tx, call, &input.secret_id)?;
    let (from, to) = (
        input.remove_from_version_id.as_ref(),
        input.move_to_version_id.as_ref(),
    );
    for id in [from, to].into_iter().flatten() {
        let found = tx.view().secrets.version(&row, id);
        found.ok_or_else(|| SecretsError::NoVersion(id.clone()))?;
    }
    relabel(&mut row.stages, &input.version_stage, from, to)?;
    row.changed = tx.now;
    let reply = UpdateSecretVersionStageResponse {
        arn: Some(row.arn(&call.account).to_string()),
        name: Some(row.name.clone()),
    };
    tx.put(row);
    Ok(reply)
}

/// A label only leaves a version that its caller names, and `AWSCURRENT` never leaves the secret.
fn relabel(
    stages: &mut Stages,
    label: &str,
    from: Option<&String>,
    to: Option<&String>,
) -> Result<(), SecretsError> {
    let there = stages.get(label).cloned();
    if from.is_none() && to.is_none() {
        return Err(SecretsError::NoMove);
    }
    if let Some(from) = from.filter(|from| there.as_ref() != Some(from)) {
        return Err(SecretsError::NotThere {
            label: label.to_owned(),
            version: from.clone(),
        });
    }
    match (to, there) {
        (None, _) if label == CURRENT => Err(SecretsError::CurrentStays(label.to_owned())),
        (None, _) => {
            stages.remove(label);
            Ok(())
        }
        (Some(to), Some(there)) if from.is_none() && there != *to => Err(SecretsError::NotRemoved {
            label: label.to_owned(),
            version: there,
        }),
        (Some(to), _) => {
            versions::attach(stages, label, to);
            versions::not_too_many(stages, to)
        }
    }
}

/// The secret.
pub(super) fn require_list(ask: Ask<'_, ListSecretVersionIdsRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    Ok(vec![named.check("secretsmanager:ListSecretVersionIds")])
}

/// The versions of a secret, by their ids.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListSecretVersionIds>,
) -> Result<ListSecretVersionIdsResponse, ServiceError> {
    let input = auth.input();
    let named = Named::of(view, auth.call(), &input.secret_id);
    let row = named.any()?;
    let all = input.include_deprecated.unwrap_or_default();
    let pager = Pager::of(input.next_token.as_deref(), input.max_results, PAGE_MAX)?;
    let versions = named.home.secrets.versions_of(&row.region, &row.name);
    let shown = versions
        .map(|version| shown(row, version))
        .filter(|entry| all || entry.version_stages.is_some());
    let keyed = shown.map(|entry| (entry.version_id.clone().unwrap_or_default(), entry));
    let rest = keyed.filter(|(id, _)| pager.after().is_none_or(|after| id.as_str() > after));
    let (versions, next_token) = pager.page(rest);
    Ok(ListSecretVersionIdsResponse {
        versions: Some(versions),
        next_token,
        arn: Some(named.arn.clone()),
        name: Some(row.name.clone()),
    })
}

fn shown(row: &StoredSecret, version: &SecretVersion) -> SecretVersionsListEntry {
    let key = version.kms_key_id.clone();
    SecretVersionsListEntry {
        version_id: Some(version.id.clone()),
        version_stages: Some(row.stages_of(&version.id)).filter(|stages| !stages.is_empty()),
        last_accessed_date: version.accessed.day(),
        created_date: Some(version.created),
        kms_key_ids: Some(vec![key.unwrap_or_else(|| DEFAULT_KEY.to_owned())]),
    }
}
