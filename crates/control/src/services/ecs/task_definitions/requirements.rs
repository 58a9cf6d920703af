//! `requiresAttributes`: the capabilities an instance's agent must have registered (ecs.md 7).

use std::collections::BTreeSet;

use portcullis_api::ecs::{Attribute, ContainerDefinition, Secret};

use super::rules::Draft;

const TASK_ENI: &str = "ecs.capability.task-eni";
const API_1_18: &str = "com.amazonaws.ecs.capability.docker-remote-api.1.18";
const TASK_ROLE: &str = "com.amazonaws.ecs.capability.task-iam-role";
const TASK_ROLE_ON_HOST: &str = "com.amazonaws.ecs.capability.task-iam-role-network-host";
const PRIVILEGED: &str = "com.amazonaws.ecs.capability.privileged-container";
const ECR_AUTH: &str = "com.amazonaws.ecs.capability.ecr-auth";
const ECR_PULL: &str = "ecs.capability.execution-role-ecr-pull";
const AWSLOGS_ROLE: &str = "ecs.capability.execution-role-awslogs";
const HEALTH_CHECK: &str = "ecs.capability.container-health-check";
const ORDERING: &str = "ecs.capability.container-ordering";
const RESTART_POLICY: &str = "ecs.capability.container-restart-policy";
const PORT_RANGE: &str = "ecs.capability.network.container-port-range";
const ENVIRONMENT_FILES: &str = "ecs.capability.env-files.s3";
const PRIVATE_REGISTRY: &str = "ecs.capability.private-registry-authentication.secretsmanager";
const NAMESPACES: &str = "ecs.capability.pid-ipc-namespace-sharing";
const EFS: &str = "ecs.capability.efs";

/// Whether an image comes from ECR, whose registry needs credentials.
pub(in crate::services::ecs) fn is_ecr(image: &str) -> bool {
    let registry = image.split('/').next().unwrap_or_default();
    registry.contains(".dkr.ecr") && registry.contains(".amazonaws.com")
}

/// The attributes a definition requires, in order of their names.
pub(super) fn required_attributes(draft: Draft<'_>) -> Vec<Attribute> {
    let mut names = BTreeSet::new();
    task(draft, &mut names);
    for (_, container) in draft.containers() {
        features(container, &mut names);
        logs(draft, container, &mut names);
        image(draft, container, &mut names);
    }
    let plain = names.into_iter().map(|name| Attribute {
        name,
        ..Attribute::default()
    });
    plain.chain(platform(draft)).collect()
}

fn task(draft: Draft<'_>, names: &mut BTreeSet<String>) {
    let mut add = |name: &str| names.insert(name.to_owned());
    if draft.network_mode() == "awsvpc" {
        add(TASK_ENI);
        add(API_1_18);
    }
    if draft.input.pid_mode.is_some() || draft.input.ipc_mode.is_some() {
        add(NAMESPACES);
    }
    if draft
        .input
        .task_role_arn
        .as_deref()
        .is_some_and(|role| !role.is_empty())
    {
        add(if draft.network_mode() == "host" {
            TASK_ROLE_ON_HOST
        } else {
            TASK_ROLE
        });
    }
    if draft
        .input
        .volumes
        .iter()
        .flatten()
        .any(|volume| volume.efs_volume_configuration.is_some())
    {
        add(EFS);
    }
}

fn features(container: &ContainerDefinition, names: &mut BTreeSet<String>) {
    let has_range = |c: &ContainerDefinition| {
        c.port_mappings
            .iter()
            .flatten()
            .any(|p| p.container_port_range.is_some())
    };
    let ordered = container.start_timeout.is_some()
        || container.stop_timeout.is_some()
        || container.depends_on.iter().flatten().next().is_some();
    let wanted = [
        (PRIVILEGED, container.privileged == Some(true)),
        (HEALTH_CHECK, container.health_check.is_some()),
        (ORDERING, ordered),
        (
            RESTART_POLICY,
            container
                .restart_policy
                .as_ref()
                .is_some_and(|policy| policy.enabled),
        ),
        (PORT_RANGE, has_range(container)),
        (
            ENVIRONMENT_FILES,
            container.environment_files.iter().flatten().next().is_some(),
        ),
        (PRIVATE_REGISTRY, container.repository_credentials.is_some()),
    ];
    names.extend(
        wanted
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(name, _)| name.to_owned()),
    );
    add_secrets(container.secrets.as_deref(), "environment-variables", names);
    if let Some(firelens) = &container.firelens_configuration {
        names.insert(format!("ecs.capability.firelens.{}", firelens.r#type));
    }
}

fn logs(draft: Draft<'_>, container: &ContainerDefinition, names: &mut BTreeSet<String>) {
    let Some(log) = &container.log_configuration else {
        return;
    };
    names.insert(format!(
        "com.amazonaws.ecs.capability.logging-driver.{}",
        log.log_driver
    ));
    if log.log_driver == "awslogs" && draft.has_execution_role() {
        names.insert(AWSLOGS_ROLE.to_owned());
    }
    add_secrets(log.secret_options.as_deref(), "bootstrap.log-driver", names);
}

fn image(draft: Draft<'_>, container: &ContainerDefinition, names: &mut BTreeSet<String>) {
    if container.image.as_deref().is_some_and(is_ecr) {
        names.insert(ECR_AUTH.to_owned());
        if draft.has_execution_role() {
            names.insert(ECR_PULL.to_owned());
        }
    }
}

fn add_secrets(secrets: Option<&[Secret]>, place: &str, names: &mut BTreeSet<String>) {
    for secret in secrets.unwrap_or_default() {
        let store = if secret.value_from.contains(":secretsmanager:") {
            "asm"
        } else {
            "ssm"
        };
        names.insert(format!("ecs.capability.secrets.{store}.{place}"));
    }
}

/// What differs from the usual machine. The usual is not required: agents on EC2 do not register their architecture.
fn platform(draft: Draft<'_>) -> Option<Attribute> {
    let platform = draft.input.runtime_platform.as_ref()?;
    let with = |name: &str, value: &str| {
        Some(Attribute {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..Attribute::default()
        })
    };
    if draft.is_windows() {
        return with("ecs.os-type", "windows");
    }
    match platform.cpu_architecture.as_deref() {
        Some("ARM64") => with("ecs.cpu-architecture", "arm64"),
        _ => None,
    }
}
