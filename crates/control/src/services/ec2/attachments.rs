//! Attaching network interfaces to hosts. What a service made for itself it attaches and detaches itself.

use portcullis_api::ec2::op::{AttachNetworkInterface, DetachNetworkInterface};
use portcullis_api::ec2::{
    AttachNetworkInterfaceRequest, AttachNetworkInterfaceResult, DetachNetworkInterfaceRequest,
};
use portcullis_wire::Empty;

use super::checks::{on, on_id};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _, made};
use super::place::{Place, begin};
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;
use crate::world::records::ec2::{InterfaceAttachment, NetworkInterface, Tables};

/// What the ids of attachments start with.
pub(super) const PREFIX: &str = "eni-attach";
/// The number that interfaces of tasks have on their hosts, as AWS shows it.
pub(crate) const TASK_DEVICE: i32 = 1;

/// The path of roles that nobody but a service can assume.
const SERVICE_ROLES: &str = "role/aws-service-role/";

/// The `aws:userid` of the service that calls for itself, if one does.
pub(super) fn service_of(call: &Call) -> Option<String> {
    match &call.caller.identity {
        Identity::Role { arn, .. } if arn.resource().starts_with(SERVICE_ROLES) => {
            Some(call.caller.user_id())
        }
        _ => None,
    }
}

/// Keeps everybody but services from what a service made for itself.
pub(super) fn check_managed(call: &Call, interface: &NetworkInterface) -> Result<(), Ec2Error> {
    match &interface.requester {
        Some(_) if service_of(call).is_none() => Err(Ec2Error::Managed),
        _ => Ok(()),
    }
}

pub(super) fn require_attach(
    ask: Ask<'_, AttachNetworkInterfaceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:AttachNetworkInterface";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    Ok(vec![
        on_id(ACTION, Kind::Instance, place, &input.instance_id),
        on::<NetworkInterface>(ACTION, &tables, place, &input.network_interface_id),
    ])
}

/// Attaches an interface to a host that is registered with a cluster; there are no others.
pub(super) fn attach(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, AttachNetworkInterface>,
) -> Result<AttachNetworkInterfaceResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let view = tx.view();
    let found = NetworkInterface::get(&view.ec2, place, &input.network_interface_id)?;
    check_managed(auth.call(), found)?;
    Kind::Instance.check(&input.instance_id)?;
    if !view.ecs.has_host(place.region, &input.instance_id) {
        return Err(Ec2Error::NotFound(Kind::Instance, input.instance_id.clone()).into());
    }
    if found.attachment.is_some() {
        return Err(Ec2Error::InterfaceInUse(found.id.clone()).into());
    }
    let mut interface = NetworkInterface::clone(found);
    let id = made(PREFIX, tx.random);
    interface.attachment = Some(InterfaceAttachment {
        id: id.clone(),
        instance: Some(input.instance_id.clone()),
        device_index: input.device_index,
        since: tx.now,
    });
    tx.put(interface);
    Ok(AttachNetworkInterfaceResult {
        attachment_id: Some(id),
        network_card_index: Some(0),
    })
}

pub(super) fn require_detach(
    ask: Ask<'_, DetachNetworkInterfaceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:DetachNetworkInterface";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    let found = tables.interface_with_part(place.region, &input.attachment_id);
    let id = found.map_or("*", |found| found.id.as_str());
    let attachment = found.and_then(|found| found.attachment.as_ref());
    let host = attachment.and_then(|own| own.instance.as_deref());
    Ok(vec![
        on_id(ACTION, Kind::Instance, place, host.unwrap_or("*")),
        on::<NetworkInterface>(ACTION, &tables, place, id),
    ])
}

/// Detaches an interface.
pub(super) fn detach(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DetachNetworkInterface>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let found = attached(&tx.view().ec2, place, &input.attachment_id)?;
    check_managed(auth.call(), found)?;
    let mut interface = found.clone();
    interface.attachment = None;
    tx.put(interface);
    Ok(Empty {})
}

fn attached<'t>(tables: &'t Tables, place: Place<'_>, id: &str) -> Result<&'t NetworkInterface, Ec2Error> {
    let found = tables.interface_with_part(place.region, id);
    let found = found.filter(|found| found.attachment.as_ref().is_some_and(|own| own.id == id));
    found
        .map(|found| &**found)
        .ok_or_else(|| Ec2Error::AttachmentNotFound(id.to_owned()))
}
