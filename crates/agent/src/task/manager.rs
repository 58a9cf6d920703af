//! The one loop that owns the tasks: something happens, the picture changes and is saved, what is due follows from it
//! and is started; its end is the next thing that happens.

mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_api::ecs::SubmitTaskStateChangeRequest;
use portcullis_core::{Clock, Random, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::environment::Surroundings;
use super::model::{Desired, Known, Task};
use super::report::{Report, acknowledge, next_report};
use super::shared::SharedTasks;
use super::{observation, plan};
use crate::AgentError;
use crate::checkpoint::Checkpoint;
use crate::credentials::{CredentialCache, RoleCredentials, RoleKind};
use crate::engine::{Engine, EngineError, EngineEvent, Launched, Observed};

const TICK: Duration = Duration::from_secs(1);
/// Ends of single containers are reported this often (agent.md 5.1: 10 to 30 s).
const FLUSH_TICKS: u32 = 10;
const CHANNEL_LENGTH: usize = 256;
/// How long an ending agent waits for the control plane to take the last reports.
const REPORT_PATIENCE: Duration = Duration::from_secs(5);

/// Sends state changes, retrying as agent.md 5.1 says until the control plane has the change or refuses it for good.
pub(crate) trait Submit: Send + Sync {
    /// Returns when there is nothing more to do about it.
    fn submit(&self, change: SubmitTaskStateChangeRequest) -> BoxFuture<'_, ()>;
}

/// A task of a payload, with its credentials.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) task: Task,
    pub(crate) credentials: Vec<(RoleKind, RoleCredentials)>,
}

/// What the ACS session asks of the manager.
#[derive(Debug)]
pub(crate) enum Command {
    /// A payload's tasks. Answered when they are saved.
    Accept(Vec<Incoming>, oneshot::Sender<()>),
    /// New keys. Answers whether the task is known.
    Refresh {
        task_arn: String,
        kind: RoleKind,
        credentials: RoleCredentials,
        known: oneshot::Sender<bool>,
    },
    /// These are to stop.
    Stop(Vec<String>),
    /// Answers with the tasks that are not stopped: `(arn, cluster ARN)`.
    Unstopped(oneshot::Sender<Vec<(String, String)>>),
}

/// Sends commands to the manager.
pub(crate) type Commands = mpsc::Sender<Command>;

/// What the manager works with.
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) engine_events: mpsc::Receiver<EngineEvent>,
    pub(crate) cache: Arc<CredentialCache>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) tasks: Arc<SharedTasks>,
    pub(crate) submit: Arc<dyn Submit>,
    pub(crate) surroundings: Surroundings,
    /// No task starts while the address or the fence is not in place.
    pub(crate) network_ready: watch::Receiver<bool>,
    /// Told when container networks come or go.
    pub(crate) networks_changed: Arc<tokio::sync::Notify>,
    pub(crate) stop_timeout: Duration,
    pub(crate) cleanup_wait: Duration,
}

/// The end of something the manager started.
#[derive(Debug)]
enum Done {
    Launched {
        task: String,
        container: String,
        result: Result<Launched, EngineError>,
        seen: Option<Observed>,
    },
    Stopped {
        task: String,
        container: String,
        seen: Observed,
    },
    Observed {
        task: String,
        container: String,
        seen: Observed,
    },
    Reported {
        task: String,
        report: Box<Report>,
    },
    Removed {
        task: String,
    },
}

/// The loop's state.
pub(crate) struct Manager {
    parts: Parts,
    tasks: BTreeMap<String, Task>,
    /// Tasks whose picture is newer than the saved one.
    dirty: BTreeSet<String>,
    /// Tasks with a report on its way.
    reporting: BTreeSet<String>,
    removing: BTreeSet<String>,
    work: JoinSet<Option<Done>>,
    ticks: u32,
}

impl Manager {
    /// Takes over what an earlier agent left: its tasks, and the ids of credentials that are to come again.
    pub(crate) fn new(parts: Parts) -> Result<Self, AgentError> {
        let tasks: BTreeMap<_, _> = parts
            .checkpoint
            .tasks()?
            .into_iter()
            .map(|task| (task.arn.clone(), task))
            .collect();
        for task in tasks.values() {
            let stopped = task.known() == Known::Stopped;
            if let Some(id) = task.credentials_id.as_ref().filter(|_| !stopped) {
                parts.cache.expect(id, &task.arn, RoleKind::TaskApplication);
            }
            if let Some(id) = &task.execution_credentials_id {
                parts.cache.expect(id, &task.arn, RoleKind::TaskExecution);
            }
            parts.tasks.publish(task.clone());
        }
        let dirty = tasks.keys().cloned().collect();
        let sets = (BTreeSet::new(), BTreeSet::new());
        Ok(Self {
            parts,
            tasks,
            dirty,
            reporting: sets.0,
            removing: sets.1,
            work: JoinSet::new(),
            ticks: 0,
        })
    }

