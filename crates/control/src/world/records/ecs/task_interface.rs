//! The network interface of an `awsvpc` task as the task remembers it. EC2 forgets an interface that is deleted; the task
//! shows it for as long as it is shown itself.

use portcullis_api::ecs as api;
use serde::{Deserialize, Serialize};

use super::{DesiredStatus, LastStatus, Task};

/// AWS's type of such attachments.
pub const INTERFACE_ATTACHMENT: &str = "ElasticNetworkInterface";

/// What an `awsvpc` task wants of EC2, and what it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInterface {
    /// The id of the attachment, a UUID; also the token the interface is made with, so that it is made once.
    pub attachment: String,
    /// The subnets of the request.
    pub subnets: Vec<String>,
    /// The subnet it goes to, one of them in the zone of the task's host; none as long as there is no host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The security groups of the request; empty for the VPC's default group.
    pub groups: Vec<String>,
    /// `assignPublicIp`
    pub assign_public_ip: bool,
    /// How far it has come.
    pub status: AttachmentStatus,
    /// What EC2 made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<MadeInterface>,
}

/// A network interface that EC2 made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeInterface {
    /// `eni-...`
    pub id: String,
    /// Its hardware address.
    pub mac: String,
    /// Its private address.
    pub address: String,
    /// Its private name.
    pub dns_name: String,
    /// Its security groups.
    pub groups: Vec<String>,
    /// The gateway of its subnet with the subnet's size: `10.0.0.1/24`.
    pub gateway: String,
}

/// AWS's states of attachments, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttachmentStatus {
    /// Nothing has been asked of EC2 yet.
    Precreated,
    /// There is an interface.
    Created,
    /// It is the task's.
    Attached,
    /// The task is over; the interface is still there.
    Detached,
    /// It is gone, or never was.
    Deleted,
}

impl AttachmentStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Precreated => "PRECREATED",
            Self::Created => "CREATED",
            Self::Attached => "ATTACHED",
            Self::Detached => "DETACHED",
            Self::Deleted => "DELETED",
        }
    }
}

/// What ECS has to do for a task's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceWork {
    /// Have it made, so that the task can be handed to its host.
    Make,
    /// Show that the containers are being stopped.
    ShowStopping,
    /// Have it deleted, so that the task can end.
    Delete,
}

impl TaskInterface {
    /// What a request asks for, before anything is done. `attachment` is a UUID.
    pub fn wanted(attachment: String, network: &api::AwsVpcConfiguration) -> Self {
        Self {
            attachment,
            subnets: network.subnets.clone(),
            subnet: None,
            groups: network.security_groups.clone().unwrap_or_default(),
            assign_public_ip: network.assign_public_ip.as_deref() == Some("ENABLED"),
            status: AttachmentStatus::Precreated,
            made: None,
        }
    }

    /// Whether EC2 may still have something of it.
    pub fn is_left(&self) -> bool {
        self.status != AttachmentStatus::Deleted
    }
}

impl Task {
    /// The ARN of its attachment: also what the interface's description says.
    pub fn attachment_arn(&self) -> Option<String> {
        let interface = self.interface.as_ref()?;
        Some(self.arn_beside(format_args!("attachment/{}", interface.attachment)))
    }

    /// Whether an agent knows of it, or has to: it has all it needs of others and has not ended on its host.
    pub fn is_with_agent(&self) -> bool {
        (LastStatus::Pending..=LastStatus::Stopping).contains(&self.last)
    }

    /// What ECS has to do for its interface now.
    pub fn interface_work(&self) -> Option<InterfaceWork> {
        self.interface.as_ref()?;
        match (self.last, self.desired) {
            (LastStatus::Provisioning, DesiredStatus::Running) => {
                self.is_placed().then_some(InterfaceWork::Make)
            }
            (LastStatus::Provisioning, DesiredStatus::Stopped) | (LastStatus::Deprovisioning, _) => {
                Some(InterfaceWork::Delete)
            }
            (LastStatus::Pending | LastStatus::Activating | LastStatus::Running, DesiredStatus::Stopped) => {
                Some(InterfaceWork::ShowStopping)
            }
            _ => None,
        }
    }
}
