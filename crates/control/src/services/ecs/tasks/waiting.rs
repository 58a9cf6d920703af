//! Tasks that wait for room of a capacity provider with managed scaling (ecs.md 3): made without an instance, placed when
//! there is room. What their caller was authorised to is asked again then: roles may have changed in between.

use portcullis_api::ecs as api;

use super::make::{self, NewId};
use super::placing;
use super::run::pick;
use super::wanted::Plan;
use crate::gate::passing;
use crate::schedule::life_cycle;
use crate::schedule::placement::{Demand, Hosts, Reason, is_empty, place};
use crate::services::ecs::checks::pass_roles_of_tasks;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::services::ecs::quotas;
use crate::world::records::ecs::{CapacityProvider, ClientToken, Cluster, ContainerInstance, Task, Waiting};
use crate::world::{Snapshot, Tx};

/// AWS's word for a provider without any instance.
const NO_INSTANCES: &str = "EMPTY CAPACITY PROVIDER";
/// AWS's word for a provider whose instances all leave.
const NONE_ACTIVE: &str = "NO ACTIVE INSTANCES";

/// What AWS says of hosts none of which takes tasks.
pub(super) fn without_hosts(view: &Snapshot, cluster_key: &str, hosts: &Hosts) -> &'static str {
    match is_empty(view, cluster_key, hosts) {
        true => NO_INSTANCES,
        false => NONE_ACTIVE,
    }
}

/// How many more tasks of a cluster may wait.
pub(super) fn places_left(view: &Snapshot, cluster_key: &str) -> usize {
    let limit = quotas::PROVISIONING_TASKS_PER_CLUSTER.limit(view);
    limit.saturating_sub(view.ecs.count_of_waiting(cluster_key))
}

/// Makes one task of a plan that waits for room of a provider.
pub(super) fn task(
    tx: &Tx<'_>,
    plan: &Plan<'_>,
    id: NewId,
    provider: &str,
    waits: Waiting,
    token: Option<ClientToken>,
) -> Task {
    let mut task = make::unplaced(tx, plan, id, "EC2", token);
    task.capacity_provider = Some(provider.to_owned());
    task.waits = Some(Box::new(waits));
    task
}

/// What became of a task that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tried {
    /// It has an instance.
    Placed,
    /// It goes on waiting, for this reason of AWS's.
    NoRoom(String),
    /// It can never start, in AWS's words.
    Refused(String),
}

/// Looks whether there is room for a waiting task by now, and puts it there.
pub(crate) fn try_again(tx: &mut Tx<'_>, task: &Task) -> Tried {
    let view = tx.view().clone();
    match Trial::of(&view, task) {
        None => Tried::Refused(EcsError::DefinitionNotFound.to_string()),
        Some(trial) => trial
            .carry_out(tx, task)
            .unwrap_or_else(|error| Tried::Refused(error.to_string())),
    }
}

/// Whether what speaks against one waiting task speaks against another one too.
pub(crate) fn is_alike(one: &Task, other: &Task) -> bool {
    (&one.family, one.revision, &one.group, &one.capacity_provider)
        == (
            &other.family,
            other.revision,
            &other.group,
            &other.capacity_provider,
        )
        && one.reservation == other.reservation
        && one.task_role == other.task_role
        && one.execution_role == other.execution_role
        && one.enable_execute_command == other.enable_execute_command
        && match (one.waits.as_deref(), other.waits.as_deref()) {
            (Some(one), Some(other)) => one.zones == other.zones && one.placement == other.placement,
            (one, other) => one.is_none() && other.is_none(),
        }
}

/// A waiting task with what it was made of.
struct Trial<'v> {
    view: &'v Snapshot,
    plan: Plan<'v>,
    waits: &'v Waiting,
    home: String,
}

