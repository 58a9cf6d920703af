//! What ECS asks of the network objects: whether a task's `awsvpcConfiguration` names something real (ecs.md 9), where its
//! interface goes, and what became of it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use portcullis_core::Region;

use super::attachments;
use super::errors::Ec2Error;
use super::ids::{self, Kind, Stored as _};
use super::interface_view::dns_name;
use super::place::Place;
use crate::world::records::ec2::{InterfaceAttachment, NetworkInterface, SecurityGroup, Subnet, Tables};
use crate::world::records::ecs::{MadeInterface, Task};
use crate::world::{Snapshot, Tx};

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

/// Chooses the subnet that a task's network interface goes to: of those in the zone of its host the one with most free
/// addresses, so that none runs full while others have room.
pub(crate) fn choose_subnet(view: &Snapshot, task: &mut Task) {
    let zone = task.availability_zone.as_deref();
    let Some(interface) = task.interface.as_mut() else {
        return;
    };
    let tables = Tables::with_region(view, &task.region);
    let found = interface
        .subnets
        .iter()
        .filter_map(|id| tables.find::<Subnet>(&task.region, id));
    let in_zone = found.filter(|subnet| zone.is_none_or(|zone| subnet.zone == zone));
    // Of equal ones the first of the request.
    let best = in_zone.reduce(|best, one| {
        if tables.free_addresses(one) > tables.free_addresses(best) {
            one
        } else {
            best
        }
    });
    interface.subnet = best.map(|subnet| subnet.id.clone());
}

/// What a task remembers of an interface that EC2 made for it.
pub(crate) fn made(view: &Snapshot, place: Place<'_>, id: &str) -> Option<MadeInterface> {
    let interface = view.ec2.find::<NetworkInterface>(place.region, id)?;
    let subnet = view.ec2.find::<Subnet>(place.region, &interface.subnet)?;
    let (network, size) = subnet.cidr.split_once('/')?;
    let network: Ipv4Addr = network.parse().ok()?;
    let gateway = Ipv4Addr::from(u32::from(network).checked_add(1)?);
    Some(MadeInterface {
        id: interface.id.clone(),
        mac: interface.mac.clone(),
        address: interface.addresses.first()?.clone(),
        dns_name: dns_name(place, interface)?,
        groups: interface.groups.clone(),
        gateway: format!("{gateway}/{size}"),
    })
}

/// The interface of a task's attachment, if it is still there: by its id, or by the token of its making when that was
/// never written down.
pub(crate) fn of_attachment<'v>(view: &'v Snapshot, task: &Task) -> Option<&'v Arc<NetworkInterface>> {
    let interface = task.interface.as_ref()?;
    if let Some(made) = &interface.made {
        return view.ec2.find(&task.region, &made.id);
    }
    let subnet = view
        .ec2
        .find::<Subnet>(&task.region, interface.subnet.as_ref()?)?;
    view.ec2.interface_with_token(subnet, &interface.attachment, true)
}

/// Fargate attaches an interface that it was permitted to, to a host of its own that nobody else knows.
pub(crate) fn attach_by_fargate(tx: &mut Tx<'_>, region: &Region, id: &str) {
    let Some(found) = tx.view().ec2.find::<NetworkInterface>(region, id) else {
        return;
    };
    let mut interface = NetworkInterface::clone(found);
    if interface.attachment.is_none() {
        interface.attachment = Some(InterfaceAttachment {
            id: ids::made(attachments::PREFIX, tx.random),
            instance: None,
            device_index: attachments::TASK_DEVICE,
            since: tx.now,
        });
        tx.put(interface);
    }
}

/// Fargate lets go of it.
pub(crate) fn detach_by_fargate(tx: &mut Tx<'_>, region: &Region, id: &str) {
    let found = tx.view().ec2.find::<NetworkInterface>(region, id);
    let attached = found.filter(|found| {
        found
            .attachment
            .as_ref()
            .is_some_and(|own| own.instance.is_none())
    });
    if let Some(found) = attached {
        let mut interface = NetworkInterface::clone(found);
        interface.attachment = None;
        tx.put(interface);
    }
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
