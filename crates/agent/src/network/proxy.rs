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

/// A link, and an address that is answered for there.
type Entry = (u32, Ipv4Addr);

/// Makes the host answer for exactly these addresses on the links whose subnet they are in.
pub(super) async fn answer_for(wanted: &[Ipv4Addr]) -> Result<(), NetworkError> {
    let (connection, handle, _) =
        new_connection().map_err(|error| NetworkError::Interface(error.to_string()))?;
    tokio::spawn(connection);
    let due = due(&handle, wanted).await?;
    let there = present(&handle).await?;
    let is_due = |entry: &Entry| due.iter().any(|(other, _)| other == entry);
    for (_, message) in there.iter().filter(|(entry, _)| !is_due(entry)) {
        handle
            .neighbours()
            .del(message.clone())
            .execute()
            .await
            .map_err(failed)?;
    }
    let is_there = |entry: &Entry| there.iter().any(|(other, _)| other == entry);
    for ((index, address), link) in due.iter().filter(|(entry, _)| !is_there(entry)) {
        answer_at_once(link);
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

/// The kernel puts an answer for another's address off by up to 0.8 s, lest it come before the owner's. A task's address has no
/// other owner.
fn answer_at_once(link: &str) {
    let path = format!("/proc/sys/net/ipv4/neigh/{link}/proxy_delay");
    if let Err(error) = std::fs::write(&path, "0") {
        tracing::warn!(%error, path, "neighbours may wait for up to a second before they find a task");
    }
}

/// What is due, and the name of its link.
async fn due(handle: &Handle, wanted: &[Ipv4Addr]) -> Result<Vec<(Entry, String)>, NetworkError> {
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
        let label = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Label(label) => label.split(':').next(),
            _ => None,
        });
        let link = label.unwrap_or_default();
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
        let inside = wanted.iter().filter(inside);
        due.extend(inside.map(|address| ((index, *address), link.to_owned())));
    }
    Ok(due)
}

async fn present(handle: &Handle) -> Result<Vec<(Entry, NeighbourMessage)>, NetworkError> {
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
