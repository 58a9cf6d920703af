//! The life of a task: the one place that moves its statuses, and only forward (ecs.md 9, agent.md 8).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use portcullis_core::Timestamp;

use crate::gate::assume::TASK_SESSION_SECONDS;
use crate::world::Tx;
use crate::world::records::Record as _;
use crate::world::records::ecs::{
    AttachmentStatus, Binding, ContainerInstance, DesiredStatus, ExecAgentStatus, Facet, Health, KeptRoom,
    LastStatus, MadeInterface, Stop, StopCode, Task, TaskContainer, TaskEnds, TaskSet, ZONE_ATTRIBUTE,
};
use crate::world::records::iam::Revocation;

/// Longest reason kept, in characters (agent.md 5.1).
const REASON_CHARS_MAX: usize = 1_024;

/// What an agent reports of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskReport {
    /// The task's status; `None` when only containers are reported.
    pub status: Option<LastStatus>,
    /// Why, in the agent's words; empty when it has none.
    pub reason: String,
    /// Its containers, in the order they changed; one may occur twice.
    pub containers: Vec<ContainerReport>,
    /// What stands ready in its containers for Execute Command, by the containers' names.
    pub exec_agents: Vec<(String, ExecAgentReport)>,
    /// When the first image pull began.
    pub pull_started: Option<Timestamp>,
    /// When the last image pull ended.
    pub pull_stopped: Option<Timestamp>,
    /// When the first essential container ended.
    pub execution_stopped: Option<Timestamp>,
}

/// What an agent reports of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerReport {
    /// Which.
    pub name: String,
    /// Its status.
    pub status: Option<LastStatus>,
    /// What the registry says its image is.
    pub image_digest: Option<String>,
    /// Docker's id.
    pub runtime_id: Option<String>,
    /// The status its main process ended with.
    pub exit_code: Option<i32>,
    /// Why it did not start or was ended.
    pub reason: Option<String>,
    /// How its ports can be reached.
    pub network_bindings: Option<Vec<Binding>>,
}

/// What an agent reports of a managed agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecAgentReport {
    /// How far it has come.
    pub status: ExecAgentStatus,
    /// Why it is not there.
    pub reason: Option<String>,
}

impl Task {
    /// Wants the task stopped. The first reason stays; a task that is to stop already is left alone.
    pub fn ask_to_stop(&mut self, code: StopCode, reason: impl Into<String>, now: Timestamp) {
        if self.desired == DesiredStatus::Stopped {
            return;
        }
        self.desired = DesiredStatus::Stopped;
        self.stop = Some(Stop {
            code,
            reason: reason.into(),
        });
        self.times.stopping = Some(now);
        self.version += 1;
        if !self.is_placed() {
            // Nobody else will ever say that it has stopped.
            self.close(now);
        }
    }

    /// Puts a task that waited for room on an instance.
    pub fn place(&mut self, instance: &ContainerInstance) {
        self.container_instance.clone_from(&instance.id);
        let zone = instance.attributes.get(ZONE_ATTRIBUTE);
        self.availability_zone = zone.cloned().flatten();
        // One with a network interface goes to its host when that is there.
        if self.interface.is_none() {
            self.last = LastStatus::Pending;
        }
        self.waits = None;
        self.version += 1;
    }

    /// Takes over what an agent reports. Old and repeated news change nothing; a task that no agent can know of yet, or
    /// that has ended on its host, stays as it is.
    pub fn report(&mut self, report: TaskReport, now: Timestamp) {
        if !self.is_with_agent() {
            return;
        }
        let before = self.clone();
        self.times.connected.get_or_insert(now);
        for container in report.containers {
            self.report_container(container);
        }
        for (container, agent) in report.exec_agents {
            self.report_exec_agent(&container, agent, now);
        }
        keep_first(&mut self.times.pull_started, report.pull_started);
        keep_first(&mut self.times.pull_stopped, report.pull_stopped);
        keep_first(&mut self.times.execution_stopped, report.execution_stopped);
        match report.status {
            Some(LastStatus::Running) if self.last < LastStatus::Running => {
                self.last = LastStatus::Running;
                self.times.started = Some(now);
            }
            Some(LastStatus::Pending) if self.last == LastStatus::Pending && self.interface.is_some() => {
                self.last = LastStatus::Activating;
            }
            Some(LastStatus::Stopped) => self.end(&report.reason, now),
            _ => {}
        }
        self.end_with_essential(&report.reason, now);
        if *self != before {
            self.version = before.version + 1;
        }
    }

    /// Ends the task whatever its containers do: its instance is gone, or it could not be handed to an agent.
    pub fn abandon(&mut self, code: StopCode, reason: impl Into<String>, now: Timestamp) {
        if self.last >= LastStatus::Deprovisioning {
            return;
        }
        let version = self.version + 1;
        self.ask_to_stop(code, reason, now);
        self.end("", now);
        self.version = version;
    }

    /// The worst health of the essential containers (ecs.md 9).
    pub fn health(&self) -> Health {
        self.containers
            .iter()
            .filter(|one| one.essential)
            .map(TaskContainer::shown_health)
            .max()
            .unwrap_or_default()
    }

