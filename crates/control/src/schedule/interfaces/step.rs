//! What is done for one task: one interface is made, or deleted. Each step finds out from the picture how far it is, so that
//! it can be broken off anywhere: an interface is made with the id of its task's attachment as its token, once.

use std::convert::Infallible;
use std::sync::Arc;

use portcullis_api::ec2::op::{
    AttachNetworkInterface, CreateNetworkInterface, CreateNetworkInterfacePermission, DeleteNetworkInterface,
    DetachNetworkInterface,
};
use portcullis_api::ec2::{
    AttachNetworkInterfaceRequest, CreateNetworkInterfacePermissionRequest, CreateNetworkInterfaceRequest,
    DeleteNetworkInterfaceRequest, DetachNetworkInterfaceRequest,
};
use portcullis_wire::Operation;

use super::{Callers, texts};
use crate::gate::Gate;
use crate::gate::by_itself::{ByItselfError, ECS_INTERFACES};
use crate::schedule::life_cycle;
use crate::services::ec2::{Place, TASK_DEVICE, for_tasks};
use crate::world::records::ec2::NetworkInterface;
use crate::world::records::ecs::{ContainerInstance, InterfaceWork, StopCode, Task, TaskInterface};
use crate::world::{Snapshot, Tx, WriteError};

/// What AWS calls the permission that Fargate needs.
const ATTACH_PERMISSION: &str = "INSTANCE-ATTACH";

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing left to do, or the picture says what.
    Done,
    /// It has to be tried again.
    Again,
}

/// Whether EC2 is asked for a task now.
pub(super) fn asks_ec2(task: &Task) -> bool {
    let work = task.interface_work();
    matches!(work, Some(InterfaceWork::Make | InterfaceWork::Delete))
}

/// Does what is to be done for a task's interface.
pub(super) async fn step(gate: &Gate, callers: &Callers, key: &str) -> Outcome {
    let view = gate.world().view();
    let Some(task) = view.ecs.tasks.get(key).cloned() else {
        return Outcome::Done;
    };
    let step = Step {
        gate,
        callers,
        key,
        task,
    };
    match step.task.interface_work() {
        None => Outcome::Done,
        Some(InterfaceWork::ShowStopping) => step.change(|_, task, _| task.show_stopping()).await,
        Some(InterfaceWork::Make) => step.make().await,
        Some(InterfaceWork::Delete) => step.delete().await,
    }
}

/// Chooses the subnet of a task's interface. When all that were named are gone by now, the task has failed to start: while it
/// waited for room nothing kept them from being deleted.
fn settle_on_subnet(tx: &Tx<'_>, task: &mut Task) {
    for_tasks::choose_subnet(tx.view(), task);
    let lacking = task
        .interface
        .as_deref()
        .filter(|interface| interface.subnet.is_none());
    if let Some(reason) = lacking.map(texts::without_subnet) {
        task.abandon(StopCode::TaskFailedToStart, reason, tx.now);
        task.deprovision(tx.now);
    }
}

struct Step<'a> {
    gate: &'a Gate,
    callers: &'a Callers,
    key: &'a str,
    /// The task when the step began.
    task: Arc<Task>,
}

