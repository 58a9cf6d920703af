//! What belongs to a service or a daemon and is named by ARNs below it: deployments, revisions and task sets.

use portcullis_api::ecs::CreatedAt;
use portcullis_core::{Arn, Tags, Timestamp};

use super::faults::ServiceFault;
use crate::gate::operation::Check;
use crate::open_points;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope, parse_arn};
use crate::services::ecs::paging::at_most;
use crate::world::Snapshot;
use crate::world::records::ecs::ServiceTaskSet;

/// Something of a service or a daemon, as a request names it.
#[derive(Debug, Clone)]
pub(in crate::services::ecs) struct PartRef {
    /// What comes after the service's name in its ARN.
    pub id: String,
    /// The full ARN.
    pub arn: Arn,
    /// Its cluster.
    pub cluster: ClusterRef,
    /// Its service or daemon.
    pub service: MemberRef,
    /// Where the picture keeps it: `REGION/CLUSTER/SERVICE/ID`; a key nothing has for one of elsewhere.
    pub key: String,
}

/// Most of a batch (ecs.md 1).
const BATCH_MAX: usize = 20;

/// Which deployments of a history are asked for.
#[derive(Debug)]
pub(in crate::services::ecs) struct HistoryFilter<'a> {
    /// Those in one of these states; all of them without any.
    pub statuses: &'a [String],
    /// Those asked for between these moments.
    pub created: Option<&'a CreatedAt>,
}

impl HistoryFilter<'_> {
    /// Whether a deployment in this state, asked for then, is meant.
    pub fn accepts(&self, status: &str, created: Timestamp) -> bool {
        let after = self.created.and_then(|given| given.after);
        let before = self.created.and_then(|given| given.before);
        (self.statuses.is_empty() || self.statuses.iter().any(|wanted| wanted == status))
            && after.is_none_or(|after| created > after)
            && before.is_none_or(|before| created < before)
    }
}

impl PartRef {
    /// What the ARNs of a batch name, which is the argument `what`.
    pub fn batch(
        scope: Scope<'_>,
        kind: &'static str,
        what: &'static str,
        arns: &[String],
    ) -> Result<Vec<Self>, EcsError> {
        if arns.is_empty() {
            return Err(ServiceFault::ListEmpty(what).into());
        }
        at_most(what, BATCH_MAX, arns.len())?;
        arns.iter()
            .map(|text| Self::from_arn(scope, kind, text))
            .collect()
    }

    /// What an ARN `KIND/CLUSTER/SERVICE/ID` names.
    pub fn from_arn(scope: Scope<'_>, kind: &'static str, text: &str) -> Result<Self, EcsError> {
        let invalid = || EcsError::InvalidIdentifier(text.to_owned());
        let (arn, rest) = parse_arn(text, kind)?;
        let (cluster, rest) = rest.split_once('/').ok_or_else(invalid)?;
        let (service, id) = rest.split_once('/').ok_or_else(invalid)?;
        let cluster = ClusterRef::named(scope, cluster);
        let owner = if kind.starts_with("daemon-") {
            Kind::Daemon
        } else {
            Kind::Service
        };
        let service = MemberRef::resolve(&cluster, owner, service)?;
        let mut found = Self::of(&cluster, &service, kind, id)?;
        if found.arn != arn {
            // Of another account or region: authorised as it was asked for, and never found.
            let prefix = text.split_once(&format!(":{kind}/")).map(|(head, _)| head);
            let elsewhere = |of: &Arn| {
                let asked = format!("{}:{}", prefix.unwrap_or_default(), of.resource());
                asked.parse().map_err(|_| invalid())
            };
            found.cluster.arn = elsewhere(&found.cluster.arn)?;
            found.service.arn = elsewhere(&found.service.arn)?;
            "/".clone_into(&mut found.service.key);
            "/".clone_into(&mut found.key);
            found.arn = arn;
        }
        Ok(found)
    }

    /// The part of that id.
    pub fn of(
        cluster: &ClusterRef,
        service: &MemberRef,
        kind: &'static str,
        id: &str,
    ) -> Result<Self, EcsError> {
        let invalid = || EcsError::InvalidIdentifier(id.to_owned());
        let (home, _) = cluster
            .arn
            .as_str()
            .rsplit_once(":cluster/")
            .ok_or_else(invalid)?;
        let arn = format!("{home}:{kind}/{}/{}/{id}", cluster.name, service.id);
        Ok(Self {
            id: id.to_owned(),
            arn: arn.parse().map_err(|_| invalid())?,
            cluster: cluster.clone(),
            service: service.clone(),
            key: format!("{}/{id}", service.key),
        })
    }

    /// The task set, if this is one.
    pub fn task_set<'v>(&self, view: &'v Snapshot) -> Option<&'v ServiceTaskSet> {
        let service = self.service.service(view)?;
        service.task_set(&self.id).filter(|set| set.arn == self.arn)
    }

    /// The check on something of a service that can have tags.
    pub fn check(&self, action: &'static str, tags: Option<&Tags>) -> Check {
        with_tags(Check::new(action, self.arn.as_str()), tags)
            .with("ecs:cluster", self.cluster.arn.as_str())
            .with(self.owner_key(), self.service.arn.as_str())
    }

    /// Both checks on something of a service's history: on the service and on itself.
    pub fn history_checks(&self, view: &Snapshot, action: &'static str) -> [Check; 2] {
        let tags = self.service_tags(view);
        let service = with_tags(Check::new(action, self.service.arn.as_str()), tags)
            .with("ecs:cluster", self.cluster.arn.as_str());
        [
            service,
            self.check(action, open_points::tags_of_service_history(tags)),
        ]
    }

    fn is_of_daemon(&self) -> bool {
        self.service.arn.resource().starts_with("daemon/")
    }

    /// The condition key that names what it belongs to.
    fn owner_key(&self) -> &'static str {
        if self.is_of_daemon() {
            "ecs:daemon"
        } else {
            "ecs:service"
        }
    }

    fn service_tags<'v>(&self, view: &'v Snapshot) -> Option<&'v Tags> {
        if self.is_of_daemon() {
            self.service.daemon(view).map(|found| &found.tags)
        } else {
            self.service.service(view).map(|found| &found.tags)
        }
    }
}

fn with_tags(check: Check, tags: Option<&Tags>) -> Check {
    match tags {
        Some(tags) => check.of_resource(tags),
        None => open_points::r181_check_on_missing(check),
    }
}
