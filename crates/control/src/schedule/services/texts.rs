//! What a service's `events[]` and its deployments say, word for word (ecs.md 11).

use portcullis_schedule::deployment::Cause;

use crate::schedule::placement::Reason;
use crate::world::records::ecs::ServiceAction;

/// An event of a service that is about to be told.
pub(super) struct Saying {
    /// In AWS's words.
    pub message: String,
    /// What it is to EventBridge.
    pub action: Option<ServiceAction>,
}

impl From<String> for Saying {
    fn from(message: String) -> Self {
        Self {
            message,
            action: None,
        }
    }
}

impl Saying {
    fn of(action: ServiceAction, message: String) -> Self {
        Self {
            message,
            action: Some(action),
        }
    }

    fn unplaced(reason: &str, message: String) -> Self {
        let reason = reason.to_owned();
        Self::of(ServiceAction::PlacementFailure { reason }, message)
    }
}

/// Where AWS sends whoever has trouble.
const TROUBLE: &str =
    "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.";

/// Started tasks, by their ids.
pub(super) fn started(service: &str, ids: &[String]) -> String {
    format!(
        "(service {service}) has started {} tasks: {}.",
        ids.len(),
        tasks(ids)
    )
}

/// Stopped tasks, by their ids.
pub(super) fn stopped(service: &str, ids: &[String]) -> String {
    format!(
        "(service {service}) has stopped {} running tasks: {}.",
        ids.len(),
        tasks(ids)
    )
}

fn tasks(ids: &[String]) -> String {
    let each: Vec<String> = ids.iter().map(|id| format!("(task {id})")).collect();
    each.join(" ")
}

/// A steady state.
pub(super) fn steady(service: &str) -> Saying {
    let message = format!("(service {service}) has reached a steady state.");
    Saying::of(ServiceAction::SteadyState, message)
}

/// A task set's steady state.
pub(super) fn set_steady(service: &str, set: &str) -> Saying {
    let message = format!("(service {service}, taskSet {set}) has reached a steady state.");
    Saying::of(ServiceAction::TaskSetSteadyState, message)
}

/// A deployment that is complete.
pub(super) fn completed(service: &str, deployment: &str) -> String {
    format!("(service {service}) (deployment {deployment}) deployment completed.")
}

/// A deployment that failed.
pub(super) fn failed(service: &str, deployment: &str, cause: Cause) -> String {
    let why = match cause {
        Cause::TasksFailedToStart => "tasks failed to start.",
        Cause::TasksFailedHealthChecks => "tasks failed health checks.",
        Cause::Alarm => "alarm detected.",
        Cause::StoppedToRollBack | Cause::Aborted => "deployment stopped.",
    };
    format!("(service {service}) (deployment {deployment}) deployment failed: {why}")
}

/// The way back.
pub(super) fn rolling_back(service: &str, deployment: &str) -> String {
    format!("(service {service}) rolling back to (deployment {deployment}).")
}

/// No instance takes a task; the closest one with what speaks against it.
pub(super) fn no_room(service: &str, closest: Option<(&str, Reason)>) -> Saying {
    let unable = format!(
        "(service {service}) was unable to place a task because no container instance met all of its requirements."
    );
    match closest {
        None => {
            let why = "Reason: No Container Instances were found in your cluster.";
            Saying::unplaced("NO ACTIVE INSTANCES", format!("{unable} {why} {TROUBLE}"))
        }
        Some((instance, reason)) => {
            let why = against(reason);
            let closest = format!("The closest matching (container-instance {instance}) {why}.");
            Saying::unplaced(reason.as_str(), format!("{unable} {closest} {TROUBLE}"))
        }
    }
}

/// A capacity provider without instances; AWS's words are not known.
pub(super) fn no_hosts(service: &str, provider: &str) -> Saying {
    let message = format!(
        "(service {service}) was unable to place a task because no container instance met all of its requirements. Reason: The capacity provider {provider} has no container instances in your cluster. {TROUBLE}"
    );
    Saying::unplaced("EMPTY CAPACITY PROVIDER", message)
}

/// No host of Fargate takes a task.
pub(super) fn no_capacity(service: &str) -> Saying {
    let message = format!(
        "(service {service}) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone. {TROUBLE}"
    );
    Saying::unplaced("RESOURCE:FARGATE", message)
}

fn against(reason: Reason) -> String {
    match reason {
        Reason::Ports => "is already using a port required by your task".to_owned(),
        Reason::Cpu => "has insufficient CPU units available".to_owned(),
        Reason::Memory => "has insufficient memory available".to_owned(),
        Reason::Attribute => "is missing an attribute required by your task".to_owned(),
        other => format!("encountered error \"{}\"", other.as_str()),
    }
}

/// A task that cannot be launched wherever it goes.
pub(super) fn launch_failed(service: &str, error: &str) -> Saying {
    let message = format!("(service {service}) failed to launch a task with (error {error}).");
    Saying::of(ServiceAction::ConfigurationFailure, message)
}

/// Tasks that fail again and again.
pub(super) fn impaired(service: &str) -> Saying {
    let message =
        format!("(service {service}) is unable to consistently start tasks successfully. {TROUBLE}");
    Saying::of(ServiceAction::StartImpaired, message)
}

/// A PRIMARY that was given up, and nothing before it that works; AWS's words are not known.
pub(super) fn nothing_to_start(service: &str, deployment: &str) -> String {
    format!(
        "(service {service}) was unable to start tasks because (deployment {deployment}) failed and there is no earlier deployment that completed. Update the service to begin a new deployment."
    )
}

/// Percentages that leave no room for a deployment.
pub(super) fn percents_block(service: &str) -> String {
    format!(
        "(service {service}) was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )
}

/// More protected tasks than wanted ones.
pub(super) fn protection_blocks(service: &str, set: &str) -> String {
    format!(
        "(service {service}) was unable to reach steady state because (taskSet {set}) was unable to scale in. Reason: The number of protected tasks are more than the desired count of tasks."
    )
}

/// A daemon's task where its constraints no longer hold; AWS's words are not known.
pub(super) fn constraint_violated(service: &str, task: &str) -> Saying {
    let message = format!(
        "(service {service}) (task {task}) violates a placement constraint of the service and is stopped."
    );
    Saying::of(ServiceAction::DaemonConstraintViolated, message)
}

/// `stoppedReason` of tasks the scheduler stops.
pub(super) fn scaled_in(deployment: &str) -> String {
    format!("Scaling activity initiated by (deployment {deployment})")
}

/// `stoppedReason` of tasks whose health checks fail.
pub(super) const UNHEALTHY: &str = "Task failed container health checks";
