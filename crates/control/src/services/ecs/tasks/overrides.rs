//! What a task may be run with instead of what its definition says (ecs.md 9). AWS documents the length and unknown
//! containers; that the rest is refused rather than passed over is our choice (docs/fidelity.md).

use std::collections::BTreeSet;

use portcullis_api::ecs as api;
use portcullis_wire::json;

use crate::services::ecs::errors::EcsError;
use crate::services::ecs::task_definitions::DefinitionFault;

/// Longest overrides as JSON, in characters.
const CHARS_MAX: usize = 8_192;
/// GiB that a Fargate task can have (ecs.md 7).
const STORAGE_MIN: i32 = 21;
const STORAGE_MAX: i32 = 200;

/// Holds overrides against the definition, wherever the task will run.
pub(super) fn check(definition: &api::TaskDefinition, overrides: &api::TaskOverride) -> Result<(), EcsError> {
    let written = json::to_value(overrides).to_string();
    if written.chars().count() > CHARS_MAX {
        return Err(EcsError::OverrideSize);
    }
    let containers = definition.container_definitions.as_deref().unwrap_or_default();
    let mut seen = BTreeSet::new();
    // An empty one says nothing of any container, and may stand there.
    let said = overrides.container_overrides.iter().flatten();
    for own in said.filter(|own| **own != api::ContainerOverride::default()) {
        let name = own.name.clone().unwrap_or_default();
        if !containers.iter().any(|container| container.name == own.name) {
            return Err(EcsError::OverrideContainer(name));
        }
        let mut variables = own.environment.iter().flatten();
        if variables.any(|one| one.name.as_deref().unwrap_or_default().is_empty()) {
            return Err(EcsError::OverrideVariable(name));
        }
        if !seen.insert(name.clone()) {
            return Err(EcsError::OverrideTwice(name));
        }
    }
    // No definition can have any (ecs.md 7): whichever is named is not there.
    match overrides.inference_accelerator_overrides.iter().flatten().next() {
        Some(own) => Err(EcsError::OverrideAccelerator(
            own.device_name.clone().unwrap_or_default(),
        )),
        None => Ok(()),
    }
}

/// The storage of a task's own, which only Fargate gives.
pub(super) fn check_storage(overrides: &api::TaskOverride, is_fargate: bool) -> Result<(), EcsError> {
    match &overrides.ephemeral_storage {
        None => Ok(()),
        Some(_) if !is_fargate => Err(EcsError::OverrideStorage),
        Some(own) if own.size_in_gib < STORAGE_MIN => Err(DefinitionFault::EphemeralStorageSmall.into()),
        Some(own) if own.size_in_gib > STORAGE_MAX => Err(DefinitionFault::EphemeralStorageLarge.into()),
        Some(_) => Ok(()),
    }
}
