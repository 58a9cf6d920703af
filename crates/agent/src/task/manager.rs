//! The one loop that owns the tasks: something happens, the picture changes and is saved, what is due follows from it
//! and is started; its end is the next thing that happens.

mod ending;
mod housekeeping;
mod launching;
mod outcomes;
mod starting;
mod wiring;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_api::ecs::SubmitTaskStateChangeRequest;
use portcullis_core::{Clock, Random, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use self::ending::Waits;
use super::environment::Surroundings;
use super::images::Images;
use super::metadata_file::MetadataFiles;
use super::model::{Desired, Known, Task};
use super::plan::{self, Pulls};
use super::report::{Report, next_report};
use super::shared::SharedTasks;
use crate::checkpoint::Checkpoint;
use crate::credentials::{CredentialCache, RoleCredentials, RoleKind};
use crate::engine::{Engine, EngineError, EngineEvent, Launched, Observed, Pulled, Resolved};
use crate::network::{SecurityRules, TaskNetwork};
use crate::supplies::Supplies;
use crate::{AgentError, EngineKind, ImageCleanup};

const TICK: Duration = Duration::from_secs(1);
/// Ends of single containers are reported this often (agent.md 5.1: 10 to 30 s).
const FLUSH_TICKS: u32 = 10;
const CHANNEL_LENGTH: usize = 256;

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

/// Other security rules for the interface of an attachment.
#[derive(Debug)]
pub(crate) struct SecurityChange {
    pub(crate) task_arn: String,
    pub(crate) attachment_arn: String,
    pub(crate) rules: SecurityRules,
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
    /// Other security rules for interfaces. Answered when all are saved and in force.
    Secure(Vec<SecurityChange>, oneshot::Sender<()>),
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
    /// Absent where containers have no networks.
    pub(crate) network: Option<Arc<TaskNetwork>>,
    /// Told when container networks come or go.
    pub(crate) networks_changed: Arc<tokio::sync::Notify>,
    pub(crate) rules: Rules,
    /// Where secrets, logins and environment files come from.
    pub(crate) supplies: Arc<Supplies>,
    /// Present when containers get a file about themselves.
    pub(crate) metadata_files: Option<MetadataFiles>,
}

/// How long things may take, and when they go.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Between SIGTERM and SIGKILL, where a container says nothing.
    pub(crate) stop_timeout: Duration,
    /// A stopped task's containers are kept this long,
    pub(crate) cleanup_wait: Duration,
    /// and up to this much longer.
    pub(crate) cleanup_jitter: Duration,
    pub(crate) pulls: Pulls,
    /// Absent when images stay for ever.
    pub(crate) image_cleanup: Option<ImageCleanup>,
}

