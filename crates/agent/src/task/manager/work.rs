//! What the manager starts and does not wait for.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Secret, hex_id};
use tokio::task::JoinSet;

use super::super::admission::token_digest;
use super::super::model::{Container, Task, VolumesFrom};
use super::super::plan::Step;
use super::super::report::Report;
use super::{Done, Parts};
use crate::EngineKind;
use crate::engine::{ContainerRef, Engine, EngineError, Launch, Launched, Observed};

/// Between tries while the engine does not answer, or will not stop a container.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

type Work = JoinSet<Option<Done>>;

/// A step with everything its doing needs.
pub(super) enum Order {
    Start {
        task: String,
        launch: Box<Launch>,
    },
    Stop {
        task: String,
        container: ContainerRef,
        timeout: Duration,
    },
}

/// Marks the containers of these steps busy and makes the orders. To be saved before they are started: a token that
/// a process got must be known to the next agent.
pub(super) fn orders(task: &mut Task, steps: &[Step], parts: &Parts) -> Vec<Order> {
    steps.iter().filter_map(|step| order(task, step, parts)).collect()
}

fn order(task: &mut Task, step: &Step, parts: &Parts) -> Option<Order> {
    let (Step::Start(name) | Step::Stop(name)) = step;
    let by_token = parts.surroundings.kind == EngineKind::Process && task.credentials_id.is_some();
    let token = (matches!(step, Step::Start(_)) && by_token)
        .then(|| Secret::new(hex_id(parts.random.as_ref()) + &hex_id(parts.random.as_ref())));
    let container = task.container_mut(name)?;
    container.busy = true;
    container.token_digests.extend(token.as_ref().map(token_digest));
    let container = task.container(name)?;
    Some(match step {
        Step::Start(_) => Order::Start {
            task: task.arn.clone(),
            launch: Box::new(launch(task, container, token, parts)),
        },
        Step::Stop(_) => {
            let own = container
                .definition
                .stop_timeout
                .map(|seconds| Duration::from_secs(seconds.into()));
            let timeout = own.unwrap_or(parts.stop_timeout);
            Order::Stop {
                task: task.arn.clone(),
                container: reference(task, container),
                timeout,
            }
        }
    })
}

/// The orders are not carried out after all.
pub(super) fn withdraw(task: &mut Task, orders: &[Order]) {
    for order in orders {
        let name = match order {
            Order::Start { launch, .. } => &launch.container.name,
            Order::Stop { container, .. } => &container.name,
        };
        if let Some(container) = task.container_mut(name) {
            container.busy = false;
        }
    }
}

fn launch(task: &Task, container: &Container, token: Option<Secret>, parts: &Parts) -> Launch {
    let definition = &container.definition;
    let engine_name = |name: &str| task.container(name).map(|other| other.docker_name.clone());
    let links = definition.links.iter().filter_map(|link| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        Some((engine_name(name)?, alias.to_owned()))
    });
    let volumes_from = definition.volumes_from.iter().filter_map(|from| {
        Some(VolumesFrom {
            container: engine_name(&from.container)?,
            read_only: from.read_only,
        })
    });
    Launch {
        container: reference(task, container),
        environment: parts.surroundings.environment(task, container),
        secret_environment: parts.surroundings.secret_environment(token),
        labels: parts.surroundings.labels(task, container),
        volumes: task.volumes.clone(),
        volumes_from: volumes_from.collect(),
        links: links.collect(),
        log_credentials_id: task
            .execution_credentials_id
            .clone()
            .filter(|_| definition.logs_with_execution_role),
        definition: definition.clone(),
    }
}

fn reference(task: &Task, container: &Container) -> ContainerRef {
    ContainerRef {
        task_id: task.id().to_owned(),
        name: container.definition.name.clone(),
        docker_name: container.docker_name.clone(),
    }
}

