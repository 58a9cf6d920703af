//! How many calls an account may make in a region (ecs.md 13): token buckets, off unless `portcullis serve` is told
//! `--aws-throttling`. Nobody waits for a bucket: each is one number that is swapped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use portcullis_core::{Region, Timestamp};
use serde_json::Value;

use super::call::Call;
use super::error::ServiceError;

/// A bucket: so many calls at once, and so many a second in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What it is for.
    pub name: &'static str,
    /// The operations of ECS that share it.
    pub operations: &'static [&'static str],
    /// How many tokens it holds.
    pub burst: u32,
    /// How many tokens come back in a second.
    pub per_second: u32,
}

const fn limit(
    name: &'static str,
    burst: u32,
    per_second: u32,
    operations: &'static [&'static str],
) -> Limit {
    Limit {
        name,
        operations,
        burst,
        per_second,
    }
}

/// AWS's buckets for calls.
pub const CALLS: &[Limit] = &[
    limit(
        "cluster modify",
        20,
        1,
        &[
            "CreateCluster",
            "DeleteCluster",
            "PutClusterCapacityProviders",
            "UpdateCluster",
            "UpdateClusterSettings",
        ],
    ),
    limit("cluster read", 50, 20, &["DescribeClusters", "ListClusters"]),
    limit(
        "task definition modify",
        20,
        1,
        &["DeregisterTaskDefinition", "RegisterTaskDefinition"],
    ),
    limit(
        "task definition read",
        50,
        20,
        &[
            "DescribeTaskDefinition",
            "ListTaskDefinitionFamilies",
            "ListTaskDefinitions",
        ],
    ),
    limit("task definition delete", 5, 1, &["DeleteTaskDefinitions"]),
    limit(
        "capacity provider modify",
        10,
        1,
        &[
            "CreateCapacityProvider",
            "DeleteCapacityProvider",
            "UpdateCapacityProvider",
        ],
    ),
    limit("capacity provider read", 50, 20, &["DescribeCapacityProviders"]),
    limit("tag modify", 20, 10, &["TagResource", "UntagResource"]),
    limit("tag read", 50, 20, &["ListTagsForResource"]),
    limit(
        "setting modify",
        10,
        1,
        &[
            "DeleteAccountSetting",
            "PutAccountSetting",
            "PutAccountSettingDefault",
        ],
    ),
    limit("setting read", 50, 20, &["ListAccountSettings"]),
    limit(
        "cluster resource modify",
        100,
        40,
        &[
            "DeleteAttributes",
            "DeregisterContainerInstance",
            "ExecuteCommand",
            "PutAttributes",
            "RunTask",
            "StartTask",
            "StopTask",
            "UpdateContainerAgent",
            "UpdateContainerInstancesState",
        ],
    ),
    limit(
        "cluster resource read",
        100,
        20,
        &[
            "DescribeContainerInstances",
            "DescribeTasks",
            "ListAttributes",
            "ListContainerInstances",
            "ListTasks",
        ],
    ),
    limit(
        "agent modify",
        200,
        120,
        &[
            "RegisterContainerInstance",
            "SubmitAttachmentStateChanges",
            "SubmitContainerStateChange",
            "SubmitTaskStateChange",
        ],
    ),
    limit(
        "service modify",
        50,
        5,
        &["CreateService", "DeleteService", "UpdateService"],
    ),
    limit("service read", 100, 20, &["DescribeServices", "ListServices"]),
    limit(
        "service deployment read",
        50,
        20,
        &["DescribeServiceDeployments", "ListServiceDeployments"],
    ),
    limit("service revision read", 50, 20, &["DescribeServiceRevisions"]),
    limit(
        "task protection",
        200,
        80,
        &["GetTaskProtection", "UpdateTaskProtection"],
    ),
    limit("services by namespace", 10, 1, &["ListServicesByNamespace"]),
];

/// How many calls of RunTask for Fargate.
pub const FARGATE_CALLS: Limit = limit("RunTask on Fargate", 20, 20, &[]);
/// How many tasks RunTask starts on Fargate.
pub const FARGATE_TASKS: Limit = limit("tasks on Fargate", 100, 20, &[]);

/// The buckets of one account.
#[derive(Debug, Default)]
pub struct Throttle {
    regions: ArcSwap<BTreeMap<Region, Arc<Buckets>>>,
}

#[derive(Debug)]
struct Buckets {
    calls: Vec<Bucket>,
    fargate_calls: Bucket,
    fargate_tasks: Bucket,
}

