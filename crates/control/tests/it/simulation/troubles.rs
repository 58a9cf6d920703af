//! What goes wrong in a region, and what people do in it meanwhile.

use portcullis_api::ecs;
use portcullis_control::world::records::ecs::LastStatus;

use super::region::Region;
use super::setting::{PORTS, strategy};
use super::watch::{Taken, is_wanted, taken_or_kept, waiting};
use super::{CLUSTER, DAEMON, SCALED, id_of, role};

impl Region {
    pub(super) async fn trouble(&mut self) {
        let at = self.dice.below(self.agents.len());
        let service = self.services[self.dice.below(self.services.len())].clone();
        match self.dice.below(23) {
            0 => self.crash(at).await,
            1 | 2 => {
                let connected = !self.agents[at].connected;
                self.summary.disconnections += usize::from(!connected);
                self.set_connected(at, connected).await;
            }
            3 => {
                let drains = !self.agents[at].drains;
                self.summary.drains += usize::from(drains);
                self.set_draining(at, drains).await;
            }
            4 => {
                let desired = i32::try_from(self.dice.below(10)).unwrap();
                self.update(&service, |request| request.desired_count = Some(desired))
                    .await;
            }
            5 => {
                let revision = self.revision(&service).await;
                self.update(&service, |request| request.task_definition = Some(revision))
                    .await;
            }
            6 => {
                self.update(&service, |request| request.force_new_deployment = Some(true))
                    .await;
            }
            7 => self.forbidden(&service).await,
            8 => self.stop_some_task().await,
            9 => {
                let revision = self.revision(&service).await;
                self.broken.insert(revision.clone());
                self.summary.broken += 1;
                self.update(&service, |request| request.task_definition = Some(revision))
                    .await;
            }
            10..=12 => self.lie().await,
            13 => self.run_with_port().await,
            14 => self.start_with_port(at).await,
            15 | 16 => self.protect().await,
            17 => {
                self.update(DAEMON, |request| request.force_new_deployment = Some(true))
                    .await;
            }
            18 if self.dice.once_in(3) => self.restart().await,
            19 => self.run_through_provider().await,
            20 if !waiting(&self.view()).is_empty() => self.scale_out().await,
            // For a while nothing happens.
            21 if self.dice.once_in(2) => self.server.clock.advance_seconds(600),
            _ => {}
        }
    }

    /// The machine is gone with all that ran on it; another one takes its place.
    async fn crash(&mut self, at: usize) {
        self.summary.crashes += 1;
        let request = ecs::DeregisterContainerInstanceRequest {
            cluster: Some(CLUSTER.to_owned()),
            container_instance: self.agents[at].instance.arn.clone(),
            force: Some(true),
        };
        self.server
            .root
            .ok::<ecs::op::DeregisterContainerInstance>(&request)
            .await;
        let (zone, scales) = (self.agents[at].zone, self.agents[at].scales);
        let agent = self.register(zone, scales).await;
        self.agents[at] = agent;
    }

    pub(super) async fn set_connected(&mut self, at: usize, connected: bool) {
        if self.agents[at].connected != connected {
            self.agents[at].connected = connected;
            self.connect(&self.agents[at].instance, connected).await;
        }
    }

    pub(super) async fn set_draining(&mut self, at: usize, drains: bool) {
        if self.agents[at].drains == drains {
            return;
        }
        self.agents[at].drains = drains;
        let request = ecs::UpdateContainerInstancesStateRequest {
            cluster: Some(CLUSTER.to_owned()),
            container_instances: vec![self.agents[at].instance.arn.clone()],
            status: if drains { "DRAINING" } else { "ACTIVE" }.to_owned(),
        };
        self.server
            .root
            .ok::<ecs::op::UpdateContainerInstancesState>(&request)
            .await;
    }

    pub(super) async fn update(
        &mut self,
        service: &str,
        change: impl FnOnce(&mut ecs::UpdateServiceRequest),
    ) {
        let mut request = ecs::UpdateServiceRequest {
            cluster: Some(CLUSTER.to_owned()),
            service: service.to_owned(),
            ..Default::default()
        };
        change(&mut request);
        let deploys =
            request.task_definition.is_some() || request.force_new_deployment.is_some_and(|forced| forced);
        self.summary.deployments += usize::from(deploys);
        self.deployer.ok::<ecs::op::UpdateService>(&request).await;
    }

    /// Three ways to a task with a role that the caller may not pass.
    async fn forbidden(&mut self, family: &str) {
        let overridden = ecs::RunTaskRequest {
            cluster: Some(CLUSTER.to_owned()),
            task_definition: family.to_owned(),
            overrides: Some(ecs::TaskOverride {
                task_role_arn: Some(role("bad")),
                ..Default::default()
            }),
            ..Default::default()
        };
        let plain = ecs::RunTaskRequest {
            task_definition: "bad".to_owned(),
            overrides: None,
            ..overridden.clone()
        };
        let register = ecs::RegisterTaskDefinitionRequest {
            family: family.to_owned(),
            task_role_arn: Some(role("bad")),
            container_definitions: vec![ecs::ContainerDefinition {
                name: Some("app".to_owned()),
                image: Some("local/app:1".to_owned()),
                memory: Some(64),
                ..Default::default()
            }],
            ..Default::default()
        };
        let refused = match self.dice.below(3) {
            0 => self.deployer.err::<ecs::op::RunTask>(&overridden).await,
            1 => self.deployer.err::<ecs::op::RunTask>(&plain).await,
            _ => {
                self.deployer
                    .err::<ecs::op::RegisterTaskDefinition>(&register)
                    .await
            }
        };
        assert!(refused.contains("iam:PassRole on resource"), "{refused}");
        self.summary.refusals += 1;
    }

