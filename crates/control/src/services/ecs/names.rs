//! What the names in a request mean: short names and ARNs become full ARNs and keys of the picture, before anything
//! is authorised (ecs.md 15, rules 1 to 4). Nothing here fails because something does not exist, and characters that
//! no name may have stay as they are: the ARN asked for is what gets authorised.

use std::fmt;
use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Region};

use super::errors::EcsError;
use crate::gate::call::Call;
use crate::world::Snapshot;
use crate::world::records::ecs::{
    Cluster, ContainerInstance, Daemon, DefinitionStatus, Service, Task, TaskDefinition,
};

/// Longest name of a cluster, service or family, in characters.
const NAME_MAX: usize = 255;

/// Whether a text can be the name of a cluster, service, family, container or volume (ecs.md 0).
pub(crate) fn is_name(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(known)
}

/// The name of a cluster that can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterName(String);

impl ClusterName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, EcsError> {
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(EcsError::ClusterName)
        }
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

/// Where short names are looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The region.
    pub region: &'a Region,
    /// The account.
    pub account: &'a AccountId,
}

impl<'a> From<&'a Call> for Scope<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            region: &call.region,
            account: &call.account,
        }
    }
}

impl Scope<'_> {
    /// An ARN of ECS in this scope.
    pub fn arn(&self, resource: impl fmt::Display) -> Arn {
        Arn::regional("ecs", self.region, self.account, resource)
    }

    /// Whether the ARN names something of ECS in this region and account.
    pub fn owns(&self, arn: &Arn) -> bool {
        arn.partition() == self.region.partition().as_str()
            && arn.service() == "ecs"
            && arn.region() == self.region.as_str()
            && arn.account() == self.account.as_str()
    }

    /// The ARN of a built-in or own capacity provider.
    pub fn capacity_provider(&self, name: &str) -> Arn {
        self.arn(format_args!("capacity-provider/{name}"))
    }
}

/// A cluster that a request names.
#[derive(Debug, Clone)]
pub(crate) struct ClusterRef {
    /// The short name.
    pub name: String,
    /// The full ARN: `ecs:cluster`.
    pub arn: Arn,
    /// Where the picture keeps it; `None` for an ARN of another region or account.
    key: Option<String>,
}

impl ClusterRef {
    /// What the argument names: a name, an ARN, or nothing for `default`.
    pub fn resolve(scope: Scope<'_>, argument: Option<&str>) -> Result<Self, EcsError> {
        let name = match argument {
            None | Some("") => "default",
            Some(text) if text.starts_with("arn:") => return Self::from_arn(scope, text),
            Some(name) => name,
        };
        Ok(Self::named(scope, name))
    }

    /// The cluster of that name.
    pub fn named(scope: Scope<'_>, name: &str) -> Self {
        let arn = scope.arn(format_args!("cluster/{name}"));
        Self {
            name: name.to_owned(),
            arn,
            key: Some(Cluster::key_of(scope.region, name)),
        }
    }

    fn from_arn(scope: Scope<'_>, text: &str) -> Result<Self, EcsError> {
        let (arn, name) = parse_arn(text, "cluster")?;
        let key = scope.owns(&arn).then(|| Cluster::key_of(scope.region, &name));
        Ok(Self { name, arn, key })
    }

    /// The cluster in any state.
    pub fn find<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<Cluster>> {
        view.ecs.clusters.get(self.key.as_deref()?)
    }

    /// The cluster, which must be there: for reads.
    pub fn known<'v>(&self, view: &'v Snapshot) -> Result<&'v Arc<Cluster>, EcsError> {
        self.find(view).ok_or(EcsError::ClusterNotFound)
    }

    /// The cluster, which must be in use: for changes.
    pub fn active<'v>(&self, view: &'v Snapshot) -> Result<&'v Arc<Cluster>, EcsError> {
        let cluster = self.known(view)?;
        if cluster.is_active() {
            Ok(cluster)
        } else {
            Err(EcsError::ClusterInactive)
        }
    }

    /// What the keys of everything in this cluster start with: `REGION/CLUSTER/`.
    pub fn prefix(&self) -> String {
        // A key nothing has, for clusters of elsewhere.
        self.key
            .as_ref()
            .map_or_else(|| "/".to_owned(), |key| format!("{key}/"))
    }
}

