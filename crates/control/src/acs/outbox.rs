//! What an agent was sent and has acknowledged, and what it must be sent next. Pure: pictures and times in, work out.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use portcullis_core::Timestamp;

use super::credentials::RoleType;
use crate::world::Snapshot;
use crate::world::records::ecs::{ContainerInstance, DesiredStatus, Facet, LastStatus, Task, TaskSet};

/// After how many seconds something unacknowledged is sent again.
const RESEND_SECONDS: i64 = 60;

/// What one agent knows, kept from one connection to the next.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The number of the last payload or manifest; it only grows, also over restarts (agent.md 5.2).
    timeline: i64,
    /// By task id.
    tasks: HashMap<String, Sent>,
    /// Task ids by the message ids of payloads not yet acknowledged.
    payloads: HashMap<String, String>,
}

#[derive(Debug, Default)]
struct Sent {
    payload: Option<Payload>,
    firewall: Option<SentFirewall>,
    credentials: BTreeMap<RoleType, Issued>,
}

#[derive(Debug)]
struct Payload {
    message_id: String,
    desired: DesiredStatus,
    at: Timestamp,
    acknowledged: bool,
}

/// What an agent was told a task's security groups come to.
#[derive(Debug)]
struct SentFirewall {
    version: u64,
    message_id: String,
    at: Timestamp,
    acknowledged: bool,
}

/// Credentials an agent was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issued {
    /// Their id, the same over rotations.
    pub id: String,
    /// The end as the agent repeats it.
    pub expiration: String,
    /// When they were sent.
    pub at: Timestamp,
    /// When the next ones are due.
    pub rotate: Timestamp,
    /// Whether the agent has taken them.
    pub acknowledged: bool,
}

/// The next thing to send.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// A payload, with credentials when the task shall run.
    Payload(Arc<Task>),
    /// New credentials under the old id.
    Credentials(Arc<Task>, RoleType),
}

impl Outbox {
    /// Begins a new connection: what was under way on the old one is sent again. An agent that lost its credentials
    /// (it has started anew) gets those of all its tasks.
    pub fn connect(&mut self, send_credentials: bool, highest_seen: i64) {
        self.timeline = self.timeline.max(highest_seen);
        self.payloads.clear();
        for sent in self.tasks.values_mut() {
            sent.payload = None;
            sent.firewall = None;
            // What went into a connection that was cut may never have arrived.
            sent.credentials
                .retain(|_, issued| issued.acknowledged && !send_credentials);
        }
    }

    /// The next number: the time, as long as it grows.
    pub fn next_number(&mut self, now: Timestamp) -> i64 {
        self.timeline = now.as_millis().max(self.timeline.saturating_add(1));
        self.timeline
    }

    /// Everything to be sent now.
    pub fn due(&mut self, view: &Snapshot, instance: &ContainerInstance, now: Timestamp) -> Vec<Work> {
        let tasks = tasks_on(view, instance);
        // As long as no more are known than are there, hardly any is gone: not worth a walk at every change.
        if self.tasks.len() > tasks.len() {
            let there: HashSet<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
            self.tasks.retain(|id, _| there.contains(id.as_str()));
            self.payloads.retain(|_, id| there.contains(id.as_str()));
        }
        tasks
            .into_iter()
            .flat_map(|task| self.due_of(task, now))
            .collect()
    }

    fn due_of(&self, task: Arc<Task>, now: Timestamp) -> Vec<Work> {
        let sent = self.tasks.get(&task.id);
        let is_late = |at: Timestamp| now.seconds_since(at) >= RESEND_SECONDS;
        let payload = sent
            .and_then(|sent| sent.payload.as_ref())
            .filter(|payload| payload.desired == task.desired);
        let needs_payload = match payload {
            Some(payload) => !payload.acknowledged && is_late(payload.at),
            None => true,
        };
        let is_known = task.desired == DesiredStatus::Running && task.last == LastStatus::Running;
        if needs_payload && !is_known {
            return vec![Work::Payload(task)];
        }
        if task.desired == DesiredStatus::Stopped {
            return Vec::new();
        }
        let lacks = |role_type: &RoleType| {
            let issued = sent.and_then(|sent| sent.credentials.get(role_type));
            let due = issued.is_none_or(|one| now >= one.rotate || !one.acknowledged && is_late(one.at));
            due && role_type.role_of(&task).is_some()
        };
        let due: Vec<_> = RoleType::ALL.into_iter().filter(lacks).collect();
        due.into_iter()
            .map(|role_type| Work::Credentials(Arc::clone(&task), role_type))
            .collect()
    }

