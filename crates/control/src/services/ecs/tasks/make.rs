//! Making the records of new tasks.

use portcullis_api::ecs as api;
use portcullis_core::{Arn, hex_id, uuid};

use super::wanted::Plan;
use crate::schedule::resources::{effective, reservation};
use crate::services::ec2::for_tasks::choose_subnet;
use crate::world::records::ecs::{
    ClientToken, ContainerInstance, DesiredStatus, ExecAgent, FargatePlatform, Health, LastStatus, Task,
    TaskContainer, TaskInterface, Times,
};
use crate::world::{Snapshot, Tx};

/// Storage of Fargate tasks that ask for none, in GiB.
const FARGATE_STORAGE_GIB: i32 = 20;

/// Makes one task of a plan on a container instance. Its id was made before, for the test of its roles.
pub(super) fn task(tx: &Tx<'_>, plan: &Plan<'_>, place: Place<'_>, token: Option<ClientToken>) -> Task {
    let mut task = unplaced(tx, plan, place.id, place.launch_type, token);
    settle(tx.view(), &mut task, place.instance);
    // It has never been seen elsewhere.
    task.version = 1;
    task
}

/// Puts a task on an instance, with what follows from where that is.
pub(super) fn settle(view: &Snapshot, task: &mut Task, instance: &ContainerInstance) {
    task.place(instance);
    choose_subnet(view, task);
}

/// Makes one task of a plan that has no container instance yet.
pub(super) fn unplaced(
    tx: &Tx<'_>,
    plan: &Plan<'_>,
    new: NewId,
    launch_type: &str,
    token: Option<ClientToken>,
) -> Task {
    let definition = &plan.definition.definition;
    let sized = |own: &Option<String>, default: &Option<String>| own.clone().or_else(|| default.clone());
    Task {
        region: plan.definition.region.clone(),
        cluster: plan.cluster.name.clone(),
        id: new.id,
        arn: new.arn,
        family: plan.definition.family.clone(),
        revision: plan.definition.revision,
        container_instance: String::new(),
        availability_zone: None,
        launch_type: launch_type.to_owned(),
        capacity_provider: None,
        platform_version: None,
        platform: (launch_type == "FARGATE").then(|| platform(definition, &plan.overrides)),
        group: plan.group.clone(),
        started_by: plan.started_by.clone(),
        cpu: sized(&plan.overrides.cpu, &definition.cpu),
        memory: sized(&plan.overrides.memory, &definition.memory),
        overrides: plan.overrides.clone(),
        task_role: plan.task_role.clone(),
        execution_role: plan.execution_role.clone(),
        reservation: reservation(definition, &plan.overrides),
        interface: interface(tx, plan).map(Box::new),
        enable_execute_command: plan.enable_execute_command,
        protected_until: None,
        desired: DesiredStatus::Running,
        last: LastStatus::Provisioning,
        containers: containers(tx, definition, plan),
        version: 1,
        stop: None,
        times: Times {
            created: tx.now,
            ..Times::default()
        },
        tags: plan.tags.clone(),
        token,
        waits: None,
    }
}

/// What else a Fargate task shows of its platform.
fn platform(definition: &api::TaskDefinition, overrides: &api::TaskOverride) -> FargatePlatform {
    let runtime = definition.runtime_platform.as_ref();
    let family = runtime.and_then(|one| one.operating_system_family.as_deref());
    let architecture = runtime.and_then(|one| one.cpu_architecture.as_deref());
    let storage = overrides.ephemeral_storage.as_ref();
    let storage = storage.or(definition.ephemeral_storage.as_ref());
    FargatePlatform {
        family: match family {
            None | Some("LINUX") => "Linux".to_owned(),
            Some(other) => other.to_owned(),
        },
        architecture: architecture.unwrap_or("X86_64").to_ascii_lowercase(),
        storage_gib: storage.map_or(FARGATE_STORAGE_GIB, |storage| storage.size_in_gib),
    }
}

/// What the task's network interface shall be.
fn interface(tx: &Tx<'_>, plan: &Plan<'_>) -> Option<TaskInterface> {
    let network = plan.network.as_ref()?;
    Some(TaskInterface::wanted(uuid(tx.random), network))
}

/// The id of a task that is going to be made.
#[derive(Debug, Clone)]
pub(super) struct NewId {
    pub id: String,
    pub arn: Arn,
}

impl NewId {
    /// An id nobody has.
    pub fn new(tx: &Tx<'_>, plan: &Plan<'_>) -> Self {
        let id = hex_id(tx.random);
        let resource = format_args!("task/{}/{id}", plan.cluster.name).to_string();
        let arn = Arn::regional("ecs", &plan.definition.region, &tx.view().account, resource);
        Self { id, arn }
    }
}

/// Where a task goes.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub id: NewId,
    pub instance: &'a ContainerInstance,
    pub launch_type: &'a str,
}

fn containers(tx: &Tx<'_>, definition: &api::TaskDefinition, plan: &Plan<'_>) -> Vec<TaskContainer> {
    let make = |container: &api::ContainerDefinition| {
        let size = effective(container, &plan.overrides);
        TaskContainer {
            name: container.name.clone().unwrap_or_default(),
            id: uuid(tx.random),
            essential: container.essential.unwrap_or(true),
            cpu: size.cpu,
            memory: size.memory,
            memory_reservation: size.memory_reservation,
            image: container.image.clone().unwrap_or_default(),
            image_digest: None,
            runtime_id: None,
            last: LastStatus::Pending,
            exit_code: None,
            reason: None,
            network_bindings: Vec::new(),
            has_health_check: container.health_check.is_some(),
            health: Health::Unknown,
            exec_agent: plan.enable_execute_command.then(ExecAgent::default),
        }
    };
    definition
        .container_definitions
        .iter()
        .flatten()
        .map(make)
        .collect()
}
