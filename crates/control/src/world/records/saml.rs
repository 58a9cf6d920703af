//! SAML identity providers: whose assertions roles may trust.

use portcullis_core::{Arn, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Record, Sealed};

/// A SAML 2.0 identity provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SamlProvider {
    /// `arn:aws:iam::ACCOUNT:saml-provider/NAME`.
    pub arn: Arn,
    /// `SAMLSP...`: stands in the address encrypted assertions are meant for.
    pub uuid: String,
    /// What the provider says of itself, in XML.
    pub metadata: String,
    /// When it was made.
    pub created: Timestamp,
    /// How long the metadata holds.
    pub valid_until: Timestamp,
    /// Whether assertions must be encrypted.
    pub encryption_required: bool,
    /// Keys that decrypt assertions, the oldest first.
    pub keys: Vec<SamlKey>,
    /// Its tags.
    pub tags: Tags,
}

impl SamlProvider {
    /// The purpose under which private keys are sealed, with the key's id as the record.
    pub const KEY_PURPOSE: &'static str = "iam-saml-key";
}

/// A private key that decrypts assertions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SamlKey {
    /// `SAMLPK...`
    pub id: String,
    /// When it came.
    pub added: Timestamp,
    /// The key in PEM.
    pub key: Sealed,
}

record!(SamlProvider, "iam-saml-provider", saml_providers, |row| row
    .arn
    .to_string());
