//! The process engine: a container is a child process with its own environment, working directory and process group.
//! For machines without Docker; it isolates next to nothing and says so.

mod record;
mod terminal;
mod watch;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_core::Clock;
use rustix::process::{Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch as channel};

use self::record::Record;
use super::{
    ContainerRef, Engine, EngineError, EngineEvent, Exit, Facts, Launch, Launched, Observed, Terminal,
};
use crate::EngineKind;

/// What the operator must know before trusting this engine.
pub const PROCESS_ENGINE_NOTICE: &str = "process engine: tasks are plain child processes of the agent; they share its user, \
     files, network and process list, get no CPU or memory limit, and images are not used";

/// This machine joined for a program of its own user.
const NOT_FOR_OTHERS: &str =
    "CannotStartContainerError: this machine runs one program of its user and takes no other";

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// An end nobody saw: the exit code is lost with the agent that was the process's parent.
const REASON_UNSEEN: &str = "the process ended while its agent was not running; its exit code is unknown";

/// A process and its end, when it has come.
#[derive(Debug, Clone)]
struct Process {
    record: Record,
    ended: channel::Receiver<Option<Exit>>,
}

/// The engine.
#[derive(Debug, Clone)]
pub(crate) struct ProcessEngine {
    /// Holds `<task id>/<container>/` with working directory, output and record.
    tasks_dir: PathBuf,
    clock: Arc<dyn Clock>,
    events: mpsc::Sender<EngineEvent>,
    processes: Arc<Mutex<HashMap<String, Process>>>,
    /// The one command it starts; any without this.
    only: Option<Vec<String>>,
}

impl ProcessEngine {
    /// An engine that keeps its files below `state_dir`.
    pub(crate) fn new(state_dir: &Path, clock: Arc<dyn Clock>, events: mpsc::Sender<EngineEvent>) -> Self {
        Self {
            tasks_dir: state_dir.join("tasks"),
            clock,
            events,
            processes: Arc::default(),
            only: None,
        }
    }

    /// The same engine, but for one command alone.
    pub(crate) fn only(self, command: Option<Vec<String>>) -> Self {
        Self {
            only: command,
            ..self
        }
    }

    fn folder(&self, container: &ContainerRef) -> PathBuf {
        self.tasks_dir.join(&container.task_id).join(&container.name)
    }

    fn record_path(&self, container: &ContainerRef) -> PathBuf {
        self.folder(container).join("process.json")
    }

    /// The process of a container, taken over from an earlier agent when need be.
    fn find(&self, container: &ContainerRef) -> Option<Process> {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = processes.get(&container.docker_name) {
            return Some(process.clone());
        }
        let record = Record::load(&self.record_path(container))?;
        let process = self.watch(container, record, None);
        processes.insert(container.docker_name.clone(), process.clone());
        Some(process)
    }

    fn watch(&self, container: &ContainerRef, record: Record, child: Option<Child>) -> Process {
        let (sender, ended) = channel::channel(None);
        let (clock, events, name) = (
            Arc::clone(&self.clock),
            self.events.clone(),
            container.docker_name.clone(),
        );
        tokio::spawn(async move {
            let mut exit = watch::end_of(record, child).await;
            exit.finished_at = Some(clock.now());
            sender.send_replace(Some(exit));
            let _ = events.send(EngineEvent::Changed(name)).await;
        });
        Process { record, ended }
    }

    fn spawn(&self, launch: &Launch) -> Result<Launched, EngineError> {
        let container = &launch.container;
        if let Some(process) = self.find(container) {
            return Ok(Launched {
                runtime_id: process.record.runtime_id(),
            });
        }
        let child = self
            .command(launch)?
            .spawn()
            .map_err(|error| cannot_start(&error))?;
        let record = child.id().and_then(|pid| Record::of(pid, self.clock.now()));
        let record = record
            .ok_or_else(|| EngineError::Refused("CannotStartContainerError: the process vanished".into()))?;
        record
            .save(&self.record_path(container))
            .map_err(|error| cannot_start(&error))?;
        let process = self.watch(container, record, Some(child));
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(container.docker_name.clone(), process);
        Ok(Launched {
            runtime_id: record.runtime_id(),
        })
    }

