//! The rules of services (ecs.md 11), for CreateService and UpdateService alike: a service as it would be is held
//! against them, then against what this server can do.

use portcullis_api::ecs as api;

use super::faults::ServiceFault;
use crate::services::ecs::capacity_providers::Means;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::tasks::{check_network, check_supported, conditions, platform_version, strategies};
use crate::world::records::ecs::{Controller, SchedulingStrategy, TaskDefinition};

/// The zone of an instance, as strategies name it.
const ZONE: &str = "attribute:ecs.availability-zone";
/// Most services a task's network of target groups can have (ecs.md 14).
const TARGET_GROUPS_MAX: usize = 5;

/// A service as it would be.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub strategy: SchedulingStrategy,
    pub controller: Controller,
    /// `None` when the controller is not ECS: task sets have definitions then.
    pub version: Option<Version<'a>>,
    pub constraints: &'a [api::PlacementConstraint],
    pub strategies: &'a [api::PlacementStrategy],
    pub rebalancing: Option<&'a str>,
    pub grace: Option<i32>,
    pub execute_command: bool,
    pub parts: Parts<'a>,
}

/// What the tasks of one deployment or task set are made of.
#[derive(Debug)]
pub(super) struct Version<'a> {
    pub definition: &'a TaskDefinition,
    pub means: &'a Means,
    pub network: Option<&'a api::NetworkConfiguration>,
    pub platform_version: Option<&'a str>,
}

/// What services can be connected with; none of it exists here yet.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub load_balancers: Option<&'a [api::LoadBalancer]>,
    pub registries: Option<&'a [api::ServiceRegistry]>,
    pub connect: Option<&'a api::ServiceConnectConfiguration>,
    pub volumes: Option<&'a [api::ServiceVolumeConfiguration]>,
    pub lattice: Option<&'a [api::VpcLatticeConfiguration]>,
    pub gateways: Option<&'a [api::GatewayConnector]>,
    pub monitoring: bool,
    /// Whether the cluster has a namespace for Service Connect.
    pub has_namespace: bool,
}

impl Wish<'_> {
    /// Holds the service against every rule.
    pub fn check(&self) -> Result<(), EcsError> {
        self.check_strategy()?;
        let definition = self
            .version
            .as_ref()
            .map(|version| &version.definition.definition);
        let defined = definition.and_then(|definition| definition.placement_constraints.as_deref());
        conditions(defined, Some(self.constraints))?;
        strategies(Some(self.strategies))?;
        if self.grace.is_some_and(|seconds| seconds < 0) {
            return Err(ServiceFault::GracePeriod.into());
        }
        let Some(version) = &self.version else {
            return self.parts.check(None);
        };
        if version.means.is_fargate() {
            self.check_fargate()?;
        }
        if self.execute_command && version.definition.definition.task_role_arn.is_none() {
            return Err(ServiceFault::ExecWithoutTaskRole.into());
        }
        self.parts.check(Some(version))?;
        version.check()
    }

    fn check_strategy(&self) -> Result<(), EcsError> {
        let rebalances = self.rebalancing == Some("ENABLED");
        match self.strategy {
            SchedulingStrategy::Daemon if self.controller != Controller::Ecs => {
                Err(ServiceFault::DaemonController(self.controller.as_str()).into())
            }
            SchedulingStrategy::Daemon if !self.strategies.is_empty() => {
                Err(ServiceFault::DaemonPlacement.into())
            }
            SchedulingStrategy::Daemon if rebalances => Err(ServiceFault::DaemonRebalancing.into()),
            SchedulingStrategy::Daemon if self.is_provided() => Err(ServiceFault::DaemonProviders.into()),
            SchedulingStrategy::Daemon => Ok(()),
            SchedulingStrategy::Replica if rebalances && !can_rebalance(self.controller, self.strategies) => {
                Err(ServiceFault::RebalancingStrategy.into())
            }
            SchedulingStrategy::Replica => Ok(()),
        }
    }

    fn is_provided(&self) -> bool {
        let means = self.version.as_ref().map(|version| version.means);
        means.is_some_and(|means| matches!(means, Means::Providers(_)))
    }

    fn check_fargate(&self) -> Result<(), EcsError> {
        match (self.strategy, self.constraints, self.strategies) {
            (SchedulingStrategy::Daemon, ..) => Err(ServiceFault::DaemonFargate.into()),
            (_, [_, ..], _) => Err(EcsError::FargatePlacement("constraints")),
            (_, _, [_, ..]) => Err(EcsError::FargatePlacement("strategies")),
            _ => Ok(()),
        }
    }
}

/// Whether the zones of a service can be evened out: by default they are, where they can.
pub(super) fn can_rebalance(controller: Controller, strategies: &[api::PlacementStrategy]) -> bool {
    let by_zone = match strategies.first() {
        None => true,
        Some(first) => first.r#type.as_deref() == Some("spread") && first.field.as_deref() == Some(ZONE),
    };
    controller == Controller::Ecs && by_zone
}

impl Version<'_> {
    /// Holds what tasks are made of against the launch type, and against what this server can do.
    pub fn check(&self) -> Result<(), EcsError> {
        let definition = &self.definition.definition;
        let launch_type = self.means.launch_type();
        let compatible = definition.compatibilities.as_deref().unwrap_or_default();
        if !compatible.iter().any(|known| known == launch_type) {
            return Err(EcsError::LaunchTypeUnsupported(launch_type.to_owned()));
        }
        if self.means.is_fargate() {
            platform_version(definition, self.platform_version)?;
        } else if self.platform_version.is_some() {
            return Err(EcsError::PlatformVersion);
        }
        check_network(definition, self.network)?;
        check_supported(definition, &api::TaskOverride::default())
    }

    fn is_awsvpc(&self) -> bool {
        self.definition.definition.network_mode.as_deref() == Some("awsvpc")
    }

    fn container(&self, name: &str) -> Option<&api::ContainerDefinition> {
        let mut containers = self.definition.definition.container_definitions.iter().flatten();
        containers.find(|one| one.name.as_deref() == Some(name))
    }
}

