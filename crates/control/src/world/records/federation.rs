//! Federation: OpenID Connect providers whose tokens roles may trust, and this account's own tokens for others.

use portcullis_core::{Arn, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Record, Sealed};
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// An OpenID Connect identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcProvider {
    /// `arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH`.
    pub arn: Arn,
    /// The issuer, with its scheme.
    pub url: String,
    /// Audiences its tokens may be for.
    pub client_ids: Vec<String>,
    /// SHA-1 of certificates that are trusted for it beside the known authorities, in lower case.
    pub thumbprints: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    pub tags: Tags,
}

impl OidcProvider {
    /// The issuer without its scheme: how ARNs, condition keys and replies name the provider.
    pub fn name(&self) -> &str {
        self.url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, name)| name)
    }
}

impl Record for OidcProvider {
    const KIND: &'static str = "iam-oidc-provider";
    fn key(&self) -> String {
        self.arn.to_string()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.oidc_providers
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.oidc_providers
    }
}

/// The account as an issuer of tokens for others (GetWebIdentityToken). Made when it is first enabled; issuer and keys
/// stay while it is disabled, so that tokens out there can still be verified.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboundFederation {
    /// The last part of the issuer: stands in every path of the discovery endpoint.
    pub id: String,
    /// The issuer of the account's tokens: an address of this server.
    pub issuer: String,
    /// Whether tokens are given out.
    pub enabled: bool,
    /// The keys, one of each algorithm.
    pub keys: Vec<SigningKey>,
}

impl OutboundFederation {
    /// The purpose under which private keys are sealed, with the key's id as the record.
    pub const KEY_PURPOSE: &'static str = "sts-outbound-key";
    /// There is one row.
    pub const KEY: &'static str = "account";
}

/// A key that signs the account's tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SigningKey {
    /// Its id: `kid`.
    pub id: String,
    /// `ES384` or `RS256`.
    pub algorithm: String,
    /// The public half as a JSON Web Key.
    pub public: serde_json::Value,
    /// The private half, PKCS #8.
    pub private: Sealed,
}

impl Record for OutboundFederation {
    const KIND: &'static str = "iam-outbound-federation";
    fn key(&self) -> String {
        Self::KEY.to_owned()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.outbound_federation
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.outbound_federation
    }
}
