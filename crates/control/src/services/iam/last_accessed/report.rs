//! A report: what is granted, beside who tried it when.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use portcullis_api::iam as api;
use portcullis_core::{Arn, Timestamp};
use portcullis_reference::ServiceId;

use super::about::{About, Who};
use crate::advisor::{self, Attempts, Grants};
use crate::gate::environment::Environment;
use crate::services::iam::errors::IamError;
use crate::world::Snapshot;
use crate::world::records::uses::{Granularity, LastUsed, UseReport};

/// A report, made from the picture and what was noted since.
pub(super) struct Report<'a> {
    granularity: Granularity,
    grants: Grants,
    who: Vec<(Who<'a>, Attempts)>,
}

/// An attempt and whose it was.
type Attempt<'r> = (&'r LastUsed, &'r Arn);

impl<'a> Report<'a> {
    /// Makes the report that was asked for.
    pub fn of(
        view: &'a Snapshot,
        env: &Environment,
        job: &'a UseReport,
        now: Timestamp,
    ) -> Result<Self, IamError> {
        let about = About::find(view, &job.about)?;
        let since = advisor::tracked_since(now);
        let who = about.who(view).into_iter().map(|who| {
            let attempts = advisor::attempts(view, &env.uses, who.id(), since);
            (who, attempts)
        });
        Ok(Self {
            granularity: job.granularity,
            grants: Grants::of(about.documents(view)?.into_iter()),
            who: who.collect(),
        })
    }

    /// The services granted whose prefix comes after `last`, by prefix.
    pub fn services_after(&self, last: Option<&str>) -> impl Iterator<Item = ServiceId> {
        let services = self.grants.services();
        services.filter(move |service| last.is_none_or(|last| service.prefix() > last))
    }

    /// What is known of one service.
    pub fn service(&self, service: ServiceId) -> api::ServiceLastAccessed {
        let mut entities = 0;
        let mut actions: BTreeMap<&str, Attempt<'_>> = BTreeMap::new();
        for (who, attempts) in &self.who {
            let Some(attempts) = attempts.get(service.prefix()) else {
                continue;
            };
            entities += 1;
            for (action, last) in attempts {
                let latest = actions.entry(action).or_insert((last, who.arn()));
                *latest = later(*latest, (last, who.arn()));
            }
        }
        let last = actions.values().copied().reduce(later);
        api::ServiceLastAccessed {
            service_name: service.title().to_owned(),
            service_namespace: service.prefix().to_owned(),
            last_authenticated: last.map(|(last, _)| last.at),
            last_authenticated_entity: last.map(|(_, who)| who.to_string()),
            last_authenticated_region: last.map(|(last, _)| last.region.clone()),
            total_authenticated_entities: Some(entities),
            tracked_actions_last_accessed: self.actions(service, &actions),
        }
    }

    /// The granted actions whose attempts are noted; `None` where they are not, or were not asked for.
    fn actions(
        &self,
        service: ServiceId,
        attempts: &BTreeMap<&str, Attempt<'_>>,
    ) -> Option<Vec<api::TrackedActionLastAccessed>> {
        if self.granularity == Granularity::Service || !advisor::tracks(service.prefix()) {
            return None;
        }
        let tracked = self.grants.actions(service);
        let tracked = tracked.filter(|action| advisor::is_tracked(service.prefix(), action.name()));
        let shown = tracked.map(|action| {
            let last = attempts.get(action.name());
            api::TrackedActionLastAccessed {
                action_name: Some(action.name().to_owned()),
                last_accessed_entity: last.map(|(_, who)| who.to_string()),
                last_accessed_time: last.map(|(last, _)| last.at),
                last_accessed_region: last.map(|(last, _)| last.region.clone()),
            }
        });
        Some(shown.collect())
    }

    /// Who could use a service, the latest to try it first; nobody when it is not granted.
    pub fn entities(&self, service: ServiceId) -> Vec<api::EntityDetails> {
        if !self.grants.has_service(service) {
            return Vec::new();
        }
        let shown = self.who.iter().map(|(who, attempts)| {
            let attempts = attempts.get(service.prefix()).into_iter();
            api::EntityDetails {
                entity_info: info(*who),
                last_authenticated: attempts.flat_map(BTreeMap::values).map(|last| last.at).max(),
            }
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort_by(|a, b| {
            let key = |one: &api::EntityDetails| Reverse(one.last_authenticated);
            key(a)
                .cmp(&key(b))
                .then_with(|| a.entity_info.arn.cmp(&b.entity_info.arn))
        });
        shown
    }
}

fn later<'r>(a: Attempt<'r>, b: Attempt<'r>) -> Attempt<'r> {
    if b.0.at > a.0.at { b } else { a }
}

fn info(who: Who<'_>) -> api::EntityInfo {
    let (kind, name, path) = match who {
        Who::User(user) => ("USER", &user.name, &user.path),
        Who::Role(role) => ("ROLE", &role.name, &role.path),
    };
    api::EntityInfo {
        arn: who.arn().to_string(),
        name: name.clone(),
        r#type: kind.to_owned(),
        id: who.id().to_owned(),
        path: Some(path.clone()),
    }
}
