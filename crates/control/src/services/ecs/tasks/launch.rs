//! Where the tasks of one RunTask go: divided among providers, placed, made.

use portcullis_api::ecs as api;

use super::make::{self, NewId, Place};
use super::run::{failure, pick};
use super::wanted::Plan;
use super::{shown, waiting};
use crate::schedule::life_cycle;
use crate::schedule::placement::{Demand, Hosts, Placement, has_hosts, place};
use crate::schedule::providers::divide;
use crate::services::ecs::capacity_providers::{Means, Provider};
use crate::services::ecs::errors::EcsError;
use crate::world::records::ecs::{ClientToken, Cluster, HostKind, Waiting};
use crate::world::{Snapshot, Tx};

/// One RunTask that has been checked.
pub(super) struct Launch<'a> {
    pub plan: &'a Plan<'a>,
    pub demand: &'a Demand<'a>,
    pub means: &'a Means,
    /// The platform version of Fargate tasks.
    pub platform: Option<String>,
    pub token: Option<&'a ClientToken>,
    /// What tasks that wait for room keep of the request, when some must.
    pub waits: &'a dyn Fn() -> Waiting,
}

/// Tasks that were made, as they are shown, and what speaks against the others.
type Outcome = (Vec<api::Task>, Vec<api::Failure>);

impl Launch<'_> {
    /// Places and makes the tasks.
    pub fn carry_out(
        &self,
        tx: &mut Tx<'_>,
        view: &Snapshot,
        count: usize,
        first: NewId,
    ) -> Result<Outcome, EcsError> {
        let mut ids = Some(first);
        let mut outcome = (Vec::new(), Vec::new());
        match self.means {
            Means::LaunchType(kind) => {
                let hosts = Hosts::Kind(*kind);
                if !self.is_fargate() && !has_hosts(view, &self.home(), &hosts) {
                    return Err(EcsError::NoContainerInstances);
                }
                self.place_on(tx, &hosts, None, count, &mut ids, &mut outcome)?;
            }
            Means::Providers(providers) => {
                let parts: Vec<_> = providers.iter().map(|one| one.part).collect();
                let shares = divide(&parts, &[], count);
                for (provider, share) in providers.iter().zip(shares).filter(|(_, share)| *share > 0) {
                    self.place_through(tx, provider, share, &mut ids, &mut outcome)?;
                }
            }
        }
        if self.is_fargate() && outcome.0.is_empty() {
            return Err(EcsError::CapacityUnavailable);
        }
        Ok(outcome)
    }

    fn is_fargate(&self) -> bool {
        self.means.is_fargate()
    }

    fn home(&self) -> String {
        Cluster::key_of(&self.plan.definition.region, &self.plan.cluster.name)
    }

    fn place_through(
        &self,
        tx: &mut Tx<'_>,
        provider: &Provider,
        count: usize,
        ids: &mut Option<NewId>,
        outcome: &mut Outcome,
    ) -> Result<(), EcsError> {
        let needs_hosts = !self.is_fargate() && !provider.scales;
        if needs_hosts && !has_hosts(tx.view(), &self.home(), &provider.hosts) {
            let reason = waiting::without_hosts(tx.view(), &self.home(), &provider.hosts);
            let empty = api::Failure {
                reason: Some(reason.to_owned()),
                detail: Some(provider.name.clone()),
                ..api::Failure::default()
            };
            outcome.1.extend(std::iter::repeat_n(empty, count));
            return Ok(());
        }
        self.place_on(tx, &provider.hosts, Some(provider), count, ids, outcome)
    }

    /// Makes tasks that wait until their provider has room.
    fn let_wait(
        &self,
        tx: &mut Tx<'_>,
        provider: &Provider,
        count: usize,
        ids: &mut Option<NewId>,
        outcome: &mut Outcome,
    ) -> Result<(), EcsError> {
        if count > waiting::places_left(tx.view(), &self.home()) {
            return Err(EcsError::ProvisioningLimit);
        }
        for _ in 0..count {
            let id = ids.take().unwrap_or_else(|| NewId::new(tx, self.plan));
            let waits = (self.waits)();
            let task = waiting::task(tx, self.plan, id, &provider.name, waits, self.token.cloned());
            outcome.0.push(shown::task(&task, true));
            life_cycle::keep(tx, task);
        }
        Ok(())
    }

    fn place_on(
        &self,
        tx: &mut Tx<'_>,
        hosts: &Hosts,
        provider: Option<&Provider>,
        count: usize,
        ids: &mut Option<NewId>,
        outcome: &mut Outcome,
    ) -> Result<(), EcsError> {
        let view = tx.view().clone();
        let Placement { placed, failures } =
            place(&view, &self.home(), hosts, self.demand, count, &mut |choices| {
                pick(tx, choices)
            });
        let missing = count.saturating_sub(placed.len());
        let scaling = provider.filter(|one| one.scales);
        if scaling.is_some() {
            // Nothing speaks against them: they wait.
        } else if self.is_fargate() {
            // Whose hosts these are is not the caller's to know.
            let none = EcsError::CapacityUnavailable.to_string();
            let none = api::Failure {
                reason: Some(none),
                ..api::Failure::default()
            };
            outcome.1.extend(std::iter::repeat_n(none, missing));
        } else {
            let failed = failures.iter();
            outcome
                .1
                .extend(failed.map(|(instance, reason)| failure(instance, reason.as_str())));
        }
        for instance in placed {
            let id = ids.take().unwrap_or_else(|| NewId::new(tx, self.plan));
            let place = Place {
                id,
                instance,
                launch_type: HostKind::of(instance).launch_type(),
            };
            let mut task = make::task(tx, self.plan, place, self.token.cloned());
            task.capacity_provider = provider.map(|one| one.name.clone());
            task.platform_version.clone_from(&self.platform);
            outcome.0.push(shown::task(&task, true));
            life_cycle::keep(tx, task);
        }
        match scaling {
            Some(provider) => self.let_wait(tx, provider, missing, ids, outcome),
            None => Ok(()),
        }
    }
}
