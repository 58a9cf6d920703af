//! A cluster `c` with instances whose agents do as they are told, step by step, and services in it. Nothing here waits: the
//! clock stands still, and the scheduler and the agents move when a test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use portcullis_api::ecs::op;
use portcullis_control::schedule::{interfaces, services};
use portcullis_control::world::Tx;
use portcullis_control::world::records::ecs::{ContainerInstance, DesiredStatus, Health, LastStatus, Task};
use portcullis_core::{FixedClock, SeededRandom};
use portcullis_store::{Opened, Store, Vault, open_in_memory};
use serde_json::{Value, json};

use super::ok;
use super::tasks::{id_of, merged};
use crate::agent::{Instance, cluster, definition};
use crate::harness::{BEGINNING, Server};

/// The stage of a service's life.
pub struct Stage {
    pub server: Server,
    pub instances: Vec<Instance>,
    /// Families whose tasks fail to start.
    pub broken: BTreeSet<String>,
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    /// How often a server was started over the store.
    starts: u64,
}

impl Stage {
    /// An instance in each of these zones, and family `web`.
    pub async fn set(zones: &[&str]) -> Self {
        let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
        let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
        let (store, vault) = (opened.store.clone(), opened.vault.clone());
        let server = Server::over(opened, clock).await;
        cluster(&server, "c").await;
        definition(&server, "web", |_| {}).await;
        let mut stage = Self {
            server,
            instances: Vec::new(),
            broken: BTreeSet::new(),
            store,
            vault,
            starts: 1,
        };
        for zone in zones {
            stage.instance(zone, &[]).await;
        }
        stage
    }

    /// Ends the server and starts another one over the same store; the agents come back.
    pub async fn restart(self) -> Self {
        let clock = self.server.clock.clone();
        // What is drawn after the restart has not been drawn before.
        let seed = self.starts + 1;
        let opened = Opened {
            store: self.store.clone(),
            vault: self.vault.clone(),
        };
        let Self {
            server,
            mut instances,
            broken,
            store,
            vault,
            starts,
        } = self;
        drop(server);
        let server = Server::over_again(opened, clock, seed).await;
        for instance in &mut instances {
            instance.client = server.root.clone();
        }
        let again = Self {
            server,
            instances,
            broken,
            store,
            vault,
            starts: starts + 1,
        };
        for instance in &again.instances {
            again.connect(&instance.arn, true).await;
        }
        again
    }

    /// One more instance, connected; its ARN.
    pub async fn instance(&mut self, zone: &str, attributes: &[(&str, Option<&str>)]) -> String {
        let mut all = vec![("ecs.availability-zone", Some(zone))];
        all.extend(attributes);
        let instance = Instance::register_plain(&self.server.root, "c", &all).await;
        self.connect(&instance.arn, true).await;
        self.instances.push(instance.clone());
        instance.arn
    }