impl Step<'_> {
    async fn make(&self) -> Outcome {
        let Some(interface) = &self.task.interface else {
            return Outcome::Done;
        };
        if interface.subnet.is_none() {
            // It was put on a host just now; the next round goes on.
            return self.change(|tx, task, _| settle_on_subnet(tx, task)).await;
        }
        if let Err(error) = self.create(interface).await {
            return self.fail(texts::not_made(interface, &error), &error).await;
        }
        let view = self.gate.world().view();
        let Some(made) = for_tasks::of_attachment(&view, &self.task).cloned() else {
            return Outcome::Again;
        };
        if let Err((text, error)) = self.hand_over(&view, &made).await {
            return self.fail(text, &error).await;
        }
        let id = &made.id;
        self.change(|tx, task, place| {
            if task.launch_type == "FARGATE" {
                for_tasks::attach_by_fargate(tx, place.region, id);
            }
            if let Some(made) = for_tasks::made(tx.view(), place, id) {
                task.provision(made, tx.now);
            }
        })
        .await
    }

    async fn create(&self, interface: &TaskInterface) -> Result<(), ByItselfError> {
        let groups = Some(interface.groups.clone()).filter(|groups| !groups.is_empty());
        let request = CreateNetworkInterfaceRequest {
            subnet_id: interface.subnet.clone().unwrap_or_default(),
            groups,
            description: self.task.attachment_arn(),
            client_token: Some(interface.attachment.clone()),
            ..CreateNetworkInterfaceRequest::default()
        };
        self.ask::<CreateNetworkInterface>(&request).await.map(drop)
    }

    /// Lets the host of the task have the interface: ECS attaches it, or permits Fargate to do so.
    async fn hand_over(
        &self,
        view: &Snapshot,
        made: &NetworkInterface,
    ) -> Result<(), (String, ByItselfError)> {
        if self.task.launch_type == "FARGATE" {
            let request = CreateNetworkInterfacePermissionRequest {
                network_interface_id: made.id.clone(),
                aws_account_id: Some(view.account.to_string()),
                permission: ATTACH_PERMISSION.to_owned(),
                ..CreateNetworkInterfacePermissionRequest::default()
            };
            let permitted = self.ask::<CreateNetworkInterfacePermission>(&request).await;
            return permitted
                .map(drop)
                .map_err(|error| (texts::not_permitted(&error), error));
        }
        let task = &self.task;
        let key = ContainerInstance::key_of(&task.region, &task.cluster, &task.container_instance);
        let host = view.ecs.container_instances.get(&key);
        let (None, Some(host)) = (&made.attachment, host) else {
            // Attached before this step was broken off; or its host is gone, and with it the task.
            return Ok(());
        };
        let request = AttachNetworkInterfaceRequest {
            network_interface_id: made.id.clone(),
            instance_id: host.host_id(),
            device_index: TASK_DEVICE,
            ..AttachNetworkInterfaceRequest::default()
        };
        let attached = self.ask::<AttachNetworkInterface>(&request).await;
        attached
            .map(drop)
            .map_err(|error| (texts::not_attached(&error), error))
    }

    async fn delete(&self) -> Outcome {
        let view = self.gate.world().view();
        if let Some(left) = for_tasks::of_attachment(&view, &self.task)
            && let Err(error) = self.remove(left).await
        {
            tracing::warn!(
                task = %self.task.arn, interface = left.id, %error,
                "the network interface of a task that has ended could not be deleted: the task stays DEPROVISIONING; it is tried again"
            );
            return Outcome::Again;
        }
        self.change(|tx, task, _| task.deprovision(tx.now)).await
    }

    async fn remove(&self, left: &NetworkInterface) -> Result<(), ByItselfError> {
        match &left.attachment {
            Some(attachment) if attachment.instance.is_some() => {
                let request = DetachNetworkInterfaceRequest {
                    attachment_id: attachment.id.clone(),
                    ..DetachNetworkInterfaceRequest::default()
                };
                self.ask::<DetachNetworkInterface>(&request).await?;
            }
            Some(_) => {
                let id = &left.id;
                self.change(|tx, _, place| for_tasks::detach_by_fargate(tx, place.region, id))
                    .await;
            }
            None => {}
        }
        let request = DeleteNetworkInterfaceRequest {
            network_interface_id: left.id.clone(),
            ..DeleteNetworkInterfaceRequest::default()
        };
        self.ask::<DeleteNetworkInterface>(&request).await.map(drop)
    }

    /// A task that cannot have its interface has failed to start. What is no answer of EC2's is tried again.
    async fn fail(&self, reason: String, error: &ByItselfError) -> Outcome {
        if error.is_passing() {
            tracing::error!(task = %self.task.arn, %error, "a network interface could not be made; it is tried again");
            return Outcome::Again;
        }
        self.change(|tx, task, _| {
            task.abandon(StopCode::TaskFailedToStart, reason, tx.now);
            if for_tasks::of_attachment(tx.view(), task).is_none() {
                task.deprovision(tx.now);
            }
        })
        .await
    }

    async fn ask<O: Operation>(&self, request: &O::Input) -> Result<O::Output, ByItselfError> {
        let region = &self.task.region;
        let caller = match self.callers.get(region.as_str()) {
            Some(Ok(caller)) => caller,
            Some(Err(ByItselfError::NoRole)) => return Err(ByItselfError::NoRole),
            // When the round looked for whom it needs callers, nothing was to be asked for this task.
            Some(Err(_)) | None => return Err(ByItselfError::NotAsked),
        };
        self.gate
            .call_by_itself::<O>(ECS_INTERFACES, caller, region, request)
            .await
    }

    /// Changes the task as it is by now. A task that is left as it was is not written.
    async fn change(&self, change: impl FnOnce(&mut Tx<'_>, &mut Task, Place<'_>)) -> Outcome {
        let changing = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            let account = tx.view().account.clone();
            let Some(before) = tx.view().ecs.tasks.get(self.key).cloned() else {
                return Ok(());
            };
            let mut task = Task::clone(&before);
            let place = Place {
                region: &before.region,
                account: &account,
            };
            change(tx, &mut task, place);
            if task != *before {
                life_cycle::keep(tx, task);
            }
            Ok(())
        };
        match self.gate.world().write(changing).await {
            Ok(()) => Outcome::Done,
            Err(WriteError::Refused(never)) => match never {},
            Err(WriteError::Store(error)) => {
                tracing::error!(%error, task = self.key, "a task's network interface could not be noted; it is tried again");
                Outcome::Again
            }
        }
    }
}
