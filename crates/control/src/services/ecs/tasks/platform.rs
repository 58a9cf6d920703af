//! What Fargate asks of a task: a size it has, a platform version that can run it, no say in the placement.

use portcullis_api::ecs as api;

use super::overrides;
use super::wanted::Plan;
use crate::services::ecs::capacity_providers::Means;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::task_definitions::is_fargate_size;

/// The newest version, which LATEST means.
const LATEST: &str = "1.4.0";
/// Versions of Linux that can be asked for.
const LINUX: [&str; 5] = ["1.4.0", "1.3.0", "1.2.0", "1.1.0", "1.0.0"];
/// The one version of Windows.
const WINDOWS: &str = "1.0.0";

/// Holds a RunTask against its launch type. Answers the platform version, which only Fargate tasks have.
pub(super) fn check(
    plan: &Plan<'_>,
    means: &Means,
    input: &api::RunTaskRequest,
) -> Result<Option<String>, EcsError> {
    let launch_type = means.launch_type();
    let definition = &plan.definition.definition;
    let supported = definition.compatibilities.as_deref().unwrap_or_default();
    if launch_type != "EC2" && !supported.iter().any(|one| one == launch_type) {
        return Err(EcsError::LaunchTypeUnsupported(launch_type.to_owned()));
    }
    overrides::check_storage(&plan.overrides, means.is_fargate())?;
    if !means.is_fargate() {
        return match input.platform_version {
            Some(_) => Err(EcsError::PlatformVersion),
            None => Ok(None),
        };
    }
    if has(&input.placement_constraints) {
        return Err(EcsError::FargatePlacement("constraints"));
    }
    if has(&input.placement_strategy) {
        return Err(EcsError::FargatePlacement("strategies"));
    }
    check_size(plan)?;
    let version = version(definition, input.platform_version.as_deref())?;
    if plan.overrides.ephemeral_storage.is_some() && !is_windows(definition) && version != LATEST {
        return Err(EcsError::PlatformIncompatible);
    }
    Ok(Some(version))
}

fn has<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

/// The size in force, which overrides may have changed since the definition was checked.
fn check_size(plan: &Plan<'_>) -> Result<(), EcsError> {
    let definition = &plan.definition.definition;
    let number = |own: &Option<String>, default: &Option<String>| {
        let text = own.as_ref().or(default.as_ref());
        text.and_then(|text| text.parse::<i32>().ok()).unwrap_or_default()
    };
    let cpu = number(&plan.overrides.cpu, &definition.cpu);
    let memory = number(&plan.overrides.memory, &definition.memory);
    if is_fargate_size(cpu, memory) {
        Ok(())
    } else {
        Err(EcsError::FargateSize { cpu, memory })
    }
}

fn is_windows(definition: &api::TaskDefinition) -> bool {
    let runtime = definition.runtime_platform.as_ref();
    let family = runtime.and_then(|one| one.operating_system_family.as_deref());
    family.is_some_and(|family| family.starts_with("WINDOWS"))
}

/// The version asked for, by its number.
pub(in crate::services::ecs) fn version(
    definition: &api::TaskDefinition,
    asked: Option<&str>,
) -> Result<String, EcsError> {
    let is_windows = is_windows(definition);
    let known = if is_windows { &[WINDOWS][..] } else { &LINUX[..] };
    let newest = if is_windows { WINDOWS } else { LATEST };
    let wanted = match asked {
        None | Some("" | "LATEST") => newest,
        Some(text) => text,
    };
    if !known.contains(&wanted) {
        return Err(EcsError::PlatformUnknown);
    }
    if !is_windows && wanted != LATEST && needs_latest(definition) {
        return Err(EcsError::PlatformIncompatible);
    }
    Ok(wanted.to_owned())
}

/// What came with 1.4.0: EFS, ephemeral storage of a chosen size, arm64, SYS_PTRACE.
fn needs_latest(definition: &api::TaskDefinition) -> bool {
    let runtime = definition.runtime_platform.as_ref();
    let on_arm = runtime.and_then(|one| one.cpu_architecture.as_deref()) == Some("ARM64");
    let mut volumes = definition.volumes.iter().flatten();
    let mut containers = definition.container_definitions.iter().flatten();
    let traces = |container: &api::ContainerDefinition| {
        let linux = container.linux_parameters.as_ref();
        let added = linux
            .and_then(|one| one.capabilities.as_ref())
            .and_then(|one| one.add.as_ref());
        added.is_some_and(|names| names.iter().any(|name| name == "SYS_PTRACE"))
    };
    on_arm
        || definition.ephemeral_storage.is_some()
        || volumes.any(|one| one.efs_volume_configuration.is_some())
        || containers.any(traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(change: impl FnOnce(&mut api::TaskDefinition)) -> api::TaskDefinition {
        let mut definition = api::TaskDefinition::default();
        change(&mut definition);
        definition
    }

    #[test]
    fn versions_are_known_and_able() {
        let plain = definition(|_| {});
        let stored =
            definition(|one| one.ephemeral_storage = Some(api::EphemeralStorage { size_in_gib: 30 }));
        let windows = definition(|one| {
            one.runtime_platform = Some(api::RuntimePlatform {
                operating_system_family: Some("WINDOWS_SERVER_2022_CORE".to_owned()),
                ..Default::default()
            });
        });
        let cases = [
            (&plain, None, Ok("1.4.0")),
            (&plain, Some("LATEST"), Ok("1.4.0")),
            (&plain, Some("1.3.0"), Ok("1.3.0")),
            (&plain, Some("1.5.0"), Err(EcsError::PlatformUnknown)),
            (&plain, Some("latest"), Err(EcsError::PlatformUnknown)),
            (&stored, Some("1.3.0"), Err(EcsError::PlatformIncompatible)),
            (&stored, Some("1.4.0"), Ok("1.4.0")),
            (&windows, None, Ok("1.0.0")),
            (&windows, Some("1.4.0"), Err(EcsError::PlatformUnknown)),
        ];
        for (definition, asked, expected) in cases {
            assert_eq!(
                version(definition, asked),
                expected.map(str::to_owned),
                "{asked:?}"
            );
        }
    }
}
