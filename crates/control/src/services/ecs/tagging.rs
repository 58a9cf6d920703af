//! TagResource, UntagResource and ListTagsForResource (ecs.md 6).

use portcullis_api::ecs::op::{ListTagsForResource, TagResource, UntagResource};
use portcullis_api::ecs::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, TagResourceRequest, TagResourceResponse,
    UntagResourceRequest, UntagResourceResponse,
};
use portcullis_core::{Arn, Tags};

use super::capacity_providers::ProviderRef;
use super::daemons::definitions::names::DaemonDefinitionRef;
use super::errors::EcsError;
use super::names::{ClusterRef, DefinitionRef, Kind, MemberRef, Scope};
use super::services::part::PartRef;
use super::tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::ecs::{
    CapacityProvider, Cluster, ContainerInstance, Daemon, DaemonTaskDefinition, LastStatus, Service,
    ServiceStatus, Task, TaskDefinition,
};
use crate::world::{Snapshot, Tx};

/// A resource that can have tags, as its ARN names it.
#[derive(Debug)]
enum Target {
    Cluster(ClusterRef),
    Definition(DefinitionRef),
    DaemonDefinition(DaemonDefinitionRef),
    CapacityProvider(ProviderRef),
    Member(Kind, ClusterRef, MemberRef),
    TaskSet(PartRef),
}

impl Target {
    fn parse(view: &Snapshot, scope: Scope<'_>, text: &str) -> Result<Self, EcsError> {
        let invalid = |_| EcsError::ArnInvalid;
        let arn: Arn = text.parse().map_err(|_| EcsError::ArnInvalid)?;
        if arn.service() != "ecs" {
            return Err(EcsError::ArnInvalid);
        }
        let (resource_type, rest) = arn.resource().split_once('/').ok_or(EcsError::ArnInvalid)?;
        let kind = match resource_type {
            "cluster" => {
                return ClusterRef::resolve(scope, Some(text))
                    .map(Self::Cluster)
                    .map_err(invalid);
            }
            "task-definition" => {
                return DefinitionRef::resolve(view, scope, text)
                    .map(Self::Definition)
                    .map_err(invalid);
            }
            "daemon-task-definition" => {
                return DaemonDefinitionRef::resolve(view, scope, text)
                    .map(Self::DaemonDefinition)
                    .map_err(invalid);
            }
            "capacity-provider" => {
                return ProviderRef::resolve(scope, text)
                    .map(Self::CapacityProvider)
                    .map_err(invalid);
            }
            "task-set" => {
                return PartRef::from_arn(scope, "task-set", text)
                    .map(Self::TaskSet)
                    .map_err(invalid);
            }
            "container-instance" => Kind::ContainerInstance,
            "service" => Kind::Service,
            "daemon" => Kind::Daemon,
            "task" => Kind::Task,
            _ => return Err(EcsError::ArnInvalid),
        };
        let (cluster, _) = rest.split_once('/').ok_or(EcsError::ShortArn)?;
        let cluster = ClusterRef::named(scope, cluster);
        let member = MemberRef::resolve(&cluster, kind, text).map_err(invalid)?;
        Ok(Self::Member(kind, cluster, member))
    }

    /// The tags it has; an error says what is missing.
    fn tags(&self, view: &Snapshot) -> Result<Tags, EcsError> {
        match self {
            Self::Cluster(cluster) => cluster.active(view).map(|cluster| cluster.tags.clone()),
            Self::Definition(reference) => reference
                .find(view)
                .map(|found| found.tags.clone())
                .ok_or(EcsError::ResourceNotFound),
            Self::DaemonDefinition(reference) => reference
                .find(view)
                .map(|found| found.tags.clone())
                .ok_or(EcsError::ResourceNotFound),
            Self::CapacityProvider(reference) => reference
                .find(view)
                .filter(|found| found.is_active())
                .map(|found| found.tags.clone())
                .ok_or(EcsError::ResourceNotFound),
            Self::Member(kind, cluster, member) => {
                cluster.known(view)?;
                member_tags(view, *kind, member)
            }
            Self::TaskSet(part) => {
                part.cluster.known(view)?;
                let found = part.task_set(view).map(|set| set.tags.clone());
                found.ok_or(EcsError::ResourceNotFound)
            }
        }
    }

