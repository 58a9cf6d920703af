//! What the names of daemons in a request mean, before anything is authorised.

use std::sync::Arc;

use super::faults::DaemonFault;
use crate::gate::operation::Check;
use crate::services::ecs::checks::on_member;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope, parse_arn};
use crate::world::Snapshot;
use crate::world::records::ecs::Daemon;

/// A daemon that a request names.
#[derive(Debug, Clone)]
pub(super) struct DaemonRef {
    /// Its cluster.
    pub cluster: ClusterRef,
    /// The daemon in it.
    pub member: MemberRef,
}

impl DaemonRef {
    /// What an ARN `daemon/CLUSTER/NAME` names.
    pub fn from_arn(scope: Scope<'_>, text: &str) -> Result<Self, EcsError> {
        let (_, rest) = parse_arn(text, "daemon")?;
        let invalid = || EcsError::InvalidIdentifier(text.to_owned());
        let (cluster, _) = rest.split_once('/').ok_or_else(invalid)?;
        let mut cluster = ClusterRef::named(scope, cluster);
        let member = MemberRef::resolve(&cluster, Kind::Daemon, text)?;
        if member.key == "/" {
            // Of another account or region: authorised as it was asked for, and never found.
            let home = text.split_once(":daemon/").map(|(home, _)| home);
            let elsewhere = format!("{}:cluster/{}", home.unwrap_or_default(), cluster.name);
            cluster = ClusterRef::resolve(scope, Some(&elsewhere))?;
        }
        Ok(Self { cluster, member })
    }

    /// The daemon of a name in a cluster.
    pub fn named(scope: Scope<'_>, cluster: Option<&str>, name: &str) -> Result<Self, EcsError> {
        let cluster = ClusterRef::resolve(scope, cluster)?;
        // A name only: an ARN in its place is a name nothing can have.
        let plain = name.strip_prefix("arn:").unwrap_or(name);
        let member = MemberRef::resolve(&cluster, Kind::Daemon, plain)?;
        Ok(Self { cluster, member })
    }

    /// The daemon, when it is there.
    pub fn find<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<Daemon>> {
        self.member.daemon(view)
    }

    /// The daemon, which must be there.
    pub fn known<'v>(&self, view: &'v Snapshot) -> Result<&'v Arc<Daemon>, EcsError> {
        self.cluster.known(view)?;
        self.find(view).ok_or(EcsError::Daemon(DaemonFault::NotFound))
    }

    /// The check of an action on it.
    pub fn check(&self, view: &Snapshot, action: &'static str) -> Check {
        let tags = self.find(view).map(|found| &found.tags);
        on_member(action, &self.cluster, &self.member, tags)
    }
}