/// The kinds of resources that live in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `task`
    Task,
    /// `container-instance`
    ContainerInstance,
    /// `service`
    Service,
    /// `daemon`
    Daemon,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::ContainerInstance => "container-instance",
            Self::Service => "service",
            Self::Daemon => "daemon",
        }
    }
}

/// A task, container instance, service or daemon that a request names.
#[derive(Debug, Clone)]
pub(crate) struct MemberRef {
    /// Its id, of a service or daemon its name.
    pub id: String,
    /// The full ARN.
    pub arn: Arn,
    /// Where the picture keeps it: `REGION/CLUSTER/ID`, also when it does not exist.
    pub key: String,
}

impl MemberRef {
    /// What an id or ARN in a call about `cluster` names. An ARN of another cluster is an error.
    pub fn resolve(cluster: &ClusterRef, kind: Kind, argument: &str) -> Result<Self, EcsError> {
        if !argument.starts_with("arn:") {
            return Ok(Self::of(cluster, kind, argument));
        }
        let (_, rest) = parse_arn(argument, kind.as_str())?;
        match rest.split_once('/') {
            // The short form of ARNs made before 2021: it names no cluster.
            None => Ok(Self::of(cluster, kind, &rest)),
            Some((name, id)) if name == cluster.name => {
                let mut found = Self::of(cluster, kind, id);
                if found.arn.as_str() != argument {
                    found.arn = argument
                        .parse()
                        .map_err(|_| EcsError::InvalidIdentifier(argument.to_owned()))?;
                    "/".clone_into(&mut found.key);
                }
                Ok(found)
            }
            Some((name, _)) => Err(EcsError::OtherCluster {
                found: name.to_owned(),
                expected: cluster.name.clone(),
            }),
        }
    }

    fn of(cluster: &ClusterRef, kind: Kind, id: &str) -> Self {
        let (home, _) = cluster.arn.as_str().rsplit_once(":cluster/").unwrap_or_default();
        let arn = format!("{home}:{}/{}/{id}", kind.as_str(), cluster.name);
        let arn = arn.parse().unwrap_or_else(|_| cluster.arn.clone());
        Self {
            id: id.to_owned(),
            arn,
            key: format!("{}{id}", cluster.prefix()),
        }
    }

    /// The container instance, if this is one.
    pub fn container_instance<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<ContainerInstance>> {
        view.ecs.container_instances.get(&self.key)
    }

    /// The task, if this is one.
    pub fn task<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<Task>> {
        view.ecs.tasks.get(&self.key)
    }

    /// The daemon, if this is one.
    pub fn daemon<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<Daemon>> {
        view.ecs.daemons.get(&self.key)
    }

    /// The service, if this is one.
    pub fn service<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<Service>> {
        view.ecs.services.get(&self.key)
    }
}

/// A task definition that a request names.
#[derive(Debug, Clone)]
pub(crate) struct DefinitionRef {
    /// The ARN to authorise: of a bare family with its latest ACTIVE revision, or `FAMILY:*` when it has none.
    pub arn: Arn,
    key: Option<String>,
}

impl DefinitionRef {
    /// What `FAMILY`, `FAMILY:REVISION` or an ARN names.
    pub fn resolve(view: &Snapshot, scope: Scope<'_>, argument: &str) -> Result<Self, EcsError> {
        let (arn, key) = resolve_definition(scope, "task-definition", argument, |family| {
            latest_active(view, scope.region, family)
        })?;
        Ok(Self { arn, key })
    }

    /// The task definition in any state.
    pub fn find<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<TaskDefinition>> {
        view.ecs.task_definitions.get(self.key.as_deref()?)
    }