    fn set_tags(&self, tx: &mut Tx<'_>, tags: Tags) {
        match self {
            Self::Cluster(cluster) => {
                let found = cluster.find(tx.view()).map(|found| Cluster {
                    tags,
                    ..Cluster::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
            Self::Definition(reference) => {
                let found = reference.find(tx.view());
                let found = found.map(|found| TaskDefinition {
                    tags,
                    ..TaskDefinition::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
            Self::DaemonDefinition(reference) => {
                let found = reference.find(tx.view());
                let found = found.map(|found| DaemonTaskDefinition {
                    tags,
                    ..DaemonTaskDefinition::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
            Self::CapacityProvider(reference) => {
                let found = reference.find(tx.view()).map(|found| CapacityProvider {
                    tags,
                    ..CapacityProvider::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
            Self::TaskSet(part) => {
                let found = part.service.service(tx.view()).map(|found| Service::clone(found));
                if let Some(mut service) = found {
                    let mut sets = service.task_sets.iter_mut().filter(|set| set.id == part.id);
                    sets.by_ref().for_each(|set| set.tags = tags.clone());
                    tx.put(service);
                }
            }
            Self::Member(Kind::ContainerInstance, _, member) => {
                let found = member.container_instance(tx.view());
                let found = found.map(|found| ContainerInstance {
                    tags,
                    ..ContainerInstance::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
            Self::Member(Kind::Service, _, member) => {
                let found = member.service(tx.view()).map(|found| Service {
                    tags,
                    ..Service::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
            Self::Member(Kind::Daemon, _, member) => {
                let found = member.daemon(tx.view()).map(|found| Daemon {
                    tags,
                    ..Daemon::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
            Self::Member(Kind::Task, _, member) => {
                let found = tx.view().ecs.tasks.get(&member.key).map(|found| Task {
                    tags,
                    ..Task::clone(found)
                });
                found.into_iter().for_each(|record| tx.put(record));
            }
        }
    }
}

fn member_tags(view: &Snapshot, kind: Kind, member: &MemberRef) -> Result<Tags, EcsError> {
    let tags = match kind {
        Kind::ContainerInstance => member.container_instance(view).map(|found| found.tags.clone()),
        Kind::Service => {
            let found = member.service(view);
            let found = found.filter(|found| !matches!(found.status, ServiceStatus::Inactive { .. }));
            found.map(|found| found.tags.clone())
        }
        Kind::Daemon => member.daemon(view).map(|found| found.tags.clone()),
        Kind::Task => match view.ecs.tasks.get(&member.key) {
            Some(task) if task.last == LastStatus::Stopped => return Err(EcsError::TaggedTaskStopped),
            found => found.map(|task| task.tags.clone()),
        },
    };
    tags.ok_or(EcsError::ResourceNotFound)
}

/// The check on a resource with the tags it has before the change (R168).
fn on_target(ask: (&Snapshot, Scope<'_>), action: &'static str, arn: &str) -> Result<Check, EcsError> {
    let (view, scope) = ask;
    let target = Target::parse(view, scope, arn)?;
    let check = Check::new(action, arn);
    Ok(match target.tags(view) {
        Ok(tags) => check.of_resource(&tags),
        Err(_) => check,
    })
}

/// The resource.
pub fn require_tag(ask: Ask<'_, TagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let check = on_target(
        (ask.view, ask.call.into()),
        "ecs:TagResource",
        &ask.input.resource_arn,
    )?;
    Ok(vec![check.of_request(&tags::requested(Some(&ask.input.tags)))])
}

/// Sets tags; existing ones of the key get the new value.
pub fn tag(tx: &mut Tx<'_>, auth: Authorized<'_, TagResource>) -> Result<TagResourceResponse, ServiceError> {
    let input = auth.input();
    let target = Target::parse(tx.view(), auth.call().into(), &input.resource_arn)?;
    let current = target.tags(tx.view())?;
    let more = tags::checked(Some(&input.tags))?;
    target.set_tags(tx, tags::merged(current, &more)?);
    Ok(TagResourceResponse {})
}

/// The resource, and the keys to be removed.
pub fn require_untag(ask: Ask<'_, UntagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let check = on_target(
        (ask.view, ask.call.into()),
        "ecs:UntagResource",
        &ask.input.resource_arn,
    )?;
    Ok(vec![check.with_many("aws:TagKeys", ask.input.tag_keys.clone())])
}

/// Removes tags; absent keys are passed over.
pub fn untag(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UntagResource>,
) -> Result<UntagResourceResponse, ServiceError> {
    let input = auth.input();
    let target = Target::parse(tx.view(), auth.call().into(), &input.resource_arn)?;
    let mut tags = target.tags(tx.view())?;
    tags::check_keys(&input.tag_keys)?;
    input.tag_keys.iter().for_each(|key| tags.remove(key));
    target.set_tags(tx, tags);
    Ok(UntagResourceResponse {})
}

/// The resource.
pub fn require_list(ask: Ask<'_, ListTagsForResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![on_target(
        (ask.view, ask.call.into()),
        "ecs:ListTagsForResource",
        &ask.input.resource_arn,
    )?])
}

/// The tags of a resource.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListTagsForResource>,
) -> Result<ListTagsForResourceResponse, ServiceError> {
    let target = Target::parse(view, auth.call().into(), &auth.input().resource_arn)?;
    let tags = target.tags(view)?;
    Ok(ListTagsForResourceResponse {
        tags: Some(tags::shown(&tags)),
    })
}
