//! What users sign in and sign with beside access keys, and the certificates of an account. All of it belongs to an
//! owner by unique id, so that renaming a user changes nothing here.

use portcullis_core::{Arn, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Record, Sealed};

/// A user's password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginProfile {
    /// The user's unique id.
    pub user_id: String,
    /// When the profile was made.
    pub created: Timestamp,
    /// When the password was last set.
    pub changed: Timestamp,
    /// Whether the user must choose another one.
    pub reset_required: bool,
    /// What is left of the passwords: sealed hashes, the one in force first, then those before it.
    pub hashes: Vec<Sealed>,
}

impl LoginProfile {
    /// The purpose under which hashes of passwords are sealed, with the user's id as the record.
    pub const PURPOSE: &'static str = "iam-password";
    /// How many passwords are remembered: the most a password policy can ask for.
    pub const REMEMBERED: usize = 24;
}

/// A public key a user identifies with over SSH.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SshKey {
    /// `APKA...`
    pub id: String,
    /// The user's unique id.
    pub user_id: String,
    /// The key in SSH's own format, base 64 without comment.
    pub key: String,
    /// Whether it may be used.
    pub active: bool,
    /// When it came.
    pub uploaded: Timestamp,
}

/// A user name and password, or an API key, for one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceCredential {
    /// `ACCA...`
    pub id: String,
    /// The user's unique id.
    pub user_id: String,
    /// Such as `codecommit.amazonaws.com`.
    pub service: String,
    /// The user name, of an API key its alias; unique for the service.
    pub login: String,
    /// SHA-256 of the password; nobody needs the password again.
    pub digest: Sealed,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

impl ServiceCredential {
    /// The purpose under which digests are sealed, with the credential's id as the record.
    pub const PURPOSE: &'static str = "iam-service-credential";
}

/// An X.509 certificate somebody signs with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SigningCertificate {
    /// SHA-1 of the certificate in base 32.
    pub id: String,
    /// The user's unique id; of the root user the account's.
    pub owner: String,
    /// The certificate as it came.
    pub body: String,
    /// Whether it may be used.
    pub active: bool,
    /// When it came.
    pub uploaded: Timestamp,
}

/// A certificate for TLS servers, with its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerCertificate {
    /// `ASCA...`
    pub id: String,
    /// The name with its case, without the path.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// The ARN, path included.
    pub arn: Arn,
    /// The certificate in PEM.
    pub body: String,
    /// Those that certify it, in PEM.
    pub chain: Option<String>,
    /// The private key in PEM.
    pub key: Sealed,
    /// When it came.
    pub uploaded: Timestamp,
    /// When the certificate ends.
    pub expires: Timestamp,
    /// Its tags.
    pub tags: Tags,
}

impl ServerCertificate {
    /// The purpose under which private keys are sealed, with the certificate's id as the record.
    pub const PURPOSE: &'static str = "iam-server-certificate-key";
}

/// The key of what somebody owns: whose it is, then what it is.
fn owned(owner: &str, id: &str) -> String {
    format!("{owner}/{id}")
}

record!(LoginProfile, "iam-login-profile", login_profiles, |row| row
    .user_id
    .clone());
record!(SshKey, "iam-ssh-key", ssh_keys, |row| owned(
    &row.user_id,
    &row.id
));
record!(
    ServiceCredential,
    "iam-service-credential",
    service_credentials,
    |row| owned(&row.user_id, &row.id)
);
record!(
    SigningCertificate,
    "iam-signing-certificate",
    signing_certificates,
    |row| owned(&row.owner, &row.id)
);
record!(
    ServerCertificate,
    "iam-server-certificate",
    server_certificates,
    |row| row.name.to_ascii_lowercase()
);
