//! Tasks of services that ended by themselves, until the scheduler has taken note: each is counted exactly once, also
//! over a restart.

use portcullis_core::Region;
use portcullis_schedule::deployment::Ended;
use serde::{Deserialize, Serialize};

use super::{Daemon, LastStatus, Service, StopCode, Task};
use crate::world::Tx;
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// What ended of one deployment or task set since the scheduler looked last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskEnds {
    /// Where.
    pub region: Region,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the service, or `daemon:NAME`.
    pub service: String,
    /// The id of the deployment or task set.
    pub deployment: String,
    /// Tasks that never ran, or could not even be launched.
    pub failed_to_start: u32,
    /// Tasks that ran before.
    pub ran: u32,
}

impl TaskEnds {
    /// `REGION/CLUSTER/ecs-svc/N`
    pub fn key_of(region: &Region, cluster: &str, deployment: &str) -> String {
        format!("{region}/{cluster}/{deployment}")
    }

    /// The same for a plan.
    pub fn ended(&self) -> Ended {
        Ended {
            failed_to_start: self.failed_to_start,
            ran: self.ran,
        }
    }

    /// Notes that a task has ended on its host, unless somebody wanted it to.
    pub fn note(tx: &mut Tx<'_>, task: &Task) {
        let by_itself = task.stop.as_ref().is_some_and(|stop| {
            matches!(
                stop.code,
                StopCode::TaskFailedToStart | StopCode::EssentialContainerExited
            )
        });
        let has_ended = task.last >= LastStatus::Deprovisioning;
        if let (true, true, Some(service), Some(deployment)) =
            (has_ended, by_itself, task.owner(), task.started_by.as_deref())
        {
            let home = (&task.region, task.cluster.as_str(), service);
            Self::add(tx, home, deployment, task.times.started.is_some());
        }
    }

    /// Adds one to what ended of a service's deployment or task set, as long as it has it; `home` is its region, cluster and
    /// name.
    pub fn add(tx: &mut Tx<'_>, home: (&Region, &str, &str), deployment: &str, ran: bool) {
        let (region, cluster, service) = home;
        let tables = &tx.view().ecs;
        let owner_key = Service::key_of(region, cluster, service);
        let owner = tables.services.get(&owner_key);
        let daemon = Daemon::key_of_owner(&owner_key).and_then(|key| tables.daemons.get(&key));
        let is_owned = owner.is_some_and(|owner| owner.has_version(deployment))
            || daemon.is_some_and(|daemon| daemon.has_version(deployment));
        if !is_owned {
            return;
        }
        let known = tables.task_ends.get(&Self::key_of(region, cluster, deployment));
        let mut ends = known.map_or_else(
            || Self {
                region: region.clone(),
                cluster: cluster.to_owned(),
                service: service.to_owned(),
                deployment: deployment.to_owned(),
                failed_to_start: 0,
                ran: 0,
            },
            |known| Self::clone(known),
        );
        let counter = if ran {
            &mut ends.ran
        } else {
            &mut ends.failed_to_start
        };
        *counter = counter.saturating_add(1);
        tx.put(ends);
    }
}

impl Record for TaskEnds {
    const KIND: &'static str = "ecs-task-ends";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.deployment)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.task_ends
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.task_ends
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let change = snapshot.sequence;
        if let Some(ends) = after.or(before) {
            let key = Service::key_of(&ends.region, &ends.cluster, &ends.service);
            snapshot.ecs.restless.service_of(&key, change);
        }
    }
}
