//! Who may fetch which credentials: better than the genuine agent, for which knowing the id is enough (agent.md 0.7).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
use crate::network::{SocketOwner, owner_of_socket};

/// The address of the task endpoint (agent.md 1.2b).
pub(crate) const TASK_ENDPOINT_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// Its port.
pub(crate) const ENDPOINT_PORT: u16 = 80;

/// Docker: by source address; inside the host, where all share one, by the cgroup of the caller's socket.
///
/// The execution role's credentials go to Docker's own log driver alone, a process of the host: containers never get them,
/// also those of the very task.
pub(crate) struct SourceAdmission {
    tasks: Arc<SharedTasks>,
    /// Asked about containers that have only just started.
    engine: Option<Arc<dyn Engine>>,
    owner: fn(SocketAddr, SocketAddr) -> SocketOwner,
}

impl fmt::Debug for SourceAdmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceAdmission")
    }
}

impl SourceAdmission {
    /// Over these tasks, asking the engine about containers that have only just started.
    pub(crate) fn new(tasks: Arc<SharedTasks>, engine: Arc<dyn Engine>) -> Self {
        Self {
            engine: Some(engine),
            ..Self::of(tasks)
        }
    }

    /// Over these tasks as they are known.
    pub(crate) fn of(tasks: Arc<SharedTasks>) -> Self {
        Self {
            tasks,
            engine: None,
            owner: owner_of_socket,
        }
    }

    /// Whether a container of the task has that address.
    pub(crate) fn has_address(&self, task_arn: &str, address: IpAddr) -> bool {
        let asked = self.tasks.ask(task_arn, |task| {
            living(task).any(|container| container.addresses.contains(&address))
        });
        asked.unwrap_or(false)
    }

    /// A caller of this host: the task itself in host mode, or, for the execution role, what is in no task at all.
    fn admits_from_host(&self, caller: Caller<'_>, task_arn: &str, kind: RoleKind) -> bool {
        let owner = (self.owner)(caller.remote.address, caller.remote.local);
        let asked = self.tasks.ask(task_arn, |task| match (kind, &owner) {
            (RoleKind::TaskApplication, SocketOwner::Task(id)) => {
                task.id() == id && living(task).next().is_some()
            }
            (RoleKind::TaskExecution, SocketOwner::Host) => {
                living(task).any(|container| container.definition.logs_with_execution_role)
            }
            _ => false,
        });
        asked.unwrap_or(false)
    }

    async fn look_and_check(&self, caller: Caller<'_>, task_arn: &str) -> bool {
        let (Some(engine), Some(task)) = (&self.engine, self.tasks.get(task_arn)) else {
            return false;
        };
        for container in living(&task) {
            let reference = ContainerRef {
                task_id: task.id().to_owned(),
                name: container.definition.name.clone(),
                docker_name: container.docker_name.clone(),
            };
            if let Ok(Observed::Running(facts)) = engine.inspect(&reference).await
                && facts.addresses.contains(&caller.address())
            {
                return true;
            }
        }
        false
    }
}

fn living(task: &Task) -> impl Iterator<Item = &Container> {
    task.containers
        .iter()
        .filter(|container| container.known != Known::Stopped)
}

impl Admission for SourceAdmission {
    fn at_once(&self, caller: Caller<'_>, task_arn: &str, kind: RoleKind) -> Option<bool> {
        let address = caller.address();
        if address == IpAddr::V4(TASK_ENDPOINT_ADDRESS) || address.is_loopback() {
            return Some(self.admits_from_host(caller, task_arn, kind));
        }
        match kind {
            RoleKind::TaskExecution => Some(false),
            RoleKind::TaskApplication => self.has_address(task_arn, address).then_some(true),
        }
    }

    fn admits<'a>(&'a self, caller: Caller<'a>, task_arn: &'a str, _: RoleKind) -> BoxFuture<'a, bool> {
        Box::pin(self.look_and_check(caller, task_arn))
    }
}

/// Process engine: by the token each process got in its environment. The execution role's credentials are for nobody: no log
/// driver works for processes.
#[derive(Debug)]
pub(crate) struct TokenAdmission(pub(crate) Arc<SharedTasks>);

