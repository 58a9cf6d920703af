//! What a container gets from elsewhere before it starts: secrets, environment files, a login at its registry. The control
//! plane says where each comes from, the agent fetches it as the execution role (agent.md 5.2, 6).

use portcullis_api::{acs, ecs as api};
use portcullis_core::Arn;

use crate::world::records::ecs::Task;

const FROM_SSM: &str = "ssm";
const FROM_SECRETS_MANAGER: &str = "asm";

/// Secrets of the environment and of the log driver.
pub(super) fn secrets(task: &Task, container: &api::ContainerDefinition) -> Option<Vec<acs::Secret>> {
    let log = container.log_configuration.as_ref();
    let of_environment = container.secrets.iter().flatten();
    let of_environment = of_environment.map(|one| secret(task, one, "ENVIRONMENT_VARIABLE", "CONTAINER"));
    // Not of the type of variables, or the agent puts the driver's token into the environment.
    let of_driver = log
        .into_iter()
        .flat_map(|log| log.secret_options.iter().flatten());
    let of_driver = of_driver.map(|one| secret(task, one, "BOOTSTRAP", "LOG_DRIVER"));
    let all: Vec<_> = of_environment.chain(of_driver).collect();
    (!all.is_empty()).then_some(all)
}

fn secret(task: &Task, secret: &api::Secret, kind: &str, target: &str) -> acs::Secret {
    let arn: Option<Arn> = secret.value_from.parse().ok();
    let is_secrets_manager = arn.as_ref().is_some_and(|arn| arn.service() == "secretsmanager");
    let value_from = match &arn {
        Some(arn) if !is_secrets_manager => parameter_name(task, arn).unwrap_or(secret.value_from.clone()),
        _ => secret.value_from.clone(),
    };
    acs::Secret {
        name: secret.name.clone(),
        value_from,
        region: Some(region_of(task, arn.as_ref())),
        provider: Some(
            if is_secrets_manager {
                FROM_SECRETS_MANAGER
            } else {
                FROM_SSM
            }
            .to_owned(),
        ),
        r#type: Some(kind.to_owned()),
        target: Some(target.to_owned()),
        container_path: None,
    }
}

/// The agent finds values by the name that Parameter Store answers with, which is never an ARN. A parameter that another
/// account shares is known by its ARN alone.
fn parameter_name(task: &Task, arn: &Arn) -> Option<String> {
    let (_, name) = arn.resource_parts()?;
    let is_own = arn.account() == task.arn.account();
    is_own.then(|| {
        if name.contains('/') {
            format!("/{name}")
        } else {
            name.to_owned()
        }
    })
}

fn region_of(task: &Task, arn: Option<&Arn>) -> String {
    let region = arn.map(Arn::region).filter(|region| !region.is_empty());
    region.unwrap_or(task.region.as_str()).to_owned()
}

/// The files of the override, else of the definition.
pub(super) fn environment_files(
    container: &api::ContainerDefinition,
    own: Option<&api::ContainerOverride>,
) -> Option<Vec<acs::EnvironmentFile>> {
    let files = own
        .and_then(|own| own.environment_files.as_ref())
        .or(container.environment_files.as_ref())?;
    let files = files.iter().map(|file| acs::EnvironmentFile {
        value: file.value.clone(),
        r#type: file.r#type.clone(),
    });
    Some(files.collect::<Vec<_>>()).filter(|files| !files.is_empty())
}

/// How the agent logs in at the image's registry: ECR by the execution role, else by the instance's; others by a secret.
pub(super) fn registry_authentication(
    task: &Task,
    container: &api::ContainerDefinition,
    image: &str,
) -> Option<acs::RegistryAuthentication> {
    if let Some(credentials) = &container.repository_credentials {
        let arn: Option<Arn> = credentials.credentials_parameter.parse().ok();
        return Some(acs::RegistryAuthentication {
            r#type: "asm".to_owned(),
            ecr_auth_data: None,
            asm_auth_data: Some(acs::AsmAuthData {
                credentials_parameter: Some(credentials.credentials_parameter.clone()),
                region: Some(region_of(task, arn.as_ref())),
            }),
        });
    }
    let (account, region) = ecr(image)?;
    Some(acs::RegistryAuthentication {
        r#type: "ecr".to_owned(),
        ecr_auth_data: Some(acs::EcrAuthData {
            registry_id: Some(account.to_owned()),
            region: Some(region.to_owned()),
            endpoint_override: None,
            use_execution_role: Some(task.execution_role.is_some()),
        }),
        asm_auth_data: None,
    })
}