    /// A payload went out.
    pub fn sent_payload(&mut self, task: &Task, message_id: &str, now: Timestamp) {
        let payload = Payload {
            message_id: message_id.to_owned(),
            desired: task.desired,
            at: now,
            acknowledged: false,
        };
        let replaced = self
            .tasks
            .entry(task.id.clone())
            .or_default()
            .payload
            .replace(payload);
        if let Some(replaced) = replaced {
            self.payloads.remove(&replaced.message_id);
        }
        self.payloads.insert(message_id.to_owned(), task.id.clone());
    }

    /// Whether the agent, which has the task, is to be told this version of its firewall. While it has another one in hand it is
    /// not: what its acknowledgement finds then is sent at once, however often it changed meanwhile.
    pub fn needs_firewall(&self, task: &Task, version: u64, now: Timestamp) -> bool {
        let sent = self.tasks.get(&task.id);
        match sent.and_then(|sent| sent.firewall.as_ref()) {
            Some(known) if known.acknowledged => known.version != version,
            Some(known) => now.seconds_since(known.at) >= RESEND_SECONDS,
            // With its payload it comes first.
            None => task.last == LastStatus::Running || sent.is_some_and(|sent| sent.payload.is_some()),
        }
    }

    /// A task's firewall went out, with its payload or in a message of its own.
    pub fn sent_firewall(&mut self, task: &Task, version: u64, message_id: &str, now: Timestamp) {
        self.tasks.entry(task.id.clone()).or_default().firewall = Some(SentFirewall {
            version,
            message_id: message_id.to_owned(),
            at: now,
            acknowledged: false,
        });
    }

    /// Credentials went out.
    pub fn sent_credentials(&mut self, task: &Task, role_type: RoleType, issued: Issued) {
        self.tasks
            .entry(task.id.clone())
            .or_default()
            .credentials
            .insert(role_type, issued);
    }

    /// The agent has handled a payload or firewalls. Whether there were firewalls: newer ones may have waited for that.
    pub fn acknowledge(&mut self, message_id: &str) -> bool {
        let task = self.payloads.remove(message_id);
        let sent = task.and_then(|task| self.tasks.get_mut(&task));
        if let Some(payload) = sent.and_then(|sent| sent.payload.as_mut()) {
            payload.acknowledged = true;
        }
        let firewalls = self.tasks.values_mut().filter_map(|sent| sent.firewall.as_mut());
        let mut were_firewalls = false;
        for firewall in firewalls.filter(|firewall| firewall.message_id == message_id) {
            firewall.acknowledged = true;
            were_firewalls = true;
        }
        were_firewalls
    }

    /// The agent has taken credentials. Acknowledgements of older ones are passed over.
    pub fn acknowledge_credentials(&mut self, id: &str, expiration: &str) {
        let issued = self
            .tasks
            .values_mut()
            .flat_map(|sent| sent.credentials.values_mut());
        for one in issued.filter(|one| one.id == id && one.expiration == expiration) {
            one.acknowledged = true;
        }
    }
}

/// The tasks placed on an instance that its agent has to know: not those whose network interface is still to be made, or
/// that have ended. Nothing else is ever sent to it.
pub(super) fn tasks_on(view: &Snapshot, instance: &ContainerInstance) -> Vec<Arc<Task>> {
    let facet = Facet::ContainerInstance(&instance.id);
    let set = |desired| TaskSet::new(&instance.region, &instance.cluster, facet, desired);
    let mut tasks = Vec::new();
    for set in [set(DesiredStatus::Stopped), set(DesiredStatus::Running)] {
        let rows = view.ecs.tasks_of(&set, None).map(|(_, task)| task);
        // Those stopping stand before those stopped.
        let alive = rows.take_while(|task| task.last != LastStatus::Stopped);
        tasks.extend(alive.filter(|task| task.is_with_agent()).cloned());
    }
    tasks
}
