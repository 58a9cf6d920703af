//! What the manager starts and does not wait for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use portcullis_core::{Secret, hex_id};
use tokio::task::{AbortHandle, JoinSet};

use super::super::admission::token_digest;
use super::super::images::{DueImage, Images};
use super::super::model::{Container, Task};
use super::super::plan::Step;
use super::super::report::Report;
use super::launching::{launch, reference, stop_timeout};
use super::{Done, Parts, starting};
use crate::EngineKind;
use crate::engine::{ContainerRef, Engine, EngineError, Launch, Observed, patiently, pause};
use crate::network::PAUSE_CONTAINER;
use crate::supplies::{Customer, ImageAccess};

type Work = JoinSet<Option<Done>>;

/// Starts a piece of work; that it panicked is told too.
fn spawn(
    work: &mut Work,
    what: Undertaking,
    doing: impl Future<Output = Option<Done>> + Send + 'static,
) -> AbortHandle {
    // Nothing of it is looked at after a panic.
    let doing = AssertUnwindSafe(doing).catch_unwind();
    work.spawn(async move { doing.await.unwrap_or(Some(Done::Broken(what))) })
}

/// What a piece of work is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undertaking {
    /// A step of a container.
    Step {
        task: String,
        container: String,
    },
    Look {
        task: String,
        container: String,
    },
    Report {
        task: String,
    },
    Removal {
        task: String,
    },
    Images,
}

/// A step with everything its doing needs.
pub(super) enum Order {
    Supply {
        task: String,
        container: ContainerRef,
        customer: Customer,
    },
    Resolve {
        task: String,
        container: ContainerRef,
        customer: Customer,
        image: String,
        pulled_before: bool,
    },
    Pull {
        task: String,
        container: ContainerRef,
        customer: Customer,
        image: String,
        digest: Option<String>,
    },
    Start {
        task: String,
        launch: Box<Launch>,
        /// The engine was never told before.
        first_try: bool,
    },
    Restart {
        task: String,
        launch: Box<Launch>,
    },
    Stop {
        task: String,
        container: ContainerRef,
        timeout: Duration,
    },
}

impl Order {
    fn container(&self) -> &str {
        match self {
            Self::Supply { container, .. }
            | Self::Resolve { container, .. }
            | Self::Pull { container, .. }
            | Self::Stop { container, .. } => &container.name,
            Self::Start { launch, .. } | Self::Restart { launch, .. } => &launch.container.name,
        }
    }

    fn undertaking(&self) -> Undertaking {
        let (Self::Supply { task, .. }
        | Self::Resolve { task, .. }
        | Self::Pull { task, .. }
        | Self::Start { task, .. }
        | Self::Restart { task, .. }
        | Self::Stop { task, .. }) = self;
        Undertaking::Step {
            task: task.clone(),
            container: self.container().to_owned(),
        }
    }

    /// Whether it may be cut short when the task is to stop: it brings an image, or what comes before. The container then.
    pub(super) fn brings_image(&self) -> Option<&str> {
        let brings = matches!(
            self,
            Self::Supply { .. } | Self::Resolve { .. } | Self::Pull { .. }
        );
        brings.then(|| self.container())
    }
}

/// Marks the containers of these steps busy and makes the orders. To be saved before they are started: a token that
/// a process got must be known to the next agent, and that a container may have been started.
pub(super) fn orders(task: &mut Task, steps: &[Step], images: &Images, parts: &Parts) -> Vec<Order> {
    steps
        .iter()
        .filter_map(|step| order(task, step, images, parts))
        .collect()
}

fn order(task: &mut Task, step: &Step, images: &Images, parts: &Parts) -> Option<Order> {
    let name = step.container();
    let starts = matches!(step, Step::Start(_) | Step::Restart(_));
    let by_token = parts.surroundings.kind == EngineKind::Process && task.credentials_id.is_some();
    let token = (starts && by_token)
        .then(|| Secret::new(hex_id(parts.random.as_ref()) + &hex_id(parts.random.as_ref())));
    let container = task.container_mut(name)?;
    container.busy = true;
    let first_try = !container.attempted;
    container.attempted |= starts;
    container.token_digests.extend(token.as_ref().map(token_digest));
    let (arn, container) = (task.arn.clone(), task.container(name)?);
    let image = container.definition.image.clone();
    Some(match step {
        Step::Supply(_) => Order::Supply {
            task: arn,
            container: reference(task, container),
            customer: Customer::of(task),
        },
        Step::Resolve(_) => Order::Resolve {
            task: arn,
            container: reference(task, container),
            customer: Customer::of(task),
            pulled_before: images.knows(&image),
            image,
        },
        Step::Pull(_) => Order::Pull {
            task: arn,
            container: reference(task, container),
            customer: Customer::of(task),
            digest: container.image_digest.clone(),
            image,
        },
        Step::Start(_) => Order::Start {
            task: arn,
            launch: Box::new(launch(task, container, token, parts)),
            first_try,
        },
        Step::Restart(_) => Order::Restart {
            task: arn,
            launch: Box::new(launch(task, container, token, parts)),
        },
        Step::Stop(_) => Order::Stop {
            task: arn,
            container: reference(task, container),
            timeout: stop_timeout(container, parts),
        },
    })
}

/// The orders are not carried out after all.
pub(super) fn withdraw(task: &mut Task, orders: &[Order]) {
    for order in orders {
        if let Some(container) = task.container_mut(order.container()) {
            container.busy = false;
            container.attempted &= !matches!(order, Order::Start { first_try: true, .. });
        }
    }
}

