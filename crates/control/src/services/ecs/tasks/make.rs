//! Making the records of new tasks.

use portcullis_api::ecs as api;
use portcullis_core::{Arn, hex_id, uuid};

use super::wanted::Plan;
use crate::schedule::resources::{effective, reservation};
use crate::world::Tx;
use crate::world::records::ecs::{
    ClientToken, ContainerInstance, DesiredStatus, ExecAgent, Health, LastStatus, Task, TaskContainer, Times,
};

/// Makes one task of a plan on a container instance. `id` and `arn` were made before, for the test of its roles.
pub(super) fn task(tx: &Tx<'_>, plan: &Plan<'_>, place: Place<'_>, token: Option<ClientToken>) -> Task {
    let definition = &plan.definition.definition;
    let sized = |own: &Option<String>, default: &Option<String>| own.clone().or_else(|| default.clone());
    Task {
        region: plan.definition.region.clone(),
        cluster: plan.cluster.name.clone(),
        id: place.id.id,
        arn: place.id.arn,
        family: plan.definition.family.clone(),
        revision: plan.definition.revision,
        container_instance: place.instance.id.clone(),
        availability_zone: place
            .instance
            .attributes
            .get("ecs.availability-zone")
            .cloned()
            .flatten(),
        launch_type: place.launch_type.to_owned(),
        capacity_provider: None,
        platform_version: None,
        group: plan.group.clone(),
        started_by: plan.started_by.clone(),
        cpu: sized(&plan.overrides.cpu, &definition.cpu),
        memory: sized(&plan.overrides.memory, &definition.memory),
        overrides: plan.overrides.clone(),
        task_role: plan.task_role.clone(),
        execution_role: plan.execution_role.clone(),
        reservation: reservation(definition, &plan.overrides),
        enable_execute_command: plan.enable_execute_command,
        protected_until: None,
        desired: DesiredStatus::Running,
        last: LastStatus::Pending,
        containers: containers(tx, definition, plan),
        version: 1,
        stop: None,
        times: Times {
            created: tx.now,
            ..Times::default()
        },
        tags: plan.tags.clone(),
        token,
    }
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
