//! Tasks.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Cluster, ContainerInstance, Counts, DesiredStatus, LastStatus, Load, Tables, TaskDefinition,
    TaskInterface, Waiting, expiry_key, shape_json,
};
use crate::world::changes::{Changed, Step};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A task. Its statuses only move forward: `schedule::life_cycle` is the one place that moves them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Where.
    pub region: Region,
    /// The name of its cluster.
    pub cluster: String,
    /// 32 hexadecimal digits; also the session name of its roles (R132).
    pub id: String,
    /// `.../task/CLUSTER/ID`
    pub arn: Arn,
    /// The family of its task definition.
    pub family: String,
    /// The revision of its task definition.
    pub revision: i32,
    /// The id of the container instance it was placed on; empty as long as it waits for room (ecs.md 3).
    pub container_instance: String,
    /// The instance's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// `EC2`, `EXTERNAL` or `FARGATE`.
    pub launch_type: String,
    /// The capacity provider it was launched through, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<String>,
    /// The platform version; only of Fargate tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<String>,
    /// What else Fargate tasks show of their platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<FargatePlatform>,
    /// `family:NAME` unless the caller chose one.
    pub group: String,
    /// Who or what started it, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// What the caller changed of the definition.
    #[serde(with = "shape_json")]
    pub overrides: api::TaskOverride,
    /// CPU units of the whole task, as the definition or the overrides write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// MiB of the whole task, as the definition or the overrides write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// The role its containers act as, from the overrides or the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_role: Option<Arn>,
    /// The role the agent acts as for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_role: Option<Arn>,
    /// What it takes of its container instance.
    pub reservation: Reservation,
    /// Its network interface; only of `awsvpc` tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Box<TaskInterface>>,
    /// Whether ECS Exec was asked for.
    #[serde(default)]
    pub enable_execute_command: bool,
    /// Until when it is protected from scale-in and deployments (ecs.md 9); may have passed: ask
    /// [`is_protected`](Self::is_protected).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_until: Option<Timestamp>,
    /// Whether it should run.
    pub desired: DesiredStatus,
    /// How far it has come.
    pub last: LastStatus,
    /// Its containers, in the order of the definition.
    pub containers: Vec<TaskContainer>,
    /// Grows by one with each change that raises an event.
    pub version: i64,
    /// Why it stopped, or shall stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Its moments.
    pub times: Times,
    /// Its tags; gone once it has stopped (ecs.md 6).
    pub tags: Tags,
    /// The idempotency token of the call that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ClientToken>,
    /// What it asks of an instance, as long as it waits for room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Box<Waiting>>,
}

/// What Fargate tasks show of their platform beside its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FargatePlatform {
    /// The operating system: `Linux`, `WINDOWS_SERVER_2022_CORE`.
    pub family: String,
    /// `x86_64` or `arm64`
    pub architecture: String,
    /// How much storage the task has, in GiB.
    pub storage_gib: i32,
}

/// What a task takes of its container instance (ecs.md 8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// CPU units.
    pub cpu: i32,
    /// MiB.
    pub memory: i32,
    /// Static TCP host ports.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ports: BTreeSet<u16>,
    /// Static UDP host ports.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub udp_ports: BTreeSet<u16>,
    /// Network interfaces.
    #[serde(default)]
    pub interfaces: i32,
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskContainer {
    /// Its name in the definition.
    pub name: String,
    /// The last part of its ARN, a UUID.
    pub id: String,
    /// Whether its end is the task's end.
    pub essential: bool,
    /// CPU units.
    pub cpu: i32,
    /// Hard limit in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<i32>,
    /// Soft limit in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<i32>,
    /// The image as the definition names it.
    pub image: String,
    /// What the registry says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// Docker's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_id: Option<String>,
    /// How far it has come.
    pub last: LastStatus,
    /// The status its main process ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The agent's words on why it did not start or was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How its ports can be reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_bindings: Vec<Binding>,
    /// Whether the definition has a health check; without one the health stays UNKNOWN (ecs.md 9).
    #[serde(default)]
    pub has_health_check: bool,
    /// What its health check says.
    #[serde(default)]
    pub health: Health,
    /// What stands ready in it for Execute Command, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec_agent: Option<ExecAgent>,
}

/// AWS's name of what stands ready in a container for Execute Command.
pub const EXEC_AGENT_NAME: &str = "ExecuteCommandAgent";

/// The managed agent `ExecuteCommandAgent` of a container, as its host reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecAgent {
    /// How far it has come.
    pub status: ExecAgentStatus,
    /// Why it is not there, in the host's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it last came up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
}

