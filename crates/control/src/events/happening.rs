//! What a committed change means to those who watch.

use std::sync::Arc;

use portcullis_core::Timestamp;

use super::service;
use crate::world::Snapshot;
use crate::world::changes::{Changed, Step};
use crate::world::records::Record as _;
use crate::world::records::ecs::{ContainerInstance, Load, Service, ServiceEvent, Task};

/// One event, not yet in words.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// `ECS Task State Change`
    Task(Arc<Task>),
    /// `ECS Container Instance State Change`, with what the instance's tasks had reserved then.
    Instance(Arc<ContainerInstance>, Option<Arc<Load>>),
    /// `ECS Service Action`
    Action {
        /// The service.
        service: Arc<Service>,
        /// What happened to it.
        name: service::ActionName,
        /// The service's own event.
        event: ServiceEvent,
    },
    /// `ECS Deployment State Change`
    Deployment {
        /// The service.
        service: Arc<Service>,
        /// `ecs-svc/N`
        id: String,
        /// How far its rollout has come.
        rollout: service::RolloutName,
        /// Why.
        reason: String,
    },
}

/// The events of one committed change.
pub(super) fn of(snapshot: &Snapshot, at: Timestamp, changed: &Changed) -> Vec<Happening> {
    match changed {
        Changed::Task(step) => task(step),
        Changed::Instance(step) => instance(snapshot, step),
        Changed::Service(step) => service::happenings(at, step),
    }
}

/// The version grows with every change that raises an event, and with no other.
fn task(step: &Step<Task>) -> Vec<Happening> {
    let Some(after) = &step.after else {
        return Vec::new();
    };
    let known = step.before.as_ref().map(|before| before.version);
    match known == Some(after.version) {
        true => Vec::new(),
        false => vec![Happening::Task(Arc::clone(after))],
    }
}

fn instance(snapshot: &Snapshot, step: &Step<ContainerInstance>) -> Vec<Happening> {
    let Some(after) = &step.after else {
        return Vec::new();
    };
    let known = step.before.as_ref().map(|before| before.version);
    if known == Some(after.version) {
        return Vec::new();
    }
    let load = snapshot.ecs.loads.get(&after.key()).map(Arc::clone);
    vec![Happening::Instance(Arc::clone(after), load)]
}