    /// A new process in the place of the one that ended; what it wrote stays.
    fn respawn(&self, launch: &Launch) -> Result<Launched, EngineError> {
        let ended = |process: &Process| process.ended.borrow().is_some();
        if self.find(&launch.container).as_ref().is_some_and(ended) {
            self.processes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&launch.container.docker_name);
            fs::remove_file(self.record_path(&launch.container)).map_err(|error| cannot_start(&error))?;
        }
        self.spawn(launch)
    }

    fn command(&self, launch: &Launch) -> Result<Command, EngineError> {
        let definition = &launch.definition;
        let mut words = definition.entry_point.iter().chain(&definition.command).flatten();
        if let Some(only) = &self.only
            && !words.clone().eq(only)
        {
            return Err(EngineError::Refused(NOT_FOR_OTHERS.into()));
        }
        let Some(program) = words.next() else {
            return Err(EngineError::Refused(
                "CannotStartContainerError: the process engine uses no image; set entryPoint or command"
                    .into(),
            ));
        };
        let folder = self.folder(&launch.container);
        let work = folder.join("work");
        make_private_folder(&work).map_err(|error| cannot_start(&error))?;
        let output = |name: &str| private_file(&folder.join(name)).map_err(|error| cannot_start(&error));
        let mut command = Command::new(program);
        command
            .args(words)
            .env_clear()
            .env("PATH", DEFAULT_PATH)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .envs(
                launch
                    .secret_environment
                    .iter()
                    .map(|(name, value)| (name, value.expose())),
            )
            .current_dir(work)
            .stdin(Stdio::null())
            .stdout(output("stdout")?)
            .stderr(output("stderr")?)
            .process_group(0);
        Ok(command)
    }

    async fn end(&self, container: &ContainerRef, timeout: Duration) {
        let Some(mut process) = self.find(container) else {
            return;
        };
        signal(process.record, Signal::TERM);
        let ended = process.ended.wait_for(Option::is_some);
        if tokio::time::timeout(timeout, ended).await.is_err() {
            signal(process.record, Signal::KILL);
            let _ = process.ended.wait_for(Option::is_some).await;
        }
    }

    fn observe(&self, container: &ContainerRef) -> Observed {
        let Some(process) = self.find(container) else {
            return Observed::Missing;
        };
        if let Some(exit) = process.ended.borrow().clone() {
            return Observed::Exited(exit);
        }
        Observed::Running(Facts {
            runtime_id: process.record.runtime_id(),
            created_at: Some(process.record.started_at),
            started_at: Some(process.record.started_at),
            host_network: true,
            ..Facts::default()
        })
    }

    fn forget(&self, container: &ContainerRef) -> io::Result<()> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&container.docker_name);
        match fs::remove_dir_all(self.folder(container)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The task's folder goes with its last container.
        let _ = fs::remove_dir(self.tasks_dir.join(&container.task_id));
        Ok(())
    }
}

impl Engine for ProcessEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Process
    }

    fn version(&self) -> String {
        "none".to_owned()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        Box::pin(async { self.spawn(launch) })
    }

    fn restart<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        Box::pin(async { self.respawn(launch) })
    }

    fn stop<'a>(
        &'a self,
        container: &'a ContainerRef,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            self.end(container, timeout).await;
            Ok(())
        })
    }

    fn inspect<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<Observed, EngineError>> {
        Box::pin(async { Ok(self.observe(container)) })
    }

    fn remove<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async {
            self.forget(container)
                .map_err(|error| EngineError::Refused(format!("CannotRemoveContainerError: {error}")))
        })
    }

    fn execute<'a>(
        &'a self,
        container: &'a ContainerRef,
        _session: &'a str,
        command: &'a [String],
    ) -> BoxFuture<'a, Result<Arc<dyn Terminal>, EngineError>> {
        Box::pin(async {
            if self.only.is_some() {
                return Err(EngineError::Refused(NOT_FOR_OTHERS.into()));
            }
            let process = self.find(container);
            let pid = process.filter(|process| process.ended.borrow().is_none());
            let pid = pid.and_then(|process| process.record.pid());
            let gone = || EngineError::Refused("the container has ended".to_owned());
            let terminal = terminal::open(pid.ok_or_else(gone)?, command)
                .map_err(|error| EngineError::Refused(format!("{error}")))?;
            Ok(Arc::new(terminal) as Arc<dyn Terminal>)
        })
    }

    fn bridges(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn signal(record: Record, signal: Signal) {
    if let Some(pid) = record.pid().filter(|_| record.is_present())
        && let Err(error) = kill_process_group(pid, signal)
    {
        tracing::debug!(%error, "process group is gone already");
    }
}

fn cannot_start(error: &io::Error) -> EngineError {
    EngineError::Refused(format!("CannotStartContainerError: {error}"))
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests;
