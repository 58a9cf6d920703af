//! Who may fetch which credentials: better than the genuine agent, for which knowing the id is enough (agent.md 0.7).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use portcullis_core::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::model::{Container, Known, Task};
use super::shared::SharedTasks;
use crate::credentials::RoleKind;
use crate::endpoint::{Admission, Caller};
use crate::engine::{ContainerRef, Engine, Observed};

/// The address of the task endpoint (agent.md 1.2b).
pub(crate) const TASK_ENDPOINT_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);

/// Whether a packet from `caller` can come from a container of the task: one of its containers has that address, or
/// it comes from the host itself and the task lives there - as a host-mode container, or, for the execution role, as
/// Docker's own log driver.
pub(crate) fn source_may_fetch(task: &Task, kind: RoleKind, caller: IpAddr) -> bool {
    let from_host = caller == IpAddr::V4(TASK_ENDPOINT_ADDRESS) || caller.is_loopback();
    task.containers
        .iter()
        .filter(|container| container.known != Known::Stopped)
        .any(|container| {
            let logs = kind == RoleKind::TaskExecution && container.definition.logs_with_execution_role;
            match from_host {
                true => container.host_network || logs,
                false => container.addresses.contains(&caller),
            }
        })
}

/// Docker: by source address.
pub(crate) struct SourceAdmission {
    tasks: Arc<SharedTasks>,
    engine: Arc<dyn Engine>,
}

impl fmt::Debug for SourceAdmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceAdmission")
    }
}

impl SourceAdmission {
    /// Over these tasks, asking the engine about containers that have only just started.
    pub(crate) fn new(tasks: Arc<SharedTasks>, engine: Arc<dyn Engine>) -> Self {
        Self { tasks, engine }
    }

    async fn check(&self, caller: Caller<'_>, task_arn: &str, kind: RoleKind) -> bool {
        let Some(task) = self.tasks.get(task_arn) else {
            return false;
        };
        if source_may_fetch(&task, kind, caller.address) {
            return true;
        }
        let mut task = Task::clone(&task);
        let id = task.id().to_owned();
        for container in task
            .containers
            .iter_mut()
            .filter(|container| container.known != Known::Stopped)
        {
            self.refresh(&id, container).await;
        }
        source_may_fetch(&task, kind, caller.address)
    }

    async fn refresh(&self, task_id: &str, container: &mut Container) {
        let reference = ContainerRef {
            task_id: task_id.to_owned(),
            name: container.definition.name.clone(),
            docker_name: container.docker_name.clone(),
        };
        if let Ok(Observed::Running(facts)) = self.engine.inspect(&reference).await {
            container.addresses = facts.addresses;
            container.host_network = facts.host_network;
        }
    }
}

impl Admission for SourceAdmission {
    fn admits<'a>(&'a self, caller: Caller<'a>, task_arn: &'a str, kind: RoleKind) -> BoxFuture<'a, bool> {
        Box::pin(self.check(caller, task_arn, kind))
    }
}

/// Process engine: by the token each process got in its environment.
#[derive(Debug)]
pub(crate) struct TokenAdmission(pub(crate) Arc<SharedTasks>);

impl Admission for TokenAdmission {
    fn admits<'a>(&'a self, caller: Caller<'a>, task_arn: &'a str, _: RoleKind) -> BoxFuture<'a, bool> {
        let admitted = self
            .0
            .get(task_arn)
            .is_some_and(|task| token_may_fetch(&task, caller.authorization));
        Box::pin(std::future::ready(admitted))
    }
}

fn token_may_fetch(task: &Task, presented: Option<&str>) -> bool {
    let digest = token_digest(&Secret::new(presented.unwrap_or_default()));
    let digests = task
        .containers
        .iter()
        .flat_map(|container| &container.token_digests);
    // No early end: the time taken tells nothing about which token was close.
    let same = digests.fold(subtle::Choice::from(0), |found, known| {
        found | known.as_bytes().ct_eq(digest.as_bytes())
    });
    presented.is_some() && same.into()
}

/// What is remembered of a token: its SHA-256, in hexadecimal.
pub(crate) fn token_digest(token: &Secret) -> String {
    use std::fmt::Write as _;
    Sha256::digest(token.expose().as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{container, task};
    use super::*;

    #[test]
    fn reliability_4_8_source_must_belong_to_the_task() {
        let bridge = |addresses: &[&str]| {
            let mut container = container("app", true, &[]);
            container.known = Known::Running;
            container.addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            container
        };
        let mut host = bridge(&[]);
        host.host_network = true;
        let mut logging = bridge(&["172.17.0.2"]);
        logging.definition.logs_with_execution_role = true;
        let mut ended = bridge(&["172.17.0.2"]);
        ended.known = Known::Stopped;
        let two = [bridge(&["172.17.0.2"]), bridge(&["172.17.0.3", "172.18.0.2"])];
        use RoleKind::{TaskApplication, TaskExecution};
        let cases = [
            (two.to_vec(), TaskApplication, "172.17.0.2", true),
            (two.to_vec(), TaskApplication, "172.18.0.2", true),
            (two.to_vec(), TaskExecution, "172.17.0.2", true),
            (two.to_vec(), TaskApplication, "172.17.0.4", false),
            (two.to_vec(), TaskApplication, "169.254.170.2", false),
            (two.to_vec(), TaskApplication, "127.0.0.1", false),
            (vec![host.clone()], TaskApplication, "169.254.170.2", true),
            (vec![host], TaskApplication, "172.17.0.2", false),
            (vec![logging.clone()], TaskExecution, "169.254.170.2", true),
            (vec![logging], TaskApplication, "169.254.170.2", false),
            (vec![ended], TaskApplication, "172.17.0.2", false),
        ];
        for (containers, kind, caller, admitted) in cases {
            let task = task(containers);
            assert_eq!(
                source_may_fetch(&task, kind, caller.parse().unwrap()),
                admitted,
                "{kind:?} {caller} {task:?}"
            );
        }
    }

    #[test]
    fn only_the_tasks_own_tokens_open() {
        let mut app = container("app", true, &[]);
        app.token_digests = vec![
            token_digest(&Secret::new("one")),
            token_digest(&Secret::new("two")),
        ];
        let task = task(vec![app]);
        for (token, admitted) in [
            (Some("one"), true),
            (Some("two"), true),
            (Some("three"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(token_may_fetch(&task, token), admitted, "{token:?}");
        }
    }
}