    /// Whether each agent's instance could take a task of a family, plainly.
    fn could_take(&self, family: &str) -> Vec<bool> {
        let view = self.view();
        let taken = taken_or_kept(&view, &self.needs);
        let none = Taken::default();
        let could = |agent: &super::agents::Agent| {
            let taken = taken.get(id_of(&agent.instance.arn)).unwrap_or(&none);
            agent.connected && !agent.drains && taken.leaves(self.needs[family])
        };
        self.agents.iter().map(could).collect()
    }

    /// RunTask of what wants a host port: as many start as there are instances with that port free and room.
    async fn run_with_port(&mut self) {
        let (family, _) = PORTS[self.dice.below(PORTS.len())];
        let count = 1 + self.dice.below(10);
        let free = self.could_take(family).into_iter().filter(|could| *could).count();
        let request = ecs::RunTaskRequest {
            cluster: Some(CLUSTER.to_owned()),
            task_definition: family.to_owned(),
            count: Some(i32::try_from(count).unwrap()),
            ..Default::default()
        };
        let reply = self.deployer.ok::<ecs::op::RunTask>(&request).await;
        let started = reply.tasks.unwrap_or_default().len();
        assert_eq!(started, count.min(free), "{count} wanted: {:?}", reply.failures);
        self.summary.ports += started;
        self.summary.no_ports += count - started;
    }

    /// RunTask through the provider that scales: every task is made, with an instance or without.
    async fn run_through_provider(&mut self) {
        let count = i32::try_from(1 + self.dice.below(4)).unwrap();
        let request = ecs::RunTaskRequest {
            cluster: Some(CLUSTER.to_owned()),
            task_definition: SCALED.to_owned(),
            count: Some(count),
            capacity_provider_strategy: Some(strategy()),
            ..Default::default()
        };
        let reply = self.deployer.ok::<ecs::op::RunTask>(&request).await;
        let tasks = reply.tasks.unwrap_or_default();
        assert_eq!(
            tasks.len(),
            usize::try_from(count).unwrap(),
            "{:?}",
            reply.failures
        );
        for task in tasks {
            let waits = task.last_status.as_deref() == Some("PROVISIONING");
            assert_eq!(waits, task.container_instance_arn.is_none());
        }
    }

    /// StartTask of what wants a host port on one instance.
    async fn start_with_port(&mut self, at: usize) {
        let (family, _) = PORTS[self.dice.below(PORTS.len())];
        let could = self.could_take(family)[at];
        let request = ecs::StartTaskRequest {
            cluster: Some(CLUSTER.to_owned()),
            task_definition: family.to_owned(),
            container_instances: vec![self.agents[at].instance.arn.clone()],
            ..Default::default()
        };
        let reply = self.deployer.ok::<ecs::op::StartTask>(&request).await;
        let started = reply.tasks.unwrap_or_default().len();
        // StartTask places on an instance that drains or is away as well (ecs.md 9); its room binds it all the same.
        let is_normal = self.agents[at].connected && !self.agents[at].drains;
        if is_normal {
            assert_eq!(started, usize::from(could), "{:?}", reply.failures);
        }
        self.summary.ports += started;
        self.summary.no_ports += 1 - started;
    }

    /// Somebody protects a task of a service for a while.
    async fn protect(&mut self) {
        let view = self.view();
        let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
        let of_services: Vec<_> = tasks
            .filter(|task| is_wanted(task) && task.last == LastStatus::Running)
            .filter(|task| task.group.starts_with("service:s"))
            .collect();
        if of_services.is_empty() {
            return;
        }
        let task = of_services[self.dice.below(of_services.len())];
        let request = ecs::UpdateTaskProtectionRequest {
            cluster: CLUSTER.to_owned(),
            tasks: vec![task.arn.to_string()],
            protection_enabled: true,
            expires_in_minutes: Some(i32::try_from(1 + self.dice.below(20)).unwrap()),
        };
        let reply = self.deployer.ok::<ecs::op::UpdateTaskProtection>(&request).await;
        let failures = reply.failures.unwrap_or_default();
        let blocked = |failure: &ecs::Failure| failure.reason.as_deref() == Some("DEPLOYMENT_BLOCKED");
        assert!(failures.iter().all(blocked), "{failures:?}");
        self.summary.protected += 1 - failures.len();
    }

    async fn stop_some_task(&mut self) {
        let view = self.view();
        let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
        let live: Vec<_> = tasks.filter(|task| task.last == LastStatus::Running).collect();
        if live.is_empty() {
            return;
        }
        let task = live[self.dice.below(live.len())];
        let request = ecs::StopTaskRequest {
            cluster: Some(CLUSTER.to_owned()),
            task: task.arn.to_string(),
            reason: None,
        };
        self.deployer.ok::<ecs::op::StopTask>(&request).await;
    }
}
