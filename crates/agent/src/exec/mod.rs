//! Execute Command on the host of a task: for each container that was asked for it the agent does what AWS's SSM agent does
//! inside the container. It holds a control channel, opened with the credentials of the task's own role, takes orders
//! from it, and serves each session over a data channel of its own.

mod channel;
mod encryption;
mod log;
mod presence;
mod session;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::ecs;
use portcullis_core::{Clock, Random};
use portcullis_wire::session::Pulse;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use self::log::{AfterLogs, OpenLogs};
use crate::credentials::{CredentialCache, RoleCredentials};
use crate::engine::{ContainerRef, Engine};
use crate::plane::ControlPlane;
use crate::plane::backoff::between;
use crate::task::manager::Submit;
use crate::task::model::{Container, Desired, Known, Task};
use crate::task::shared::SharedTasks;

/// AWS's name of what does this.
pub(crate) const EXEC_AGENT_NAME: &str = "ExecuteCommandAgent";
/// How often it is looked for containers that came or went.
const LOOK: Duration = Duration::from_millis(500);

/// What the parts need.
pub(crate) struct Parts {
    pub(crate) plane: ControlPlane,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) tasks: Arc<SharedTasks>,
    pub(crate) cache: Arc<CredentialCache>,
    pub(crate) submit: Arc<dyn Submit>,
    /// The logs that are being written.
    pub(crate) logs: Arc<OpenLogs>,
    pub(crate) cluster: String,
    /// A channel on which nothing comes for this long, by chance up to twice as long, is over.
    pub(crate) silence: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// A container that takes orders.
#[derive(Debug, Clone)]
struct Place {
    task_arn: String,
    container: ContainerRef,
    runtime_id: String,
}

impl Place {
    fn of(task: &Task, container: &Container) -> Option<Self> {
        // Before the control plane has been told that the container runs, there is no channel for it.
        let is_open = container.definition.exec_enabled
            && container.known == Known::Running
            && container.reported == Known::Running
            && task.desired == Desired::Running;
        let runtime_id = container.runtime_id.clone().filter(|_| is_open)?;
        Some(Self {
            task_arn: task.arn.clone(),
            container: ContainerRef {
                task_id: task.id().to_owned(),
                name: container.definition.name.clone(),
                docker_name: container.docker_name.clone(),
            },
            runtime_id,
        })
    }

    /// `ecs:CLUSTER_TASK_RUNTIMEID`
    fn target(&self) -> String {
        let mut parts = self.task_arn.rsplit('/');
        let (id, cluster) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("ecs:{cluster}_{id}_{}", self.runtime_id)
    }
}

impl Parts {
    /// The newest keys of the task's role; none until they have come, or when the task has no role.
    fn keys(&self, place: &Place) -> Option<Arc<RoleCredentials>> {
        let task = self.tasks.get(&place.task_arn)?;
        self.cache.keys(task.credentials_id.as_deref()?)
    }

    /// Of a channel that is open now.
    fn pulse(&self) -> Pulse {
        let silence_max = between(self.silence, self.silence, self.random.as_ref());
        Pulse::new(silence_max, Instant::now().into_std())
    }

    /// Whether the container still runs.
    fn is_open(&self, place: &Place) -> bool {
        let task = self.tasks.get(&place.task_arn);
        task.is_some_and(|task| {
            let container = task.container(&place.container.name);
            container.is_some_and(|container| Place::of(&task, container).is_some())
        })
    }

    async fn report(&self, place: &Place, status: &str, reason: Option<String>) {
        let change = ecs::ManagedAgentStateChange {
            container_name: place.container.name.clone(),
            managed_agent_name: EXEC_AGENT_NAME.to_owned(),
            status: status.to_owned(),
            reason,
        };
        let change = ecs::SubmitTaskStateChangeRequest {
            cluster: Some(self.cluster.clone()),
            task: Some(place.task_arn.clone()),
            managed_agents: Some(vec![change]),
            ..ecs::SubmitTaskStateChangeRequest::default()
        };
        self.submit.submit(change).await;
    }
}

/// A channel of a container; ends with it.
struct Held(JoinHandle<()>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Holds a channel for every container that may have sessions, until dropped.
pub(crate) async fn run(parts: Parts) {
    let parts = Arc::new(parts);
    let mut held: BTreeMap<(String, String), Held> = BTreeMap::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let mut open = BTreeMap::new();
        for task in parts.tasks.all() {
            for place in task.containers.iter().filter_map(|one| Place::of(&task, one)) {
                open.insert(
                    (place.task_arn.clone(), place.container.docker_name.clone()),
                    place,
                );
            }
        }
        held.retain(|key, _| open.contains_key(key));
        for (key, place) in open {
            let begin = || Held(tokio::spawn(channel::hold(Arc::clone(&parts), place)));
            held.entry(key).or_insert_with(begin);
        }
    }
}
