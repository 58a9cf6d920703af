//! Which container a channel or session is about.

use std::sync::Arc;

use portcullis_core::Region;

use crate::gate::call::Call;
use crate::gate::operation::{Check, Owner};
use crate::world::Snapshot;
use crate::world::records::ecs::{DesiredStatus, LastStatus, Task};

/// A container of a task, by the task's key in the picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Container {
    /// [`Task::key_of`]
    pub task: String,
    /// Its name in the definition.
    pub name: String,
}

impl Container {
    /// Whether it runs and may have sessions.
    pub fn takes_sessions(&self, view: &Snapshot) -> bool {
        let Some(task) = view.ecs.tasks.get(&self.task) else {
            return false;
        };
        let runs = |one: &&crate::world::records::ecs::TaskContainer| {
            one.name == self.name && one.last == LastStatus::Running
        };
        is_open(task) && task.containers.iter().any(|one| runs(&one))
    }
}

fn is_open(task: &Task) -> bool {
    task.enable_execute_command && task.desired == DesiredStatus::Running && task.last != LastStatus::Stopped
}

/// A container as channels name it: `ecs:CLUSTER_TASK_RUNTIMEID`.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its task.
    pub task: Arc<Task>,
    /// Which one.
    pub container: Container,
}

impl Target {
    /// The running container of that name with Execute Command.
    pub fn find(view: &Snapshot, region: &Region, name: &str) -> Option<Self> {
        // Names of clusters may have underscores, the other two parts have none.
        let mut parts = name.strip_prefix("ecs:")?.rsplitn(3, '_');
        let (runtime_id, id, cluster) = (parts.next()?, parts.next()?, parts.next()?);
        let task = view.ecs.tasks.get(&Task::key_of(region, cluster, id))?;
        let mut containers = task.containers.iter();
        let found = containers.find(|one| one.runtime_id.as_deref() == Some(runtime_id))?;
        let container = Container {
            task: Task::key_of(region, cluster, id),
            name: found.name.clone(),
        };
        container.takes_sessions(view).then(|| Self {
            task: Arc::clone(task),
            container,
        })
    }

    /// The check of an action on its channels: for the task's own credentials alone. Of a task without a role nobody
    /// has them.
    pub fn check(&self, action: &'static str) -> Check {
        Check::new(action, "*").only_for(Some(self.owner()))
    }

    /// Not the role's session by its name: whoever may assume the role may give a session the task's id (R132).
    fn owner(&self) -> Owner {
        Owner::Task {
            arn: self.task.arn.to_string(),
            because: "a task's channels take only the credentials that ECS made for that task",
        }
    }

    /// Whether the caller is the task itself.
    pub fn is_own(&self, call: &Call) -> bool {
        self.owner().is(&call.caller)
    }
}
