//! Rules of dependencies between containers and of their timeouts.

use std::collections::HashSet;

use super::{DefinitionFault, Draft};

/// Seconds.
const TIMEOUT_MIN: i32 = 2;

pub(super) fn dependencies(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    for (name, container) in draft.containers() {
        for dependency in container.depends_on.iter().flatten() {
            let target = draft.container(&dependency.container_name);
            let target =
                target.ok_or_else(|| DefinitionFault::UnknownContainer(dependency.container_name.clone()))?;
            let must_end = matches!(dependency.condition.as_str(), "SUCCESS" | "COMPLETE");
            if must_end && target.essential.unwrap_or(true) {
                return Err(DefinitionFault::DependencyEssential);
            }
            if dependency.condition == "HEALTHY" && target.health_check.is_none() {
                return Err(DefinitionFault::DependencyHealth);
            }
        }
        if reaches(draft, name, name, &mut HashSet::new()) {
            return Err(DefinitionFault::DependencyCycle(name.to_owned()));
        }
        for source in container.volumes_from.iter().flatten() {
            let wanted = source.source_container.as_deref().unwrap_or_default();
            if draft.container(wanted).is_none() {
                return Err(DefinitionFault::UnknownContainer(wanted.to_owned()));
            }
        }
    }
    Ok(())
}

/// Whether the dependencies of `from` lead to `goal`. There are at most ten containers, so the depth is bounded.
fn reaches<'a>(draft: Draft<'a>, from: &str, goal: &str, seen: &mut HashSet<&'a str>) -> bool {
    let Some(container) = draft.container(from) else {
        return false;
    };
    container.depends_on.iter().flatten().any(|dependency| {
        let next = dependency.container_name.as_str();
        next == goal || (seen.insert(next) && reaches(draft, next, goal, seen))
    })
}

pub(super) fn timeouts(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    for (name, container) in draft.containers() {
        for (which, seconds) in [
            ("start", container.start_timeout),
            ("stop", container.stop_timeout),
        ] {
            if seconds.is_some_and(|seconds| seconds < TIMEOUT_MIN) {
                return Err(DefinitionFault::Timeout {
                    c: name.to_owned(),
                    which,
                });
            }
        }
    }
    Ok(())
}