/// How far a managed agent has come; unlike a container it may come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecAgentStatus {
    /// Not there yet.
    #[default]
    Pending,
    /// It can be reached.
    Running,
    /// It cannot.
    Stopped,
}

impl ExecAgentStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// One port of a container as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The address of the host.
    pub bind_ip: Option<String>,
    /// The port inside.
    pub container_port: Option<i32>,
    /// The port outside.
    pub host_port: Option<i32>,
    /// `tcp` or `udp`.
    pub protocol: Option<String>,
}

/// The outcome of health checks; worse ones are greater (ecs.md 9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Health {
    /// The last check passed.
    Healthy,
    /// There is no check, or it has not ended yet.
    #[default]
    Unknown,
    /// Too many checks in a row failed.
    Unhealthy,
}

/// Why a task stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The kind of reason.
    pub code: StopCode,
    /// The reason in words.
    pub reason: String,
}

/// AWS's kinds of reasons, those that can occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// It never ran.
    TaskFailedToStart,
    /// An essential container ended by itself.
    EssentialContainerExited,
    /// StopTask.
    UserInitiated,
    /// The scheduler of its service.
    ServiceSchedulerInitiated,
    /// Its container instance was deregistered.
    TerminationNotice,
}

/// The moments of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When it was made.
    pub created: Timestamp,
    /// When its instance took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<Timestamp>,
    /// When the first image pull began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_started: Option<Timestamp>,
    /// When the last image pull ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_stopped: Option<Timestamp>,
    /// When it became RUNNING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When its desired status became STOPPED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Timestamp>,
    /// When its first essential container ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_stopped: Option<Timestamp>,
    /// When it became STOPPED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Timestamp>,
}

/// An idempotency token and what was asked with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// The token.
    pub token: String,
    /// A digest of the parameters, to tell a repetition from a clash.
    pub parameters: String,
}

impl Health {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Unknown => "UNKNOWN",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

impl StopCode {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailedToStart => "TaskFailedToStart",
            Self::EssentialContainerExited => "EssentialContainerExited",
            Self::UserInitiated => "UserInitiated",
            Self::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
            Self::TerminationNotice => "TerminationNotice",
        }
    }
}

impl Task {
    /// `REGION/CLUSTER/ID`
    pub fn key_of(region: &Region, cluster: &str, id: &str) -> String {
        format!("{region}/{cluster}/{id}")
    }

    /// Another ARN of the same account and region.
    pub fn arn_beside(&self, resource: std::fmt::Arguments<'_>) -> String {
        let arn = self.arn.as_str();
        let head = arn.strip_suffix(self.arn.resource()).unwrap_or(arn);
        format!("{head}{resource}")
    }

    /// The ARN of its cluster.
    pub fn cluster_arn(&self) -> String {
        self.arn_beside(format_args!("cluster/{}", self.cluster))
    }

    /// The ARN of its container instance.
    pub fn container_instance_arn(&self) -> String {
        self.arn_beside(format_args!(
            "container-instance/{}/{}",
            self.cluster, self.container_instance
        ))
    }

    /// The ARN of its task definition.
    pub fn task_definition_arn(&self) -> String {
        let kind = match self.daemon() {
            Some(_) => "daemon-task-definition",
            None => "task-definition",
        };
        self.arn_beside(format_args!("{kind}/{}:{}", self.family, self.revision))
    }

    /// What it runs, when that is still kept.
    pub fn definition<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<TaskDefinition>> {
        let key = TaskDefinition::key_of(&self.region, &self.family, self.revision);
        match self.daemon() {
            Some(_) => view.ecs.daemon_definitions_as_tasks.get(&key),
            None => view.ecs.task_definitions.get(&key),
        }
    }

    /// Whether it takes anything of its instance.
    pub fn holds_reservation(&self) -> bool {
        self.desired == DesiredStatus::Running && self.last != LastStatus::Stopped && self.is_placed()
    }

    /// The key of its container instance, when it has one.
    pub fn instance_key(&self) -> Option<String> {
        let key = || ContainerInstance::key_of(&self.region, &self.cluster, &self.container_instance);
        self.is_placed().then(key)
    }

    /// The key of the instance it takes something of.
    pub fn reserves_on(&self) -> Option<String> {
        self.instance_key().filter(|_| self.holds_reservation())
    }

    /// Whether scale-in and deployments must leave it alone now.
    pub fn is_protected(&self, now: Timestamp) -> bool {
        self.protected_until.is_some_and(|until| until > now)
    }

    /// The service it belongs to.
    pub fn service(&self) -> Option<&str> {
        self.group.strip_prefix("service:")
    }

    /// The daemon it belongs to. Nobody but ECS can start a task of such a group.
    pub fn daemon(&self) -> Option<&str> {
        self.group.strip_prefix("daemon:")
    }

