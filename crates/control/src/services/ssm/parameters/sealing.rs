//! Values of parameters on their way in and out. Secure strings are sealed under a KMS key and bound to the parameter's ARN;
//! all others are sealed by the server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_store::Vault;
use zeroize::Zeroizing;

use super::errors::ParameterError;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::services::kms::for_services::{self, KmsUse};
use crate::world::records::Sealed;
use crate::world::records::parameters::{Parameter, ParameterValue, ParameterVersion, Tier};
use crate::world::{Snapshot, Tx};

/// The kind of parameter that is sealed under a KMS key.
pub(super) const SECURE: &str = "SecureString";
const PURPOSE: &str = "ssm-parameter";

fn used(call: &Call, name: &str, key: Option<&String>) -> KmsUse {
    let arn = Parameter::arn_of(&call.region, &call.account, name);
    KmsUse {
        via: "ssm",
        key: key.cloned(),
        context: vec![("PARAMETER_ARN".to_owned(), arn.to_string())],
    }
}

/// A standard parameter is encrypted by KMS itself, an advanced one under a data key.
fn sealing(tier: Tier) -> (&'static str, &'static str) {
    match tier {
        Tier::Standard => ("kms:Encrypt", "Encrypt"),
        Tier::Advanced => ("kms:GenerateDataKey", "GenerateDataKey"),
    }
}

/// A key that is not there, or does not work.
fn told(error: ServiceError) -> ServiceError {
    match error.is_access_denied() {
        true => error,
        false => ParameterError::Key(error.message().to_owned()).into(),
    }
}

/// What sealing a secure string takes.
pub(super) fn to_seal(
    view: &Snapshot,
    call: &Call,
    name: &str,
    key: Option<&String>,
    tier: Tier,
) -> Result<Check, ServiceError> {
    let check = for_services::check(view, call, &used(call, name, key), sealing(tier).0);
    check.map_err(told)
}

/// What opening a version takes, if it is a secure string.
pub(super) fn to_open(
    view: &Snapshot,
    call: &Call,
    version: &ParameterVersion,
) -> Result<Option<Check>, ServiceError> {
    let ParameterValue::Secure(value) = &version.value else {
        return Ok(None);
    };
    let used = used(call, &version.name, None);
    let check = for_services::check_decrypt(view, call, &used, value.ciphertext());
    check.map(Some).map_err(told)
}

/// Seals a secure string.
pub(super) fn seal_secure(
    tx: &mut Tx<'_>,
    call: &Call,
    name: &str,
    key: Option<&String>,
    tier: Tier,
    value: &str,
) -> Result<ParameterValue, ServiceError> {
    let used = used(call, name, key);
    let sealed = for_services::encrypt(tx, call, &used, sealing(tier).1, value.as_bytes());
    let sealed = sealed.map_err(told)?;
    Ok(ParameterValue::Secure(Sealed::new(sealed)))
}

/// Seals what is no secret to AWS.
pub(super) fn seal_plain(vault: &Vault, key: &str, value: &str) -> Result<ParameterValue, ParameterError> {
    let sealed = vault.seal(PURPOSE, key.as_bytes(), value.as_bytes());
    let sealed = sealed.map_err(|_| ParameterError::Internal)?;
    Ok(ParameterValue::Plain(Sealed::new(sealed)))
}

/// The value of a version as a reply shows it: without decryption a secure string is its ciphertext.
pub(super) fn shown(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    version: &ParameterVersion,
    with_decryption: bool,
) -> Result<String, ServiceError> {
    let mut bytes = match &version.value {
        ParameterValue::Secure(value) if with_decryption => {
            let used = used(call, &version.name, None);
            for_services::decrypt(view, env, call, &used, value.ciphertext()).map_err(told)?
        }
        ParameterValue::Secure(value) => return Ok(STANDARD.encode(value.ciphertext())),
        ParameterValue::Plain(value) => {
            let key = ParameterVersion::key_of(&version.region, &version.name, version.number);
            let opened = env.vault.open(PURPOSE, key.as_bytes(), value.ciphertext());
            opened.map_err(|_| ParameterError::Internal)?
        }
    };
    String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        ParameterError::Internal.into()
    })
}
