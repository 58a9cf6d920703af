//! Tasks of services: made by the same road as those of RunTask, but by ECS itself. Whoever made the service was
//! authorised then; nobody is asked again (ecs.md 15, rule 9), but every role must still be assumable.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Tag, Tags};

use super::digests;
use super::make::{self, NewId, Place};
use super::placing;
use super::run::pick;
use super::waiting;
use super::wanted::{Plan, check_supported};
use crate::schedule::life_cycle;
use crate::schedule::placement::{Candidate, Constraint, Demand, Hosts, Placement, Reason, place};
use crate::schedule::providers::divide;
use crate::schedule::query::Expression;
use crate::services::ecs::capacity_providers::{Means, Provider, means};
use crate::services::ecs::checks::resolve_role;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::services::ecs::tags;
use crate::world::records::ecs::{
    Cluster, ContainerInstance, Deployment, DesiredStatus, Facet, GROUP_ATTRIBUTE, HostKind, Reservation,
    Service, ServiceTaskSet, TaskDefinition, TaskSet, Waiting, ZONE_ATTRIBUTE,
};
use crate::world::{Snapshot, Tx};

/// One version of a service: a deployment or a task set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version<'a> {
    /// The service.
    pub service: &'a Service,
    /// `ecs-svc/N`: `startedBy` of the tasks.
    pub id: &'a str,
    /// `startedBy` of further tasks of it.
    pub took_over: &'a [String],
    /// What the tasks are made from.
    pub task_definition: &'a Arn,
    /// The launch type, unless capacity providers decide.
    pub launch_type: Option<&'a str>,
    /// The capacity providers that decide.
    pub strategy: Option<&'a [api::CapacityProviderStrategyItem]>,
    /// The platform version of Fargate tasks.
    pub platform_version: Option<&'a str>,
    /// Where the tasks' network interfaces are.
    pub network: Option<&'a api::NetworkConfiguration>,
    /// The zones of those; empty when any will do.
    pub zones: &'a [String],
}

/// Where new tasks may go.
#[derive(Debug, Clone)]
pub(crate) enum Where {
    /// Wherever the service's conditions let them.
    Anywhere,
    /// In one zone.
    Zone(String),
    /// On one instance, by its id.
    Instance(String),
}

/// What became of new tasks.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// The ids of those made.
    pub ids: Vec<String>,
    /// Why others were not.
    pub missing: Option<Missing>,
}

/// Why tasks could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No instance takes them; the one that comes closest, by its id, and what speaks against it.
    Room(Option<(String, Reason)>),
    /// This capacity provider has no instance.
    Hosts(String),
    /// No host of Fargate takes them; whose hosts these are is not told.
    Capacity,
    /// They could not be launched anywhere; why, in AWS's words.
    Launch(String),
}

/// Makes up to `count` tasks of a version of a service.
pub(crate) fn start(tx: &mut Tx<'_>, version: Version<'_>, count: u32, whither: &Where) -> Started {
    let view = tx.view().clone();
    let mut started = Started::default();
    if let Err(error) = version.carry_out(tx, &view, count, whither, &mut started) {
        started.missing = Some(Missing::Launch(error.to_string()));
    }
    started
}

/// How an instance suits the tasks of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// One may be started there.
    Now,
    /// One belongs there, but its agent is away or it has no room.
    NotNow,
    /// None belongs there.
    Never,
}

/// How each of these instances suits the tasks of a version.
pub(crate) fn fits(view: &Snapshot, version: Version<'_>, instances: &[&ContainerInstance]) -> Vec<Fit> {
    version.fits(view, instances).unwrap_or_else(|_| {
        // A version that cannot be started does not lose what runs.
        vec![Fit::NotNow; instances.len()]
    })
}

/// What each task of a version takes of its instance; `None` when none can be started.
pub(crate) fn reservation(view: &Snapshot, version: Version<'_>) -> Option<Reservation> {
    let plan = version.plan(view).ok()?;
    Some(placing::demand(&plan).reservation)
}

