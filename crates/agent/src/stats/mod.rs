//! What containers use (agent.md 5.3 and 3.1): looked at every ten seconds for the control plane, and when a container asks
//! its metadata. Looking beats Docker's stream of one document a second for each container: an idle agent stays idle.

mod gauge;
mod sample;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portcullis_api::acs;
use serde_json::Value;

use self::gauge::Gauge;
pub(crate) use self::sample::Rates;
use self::sample::Sample;
use crate::EngineKind;
use crate::engine::{Engine, EngineError};
use crate::network::PAUSE_CONTAINER;
use crate::task::model::{Container, Known, Task};
use crate::task::shared::SharedTasks;

/// One look takes no longer.
const LOOK_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a container's metadata may make us look anew.
const FRESH: Duration = Duration::from_secs(1);

/// What was seen of containers, and how to see more.
pub(crate) struct Stats {
    engine: Arc<dyn Engine>,
    gauges: Mutex<HashMap<String, Watched>>,
    /// Whether the engine answered last time.
    engine_answers: AtomicBool,
}

#[derive(Default)]
struct Watched {
    gauge: Gauge,
    /// The last document, for those who ask again at once.
    last: Option<(Instant, Value)>,
    restarts_told: u32,
}

impl Stats {
    /// Nothing seen yet.
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            gauges: Mutex::default(),
            engine_answers: AtomicBool::new(true),
        }
    }

    /// Looks at all running containers every `wait`, until dropped.
    pub(crate) async fn watch(&self, tasks: &SharedTasks, wait: Duration) {
        if self.engine.kind() != EngineKind::Docker {
            return std::future::pending().await;
        }
        let mut ticker = tokio::time::interval(wait);
        ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticker.tick().await;
            self.look_at_all(tasks).await;
        }
    }

    async fn look_at_all(&self, tasks: &SharedTasks) {
        let mut running = Vec::new();
        for task in tasks.all() {
            let containers = task.containers.iter().filter(|one| one.known == Known::Running);
            running.extend(containers.filter_map(|one| one.runtime_id.clone()));
        }
        self.gauges().retain(|id, _| running.contains(id));
        for id in &running {
            self.look(id).await;
        }
    }

    /// Whether the engine answered when it was last asked.
    pub(crate) fn engine_answers(&self) -> bool {
        self.engine_answers.load(Ordering::Relaxed)
    }

    async fn look(&self, runtime_id: &str) -> Option<Value> {
        let looked = tokio::time::timeout(LOOK_TIME_MAX, self.engine.stats(runtime_id)).await;
        let seen =
            looked.unwrap_or_else(|_| Err(EngineError::Unreachable("no statistics in time".to_owned())));
        let is_silent = matches!(seen, Err(EngineError::Unreachable(_)));
        self.engine_answers.store(!is_silent, Ordering::Relaxed);
        let mut document = seen.ok()?;
        let sample = Sample::read(&document)?;
        let mut gauges = self.gauges();
        let watched = gauges.entry(runtime_id.to_owned()).or_default();
        sample::add_previous(&mut document, watched.last.as_ref().map(|(_, last)| last));
        watched.gauge.add(sample);
        watched.last = Some((Instant::now(), document.clone()));
        Some(document)
    }

    /// Docker's document of a container, hardly older than a second, and its network's rates.
    pub(crate) async fn fresh(&self, runtime_id: &str) -> Option<(Value, Option<Rates>)> {
        let recent = self.gauges().get(runtime_id).and_then(|watched| {
            let (at, document) = watched.last.as_ref()?;
            (at.elapsed() < FRESH).then(|| document.clone())
        });
        let document = match recent {
            Some(document) => document,
            None if runtime_id.is_empty() => return None,
            None => self.look(runtime_id).await?,
        };
        let rates = self
            .gauges()
            .get(runtime_id)
            .and_then(|watched| watched.gauge.rates());
        Some((document, rates))
    }

    /// The metrics of a task since they were last taken; nothing when there are none.
    pub(crate) fn take(&self, task: &Task) -> Option<acs::TaskMetric> {
        let mut gauges = self.gauges();
        let containers: Vec<_> = task
            .containers
            .iter()
            .filter(|one| one.known == Known::Running && !one.is_internal())
            .filter_map(|one| take_container(&mut gauges, task, one))
            .collect();
        (!containers.is_empty()).then(|| acs::TaskMetric {
            task_arn: Some(task.arn.clone()),
            task_definition_family: Some(task.family.clone()),
            task_definition_version: Some(task.version.clone()),
            container_metrics: Some(containers),
        })
    }

    fn gauges(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_container(
    gauges: &mut HashMap<String, Watched>,
    task: &Task,
    container: &Container,
) -> Option<acs::ContainerMetric> {
    // In mode awsvpc the network is the pause container's.
    let pause = task
        .interface
        .as_ref()
        .and_then(|_| task.container(PAUSE_CONTAINER));
    let network_of = pause.unwrap_or(container).runtime_id.as_deref()?;
    let network = gauges.get(network_of).and_then(|watched| watched.gauge.network());
    let watched = gauges.get_mut(container.runtime_id.as_deref()?)?;
    let restarts = container.definition.restart_policy.as_ref().map(|_| {
        let since = container.restart_count.saturating_sub(watched.restarts_told);
        watched.restarts_told = container.restart_count;
        acs::RestartStatsSet {
            restart_count: Some(since.into()),
        }
    });
    let metric = watched.gauge.metric()?;
    watched.gauge.taken();
    Some(acs::ContainerMetric {
        container_name: Some(container.definition.name.clone()),
        network_stats_set: network,
        restart_stats_set: restarts,
        ..metric
    })
}

#[cfg(test)]
mod tests;