/// One bucket, as the moment at which it will be full again. Of time there are so many units to a millisecond as tokens
/// come in a second, so that a token is worth a thousand units, without a remainder.
#[derive(Debug)]
struct Bucket {
    limit: Limit,
    full_at: AtomicI64,
}

const UNITS_OF_A_TOKEN: i64 = 1_000;

impl Bucket {
    fn full(limit: Limit) -> Self {
        Self {
            limit,
            full_at: AtomicI64::new(0),
        }
    }

    /// Takes tokens, all or none.
    fn take(&self, tokens: u32, now: Timestamp) -> bool {
        let now = now.as_millis().saturating_mul(i64::from(self.limit.per_second));
        let whole = i64::from(self.limit.burst).saturating_mul(UNITS_OF_A_TOKEN);
        let wanted = i64::from(tokens).saturating_mul(UNITS_OF_A_TOKEN);
        // When it is full after this call, and whether the call gets its tokens.
        let after = |full_at: i64| {
            // Never emptier than empty, even when the clock was turned back.
            let missing = full_at.saturating_sub(now).clamp(0, whole);
            let enough = missing.saturating_add(wanted) <= whole;
            let missing = if enough { missing + wanted } else { missing };
            (now.saturating_add(missing), enough)
        };
        let taken = self
            .full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                Some(after(full_at).0)
            });
        taken.is_ok_and(|before| after(before).1)
    }
}

impl Buckets {
    fn full() -> Self {
        Self {
            calls: CALLS.iter().map(|limit| Bucket::full(*limit)).collect(),
            fargate_calls: Bucket::full(FARGATE_CALLS),
            fargate_tasks: Bucket::full(FARGATE_TASKS),
        }
    }
}

impl Throttle {
    /// Takes a call's token; before anything else of the call is looked at.
    pub(super) fn call(&self, call: &Call) -> Result<(), ServiceError> {
        if call.service.name != "ecs" {
            return Ok(());
        }
        let buckets = self.buckets(&call.region);
        let mut all = buckets.calls.iter();
        let bucket = all.find(|bucket| bucket.limit.operations.contains(&call.operation));
        match bucket.is_none_or(|bucket| bucket.take(1, call.now)) {
            true => Ok(()),
            false => Err(rate_exceeded()),
        }
    }

    /// Takes the tokens of a RunTask for Fargate, given its parameters.
    pub(super) fn launch(&self, call: &Call, parameters: &Value) -> Result<(), ServiceError> {
        let Some(tasks) = fargate_tasks(parameters) else {
            return Ok(());
        };
        let buckets = self.buckets(&call.region);
        let allowed = buckets.fargate_calls.take(1, call.now) && buckets.fargate_tasks.take(tasks, call.now);
        if allowed { Ok(()) } else { Err(rate_exceeded()) }
    }

    /// Whether [`launch`](Self::launch) has something to say.
    pub(super) fn is_launch(call: &Call) -> bool {
        call.service.name == "ecs" && call.operation == "RunTask"
    }

    fn buckets(&self, region: &Region) -> Arc<Buckets> {
        if let Some(known) = self.regions.load().get(region) {
            return Arc::clone(known);
        }
        let new = Arc::new(Buckets::full());
        self.regions.rcu(|regions| {
            let mut regions = BTreeMap::clone(regions);
            regions.entry(region.clone()).or_insert_with(|| Arc::clone(&new));
            regions
        });
        self.regions.load().get(region).map_or(new, Arc::clone)
    }
}

/// What whoever asks for too much is told.
pub(crate) fn rate_exceeded() -> ServiceError {
    ServiceError::new("ThrottlingException", 400, "Rate exceeded")
}

/// How many tasks a RunTask asks for on Fargate; `None` when it asks for another launch type, or leaves it to the cluster.
fn fargate_tasks(parameters: &Value) -> Option<u32> {
    let is_fargate = |value: Option<&Value>| {
        let name = value.and_then(Value::as_str);
        name.is_some_and(|name| name == "FARGATE" || name == "FARGATE_SPOT")
    };
    let strategy = parameters
        .get("capacityProviderStrategy")
        .and_then(Value::as_array);
    let by_strategy = strategy
        .into_iter()
        .flatten()
        .any(|item| is_fargate(item.get("capacityProvider")));
    if !by_strategy && !is_fargate(parameters.get("launchType")) {
        return None;
    }
    let count = parameters.get("count").and_then(Value::as_u64).unwrap_or(1);
    Some(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[path = "throttle/tests.rs"]
mod tests;
