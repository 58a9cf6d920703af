//! Which place in the network each container of a task gets, and when it is given back.

use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::oneshot;

use super::super::model::{Container, Known, Task};
use super::{Manager, Parts, SecurityChange};
use crate::network::{PAUSE_CONTAINER, Wiring};

/// What of `dockerConfig.hostConfig` says that a container shares the host's network.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mode {
    network_mode: Option<String>,
}

impl Parts {
    /// The place of a container that is to be started.
    pub(super) fn wiring(&self, task: &Task, container: &Container) -> Wiring {
        match &task.interface {
            Some(interface) if container.is_internal() => Wiring::Pause(Box::new(interface.clone())),
            Some(_) => {
                let pause = task
                    .container(PAUSE_CONTAINER)
                    .map(|pause| pause.docker_name.clone());
                Wiring::Joined(pause.unwrap_or_default())
            }
            None if shares_host(container) => {
                let group = self
                    .network
                    .as_ref()
                    .and_then(|network| network.host_cgroup(task.id()));
                Wiring::Host(group)
            }
            None => Wiring::AsDefined,
        }
    }
}

fn shares_host(container: &Container) -> bool {
    let mode: Mode = serde_json::from_str(&container.definition.docker_host_config).unwrap_or_default();
    mode.network_mode.as_deref() == Some("host")
}

impl Manager {
    /// The namespace of a task went with its pause container, however that ended.
    pub(super) fn release_network(&self, arn: &str) {
        let (Some(task), Some(network)) = (self.tasks.get(arn), &self.parts.network) else {
            return;
        };
        if task.known() == Known::Stopped {
            network.release_host_task(task.id());
        }
        let over = task
            .container(PAUSE_CONTAINER)
            .is_some_and(|pause| pause.known == Known::Stopped);
        if over && network.has_interface(task.id()) {
            let (network, id) = (Arc::clone(network), task.id().to_owned());
            tokio::spawn(async move { network.detach(&id).await });
        }
    }

    /// Other rules for tasks' interfaces. One that is over, or unknown, needs none.
    pub(super) fn secure(&mut self, changes: Vec<SecurityChange>, done: oneshot::Sender<()>) {
        let (mut arns, mut due) = (Vec::new(), Vec::new());
        for change in changes {
            let Some(task) = self.tasks.get_mut(&change.task_arn) else {
                continue;
            };
            let id = task.id().to_owned();
            match &mut task.interface {
                Some(interface) if interface.attachment_arn == change.attachment_arn => {
                    interface.security = Some(change.rules.clone());
                }
                _ => continue,
            }
            due.push((id, change.rules));
            arns.push(change.task_arn);
        }
        if arns.is_empty() {
            let _ = done.send(());
            return;
        }
        self.dirty.extend(arns.iter().cloned());
        self.settle();
        // Not answered, they come again.
        if arns.iter().any(|arn| self.dirty.contains(arn)) {
            return;
        }
        let Some(network) = self.parts.network.clone() else {
            return;
        };
        tokio::spawn(async move {
            match network.secure(due).await {
                Ok(()) => {
                    let _ = done.send(());
                }
                Err(error) => tracing::error!(%error, "security rules are not in force"),
            }
        });
    }
}
