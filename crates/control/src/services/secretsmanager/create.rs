//! CreateSecret.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{CreateSecretRequest, CreateSecretResponse};
use portcullis_core::{Tag, Tags};

use super::content::Content;
use super::errors::SecretsError;
use super::keys::{self, Place};
use super::names::{Named, PREFIX, new_arn, requested_tags, suffix};
use super::versions::{self, NewVersion};
use crate::gate::call::Call;
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::tags::is_reserved;
use crate::world::Tx;
use crate::world::records::secrets::{LastRead, StoredSecret};

/// Secrets an account may have in a region; all regions together here.
const SECRETS: usize = 500_000;
/// Tags a secret may have.
const TAGS: usize = 50;

/// The secret to be made, the right to tag it, and the use of its key. Decided is on the ARN it will have.
pub(super) fn require(ask: Ask<'_, CreateSecretRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    let arn = new_arn(&call.region, &call.account, &input.name, &suffix(call)).to_string();
    let tags = requested_tags(input.tags.as_ref());
    let mut check = Check::new("secretsmanager:CreateSecret", arn.clone())
        .shown_as(input.name.clone())
        .with("secretsmanager:Name", input.name.clone())
        .with_some("secretsmanager:Description", input.description.clone())
        .with_some("secretsmanager:KmsKeyId", keys::named(input.kms_key_id.as_ref()))
        .with_some(
            "secretsmanager:KmsKeyArn",
            keys::arn_of(ask.view, call, input.kms_key_id.as_ref()),
        )
        .with_some("secretsmanager:Type", input.r#type.clone());
    add_resource_tags(&mut check.context, PREFIX, &tags);
    add_request_tags(&mut check.context, &tags);
    let mut checks = vec![check];
    if !tags.is_empty() {
        let mut tagging = Check::new("secretsmanager:TagResource", arn.clone()).shown_as(input.name.clone());
        add_request_tags(&mut tagging.context, &tags);
        add_resource_tags(&mut tagging.context, PREFIX, &tags);
        checks.push(tagging);
    }
    if Content::of(input.secret_string.as_ref(), input.secret_binary.as_ref())?.is_some() {
        let place = Place {
            arn: &arn,
            version: version_id(call, input.client_request_token.as_ref()),
        };
        checks.extend(keys::to_seal(ask.view, call, input.kms_key_id.as_ref(), place));
    }
    Ok(checks)
}

/// Makes a secret, with its first version if the caller brings a value.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateSecret>,
) -> Result<CreateSecretResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    only_what_is_here(input)?;
    check_name(&input.name)?;
    let content = Content::of(input.secret_string.as_ref(), input.secret_binary.as_ref())?;
    let key = StoredSecret::key_of(&call.region, &input.name);
    if let Some(there) = tx.view().secrets.secrets.get(&key).cloned() {
        if !there.is_gone(tx.now) {
            return made_before(tx, &there, input, content);
        }
        versions::forget(tx, &there);
    }
    if tx.view().secrets.secrets.len() >= SECRETS {
        return Err(SecretsError::Secrets.into());
    }
    let mut row = StoredSecret {
        name: input.name.clone(),
        region: call.region.clone(),
        suffix: suffix(call),
        description: input.description.clone(),
        kms_key_id: keys::named(input.kms_key_id.as_ref()),
        created: tx.now,
        changed: tx.now,
        accessed: LastRead::default(),
        deleted: None,
        tags: accepted_tags(&Tags::new(), input.tags.as_ref())?,
        policy: None,
        stages: versions::Stages::new(),
        rotation_enabled: None,
    };
    let id = version_id(call, input.client_request_token.as_ref()).to_owned();
    if let Some(content) = content {
        let new = NewVersion {
            id: &id,
            content,
            labels: None,
        };
        versions::make(tx, call, &mut row, &new)?;
    }
    let arn = row.arn(&call.account).to_string();
    tx.put(row);
    Ok(CreateSecretResponse {
        arn: Some(arn),
        name: Some(input.name.clone()),
        version_id: content.map(|_| id),
        replication_status: None,
    })
}

/// The id of the version a call makes: its token, or what nobody else's call has.
pub(super) fn version_id<'a>(call: &'a Call, token: Option<&'a String>) -> &'a str {
    token.unwrap_or(&call.request_id)
}

/// A retry of the call that made the secret is answered as that call was.
fn made_before(
    tx: &Tx<'_>,
    there: &StoredSecret,
    input: &CreateSecretRequest,
    content: Option<Content<'_>>,
) -> Result<CreateSecretResponse, ServiceError> {
    if there.deleted.is_some() {
        return Err(SecretsError::NameLeaving.into());
    }
    let exists = || SecretsError::Exists(input.name.clone());
    let id = input.client_request_token.as_ref().ok_or_else(exists)?;
    let content = content.ok_or_else(exists)?;
    let new = NewVersion {
        id,
        content,
        labels: None,
    };
    match versions::may_be_made(tx, there, &new)? {
        versions::Made::New => Err(exists().into()),
        versions::Made::Already => Ok(CreateSecretResponse {
            arn: Some(there.arn(&tx.view().account).to_string()),
            name: Some(there.name.clone()),
            version_id: Some(id.clone()),
            replication_status: None,
        }),
    }
}

fn only_what_is_here(input: &CreateSecretRequest) -> Result<(), SecretsError> {
    if input.add_replica_regions.is_some() || input.cross_account_primary_arn.is_some() {
        return Err(SecretsError::Unsupported("Replication of secrets"));
    }
    match &input.r#type {
        Some(_) => Err(SecretsError::Unsupported(
            "A secret that an external partner holds",
        )),
        None => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), SecretsError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@!-".contains(&byte);
    match name.bytes().all(is_good) {
        true => Ok(()),
        false => Err(SecretsError::Name),
    }
}

/// The tags a secret has with a request's.
pub(super) fn accepted_tags(
    before: &Tags,
    more: Option<&Vec<portcullis_api::secretsmanager::Tag>>,
) -> Result<Tags, SecretsError> {
    let given = requested_tags(more);
    let named = more.map_or(0, Vec::len);
    let is_bad = |tag: &Tag| tag.key.is_empty() || is_reserved(&tag.key);
    if given.len() != named || given.iter().any(is_bad) {
        return Err(SecretsError::Tags);
    }
    let mut tags = before.clone();
    given.iter().for_each(|tag| tags.set(tag.clone()));
    match tags.len() > TAGS {
        true => Err(SecretsError::Tags),
        false => Ok(tags),
    }
}

/// The secret that a write changes, in a copy of its own.
pub(super) fn own_live(tx: &Tx<'_>, call: &Call, id: &str) -> Result<StoredSecret, SecretsError> {
    let named = Named::of(tx.view(), call, id);
    named.own_live().map(|row| StoredSecret::clone(row))
}