    /// Takes over the health of containers, by name.
    pub fn report_health(&mut self, healths: &BTreeMap<String, Health>) {
        for container in &mut self.containers {
            if let Some(health) = healths.get(&container.name) {
                container.health = *health;
            }
        }
        self.version += 1;
    }

    fn report_container(&mut self, report: ContainerReport) {
        let Some(container) = self.containers.iter_mut().find(|one| one.name == report.name) else {
            return;
        };
        if container.last == LastStatus::Stopped {
            return;
        }
        if let Some(status) = report.status {
            container.last = container.last.max(status);
        }
        keep_last(&mut container.image_digest, report.image_digest);
        keep_last(&mut container.runtime_id, report.runtime_id);
        keep_last(&mut container.exit_code, report.exit_code);
        keep_last(
            &mut container.reason,
            report
                .reason
                .filter(|text| !text.is_empty())
                .map(|text| cut(&text)),
        );
        if let Some(bindings) = report.network_bindings.filter(|list| !list.is_empty()) {
            container.network_bindings = bindings;
        }
    }

    /// Managed agents come and go while their container runs. One nobody asked for is not believed.
    fn report_exec_agent(&mut self, container: &str, report: ExecAgentReport, now: Timestamp) {
        let mut containers = self.containers.iter_mut();
        let found = containers.find(|one| one.name == container && one.last != LastStatus::Stopped);
        let Some(agent) = found.and_then(|one| one.exec_agent.as_mut()) else {
            return;
        };
        if report.status == ExecAgentStatus::Running && agent.status != ExecAgentStatus::Running {
            agent.started = Some(now);
        }
        agent.status = report.status;
        agent.reason = report
            .reason
            .filter(|text| !text.is_empty())
            .map(|text| cut(&text));
    }

    /// An essential container that ended ends the task: the agent stops the others by itself.
    fn end_with_essential(&mut self, reason: &str, now: Timestamp) {
        if self
            .containers
            .iter()
            .any(|one| one.essential && one.last == LastStatus::Stopped)
        {
            let stop = self.own_end(reason);
            self.ask_to_stop(stop.code, stop.reason, now);
        }
    }

    fn end(&mut self, reason: &str, now: Timestamp) {
        let stop = self.own_end(reason);
        self.ask_to_stop(stop.code, stop.reason, now);
        self.close(now);
    }

    /// Its containers have ended, or never will be. What EC2 has made for it goes first.
    fn close(&mut self, now: Timestamp) {
        self.waits = None;
        for container in &mut self.containers {
            container.last = LastStatus::Stopped;
        }
        let is_placed = self.is_placed();
        match self.interface.as_mut().filter(|interface| interface.is_left()) {
            Some(interface) if is_placed => {
                interface.status = AttachmentStatus::Detached;
                self.last = LastStatus::Deprovisioning;
            }
            Some(interface) => {
                interface.status = AttachmentStatus::Deleted;
                self.finish(now);
            }
            None => self.finish(now),
        }
    }

    fn finish(&mut self, now: Timestamp) {
        self.last = LastStatus::Stopped;
        self.times.stopped = Some(now);
        // Stopping a task deletes its tags (ecs.md 6).
        self.tags = portcullis_core::Tags::new();
    }

    /// Its network interface is there: its host gets it.
    pub fn provision(&mut self, made: MadeInterface, now: Timestamp) {
        let Some(interface) = self.interface.as_mut() else {
            return;
        };
        interface.made = Some(made);
        interface.status = AttachmentStatus::Attached;
        self.times.connected.get_or_insert(now);
        // One that is to stop already does not go to its host any more.
        if self.last == LastStatus::Provisioning && self.desired == DesiredStatus::Running {
            self.last = LastStatus::Pending;
        }
        self.version += 1;
    }

    /// Its network interface is gone, or never was: it can end.
    pub fn deprovision(&mut self, now: Timestamp) {
        let Some(interface) = self.interface.as_mut() else {
            return;
        };
        interface.status = AttachmentStatus::Deleted;
        let version = self.version + 1;
        match (self.last, self.desired) {
            (LastStatus::Deprovisioning, _) => self.finish(now),
            (LastStatus::Provisioning, DesiredStatus::Stopped) => self.close(now),
            _ => {}
        }
        self.version = version;
    }

    /// Its containers are being stopped.
    pub fn show_stopping(&mut self) {
        if self.is_with_agent() && self.desired == DesiredStatus::Stopped {
            self.last = LastStatus::Stopping;
            self.version += 1;
        }
    }

