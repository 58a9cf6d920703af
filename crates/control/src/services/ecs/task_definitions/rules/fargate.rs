//! Rules that hold only for definitions that are to run on Fargate.

use portcullis_api::ecs::{ContainerDefinition, Volume};

use super::{DefinitionFault, Draft, some};

const STOP_TIMEOUT_MAX: i32 = 120;
const EPHEMERAL_GIB: std::ops::RangeInclusive<i32> = 21..=200;
const LOG_DRIVERS: [&str; 3] = ["awslogs", "splunk", "awsfirelens"];
const WINDOWS_CPU_MIN: i32 = 1_024;

/// CPU units, then memory in MiB: first, last and step.
const SIZES: [(i32, i32, i32, i32); 6] = [
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

pub(super) fn check(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    if draft.network_mode() != "awsvpc" {
        return Err(DefinitionFault::FargateNetworkMode);
    }
    size(draft)?;
    task_fields(draft)?;
    draft
        .containers()
        .try_for_each(|(_, container)| container_fields(container))?;
    draft
        .containers()
        .try_for_each(|(_, container)| roles(draft, container))?;
    draft.input.volumes.iter().flatten().try_for_each(volume)
}

/// Before the rules of containers: those would complain that no container has a size either.
pub(super) fn sizes_given(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    if draft.requires("FARGATE") {
        task_size(draft).map(|_| ())
    } else {
        Ok(())
    }
}

fn task_size(draft: Draft<'_>) -> Result<(i32, i32), DefinitionFault> {
    let cpu = draft.size.cpu.ok_or(DefinitionFault::FargateSizeMissing("cpu"))?;
    let memory = draft
        .size
        .memory
        .ok_or(DefinitionFault::FargateSizeMissing("memory"))?;
    Ok((cpu, memory))
}

fn size(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let (cpu, memory) = task_size(draft)?;
    if !is_size(cpu, memory) {
        return Err(DefinitionFault::FargateSize { cpu, memory });
    }
    let of_containers: i64 = draft.containers().filter_map(|(_, c)| c.cpu).map(i64::from).sum();
    if of_containers > i64::from(cpu) {
        return Err(DefinitionFault::CpuAboveTask);
    }
    if draft.is_windows() && cpu < WINDOWS_CPU_MIN {
        return Err(DefinitionFault::WindowsCpu);
    }
    Ok(())
}

/// Whether Fargate has this size.
pub(in crate::services::ecs) fn is_size(cpu: i32, memory: i32) -> bool {
    if cpu == 256 {
        return matches!(memory, 512 | 1_024 | 2_048);
    }
    SIZES.iter().any(|(units, first, last, step)| {
        cpu == *units && (first..=last).contains(&&memory) && (memory - first) % step == 0
    })
}

fn task_fields(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    if draft.input.ipc_mode.is_some() {
        return Err(DefinitionFault::FargateField("ipcMode"));
    }
    if draft.input.pid_mode.as_deref() == Some("host") {
        return Err(DefinitionFault::FargatePidMode);
    }
    if some(draft.input.placement_constraints.as_ref()) {
        return Err(DefinitionFault::FargateField("placementConstraints"));
    }
    match draft
        .input
        .ephemeral_storage
        .as_ref()
        .map(|storage| storage.size_in_gib)
    {
        Some(size) if size < *EPHEMERAL_GIB.start() => Err(DefinitionFault::EphemeralStorageSmall),
        Some(size) if size > *EPHEMERAL_GIB.end() => Err(DefinitionFault::EphemeralStorageLarge),
        _ => Ok(()),
    }
}

fn container_fields(container: &ContainerDefinition) -> Result<(), DefinitionFault> {
    if container.privileged == Some(true) {
        return Err(DefinitionFault::FargatePrivileged);
    }
    let linux = container.linux_parameters.as_ref();
    let needs_gpu = container
        .resource_requirements
        .iter()
        .flatten()
        .any(|resource| resource.r#type == "GPU");
    let fields = [
        ("links", some(container.links.as_ref())),
        (
            "dockerSecurityOptions",
            some(container.docker_security_options.as_ref()),
        ),
        ("devices", linux.is_some_and(|linux| some(linux.devices.as_ref()))),
        (
            "sharedMemorySize",
            linux.is_some_and(|linux| linux.shared_memory_size.is_some()),
        ),
        ("maxSwap", linux.is_some_and(|linux| linux.max_swap.is_some())),
        (
            "swappiness",
            linux.is_some_and(|linux| linux.swappiness.is_some()),
        ),
        ("tmpfs", linux.is_some_and(|linux| some(linux.tmpfs.as_ref()))),
        ("GPU resource requirements", needs_gpu),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, given)| *given) {
        return Err(DefinitionFault::FargateField(field));
    }
    let capabilities = linux.and_then(|linux| linux.capabilities.as_ref());
    let added = capabilities.and_then(|capabilities| capabilities.add.as_ref());
    if let Some(capability) = added.into_iter().flatten().find(|name| *name != "SYS_PTRACE") {
        return Err(DefinitionFault::FargateCapability(capability.clone()));
    }
    if container
        .stop_timeout
        .is_some_and(|seconds| seconds > STOP_TIMEOUT_MAX)
    {
        return Err(DefinitionFault::FargateStopTimeout);
    }
    Ok(())
}

fn roles(draft: Draft<'_>, container: &ContainerDefinition) -> Result<(), DefinitionFault> {
    let driver = container
        .log_configuration
        .as_ref()
        .map(|log| log.log_driver.as_str());
    match driver {
        Some(driver) if !LOG_DRIVERS.contains(&driver) => {
            return Err(DefinitionFault::FargateLogDriver(driver.to_owned()));
        }
        Some("awslogs") if !draft.has_execution_role() => return Err(DefinitionFault::FargateLogRole),
        _ => {}
    }
    let is_ecr = container
        .image
        .as_deref()
        .is_some_and(crate::services::ecs::task_definitions::requirements::is_ecr);
    if is_ecr && !draft.has_execution_role() {
        Err(DefinitionFault::FargateImageRole)
    } else {
        Ok(())
    }
}

fn volume(volume: &Volume) -> Result<(), DefinitionFault> {
    if volume.docker_volume_configuration.is_some() {
        return Err(DefinitionFault::FargateField("dockerVolumeConfiguration"));
    }
    if volume
        .host
        .as_ref()
        .is_some_and(|host| host.source_path.is_some())
    {
        return Err(DefinitionFault::FargateField("sourcePath"));
    }
    if volume.fsx_windows_file_server_volume_configuration.is_some() {
        return Err(DefinitionFault::FargateField(
            "fsxWindowsFileServerVolumeConfiguration",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fargate_has_74_sizes_and_none_between() {
        let cpus = [256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];
        let found = |cpu: i32| (1..=130_000).filter(|memory| is_size(cpu, *memory)).count();
        assert_eq!(cpus.map(found), [3, 4, 7, 13, 23, 12, 12]);
        for cpu in cpus {
            assert_eq!(found(cpu - 1) + found(cpu + 1), 0, "{cpu}");
        }
    }
}