/// Starts an order.
pub(super) fn start(work: &mut Work, order: Order, parts: &Parts) -> AbortHandle {
    let (engine, network) = (Arc::clone(&parts.engine), parts.network.clone());
    let what = order.undertaking();
    match order {
        Order::Supply { .. } | Order::Resolve { .. } | Order::Pull { .. } => bring(work, order, parts),
        Order::Start {
            task,
            launch,
            first_try,
        } => spawn(work, what, starting::start(parts, task, launch, first_try)),
        Order::Restart { task, launch } => spawn(work, what, starting::restart(parts, task, launch)),
        Order::Stop {
            task,
            container,
            timeout,
        } => spawn(work, what, async move {
            let seen = stop_patiently(engine.as_ref(), &container, timeout).await;
            if let Some(network) = network.filter(|_| container.name == PAUSE_CONTAINER) {
                network.detach(&container.task_id).await;
            }
            Some(Done::Stopped {
                task,
                container: container.name,
                seen,
            })
        }),
    }
}

/// Starts an order that brings an image, or what comes before.
fn bring(work: &mut Work, order: Order, parts: &Parts) -> AbortHandle {
    let (engine, supplies) = (Arc::clone(&parts.engine), Arc::clone(&parts.supplies));
    let what = order.undertaking();
    spawn(work, what, async move {
        match order {
            Order::Supply {
                task,
                container,
                customer,
            } => Some(Done::Supplied {
                task,
                container: container.name,
                result: supplies.fetch(&customer).await,
            }),
            Order::Resolve {
                task,
                container,
                customer,
                image,
                pulled_before,
            } => {
                let access = ImageAccess::new(&supplies, customer, &container.name);
                let resolve = || engine.resolve_image(&image, &access, pulled_before);
                let result = patiently(&container, resolve).await;
                Some(Done::Resolved {
                    task,
                    container: container.name,
                    result,
                })
            }
            Order::Pull {
                task,
                container,
                customer,
                image,
                digest,
            } => {
                let access = ImageAccess::new(&supplies, customer, &container.name);
                let pull = || engine.pull_image(&image, &access, digest.as_deref());
                let result = patiently(&container, pull).await;
                Some(Done::Pulled {
                    task,
                    container: container.name,
                    result,
                })
            }
            Order::Start { .. } | Order::Restart { .. } | Order::Stop { .. } => None,
        }
    })
}

/// Until it is seen to have ended. One that was made and not started is removed: a start that is still under way in
/// the engine must not find it.
pub(super) async fn stop_patiently(
    engine: &dyn Engine,
    container: &ContainerRef,
    timeout: Duration,
) -> Observed {
    loop {
        match try_stop(engine, container, timeout).await {
            Ok(seen) => return seen,
            Err(problem) => pause(container, &problem).await,
        }
    }
}

async fn try_stop(
    engine: &dyn Engine,
    container: &ContainerRef,
    timeout: Duration,
) -> Result<Observed, String> {
    let said = |error: EngineError| error.to_string();
    engine.stop(container, timeout).await.map_err(said)?;
    match engine.inspect(container).await.map_err(said)? {
        Observed::Running(_) => Err("it still runs".to_owned()),
        Observed::Created => {
            engine.remove(container).await.map_err(said)?;
            Ok(Observed::Missing)
        }
        seen => Ok(seen),
    }
}

/// Looks at a container.
pub(super) fn look(work: &mut Work, task: &Task, container: &Container, parts: &Parts) {
    let (engine, arn, reference) = (
        Arc::clone(&parts.engine),
        task.arn.clone(),
        reference(task, container),
    );
    let what = Undertaking::Look {
        task: arn.clone(),
        container: reference.name.clone(),
    };
    spawn(work, what, async move {
        let seen = loop {
            match engine.inspect(&reference).await {
                Ok(seen) => break seen,
                // Nothing else says that a container ended.
                Err(error) => pause(&reference, &error.to_string()).await,
            }
        };
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
    let what = Undertaking::Report { task: task.clone() };
    spawn(work, what, async move {
        submit.submit(report.request.clone()).await;
        Some(Done::Reported {
            task,
            report: Box::new(report),
        })
    });
}

/// Removes what is left of a finished task: its containers, then its volumes.
pub(super) fn remove(work: &mut Work, task: &Task, parts: &Parts) {
    let (engine, arn, id) = (Arc::clone(&parts.engine), task.arn.clone(), task.id().to_owned());
    let own = task.volumes.iter().filter(|volume| !volume.is_shared());
    let volumes: Vec<_> = own.filter_map(|volume| volume.engine_name(&id)).collect();
    let containers: Vec<_> = task
        .containers
        .iter()
        .map(|container| reference(task, container))
        .collect();
    let what = Undertaking::Removal { task: arn.clone() };
    spawn(work, what, async move {
        for container in &containers {
            if let Err(error) = patiently(container, || engine.remove(container)).await {
                tracing::warn!(container = container.docker_name, %error, "a finished container stays");
            }
        }
        if let Some(any) = containers.first()
            && let Err(error) = patiently(any, || engine.remove_task(&id, &volumes)).await
        {
            tracing::warn!(task = arn, %error, "something of a finished task stays");
        }
        Some(Done::Removed { task: arn })
    });
}

/// Removes images by their names; those in use stay.
pub(super) fn remove_images(work: &mut Work, due: Vec<DueImage>, parts: &Parts) {
    let engine = Arc::clone(&parts.engine);
    spawn(work, Undertaking::Images, async move {
        let mut removed = Vec::new();
        for image in due {
            let mut gone = true;
            for name in &image.names {
                gone &= matches!(engine.remove_image(name).await, Ok(true));
            }
            if gone {
                tracing::info!(image = image.id, names = ?image.names, "unused image removed");
                removed.push(image.id);
            }
        }
        Some(Done::ImagesRemoved(removed))
    });
}
