//! What CreateDaemon and UpdateDaemon both ask for: the keys it is authorised with and the rules it must keep.

use portcullis_api::ecs as api;
use portcullis_core::Arn;

use super::definitions::names::DaemonDefinitionRef;
use super::faults::DaemonFault;
use crate::gate::operation::Check;
use crate::open_points;
use crate::services::ecs::capacity_providers::{ProviderRef, add_key};
use crate::services::ecs::checks::{TASKS_PRINCIPAL, pass_role, resolve_role};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::services::ecs::paging::at_most;
use crate::services::ecs::tasks::check_supported;
use crate::world::Snapshot;
use crate::world::records::ecs::{DaemonTaskDefinition, TaskDefinition};

/// Most capacity providers of a daemon: as many as of a strategy (ecs.md 3).
const PROVIDERS_MAX: usize = 20;
/// The share of its instances that a deployment takes at once when nobody says.
const DRAIN_PERCENT: Option<f64> = Some(25.0);
/// Longest wait after a step of a deployment, in minutes.
const BAKE_TIME_MAX: i32 = 1_440;

/// What both operations can say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub definition: &'a str,
    pub providers: &'a [String],
    pub configuration: Option<&'a api::DaemonDeploymentConfiguration>,
    pub propagate_tags: Option<&'a str>,
    pub managed_tags: Option<bool>,
    pub execute_command: Option<bool>,
}

impl<'a> Wish<'a> {
    /// What a CreateDaemon says.
    pub fn by_create(input: &'a api::CreateDaemonRequest) -> Self {
        Self {
            definition: &input.daemon_task_definition_arn,
            providers: &input.capacity_provider_arns,
            configuration: input.deployment_configuration.as_ref(),
            propagate_tags: input.propagate_tags.as_deref(),
            managed_tags: input.enable_ecs_managed_tags,
            execute_command: input.enable_execute_command,
        }
    }

    /// What an UpdateDaemon says.
    pub fn by_update(input: &'a api::UpdateDaemonRequest) -> Self {
        Self {
            definition: &input.daemon_task_definition_arn,
            providers: &input.capacity_provider_arns,
            configuration: input.deployment_configuration.as_ref(),
            propagate_tags: input.propagate_tags.as_deref(),
            managed_tags: input.enable_ecs_managed_tags,
            execute_command: input.enable_execute_command,
        }
    }

    /// Adds every key the reference lists for both actions; absent where the request does not say (ecs.md 15, rule 11).
    pub fn add_keys(&self, check: Check, view: &Snapshot, scope: Scope<'_>) -> Result<Check, EcsError> {
        let reference = DaemonDefinitionRef::resolve(view, scope, self.definition)?;
        let size = reference.find(view).map(|found| &found.as_tasks);
        let flag = |value: Option<bool>| value.map(|value| value.to_string());
        let check = check
            .with("ecs:daemon-task-definition", reference.arn.as_str())
            .with_some("ecs:task-cpu", size.and_then(|size| size.cpu.clone()))
            .with_some("ecs:task-memory", size.and_then(|size| size.memory.clone()))
            .with_some("ecs:enable-ecs-managed-tags", flag(self.managed_tags))
            .with_some("ecs:enable-execute-command", flag(self.execute_command))
            .with_some("ecs:propagate-tags", self.propagate_tags);
        add_key(check, scope, self.providers.iter())
    }

    /// PassRole for the roles that its tasks will use (rule 8).
    pub fn pass_roles(&self, view: &Snapshot, scope: Scope<'_>) -> Result<Vec<Check>, EcsError> {
        let reference = DaemonDefinitionRef::resolve(view, scope, self.definition)?;
        let Some(found) = reference.find(view) else {
            return Ok(Vec::new());
        };
        let roles = [&found.as_tasks.task_role_arn, &found.as_tasks.execution_role_arn];
        let mut roles: Vec<&String> = roles.into_iter().flatten().collect();
        roles.dedup();
        let check = |role: &String| Ok(pass_role(&resolve_role(view, scope, role)?, TASKS_PRINCIPAL));
        roles.into_iter().map(check).collect()
    }