/// The end of something the manager started.
#[derive(Debug)]
enum Done {
    Supplied {
        task: String,
        container: String,
        result: Result<(), String>,
    },
    Resolved {
        task: String,
        container: String,
        result: Result<Resolved, EngineError>,
    },
    Pulled {
        task: String,
        container: String,
        result: Result<Pulled, EngineError>,
    },
    Restarted {
        task: String,
        container: String,
        result: Result<Launched, EngineError>,
        seen: Option<Observed>,
    },
    Launched {
        task: String,
        container: String,
        result: Result<Launched, EngineError>,
        seen: Option<Observed>,
    },
    /// Its task is to stop, and the engine was not told to start it.
    NotStarted {
        task: String,
        container: String,
        /// Nor ever before.
        first_try: bool,
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
    /// The work itself failed.
    Broken(work::Undertaking),
    Reported {
        task: String,
        report: Box<Report>,
    },
    Removed {
        task: String,
    },
    /// By their ids.
    ImagesRemoved(Vec<String>),
}

/// The loop's state.
pub(crate) struct Manager {
    parts: Parts,
    tasks: BTreeMap<String, Task>,
    /// Tasks whose picture is newer than the saved one.
    dirty: BTreeSet<String>,
    /// Tasks to be settled anew with the next tick.
    again: BTreeSet<String>,
    /// Containers that are being looked at, by task and name; true when they are to be looked at once more.
    looks: HashMap<(String, String), bool>,
    /// Tasks with a report on its way.
    reporting: BTreeSet<String>,
    removing: BTreeSet<String>,
    /// Work that brings images, by task and container; cut short when the task is to stop.
    pulls: HashMap<(String, String), AbortHandle>,
    images: Images,
    images_cleaned_at: Timestamp,
    /// Tasks that cannot be saved, and since when.
    unsaved_since: BTreeMap<String, Timestamp>,
    work: JoinSet<Option<Done>>,
    ticks: u32,
}

impl Manager {
    /// Takes over what an earlier agent left: its tasks, and the ids of credentials that are to come again.
    pub(crate) fn new(parts: Parts) -> Result<Self, AgentError> {
        let kind = parts.surroundings.kind;
        let tasks: BTreeMap<_, _> = parts
            .checkpoint
            .tasks()?
            .into_iter()
            .map(|task| (task.arn.clone(), housekeeping::taken_over(task, kind)))
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
        let images = parts.checkpoint.images()?;
        Ok(Self {
            images_cleaned_at: parts.clock.now(),
            parts,
            tasks,
            dirty,
            again: BTreeSet::new(),
            looks: HashMap::new(),
            reporting: sets.0,
            removing: sets.1,
            pulls: HashMap::new(),
            images,
            unsaved_since: BTreeMap::new(),
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
        let mut waits = Waits::default();
        self.look_at_all();
        loop {
            self.settle();
            if ending && (!stop_all || self.may_end(&mut waits)) {
                return;
            }
            tokio::select! {
                Some(done) = self.work.join_next() => {
                    match done {
                        Ok(Some(done)) => self.note(done),
                        Err(error) if !error.is_cancelled() => tracing::error!(%error, "work of the agent ended early"),
                        _ => {}
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
            let now = self.parts.clock.now();
            let mut steps = plan::advance(task, now, self.parts.rules.pulls);
            if task.desired == Desired::Stopped && cut_pulls(task, &mut self.pulls, now) {
                steps.extend(plan::advance(task, now, self.parts.rules.pulls));
            }
            housekeeping::note_end(task, &self.parts);
            let orders = work::orders(task, &steps, &self.images, &self.parts);
            if task.known() == Known::Stopped && task.credentials_id.is_some() {
                self.parts.cache.forget(&arn, RoleKind::TaskApplication);
            }
            let saved = self.parts.checkpoint.save_task(task);
            if let Err(error) = saved {
                tracing::error!(%error, "a task cannot be saved; trying again");
                work::withdraw(task, &orders);
                let since = *self.unsaved_since.entry(arn.clone()).or_insert(now);
                housekeeping::give_up_unsaved(task, &error, now.seconds_since(since));
                self.dirty.insert(arn.clone());
                self.publish(&arn);
            } else {
                self.unsaved_since.remove(&arn);
                self.release_network(&arn);
                self.release_supplies(&arn);
                self.publish(&arn);
                for order in orders {
                    self.start(&arn, order);
                }
            }
            self.report(&arn, false);
        }
    }

    fn start(&mut self, arn: &str, order: work::Order) {
        let bringing = order.brings_image().map(str::to_owned);
        let handle = work::start(&mut self.work, order, &self.parts);
        if let Some(container) = bringing {
            self.pulls.insert((arn.to_owned(), container), handle);
        }
    }

    fn publish(&self, arn: &str) {
        let Some(task) = self.tasks.get(arn) else { return };
        if let Some(files) = &self.parts.metadata_files {
            files.write(task);
        }
        self.parts.tasks.publish(task.clone());
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
            Command::Secure(changes, done) => self.secure(changes, done),
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
                let mut task = incoming.task;
                if self.parts.surroundings.kind == EngineKind::Process {
                    housekeeping::made_of_processes(&mut task);
                }
                self.tasks.insert(arn.clone(), task);
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
            EngineEvent::Resync => {
                self.look_at_all();
                self.parts.networks_changed.notify_one();
            }
            EngineEvent::Networks => self.parts.networks_changed.notify_one(),
        }
    }

    fn look_at_all(&mut self) {
        let mut all = Vec::new();
        for task in self.tasks.values() {
            let running = task.containers.iter().filter(|one| one.known == Known::Running);
            all.extend(running.map(|one| (task.arn.clone(), one.definition.name.clone())));
        }
        for (task, container) in all {
            self.look(&task, &container);
        }
    }

    fn tick(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        self.dirty.append(&mut self.again);
        let (now, pulls) = (self.parts.clock.now(), self.parts.rules.pulls);
        let due = self
            .tasks
            .values()
            .filter(|task| housekeeping::is_due(task, now, pulls));
        self.dirty.extend(due.map(|task| task.arn.clone()));
        if self.ticks.is_multiple_of(FLUSH_TICKS) {
            let arns: Vec<_> = self.tasks.keys().cloned().collect();
            for arn in &arns {
                self.report(arn, true);
            }
        }
        self.clean_up();
    }

    fn forget(&mut self, arn: &str) {
        self.removing.remove(arn);
        self.unsaved_since.remove(arn);
        self.tasks.remove(arn);
        for kind in [RoleKind::TaskApplication, RoleKind::TaskExecution] {
            self.parts.cache.forget(arn, kind);
        }
        if let Some(files) = &self.parts.metadata_files {
            files.remove(arn);
        }
        self.parts.tasks.retract(arn);
        if let Err(error) = self.parts.checkpoint.remove_task(arn) {
            tracing::warn!(%error, "a finished task stays in the saved state");
        }
    }
}

/// Ends the bringing of images that nobody waits for any more.
fn cut_pulls(task: &mut Task, pulls: &mut HashMap<(String, String), AbortHandle>, now: Timestamp) -> bool {
    let arn = task.arn.clone();
    let brought = plan::Brought {
        arn: &arn,
        is_fargate: task.is_fargate(),
        has_failed: task.failure.is_some(),
    };
    let mut any = false;
    for container in &mut task.containers {
        if plan::cut_pull(container, &brought, now) {
            any = true;
            if let Some(handle) = pulls.remove(&(arn.clone(), container.definition.name.clone())) {
                handle.abort();
            }
        }
    }
    any
}

#[cfg(test)]
mod tests;