/// The zones with an instance where tasks of a version belong, of these instances; empty when it cannot be started at all.
pub(crate) fn zones<'v>(
    view: &Snapshot,
    version: Version<'_>,
    instances: impl Iterator<Item = &'v ContainerInstance>,
) -> BTreeSet<String> {
    version.open_zones(view, instances).unwrap_or_default()
}

fn accepts(hosts: &Hosts, instance: &ContainerInstance) -> bool {
    match hosts {
        Hosts::Kind(kind) => *kind == HostKind::of(instance),
        Hosts::Group(group) => {
            let own = instance.attributes.get(GROUP_ATTRIBUTE);
            HostKind::of(instance) == HostKind::Ec2 && own.and_then(Option::as_ref) == Some(group)
        }
    }
}

fn fit(view: &Snapshot, parts: &[Part], demand: &Demand<'_>, instance: &ContainerInstance) -> Fit {
    if !parts.iter().any(|part| accepts(&part.hosts, instance)) {
        return Fit::Never;
    }
    let key = ContainerInstance::key_of(&instance.region, &instance.cluster, &instance.id);
    let candidate = Candidate::of(view, &key, demand, instance);
    match candidate.refuses(demand) {
        None | Some(Reason::DistinctInstance) => Fit::Now,
        // What stands behind it in the order of the filters must hold all the same.
        Some(_) if candidate.qualifies(demand) => Fit::NotNow,
        Some(_) => Fit::Never,
    }
}

/// A share of a version's tasks: through one capacity provider, or all by a launch type.
struct Part {
    hosts: Hosts,
    provider: Option<String>,
    share: crate::schedule::providers::Part,
    tasks: u32,
    /// Its provider scales: tasks wait for room.
    scales: bool,
}

impl Part {
    fn is_fargate(&self) -> bool {
        matches!(self.hosts, Hosts::Kind(HostKind::Fargate | HostKind::FargateSpot))
    }
}

/// How many of `count` tasks go to each part.
fn shares(parts: &[Part], count: u32) -> Vec<usize> {
    let rules: Vec<_> = parts.iter().map(|part| part.share).collect();
    let tasks: Vec<_> = parts.iter().map(|part| part.tasks).collect();
    divide(&rules, &tasks, usize::try_from(count).unwrap_or_default())
}

/// By zone, then where the service has fewest tasks (ecs.md 10).
fn default_strategies() -> Vec<api::PlacementStrategy> {
    let spread = |field: String| api::PlacementStrategy {
        r#type: Some("spread".to_owned()),
        field: Some(field),
    };
    vec![
        spread(format!("attribute:{ZONE_ATTRIBUTE}")),
        spread("instanceId".to_owned()),
    ]
}

/// The condition that an instance is in one of these zones.
fn in_zones(zones: &[String]) -> Result<Constraint, EcsError> {
    let names: Vec<String> = zones.iter().map(|zone| format!("'{zone}'")).collect();
    let text = format!("attribute:{ZONE_ATTRIBUTE} in [{}]", names.join(", "));
    let parsed = Expression::parse(&text).map_err(|error| EcsError::Expression(error.to_string()))?;
    Ok(Constraint::MemberOf(parsed))
}

fn place_there<'v>(view: &'v Snapshot, cluster: &str, demand: &Demand<'_>, id: &str) -> Placement<'v> {
    let key = format!("{cluster}/{id}");
    let Some(instance) = view.ecs.container_instances.get(&key) else {
        return Placement::default();
    };
    match Candidate::of(view, &key, demand, instance).refuses(demand) {
        None => Placement {
            placed: vec![instance],
            failures: Vec::new(),
        },
        Some(reason) => Placement {
            placed: Vec::new(),
            failures: vec![(instance, reason)],
        },
    }
}

