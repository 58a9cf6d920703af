//! How a region begins: a cluster with agents and settled services.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::ecs;
use portcullis_control::schedule::services::Keeper;
use portcullis_core::{FixedClock, SeededRandom};
use portcullis_store::open_in_memory;

use super::region::{Region, Summary};
use super::watch::{Need, Needs, Watch};
use super::{CLUSTER, DAEMON, Dice, PROVIDER, SCALED, Size, role};
use crate::agent::{cluster, definition, task_role};
use crate::harness::{BEGINNING, Server, allow};

const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];
/// minimumHealthyPercent and maximumPercent of the services, in turn.
const PERCENTS: [(i32, i32); 5] = [(50, 200), (100, 200), (0, 100), (100, 150), (50, 125)];
/// Families whose tasks want a host port.
pub const PORTS: [(&str, u16); 2] = [("port-0", 8_000), ("port-1", 8_001)];
/// Through the capacity provider.
pub(super) fn strategy() -> Vec<ecs::CapacityProviderStrategyItem> {
    vec![ecs::CapacityProviderStrategyItem {
        capacity_provider: PROVIDER.to_owned(),
        ..Default::default()
    }]
}

/// May do everything with ECS, and pass one role.
const DEPLOYER: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"ecs:*","Resource":"*"},
    {"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"*"},
    {"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/good"}]}"#;

impl Region {
    /// A cluster with agents and settled services.
    pub async fn open(seed: u64, size: Size) -> Self {
        let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
        let disk = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
        let server = Server::over(disk.clone(), clock).await;
        cluster(&server, CLUSTER).await;
        for role in ["good", "bad"] {
            task_role(&server, role, &allow("ecs:ListClusters", "*")).await;
        }
        let deployer = server.user("deployer", DEPLOYER).await;
        let mut region = Self {
            server,
            disk,
            deployer,
            keeper: Keeper::default(),
            dice: Dice::new(seed),
            agents: Vec::new(),
            machines: 0,
            services: Vec::new(),
            needs: Needs::new(),
            broken: BTreeSet::new(),
            watch: Watch::default(),
            summary: Summary::default(),
            patience: 2_000,
        };
        region.provider().await;
        for at in 0..size.agents {
            let agent = region.register(ZONES[at % ZONES.len()], at % 3 == 1).await;
            region.agents.push(agent);
        }
        region.need(SCALED, 700, 700, None);
        region.revision(SCALED).await;
        region.definition_nobody_may_use().await;
        for (family, port) in PORTS {
            region.need(family, 64, 64, Some(port));
            region.revision(family).await;
        }
        for at in 0..(size.agents / 4).max(2) {
            region.service(at).await;
        }
        region.daemon().await;
        region.calm().await;
        region
    }

    /// A capacity provider that scales its group, which every third instance is of.
    async fn provider(&mut self) {
        let request = ecs::CreateCapacityProviderRequest {
            name: PROVIDER.to_owned(),
            auto_scaling_group_provider: Some(ecs::AutoScalingGroupProvider {
                auto_scaling_group_arn: PROVIDER.to_owned(),
                managed_scaling: Some(ecs::ManagedScaling {
                    status: Some("ENABLED".to_owned()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        self.deployer
            .ok::<ecs::op::CreateCapacityProvider>(&request)
            .await;
        let request = ecs::PutClusterCapacityProvidersRequest {
            cluster: CLUSTER.to_owned(),
            capacity_providers: vec![PROVIDER.to_owned()],
            default_capacity_provider_strategy: Vec::new(),
        };
        self.deployer
            .ok::<ecs::op::PutClusterCapacityProviders>(&request)
            .await;
    }

    /// One more instance of the group that scales.
    pub(super) async fn scale_out(&mut self) {
        self.summary.scaled_out += 1;
        let zone = ZONES[self.dice.below(ZONES.len())];
        let agent = self.register(zone, true).await;
        self.agents.push(agent);
    }

    fn need(&mut self, family: &str, cpu: i32, memory: i32, port: Option<u16>) {
        self.needs.insert(family.to_owned(), Need { cpu, memory, port });
    }

    /// Registered by somebody who may pass its role; who may not can use it neither.
    async fn definition_nobody_may_use(&mut self) {
        let bad = role("bad");
        definition(&self.server, "bad", |request| request.task_role_arn = Some(bad)).await;
        self.need("bad", 256, 128, None);
    }

    /// A new revision of a family. Those of every second service have a health check.
    pub(super) async fn revision(&mut self, family: &str) -> String {
        let need = self.needs[family];
        let number = family
            .strip_prefix('s')
            .and_then(|text| text.parse::<usize>().ok());
        let health_check = number
            .is_some_and(|number| number % 2 == 1)
            .then(|| ecs::HealthCheck {
                command: vec!["CMD".to_owned(), "true".to_owned()],
                ..Default::default()
            });
        let mapping = |port: u16| {
            vec![ecs::PortMapping {
                container_port: Some(80),
                host_port: Some(i32::from(port)),
                ..Default::default()
            }]
        };
        let request = ecs::RegisterTaskDefinitionRequest {
            family: family.to_owned(),
            task_role_arn: Some(role("good")),
            container_definitions: vec![ecs::ContainerDefinition {
                name: Some("app".to_owned()),
                image: Some("local/app:1".to_owned()),
                cpu: Some(need.cpu),
                memory: Some(need.memory),
                port_mappings: need.port.map(mapping),
                health_check,
                ..Default::default()
            }],
            ..Default::default()
        };
        let made = self
            .deployer
            .ok::<ecs::op::RegisterTaskDefinition>(&request)
            .await;
        made.task_definition.unwrap().task_definition_arn.unwrap()
    }

    async fn service(&mut self, at: usize) {
        let name = format!("s{at}");
        let (cpu, memory) = [(512, 256), (256, 512), (256, 1024)][self.dice.below(3)];
        self.need(&name, cpu, memory, None);
        let task_definition = self.revision(&name).await;
        let (minimum, maximum) = PERCENTS[at % PERCENTS.len()];
        let through = (at % 3 == 1).then(strategy);
        let request = ecs::CreateServiceRequest {
            cluster: Some(CLUSTER.to_owned()),
            service_name: name.clone(),
            task_definition: Some(task_definition),
            desired_count: Some(i32::try_from(1 + self.dice.below(8)).unwrap()),
            capacity_provider_strategy: through,
            deployment_configuration: Some(ecs::DeploymentConfiguration {
                minimum_healthy_percent: Some(minimum),
                maximum_percent: Some(maximum),
                deployment_circuit_breaker: Some(ecs::DeploymentCircuitBreaker {
                    enable: self.dice.once_in(2),
                    rollback: true,
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        self.deployer.ok::<ecs::op::CreateService>(&request).await;
        self.services.push(name);
    }

    /// A service with one task on each instance.
    async fn daemon(&mut self) {
        self.need(DAEMON, 128, 64, None);
        let task_definition = self.revision(DAEMON).await;
        let request = ecs::CreateServiceRequest {
            cluster: Some(CLUSTER.to_owned()),
            service_name: DAEMON.to_owned(),
            task_definition: Some(task_definition),
            scheduling_strategy: Some("DAEMON".to_owned()),
            ..Default::default()
        };
        self.deployer.ok::<ecs::op::CreateService>(&request).await;
    }
}
