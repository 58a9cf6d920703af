//! The rules a task definition must keep, one small function each, in the order they are checked.

mod containers;
mod fargate;
mod health;
mod memory;
mod network;
mod order;
mod task;
mod volumes;

pub(in crate::services::ecs) use fargate::is_size as is_fargate_size;

#[cfg(test)]
mod tests;

use portcullis_api::ecs::{ContainerDefinition, RegisterTaskDefinitionRequest};

use super::DefinitionFault;
use super::size::TaskSize;

/// A definition under examination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft<'a> {
    pub input: &'a RegisterTaskDefinitionRequest,
    pub size: TaskSize,
}

type Rule = fn(Draft<'_>) -> Result<(), DefinitionFault>;

const ALWAYS: &[Rule] = &[
    task::family,
    task::unsupported_fields,
    containers::list,
    containers::names,
    containers::images,
    containers::essential,
    memory::task_size,
    fargate::sizes_given,
    memory::containers,
    network::ports,
    network::port_names,
    network::mode,
    network::proxy,
    containers::logs,
    containers::secrets,
    containers::ulimits,
    containers::environment_files,
    order::dependencies,
    order::timeouts,
    health::checks,
    health::restart_policies,
    volumes::declared,
    volumes::efs,
    volumes::mounted,
    task::placement_constraints,
    task::platform,
    task::external,
];

/// The first rule a definition breaks.
pub(super) fn check(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    ALWAYS.iter().try_for_each(|rule| rule(draft))?;
    if draft.requires("FARGATE") {
        fargate::check(draft)
    } else {
        Ok(())
    }
}

/// Whether a definition that keeps all general rules could also run on Fargate.
pub(super) fn fits_fargate(draft: Draft<'_>) -> bool {
    fargate::check(draft).is_ok()
}

impl<'a> Draft<'a> {
    pub fn containers(self) -> impl Iterator<Item = (&'a str, &'a ContainerDefinition)> {
        let named = |c: &'a ContainerDefinition| (c.name.as_deref().unwrap_or_default(), c);
        self.input.container_definitions.iter().map(named)
    }

    pub fn container(self, name: &str) -> Option<&'a ContainerDefinition> {
        self.containers()
            .find_map(|(known, container)| (known == name).then_some(container))
    }

    pub fn requires(self, compatibility: &str) -> bool {
        self.input
            .requires_compatibilities
            .iter()
            .flatten()
            .any(|wanted| wanted == compatibility)
    }

    /// `bridge` unless the definition says otherwise.
    pub fn network_mode(self) -> &'a str {
        self.input.network_mode.as_deref().unwrap_or("bridge")
    }

    pub fn has_execution_role(self) -> bool {
        self.input
            .execution_role_arn
            .as_deref()
            .is_some_and(|role| !role.is_empty())
    }

    pub fn is_windows(self) -> bool {
        let platform = self.input.runtime_platform.as_ref();
        let family = platform.and_then(|platform| platform.operating_system_family.as_deref());
        family.is_some_and(|family| family.starts_with("WINDOWS"))
    }
}

/// Whether a list was given and is not empty.
fn some<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}