    /// A channel for commands.
    pub(crate) fn channel() -> (Commands, mpsc::Receiver<Command>) {
        mpsc::channel(CHANNEL_LENGTH)
    }

    /// Runs until `shutdown`; then, when `stop_all`, until every task is stopped and the control plane knows it.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut shutdown: watch::Receiver<bool>,
        stop_all: bool,
    ) {
        let mut ticker = tokio::time::interval(TICK);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ending = false;
        let mut started_waiting = None;
        self.look_at_all();
        loop {
            self.settle();
            if ending && (!stop_all || self.all_over()) {
                return;
            }
            if ending
                && self.all_stopped()
                && started_waiting.get_or_insert_with(Instant::now).elapsed() > REPORT_PATIENCE
            {
                tracing::warn!(
                    "the control plane does not take the last state changes; they are sent at the next start"
                );
                return;
            }
            tokio::select! {
                Some(done) = self.work.join_next() => {
                    if let Ok(Some(done)) = done {
                        self.note(done);
                    }
                }
                Some(event) = self.parts.engine_events.recv() => self.heed(event),
                Some(command) = commands.recv() => self.obey(command),
                _ = ticker.tick() => self.tick(),
                _ = shutdown.wait_for(|stop| *stop), if !ending => {
                    ending = true;
                    if stop_all {
                        self.stop_all();
                    }
                }
            }
        }
    }

    fn all_over(&self) -> bool {
        self.tasks.values().all(|task| task.reported == Known::Stopped)
    }

    fn all_stopped(&self) -> bool {
        self.tasks.values().all(|task| task.known() == Known::Stopped)
    }

    fn stop_all(&mut self) {
        let arns: Vec<_> = self.tasks.keys().cloned().collect();
        self.stop(&arns);
    }

    fn stop(&mut self, arns: &[String]) {
        for arn in arns {
            self.change(arn, |task| task.desired = Desired::Stopped);
        }
    }

    fn change(&mut self, arn: &str, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.get_mut(arn) {
            change(task);
            self.dirty.insert(arn.to_owned());
        }
    }

    /// Brings every changed task to where its rules lead, saves it, and only then starts what is due. While nothing can
    /// be saved nothing is started; it is tried again with the next event.
    fn settle(&mut self) {
        for arn in std::mem::take(&mut self.dirty) {
            let Some(task) = self.tasks.get_mut(&arn) else {
                continue;
            };
            let steps = plan::advance(task, self.parts.clock.now());
            let orders = work::orders(task, &steps, &self.parts);
            if task.known() == Known::Stopped
                && let Some(id) = &task.credentials_id
            {
                self.parts.cache.forget(id);
            }
            let saved = self.parts.checkpoint.save_task(task);
            if let Err(error) = saved {
                tracing::error!(%error, "a task cannot be saved; trying again");
                work::withdraw(task, &orders);
                self.dirty.insert(arn.clone());
            } else {
                for order in orders {
                    work::start(&mut self.work, order, &self.parts);
                }
            }
            self.parts.tasks.publish(task.clone());
            self.report(&arn, false);
        }
    }

    fn report(&mut self, arn: &str, flush: bool) {
        let Some(task) = self.tasks.get(arn) else { return };
        if self.reporting.contains(arn) {
            return;
        }
        if let Some(report) = next_report(task, &self.parts.surroundings.cluster, flush) {
            self.reporting.insert(arn.to_owned());
            work::submit(&mut self.work, arn, report, &self.parts);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Accept(incoming, saved) => {
                for task in incoming {
                    self.accept(task);
                }
                self.settle();
                // Unanswered, the payload is not acked, and comes again.
                if self.dirty.is_empty() {
                    let _ = saved.send(());
                }
            }
            Command::Refresh {
                task_arn,
                kind,
                credentials,
                known,
            } => {
                let is_known = self.refresh(&task_arn, kind, credentials);
                let _ = known.send(is_known);
            }
            Command::Stop(arns) => self.stop(&arns),
            Command::Unstopped(answer) => {
                let unstopped = self.tasks.values().filter(|task| task.known() != Known::Stopped);
                let named =
                    unstopped.map(|task| (task.arn.clone(), task.cluster_arn.clone().unwrap_or_default()));
                let _ = answer.send(named.collect());
            }
        }
    }

    /// A task sent again changes only what it is to become, and its keys.
    fn accept(&mut self, incoming: Incoming) {
        let arn = incoming.task.arn.clone();
        for (kind, credentials) in incoming.credentials {
            self.refresh_or_first(&arn, kind, credentials);
        }
        match self.tasks.get_mut(&arn) {
            Some(task) => task.desired = task.desired.max(incoming.task.desired),
            None => {
                self.tasks.insert(arn.clone(), incoming.task);
            }
        }
        self.dirty.insert(arn);
    }

    fn refresh_or_first(&self, arn: &str, kind: RoleKind, credentials: RoleCredentials) {
        let over = self
            .tasks
            .get(arn)
            .is_some_and(|task| task.known() == Known::Stopped);
        if !(over && kind == RoleKind::TaskApplication) {
            self.parts.cache.put(arn, kind, credentials);
        }
    }

    fn refresh(&mut self, arn: &str, kind: RoleKind, credentials: RoleCredentials) -> bool {
        let Some(task) = self.tasks.get_mut(arn) else {
            return false;
        };
        let slot = match kind {
            RoleKind::TaskApplication => &mut task.credentials_id,
            RoleKind::TaskExecution => &mut task.execution_credentials_id,
        };
        if slot.as_deref() != Some(&credentials.id) {
            *slot = Some(credentials.id.clone());
            self.dirty.insert(arn.to_owned());
        }
        self.refresh_or_first(arn, kind, credentials);
        true
    }

    fn note(&mut self, done: Done) {
        let now = self.parts.clock.now();
        match done {
            Done::Launched {
                task,
                container,
                result,
                seen,
            } => {
                self.change(&task, |task| launched(task, &container, result, seen, now));
            }
            Done::Stopped {
                task,
                container,
                seen,
            } => self.change(&task, |task| {
                if let Some(container) = task.container_mut(&container) {
                    container.busy = false;
                    observation::observed(container, seen, now);
                }
            }),
            Done::Observed {
                task: arn,
                container,
                seen,
            } => {
                let Some(task) = self.tasks.get_mut(&arn) else {
                    return;
                };
                let Some(container) = task.container_mut(&container) else {
                    return;
                };
                if observation::observed(container, seen, now) {
                    self.dirty.insert(arn);
                }
            }
            Done::Reported { task, report } => {
                self.reporting.remove(&task);
                self.change(&task, |task| acknowledge(task, &report));
            }
            Done::Removed { task } => self.forget(&task),
        }
    }

    fn heed(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Changed(docker_name) => {
                let found = self.tasks.values().find_map(|task| {
                    let container = task
                        .containers
                        .iter()
                        .find(|container| container.docker_name == docker_name)?;
                    Some((task.arn.clone(), container.definition.name.clone()))
                });
                if let Some((task, container)) = found {
                    self.look(&task, &container);
                }
            }
            EngineEvent::Resync => self.look_at_all(),
            EngineEvent::Networks => self.parts.networks_changed.notify_one(),
        }
    }

    fn look(&mut self, arn: &str, container: &str) {
        if let Some(task) = self.tasks.get(arn)
            && let Some(container) = task.container(container)
        {
            work::look(&mut self.work, task, container, &self.parts);
        }
    }

    fn look_at_all(&mut self) {
        for task in self.tasks.values() {
            for container in task
                .containers
                .iter()
                .filter(|container| container.known == Known::Running)
            {
                work::look(&mut self.work, task, container, &self.parts);
            }
        }
    }

    fn tick(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        // Start timeouts of dependencies pass without an event.
        let waiting = |task: &&Task| task.containers.iter().any(|c| c.known == Known::None && !c.busy);
        self.dirty
            .extend(self.tasks.values().filter(waiting).map(|task| task.arn.clone()));
        if self.ticks.is_multiple_of(FLUSH_TICKS) {
            let arns: Vec<_> = self.tasks.keys().cloned().collect();
            for arn in &arns {
                self.report(arn, true);
            }
        }
        let (now, wait) = (
            self.parts.clock.now(),
            i64::try_from(self.parts.cleanup_wait.as_secs()).unwrap_or(i64::MAX),
        );
        for task in self.tasks.values() {
            let due = task
                .stopped_at
                .is_some_and(|stopped| now.seconds_since(stopped) >= wait);
            if due && task.reported == Known::Stopped && self.removing.insert(task.arn.clone()) {
                work::remove(&mut self.work, task, &self.parts);
            }
        }
    }

    fn forget(&mut self, arn: &str) {
        self.removing.remove(arn);
        if let Some(id) = self
            .tasks
            .remove(arn)
            .and_then(|task| task.execution_credentials_id)
        {
            self.parts.cache.forget(&id);
        }
        self.parts.tasks.retract(arn);
        if let Err(error) = self.parts.checkpoint.remove_task(arn) {
            tracing::warn!(%error, "a finished task stays in the saved state");
        }
    }
}

fn launched(
    task: &mut Task,
    name: &str,
    result: Result<Launched, EngineError>,
    seen: Option<Observed>,
    now: Timestamp,
) {
    if let Some((started, stopped)) = result.as_ref().ok().and_then(|launched| launched.pulled) {
        task.pull_started_at.get_or_insert(started);
        task.pull_stopped_at = Some(stopped);
    }
    if let Some(container) = task.container_mut(name) {
        observation::launched(container, result, now);
    }
    // A container may be over before it was looked at; it ran all the same.
    plan::note_ran(task);
    if let (Some(container), Some(seen)) = (task.container_mut(name), seen) {
        observation::observed(container, seen, now);
    }
}

#[cfg(test)]
mod tests;