    /// Why a task ended that nobody asked to stop. It failed to start if it never ran and something says why.
    fn own_end(&self, reason: &str) -> Stop {
        let never_ran = self.times.started.is_none();
        let words = self.containers.iter().find_map(|one| one.reason.clone());
        let words = words.or_else(|| (!reason.is_empty()).then(|| cut(reason)));
        match words.filter(|_| never_ran) {
            Some(reason) => Stop {
                code: StopCode::TaskFailedToStart,
                reason,
            },
            None if never_ran && self.containers.iter().all(|one| one.exit_code.is_none()) => Stop {
                code: StopCode::TaskFailedToStart,
                reason: "Task failed to start".to_owned(),
            },
            None => Stop {
                code: StopCode::EssentialContainerExited,
                reason: "Essential container in task exited".to_owned(),
            },
        }
    }
}

impl TaskContainer {
    /// Without a health check of the definition the health is UNKNOWN, whatever the image says (ecs.md 9).
    pub fn shown_health(&self) -> Health {
        if self.has_health_check {
            self.health
        } else {
            Health::Unknown
        }
    }
}

/// Keeps a changed task. When its containers have stopped, the sessions of its roles end with it (docs/fidelity.md): AWS lets them
/// run out.
pub fn keep(tx: &mut Tx<'_>, task: Task) {
    let before = tx.view().ecs.tasks.get(&task_key(&task));
    let was_stopped = before.is_some_and(|row| row.last >= LastStatus::Deprovisioning);
    let held_room = before.is_some_and(|row| row.holds_reservation());
    keep_room(tx, &task, held_room);
    if task.last >= LastStatus::Deprovisioning && !was_stopped {
        revoke(tx, &task);
        TaskEnds::note(tx, &task);
    }
    let instance = ContainerInstance::key_of(&task.region, &task.cluster, &task.container_instance);
    tx.put(task);
    grant_versions(tx, &instance);
}

/// Of a daemon's task: its room waits for the next one, which then takes it (ecs.md 11).
fn keep_room(tx: &mut Tx<'_>, task: &Task, held_room: bool) {
    let Some(instance) = task.instance_key() else {
        return;
    };
    let room = KeptRoom::key_of(&instance, &task.group);
    match (held_room, task.holds_reservation()) {
        (false, true) if tx.view().ecs.kept_rooms.get(&room).is_some() => tx.delete::<KeptRoom>(&room),
        (true, false) if tx.view().ecs.keeps_room_of(task) => tx.put(KeptRoom::of(task)),
        _ => {}
    }
}

/// Gives back what is kept in a cluster, by its key, for a group whose owner ends.
pub(crate) fn give_up_rooms(tx: &mut Tx<'_>, cluster_key: &str, group: &str) {
    let rooms = tx.view().ecs.rooms_of(cluster_key, group);
    rooms.iter().for_each(|room| tx.delete::<KeptRoom>(&room.key()));
}

/// Gives back what is kept on an instance.
fn give_rooms_back(tx: &mut Tx<'_>, instance: &ContainerInstance) {
    let key = ContainerInstance::key_of(&instance.region, &instance.cluster, &instance.id);
    let rooms = tx.view().ecs.kept_for_others(&key, "");
    rooms.iter().for_each(|room| tx.delete::<KeptRoom>(&room.key()));
}

/// Lets an instance count on, when a change of what is reserved on it used up its numbers.
fn grant_versions(tx: &mut Tx<'_>, instance_key: &str) {
    let tables = &tx.view().ecs;
    let row = tables.container_instances.get(instance_key);
    let load = tables.loads.get(instance_key);
    if let Some(row) = row.zip(load).and_then(|(row, load)| row.granting_versions(load)) {
        tx.put(row);
    }
}

fn task_key(task: &Task) -> String {
    Task::key_of(&task.region, &task.cluster, &task.id)
}

fn revoke(tx: &mut Tx<'_>, task: &Task) {
    for arn in [&task.task_role, &task.execution_role].into_iter().flatten() {
        let Some(role_id) = tx.view().role_by_arn(arn.as_str()).map(|role| role.id.clone()) else {
            continue;
        };
        let expires = tx.now.plus_seconds(TASK_SESSION_SECONDS);
        tx.put(Revocation {
            role_id,
            session_name: task.id.clone(),
            expires,
        });
    }
}

/// Ends the tasks of an instance that was deregistered: their records stop, nobody hears of them again (ecs.md 8).
pub fn orphan(tx: &mut Tx<'_>, instance: &ContainerInstance) {
    let facet = Facet::ContainerInstance(&instance.id);
    let set = |desired| TaskSet::new(&instance.region, &instance.cluster, facet, desired);
    let mut tasks = Vec::new();
    for set in [set(DesiredStatus::Running), set(DesiredStatus::Stopped)] {
        let rows = tx
            .view()
            .ecs
            .tasks_of(&set, None)
            .map(|(_, task)| Task::clone(task));
        tasks.extend(rows.filter(|task| task.last != LastStatus::Stopped));
    }
    for mut task in tasks {
        let host = instance.ec2_instance_id.as_deref().unwrap_or(&instance.id);
        let reason = format!("Host EC2 (instance {host}) terminated.");
        task.abandon(StopCode::TerminationNotice, reason, tx.now);
        keep(tx, task);
    }
    give_rooms_back(tx, instance);
}

fn keep_first<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

fn keep_last<T>(slot: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *slot = value;
    }
}

fn cut(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}
