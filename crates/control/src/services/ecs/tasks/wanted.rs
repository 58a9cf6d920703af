//! What RunTask and StartTask have in common: the parameters, what they require, and the rules they must keep.

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Tag, Tags};

use super::overrides;
use crate::gate::assume::{Assumption, ECS_TASKS, service_call, trusts};
use crate::gate::operation::Check;
use crate::services::ecs::checks::{SERVICE_PRINCIPAL, pass_role, resolve_role, tag_on_create};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, DefinitionRef, Scope};
use crate::services::ecs::tags;
use crate::services::ecs::task_definitions::TaskSize;
use crate::services::ecs::tasks::check_network_objects;
use crate::world::records::ecs::TaskDefinition;
use crate::world::{Snapshot, Tx};

/// Most subnets and security groups of a task's network interface (ecs.md 9).
const SUBNETS_MAX: usize = 16;
const SECURITY_GROUPS_MAX: usize = 5;

/// The parameters both operations take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// `RunTask` or `StartTask`.
    pub operation: &'static str,
    pub cluster: Option<&'a str>,
    pub task_definition: &'a str,
    pub overrides: Option<&'a api::TaskOverride>,
    pub tags: Option<&'a [api::Tag]>,
    pub group: Option<&'a str>,
    pub started_by: Option<&'a str>,
    /// Longest `startedBy`, in characters.
    pub started_by_max: usize,
    pub enable_execute_command: Option<bool>,
    pub enable_managed_tags: Option<bool>,
    pub propagate_tags: Option<&'a str>,
    pub network: Option<&'a api::NetworkConfiguration>,
    pub volumes: Option<&'a [api::TaskVolumeConfiguration]>,
}

/// The names of a call, resolved before anything is authorised (ecs.md 15, rule 1).
#[derive(Debug)]
pub(super) struct Named {
    pub cluster: ClusterRef,
    pub definition: DefinitionRef,
    pub task_role: Option<Arn>,
    pub execution_role: Option<Arn>,
}

/// What will be made of every task of a call.
#[derive(Debug)]
pub(super) struct Plan<'v> {
    pub cluster: ClusterRef,
    pub definition: &'v TaskDefinition,
    pub overrides: api::TaskOverride,
    pub task_role: Option<Arn>,
    pub execution_role: Option<Arn>,
    /// The zones of the subnets its network interface can be in; empty when any will do.
    pub zones: Vec<String>,
    /// What its network interface shall be; only of `awsvpc` tasks.
    pub network: Option<api::AwsVpcConfiguration>,
    pub group: String,
    pub started_by: Option<String>,
    pub enable_execute_command: bool,
    pub tags: Tags,
}

