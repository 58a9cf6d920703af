//! Daemons and their deployments as replies show them.

use portcullis_api::ecs as api;

use super::change::deployment_arn;
use super::deploying::counted;
use crate::world::Snapshot;
use crate::world::records::ecs::{
    Breaker, CapacityProvider, Cluster, ContainerInstance, Daemon, DaemonDeployment, DaemonRevision,
    Deployment, DesiredStatus, Facet, GROUP_ATTRIBUTE, HostKind, InstanceStatus, LastStatus, Rollback,
    TaskSet,
};

/// A daemon as ListDaemons shows it.
pub(super) fn summary(daemon: &Daemon) -> api::DaemonSummary {
    api::DaemonSummary {
        daemon_arn: Some(daemon.arn.to_string()),
        status: Some(daemon.status.as_str().to_owned()),
        created_at: Some(daemon.created),
        updated_at: Some(daemon.updated),
    }
}

/// A daemon whole.
pub(super) fn daemon(view: &Snapshot, daemon: &Daemon) -> api::DaemonDetail {
    let revisions = daemon.deployments.iter().map(|one| {
        let counts = counts(view, daemon, one);
        let provider = |(arn, count): &(String, Count)| api::DaemonCapacityProvider {
            arn: Some(arn.clone()),
            running_count: Some(count.running),
            without_daemon_count: Some(count.without),
        };
        api::DaemonRevisionDetail {
            arn: Some(revision_arn(daemon, &one.revision)),
            total_running_count: Some(counts.iter().map(|(_, count)| count.running).sum()),
            total_without_daemon_count: Some(counts.iter().map(|(_, count)| count.without).sum()),
            capacity_providers: Some(counts.iter().map(provider).collect()),
        }
    });
    api::DaemonDetail {
        daemon_arn: Some(daemon.arn.to_string()),
        cluster_arn: daemon.chosen.cluster_arn.clone(),
        status: Some(daemon.status.as_str().to_owned()),
        current_revisions: Some(revisions.collect()),
        deployment_arn: Some(deployment_arn(daemon)),
        created_at: Some(daemon.created),
        updated_at: Some(daemon.updated),
    }
}

/// What there is of a revision on the instances of a provider.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// Tasks that run.
    running: i32,
    /// Instances without one that take tasks; only of what is to be everywhere.
    without: i32,
    /// DRAINING instances with one.
    draining: i32,
}

/// The counts of a deployment by the ARNs of its providers.
fn counts(view: &Snapshot, daemon: &Daemon, one: &Deployment) -> Vec<(String, Count)> {
    let strategy = one.chosen.capacity_provider_strategy.iter().flatten();
    let mut counts: Vec<_> = strategy
        .map(|item| (item.capacity_provider.clone(), Count::default()))
        .collect();
    let set = TaskSet::new(
        &daemon.region,
        &daemon.cluster,
        Facet::StartedBy(&one.id),
        DesiredStatus::Running,
    );
    let group = daemon.group();
    let home = Cluster::key_of(&daemon.region, &daemon.cluster);
    for (_, task) in view.ecs.tasks_of(&set, None) {
        if task.last != LastStatus::Running || task.group != group {
            continue;
        }
        let instance = format!("{home}/{}", task.container_instance);
        let instance = view.ecs.container_instances.get(&instance);
        let drains = instance.is_some_and(|one| one.status == InstanceStatus::Draining);
        let provider = task.capacity_provider.as_deref();
        if let Some((_, count)) = counts.iter_mut().find(|(arn, _)| short(arn) == provider) {
            count.running += 1;
            count.draining += i32::from(drains);
        }
    }
    let is_primary = daemon.primary().is_some_and(|primary| primary.id == one.id);
    if is_primary {
        for (arn, count) in &mut counts {
            count.without = without(view, daemon, arn);
        }
    }
    counts
}

fn short(arn: &str) -> Option<&str> {
    arn.rsplit_once('/').map(|(_, name)| name)
}

