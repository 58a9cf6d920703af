//! What ECS asks of the network objects: whether a task's `awsvpcConfiguration` names something real (ecs.md 9).

use std::sync::Arc;

use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _};
use super::place::Place;
use crate::world::Snapshot;
use crate::world::records::ec2::{SecurityGroup, Subnet};

/// The network of a task, as far as placement asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskNetwork {
    /// The VPC that all subnets and groups lie in.
    pub vpc: String,
    /// Ids of the subnets, each with its Availability Zone.
    pub subnets: Vec<(String, String)>,
    /// Ids of the security groups: those named, or the VPC's default group.
    pub security_groups: Vec<String>,
}

/// Why a task cannot have its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NetworkFault {
    /// EC2 does not know a subnet; with EC2's code and text.
    Subnet(String, String),
    /// EC2 does not know a security group; with EC2's code and text.
    SecurityGroup(String, String),
    /// A subnet of another VPC than the first one's.
    OtherSubnet(String),
    /// A security group of another VPC than the subnets'.
    OtherSecurityGroup(String),
}

/// Looks subnets and security groups up. ECS does that itself: the caller needs no permission of EC2 for it.
pub(crate) fn network(
    view: &Snapshot,
    place: Place<'_>,
    subnets: &[String],
    groups: &[String],
) -> Result<TaskNetwork, NetworkFault> {
    let tables = place.tables(view);
    let mut found: Vec<&Arc<Subnet>> = Vec::new();
    for id in subnets {
        let subnet = Subnet::get(&tables, place, id)
            .map_err(|error| NetworkFault::Subnet(id.clone(), in_words(Kind::Subnet, id, error)))?;
        found.push(subnet);
    }
    let vpc = found.first().map(|subnet| subnet.vpc.clone()).unwrap_or_default();
    if let Some(other) = found.iter().find(|subnet| subnet.vpc != vpc) {
        return Err(NetworkFault::OtherSubnet(other.id.clone()));
    }
    for id in groups {
        let group = SecurityGroup::get(&tables, place, id).map_err(|error| {
            NetworkFault::SecurityGroup(id.clone(), in_words(Kind::SecurityGroup, id, error))
        })?;
        if group.vpc != vpc {
            return Err(NetworkFault::OtherSecurityGroup(id.clone()));
        }
    }
    let default = || {
        let own = tables.children::<SecurityGroup>(place.region, &vpc);
        let mut own = own.into_iter().filter(|group| group.vpc == vpc);
        own.find(|group| group.name == SecurityGroup::DEFAULT)
            .map(|group| group.id.clone())
    };
    Ok(TaskNetwork {
        subnets: found
            .iter()
            .map(|subnet| (subnet.id.clone(), subnet.zone.clone()))
            .collect(),
        security_groups: if groups.is_empty() {
            default().into_iter().collect()
        } else {
            groups.to_vec()
        },
        vpc,
    })
}

/// EC2's text with its code, as ECS repeats them.
fn in_words(kind: Kind, id: &str, error: Ec2Error) -> String {
    let error = crate::gate::error::ServiceError::from(match error {
        // ECS has one answer for all ids that mean nothing.
        Ec2Error::Malformed(..) => Ec2Error::NotFound(kind, id.to_owned()),
        other => other,
    });
    format!("{} (ErrorCode: {})", error.message(), error.code())
}
