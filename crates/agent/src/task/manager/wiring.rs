//! Which place in the network each container of a task gets, and when it is given back.

use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::oneshot;

use super::super::model::{Container, Known, Task};
use super::{Manager, Parts};
use crate::network::{PAUSE_CONTAINER, SecurityRules, Wiring};

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

    /// Other rules for a task's interface. One that is over, or unknown, needs none.
    pub(super) fn secure(
        &mut self,
        task_arn: &str,
        attachment_arn: &str,
        rules: SecurityRules,
        done: oneshot::Sender<()>,
    ) {
        let Some(task) = self.tasks.get_mut(task_arn) else {
            let _ = done.send(());
            return;
        };
        let id = task.id().to_owned();
        match &mut task.interface {
            Some(interface) if interface.attachment_arn == attachment_arn => {
                interface.security = Some(rules.clone());
            }
            _ => {
                let _ = done.send(());
                return;
            }
        }
        self.dirty.insert(task_arn.to_owned());
        let network = self.parts.network.clone();
        self.settle();
        if self.dirty.contains(task_arn) {
            return;
        }
        tokio::spawn(async move {
            let Some(network) = network else { return };
            match network.secure(&id, rules).await {
                Ok(()) => {
                    let _ = done.send(());
                }
                // Not answered, they come again.
                Err(error) => tracing::error!(%error, task = id, "security rules are not in force"),
            }
        });
    }
}