    /// The task definition, which must be ACTIVE: for new tasks and services.
    pub fn active<'v>(&self, view: &'v Snapshot) -> Result<&'v Arc<TaskDefinition>, EcsError> {
        let found = self.find(view).ok_or(EcsError::DefinitionNotFound)?;
        if found.is_active() {
            Ok(found)
        } else {
            Err(EcsError::DefinitionInactive)
        }
    }
}

/// The ARN and key of what `FAMILY`, `FAMILY:REVISION` or an ARN names among the definitions of a kind; `latest` knows the
/// latest ACTIVE revision of a family. There is no key where there is no revision, nor for ARNs of another region or account.
pub(super) fn resolve_definition(
    scope: Scope<'_>,
    kind: &'static str,
    argument: &str,
    latest: impl Fn(&str) -> Option<i32>,
) -> Result<(Arn, Option<String>), EcsError> {
    let name = if argument.starts_with("arn:") {
        let (arn, name) = parse_arn(argument, kind)?;
        if !scope.owns(&arn) {
            return Ok((arn, None));
        }
        name
    } else {
        argument.to_owned()
    };
    let (family, revision) = match name.split_once(':') {
        Some((family, revision)) => (family, Some(parse_revision(revision)?)),
        None => (name.as_str(), latest(&name)),
    };
    Ok(match revision {
        Some(revision) => (
            scope.arn(format_args!("{kind}/{family}:{revision}")),
            // Families of both kinds have keys of one form.
            Some(TaskDefinition::key_of(scope.region, family, revision)),
        ),
        None => (scope.arn(format_args!("{kind}/{family}:*")), None),
    })
}

/// Whether a reference to a task definition says which revision.
pub(crate) fn has_revision(argument: &str) -> bool {
    let name = argument.rsplit_once('/').map_or(argument, |(_, name)| name);
    name.contains(':')
}

fn parse_revision(text: &str) -> Result<i32, EcsError> {
    // One spelling each: a policy that names a revision must not be passed by `+2` or `02`.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let number = text.parse().ok().filter(|number: &i32| is_plain && *number > 0);
    number.ok_or_else(|| EcsError::RevisionNumber(text.to_owned()))
}

/// The highest ACTIVE revision of a family.
pub(crate) fn latest_active(view: &Snapshot, region: &Region, family: &str) -> Option<i32> {
    let prefix = format!("{region}/{}/{family}#", DefinitionStatus::Active.as_str());
    let (key, _) = view.ecs.definitions_by_status.before(&prefix, None).next()?;
    key.rsplit_once('#')?.1.parse().ok()
}