/// Starts an order.
pub(super) fn start(work: &mut Work, order: Order, parts: &Parts) {
    let engine = Arc::clone(&parts.engine);
    match order {
        Order::Start { task, launch } => {
            let mut network = parts.network_ready.clone();
            work.spawn(async move {
                network.wait_for(|ready| *ready).await.ok()?;
                let result = launch_patiently(engine.as_ref(), &launch).await;
                let seen = engine
                    .inspect(&launch.container)
                    .await
                    .ok()
                    .filter(|_| result.is_ok());
                Some(Done::Launched {
                    task,
                    container: launch.container.name,
                    result,
                    seen,
                })
            });
        }
        Order::Stop {
            task,
            container,
            timeout,
        } => {
            work.spawn(async move {
                let seen = stop_patiently(engine.as_ref(), &container, timeout).await;
                Some(Done::Stopped {
                    task,
                    container: container.name,
                    seen,
                })
            });
        }
    }
}

async fn launch_patiently(engine: &dyn Engine, launch: &Launch) -> Result<Launched, EngineError> {
    supported(launch)?;
    loop {
        match engine.launch(launch).await {
            Err(EngineError::Unreachable(error)) => pause(&launch.container, &error).await,
            result => return result,
        }
    }
}

/// Until it is seen to have ended.
async fn stop_patiently(engine: &dyn Engine, container: &ContainerRef, timeout: Duration) -> Observed {
    loop {
        let problem = match engine.stop(container, timeout).await {
            Err(error) => error.to_string(),
            Ok(()) => match engine.inspect(container).await {
                Ok(seen @ (Observed::Exited(_) | Observed::Missing)) => return seen,
                Ok(_) => "it still runs".to_owned(),
                Err(error) => error.to_string(),
            },
        };
        pause(container, &problem).await;
    }
}

fn supported(launch: &Launch) -> Result<(), EngineError> {
    let missing = &launch.definition.unsupported;
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!(
        "CannotCreateContainerError: this agent does not support {}",
        missing.join(", ")
    );
    Err(EngineError::Refused(text))
}

async fn pause(container: &ContainerRef, error: &str) {
    tracing::warn!(
        container = container.docker_name,
        error,
        "the engine could not do it; trying again"
    );
    tokio::time::sleep(RETRY_PAUSE).await;
}

/// Looks at a container.
pub(super) fn look(work: &mut Work, task: &Task, container: &Container, parts: &Parts) {
    let (engine, arn, reference) = (
        Arc::clone(&parts.engine),
        task.arn.clone(),
        reference(task, container),
    );
    work.spawn(async move {
        // An engine that does not answer says so with a Resync when it is back.
        let seen = engine.inspect(&reference).await.ok()?;
        Some(Done::Observed {
            task: arn,
            container: reference.name,
            seen,
        })
    });
}

/// Sends a report.
pub(super) fn submit(work: &mut Work, arn: &str, report: Report, parts: &Parts) {
    let (submit, task) = (Arc::clone(&parts.submit), arn.to_owned());
    work.spawn(async move {
        submit.submit(report.request.clone()).await;
        Some(Done::Reported {
            task,
            report: Box::new(report),
        })
    });
}

/// Removes the containers of a finished task.
pub(super) fn remove(work: &mut Work, task: &Task, parts: &Parts) {
    let (engine, arn) = (Arc::clone(&parts.engine), task.arn.clone());
    let containers: Vec<_> = task
        .containers
        .iter()
        .map(|container| reference(task, container))
        .collect();
    work.spawn(async move {
        for container in containers {
            while let Err(error) = engine.remove(&container).await {
                match error {
                    EngineError::Unreachable(error) => pause(&container, &error).await,
                    EngineError::Refused(error) => {
                        tracing::warn!(
                            container = container.docker_name,
                            error,
                            "a finished container stays"
                        );
                        break;
                    }
                }
            }
        }
        Some(Done::Removed { task: arn })
    });
}
