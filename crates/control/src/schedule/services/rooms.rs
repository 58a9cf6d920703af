//! The room that DAEMON services and daemons keep on instances where their task is missing (ecs.md 11).

use std::collections::HashSet;
use std::sync::Arc;

use portcullis_schedule::deployment::Rollout;

use super::picture::Picture;
use crate::services::ecs::tasks::{Fit, Version, fits, reservation};
use crate::world::Tx;
use crate::world::records::Record as _;
use crate::world::records::ecs::{Cluster, ContainerInstance, KeptRoom, Service, ServiceStatus};

/// Keeps room on every instance where a task of a DAEMON service belongs, is not, and could be; gives back what is kept
/// elsewhere. Where others were first, nothing can be kept. Whether anything changed.
pub(super) fn keep(tx: &mut Tx<'_>, service: &Service, picture: &Picture) -> bool {
    let view = tx.view().clone();
    let (cluster, group) = (
        Cluster::key_of(&service.region, &service.cluster),
        service.group(),
    );
    let kept = view.ecs.rooms_of(&cluster, &group);
    let missing: Vec<&Arc<ContainerInstance>> = match is_wanted(service) {
        false => Vec::new(),
        true => {
            let keys = picture.places().map(|id| format!("{cluster}/{id}"));
            let missing = keys.filter(|key| view.ecs.group_count(key, &group) == 0);
            let found = missing.map(|key| view.ecs.container_instances.get(&key));
            found.flatten().collect()
        }
    };
    let ids: HashSet<&str> = missing.iter().map(|one| one.id.as_str()).collect();
    let is_missing = |room: &&Arc<KeptRoom>| ids.contains(room.instance.as_str());
    let mut is_changed = false;
    for room in kept.iter().filter(|room| !is_missing(room)) {
        tx.delete::<KeptRoom>(&room.key());
        is_changed = true;
    }
    let Some(version) = service.primary().map(|one| Version::of_deployment(service, one)) else {
        return is_changed;
    };
    let Some(reservation) = reservation(&view, version).filter(|_| !missing.is_empty()) else {
        return is_changed;
    };
    let reserved: HashSet<&str> = kept
        .iter()
        .filter(|room| room.reservation == reservation)
        .map(|room| room.instance.as_str())
        .collect();
    let rows = missing.iter().map(|one| one.as_ref());
    let rows: Vec<&ContainerInstance> = rows.filter(|one| !reserved.contains(one.id.as_str())).collect();
    for (instance, fit) in rows.iter().zip(fits(&view, version, &rows)) {
        if fit == Fit::Now {
            tx.put(KeptRoom {
                region: service.region.clone(),
                cluster: service.cluster.clone(),
                instance: instance.id.clone(),
                group: group.clone(),
                reservation: reservation.clone(),
            });
            is_changed = true;
        }
    }
    is_changed
}

/// Whether tasks of it shall come: it is in use, and what it deploys was not given up.
fn is_wanted(service: &Service) -> bool {
    let primary = service.primary();
    let goes_on = primary.is_some_and(|one| !matches!(one.progress.rollout, Rollout::Failed(_)));
    goes_on && service.status == ServiceStatus::Active
}
