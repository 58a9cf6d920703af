//! How many services and tasks there may be, and how fast they may come (ecs.md 14): AWS's defaults, unless the starter of the server gave others.

use crate::world::Snapshot;
use crate::world::records::settings::AccountProfile;

/// A quota of ECS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// How the server's options name it.
    pub option: &'static str,
    /// How the account's profile names it, beside those of IAM.
    key: &'static str,
    default: usize,
}

/// Tasks that one service can want.
pub(super) const TASKS_PER_SERVICE: Quota = Quota {
    option: "tasks-per-service",
    key: "ecs:tasks-per-service",
    default: 5_000,
};
/// ACTIVE services of a cluster.
pub(super) const SERVICES_PER_CLUSTER: Quota = Quota {
    option: "services-per-cluster",
    key: "ecs:services-per-cluster",
    default: 5_000,
};

/// Tasks of a cluster that wait for room of capacity providers.
pub(super) const PROVISIONING_TASKS_PER_CLUSTER: Quota = Quota {
    option: "provisioning-tasks-per-cluster",
    key: "ecs:provisioning-tasks-per-cluster",
    default: 500,
};
/// Tasks that one service can start in a minute.
pub(crate) const LAUNCHES_PER_MINUTE: Quota = Quota {
    option: "service-launches-per-minute",
    key: "ecs:service-launches-per-minute",
    default: 500,
};

/// All of them.
pub(crate) const ALL: &[Quota] = &[
    TASKS_PER_SERVICE,
    SERVICES_PER_CLUSTER,
    PROVISIONING_TASKS_PER_CLUSTER,
    LAUNCHES_PER_MINUTE,
];

impl Quota {
    /// How many there may be in this account.
    pub fn limit(self, view: &Snapshot) -> usize {
        // The starter of the server gives quotas to its first account, which speaks for all.
        let of_all = || self.given(&*view.management()?);
        self.given(view).or_else(of_all).unwrap_or(self.default)
    }

    /// How the account's profile names it.
    pub fn key(self) -> &'static str {
        self.key
    }

    fn given(self, view: &Snapshot) -> Option<usize> {
        let settings = view.account_profiles.get(AccountProfile::KEY)?;
        settings.quotas.get(self.key).copied()
    }
}