    /// The ARN of the definition, when a daemon can run it.
    pub fn definition(&self, view: &Snapshot, scope: Scope<'_>, executes: bool) -> Result<Arn, EcsError> {
        let reference = DaemonDefinitionRef::resolve(view, scope, self.definition)?;
        let found = reference.known(view)?;
        if !found.is_active() {
            return Err(EcsError::DaemonDefinitionNotActive);
        }
        check_shared(found)?;
        let tasks = TaskDefinition::by_arn(view, &found.arn).ok_or(EcsError::DaemonDefinitionNotFound)?;
        check_supported(&tasks.definition, &api::TaskOverride::default())?;
        if executes && found.as_tasks.task_role_arn.is_none() {
            return Err(DaemonFault::ExecWithoutTaskRole.into());
        }
        Ok(found.arn.clone())
    }

    /// The ARNs of the capacity providers, which the cluster must have.
    pub fn providers(
        &self,
        view: &Snapshot,
        scope: Scope<'_>,
        cluster: &ClusterRef,
    ) -> Result<Vec<String>, EcsError> {
        if self.providers.is_empty() {
            return Err(DaemonFault::ProvidersEmpty.into());
        }
        at_most("capacityProviderArns", PROVIDERS_MAX, self.providers.len())?;
        let associated = cluster.known(view)?.chosen.capacity_providers.clone();
        let associated = associated.unwrap_or_default();
        let mut arns: Vec<String> = Vec::new();
        for text in self.providers {
            let provider = ProviderRef::usable(scope, text)?;
            if provider.is_built_in() || !open_points::daemons_run_on_groups() {
                return Err(DaemonFault::Provider(provider.name).into());
            }
            let found = provider.find(view).filter(|found| found.is_active());
            let found = found.ok_or_else(|| EcsError::CapacityProviderNotFound(provider.name.clone()))?;
            let is_associated =
                |one: &String| ProviderRef::resolve(scope, one).is_ok_and(|one| one.arn == provider.arn);
            if !associated.iter().any(is_associated) {
                return Err(EcsError::CapacityProviderNotAssociated);
            }
            let arn = found.arn.to_string();
            if arns.contains(&arn) {
                return Err(DaemonFault::ProviderTwice(provider.name).into());
            }
            arns.push(arn);
        }
        Ok(arns)
    }

    /// How deployments are carried out; `None` when the request does not say.
    pub fn configuration(&self) -> Result<Option<api::DaemonDeploymentConfiguration>, EcsError> {
        let Some(given) = self.configuration else {
            return Ok(None);
        };
        match given.bake_time_in_minutes {
            None | Some(0) => {}
            Some(1..=BAKE_TIME_MAX) => {
                return Err(EcsError::Unsupported("bakeTimeInMinutes of daemon deployments"));
            }
            Some(_) => return Err(DaemonFault::BakeTime.into()),
        }
        let alarms = given.alarms.as_ref();
        let enabled = alarms.filter(|alarms| alarms.enable.unwrap_or_default());
        if enabled.is_some_and(|alarms| alarms.alarm_names.as_deref().unwrap_or_default().is_empty()) {
            return Err(DaemonFault::AlarmsEmpty.into());
        }
        Ok(Some(api::DaemonDeploymentConfiguration {
            drain_percent: given.drain_percent.or(DRAIN_PERCENT),
            bake_time_in_minutes: Some(0),
            alarms: given.alarms.clone(),
        }))
    }
}

/// How daemons are deployed when nobody says.
pub(super) fn default_configuration() -> api::DaemonDeploymentConfiguration {
    api::DaemonDeploymentConfiguration {
        drain_percent: DRAIN_PERCENT,
        bake_time_in_minutes: Some(0),
        alarms: None,
    }
}

/// What an instance shares with a daemon's tasks cannot be shared here yet.
fn check_shared(found: &DaemonTaskDefinition) -> Result<(), EcsError> {
    let definition = &found.definition;
    if definition.pid_mode.as_deref() == Some("shared") {
        return Err(EcsError::Unsupported("pidMode shared of daemons"));
    }
    if definition.ipc_mode.as_deref() == Some("shared") {
        return Err(EcsError::Unsupported("ipcMode shared of daemons"));
    }
    let mut volumes = definition.volumes.iter().flatten();
    if volumes.any(|one| one.log_driver_volume_configuration.is_some()) {
        return Err(EcsError::Unsupported("log driver volumes of daemons"));
    }
    Ok(())
}