    /// What keeps it running: the name of its service, or `daemon:NAME`.
    pub fn owner(&self) -> Option<&str> {
        self.service()
            .or_else(|| self.daemon().map(|_| self.group.as_str()))
    }

    fn expiry(&self) -> Option<String> {
        let stopped = self.times.stopped.filter(|_| self.last == LastStatus::Stopped)?;
        Some(expiry_key(stopped, Self::KIND, &self.key()))
    }
}

/// What a task adds to its instance's load: set operations for ports, sums for the rest.
fn add(load: &mut Load, task: &Task) {
    match task.last {
        last if last.is_before_running() => load.pending_tasks += 1,
        LastStatus::Running => load.running_tasks += 1,
        _ => {}
    }
    // An interface is there until the task has ended altogether.
    if task.last != LastStatus::Stopped {
        load.interfaces += task.reservation.interfaces;
    }
    if task.holds_reservation() {
        load.cpu = load.cpu.saturating_add(task.reservation.cpu);
        load.memory = load.memory.saturating_add(task.reservation.memory);
        load.ports.extend(&task.reservation.ports);
        load.udp_ports.extend(&task.reservation.udp_ports);
    }
}

fn take(load: &mut Load, task: &Task) {
    match task.last {
        last if last.is_before_running() => load.pending_tasks -= 1,
        LastStatus::Running => load.running_tasks -= 1,
        _ => {}
    }
    if task.last != LastStatus::Stopped {
        load.interfaces -= task.reservation.interfaces;
    }
    if task.holds_reservation() {
        load.cpu = load.cpu.saturating_sub(task.reservation.cpu);
        load.memory = load.memory.saturating_sub(task.reservation.memory);
        load.ports.retain(|port| !task.reservation.ports.contains(port));
        load.udp_ports
            .retain(|port| !task.reservation.udp_ports.contains(port));
    }
}

/// Keeps the load of its instance in step with a task. One that waited for room had none.
fn reserve(tables: &mut Tables, before: Option<&Task>, after: Option<&Task>, is_loading: bool) {
    let instance = |task: Option<&Task>| task.and_then(Task::instance_key);
    let Some(instance) = instance(after).or_else(|| instance(before)) else {
        return;
    };
    let before = before.filter(|task| task.is_placed());
    let after = after.filter(|task| task.is_placed());
    // Also when nothing in it changes: a new row tells the instance's session that one of its tasks did.
    tables.reserve(&instance, |load| {
        before.into_iter().for_each(|task| take(load, task));
        after.into_iter().for_each(|task| add(load, task));
        let reserves = |task: Option<&Task>| task.and_then(Task::reserves_on);
        if !is_loading && reserves(before) != reserves(after) {
            load.changes += 1;
        }
    });
}

fn count(counts: &mut Counts, task: &Task, step: i32) {
    match task.last {
        last if last.is_before_running() => *counts.pending_tasks.of(&task.launch_type) += step,
        LastStatus::Running => *counts.running_tasks.of(&task.launch_type) += step,
        _ => {}
    }
}

impl Record for Task {
    const KIND: &'static str = "ecs-task";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.tasks
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.tasks
    }
    fn changed(before: Option<&Arc<Self>>, after: Option<&Arc<Self>>) -> Option<Changed> {
        Some(Changed::Task(Step::new(before, after)))
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let change = snapshot.sequence;
        let is_loading = change == 0;
        let tables = &mut snapshot.ecs;
        tables.count_deployment(before, after);
        tables.stir_by_task(before, after, change);
        tables.mark_interface_work(before, after, change);
        tables.expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
        let (old, new) = (before.map(Self::index_keys), after.map(Self::index_keys));
        if old != new {
            old.iter().flatten().for_each(|key| tables.task_index.remove(key));
            new.iter()
                .flatten()
                .for_each(|key| tables.task_index.insert(key, ()));
        }
        tables.wait_for_room(before, after, change);
        let Some(row) = after.or(before) else { return };
        reserve(tables, before, after, is_loading);
        tables.count(&Cluster::key_of(&row.region, &row.cluster), |counts| {
            before.into_iter().for_each(|task| count(counts, task, -1));
            after.into_iter().for_each(|task| count(counts, task, 1));
        });
        before
            .into_iter()
            .for_each(|task| tables.count_provider(task, -1));
        after.into_iter().for_each(|task| tables.count_provider(task, 1));
        before
            .into_iter()
            .filter(|task| task.holds_reservation())
            .for_each(|task| tables.count_group(task, -1));
        after
            .into_iter()
            .filter(|task| task.holds_reservation())
            .for_each(|task| tables.count_group(task, 1));
    }
}
