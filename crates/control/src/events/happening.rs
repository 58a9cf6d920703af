//! What a committed change means to those who watch.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::Timestamp;

use super::{daemon, service};
use crate::world::Snapshot;
use crate::world::changes::{Changed, Step};
use crate::world::records::Record as _;
use crate::world::records::ecs::{
    Alert, ContainerInstance, DaemonDeployment, DaemonRevision, Load, Service, ServiceAction, ServiceEvent,
    Task,
};

/// One event, not yet in words.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// `ECS Task State Change`
    Task(Arc<Task>),
    /// `ECS Container Instance State Change`, with what the instance's tasks had reserved then.
    Instance(Arc<ContainerInstance>, Option<Arc<Load>>),
    /// `Portcullis Agent Identity Alert`, ours: what happened to the identity of the instance's agent.
    Alert(Arc<ContainerInstance>, Alert),
    /// `ECS Service Action`
    Action {
        /// The service.
        service: Arc<Service>,
        /// What happened to it.
        action: ServiceAction,
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
    /// `ECS Daemon Deployment State Change`
    DaemonDeployment(Arc<DaemonDeployment>),
    /// `ECS Daemon Service Action`: a daemon's task that failed to start, with the revision it was of.
    DaemonTaskFailed(Arc<Task>, Option<Arc<DaemonRevision>>),
}

/// The events of one committed transaction. An instance is told of once, however many of its tasks changed what they reserve.
pub(super) fn all(snapshot: &Snapshot, at: Timestamp, changes: &[Changed]) -> Vec<Happening> {
    let mut told = Vec::new();
    let mut instances = BTreeSet::new();
    for changed in changes {
        match changed {
            Changed::Task(step) => {
                told.extend(task(step));
                told.extend(daemon::failure(snapshot, step));
                let news = resources(step).filter(|key| instances.insert(key.clone()));
                told.extend(news.and_then(|key| instance_with_load(snapshot, &key)));
            }
            Changed::Instance(step) => {
                told.extend(alert(step));
                let news = instance(step).filter(|key| instances.insert(key.clone()));
                told.extend(news.and_then(|key| instance_with_load(snapshot, &key)));
            }
            Changed::Service(step) => told.extend(service::happenings(at, step)),
            Changed::DaemonDeployment(step) => told.extend(daemon::happening(step)),
        }
    }
    told
}

/// The version grows with every change that raises an event, and with no other.
fn task(step: &Step<Task>) -> Option<Happening> {
    let after = step.after.as_ref()?;
    let known = step.before.as_ref().map(|before| before.version);
    (known != Some(after.version)).then(|| Happening::Task(Arc::clone(after)))
}

/// The key of the instance that has more or less to give after this change of a task.
fn resources(step: &Step<Task>) -> Option<String> {
    let (before, after) = (step.before.as_ref(), step.after.as_ref());
    let (before, after) = (
        before.and_then(|task| task.reserves_on()),
        after.and_then(|task| task.reserves_on()),
    );
    if before == after { None } else { after.or(before) }
}

/// The key of an instance whose own row changed.
fn instance(step: &Step<ContainerInstance>) -> Option<String> {
    let after = step.after.as_ref()?;
    let known = step.before.as_ref().map(|before| before.version);
    (known != Some(after.version)).then(|| after.key())
}

/// What is new about the identity of an instance's agent.
fn alert(step: &Step<ContainerInstance>) -> Option<Happening> {
    let after = step.after.as_ref()?;
    let told = step
        .before
        .as_ref()
        .and_then(|before| before.agent.alert.as_ref());
    let alert = after.agent.alert.as_ref().filter(|alert| told != Some(*alert))?;
    Some(Happening::Alert(Arc::clone(after), alert.clone()))
}

fn instance_with_load(snapshot: &Snapshot, key: &str) -> Option<Happening> {
    let instance = snapshot.ecs.container_instances.get(key)?;
    let load = snapshot.ecs.loads.get(key).map(Arc::clone);
    Some(Happening::Instance(Arc::clone(instance), load))
}
