//! A daemon task definition as the task definition that its tasks run: what daemons cannot say has the defaults of tasks.

use portcullis_api::ecs as api;

/// The request that would register the same for tasks.
pub(super) fn as_tasks(
    input: &api::RegisterDaemonTaskDefinitionRequest,
) -> api::RegisterTaskDefinitionRequest {
    api::RegisterTaskDefinitionRequest {
        family: input.family.clone(),
        task_role_arn: input.task_role_arn.clone(),
        execution_role_arn: input.execution_role_arn.clone(),
        container_definitions: input.container_definitions.iter().map(container).collect(),
        volumes: input
            .volumes
            .as_ref()
            .map(|list| list.iter().map(volume).collect()),
        cpu: input.cpu.clone(),
        memory: input.memory.clone(),
        ..api::RegisterTaskDefinitionRequest::default()
    }
}

fn container(own: &api::DaemonContainerDefinition) -> api::ContainerDefinition {
    let own = own.clone();
    api::ContainerDefinition {
        name: own.name,
        image: Some(own.image),
        memory: own.memory,
        memory_reservation: own.memory_reservation,
        repository_credentials: own.repository_credentials,
        health_check: own.health_check,
        cpu: own.cpu,
        essential: own.essential,
        entry_point: own.entry_point,
        command: own.command,
        working_directory: own.working_directory,
        environment_files: own.environment_files,
        environment: own.environment,
        secrets: own.secrets,
        readonly_root_filesystem: own.readonly_root_filesystem,
        mount_points: own.mount_points,
        log_configuration: own.log_configuration,
        firelens_configuration: own.firelens_configuration,
        privileged: own.privileged,
        user: own.user,
        ulimits: own.ulimits,
        linux_parameters: own.linux_parameters.map(linux_parameters),
        depends_on: own.depends_on,
        start_timeout: own.start_timeout,
        stop_timeout: own.stop_timeout,
        system_controls: own.system_controls,
        interactive: own.interactive,
        pseudo_terminal: own.pseudo_terminal,
        restart_policy: own.restart_policy,
        ..api::ContainerDefinition::default()
    }
}

fn linux_parameters(own: api::DaemonLinuxParameters) -> api::LinuxParameters {
    api::LinuxParameters {
        capabilities: own.capabilities,
        devices: own.devices,
        init_process_enabled: own.init_process_enabled,
        tmpfs: own.tmpfs,
        ..api::LinuxParameters::default()
    }
}

fn volume(own: &api::DaemonVolume) -> api::Volume {
    api::Volume {
        name: own.name.clone(),
        host: own.host.clone(),
        ..api::Volume::default()
    }
}
