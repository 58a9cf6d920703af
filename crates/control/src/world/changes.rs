//! What a transaction changed of the rows that raise events, as it was committed: between two pictures, each row once.

use std::sync::Arc;

use super::records::ecs::{ContainerInstance, DaemonDeployment, Service, Task};

/// A row before and after a transaction.
#[derive(Debug, Clone)]
pub struct Step<T> {
    /// `None` when the transaction made it.
    pub before: Option<Arc<T>>,
    /// `None` when the transaction removed it.
    pub after: Option<Arc<T>>,
}

/// A change of a row that may raise events.
#[derive(Debug, Clone)]
pub enum Changed {
    /// Of a task.
    Task(Step<Task>),
    /// Of a container instance.
    Instance(Step<ContainerInstance>),
    /// Of a service.
    Service(Step<Service>),
    /// Of a daemon's deployment.
    DaemonDeployment(Step<DaemonDeployment>),
}

/// The changes of one transaction.
#[derive(Debug, Default)]
pub(super) struct Changes(Vec<Changed>);

impl Changes {
    /// Adds a change; one that goes on from an earlier one of the same row becomes one with it.
    pub fn note(&mut self, next: Changed) {
        let joined = self.0.iter_mut().rev().any(|earlier| earlier.goes_on(&next));
        // What is only removed raises nothing; a sweep must not fill the list.
        if !joined && next.leaves_a_row() {
            self.0.push(next);
        }
    }

    pub fn into_inner(self) -> Vec<Changed> {
        self.0
    }
}

impl Changed {
    fn leaves_a_row(&self) -> bool {
        match self {
            Self::Task(step) => step.after.is_some(),
            Self::Instance(step) => step.after.is_some(),
            Self::Service(step) => step.after.is_some(),
            Self::DaemonDeployment(step) => step.after.is_some(),
        }
    }

    /// Takes in the next step of the same row, if `next` is that.
    fn goes_on(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Task(step), Self::Task(next)) => step.goes_on(next),
            (Self::Instance(step), Self::Instance(next)) => step.goes_on(next),
            (Self::Service(step), Self::Service(next)) => step.goes_on(next),
            (Self::DaemonDeployment(step), Self::DaemonDeployment(next)) => step.goes_on(next),
            _ => false,
        }
    }
}

impl<T> Step<T> {
    /// A step, unless there is nothing on either side.
    pub fn new(before: Option<&Arc<T>>, after: Option<&Arc<T>>) -> Self {
        Self {
            before: before.map(Arc::clone),
            after: after.map(Arc::clone),
        }
    }

    fn goes_on(&mut self, next: &Self) -> bool {
        let same = match (&self.after, &next.before) {
            (Some(after), Some(before)) => Arc::ptr_eq(after, before),
            _ => false,
        };
        if same {
            self.after.clone_from(&next.after);
        }
        same
    }
}
