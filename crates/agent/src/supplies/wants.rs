//! What a container of a payload wants from elsewhere before it starts. Names only: this is saved with its task.

use portcullis_api::acs;
use serde::{Deserialize, Serialize};

/// What is to be fetched for a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Wants {
    pub(crate) secrets: Vec<WantedSecret>,
    /// ARNs of objects in S3, the first wins.
    pub(crate) environment_files: Vec<String>,
    /// How to log in at the image's registry.
    pub(crate) login: Option<WantedLogin>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WantedSecret {
    pub(crate) name: String,
    /// Name of a parameter, or ARN of a secret with what is wanted of it.
    pub(crate) value_from: String,
    pub(crate) region: String,
    pub(crate) store: SecretStore,
    pub(crate) target: SecretTarget,
}

/// Where a value rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum SecretStore {
    /// Parameter Store.
    Parameters,
    /// Secrets Manager.
    SecretsManager,
}

/// Who gets a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SecretTarget {
    /// The container, as a variable.
    Environment,
    /// Its log driver, as an option.
    LogDriver,
}

/// A login that has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WantedLogin {
    /// ECR's, of a registry.
    Ecr {
        region: String,
        registry: String,
        /// Else the container instance's own role.
        by_execution_role: bool,
    },
    /// A secret that holds user name and password.
    Secret { arn: String, region: String },
}

impl Wants {
    /// Reads them; and what of them this agent cannot do.
    pub(crate) fn read(wire: &acs::Container) -> (Self, Vec<String>) {
        let mut unsupported = Vec::new();
        let mut secrets = Vec::new();
        for one in wire.secrets.iter().flatten() {
            match secret(one) {
                Some(secret) => secrets.push(secret),
                None => unsupported.push(format!("the secret {} of this kind", one.name)),
            }
        }
        let mut environment_files = Vec::new();
        for file in wire.environment_files.iter().flatten() {
            match file.r#type.as_str() {
                "s3" => environment_files.push(file.value.clone()),
                other => unsupported.push(format!("environmentFiles of type {other}")),
            }
        }
        let login = match &wire.registry_authentication {
            None => None,
            Some(given) => match login(given) {
                Some(login) => Some(login),
                None => {
                    unsupported.push(format!("registryAuthentication of type {}", given.r#type));
                    None
                }
            },
        };
        let wants = Self {
            secrets,
            environment_files,
            login,
        };
        (wants, unsupported)
    }

    /// Whether anything comes before the image: all but ECR's login, which on Fargate does too.
    pub(crate) fn come_first(&self, is_fargate: bool) -> bool {
        let login = match &self.login {
            Some(WantedLogin::Secret { .. }) => true,
            Some(WantedLogin::Ecr { .. }) => is_fargate,
            None => false,
        };
        login || !self.secrets.is_empty() || !self.environment_files.is_empty()
    }
}

fn secret(wire: &acs::Secret) -> Option<WantedSecret> {
    let store = match wire.provider.as_deref() {
        Some("ssm") => SecretStore::Parameters,
        Some("asm") => SecretStore::SecretsManager,
        _ => return None,
    };
    let target = match (wire.r#type.as_deref(), wire.target.as_deref()) {
        (_, Some("LOG_DRIVER")) => SecretTarget::LogDriver,
        (Some("ENVIRONMENT_VARIABLE"), _) => SecretTarget::Environment,
        _ => return None,
    };
    Some(WantedSecret {
        name: wire.name.clone(),
        value_from: wire.value_from.clone(),
        region: wire.region.clone().unwrap_or_default(),
        store,
        target,
    })
}

fn login(wire: &acs::RegistryAuthentication) -> Option<WantedLogin> {
    match (wire.r#type.as_str(), &wire.ecr_auth_data, &wire.asm_auth_data) {
        ("ecr", Some(ecr), _) => Some(WantedLogin::Ecr {
            region: ecr.region.clone()?,
            registry: ecr.registry_id.clone()?,
            by_execution_role: ecr.use_execution_role.unwrap_or_default(),
        }),
        ("asm", _, Some(asm)) => Some(WantedLogin::Secret {
            arn: asm.credentials_parameter.clone()?,
            region: asm.region.clone()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_6_what_a_container_wants_is_read_and_what_cannot_be_done_is_named() {
        let secret = |name: &str, provider: &str, kind: &str, target: &str| acs::Secret {
            name: name.into(),
            value_from: name.to_lowercase(),
            region: Some("us-west-2".into()),
            provider: Some(provider.into()),
            r#type: Some(kind.into()),
            target: Some(target.into()),
            ..Default::default()
        };
        let wire = acs::Container {
            secrets: Some(vec![
                secret("A", "ssm", "ENVIRONMENT_VARIABLE", "CONTAINER"),
                secret("T", "asm", "BOOTSTRAP", "LOG_DRIVER"),
                secret("M", "ssm", "MOUNT_POINT", "CONTAINER"),
                secret("V", "vault", "ENVIRONMENT_VARIABLE", "CONTAINER"),
            ]),
            registry_authentication: Some(acs::RegistryAuthentication {
                r#type: "other".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let (wants, unsupported) = Wants::read(&wire);
        let found: Vec<_> = wants
            .secrets
            .iter()
            .map(|one| (one.name.as_str(), one.store, one.target))
            .collect();
        assert_eq!(
            found,
            [
                ("A", SecretStore::Parameters, SecretTarget::Environment),
                ("T", SecretStore::SecretsManager, SecretTarget::LogDriver)
            ]
        );
        assert_eq!(
            unsupported,
            [
                "the secret M of this kind",
                "the secret V of this kind",
                "registryAuthentication of type other"
            ]
        );
        assert!(wants.come_first(false));
    }

    #[test]
    fn ecrs_login_comes_first_on_fargate_alone() {
        let ecr = Wants {
            login: Some(WantedLogin::Ecr {
                region: "us-west-2".into(),
                registry: "111122223333".into(),
                by_execution_role: true,
            }),
            ..Wants::default()
        };
        assert!(ecr.come_first(true) && !ecr.come_first(false));
        assert!(!Wants::default().come_first(true));
    }
}