/// Account and region of `ACCOUNT.dkr.ecr[-fips].REGION.amazonaws.com[.cn]/...`.
fn ecr(image: &str) -> Option<(&str, &str)> {
    let (registry, _) = image.split_once('/')?;
    let (account, rest) = registry
        .split_once(".dkr.ecr.")
        .or_else(|| registry.split_once(".dkr.ecr-fips."))?;
    let (region, _) = rest.split_once(".amazonaws.com")?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && !region.is_empty()).then_some((account, region))
}

/// The log router's settings.
pub(super) fn firelens(container: &api::ContainerDefinition) -> Option<acs::FirelensConfiguration> {
    let firelens = container.firelens_configuration.as_ref()?;
    Some(acs::FirelensConfiguration {
        r#type: firelens.r#type.clone(),
        options: firelens.options.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::fixtures;

    #[test]
    fn agent_6_where_secrets_come_from_is_told_with_provider_and_region() {
        let container: api::ContainerDefinition = portcullis_wire::json::from_value(&serde_json::json!({
            "name": "app", "image": "i",
            "secrets": [
                { "name": "A", "valueFrom": "plain" },
                { "name": "B", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/path/to/b" },
                { "name": "C", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/c" },
                { "name": "D", "valueFrom": "arn:aws:ssm:us-east-1:999999999999:parameter/d" },
                { "name": "E", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:e-AbCdEf:key::" },
            ],
            "logConfiguration": { "logDriver": "splunk", "secretOptions": [{ "name": "splunk-token", "valueFrom": "token" }] },
        }))
        .unwrap();
        let found = secrets(&fixtures::task(), &container).unwrap();
        let text = |one: &Option<String>| one.clone().unwrap();
        let lines: Vec<_> = found
            .iter()
            .map(|one| {
                let words = [
                    one.name.clone(),
                    one.value_from.clone(),
                    text(&one.provider),
                    text(&one.region),
                    text(&one.r#type),
                    text(&one.target),
                ];
                words.join(" ")
            })
            .collect();
        let expected = [
            "A plain ssm us-east-1 ENVIRONMENT_VARIABLE CONTAINER",
            "B /path/to/b ssm eu-west-1 ENVIRONMENT_VARIABLE CONTAINER",
            "C c ssm us-east-1 ENVIRONMENT_VARIABLE CONTAINER",
            "D arn:aws:ssm:us-east-1:999999999999:parameter/d ssm us-east-1 ENVIRONMENT_VARIABLE CONTAINER",
            "E arn:aws:secretsmanager:eu-west-1:123456789012:secret:e-AbCdEf:key:: asm eu-west-1 ENVIRONMENT_VARIABLE CONTAINER",
            "splunk-token token ssm us-east-1 BOOTSTRAP LOG_DRIVER",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn agent_6_the_login_of_a_registry_is_ecrs_or_a_secrets() {
        let mut container = api::ContainerDefinition::default();
        let mut task = fixtures::task();
        let ecr = |task: &Task, image: &str| {
            let found = registry_authentication(task, &api::ContainerDefinition::default(), image)?;
            let data = found.ecr_auth_data?;
            Some((data.registry_id?, data.region?, data.use_execution_role?))
        };
        let image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/app@sha256:00";
        task.execution_role = None;
        let expected = |execution| Some(("111122223333".to_owned(), "eu-west-1".to_owned(), execution));
        assert_eq!(ecr(&task, image), expected(false));
        task.execution_role = Some("arn:aws:iam::123456789012:role/e".parse().unwrap());
        assert_eq!(ecr(&task, image), expected(true));
        for other in [
            "busybox",
            "local/app:1",
            "x.dkr.ecr.y.example.com/a",
            "1.dkr.ecr.eu.amazonaws.com/a",
        ] {
            assert_eq!(ecr(&task, other), None, "{other}");
        }
        container.repository_credentials = Some(api::RepositoryCredentials {
            credentials_parameter: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login".to_owned(),
        });
        let found = registry_authentication(&task, &container, "registry.example.com/app").unwrap();
        assert_eq!(found.r#type, "asm");
        assert_eq!(found.asm_auth_data.unwrap().region.as_deref(), Some("eu-west-1"));
    }
}
