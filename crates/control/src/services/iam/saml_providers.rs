//! SAML identity providers: kept for roles to trust.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{Arn, Random, Timestamp};
use portcullis_store::Vault;
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::credential_errors::CredentialError;
use super::errors::IamError;
use super::x509::PrivateKey;
use super::{quotas, saml_metadata, shapes, tagging, tags};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::world::records::saml::{SamlKey, SamlProvider};
use crate::world::records::{Record as _, Sealed};
use crate::world::{Snapshot, Tx};

/// How long metadata holds, in seconds: a hundred years, whatever the document says.
const VALID_SECONDS: i64 = 36_525 * 86_400;
/// Private keys a provider may have.
const KEYS: usize = 2;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    [life(), tag_rows()].into_iter().flatten().collect()
}

fn life() -> Vec<Row> {
    vec![
        write::<op::CreateSAMLProvider>(
            &["iam:CreateSAMLProvider", "iam:TagSAMLProvider"],
            |ask| {
                let input = ask.input;
                let arn = checks::arn(ask.call, "saml-provider", "/", &input.name);
                let check = Check::new("iam:CreateSAMLProvider", arn.as_str());
                checks::creating(check, "iam:TagSAMLProvider", false, input.tags.as_ref())
            },
            create,
        ),
        read::<op::GetSAMLProvider>(
            &["iam:GetSAMLProvider"],
            |ask| one(on("iam:GetSAMLProvider", &ask, &ask.input.saml_provider_arn)),
            get,
        ),
        read::<op::ListSAMLProviders>(
            &["iam:ListSAMLProviders"],
            |ask| {
                let all = checks::arn(ask.call, "saml-provider", "/", "*");
                one(Check::new("iam:ListSAMLProviders", all.as_str()))
            },
            list,
        ),
        write::<op::UpdateSAMLProvider>(
            &["iam:UpdateSAMLProvider"],
            |ask| one(on("iam:UpdateSAMLProvider", &ask, &ask.input.saml_provider_arn)),
            update,
        ),
        write::<op::DeleteSAMLProvider>(
            &["iam:DeleteSAMLProvider"],
            |ask| one(on("iam:DeleteSAMLProvider", &ask, &ask.input.saml_provider_arn)),
            delete,
        ),
    ]
}