/// How many instances of a provider take tasks and have none of the daemon that should run.
fn without(view: &Snapshot, daemon: &Daemon, provider: &str) -> i32 {
    let group = daemon.group();
    let keys = instances(view, daemon, provider).into_iter();
    let lacking = keys.filter(|key| view.ecs.group_count(key, &group) == 0);
    i32::try_from(lacking.count()).unwrap_or(i32::MAX)
}

/// The keys of the instances of a provider that take tasks.
fn instances<'v>(view: &'v Snapshot, daemon: &Daemon, provider: &str) -> Vec<&'v str> {
    let key = short(provider).map(|name| CapacityProvider::key_of(&daemon.region, name));
    let found = key.and_then(|key| view.ecs.capacity_providers.get(&key));
    let Some(found) = found.filter(|found| found.is_active()) else {
        return Vec::new();
    };
    let home = format!("{}/", Cluster::key_of(&daemon.region, &daemon.cluster));
    let is_of_group = |instance: &ContainerInstance| {
        let group = instance
            .attributes
            .get(GROUP_ATTRIBUTE)
            .and_then(Option::as_deref);
        HostKind::of(instance) == HostKind::Ec2 && group == Some(found.group_name())
    };
    let rows = view.ecs.container_instances.prefix(&home);
    rows.filter(|(_, instance)| instance.status == InstanceStatus::Active && is_of_group(instance))
        .map(|(key, _)| key)
        .collect()
}

fn revision_arn(daemon: &Daemon, id: &str) -> String {
    let (cluster, name) = (&daemon.cluster, &daemon.name);
    daemon
        .arn_beside(format_args!("daemon-revision/{cluster}/{name}/{id}"))
        .to_string()
}

/// Another ARN of the account and region of a deployment.
fn beside(one: &DaemonDeployment, resource: std::fmt::Arguments<'_>) -> String {
    let arn = one.arn.as_str();
    let head = arn.strip_suffix(one.arn.resource()).unwrap_or(arn);
    format!("{head}{resource}")
}

fn target_arn(one: &DaemonDeployment, id: &str) -> String {
    beside(
        one,
        format_args!("daemon-revision/{}/{}/{id}", one.cluster, one.daemon),
    )
}

/// A deployment as ListDaemonDeployments shows it.
pub(super) fn brief(one: &DaemonDeployment) -> api::DaemonDeploymentSummary {
    api::DaemonDeploymentSummary {
        daemon_deployment_arn: Some(one.arn.to_string()),
        daemon_arn: Some(beside(one, format_args!("daemon/{}/{}", one.cluster, one.daemon))),
        cluster_arn: Some(beside(one, format_args!("cluster/{}", one.cluster))),
        status: Some(one.status.as_str().to_owned()),
        status_reason: one.reason.clone(),
        target_daemon_revision_arn: one.target.as_ref().map(|id| target_arn(one, id)),
        created_at: Some(one.created),
        started_at: one.started,
        stopped_at: one.stopped,
        finished_at: one.finished,
    }
}

/// A deployment whole.
pub(super) fn deployment(view: &Snapshot, one: &DaemonDeployment) -> api::DaemonDeployment {
    let key = Daemon::key_of(&one.region, &one.cluster, &one.daemon);
    let daemon = view.ecs.daemons.get(&key).map(AsRef::as_ref);
    let sources = one.sources.iter();
    api::DaemonDeployment {
        daemon_deployment_arn: Some(one.arn.to_string()),
        cluster_arn: Some(beside(one, format_args!("cluster/{}", one.cluster))),
        status: Some(one.status.as_str().to_owned()),
        status_reason: one.reason.clone(),
        target_daemon_revision: one.target.as_ref().map(|id| detail(view, daemon, one, id)),
        source_daemon_revisions: Some(sources.map(|id| detail(view, daemon, one, id)).collect()),
        circuit_breaker: Some(breaker(view, daemon, one)),
        alarms: alarms(one),
        rollback: one.rollback.as_ref().map(|back| rollback(view, one, back)),
        deployment_configuration: Some(one.configuration.clone()),
        created_at: Some(one.created),
        started_at: one.started,
        stopped_at: one.stopped,
        finished_at: one.finished,
    }
}

