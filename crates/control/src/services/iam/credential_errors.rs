//! IAM's errors around passwords, keys, certificates and the account's own settings: code, status and text in one table.

use thiserror::Error;

use crate::gate::error::ServiceError;

/// Why IAM refuses a call about credentials. The texts are AWS's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum CredentialError {
    #[error("The account alias {0} already exists.")]
    AliasExists(String),
    #[error("The account alias {0} cannot be found.")]
    NoAlias(String),
    #[error("The Password Policy with domain name {0} cannot be found.")]
    NoPasswordPolicy(String),
    #[error("The account policy with name PasswordPolicy cannot be found.")]
    NoPasswordPolicyToDelete,

    #[error("Login Profile for user {0} already exists.")]
    LoginProfileExists(String),
    #[error("Login Profile for User {0} cannot be found.")]
    NoLoginProfile(String),
    #[error("{0}")]
    WeakPassword(String),
    #[error("The old password was incorrect.")]
    WrongPassword,
    #[error("Only IAM Users can change their own password")]
    NotAnIamUser,

    #[error("The Public Key with id {0} cannot be found.")]
    NoSshKey(String),
    #[error("User has no Public Key with id {0}.")]
    NotUsersSshKey(String),
    #[error("Duplicate SSH public key uploaded.")]
    SshKeyExists,
    #[error("Invalid public key uploaded.")]
    UnrecognizedSshKey,
    #[error("Invalid body for public key")]
    InvalidSshKey,

    #[error("No such service {0} is supported for Service Specific Credentials")]
    NoCredentialsForService(String),
    #[error("No such credential {0} exists")]
    NoServiceCredential(String),
    #[error("User {user} does not have a service specific credential with id {id}")]
    NotUsersServiceCredential { user: String, id: String },

    #[error("The Certificate with id {0} cannot be found.")]
    NoSigningCertificate(String),
    #[error("Duplicate certificate uploaded.")]
    DuplicateCertificate,
    #[error("{0}")]
    MalformedCertificate(String),
    #[error(
        "The private key did not match the public key provided. Please verify the key material and try again."
    )]
    KeyPairMismatch,
    #[error("The Server Certificate with name {0} already exists.")]
    ServerCertificateExists(String),

    #[error("SAMLProvider {0} already exists.")]
    SamlProviderExists(String),
    #[error("SAMLProvider {0} does not exist.")]
    NoSamlProvider(String),
    #[error("Manifest not found for arn {0}")]
    NoSamlProviderToDelete(String),
    #[error("Could not parse metadata")]
    SamlMetadata,
    #[error("SAML Providers must reference at least one SAML assertion issuer.")]
    NoSamlIssuer,
    #[error("Private key limit of 2 is reached.")]
    SamlKeys,

    #[error("Operation does not support status {0}")]
    Status(String),
    #[error("The provided tag map must not be null/empty.")]
    NoTags,
    #[error("The provided tag keys must not be null/empty.")]
    NoTagKeys,

    /// AWS's reply has no text; its clients print this one then.
    #[error("Unknown")]
    NoReport,
    /// As above.
    #[error("Unknown")]
    ReportExpired,
    #[error("Cannot find deletion status for given id.")]
    NoDeletionTask,
}

impl CredentialError {
    /// AWS's code and HTTP status.
    fn code(&self) -> (&'static str, u16) {
        match self {
            Self::AliasExists(_)
            | Self::LoginProfileExists(_)
            | Self::ServerCertificateExists(_)
            | Self::SamlProviderExists(_) => ("EntityAlreadyExists", 409),
            Self::NoAlias(_)
            | Self::NoPasswordPolicy(_)
            | Self::NoPasswordPolicyToDelete
            | Self::NoLoginProfile(_)
            | Self::NoSshKey(_)
            | Self::NotUsersSshKey(_)
            | Self::NoCredentialsForService(_)
            | Self::NoServiceCredential(_)
            | Self::NoSigningCertificate(_)
            | Self::NoSamlProvider(_)
            | Self::NoSamlProviderToDelete(_)
            | Self::NoDeletionTask => ("NoSuchEntity", 404),
            Self::WeakPassword(_) => ("PasswordPolicyViolation", 400),
            Self::WrongPassword => ("AccessDenied", 403),
            Self::NotAnIamUser => ("InvalidUserType", 400),
            Self::SshKeyExists => ("DuplicateSSHPublicKey", 400),
            Self::UnrecognizedSshKey => ("UnrecognizedPublicKeyEncoding", 400),
            Self::InvalidSshKey => ("InvalidPublicKey", 400),
            Self::NotUsersServiceCredential { .. } => ("ValidationError", 400),
            Self::DuplicateCertificate => ("DuplicateCertificate", 409),
            Self::MalformedCertificate(_) => ("MalformedCertificate", 400),
            Self::KeyPairMismatch => ("KeyPairMismatch", 400),
            Self::SamlKeys => ("LimitExceeded", 409),
            Self::SamlMetadata | Self::NoSamlIssuer | Self::Status(_) | Self::NoTags | Self::NoTagKeys => {
                ("InvalidInput", 400)
            }
            Self::NoReport => ("ReportNotPresent", 410),
            Self::ReportExpired => ("ReportExpired", 410),
        }
    }
}

impl From<CredentialError> for ServiceError {
    fn from(error: CredentialError) -> Self {
        let (code, status) = error.code();
        Self::new(code, status, error.to_string())
    }
}