fn tag_rows() -> Vec<Row> {
    vec![
        write::<op::TagSAMLProvider>(
            &["iam:TagSAMLProvider"],
            |ask| {
                let check = on("iam:TagSAMLProvider", &ask, &ask.input.saml_provider_arn);
                one(tagging::tagging(check, &ask.input.tags))
            },
            |tx, auth| {
                let mut row = find(tx.view(), &auth.input().saml_provider_arn)?.clone();
                tagging::set_exact(&mut row.tags, &auth.input().tags)?;
                tx.put(row);
                Ok(Empty {})
            },
        ),
        write::<op::UntagSAMLProvider>(
            &["iam:UntagSAMLProvider"],
            |ask| {
                let check = on("iam:UntagSAMLProvider", &ask, &ask.input.saml_provider_arn);
                one(tagging::untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| {
                let mut row = find(tx.view(), &auth.input().saml_provider_arn)?.clone();
                tagging::remove_exact(&mut row.tags, &auth.input().tag_keys)?;
                tx.put(row);
                Ok(Empty {})
            },
        ),
        read::<op::ListSAMLProviderTags>(
            &["iam:ListSAMLProviderTags"],
            |ask| one(on("iam:ListSAMLProviderTags", &ask, &ask.input.saml_provider_arn)),
            |view, _, auth| {
                let input = auth.input();
                let row = find(view, &input.saml_provider_arn)?;
                let page = tagging::page(&row.tags, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListSAMLProviderTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}

fn on(action: &'static str, ask: &Ask<'_, impl Sized>, arn: &str) -> Check {
    let mut check = Check::new(action, arn);
    if let Some(row) = ask.view.saml_providers.get(arn) {
        check.context.insert_tags("aws:ResourceTag", &row.tags);
    }
    check
}

fn find<'v>(view: &'v Snapshot, arn: &str) -> Result<&'v SamlProvider, ServiceError> {
    let is_provider = |arn: Arn| arn.service() == "iam" && arn.resource().starts_with("saml-provider/");
    if !arn.parse().is_ok_and(is_provider) {
        return Err(IamError::InvalidInput(format!("Invalid ARN: {arn}")).into());
    }
    let row = view.saml_providers.get(arn).map(AsRef::as_ref);
    row.ok_or_else(|| CredentialError::NoSamlProvider(arn.to_owned()).into())
}

/// `SAMLSP` or `SAMLPK` and sixteen letters or digits.
fn new_id(prefix: &str, random: &dyn Random) -> String {
    const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes);
    let letters = bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
    prefix
        .chars()
        .chain(letters.map(|letter| char::from(*letter)))
        .collect()
}

fn new_key(text: &str, now: Timestamp, random: &dyn Random, vault: &Vault) -> Result<SamlKey, IamError> {
    if PrivateKey::of_pem(text).is_none() {
        return Err(IamError::InvalidInput("Could not parse private key".to_owned()));
    }
    let id = new_id("SAMLPK", random);
    let sealed = vault.seal(SamlProvider::KEY_PURPOSE, id.as_bytes(), text.as_bytes());
    let sealed = sealed.map_err(|error| {
        tracing::error!(%error, "the key of a SAML provider could not be sealed");
        IamError::Internal
    })?;
    Ok(SamlKey {
        id,
        added: now,
        key: Sealed::new(sealed),
    })
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateSAMLProvider>,
) -> Result<api::CreateSAMLProviderResponse, ServiceError> {
    let input = auth.input();
    let encryption_required = input.assertion_encryption_mode.as_deref() == Some("Required");
    if encryption_required && input.add_private_key.is_none() {
        let text = "Unable to set assertion encryption mode to Required because no private key is provided.";
        return Err(IamError::Validation(text.to_owned()).into());
    }
    saml_metadata::check(&input.saml_metadata_document)?;
    let arn = checks::arn(auth.call(), "saml-provider", "/", &input.name);
    if tx.view().saml_providers.get(arn.as_str()).is_some() {
        return Err(CredentialError::SamlProviderExists(input.name.clone()).into());
    }
    quotas::SAML_PROVIDERS.room(tx.view(), tx.view().saml_providers.len())?;
    let key = input.add_private_key.as_deref();
    let key = key
        .map(|key| new_key(key, tx.now, tx.random, tx.vault))
        .transpose()?;
    let row = SamlProvider {
        arn,
        uuid: new_id("SAMLSP", tx.random),
        metadata: input.saml_metadata_document.clone(),
        created: tx.now,
        valid_until: tx.now.plus_seconds(VALID_SECONDS),
        encryption_required,
        keys: key.into_iter().collect(),
        tags: tags::accept_exact(input.tags.as_ref())?,
    };
    let reply = api::CreateSAMLProviderResponse {
        saml_provider_arn: Some(row.arn.to_string()),
        tags: shapes::tags(&row.tags),
    };
    tx.put(row);
    Ok(reply)
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetSAMLProvider>,
) -> Result<api::GetSAMLProviderResponse, ServiceError> {
    let row = find(view, &auth.input().saml_provider_arn)?;
    let mode = if row.encryption_required {
        "Required"
    } else {
        "Allowed"
    };
    let keys = row.keys.iter().map(|key| api::SAMLPrivateKey {
        key_id: Some(key.id.clone()),
        timestamp: Some(key.added),
    });
    Ok(api::GetSAMLProviderResponse {
        saml_provider_uuid: Some(row.uuid.clone()),
        saml_metadata_document: Some(row.metadata.clone()),
        create_date: Some(row.created),
        valid_until: Some(row.valid_until),
        tags: Some(shapes::tag_list(&row.tags)),
        assertion_encryption_mode: Some(mode.to_owned()),
        private_key_list: Some(keys.collect()),
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    _auth: Authorized<'_, op::ListSAMLProviders>,
) -> Result<api::ListSAMLProvidersResponse, ServiceError> {
    let rows = view
        .saml_providers
        .iter()
        .map(|(_, row)| api::SAMLProviderListEntry {
            arn: Some(row.arn.to_string()),
            valid_until: Some(row.valid_until),
            create_date: Some(row.created),
        });
    Ok(api::ListSAMLProvidersResponse {
        saml_provider_list: Some(rows.collect()),
    })
}

fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateSAMLProvider>,
) -> Result<api::UpdateSAMLProviderResponse, ServiceError> {
    let input = auth.input();
    let mut row = find(tx.view(), &input.saml_provider_arn)?.clone();
    refuse_what_says_nothing(input)?;
    if let Some(metadata) = &input.saml_metadata_document {
        saml_metadata::check(metadata)?;
        row.metadata.clone_from(metadata);
        row.valid_until = tx.now.plus_seconds(VALID_SECONDS);
    }
    if let Some(key) = &input.add_private_key {
        if row.keys.len() >= KEYS {
            return Err(CredentialError::SamlKeys.into());
        }
        row.keys.push(new_key(key, tx.now, tx.random, tx.vault)?);
    }
    if let Some(id) = &input.remove_private_key {
        let others = row.keys.iter().filter(|key| key.id != *id).count();
        if others == row.keys.len() || (others == 0 && row.encryption_required) {
            return Err(IamError::InvalidInput("Failed to remove private key.".to_owned()).into());
        }
        row.keys.retain(|key| key.id != *id);
    }
    if let Some(mode) = &input.assertion_encryption_mode {
        row.encryption_required = mode == "Required";
        if row.encryption_required && row.keys.is_empty() {
            let text =
                "Failed to set assertion encryption mode to Required because no private key is present.";
            return Err(IamError::InvalidInput(text.to_owned()).into());
        }
    }
    let arn = Some(row.arn.to_string());
    tx.put(row);
    Ok(api::UpdateSAMLProviderResponse {
        saml_provider_arn: arn,
    })
}

fn refuse_what_says_nothing(input: &api::UpdateSAMLProviderRequest) -> Result<(), IamError> {
    let text = match (&input.add_private_key, &input.remove_private_key) {
        (Some(_), Some(_)) => {
            "Unable to add and remove private keys in the same request. Set a value for only one of the two parameters."
        }
        (None, None)
            if input.saml_metadata_document.is_none() && input.assertion_encryption_mode.is_none() =>
        {
            "Unable to update identity provider. No updates are defined for metadata or encryption assertion."
        }
        _ => return Ok(()),
    };
    Err(IamError::Validation(text.to_owned()))
}

/// Roles that trust the provider stay; nobody can use that trust then.
fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteSAMLProvider>) -> Result<Empty, ServiceError> {
    let arn = &auth.input().saml_provider_arn;
    let row = tx.view().saml_providers.get(arn);
    let row = row.ok_or_else(|| CredentialError::NoSamlProviderToDelete(arn.clone()))?;
    let key = row.key();
    tx.delete::<SamlProvider>(&key);
    Ok(Empty {})
}
