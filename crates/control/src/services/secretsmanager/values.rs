//! Values: GetSecretValue, PutSecretValue, UpdateSecret.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{
    GetSecretValueRequest, GetSecretValueResponse, PutSecretValueRequest, PutSecretValueResponse,
    UpdateSecretRequest, UpdateSecretResponse,
};
use portcullis_core::Timestamp;
use zeroize::Zeroizing;

use super::content::Content;
use super::create::{own_live, version_id};
use super::errors::SecretsError;
use super::keys::{self, Place};
use super::names::Named;
use super::versions::{self, CURRENT, Made, NewVersion, PENDING, PREVIOUS};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::secrets::{SecretVersion, StoredSecret};
use crate::world::{Snapshot, Tx};

/// Which version a call asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// Its id.
    pub version: Option<&'a str>,
    /// A label it has.
    pub stage: Option<&'a str>,
}

impl Wanted<'_> {
    /// The version of a secret that is asked for.
    pub fn find<'v>(
        &self,
        view: &'v Snapshot,
        secret: &StoredSecret,
    ) -> Result<&'v SecretVersion, SecretsError> {
        let stage = self.stage.unwrap_or(CURRENT);
        let labelled = secret.stages.get(stage).map(String::as_str);
        let id = match self.version {
            None => labelled.ok_or_else(|| SecretsError::NoStage(stage.to_owned()))?,
            Some(id) => id,
        };
        let found = view.secrets.version(secret, id);
        let found = found.ok_or_else(|| SecretsError::NoVersion(id.to_owned()))?;
        match self.stage.is_some() && labelled != Some(id) {
            true => Err(SecretsError::StageOfAnother),
            false => Ok(found),
        }
    }
}

/// The checks on reading a value: the secret's, and the use of the key it is sealed under.
pub(super) fn checks_to_read(
    view: &Snapshot,
    call: &Call,
    named: &Named<'_>,
    wanted: Wanted<'_>,
) -> Result<Vec<Check>, ServiceError> {
    // Who names neither reads the current version: a policy that allows only that one lets him.
    let stage = wanted.stage.or(wanted.version.is_none().then_some(CURRENT));
    let check = named
        .check("secretsmanager:GetSecretValue")
        .with_some("secretsmanager:VersionId", wanted.version)
        .with_some("secretsmanager:VersionStage", stage);
    let mut checks = vec![check];
    let version = named.live().and_then(|row| wanted.find(&named.home, row));
    if let Ok(version) = version {
        checks.push(keys::to_open(view, call, version, &named.arn)?);
    }
    Ok(checks)
}

/// Reads one secret.
pub(super) fn require_get(ask: Ask<'_, GetSecretValueRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    checks_to_read(ask.view, ask.call, &named, wanted(ask.input))
}

fn wanted(input: &GetSecretValueRequest) -> Wanted<'_> {
    Wanted {
        version: input.version_id.as_deref(),
        stage: input.version_stage.as_deref(),
    }
}

/// A value that was opened, as replies show it.
pub(super) struct Opened {
    /// The secret's ARN.
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version.
    pub version_id: String,
    /// Its labels.
    pub stages: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The value, if it is a text.
    pub text: Option<String>,
    /// The value, if it is not.
    pub binary: Option<Vec<u8>>,
}

/// Opens the value that is asked for, and notes that it was read.
pub(super) fn opened(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    named: &Named<'_>,
    wanted: Wanted<'_>,
) -> Result<Opened, ServiceError> {
    let secret = named.live()?;
    let version = wanted.find(&named.home, secret)?;
    let mut value = keys::open(view, env, call, version, &named.arn)?;
    let bytes = std::mem::take(&mut *value);
    let (text, binary) = match version.is_binary {
        true => (None, Some(bytes)),
        false => (Some(text_of(bytes)?), None),
    };
    secret.accessed.note(call.now);
    version.accessed.note(call.now);
    Ok(Opened {
        arn: named.arn.clone(),
        name: secret.name.clone(),
        version_id: version.id.clone(),
        stages: secret.stages_of(&version.id),
        created: version.created,
        text,
        binary,
    })
}

fn text_of(bytes: Vec<u8>) -> Result<String, SecretsError> {
    String::from_utf8(bytes).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        SecretsError::Decryption
    })
}

/// The value of a secret.
pub(super) fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetSecretValue>,
) -> Result<GetSecretValueResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(view, call, &input.secret_id);
    let opened = opened(view, env, call, &named, wanted(input))?;
    Ok(GetSecretValueResponse {
        arn: Some(opened.arn),
        name: Some(opened.name),
        version_id: Some(opened.version_id),
        secret_binary: opened.binary,
        secret_string: opened.text,
        version_stages: Some(opened.stages).filter(|stages| !stages.is_empty()),
        created_date: Some(opened.created),
    })
}