/// The instance that passed most of the filters; of equal ones the first by id, so that it is named again next time.
pub(super) fn closest(failures: &[(&std::sync::Arc<ContainerInstance>, Reason)]) -> Option<(String, Reason)> {
    let passed = |reason: Reason| match reason {
        Reason::Agent => 0,
        Reason::Cpu => 1,
        Reason::Memory => 2,
        Reason::Ports => 3,
        Reason::Gpu => 4,
        Reason::Eni => 5,
        Reason::Location => 6,
        Reason::Attribute => 7,
        Reason::MemberOf => 8,
        Reason::DistinctInstance => 9,
    };
    let best = failures
        .iter()
        .min_by_key(|(instance, reason)| (std::cmp::Reverse(passed(*reason)), instance.id.as_str()));
    best.map(|(instance, reason)| (instance.id.clone(), *reason))
}

impl<'a> Version<'a> {
    /// A deployment of a service.
    pub fn of_deployment(service: &'a Service, one: &'a Deployment) -> Self {
        Self {
            service,
            id: &one.id,
            took_over: &one.took_over,
            task_definition: &one.task_definition,
            launch_type: one.chosen.launch_type.as_deref(),
            strategy: one.chosen.capacity_provider_strategy.as_deref(),
            platform_version: one.chosen.platform_version.as_deref(),
            network: one.chosen.network_configuration.as_ref(),
            zones: &[],
        }
    }

    /// The same in these zones only.
    #[must_use]
    pub fn within(self, zones: &'a [String]) -> Self {
        Self { zones, ..self }
    }

    fn of_set(service: &'a Service, one: &'a ServiceTaskSet) -> Self {
        Self {
            service,
            id: &one.id,
            took_over: &[],
            task_definition: &one.task_definition,
            launch_type: one.chosen.launch_type.as_deref(),
            strategy: one.chosen.capacity_provider_strategy.as_deref(),
            platform_version: one.chosen.platform_version.as_deref(),
            network: one.chosen.network_configuration.as_ref(),
            zones: &[],
        }
    }

    /// The deployment or task set at a position: a service has either the ones or the others.
    pub fn at(service: &'a Service, position: usize) -> Option<Self> {
        match service.deployments.get(position) {
            Some(deployment) => Some(Self::of_deployment(service, deployment)),
            None => {
                let position = position.checked_sub(service.deployments.len())?;
                service
                    .task_sets
                    .get(position)
                    .map(|set| Self::of_set(service, set))
            }
        }
    }