impl<'v> Trial<'v> {
    fn of(view: &'v Snapshot, task: &'v Task) -> Option<Self> {
        let scope = Scope {
            region: &task.region,
            account: &view.account,
        };
        let waits = task.waits.as_deref()?;
        Some(Self {
            view,
            plan: Plan {
                cluster: ClusterRef::named(scope, &task.cluster),
                definition: task.definition(view)?,
                overrides: task.overrides.clone(),
                task_role: task.task_role.clone(),
                execution_role: task.execution_role.clone(),
                zones: waits.zones.clone(),
                network: network(&waits.placement),
                group: task.group.clone(),
                started_by: task.started_by.clone(),
                enable_execute_command: task.enable_execute_command,
                tags: task.tags.clone(),
            },
            waits,
            home: Cluster::key_of(&task.region, &task.cluster),
        })
    }

    fn demand(&self) -> Result<Demand<'_>, EcsError> {
        let asked = &self.waits.placement;
        let mut demand = placing::demand(&self.plan);
        demand.constraints = placing::constraints(&self.plan, asked.placement_constraints.as_deref())?;
        demand.strategies = placing::strategies(asked.placement_strategy.as_deref())?;
        Ok(demand)
    }

    fn hosts(&self, task: &Task) -> Option<Hosts> {
        let name = task.capacity_provider.as_deref()?;
        let key = CapacityProvider::key_of(&task.region, name);
        let found = self.view.ecs.capacity_providers.get(&key)?;
        let is_there = found.is_active();
        is_there.then(|| Hosts::Group(found.group_name().to_owned()))
    }

    fn carry_out(&self, tx: &mut Tx<'_>, task: &Task) -> Result<Tried, EcsError> {
        let Some(hosts) = self.hosts(task) else {
            return Ok(Tried::NoRoom(NO_INSTANCES.to_owned()));
        };
        let demand = self.demand()?;
        let found = place(self.view, &self.home, &hosts, &demand, 1, &mut |choices| {
            pick(tx, choices)
        });
        let Some(instance) = found.placed.first() else {
            return Ok(Tried::NoRoom(self.reason(&hosts, &found.failures)));
        };
        self.plan.check_roles(tx, &task.arn, &task.id)?;
        if let Some(refusal) = self.not_theirs_to_pass(tx, task) {
            return Ok(Tried::Refused(refusal));
        }
        let mut task = task.clone();
        make::settle(self.view, &mut task, instance);
        life_cycle::keep(tx, task);
        Ok(Tried::Placed)
    }

    /// Whoever asked for the task may no longer pass its roles.
    fn not_theirs_to_pass(&self, tx: &Tx<'_>, task: &Task) -> Option<String> {
        let asker = self.waits.asker.as_deref()?;
        let checks = pass_roles_of_tasks(task.task_role.as_ref(), task.execution_role.as_ref());
        passing::refusal(self.view, asker, &checks, tx.now)
    }

    /// What speaks against the instance that comes closest.
    fn reason(&self, hosts: &Hosts, failures: &[(&std::sync::Arc<ContainerInstance>, Reason)]) -> String {
        match super::of_service::closest(failures) {
            None => without_hosts(self.view, &self.home, hosts).to_owned(),
            Some((_, reason)) => reason.as_str().trim_end_matches('.').to_owned(),
        }
    }
}

fn network(asked: &api::RunTaskRequest) -> Option<api::AwsVpcConfiguration> {
    asked.network_configuration.as_ref()?.awsvpc_configuration.clone()
}

/// What a request says of the place of its tasks, to be kept with those that wait.
pub(super) fn asked(
    plan: &Plan<'_>,
    constraints: Option<&[api::PlacementConstraint]>,
    strategies: Option<&[api::PlacementStrategy]>,
) -> api::RunTaskRequest {
    api::RunTaskRequest {
        placement_constraints: constraints.map(<[_]>::to_vec),
        placement_strategy: strategies.map(<[_]>::to_vec),
        network_configuration: plan.network.clone().map(|network| api::NetworkConfiguration {
            awsvpc_configuration: Some(network),
        }),
        ..api::RunTaskRequest::default()
    }
}
