//! The region: what there is, and how time passes in it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use portcullis_api::ecs;
use portcullis_control::schedule::services::Keeper;
use portcullis_control::world::records::ecs::{Service, ServiceEvent};
use portcullis_control::world::{Snapshot, Table};
use portcullis_core::{Clock as _, Secret};
use portcullis_schedule::deployment::Rollout;
use portcullis_store::Opened;
use serde::Serialize;

use super::agents::Agent;
use super::watch::{
    Needs, Watch, bounds, daemons_are_everywhere, is_on_its_way, unfinished, waiting, without_daemon,
};
use super::{DAEMON, Dice};
use crate::harness::{Client, Server};

/// A region.
pub struct Region {
    pub(super) server: Server,
    /// What survives the server.
    pub(super) disk: Opened,
    pub(super) deployer: Client,
    pub(super) keeper: Keeper,
    pub(super) dice: Dice,
    pub(super) agents: Vec<Agent>,
    /// How many machines there have been.
    pub(super) machines: usize,
    /// The names of the REPLICA services.
    pub(super) services: Vec<String>,
    pub(super) needs: Needs,
    /// Revisions whose tasks no agent can start, as ARNs.
    pub(super) broken: BTreeSet<String>,
    pub(super) watch: Watch,
    pub(super) summary: Summary,
    /// After how many rounds a region that has not come to rest never will.
    pub(super) patience: usize,
}

/// What happened in a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Summary {
    pub tasks: usize,
    pub crashes: usize,
    pub disconnections: usize,
    pub drains: usize,
    pub rejections: usize,
    pub deaths: usize,
    /// Tasks whose health checks failed.
    pub sick: usize,
    pub deployments: usize,
    /// Deployments of revisions that cannot start.
    pub broken: usize,
    pub rollbacks: usize,
    /// Roles that were not passed.
    pub refusals: usize,
    /// Reports by agents for tasks and instances of others, or of nobody.
    pub lies: usize,
    /// Reports that came twice or too late.
    pub repeats: usize,
    /// Tasks with a host port that were started, and those that found none free.
    pub ports: usize,
    pub no_ports: usize,
    pub protected: usize,
    pub restarts: usize,
    /// How often the scheduler left a service at exactly its lower or upper bound in the middle of a deployment.
    pub at_bounds: usize,
    /// Most CPU units in use on one instance; there are 2,048.
    pub fullest: i32,
    /// Tasks that waited for room of the capacity provider, those that waited too long, and instances that came for them.
    pub waited: usize,
    pub gave_up: usize,
    pub scaled_out: usize,
    /// Rounds until all was quiet after the troubles.
    pub rounds: usize,
    /// Of where every task was: two runs of a seed have the same.
    pub digest: u64,
}

impl Region {
    pub fn summary(&self) -> Summary {
        let view = self.view();
        let mut hasher = DefaultHasher::new();
        for (key, task) in view.ecs.tasks.iter() {
            (key, &task.container_instance, task.version).hash(&mut hasher);
        }
        let rolled_back = |event: &ServiceEvent| event.message.contains("rolling back to");
        let events = view.ecs.services.iter().flat_map(|(_, service)| &service.events);
        Summary {
            tasks: self.watch.tasks(),
            waited: self.watch.waited.len(),
            gave_up: self.watch.gave_up,
            rollbacks: events.filter(|event| rolled_back(event)).count(),
            at_bounds: self.watch.at_bounds,
            fullest: self.watch.fullest,
            digest: hasher.finish(),
            ..self.summary
        }
    }

    pub(super) fn view(&self) -> Arc<Snapshot> {
        self.server.gate.world().view()
    }

    /// Steps in which things go wrong.
    pub async fn troubles(&mut self, steps: usize) {
        for _ in 0..steps {
            self.trouble().await;
            self.schedule().await;
            self.agents_work(true).await;
            self.look();
            let seconds = 1 + self.dice.below(8);
            self.server.clock.advance_seconds(i64::try_from(seconds).unwrap());
        }
    }