/// An ARN of ECS and the part of its resource after `TYPE/`.
pub(super) fn parse_arn(text: &str, resource_type: &'static str) -> Result<(Arn, String), EcsError> {
    let invalid = || EcsError::InvalidIdentifier(text.to_owned());
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    let (found, rest) = arn.resource().split_once('/').ok_or_else(invalid)?;
    if found != resource_type || arn.service() != "ecs" || rest.is_empty() {
        return Err(invalid());
    }
    let rest = rest.to_owned();
    Ok((arn, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::records::ecs::Family;

    fn home() -> (Region, AccountId) {
        ("us-east-1".parse().unwrap(), "123456789012".parse().unwrap())
    }

    fn arn(resource: &str) -> String {
        format!("arn:aws:ecs:us-east-1:123456789012:{resource}")
    }

    #[test]
    fn clusters_have_a_name_an_arn_and_a_default() {
        let (region, account) = home();
        let scope = Scope {
            region: &region,
            account: &account,
        };
        let foreign = "arn:aws:ecs:us-east-1:999999999999:cluster/a";
        let cases = [
            (None, Ok(("default", arn("cluster/default"), true))),
            (Some(""), Ok(("default", arn("cluster/default"), true))),
            (Some("a"), Ok(("a", arn("cluster/a"), true))),
            (Some("a*"), Ok(("a*", arn("cluster/a*"), true))),
            (Some(&arn("cluster/a")), Ok(("a", arn("cluster/a"), true))),
            (Some(foreign), Ok(("a", foreign.to_owned(), false))),
            (
                Some("arn:aws:ecs"),
                Err(EcsError::InvalidIdentifier("arn:aws:ecs".to_owned())),
            ),
            (
                Some(&arn("task/a/b")),
                Err(EcsError::InvalidIdentifier(arn("task/a/b"))),
            ),
        ];
        for (argument, expected) in cases {
            let found = ClusterRef::resolve(scope, argument);
            let found = found.map(|found| (found.name, found.arn.to_string(), found.key.is_some()));
            assert_eq!(
                found,
                expected.map(|(name, arn, here)| (name.to_owned(), arn, here)),
                "{argument:?}"
            );
        }
    }

    #[test]
    fn members_belong_to_the_cluster_of_the_call() {
        let (region, account) = home();
        let cluster = ClusterRef::named(
            Scope {
                region: &region,
                account: &account,
            },
            "c",
        );
        let other = EcsError::OtherCluster {
            found: "d".to_owned(),
            expected: "c".to_owned(),
        };
        let foreign = "arn:aws:ecs:us-east-1:999999999999:task/c/1";
        let cases = [
            ("1", Ok((arn("task/c/1"), "us-east-1/c/1"))),
            ("*", Ok((arn("task/c/*"), "us-east-1/c/*"))),
            (&arn("task/c/1"), Ok((arn("task/c/1"), "us-east-1/c/1"))),
            (&arn("task/1"), Ok((arn("task/c/1"), "us-east-1/c/1"))),
            (&arn("task/d/1"), Err(other)),
            (
                &arn("service/c/1"),
                Err(EcsError::InvalidIdentifier(arn("service/c/1"))),
            ),
            (foreign, Ok((foreign.to_owned(), "/"))),
        ];
        for (argument, expected) in cases {
            let found = MemberRef::resolve(&cluster, Kind::Task, argument);
            let found = found.map(|found| (found.arn.to_string(), found.key));
            assert_eq!(
                found,
                expected.map(|(arn, key)| (arn, key.to_owned())),
                "{argument}"
            );
        }
    }

    #[test]
    fn definitions_without_revision_are_starred_when_the_family_has_no_active_one() {
        let (region, account) = home();
        let scope = Scope {
            region: &region,
            account: &account,
        };
        let view = Snapshot::empty(account.clone());
        let foreign = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1";
        let cases = [
            ("web", Ok(arn("task-definition/web:*"))),
            ("web:7", Ok(arn("task-definition/web:7"))),
            (&arn("task-definition/web:7"), Ok(arn("task-definition/web:7"))),
            (foreign, Ok(foreign.to_owned())),
            ("web:", Err(EcsError::RevisionNumber(String::new()))),
            ("web:0", Err(EcsError::RevisionNumber("0".to_owned()))),
            ("web:+2", Err(EcsError::RevisionNumber("+2".to_owned()))),
            ("web:02", Err(EcsError::RevisionNumber("02".to_owned()))),
            ("web:x", Err(EcsError::RevisionNumber("x".to_owned()))),
        ];
        for (argument, expected) in cases {
            let found = DefinitionRef::resolve(&view, scope, argument).map(|found| found.arn.to_string());
            assert_eq!(found, expected, "{argument}");
        }
        assert!(has_revision(&arn("task-definition/web:7")) && has_revision("web:7"));
        assert!(!has_revision(&arn("task-definition/web")) && !has_revision("web"));
    }

    #[test]
    fn keys_of_families_do_not_mix() {
        let (region, _) = home();
        assert!(TaskDefinition::key_of(&region, "a", 9) < TaskDefinition::key_of(&region, "a", 10));
        assert!(TaskDefinition::key_of(&region, "a", 1_000_000) < TaskDefinition::key_of(&region, "a-", 1));
        assert!(Family::key_of(&region, "a") < Family::key_of(&region, "a-"));
    }
}
