//! Container instances (ecs.md 8) and their attributes (ecs.md 5).

mod agent_key;
mod agent_update;
mod attributes;
mod read;
mod register;
mod resources;
mod state;

use portcullis_api::ecs as api;

pub(crate) use agent_key::remember;
pub(super) use agent_update::{require_update_agent, update_agent};
pub(super) use attributes::{
    delete_attributes, list_attributes, put_attributes, require_delete_attributes, require_list_attributes,
    require_put_attributes,
};
pub(super) use read::{describe, list, require_describe, require_list};
pub(super) use register::{register, require_register};
pub(super) use state::{deregister, require_deregister, require_update_state, update_state};

use super::tags;
use crate::world::Snapshot;
use crate::world::records::Record as _;
use crate::world::records::ecs::{ContainerInstance, Load};

/// A container instance as replies show it.
fn shown(view: &Snapshot, instance: &ContainerInstance, with_tags: bool) -> api::ContainerInstance {
    let load = view.ecs.loads.get(&instance.key());
    let load: &Load = load.map_or(const { &Load::NONE }, |load| load);
    let tags = if with_tags {
        tags::shown(&instance.tags)
    } else {
        Vec::new()
    };
    shown_with(instance, load, tags)
}

/// A container instance with what its tasks have reserved.
pub(super) fn shown_with(
    instance: &ContainerInstance,
    load: &Load,
    tags: Vec<api::Tag>,
) -> api::ContainerInstance {
    api::ContainerInstance {
        container_instance_arn: Some(instance.arn.to_string()),
        ec2_instance_id: instance.ec2_instance_id.clone(),
        version: Some(instance.shown_version(load)),
        version_info: Some(instance.version_info.clone()),
        remaining_resources: Some(resources::remaining(instance, load)),
        registered_resources: Some(resources::registered(instance)),
        status: Some(instance.status.as_str().to_owned()),
        agent_connected: Some(instance.agent_connected),
        running_tasks_count: Some(load.running_tasks),
        pending_tasks_count: Some(load.pending_tasks),
        attributes: Some(instance.attributes.iter().map(attribute).collect()),
        agent_update_status: instance
            .agent_update
            .as_ref()
            .map(|update| update.status.as_str().to_owned()),
        registered_at: Some(instance.registered_at),
        attachments: Some(Vec::new()),
        tags: Some(tags),
        ..api::ContainerInstance::default()
    }
}

fn attribute((name, value): (&String, &Option<String>)) -> api::Attribute {
    api::Attribute {
        name: name.clone(),
        value: value.clone(),
        ..api::Attribute::default()
    }
}