impl Wanted<'_> {
    /// Resolves every name.
    pub fn named(&self, view: &Snapshot, scope: Scope<'_>) -> Result<Named, EcsError> {
        let cluster = ClusterRef::resolve(scope, self.cluster)?;
        let definition = DefinitionRef::resolve(view, scope, self.task_definition)?;
        let found = definition.find(view).map(|found| &found.definition);
        let role = |own: Option<&String>, default: Option<&String>| {
            own.or(default)
                .map(|name| resolve_role(view, scope, name))
                .transpose()
        };
        let task_role = role(
            self.overrides.and_then(|own| own.task_role_arn.as_ref()),
            found.and_then(|found| found.task_role_arn.as_ref()),
        )?;
        let execution_role = role(
            self.overrides.and_then(|own| own.execution_role_arn.as_ref()),
            found.and_then(|found| found.execution_role_arn.as_ref()),
        )?;
        Ok(Named {
            cluster,
            definition,
            task_role,
            execution_role,
        })
    }

    /// The check of the operation itself, with the keys both operations fill.
    pub fn own_check(&self, view: &Snapshot, named: &Named, action: &'static str) -> Check {
        let ebs = self.volumes.is_some_and(|volumes| !volumes.is_empty());
        let check = Check::new(action, named.definition.arn.as_str())
            .with("ecs:cluster", named.cluster.arn.as_str())
            .with_some(
                "ecs:enable-execute-command",
                self.enable_execute_command.map(|on| on.to_string()),
            )
            .with_some("ecs:enable-ebs-volumes", ebs.then_some("true"))
            .of_request(&tags::requested(self.tags));
        match named.definition.find(view) {
            Some(definition) => check.of_resource(&definition.tags),
            None => check,
        }
    }

    /// PassRole for each role that will be used, TagResource when there are tags (rules 7 and 8).
    pub fn dependent_checks(
        &self,
        view: &Snapshot,
        named: &Named,
        scope: Scope<'_>,
    ) -> Result<Vec<Check>, EcsError> {
        let mut roles: Vec<&Arn> = [&named.task_role, &named.execution_role]
            .into_iter()
            .flatten()
            .collect();
        roles.dedup();
        let mut checks: Vec<_> = roles.into_iter().map(|role| pass_role(role, ECS_TASKS)).collect();
        checks.extend(self.volume_roles(view, scope)?);
        let new_tasks = scope.arn(format_args!("task/{}/*", named.cluster.name));
        checks.extend(tag_on_create(
            self.operation,
            new_tasks.as_str(),
            &tags::requested(self.tags),
        ));
        Ok(checks)
    }

    /// PassRole for the roles by which ECS would make EBS volumes.
    fn volume_roles(&self, view: &Snapshot, scope: Scope<'_>) -> Result<Vec<Check>, EcsError> {
        let volumes = self.volumes.unwrap_or_default().iter();
        let mut roles: Vec<&str> = volumes
            .filter_map(|volume| Some(volume.managed_ebs_volume.as_ref()?.role_arn.as_str()))
            .filter(|role| !role.is_empty())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        let check = |role: &str| Ok(pass_role(&resolve_role(view, scope, role)?, SERVICE_PRINCIPAL));
        roles.into_iter().map(check).collect()
    }

    /// Holds the parameters against the definition.
    pub fn plan<'v>(&self, view: &'v Snapshot, scope: Scope<'_>) -> Result<Plan<'v>, EcsError> {
        let named = self.named(view, scope)?;
        named.cluster.active(view)?;
        let definition = named.definition.active(view)?;
        let overrides = self.sized_overrides()?;
        overrides::check(&definition.definition, &overrides)?;
        check_network(&definition.definition, self.network)?;
        check_supported(&definition.definition, &overrides)?;
        if self.volumes.is_some_and(|volumes| !volumes.is_empty()) {
            return Err(EcsError::Unsupported("EBS volumes"));
        }
        let enable_execute_command = self.enable_execute_command.unwrap_or_default();
        if enable_execute_command && named.task_role.is_none() {
            return Err(EcsError::ExecWithoutTaskRole);
        }
        Ok(Plan {
            zones: check_network_objects(view, scope, self.network)?,
            network: self.network.and_then(|given| given.awsvpc_configuration.clone()),
            group: self.checked_group(&definition.family)?,
            started_by: self.checked_started_by()?,
            tags: self.task_tags(&named.cluster, definition)?,
            cluster: named.cluster,
            definition,
            overrides,
            task_role: named.task_role,
            execution_role: named.execution_role,
            enable_execute_command,
        })
    }

    /// The overrides with task sizes in whole numbers.
    fn sized_overrides(&self) -> Result<api::TaskOverride, EcsError> {
        let mut overrides = self.overrides.cloned().unwrap_or_default();
        let size = self.own_size()?;
        overrides.cpu = size.cpu.map(|units| units.to_string());
        overrides.memory = size.memory.map(|mib| mib.to_string());
        Ok(overrides)
    }

    fn own_size(&self) -> Result<TaskSize, EcsError> {
        let own = |size: fn(&api::TaskOverride) -> Option<&String>| {
            self.overrides.and_then(size).map(String::as_str)
        };
        Ok(TaskSize::parse(
            own(|own| own.cpu.as_ref()),
            own(|own| own.memory.as_ref()),
        )?)
    }

    /// The task-level CPU units and MiB in force, for `ecs:task-cpu` and `ecs:task-memory`.
    pub fn size(&self, view: &Snapshot, named: &Named) -> (Option<String>, Option<String>) {
        let own = self.own_size().unwrap_or_default();
        let found = named.definition.find(view).map(|found| &found.definition);
        let default =
            |size: fn(&api::TaskDefinition) -> &Option<String>| found.and_then(|found| size(found).clone());
        (
            own.cpu
                .map(|units| units.to_string())
                .or_else(|| default(|found| &found.cpu)),
            own.memory
                .map(|mib| mib.to_string())
                .or_else(|| default(|found| &found.memory)),
        )
    }

    fn checked_group(&self, family: &str) -> Result<String, EcsError> {
        let Some(group) = self.group.filter(|group| !group.is_empty()) else {
            return Ok(format!("family:{family}"));
        };
        match ["service:", "daemon:", "ecs:"]
            .into_iter()
            .find(|reserved| group.starts_with(reserved))
        {
            Some(reserved) => Err(EcsError::TaskGroup(reserved)),
            None => Ok(group.to_owned()),
        }
    }

    fn checked_started_by(&self) -> Result<Option<String>, EcsError> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
        let valid = |text: &str| text.len() <= self.started_by_max && text.chars().all(known);
        match self.started_by {
            Some(text) if !valid(text) => Err(EcsError::StartedBy),
            other => Ok(other.filter(|text| !text.is_empty()).map(str::to_owned)),
        }
    }

    /// The request's tags win over those of the definition; AWS's own come last (ecs.md 6).
    fn task_tags(&self, cluster: &ClusterRef, definition: &TaskDefinition) -> Result<Tags, EcsError> {
        let requested = tags::checked(self.tags)?;
        let propagated = match self.propagate_tags {
            None | Some("NONE") => Tags::new(),
            Some("TASK_DEFINITION") => definition.tags.clone(),
            Some(_) => return Err(EcsError::PropagateTags),
        };
        let mut all = tags::merged(propagated, &requested)?;
        if self.enable_managed_tags.unwrap_or_default() {
            all.set(Tag::new("aws:ecs:clusterName", &cluster.name));
        }
        Ok(all)
    }
}