    fn plan<'v>(&self, view: &'v Snapshot) -> Result<Plan<'v>, EcsError> {
        let service = self.service;
        let scope = Scope {
            region: &service.region,
            account: &view.account,
        };
        // An INACTIVE definition goes on serving the services that use it.
        let definition =
            TaskDefinition::by_arn(view, self.task_definition).ok_or(EcsError::DefinitionNotFound)?;
        let overrides = api::TaskOverride::default();
        check_supported(&definition.definition, &overrides)?;
        let role = |name: &Option<String>| {
            name.as_ref()
                .map(|name| resolve_role(view, scope, name))
                .transpose()
        };
        let cluster = ClusterRef::named(scope, &service.cluster);
        Ok(Plan {
            tags: self.tags(&cluster, definition)?,
            cluster,
            definition,
            overrides,
            zones: self.zones.to_vec(),
            task_role: role(&definition.definition.task_role_arn)?,
            execution_role: role(&definition.definition.execution_role_arn)?,
            network: self.network.and_then(|given| given.awsvpc_configuration.clone()),
            group: service.group(),
            started_by: Some(self.id.to_owned()),
            enable_execute_command: service.definition.enable_execute_command.unwrap_or_default(),
        })
    }

    fn demand<'p>(&self, plan: &'p Plan<'_>, whither: &Where) -> Result<Demand<'p>, EcsError> {
        let chosen = &self.service.definition;
        let mut demand = placing::demand(plan);
        demand.constraints = placing::constraints(plan, chosen.placement_constraints.as_deref())?;
        demand.strategies = placing::strategies(chosen.placement_strategy.as_deref())?;
        if demand.strategies.is_empty() {
            demand.strategies = placing::strategies(Some(&default_strategies()))?;
        }
        if let Where::Zone(zone) = whither {
            demand.constraints.push(in_zones(std::slice::from_ref(zone))?);
        }
        Ok(demand)
    }

    /// The shares of its tasks, with the tasks each has.
    fn parts(&self, view: &Snapshot, plan: &Plan<'_>) -> Result<Vec<Part>, EcsError> {
        let scope = Scope {
            region: &self.service.region,
            account: &view.account,
        };
        let whole = crate::schedule::providers::Part { base: 0, weight: 1 };
        match means(view, scope, &plan.cluster, self.launch_type, self.strategy)? {
            Means::LaunchType(kind) => Ok(vec![Part {
                hosts: Hosts::Kind(kind),
                provider: None,
                share: whole,
                tasks: 0,
                scales: false,
            }]),
            Means::Providers(providers) => {
                let tasks = self.tasks_by_provider(view);
                let part = |one: Provider| Part {
                    tasks: tasks.get(&one.name).copied().unwrap_or_default(),
                    hosts: one.hosts,
                    share: one.part,
                    scales: one.scales,
                    provider: Some(one.name),
                };
                Ok(providers.into_iter().map(part).collect())
            }
        }
    }

    fn tasks_by_provider(&self, view: &Snapshot) -> BTreeMap<String, u32> {
        let home = (&self.service.region, self.service.cluster.as_str());
        let mut tasks = BTreeMap::new();
        let earlier = self.took_over.iter().map(String::as_str);
        for id in std::iter::once(self.id).chain(earlier) {
            let set = TaskSet::new(home.0, home.1, Facet::StartedBy(id), DesiredStatus::Running);
            for (_, task) in view.ecs.tasks_of(&set, None) {
                if let Some(provider) = &task.capacity_provider {
                    *tasks.entry(provider.clone()).or_default() += 1;
                }
            }
        }
        tasks
    }

    fn carry_out(
        &self,
        tx: &mut Tx<'_>,
        view: &Snapshot,
        count: u32,
        whither: &Where,
        started: &mut Started,
    ) -> Result<(), EcsError> {
        let plan = self.plan(view)?;
        let demand = self.demand(&plan, whither)?;
        let parts = self.parts(view, &plan)?;
        let first = NewId::new(tx, &plan);
        plan.check_roles(tx, &first.arn, &first.id)?;
        let count = digests::may_start(view, self.service, self.id, plan.definition, count);
        let shares = match whither {
            // Whose instance it is decides, not the strategy.
            Where::Instance(id) => self.shares_on(view, &parts, id, count),
            Where::Anywhere | Where::Zone(_) => shares(&parts, count),
        };
        for (part, share) in parts.iter().zip(shares) {
            if share == 0 {
                continue;
            }
            // What the parts before took is in the picture by now.
            let view = tx.view().clone();
            let home = Cluster::key_of(&self.service.region, &self.service.cluster);
            let Placement { placed, failures } = match whither {
                Where::Instance(id) => place_there(&view, &home, &demand, id),
                _ => place(&view, &home, &part.hosts, &demand, share, &mut |choices| {
                    pick(tx, choices)
                }),
            };
            let waiting = match whither {
                Where::Anywhere if part.scales => {
                    let missing = share.saturating_sub(placed.len());
                    missing.min(waiting::places_left(&view, &home))
                }
                _ => 0,
            };
            if placed.len() + waiting < share {
                started.missing = Some(match (part.is_fargate(), closest(&failures), &part.provider) {
                    (true, ..) => Missing::Capacity,
                    (false, None, Some(provider)) => Missing::Hosts(provider.clone()),
                    (false, closest, _) => Missing::Room(closest),
                });
            }
            for instance in placed {
                started.ids.push(self.make(tx, &plan, part, instance));
            }
            for _ in 0..waiting {
                started.ids.extend(self.let_wait(tx, &plan, part));
            }
        }
        Ok(())
    }

    /// The same for tasks on one instance: all go to the first part it belongs to.
    fn shares_on(&self, view: &Snapshot, parts: &[Part], id: &str, count: u32) -> Vec<usize> {
        let key = ContainerInstance::key_of(&self.service.region, &self.service.cluster, id);
        let instance = view.ecs.container_instances.get(&key);
        let belongs = |part: &Part| instance.is_none_or(|instance| accepts(&part.hosts, instance));
        let own = parts.iter().position(belongs);
        let all = usize::try_from(count).unwrap_or_default();
        let share = |at| if Some(at) == own { all } else { 0 };
        (0..parts.len()).map(share).collect()
    }

    fn make(&self, tx: &mut Tx<'_>, plan: &Plan<'_>, part: &Part, instance: &ContainerInstance) -> String {
        let id = NewId::new(tx, plan);
        let launch_type = HostKind::of(instance).launch_type();
        let mut task = make::task(
            tx,
            plan,
            Place {
                id,
                instance,
                launch_type,
            },
            None,
        );
        task.capacity_provider.clone_from(&part.provider);
        if launch_type == "FARGATE" {
            task.platform_version = self.platform_version.map(str::to_owned);
        }
        let id = task.id.clone();
        life_cycle::keep(tx, task);
        id
    }

    /// Makes a task that waits until its provider has room.
    fn let_wait(&self, tx: &mut Tx<'_>, plan: &Plan<'_>, part: &Part) -> Option<String> {
        let provider = part.provider.as_deref()?;
        let chosen = &self.service.definition;
        let strategies = match chosen.placement_strategy.as_deref() {
            Some(own) if !own.is_empty() => own.to_vec(),
            _ => default_strategies(),
        };
        let waits = Waiting {
            placement: waiting::asked(plan, chosen.placement_constraints.as_deref(), Some(&strategies)),
            zones: self.zones.to_vec(),
            asker: None,
        };
        let id = NewId::new(tx, plan);
        let task = waiting::task(tx, plan, id, provider, waits, None);
        let id = task.id.clone();
        life_cycle::keep(tx, task);
        Some(id)
    }

    fn fits(&self, view: &Snapshot, instances: &[&ContainerInstance]) -> Result<Vec<Fit>, EcsError> {
        let plan = self.plan(view)?;
        let demand = self.demand(&plan, &Where::Anywhere)?;
        let parts = self.parts(view, &plan)?;
        let each = instances.iter();
        Ok(each
            .map(|instance| fit(view, &parts, &demand, instance))
            .collect())
    }

    fn open_zones<'v>(
        &self,
        view: &Snapshot,
        instances: impl Iterator<Item = &'v ContainerInstance>,
    ) -> Result<BTreeSet<String>, EcsError> {
        let plan = self.plan(view)?;
        let demand = self.demand(&plan, &Where::Anywhere)?;
        let parts = self.parts(view, &plan)?;
        let mut zones = BTreeSet::new();
        for instance in instances {
            let zone = instance.attributes.get(ZONE_ATTRIBUTE).and_then(Option::as_ref);
            // One of a zone is enough: the others are not even looked at.
            if let Some(zone) = zone.filter(|zone| !zones.contains(*zone))
                && fit(view, &parts, &demand, instance) != Fit::Never
            {
                zones.insert(zone.clone());
            }
        }
        Ok(zones)
    }

    /// Propagated tags, then AWS's own (ecs.md 6).
    fn tags(&self, cluster: &ClusterRef, definition: &TaskDefinition) -> Result<Tags, EcsError> {
        let chosen = &self.service.definition;
        let propagated = match chosen.propagate_tags.as_deref() {
            Some("TASK_DEFINITION") => definition.tags.clone(),
            Some("SERVICE") => self.service.tags.clone(),
            _ => Tags::new(),
        };
        let mut all = tags::merged(Tags::new(), &propagated)?;
        if chosen.enable_ecs_managed_tags.unwrap_or_default() {
            all.set(Tag::new("aws:ecs:clusterName", &cluster.name));
            if !self.service.is_daemon() {
                all.set(Tag::new("aws:ecs:serviceName", &self.service.name));
            }
        }
        Ok(all)
    }
}
