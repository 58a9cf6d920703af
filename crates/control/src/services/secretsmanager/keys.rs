//! The KMS key that a secret's values are sealed under: how it is named, and what its use takes. A value is bound to its secret
//! and its version by the encryption context. Refusals and failures of KMS are told in Secrets Manager's words.

use super::errors::SecretsError;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::services::kms::for_services::{self, KmsUse, Plaintext};
use crate::world::records::Sealed;
use crate::world::records::secrets::SecretVersion;
use crate::world::{Snapshot, Tx};

/// The service, as KMS knows it.
const VIA: &str = "secretsmanager";

/// Where a value belongs: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The secret's ARN.
    pub arn: &'a str,
    /// The version's id.
    pub version: &'a str,
}

impl Place<'_> {
    fn under(self, key: Option<&str>) -> KmsUse {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        KmsUse {
            via: VIA,
            key: key.map(str::to_owned),
            context: vec![pair("SecretARN", self.arn), pair("SecretVersionId", self.version)],
        }
    }
}

/// The key as a request names it: an empty text is the service's own.
pub(super) fn named(key: Option<&String>) -> Option<String> {
    key.filter(|key| !key.is_empty()).cloned()
}

/// The ARN of the key that a request names, for conditions.
pub(super) fn arn_of(view: &Snapshot, call: &Call, key: Option<&String>) -> Option<String> {
    let used = KmsUse {
        via: VIA,
        key: Some(named(key)?),
        context: Vec::new(),
    };
    let arn = for_services::key_arn(view, call, &used).ok()?;
    Some(arn.to_string())
}

/// What sealing a value takes: a data key, and opening it again, which is how Secrets Manager finds out that the value can be
/// read. What can be no key's name takes nothing more: [`seal`] refuses it, and so a secret's key shows to those alone who may
/// write.
pub(super) fn to_seal(
    view: &Snapshot,
    call: &Call,
    key: Option<&String>,
    place: Place<'_>,
) -> impl Iterator<Item = Check> + use<> {
    let used = place.under(key.map(String::as_str));
    let one = |action| for_services::check(view, call, &used, action).ok();
    let checks = [one("kms:GenerateDataKey"), one("kms:Decrypt")];
    let checks = checks.into_iter().flatten();
    checks.map(|check| check.refused_as(SecretsError::Kms.into()))
}

/// What opening a value takes.
pub(super) fn to_open(
    view: &Snapshot,
    call: &Call,
    version: &SecretVersion,
    arn: &str,
) -> Result<Check, ServiceError> {
    let used = place_of(arn, version).under(None);
    let check = for_services::check_decrypt(view, call, &used, version.value.ciphertext());
    let check = check.map_err(|error| told(&error, SecretsError::Decryption))?;
    Ok(check.refused_as(SecretsError::Kms.into()))
}

fn place_of<'a>(arn: &'a str, version: &'a SecretVersion) -> Place<'a> {
    Place {
        arn,
        version: &version.id,
    }
}

fn told(error: &ServiceError, failure: SecretsError) -> ServiceError {
    match error.is_access_denied() {
        true => SecretsError::Kms.into(),
        false => failure.into(),
    }
}

/// Seals a value.
pub(super) fn seal(
    tx: &mut Tx<'_>,
    call: &Call,
    key: Option<&String>,
    place: Place<'_>,
    bytes: &[u8],
) -> Result<Sealed, ServiceError> {
    let used = place.under(key.map(String::as_str));
    let sealed = for_services::encrypt(tx, call, &used, "GenerateDataKey", bytes);
    let sealed = sealed.map_err(|error| told(&error, SecretsError::Encryption))?;
    Ok(Sealed::new(sealed))
}

/// Opens a value for its reader.
pub(super) fn open(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    version: &SecretVersion,
    arn: &str,
) -> Result<Plaintext, ServiceError> {
    let used = place_of(arn, version).under(None);
    let opened = for_services::decrypt(view, env, call, &used, version.value.ciphertext());
    opened.map_err(|error| told(&error, SecretsError::Decryption))
}

/// Opens a value to seal it anew.
pub(super) fn open_in(
    tx: &mut Tx<'_>,
    call: &Call,
    version: &SecretVersion,
    arn: &str,
) -> Result<Plaintext, ServiceError> {
    let used = place_of(arn, version).under(None);
    let opened = for_services::decrypt_in(tx, call, &used, version.value.ciphertext());
    opened.map_err(|error| told(&error, SecretsError::Decryption))
}
