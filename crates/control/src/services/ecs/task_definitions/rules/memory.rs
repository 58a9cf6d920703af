//! Rules of CPU and memory.

use portcullis_api::ecs::ContainerDefinition;

use super::{DefinitionFault, Draft};
use crate::services::ecs::task_definitions::size::TaskSize;

const TASK_CPU: std::ops::RangeInclusive<i32> = 128..=196_608;
/// MiB; Docker refuses less.
const CONTAINER_MEMORY_MIN: i32 = 4;

pub(super) fn task_size(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    match draft.size.cpu {
        Some(cpu) if !TASK_CPU.contains(&cpu) => Err(DefinitionFault::TaskSize("cpu")),
        _ => Ok(()),
    }
}

pub(super) fn containers(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    draft
        .containers()
        .try_for_each(|(name, container)| one(name, container, draft.size))
}

fn one(name: &str, container: &ContainerDefinition, task: TaskSize) -> Result<(), DefinitionFault> {
    let c = || name.to_owned();
    let sizes = [
        ("cpu", container.cpu, 0),
        ("memory", container.memory, CONTAINER_MEMORY_MIN),
        (
            "memoryReservation",
            container.memory_reservation,
            CONTAINER_MEMORY_MIN,
        ),
    ];
    for (field, value, least) in sizes {
        if value.is_some_and(|value| value < least) {
            return Err(DefinitionFault::ContainerSize { c: c(), field, least });
        }
    }
    if task.memory.is_none() && container.memory.is_none() && container.memory_reservation.is_none() {
        return Err(DefinitionFault::MemoryMissing { c: c() });
    }
    if let (Some(memory), Some(reservation)) = (container.memory, container.memory_reservation)
        && memory < reservation
    {
        return Err(DefinitionFault::MemoryBelowReservation { c: c() });
    }
    let largest = container.memory.max(container.memory_reservation);
    if let (Some(of_container), Some(of_task)) = (largest, task.memory)
        && of_container > of_task
    {
        return Err(DefinitionFault::MemoryAboveTask { c: c() });
    }
    Ok(())
}