impl Parts<'_> {
    /// The rules of each part; one that keeps them all is refused plainly until its service exists.
    pub fn check(&self, version: Option<&Version<'_>>) -> Result<(), EcsError> {
        self.check_load_balancers(version)?;
        self.check_registries(version)?;
        self.check_connect(version)?;
        self.check_volumes(version)?;
        refuse("VPC Lattice", self.lattice)?;
        refuse("gateways", self.gateways)?;
        if self.monitoring {
            return Err(EcsError::Unsupported("monitoring of services"));
        }
        Ok(())
    }

    fn check_load_balancers(&self, version: Option<&Version<'_>>) -> Result<(), EcsError> {
        let all = self.load_balancers.unwrap_or_default();
        for one in all {
            if one.target_group_arn.is_some() && one.load_balancer_name.is_some() {
                return Err(ServiceFault::LoadBalancerTwice.into());
            }
            let Some(version) = version else { continue };
            if one.load_balancer_name.is_some() && version.means.is_fargate() {
                return Err(ServiceFault::ClassicOnFargate.into());
            }
            check_target(version, one.container_name.as_deref(), one.container_port)?;
        }
        let classic = all.iter().filter(|one| one.load_balancer_name.is_some()).count();
        if all.len() > TARGET_GROUPS_MAX || (classic > 0 && all.len() > 1) {
            return Err(EcsError::TooMany {
                what: "loadBalancers",
                limit: if classic > 0 { 1 } else { TARGET_GROUPS_MAX },
            });
        }
        refuse("load balancers", self.load_balancers)
    }

    fn check_registries(&self, version: Option<&Version<'_>>) -> Result<(), EcsError> {
        let all = self.registries.unwrap_or_default();
        if all.len() > 1 {
            return Err(ServiceFault::RegistriesTooMany.into());
        }
        let is_awsvpc = version.is_some_and(Version::is_awsvpc);
        if is_awsvpc && all.iter().any(|one| one.container_port.is_some()) {
            return Err(ServiceFault::RegistryPort.into());
        }
        refuse("service registries", self.registries)
    }

    fn check_connect(&self, version: Option<&Version<'_>>) -> Result<(), EcsError> {
        let Some(connect) = self.connect.filter(|connect| connect.enabled) else {
            return Ok(());
        };
        if connect.namespace.is_none() && !self.has_namespace {
            return Err(ServiceFault::NamespaceMissing.into());
        }
        for service in connect.services.iter().flatten() {
            let aliases = service.client_aliases.as_ref().map_or(0, Vec::len);
            if aliases > 1 {
                return Err(ServiceFault::ClientAliases(aliases).into());
            }
            let known = version.is_none_or(|version| has_port_name(version, &service.port_name));
            if !known {
                return Err(ServiceFault::PortName(service.port_name.clone()).into());
            }
        }
        Err(EcsError::Unsupported("Service Connect"))
    }

    fn check_volumes(&self, version: Option<&Version<'_>>) -> Result<(), EcsError> {
        let all = self.volumes.unwrap_or_default();
        if all.len() > 1 {
            return Err(EcsError::TooMany {
                what: "volumeConfigurations",
                limit: 1,
            });
        }
        for volume in all {
            if version.is_some_and(|version| !has_volume(version, &volume.name)) {
                return Err(ServiceFault::VolumeName(volume.name.clone()).into());
            }
            let managed = volume.managed_ebs_volume.as_ref();
            if managed.is_some_and(|one| one.size_in_gib.is_none() && one.snapshot_id.is_none()) {
                return Err(ServiceFault::VolumeSize.into());
            }
        }
        refuse("volumes configured at launch", self.volumes)
    }
}

/// The container and port a load balancer sends to.
fn check_target(version: &Version<'_>, name: Option<&str>, port: Option<i32>) -> Result<(), EcsError> {
    let name = name.unwrap_or_default();
    let container = version.container(name);
    let container = container.ok_or_else(|| ServiceFault::TargetContainer(name.to_owned()))?;
    let mut ports = container.port_mappings.iter().flatten();
    if ports.any(|mapping| mapping.container_port == port) {
        Ok(())
    } else {
        Err(ServiceFault::TargetPort {
            container: name.to_owned(),
            port: port.unwrap_or_default(),
        }
        .into())
    }
}

fn has_port_name(version: &Version<'_>, name: &str) -> bool {
    let containers = version
        .definition
        .definition
        .container_definitions
        .iter()
        .flatten();
    let mut mappings = containers.flat_map(|one| one.port_mappings.iter().flatten());
    mappings.any(|mapping| mapping.name.as_deref() == Some(name))
}

fn has_volume(version: &Version<'_>, name: &str) -> bool {
    let mut volumes = version.definition.definition.volumes.iter().flatten();
    volumes.any(|one| one.name.as_deref() == Some(name) && one.configured_at_launch == Some(true))
}

fn refuse<T>(what: &'static str, list: Option<&[T]>) -> Result<(), EcsError> {
    match list {
        None | Some([]) => Ok(()),
        Some(_) => Err(EcsError::Unsupported(what)),
    }
}
