//! Answering for the tasks' addresses on the host's own links: where a task's subnet is the link the host is on, its
//! neighbours find the task without a route of their own.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use rtnetlink::packet_route::route::RouteProtocol;
use rtnetlink::{Handle, new_connection};

use super::NetworkError;
use super::interface::Cidr;

/// The kernel keeps this number with each entry: it tells ours from others'.
const OURS: RouteProtocol = RouteProtocol::Other(80);
const LOOPBACK_INDEX: u32 = 1;

/// Makes the host answer for exactly these addresses on the links whose subnet they are in.
pub(super) async fn answer_for(wanted: &[Ipv4Addr]) -> Result<(), NetworkError> {
    let (connection, handle, _) =
        new_connection().map_err(|error| NetworkError::Interface(error.to_string()))?;
    tokio::spawn(connection);
    let due = due(&handle, wanted).await?;
    let there = present(&handle).await?;
    for (_, message) in there.iter().filter(|(entry, _)| !due.contains(entry)) {
        handle
            .neighbours()
            .del(message.clone())
            .execute()
            .await
            .map_err(failed)?;
    }
    for (index, address) in due
        .iter()
        .filter(|entry| !there.iter().any(|(other, _)| other == *entry))
    {
        let mut request = handle.neighbours().add(*index, IpAddr::V4(*address)).replace();
        request = request.flags(NeighbourFlags::Proxy);
        request
            .message_mut()
            .attributes
            .push(NeighbourAttribute::Protocol(OURS));
        request.execute().await.map_err(failed)?;
    }
    Ok(())
}

async fn due(handle: &Handle, wanted: &[Ipv4Addr]) -> Result<Vec<(u32, Ipv4Addr)>, NetworkError> {
    let mut due = Vec::new();
    if wanted.is_empty() {
        return Ok(due);
    }
    let mut addresses = handle.address().get().execute();
    while let Some(message) = addresses.try_next().await.map_err(failed)? {
        let (index, prefix) = (message.header.index, message.header.prefix_len);
        let local = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(local)) => Some(*local),
            _ => None,
        });
        let Some(subnet) = local.and_then(|local| format!("{local}/{prefix}").parse::<Cidr>().ok()) else {
            continue;
        };
        let inside = |address: &&Ipv4Addr| {
            let one = Cidr {
                network: IpAddr::V4(**address),
                prefix: 32,
            };
            index != LOOPBACK_INDEX && subnet.covers(&one)
        };
        due.extend(wanted.iter().filter(inside).map(|address| (index, *address)));
    }
    Ok(due)
}

async fn present(handle: &Handle) -> Result<Vec<((u32, Ipv4Addr), NeighbourMessage)>, NetworkError> {
    let mut entries = handle.neighbours().get().proxies().execute();
    let mut found = Vec::new();
    while let Some(message) = entries.try_next().await.map_err(failed)? {
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(*v4),
            _ => None,
        });
        let ours = message.attributes.contains(&NeighbourAttribute::Protocol(OURS));
        if let (Some(address), true, AddressFamily::Inet) = (address, ours, message.header.family) {
            found.push(((message.header.ifindex, address), message));
        }
    }
    Ok(found)
}

fn failed(error: rtnetlink::Error) -> NetworkError {
    NetworkError::Interface(error.to_string())
}
