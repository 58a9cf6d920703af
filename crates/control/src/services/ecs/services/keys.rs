//! What creating and updating services requires: the condition keys of the authorisation reference and the roles that
//! are passed (ecs.md 15). Keys are absent where the request does not say (rule 11).

use portcullis_api::ecs as api;

use crate::gate::operation::Check;
use crate::open_points;
use crate::services::ecs::capacity_providers::add_key;
use crate::services::ecs::checks::{SERVICE_PRINCIPAL, TASKS_PRINCIPAL, pass_role, resolve_role};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{DefinitionRef, Scope};
use crate::world::Snapshot;

/// What CreateService and UpdateService both can say and keys are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub task_definition: Option<&'a str>,
    /// The strategy in force: of CreateService the cluster's, when the request names none and no launch type.
    pub strategy: &'a [api::CapacityProviderStrategyItem],
    pub network: Option<&'a api::NetworkConfiguration>,
    pub volumes: Option<&'a [api::ServiceVolumeConfiguration]>,
    pub lattice: Option<&'a [api::VpcLatticeConfiguration]>,
    pub connect: Option<&'a api::ServiceConnectConfiguration>,
    pub deployment: Option<&'a api::DeploymentConfiguration>,
    pub managed_tags: Option<bool>,
    pub execute_command: Option<bool>,
    pub propagate_tags: Option<&'a str>,
    pub role: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// What a CreateService says.
    pub fn by_create(
        input: &'a api::CreateServiceRequest,
        strategy: &'a [api::CapacityProviderStrategyItem],
    ) -> Self {
        Self {
            task_definition: input.task_definition.as_deref(),
            strategy,
            network: input.network_configuration.as_ref(),
            volumes: input.volume_configurations.as_deref(),
            lattice: input.vpc_lattice_configurations.as_deref(),
            connect: input.service_connect_configuration.as_ref(),
            deployment: input.deployment_configuration.as_ref(),
            managed_tags: input.enable_ecs_managed_tags,
            execute_command: input.enable_execute_command,
            propagate_tags: input.propagate_tags.as_deref(),
            role: input.role.as_deref(),
        }
    }

    /// What an UpdateService says.
    pub fn by_update(input: &'a api::UpdateServiceRequest) -> Self {
        Self {
            task_definition: input.task_definition.as_deref(),
            strategy: input.capacity_provider_strategy.as_deref().unwrap_or_default(),
            network: input.network_configuration.as_ref(),
            volumes: input.volume_configurations.as_deref(),
            lattice: input.vpc_lattice_configurations.as_deref(),
            connect: input.service_connect_configuration.as_ref(),
            deployment: input.deployment_configuration.as_ref(),
            managed_tags: input.enable_ecs_managed_tags,
            execute_command: input.enable_execute_command,
            propagate_tags: input.propagate_tags.as_deref(),
            role: None,
        }
    }

    /// Adds every key the reference lists for both actions.
    pub fn add_keys(&self, check: Check, view: &Snapshot, scope: Scope<'_>) -> Result<Check, EcsError> {
        let check = with_definition(check, view, scope, self.task_definition, true)?;
        let check = with_strategy(check, scope, self.strategy)?;
        Ok(self.with_network(self.with_options(check)))
    }

    fn with_options(&self, check: Check) -> Check {
        let flag = |value: Option<bool>| value.map(|value| value.to_string());
        let namespace = self.connect.and_then(|connect| connect.namespace.clone());
        check
            .with_some(
                "ecs:enable-ebs-volumes",
                flag(self.volumes.map(|list| !list.is_empty())),
            )
            .with_some("ecs:enable-ecs-managed-tags", flag(self.managed_tags))
            .with_some("ecs:enable-execute-command", flag(self.execute_command))
            .with_some(
                "ecs:enable-service-connect",
                flag(self.connect.map(|connect| connect.enabled)),
            )
            .with_some(
                "ecs:enable-vpc-lattice",
                flag(self.lattice.map(|list| !list.is_empty())),
            )
            .with_some("ecs:namespace", namespace)
            .with_some("ecs:propagate-tags", self.propagate_tags)
    }

    fn with_network(&self, check: Check) -> Check {
        let network = self
            .network
            .and_then(|network| network.awsvpc_configuration.as_ref());
        let Some(network) = network else { return check };
        let public = network
            .assign_public_ip
            .as_deref()
            .map(|assign| (assign == "ENABLED").to_string());
        let check = check.with_some("ecs:auto-assign-public-ip", public);
        check.with_many("ecs:subnet", network.subnets.clone())
    }

    /// PassRole for every role ECS would assume for the service itself (rule 8).
    pub fn pass_roles(&self, view: &Snapshot, scope: Scope<'_>) -> Result<Vec<Check>, EcsError> {
        let of_volume = |volume: &'a api::ServiceVolumeConfiguration| {
            let managed = volume.managed_ebs_volume.as_ref()?;
            Some(managed.role_arn.as_str())
        };
        let of_service = |service: &'a api::ServiceConnectService| service.tls.as_ref()?.role_arn.as_deref();
        let volumes = self.volumes.unwrap_or_default().iter().filter_map(of_volume);
        let lattice = self.lattice.unwrap_or_default().iter();
        let connect = self.connect.and_then(|connect| connect.services.as_deref());
        let hooks = self
            .deployment
            .and_then(|deployment| deployment.lifecycle_hooks.as_deref());
        let mut roles: Vec<&str> = self
            .role
            .into_iter()
            .chain(volumes)
            .chain(lattice.map(|one| one.role_arn.as_str()))
            .chain(connect.unwrap_or_default().iter().filter_map(of_service))
            .chain(
                hooks
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|hook| hook.role_arn.as_deref()),
            )
            .filter(|role| !role.is_empty())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        let check = |role: &str| Ok(pass_role(&resolve_role(view, scope, role)?, SERVICE_PRINCIPAL));
        let mut checks: Vec<Check> = roles.into_iter().map(check).collect::<Result<_, EcsError>>()?;
        if open_points::services_pass_roles_of_definitions() {
            checks.extend(self.roles_of_tasks(view, scope)?);
        }
        Ok(checks)
    }

    /// PassRole for the roles that the service's tasks would use.
    fn roles_of_tasks(&self, view: &Snapshot, scope: Scope<'_>) -> Result<Vec<Check>, EcsError> {
        let Some(named) = self.task_definition.filter(|named| !named.is_empty()) else {
            return Ok(Vec::new());
        };
        let reference = DefinitionRef::resolve(view, scope, named)?;
        let definition = reference.find(view).map(|found| &found.definition);
        let roles = definition.map(|found| [&found.task_role_arn, &found.execution_role_arn]);
        let roles = roles.into_iter().flatten().flatten();
        let check = |role: &String| Ok(pass_role(&resolve_role(view, scope, role)?, TASKS_PRINCIPAL));
        roles.map(check).collect()
    }
}

/// The definition's ARN with its revision and, for services, the size of its tasks.
pub(super) fn with_definition(
    check: Check,
    view: &Snapshot,
    scope: Scope<'_>,
    argument: Option<&str>,
    with_size: bool,
) -> Result<Check, EcsError> {
    let Some(argument) = argument.filter(|argument| !argument.is_empty()) else {
        return Ok(check);
    };
    let reference = DefinitionRef::resolve(view, scope, argument)?;
    let check = check.with("ecs:task-definition", reference.arn.as_str());
    let definition = reference.find(view).map(|found| &found.definition);
    let Some(definition) = definition.filter(|_| with_size) else {
        return Ok(check);
    };
    Ok(check
        .with_some("ecs:task-cpu", definition.cpu.clone())
        .with_some("ecs:task-memory", definition.memory.clone()))
}

/// The ARNs of the providers of a strategy.
pub(super) fn with_strategy(
    check: Check,
    scope: Scope<'_>,
    strategy: &[api::CapacityProviderStrategyItem],
) -> Result<Check, EcsError> {
    add_key(check, scope, strategy.iter().map(|item| &item.capacity_provider))
}