    /// All agents are well again, and everybody works until there is nothing left to do.
    pub async fn calm(&mut self) {
        for at in 0..self.agents.len() {
            self.set_connected(at, true).await;
            self.set_draining(at, false).await;
        }
        for round in 0..self.patience {
            self.summary.rounds = round;
            self.schedule().await;
            let worked = self.agents_work(false).await;
            self.look();
            if worked {
                continue;
            }
            let open = unfinished(&self.view());
            let waiting = waiting(&self.view());
            if open.is_empty() && waiting.is_empty() {
                daemons_are_everywhere(&self.view());
                return;
            }
            if !waiting.is_empty() {
                self.scale_out().await;
                continue;
            }
            for service in open {
                self.mend(&service).await;
            }
            let now = self.server.gate.world().clock().now();
            let wait = self.keeper.wakes_at().map_or(60, |at| at.seconds_since(now) + 1);
            self.server.clock.advance_seconds(wait.clamp(1, 900));
        }
        let view = self.view();
        let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
        let on_their_way: Vec<_> = tasks.filter(|task| is_on_its_way(task)).collect();
        let open = unfinished(&view);
        let without = without_daemon(&view);
        panic!(
            "these never come to what was wanted: {open:#?} on their way: {on_their_way:#?} no daemon on: {without:#?}"
        );
    }

    /// What cannot come right by itself: a deployment that failed without anything to go back to, one of a broken revision
    /// without a circuit breaker, and percentages that leave no task to spare and none to add.
    async fn mend(&mut self, service: &Service) {
        if service.name == DAEMON {
            return;
        }
        let primary = &service.deployments[0];
        let failed = matches!(primary.progress.rollout, Rollout::Failed(_));
        let chosen = service.definition.deployment_configuration.as_ref();
        let breaks = chosen.and_then(|one| one.deployment_circuit_breaker.as_ref());
        // Without tasks even a broken revision is completed, and the circuit breaker looks no more.
        let is_over = matches!(primary.progress.rollout, Rollout::Completed);
        let will_break = !is_over && breaks.is_some_and(|one| one.enable);
        let stuck = self.broken.contains(primary.task_definition.as_str()) && !will_break;
        if failed || stuck {
            let revision = self.revision(&service.name).await;
            self.update(&service.name, |request| request.task_definition = Some(revision))
                .await;
        }
        let (lower, upper) = bounds(service);
        if lower >= upper && service.desired > 0 && service.deployments.len() > 1 {
            let wider = ecs::DeploymentConfiguration {
                maximum_percent: Some(200),
                ..chosen.unwrap().clone()
            };
            self.update(&service.name, |request| {
                request.deployment_configuration = Some(wider)
            })
            .await;
        }
    }

    /// The scheduler does what there is to do, within the percentages.
    pub(super) async fn schedule(&mut self) {
        let before = self.view();
        self.keeper.settle(&self.server.gate).await;
        self.scheduled(&before);
    }

    /// Holds what the scheduler did since to the rules.
    pub(super) fn scheduled(&mut self, before: &Snapshot) {
        let view = self.view();
        self.watch
            .scheduled(before, &view, &self.needs, self.server.clock.now());
    }

    pub(super) fn look(&mut self) {
        let view = self.view();
        self.watch.always(&view, &self.needs);
    }

    /// The server ends and another one opens what it left: all is there, and everything goes on.
    pub(super) async fn restart(&mut self) {
        self.summary.restarts += 1;
        let before = self.view();
        let seed = 1_000 + u64::try_from(self.summary.restarts).unwrap();
        self.server = Server::over_again(self.disk.clone(), self.server.clock.clone(), seed).await;
        self.keeper = Keeper::default();
        let here = |client: &Client| {
            let token = client.token.as_ref().map(Secret::expose);
            self.server
                .root
                .with(&client.access_key_id, client.secret.expose(), token)
        };
        self.deployer = here(&self.deployer);
        for agent in &mut self.agents {
            agent.instance.client = here(&agent.instance.client);
        }
        let after = self.view();
        assert_eq!(
            written(&before.ecs.tasks),
            written(&after.ecs.tasks),
            "tasks are lost"
        );
        assert_eq!(
            written(&before.ecs.services),
            written(&after.ecs.services),
            "services are lost"
        );
        let (was, is) = (&before.ecs.container_instances, &after.ecs.container_instances);
        assert_eq!(written(was), written(is), "instances are lost");
        let (was, is) = (&before.ecs.kept_rooms, &after.ecs.kept_rooms);
        assert_eq!(written(was), written(is), "kept rooms are lost");
        // Who is connected is not kept: the agents come back one by one, some of them later.
        for at in 0..self.agents.len() {
            let comes_back = self.agents[at].connected && !self.dice.once_in(4);
            self.agents[at].connected = false;
            self.set_connected(at, comes_back).await;
        }
    }
}

/// A table as the store keeps it.
fn written<R: Serialize>(table: &Table<R>) -> Vec<(String, String)> {
    let rows = table.iter();
    rows.map(|(key, row)| (key.to_string(), serde_json::to_string(row.as_ref()).unwrap()))
        .collect()
}
