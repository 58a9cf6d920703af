//! What the agents do: start and stop what they are told, sometimes late, sometimes not at all, sometimes twice.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use portcullis_control::world::Tx;
use portcullis_control::world::records::ecs::{ContainerInstance, DesiredStatus, Health, LastStatus, Task};

use super::region::Region;
use super::watch::is_checked;
use super::{CLUSTER, PROVIDER, id_of, key_of};
use crate::agent::Instance;

/// May be a container instance.
const AGENT: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["ecs:RegisterContainerInstance","ecs:Submit*"],"Resource":"*"}]}"#;

/// A simulated agent, with an identity of its own.
pub(super) struct Agent {
    pub instance: Instance,
    /// Its user's name.
    pub name: String,
    pub zone: &'static str,
    /// It is of the group that scales.
    pub scales: bool,
    pub connected: bool,
    pub drains: bool,
    /// How many times it looks away before it does something.
    pub lag: usize,
}

/// A report: the status, and the exit code of the container.
type Report = (&'static str, Option<i32>);

impl Region {
    /// A machine in a zone, of the group that scales or not.
    pub(super) async fn register(&mut self, zone: &'static str, scales: bool) -> Agent {
        let name = format!("agent-{}", self.machines);
        self.machines += 1;
        let client = self.server.user(&name, AGENT).await;
        let mut attributes = vec![("ecs.availability-zone", Some(zone))];
        attributes.extend(scales.then_some(("portcullis.auto-scaling-group", Some(PROVIDER))));
        let instance = Instance::register_plain(&client, CLUSTER, &attributes).await;
        self.connect(&instance, true).await;
        Agent {
            instance,
            name,
            zone,
            scales,
            connected: true,
            drains: false,
            lag: 1 + self.dice.below(3),
        }
    }

    /// The session of an agent begins or ends.
    pub(super) async fn connect(&self, instance: &Instance, connected: bool) {
        let key = key_of(id_of(&instance.arn));
        let note = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            let mut found = ContainerInstance::clone(tx.view().ecs.container_instances.get(&key).unwrap());
            found.agent_connected = connected;
            tx.put(found);
            Ok(())
        };
        self.server.gate.world().write(note).await.unwrap();
    }

    /// Every agent does some of what is wanted of it; whether there was anything.
    pub(super) async fn agents_work(&mut self, trouble: bool) -> bool {
        let view = self.view();
        let mut by_instance: BTreeMap<&str, Vec<&Arc<Task>>> = BTreeMap::new();
        let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
        for task in tasks.filter(|task| task.last != LastStatus::Stopped) {
            by_instance
                .entry(&task.container_instance)
                .or_default()
                .push(task);
        }
        let mut worked = false;
        for at in 0..self.agents.len() {
            if !self.agents[at].connected {
                continue;
            }
            let tasks = by_instance
                .remove(id_of(&self.agents[at].instance.arn))
                .unwrap_or_default();
            for task in tasks {
                if !trouble || self.dice.below(self.agents[at].lag) == 0 {
                    worked |= self.work(at, task, trouble).await;
                }
            }
        }
        worked
    }

    /// One agent goes on with one task.
    async fn work(&mut self, at: usize, task: &Task, trouble: bool) -> bool {
        if let Some(report) = self.next_report(task, trouble) {
            self.watch.starts(at, task);
            let instance = &self.agents[at].instance;
            let (status, exit_code) = report;
            instance
                .submit(task.arn.as_str(), status, &[("app", exit_code)])
                .await;
            if trouble && self.dice.once_in(10) {
                self.report_late(at, task, report).await;
            }
            return true;
        }
        match self.next_health(task, trouble) {
            Some(health) => self.report_health(task, health).await,
            None => return false,
        }
        true
    }

    fn next_report(&mut self, task: &Task, trouble: bool) -> Option<Report> {
        match (task.desired, task.last) {
            (DesiredStatus::Stopped, _) => Some(("STOPPED", Some(143))),
            (_, LastStatus::Pending) if self.is_broken(task) => Some(("STOPPED", None)),
            (_, LastStatus::Pending) if trouble && self.dice.once_in(8) => {
                self.summary.rejections += 1;
                Some(("STOPPED", None))
            }
            (_, LastStatus::Pending) => Some(("RUNNING", None)),
            (_, LastStatus::Running) if trouble && self.dice.once_in(40) => {
                self.summary.deaths += 1;
                Some(("STOPPED", Some(1)))
            }
            _ => None,
        }
    }

    /// The same once more, or what was true before: taken, and it changes nothing.
    async fn report_late(&mut self, at: usize, task: &Task, (status, exit_code): Report) {
        self.summary.repeats += 1;
        let old = match (status, self.dice.once_in(2)) {
            ("STOPPED", true) => ("RUNNING", None),
            ("RUNNING", true) => ("PENDING", None),
            _ => (status, exit_code),
        };
        let key = key_of(&task.id);
        let before = self.view().ecs.tasks.get(&key).cloned();
        let instance = &self.agents[at].instance;
        instance.submit(task.arn.as_str(), old.0, &[("app", old.1)]).await;
        assert_eq!(before, self.view().ecs.tasks.get(&key).cloned(), "old news count");
    }

    fn next_health(&mut self, task: &Task, trouble: bool) -> Option<Health> {
        if task.last != LastStatus::Running || !is_checked(task) {
            return None;
        }
        match task.containers[0].health {
            Health::Unknown => Some(Health::Healthy),
            Health::Healthy if trouble && self.dice.once_in(60) => {
                self.summary.sick += 1;
                Some(Health::Unhealthy)
            }
            _ => None,
        }
    }

    /// As telemetry has it written.
    async fn report_health(&self, task: &Task, health: Health) {
        let key = key_of(&task.id);
        let healths = BTreeMap::from([("app".to_owned(), health)]);
        let note = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            let mut found = Task::clone(tx.view().ecs.tasks.get(&key).unwrap());
            found.report_health(&healths);
            tx.put(found);
            Ok(())
        };
        self.server.gate.world().write(note).await.unwrap();
    }

    fn is_broken(&self, task: &Task) -> bool {
        let of = format!("/{}:{}", task.family, task.revision);
        self.broken.iter().any(|arn| arn.ends_with(&of))
    }
}
