//! Services: their own events and the states of their deployments, found by comparing a service with what it was.

use std::sync::Arc;

use portcullis_core::Timestamp;
use portcullis_schedule::deployment::Rollout;

use super::happening::Happening;
use crate::services::ecs::services::shown;
use crate::world::changes::Step;
use crate::world::records::ecs::{SchedulingStrategy, Service, ServiceAction, ServiceEvent};

/// `eventType` and `eventName` of a service action (ecs.md 12).
pub(super) fn action_name(action: &ServiceAction) -> (&'static str, &'static str) {
    match action {
        ServiceAction::SteadyState => ("INFO", "SERVICE_STEADY_STATE"),
        ServiceAction::TaskSetSteadyState => ("INFO", "TASKSET_STEADY_STATE"),
        ServiceAction::DesiredCountUpdated => ("INFO", "SERVICE_DESIRED_COUNT_UPDATED"),
        ServiceAction::StartImpaired => ("WARN", "SERVICE_TASK_START_IMPAIRED"),
        ServiceAction::DaemonConstraintViolated => ("ERROR", "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED"),
        ServiceAction::PlacementFailure { .. } => ("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE"),
        ServiceAction::ConfigurationFailure => ("ERROR", "SERVICE_TASK_CONFIGURATION_FAILURE"),
    }
}

/// `reason` of an action that is not good news: of failed placements what was short, else the service's words.
pub(super) fn reason<'a>(action: &'a ServiceAction, message: &'a str) -> Option<&'a str> {
    match action {
        ServiceAction::SteadyState
        | ServiceAction::TaskSetSteadyState
        | ServiceAction::DesiredCountUpdated => None,
        ServiceAction::PlacementFailure { reason } => Some(reason),
        ServiceAction::StartImpaired
        | ServiceAction::DaemonConstraintViolated
        | ServiceAction::ConfigurationFailure => Some(message),
    }
}

/// The state of a rollout: `eventType`, `eventName` and the reason when the deployment gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RolloutName {
    InProgress,
    Completed,
    Failed,
}

impl RolloutName {
    fn of(rollout: Rollout) -> Self {
        match rollout {
            Rollout::InProgress | Rollout::RollingBack(_) => Self::InProgress,
            Rollout::Completed => Self::Completed,
            Rollout::Failed(_) => Self::Failed,
        }
    }

    pub fn kind(self) -> &'static str {
        match self {
            Self::InProgress | Self::Completed => "INFO",
            Self::Failed => "ERROR",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "SERVICE_DEPLOYMENT_IN_PROGRESS",
            Self::Completed => "SERVICE_DEPLOYMENT_COMPLETED",
            Self::Failed => "SERVICE_DEPLOYMENT_FAILED",
        }
    }
}

/// The events of a service's change, the oldest first.
pub(super) fn happenings(at: Timestamp, step: &Step<Service>) -> Vec<Happening> {
    let Some(after) = &step.after else {
        return Vec::new();
    };
    let before = step.before.as_deref();
    let mut found = deployments(before, after);
    found.extend(desired_count(at, before, after));
    found.extend(actions(before, after));
    found
}

/// A desired count that the scheduler computed: only of services that shall have one task on each instance.
fn desired_count(at: Timestamp, before: Option<&Service>, after: &Arc<Service>) -> Option<Happening> {
    let computed = after.strategy == SchedulingStrategy::Daemon;
    let known = before.filter(|_| computed)?.desired;
    (known != after.desired).then(|| Happening::Action {
        service: Arc::clone(after),
        action: ServiceAction::DesiredCountUpdated,
        event: ServiceEvent {
            id: format!("desired count {} at {}", after.desired, at.as_millis()),
            at,
            message: String::new(),
            action: None,
        },
    })
}

/// Those of the service's own events that are new: they stand before the newest known one.
fn actions(before: Option<&Service>, after: &Arc<Service>) -> Vec<Happening> {
    let newest = before
        .and_then(|before| before.events.first())
        .map(|event| &event.id);
    let new = after.events.iter().take_while(|event| Some(&event.id) != newest);
    let mut found: Vec<_> = new
        .filter_map(|event| {
            Some(Happening::Action {
                service: Arc::clone(after),
                action: event.action.clone()?,
                event: event.clone(),
            })
        })
        .collect();
    found.reverse();
    found
}

/// The deployments whose rollout is in another state than before, the oldest first.
fn deployments(before: Option<&Service>, after: &Arc<Service>) -> Vec<Happening> {
    let known = |id: &str| {
        let mut all = before.iter().flat_map(|before| &before.deployments);
        all.find(|one| one.id == id)
            .map(|one| RolloutName::of(one.progress.rollout))
    };
    let changed = after
        .deployments
        .iter()
        .rev()
        .filter(|one| known(&one.id) != Some(RolloutName::of(one.progress.rollout)));
    let shown = changed.map(|one| Happening::Deployment {
        service: Arc::clone(after),
        id: one.id.clone(),
        rollout: RolloutName::of(one.progress.rollout),
        reason: shown::reason(one),
    });
    shown.collect()
}