impl Plan<'_> {
    /// Tries whether ECS may assume the roles of a task (ecs.md 9).
    pub fn check_roles(&self, tx: &Tx<'_>, task: &Arn, task_id: &str) -> Result<(), EcsError> {
        let view = tx.view();
        let assumption = Assumption {
            principal: ECS_TASKS,
            source: task,
            session_name: task_id,
        };
        for arn in [&self.task_role, &self.execution_role].into_iter().flatten() {
            let role = view.role_by_arn(arn.as_str());
            let call = service_call(view, &assumption, tx.now, String::new());
            let assumable = role
                .zip(call)
                .is_some_and(|(role, call)| trusts(view, &call, role, &assumption));
            if !assumable {
                return Err(EcsError::RoleNotAssumable(arn.to_string()));
            }
        }
        Ok(())
    }
}

pub(in crate::services::ecs) fn check_network(
    definition: &api::TaskDefinition,
    network: Option<&api::NetworkConfiguration>,
) -> Result<(), EcsError> {
    let given = network.and_then(|network| network.awsvpc_configuration.as_ref());
    match (definition.network_mode.as_deref() == Some("awsvpc"), given) {
        (true, Some(given)) => check_sizes(given),
        (true, None) => Err(EcsError::NetworkConfigurationMissing),
        (false, Some(_)) => Err(EcsError::NetworkConfigurationUnwanted),
        (false, None) => Ok(()),
    }
}

fn check_sizes(network: &api::AwsVpcConfiguration) -> Result<(), EcsError> {
    if network.subnets.is_empty() {
        return Err(EcsError::SubnetsEmpty);
    }
    let groups = network.security_groups.as_deref().unwrap_or_default();
    let counted = [
        ("subnets", network.subnets.len(), SUBNETS_MAX),
        ("securityGroups", groups.len(), SECURITY_GROUPS_MAX),
    ];
    match counted.into_iter().find(|(_, count, limit)| count > limit) {
        Some((what, _, limit)) => Err(EcsError::TooMany { what, limit }),
        None => Ok(()),
    }
}

/// What neither this server nor its agent can do yet is refused here rather than left out silently.
pub(in crate::services::ecs) fn check_supported(
    definition: &api::TaskDefinition,
    overrides: &api::TaskOverride,
) -> Result<(), EcsError> {
    let some = |given: bool, what: &'static str| {
        if given {
            Err(EcsError::Unsupported(what))
        } else {
            Ok(())
        }
    };
    for container in definition.container_definitions.iter().flatten() {
        some(has(&container.credential_specs), "credential specs")?;
    }
    for own in overrides.container_overrides.iter().flatten() {
        some(
            has(&own.resource_requirements),
            "resource requirements in overrides",
        )?;
    }
    for volume in definition.volumes.iter().flatten() {
        some(volume.efs_volume_configuration.is_some(), "EFS volumes")?;
        some(
            volume.fsx_windows_file_server_volume_configuration.is_some(),
            "FSx volumes",
        )?;
        some(volume.s3files_volume_configuration.is_some(), "S3 Files volumes")?;
        some(
            volume.configured_at_launch.unwrap_or_default(),
            "volumes configured at launch",
        )?;
    }
    some(definition.proxy_configuration.is_some(), "proxy configurations")
}

fn has<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}