impl Admission for TokenAdmission {
    fn admits<'a>(&'a self, caller: Caller<'a>, task_arn: &'a str, kind: RoleKind) -> BoxFuture<'a, bool> {
        let task = self.0.get(task_arn);
        let has_token = task.is_some_and(|task| token_may_fetch(&task, caller.authorization));
        let admitted = kind == RoleKind::TaskApplication && has_token;
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
    use futures_util::FutureExt as _;

    use super::super::plan::tests::{container, task};
    use super::*;
    use crate::endpoint::Remote;

    fn at_once(containers: Vec<Container>, kind: RoleKind, from: &str, owner: Owner) -> Option<bool> {
        let mut task = task(containers);
        task.arn = "arn:aws:ecs:us-west-2:111122223333:task/probe/mine".into();
        let (tasks, arn) = (Arc::new(SharedTasks::default()), task.arn.clone());
        tasks.publish(task);
        let admission = SourceAdmission {
            owner,
            ..SourceAdmission::of(tasks)
        };
        let address = SocketAddr::new(from.parse().unwrap(), 40_000);
        let remote = Remote::new(address, "169.254.170.2:80".parse().unwrap());
        let caller = Caller {
            remote: &remote,
            authorization: None,
        };
        admission.at_once(caller, &arn, kind)
    }

    type Owner = fn(SocketAddr, SocketAddr) -> SocketOwner;

    #[test]
    fn reliability_4_8_source_must_belong_to_the_task() {
        let bridge = |addresses: &[&str]| {
            let mut container = container("app", true, &[]);
            container.known = Known::Running;
            container.addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            container
        };
        let mut logging = bridge(&["172.17.0.2"]);
        logging.definition.logs_with_execution_role = true;
        let mut ended = bridge(&["172.17.0.2"]);
        ended.known = Known::Stopped;
        let two = vec![bridge(&["172.17.0.2"]), bridge(&["172.17.0.3", "172.18.0.2"])];
        let (mine, other): (Owner, Owner) = (
            |_, _| SocketOwner::Task("mine".into()),
            |_, _| SocketOwner::Task("other".into()),
        );
        let (host, unknown): (Owner, Owner) = (|_, _| SocketOwner::Host, |_, _| SocketOwner::Unknown);
        use RoleKind::{TaskApplication, TaskExecution};
        let cases = [
            // By address; what is not known yet is looked at.
            (&two, TaskApplication, "172.17.0.2", unknown, Some(true)),
            (&two, TaskApplication, "172.18.0.2", unknown, Some(true)),
            (&two, TaskApplication, "172.17.0.4", unknown, None),
            (&vec![ended.clone()], TaskApplication, "172.17.0.2", unknown, None),
            // The execution role's are for no container, not even the task's own.
            (&two, TaskExecution, "172.17.0.2", unknown, Some(false)),
            (
                &vec![logging.clone()],
                TaskExecution,
                "172.17.0.2",
                mine,
                Some(false),
            ),
            // Inside the host the address says nothing, the socket's cgroup all.
            (&two, TaskApplication, "169.254.170.2", mine, Some(true)),
            (&two, TaskApplication, "127.0.0.1", mine, Some(true)),
            (&two, TaskApplication, "169.254.170.2", other, Some(false)),
            (&two, TaskApplication, "169.254.170.2", host, Some(false)),
            (&two, TaskApplication, "169.254.170.2", unknown, Some(false)),
            (&vec![ended], TaskApplication, "169.254.170.2", mine, Some(false)),
            // Docker's log driver is a process of the host.
            (
                &vec![logging.clone()],
                TaskExecution,
                "169.254.170.2",
                host,
                Some(true),
            ),
            (
                &vec![logging.clone()],
                TaskExecution,
                "169.254.170.2",
                mine,
                Some(false),
            ),
            (
                &vec![logging],
                TaskExecution,
                "169.254.170.2",
                unknown,
                Some(false),
            ),
            (&two, TaskExecution, "169.254.170.2", host, Some(false)),
        ];
        for (number, (containers, kind, from, owner, admitted)) in cases.into_iter().enumerate() {
            let said = at_once(containers.clone(), kind, from, owner);
            assert_eq!(said, admitted, "case {number}: {kind:?} from {from}");
        }
    }

    #[test]
    fn only_the_tasks_own_tokens_open() {
        let mut app = container("app", true, &[]);
        app.token_digests = vec![
            token_digest(&Secret::new("one")),
            token_digest(&Secret::new("two")),
        ];
        let (tasks, task) = (Arc::new(SharedTasks::default()), task(vec![app]));
        let arn = task.arn.clone();
        tasks.publish(task);
        let admission = TokenAdmission(tasks);
        let remote = Remote::new(
            "127.0.0.1:40000".parse().unwrap(),
            "127.0.0.1:80".parse().unwrap(),
        );
        use RoleKind::{TaskApplication, TaskExecution};
        for (token, kind, admitted) in [
            (Some("one"), TaskApplication, true),
            (Some("two"), TaskApplication, true),
            (Some("three"), TaskApplication, false),
            (Some(""), TaskApplication, false),
            (None, TaskApplication, false),
            // What the agent starts a task with is not the task's.
            (Some("one"), TaskExecution, false),
        ] {
            let caller = Caller {
                remote: &remote,
                authorization: token,
            };
            let said = admission.admits(caller, &arn, kind).now_or_never();
            assert_eq!(said, Some(admitted), "{token:?} {kind:?}");
        }
    }
}