/// The secret, and the use of its key.
pub(super) fn require_put(ask: Ask<'_, PutSecretValueRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    let mut checks = vec![named.check("secretsmanager:PutSecretValue")];
    if let Some(row) = &named.row {
        let place = Place {
            arn: &named.arn,
            version: version_id(ask.call, ask.input.client_request_token.as_ref()),
        };
        checks.extend(keys::to_seal(ask.view, ask.call, row.kms_key_id.as_ref(), place));
    }
    Ok(checks)
}

/// Gives a secret another value.
pub(super) fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutSecretValue>,
) -> Result<PutSecretValueResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let mut row = own_live(tx, call, &input.secret_id)?;
    let content = Content::of(input.secret_string.as_ref(), input.secret_binary.as_ref())?;
    let content = content.ok_or(SecretsError::NoValue)?;
    let id = version_id(call, input.client_request_token.as_ref()).to_owned();
    let new = NewVersion {
        id: &id,
        content,
        labels: input.version_stages.as_ref(),
    };
    let made = versions::make(tx, call, &mut row, &new)?;
    let reply = PutSecretValueResponse {
        arn: Some(row.arn(&call.account).to_string()),
        name: Some(row.name.clone()),
        version_stages: Some(row.stages_of(&id)).filter(|stages| !stages.is_empty()),
        version_id: Some(id),
    };
    if made == Made::New {
        tx.put(row);
    }
    Ok(reply)
}

/// The secret, and the use of the key it has afterwards; of the old key too when values change over.
pub(super) fn require_update(ask: Ask<'_, UpdateSecretRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    let named = Named::of(ask.view, call, &input.secret_id);
    let own = named
        .check("secretsmanager:UpdateSecret")
        .with_some("secretsmanager:Description", input.description.clone())
        .with_some("secretsmanager:KmsKeyId", keys::named(input.kms_key_id.as_ref()))
        .with_some(
            "secretsmanager:KmsKeyArn",
            keys::arn_of(ask.view, call, input.kms_key_id.as_ref()),
        )
        .with_some("secretsmanager:Type", input.r#type.clone());
    let mut checks = vec![own];
    let Some(row) = &named.row else {
        return Ok(checks);
    };
    let key = input.kms_key_id.as_ref().or(row.kms_key_id.as_ref());
    let to_seal = |version: &str| {
        let arn = &named.arn;
        keys::to_seal(ask.view, call, key, Place { arn, version })
    };
    let has_value = Content::of(input.secret_string.as_ref(), input.secret_binary.as_ref())?.is_some();
    if has_value {
        let version = version_id(call, input.client_request_token.as_ref());
        checks.extend(to_seal(version));
    }
    if input.kms_key_id.is_some() {
        for version in in_use(&named.home, row) {
            checks.push(keys::to_open(ask.view, call, version, &named.arn)?);
            checks.extend(to_seal(&version.id));
        }
    }
    Ok(checks)
}

/// The versions that a change of the key seals anew.
fn in_use<'v>(view: &'v Snapshot, row: &StoredSecret) -> Vec<&'v SecretVersion> {
    let labels = [CURRENT, PENDING, PREVIOUS];
    let mut ids: Vec<_> = labels.iter().filter_map(|label| row.stages.get(*label)).collect();
    ids.sort();
    ids.dedup();
    let found = ids.into_iter().filter_map(|id| view.secrets.version(row, id));
    found.map(AsRef::as_ref).collect()
}

/// Changes a secret's description, key or value.
pub(super) fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateSecret>,
) -> Result<UpdateSecretResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if input.r#type.is_some() {
        return Err(SecretsError::Unsupported("A secret that an external partner holds").into());
    }
    let mut row = own_live(tx, call, &input.secret_id)?;
    let content = Content::of(input.secret_string.as_ref(), input.secret_binary.as_ref())?;
    if let Some(description) = &input.description {
        row.description = Some(description.clone());
    }
    if let Some(key) = &input.kms_key_id {
        row.kms_key_id = keys::named(Some(key));
        seal_anew(tx, call, &row)?;
    }
    row.changed = tx.now;
    let mut made = None;
    if let Some(content) = content {
        let id = version_id(call, input.client_request_token.as_ref()).to_owned();
        let new = NewVersion {
            id: &id,
            content,
            labels: None,
        };
        versions::make(tx, call, &mut row, &new)?;
        made = Some(id);
    }
    let reply = UpdateSecretResponse {
        arn: Some(row.arn(&call.account).to_string()),
        name: Some(row.name.clone()),
        version_id: made,
    };
    tx.put(row);
    Ok(reply)
}

/// Seals the versions in use under the key that the secret has now.
fn seal_anew(tx: &mut Tx<'_>, call: &Call, row: &StoredSecret) -> Result<(), ServiceError> {
    let arn = row.arn(&tx.view().account).to_string();
    let versions: Vec<_> = in_use(tx.view(), row).into_iter().cloned().collect();
    for mut version in versions {
        let value = keys::open_in(tx, call, &version, &arn)?;
        let place = Place {
            arn: &arn,
            version: &version.id,
        };
        version.value = keys::seal(tx, call, row.kms_key_id.as_ref(), place, &value)?;
        version.kms_key_id = row.kms_key_id.clone();
        tx.put(version);
    }
    Ok(())
}
