//! Clusters (ecs.md 2).

mod change;
mod create;
mod delete;
mod linked_role;
mod providers;
mod read;
mod settings;

use portcullis_api::ecs as api;

pub(super) use change::{require_update, require_update_settings, update, update_settings};
pub(super) use create::{create, require_create};
pub(super) use delete::{delete, require_delete};
pub(super) use providers::{put_providers, require_put_providers};
pub(super) use read::{describe, list, require_describe, require_list};

use super::names::ClusterRef;
use super::tags;
use crate::world::Snapshot;
use crate::world::records::ecs::{Cluster, Counts};

/// The optional parts of a cluster in a reply.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    configuration: bool,
    settings: bool,
    statistics: bool,
    tags: bool,
}

impl Parts {
    /// What replies to changes show.
    const AFTER_CHANGE: Self = Self {
        configuration: true,
        settings: true,
        statistics: false,
        tags: true,
    };

    fn asked(include: Option<&[String]>) -> Self {
        Self {
            configuration: tags::includes(include, "CONFIGURATIONS"),
            settings: tags::includes(include, "SETTINGS"),
            statistics: tags::includes(include, "STATISTICS"),
            tags: tags::wanted(include),
        }
    }
}

/// A cluster as replies show it.
fn shown(view: &Snapshot, reference: &ClusterRef, cluster: &Cluster, parts: Parts) -> api::Cluster {
    let key = Cluster::key_of(&cluster.region, &cluster.name);
    let counts = view
        .ecs
        .counts
        .get(&key)
        .map(|counts| **counts)
        .unwrap_or_default();
    let mut shown = cluster.chosen.clone();
    if !parts.configuration {
        shown.configuration = None;
    }
    if !parts.settings {
        shown.settings = Some(Vec::new());
    }
    let status = if cluster.is_active() { "ACTIVE" } else { "INACTIVE" };
    api::Cluster {
        cluster_arn: Some(reference.arn.to_string()),
        cluster_name: Some(cluster.name.clone()),
        status: Some(status.to_owned()),
        registered_container_instances_count: Some(counts.container_instances),
        running_tasks_count: Some(counts.running_tasks.sum()),
        pending_tasks_count: Some(counts.pending_tasks.sum()),
        active_services_count: Some(counts.active_services.sum()),
        statistics: Some(if parts.statistics {
            statistics(counts)
        } else {
            Vec::new()
        }),
        tags: Some(if parts.tags {
            tags::shown(&cluster.tags)
        } else {
            Vec::new()
        }),
        ..shown
    }
}

fn statistics(counts: Counts) -> Vec<api::KeyValuePair> {
    let groups = [
        ("running", "TasksCount", counts.running_tasks),
        ("pending", "TasksCount", counts.pending_tasks),
        ("active", "ServiceCount", counts.active_services),
        ("draining", "ServiceCount", counts.draining_services),
    ];
    let pairs = groups.into_iter().flat_map(|(state, what, numbers)| {
        let parts = [
            ("EC2", numbers.ec2),
            ("Fargate", numbers.fargate),
            ("External", numbers.external),
        ];
        parts.map(|(launch_type, number)| (format!("{state}{launch_type}{what}"), number))
    });
    pairs
        .map(|(name, number)| api::KeyValuePair {
            name: Some(name),
            value: Some(number.to_string()),
        })
        .collect()
}
