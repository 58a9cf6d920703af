//! The start of a container, and its start anew: once the task network is in place, and unless its task is to stop
//! meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::work::stop_patiently;
use super::{Done, Parts};
use crate::engine::{Engine, EngineError, Launch, Launched, Observed, patiently};
use crate::network::{TaskNetwork, Wiring};
use crate::task::shared::SharedTasks;

/// Starts a container.
pub(super) fn start(
    parts: &Parts,
    task: String,
    launch: Box<Launch>,
    first_try: bool,
) -> impl Future<Output = Option<Done>> + Send + use<> {
    let gate = Gate::of(parts);
    let (engine, network) = (Arc::clone(&parts.engine), parts.network.clone());
    async move {
        Some(match gate.passes(&task).await? {
            true => start_container(engine, network, task, launch).await,
            false => not_started(task, *launch, first_try),
        })
    }
}

/// Starts a container again that has ended.
pub(super) fn restart(
    parts: &Parts,
    task: String,
    launch: Box<Launch>,
) -> impl Future<Output = Option<Done>> + Send + use<> {
    let gate = Gate::of(parts);
    let (engine, network) = (Arc::clone(&parts.engine), parts.network.clone());
    async move {
        Some(match gate.passes(&task).await? {
            true => restart_container(engine, network, task, launch).await,
            false => not_started(task, *launch, false),
        })
    }
}

/// Where a container waits until the task network is in place.
struct Gate {
    ready: watch::Receiver<bool>,
    tasks: Arc<SharedTasks>,
}

impl Gate {
    fn of(parts: &Parts) -> Self {
        Self {
            ready: parts.network_ready.clone(),
            tasks: Arc::clone(&parts.tasks),
        }
    }

    /// Whether a container of the task may start: yes as soon as the network is in place, no as soon as the task is to
    /// stop. Nothing when the agent ends.
    async fn passes(mut self, task_arn: &str) -> Option<bool> {
        tokio::select! {
            biased;
            () = self.tasks.stop_of(task_arn) => Some(false),
            up = self.ready.wait_for(|ready| *ready) => up.is_ok().then_some(true),
        }
    }
}

fn not_started(task: String, launch: Launch, first_try: bool) -> Done {
    Done::NotStarted {
        task,
        container: launch.container.name,
        first_try,
    }
}

async fn start_container(
    engine: Arc<dyn Engine>,
    network: Option<Arc<TaskNetwork>>,
    task: String,
    launch: Box<Launch>,
) -> Done {
    let result = match supported(&launch) {
        Ok(()) => on_network(engine.as_ref(), network.as_deref(), &launch).await,
        Err(error) => Err(error),
    };
    let seen = seen_after(engine.as_ref(), &launch, &result).await;
    Done::Launched {
        task,
        container: launch.container.name,
        result,
        seen,
    }
}

async fn restart_container(
    engine: Arc<dyn Engine>,
    network: Option<Arc<TaskNetwork>>,
    task: String,
    launch: Box<Launch>,
) -> Done {
    let result = on_network_again(engine.as_ref(), network.as_deref(), &launch).await;
    let seen = seen_after(engine.as_ref(), &launch, &result).await;
    Done::Restarted {
        task,
        container: launch.container.name,
        result,
        seen,
    }
}

/// An interface is its task's pause container's, which is never started again.
async fn on_network_again(
    engine: &dyn Engine,
    network: Option<&TaskNetwork>,
    launch: &Launch,
) -> Result<Launched, EngineError> {
    if let Some(network) = network {
        network.prepare(launch).await?;
    }
    patiently(&launch.container, || engine.restart(launch)).await
}

/// What a container needs of the network is there before it runs: the wall before a host-mode task, and a pause
/// container's interface before any other container of its task.
async fn on_network(
    engine: &dyn Engine,
    network: Option<&TaskNetwork>,
    launch: &Launch,
) -> Result<Launched, EngineError> {
    let Some(network) = network else {
        return match launch.wiring {
            Wiring::AsDefined | Wiring::Host(_) => {
                patiently(&launch.container, || engine.launch(launch)).await
            }
            Wiring::Pause(_) | Wiring::Joined(_) => Err(no_interfaces()),
        };
    };
    network.prepare(launch).await?;
    let launched = patiently(&launch.container, || engine.launch(launch)).await?;
    let Wiring::Pause(interface) = &launch.wiring else {
        return Ok(launched);
    };
    if !network.offers_interfaces() {
        stop_patiently(engine, &launch.container, Duration::ZERO).await;
        return Err(no_interfaces());
    }
    match network.attach(&launch.container, interface).await {
        Ok(()) => Ok(launched),
        Err(error) => {
            stop_patiently(engine, &launch.container, Duration::ZERO).await;
            Err(error)
        }
    }
}

fn no_interfaces() -> EngineError {
    EngineError::Refused(
        "CannotCreateContainerError: this agent does not support networkMode awsvpc on this host".to_owned(),
    )
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

async fn seen_after(
    engine: &dyn Engine,
    launch: &Launch,
    result: &Result<Launched, EngineError>,
) -> Option<Observed> {
    match result {
        Ok(_) => engine.inspect(&launch.container).await.ok(),
        Err(_) => None,
    }
}
