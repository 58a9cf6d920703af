//! Tasks as replies show them.

use portcullis_api::ecs as api;

use crate::services::ecs::tags;
use crate::world::records::ecs::{
    Binding, EXEC_AGENT_NAME, ExecAgentStatus, FargatePlatform, INTERFACE_ATTACHMENT, LastStatus, Task,
    TaskContainer,
};

/// A task; its tags only where they were asked for.
pub(crate) fn task(task: &Task, with_tags: bool) -> api::Task {
    let (times, stop) = (&task.times, task.stop.as_ref());
    api::Task {
        attachments: Some(attachments(task)),
        attributes: Some(task.platform.iter().map(architecture).collect()),
        availability_zone: task.availability_zone.clone(),
        cluster_arn: Some(task.cluster_arn()),
        connectivity: times.connected.map(|_| "CONNECTED".to_owned()),
        connectivity_at: times.connected,
        // Whose hosts Fargate tasks run on is not for callers.
        container_instance_arn: (task.launch_type != "FARGATE" && task.is_placed())
            .then(|| task.container_instance_arn()),
        capacity_provider_name: task.capacity_provider.clone(),
        ephemeral_storage: task.platform.as_ref().map(|platform| api::EphemeralStorage {
            size_in_gib: platform.storage_gib,
        }),
        platform_family: task.platform.as_ref().map(|platform| platform.family.clone()),
        platform_version: task.platform_version.clone(),
        containers: Some(task.containers.iter().map(|one| container(task, one)).collect()),
        cpu: Some(
            task.cpu
                .clone()
                .unwrap_or_else(|| task.reservation.cpu.to_string()),
        ),
        created_at: Some(times.created),
        desired_status: Some(task.desired.as_str().to_owned()),
        enable_execute_command: Some(task.enable_execute_command),
        execution_stopped_at: times.execution_stopped,
        group: Some(task.group.clone()),
        health_status: Some(task.health().as_str().to_owned()),
        inference_accelerators: Some(Vec::new()),
        last_status: Some(task.last.as_str().to_owned()),
        launch_type: Some(task.launch_type.clone()),
        memory: Some(
            task.memory
                .clone()
                .unwrap_or_else(|| task.reservation.memory.to_string()),
        ),
        overrides: Some(overrides(task)),
        pull_started_at: times.pull_started,
        pull_stopped_at: times.pull_stopped,
        started_at: times.started,
        started_by: task.started_by.clone(),
        stop_code: stop.map(|stop| stop.code.as_str().to_owned()),
        stopped_at: times.stopped,
        stopped_reason: stop.map(|stop| stop.reason.clone()),
        stopping_at: times.stopping,
        tags: Some(if with_tags {
            tags::shown(&task.tags)
        } else {
            Vec::new()
        }),
        task_arn: Some(task.arn.to_string()),
        task_definition_arn: Some(task.task_definition_arn()),
        version: Some(task.version),
        ..api::Task::default()
    }
}

fn architecture(platform: &FargatePlatform) -> api::Attribute {
    api::Attribute {
        name: "ecs.cpu-architecture".to_owned(),
        value: Some(platform.architecture.clone()),
        ..api::Attribute::default()
    }
}

/// The attachment of a task's network interface, with what is known of that.
fn attachments(task: &Task) -> Vec<api::Attachment> {
    let Some(interface) = &task.interface else {
        return Vec::new();
    };
    let made = interface.made.as_ref();
    let details = [
        ("subnetId", interface.subnet.as_ref()),
        ("networkInterfaceId", made.map(|made| &made.id)),
        ("macAddress", made.map(|made| &made.mac)),
        ("privateDnsName", made.map(|made| &made.dns_name)),
        ("privateIPv4Address", made.map(|made| &made.address)),
    ];
    let details = details.into_iter().filter_map(|(name, value)| {
        Some(api::KeyValuePair {
            name: Some(name.to_owned()),
            value: Some(value?.clone()),
        })
    });
    vec![api::Attachment {
        id: Some(interface.attachment.clone()),
        r#type: Some(INTERFACE_ATTACHMENT.to_owned()),
        status: Some(interface.status.as_str().to_owned()),
        details: Some(details.collect()),
    }]
}

/// All containers of a task share its network interface.
fn network_interfaces(task: &Task) -> Vec<api::NetworkInterface> {
    let interface = task.interface.as_ref();
    let made = interface.and_then(|interface| interface.made.as_ref());
    let both = interface.zip(made).into_iter();
    both.map(|(interface, made)| api::NetworkInterface {
        attachment_id: Some(interface.attachment.clone()),
        private_ipv4_address: Some(made.address.clone()),
        ..api::NetworkInterface::default()
    })
    .collect()
}

/// AWS lists every container among the overrides, also those nothing was changed of.
fn overrides(task: &Task) -> api::TaskOverride {
    let mut shown = task.overrides.clone();
    let listed = shown.container_overrides.get_or_insert_default();
    for container in &task.containers {
        if !listed
            .iter()
            .any(|own| own.name.as_deref() == Some(&container.name))
        {
            listed.push(api::ContainerOverride {
                name: Some(container.name.clone()),
                ..Default::default()
            });
        }
    }
    shown.inference_accelerator_overrides.get_or_insert_default();
    shown
}

fn container(task: &Task, container: &TaskContainer) -> api::Container {
    let arn = task.arn_beside(format_args!(
        "container/{}/{}/{}",
        task.cluster, task.id, container.id
    ));
    api::Container {
        container_arn: Some(arn),
        task_arn: Some(task.arn.to_string()),
        name: Some(container.name.clone()),
        image: Some(container.image.clone()),
        image_digest: container.image_digest.clone(),
        runtime_id: container.runtime_id.clone(),
        last_status: Some(container.last.as_str().to_owned()),
        exit_code: container.exit_code,
        reason: container.reason.clone(),
        network_bindings: bindings(container),
        network_interfaces: Some(network_interfaces(task)),
        health_status: Some(container.shown_health().as_str().to_owned()),
        cpu: Some(container.cpu.to_string()),
        memory: container.memory.map(|mib| mib.to_string()),
        memory_reservation: container.memory_reservation.map(|mib| mib.to_string()),
        managed_agents: managed_agents(container),
        ..api::Container::default()
    }
}

/// Present when Execute Command was asked for; gone with its container.
fn managed_agents(container: &TaskContainer) -> Option<Vec<api::ManagedAgent>> {
    let agent = container.exec_agent.as_ref()?;
    let status = match container.last {
        LastStatus::Stopped => ExecAgentStatus::Stopped,
        _ => agent.status,
    };
    Some(vec![api::ManagedAgent {
        name: Some(EXEC_AGENT_NAME.to_owned()),
        last_status: Some(status.as_str().to_owned()),
        last_started_at: agent.started,
        reason: agent.reason.clone(),
    }])
}

/// Present as soon as the container ran.
fn bindings(container: &TaskContainer) -> Option<Vec<api::NetworkBinding>> {
    let known = container.last > LastStatus::Pending || !container.network_bindings.is_empty();
    known.then(|| container.network_bindings.iter().map(binding).collect())
}

fn binding(binding: &Binding) -> api::NetworkBinding {
    api::NetworkBinding {
        bind_ip: binding.bind_ip.clone(),
        container_port: binding.container_port,
        host_port: binding.host_port,
        protocol: binding.protocol.clone(),
        ..api::NetworkBinding::default()
    }
}
