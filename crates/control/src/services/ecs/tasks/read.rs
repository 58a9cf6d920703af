//! DescribeTasks and ListTasks.

use portcullis_api::ecs::op::{DescribeTasks, ListTasks};
use portcullis_api::ecs::{DescribeTasksRequest, DescribeTasksResponse, ListTasksRequest, ListTasksResponse};

use super::shown;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::check_launch_type;
use crate::services::ecs::checks::{on_instance, on_task};
use crate::services::ecs::daemons::DaemonFault;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::services::ecs::paging::{HUNDRED, Pager, at_most};
use crate::services::ecs::{missing, tags};
use crate::world::Snapshot;
use crate::world::records::ecs::{DesiredStatus, Facet, Task, TaskSet};

const BATCH_MAX: usize = 100;

fn asked(scope: Scope<'_>, input: &DescribeTasksRequest) -> Result<(ClusterRef, Vec<MemberRef>), EcsError> {
    if input.tasks.is_empty() {
        return Err(EcsError::TasksEmpty);
    }
    at_most("tasks", BATCH_MAX, input.tasks.len())?;
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    let tasks = input
        .tasks
        .iter()
        .map(|name| MemberRef::resolve(&cluster, Kind::Task, name));
    let tasks = tasks.collect::<Result<_, _>>()?;
    Ok((cluster, tasks))
}

/// Each task asked for, one by one (ecs.md 15, rule 3).
pub fn require_describe(ask: Ask<'_, DescribeTasksRequest>) -> Result<Vec<Check>, ServiceError> {
    let (cluster, tasks) = asked(ask.call.into(), ask.input)?;
    Ok(tasks
        .iter()
        .map(|task| on_task(ask.view, "ecs:DescribeTasks", &cluster, task))
        .collect())
}

/// The tasks that exist, and a failure for each that does not.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeTasks>,
) -> Result<DescribeTasksResponse, ServiceError> {
    let (cluster, references) = asked(auth.call().into(), auth.input())?;
    cluster.find(view).ok_or(EcsError::ClusterNotFound)?;
    let with_tags = tags::wanted(auth.input().include.as_deref());
    let mut tasks = Vec::new();
    let mut failures = Vec::new();
    for reference in references {
        match reference.task(view) {
            Some(task) => tasks.push(shown::task(task, with_tags)),
            None => failures.push(missing(&reference.arn)),
        }
    }
    Ok(DescribeTasksResponse {
        tasks: Some(tasks),
        failures: Some(failures),
    })
}

fn listed(scope: Scope<'_>, input: &ListTasksRequest) -> Result<(ClusterRef, Option<MemberRef>), EcsError> {
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    let instance = input.container_instance.as_deref();
    let instance = instance
        .map(|name| MemberRef::resolve(&cluster, Kind::ContainerInstance, name))
        .transpose()?;
    Ok((cluster, instance))
}

/// The instance asked for, or literally `container-instance/CLUSTER/*` (ecs.md 15, rule 5).
pub fn require_list(ask: Ask<'_, ListTasksRequest>) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let (cluster, instance) = listed(scope, ask.input)?;
    Ok(vec![match instance {
        Some(instance) => on_instance(ask.view, "ecs:ListTasks", &cluster, &instance),
        None => {
            let any = MemberRef::resolve(&cluster, Kind::ContainerInstance, "*")?;
            Check::new("ecs:ListTasks", any.arn.as_str()).with("ecs:cluster", cluster.arn.as_str())
        }
    }])
}

/// The ARNs of the tasks that pass every filter.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListTasks>,
) -> Result<ListTasksResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    check_launch_type(input.launch_type.as_deref())?;
    let (cluster, instance) = listed(scope, input)?;
    cluster.find(view).ok_or(EcsError::ClusterNotFound)?;
    if let Some(name) = &input.service_name {
        let service = MemberRef::resolve(&cluster, Kind::Service, name)?;
        service.service(view).ok_or(EcsError::ServiceNotFound)?;
    }
    if let Some(name) = &input.daemon_name {
        let daemon = MemberRef::resolve(&cluster, Kind::Daemon, name)?;
        daemon
            .daemon(view)
            .ok_or(EcsError::Daemon(DaemonFault::NotFound))?;
    }
    let filter = Filter::new(input, instance.as_ref())?;
    // Tasks are never wanted PENDING, so that filter finds nothing (ecs.md 9).
    let Some(desired) = desired(input)? else {
        return Ok(ListTasksResponse {
            task_arns: Some(Vec::new()),
            next_token: None,
        });
    };
    let set = TaskSet::new(scope.region, &cluster.name, filter.facet(), desired);
    let pager = Pager::new(
        HUNDRED,
        set.prefix(),
        input.next_token.as_deref(),
        input.max_results,
    )?;
    let rows = view
        .ecs
        .tasks_of(&set, pager.after.as_deref())
        .filter(|(_, task)| filter.accepts(task));
    let (task_arns, next_token) = pager.page(rows.map(|(key, task)| (key, task.arn.to_string())));
    Ok(ListTasksResponse {
        task_arns: Some(task_arns),
        next_token,
    })
}

fn desired(input: &ListTasksRequest) -> Result<Option<DesiredStatus>, EcsError> {
    match input.desired_status.as_deref() {
        None | Some("RUNNING") => Ok(Some(DesiredStatus::Running)),
        Some("STOPPED") => Ok(Some(DesiredStatus::Stopped)),
        Some("PENDING") => Ok(None),
        Some(other) => Err(EcsError::InvalidIdentifier(other.to_owned())),
    }
}

/// The filters of ListTasks: all must hold.
#[derive(Debug)]
struct Filter<'a> {
    instance: Option<&'a str>,
    family: Option<&'a str>,
    started_by: Option<&'a str>,
    service: Option<&'a str>,
    daemon: Option<&'a str>,
    launch_type: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn new(input: &'a ListTasksRequest, instance: Option<&'a MemberRef>) -> Result<Self, EcsError> {
        let service = input.service_name.as_deref();
        let filter = Self {
            instance: instance.map(|instance| instance.id.as_str()),
            family: input.family.as_deref(),
            started_by: input.started_by.as_deref(),
            service: service.map(short),
            daemon: input.daemon_name.as_deref().map(short),
            launch_type: input.launch_type.as_deref(),
        };
        let others = [
            filter.instance,
            filter.family,
            filter.service,
            filter.daemon,
            filter.launch_type,
        ];
        if filter.started_by.is_some() && others.iter().any(Option::is_some) {
            return Err(EcsError::StartedByFilter);
        }
        Ok(filter)
    }

    /// The index that leaves the least to look through.
    fn facet(&self) -> Facet<'a> {
        if let (None, None, Some(name)) = (self.started_by, self.instance, self.daemon) {
            return Facet::Daemon(name);
        }
        match (self.started_by, self.instance, self.service, self.family) {
            (Some(who), ..) => Facet::StartedBy(who),
            (_, Some(id), ..) => Facet::ContainerInstance(id),
            (_, _, Some(name), _) => Facet::Service(name),
            (.., Some(family)) => Facet::Family(family),
            _ => Facet::All,
        }
    }

    fn accepts(&self, task: &Task) -> bool {
        self.family.is_none_or(|family| task.family == family)
            && self.service.is_none_or(|name| task.service() == Some(name))
            && self.daemon.is_none_or(|name| task.daemon() == Some(name))
            && self.launch_type.is_none_or(|name| task.launch_type == name)
    }
}

/// The last part of an ARN, or a name as it is.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