/// A revision with the instances it is on now.
fn detail(
    view: &Snapshot,
    daemon: Option<&Daemon>,
    one: &DaemonDeployment,
    id: &str,
) -> api::DaemonDeploymentRevisionDetail {
    let mut deployments = daemon.iter().flat_map(|daemon| &daemon.deployments);
    let deployment = deployments.find(|deployment| deployment.revision == id);
    let counts = match daemon.zip(deployment) {
        Some((daemon, deployment)) => counts(view, daemon, deployment),
        None => Vec::new(),
    };
    let provider = |(arn, count): &(String, Count)| api::DaemonDeploymentCapacityProvider {
        arn: Some(arn.clone()),
        running_instance_count: Some(count.running),
        without_daemon_instance_count: Some(count.without),
        draining_instance_count: Some(count.draining),
    };
    api::DaemonDeploymentRevisionDetail {
        arn: Some(target_arn(one, id)),
        total_running_instance_count: Some(counts.iter().map(|(_, count)| count.running).sum()),
        total_without_daemon_instance_count: Some(counts.iter().map(|(_, count)| count.without).sum()),
        total_draining_instance_count: Some(counts.iter().map(|(_, count)| count.draining).sum()),
        capacity_providers: Some(counts.iter().map(provider).collect()),
    }
}

fn rollback(view: &Snapshot, one: &DaemonDeployment, back: &Rollback) -> api::DaemonRollback {
    let key = DaemonRevision::key_of(&one.region, &one.cluster, &one.daemon, &back.revision);
    let revision = view.ecs.daemon_revisions.get(&key);
    api::DaemonRollback {
        reason: Some(back.reason.clone()),
        started_at: Some(back.started),
        rollback_target_daemon_revision_arn: Some(target_arn(one, &back.revision)),
        rollback_capacity_providers: revision.map(|revision| revision.capacity_providers.clone()),
    }
}

/// What the circuit breaker counts: as it was when it broke, else as it is.
fn breaker(view: &Snapshot, daemon: Option<&Daemon>, one: &DaemonDeployment) -> api::DaemonCircuitBreaker {
    let mut deployments = daemon.iter().flat_map(|daemon| &daemon.deployments);
    let deployment = deployments.find(|deployment| Some(&deployment.revision) == one.target.as_ref());
    let now = daemon.zip(deployment).and_then(|(daemon, deployment)| {
        let each = daemon.capacity_providers.iter();
        let hosts: usize = each.map(|provider| instances(view, daemon, provider).len()).sum();
        counted(deployment, u32::try_from(hosts).unwrap_or(u32::MAX))
    });
    let found = one.breaker.or(now);
    let status = match (found, one.status.is_final()) {
        (Some(Breaker { triggered: true, .. }), _) => "TRIGGERED",
        (_, true) => "MONITORING_COMPLETE",
        (_, false) => "MONITORING",
    };
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    api::DaemonCircuitBreaker {
        failure_count: found.map(|found| number(found.failures)),
        status: Some(status.to_owned()),
        threshold: found.map(|found| number(found.threshold)),
    }
}

/// No alarm can be watched here, so that none ever triggers.
fn alarms(one: &DaemonDeployment) -> Option<api::DaemonDeploymentAlarms> {
    let configured = one.configuration.alarms.as_ref()?;
    let status = match (configured.enable.unwrap_or_default(), one.status.is_final()) {
        (false, _) => "DISABLED",
        (true, true) => "MONITORING_COMPLETE",
        (true, false) => "MONITORING",
    };
    Some(api::DaemonDeploymentAlarms {
        status: Some(status.to_owned()),
        alarm_names: configured.alarm_names.clone(),
        triggered_alarm_names: Some(Vec::new()),
    })
}