    /// An agent comes or goes.
    pub async fn connect(&self, instance: &str, connected: bool) {
        let key = format!("us-east-1/c/{}", id_of(instance));
        let note = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            let found = tx.view().ecs.container_instances.get(&key).unwrap();
            let mut found = ContainerInstance::clone(found);
            found.agent_connected = connected;
            tx.put(found);
            Ok(())
        };
        self.server.gate.world().write(note).await.unwrap();
    }

    /// The scheduler does what there is to do.
    pub async fn settle(&self) {
        services::settle(&self.server.gate).await;
        interfaces::settle(&self.server.gate).await;
    }

    /// Every agent carries out what is wanted of its tasks; says whether there was anything.
    pub async fn work(&self) -> bool {
        let view = self.server.gate.world().view();
        let mut worked = false;
        for (_, task) in view.ecs.tasks.iter() {
            let instance = |one: &&Instance| id_of(&one.arn) == task.container_instance;
            let Some(agent) = self.instances.iter().find(instance) else {
                continue;
            };
            let fails = self.broken.contains(&task.family);
            let arn = task.arn.as_str();
            match (task.desired, task.last) {
                (_, LastStatus::Stopped) | (DesiredStatus::Running, LastStatus::Running) => continue,
                (DesiredStatus::Running, _) if fails => agent.submit(arn, "STOPPED", &[("app", None)]).await,
                (DesiredStatus::Running, _) => agent.submit(arn, "RUNNING", &[("app", None)]).await,
                (DesiredStatus::Stopped, _) => agent.submit(arn, "STOPPED", &[("app", Some(0))]).await,
            }
            worked = true;
        }
        worked
    }

    /// Scheduler and agents, turn by turn, until neither has anything to do; looks at every state in between.
    pub async fn play(&self, mut look: impl FnMut(&Self)) {
        for _ in 0..200 {
            self.settle().await;
            look(self);
            if !self.work().await {
                return;
            }
            look(self);
        }
        panic!("the service does not come to rest");
    }

    /// The same without looking.
    pub async fn rest(&self) {
        self.play(|_| {}).await;
    }

    pub async fn create(&self, more: Value) -> Value {
        let base = json!({ "cluster": "c", "serviceName": "s", "taskDefinition": "web" });
        let reply = ok::<op::CreateService>(&self.server.root, merged(base, more)).await;
        reply["service"].clone()
    }

    pub async fn update(&self, more: Value) -> Value {
        let base = json!({ "cluster": "c", "service": "s" });
        let reply = ok::<op::UpdateService>(&self.server.root, merged(base, more)).await;
        reply["service"].clone()
    }

    pub async fn service(&self) -> Value {
        let input = json!({ "cluster": "c", "services": ["s"], "include": ["TAGS"] });
        let reply = ok::<op::DescribeServices>(&self.server.root, input).await;
        reply["services"][0].clone()
    }

    /// The messages of the service, newest first, without ids.
    pub async fn events(&self) -> Vec<String> {
        let service = self.service().await;
        let events = service["events"].as_array().unwrap().clone();
        let text = |event: &Value| plain(event["message"].as_str().unwrap());
        events.iter().map(text).collect()
    }

    /// The tasks that have not stopped.
    pub fn alive(&self) -> Vec<Arc<Task>> {
        let view = self.server.gate.world().view();
        let tasks = view.ecs.tasks.iter().map(|(_, task)| task.clone());
        tasks.filter(|task| task.last != LastStatus::Stopped).collect()
    }

    /// The tasks that shall run.
    pub fn wanted(&self) -> Vec<Arc<Task>> {
        let mut tasks = self.alive();
        tasks.retain(|task| task.desired == DesiredStatus::Running);
        tasks
    }

    /// The tasks that shall run and do.
    pub fn running(&self) -> Vec<Arc<Task>> {
        let mut tasks = self.wanted();
        tasks.retain(|task| task.last == LastStatus::Running);
        tasks
    }

    /// How many wanted tasks there are by zone.
    pub fn by_zone(&self) -> BTreeMap<String, usize> {
        let mut zones = BTreeMap::new();
        for task in self.wanted() {
            *zones
                .entry(task.availability_zone.clone().unwrap_or_default())
                .or_default() += 1;
        }
        zones
    }

    /// How many wanted tasks there are by instance, those without any left out.
    pub fn by_instance(&self) -> BTreeMap<String, usize> {
        let mut instances = BTreeMap::new();
        for task in self.wanted() {
            *instances.entry(task.container_instance.clone()).or_default() += 1;
        }
        instances
    }

    /// How many wanted tasks there are by family and revision.
    pub fn by_definition(&self) -> BTreeMap<String, usize> {
        let mut definitions = BTreeMap::new();
        for task in self.wanted() {
            *definitions
                .entry(format!("{}:{}", task.family, task.revision))
                .or_default() += 1;
        }
        definitions
    }

    /// What the checks of a task's container say.
    pub async fn health(&self, task: &Task, health: Health) {
        let key = Task::key_of(&task.region, &task.cluster, &task.id);
        let note = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            let mut task = Task::clone(tx.view().ecs.tasks.get(&key).unwrap());
            task.report_health(&BTreeMap::from([("app".to_owned(), health)]));
            tx.put(task);
            Ok(())
        };
        self.server.gate.world().write(note).await.unwrap();
    }

    /// The task as DescribeTasks shows it.
    pub async fn task(&self, task: &Task) -> Value {
        let input = json!({ "cluster": "c", "tasks": [task.id], "include": ["TAGS"] });
        ok::<op::DescribeTasks>(&self.server.root, input).await["tasks"][0].clone()
    }
}

/// A text with the ids of tasks, instances and deployments taken out.
pub fn plain(text: &str) -> String {
    let is_id = |word: &str| {
        let digits = word.trim_start_matches("ecs-svc/");
        let of = |hex: bool| {
            digits
                .chars()
                .all(|c| c.is_ascii_digit() || hex && c.is_ascii_hexdigit())
        };
        digits.len() == 32 && of(true) || digits.len() == 19 && of(false)
    };
    let mut plain = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || c == '-' || c == '/' {
            word.push(c);
            continue;
        }
        plain.push_str(if is_id(&word) { "ID" } else { &word });
        word.clear();
        plain.push(c);
    }
    plain.pop();
    plain
}
