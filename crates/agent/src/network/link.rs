//! The cable between the host and a task's namespace, over netlink: addresses and routes at both ends. Both ends know
//! the other's hardware address for good, so nothing on the cable is ever asked, and nothing can be answered falsely.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute};
use rtnetlink::packet_route::route::{RouteMessage, RouteScope, RouteType};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::NetworkError;
use super::interface::{CABLE_PREFIX, INSIDE, Interface};
use super::rules::{IMDS_V4, IMDS_V6};

/// Next hop of IPv6 inside a task; the host does not have the address, its hardware address is all that counts.
const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Lays the cable of a task between the host and the namespace of process `pid`, in place of an earlier one.
pub(super) async fn lay(
    cable: &str,
    pid: i32,
    interface: &Interface,
    block_imds: bool,
) -> Result<(), NetworkError> {
    let namespace =
        OwnedFd::from(File::open(format!("/proc/{pid}/ns/net")).map_err(|error| io(cable, &error))?);
    let handle = handle()?;
    cut(cable).await?;
    let near_mac = near_mac(cable);
    let far = LinkMessageBuilder::<LinkUnspec>::new()
        .name(INSIDE)
        .address(interface.mac.to_vec())
        .setns_by_fd(namespace.as_raw_fd())
        .build();
    let near = LinkMessageBuilder::<LinkVeth>::new(cable, INSIDE)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(far)))
        .address(near_mac.to_vec())
        .build();
    handle.link().add(near).execute().await.map_err(failed)?;
    near_end(&handle, cable, interface).await?;
    let (interface, near_mac) = (interface.clone(), near_mac);
    inside(namespace, move || far_end(interface, near_mac, block_imds)).await
}

/// Takes the cable of a task away, and with it its addresses and routes at both ends.
pub(super) async fn cut(cable: &str) -> Result<(), NetworkError> {
    let handle = handle()?;
    match index_of(&handle, cable).await? {
        Some(index) => match handle.link().del(index).execute().await {
            Err(error) if index_of(&handle, cable).await?.is_some() => Err(failed(error)),
            _ => Ok(()),
        },
        None => Ok(()),
    }
}

/// Names of the cables that are there.
pub(super) async fn cables() -> Result<Vec<String>, NetworkError> {
    let handle = handle()?;
    let mut links = handle.link().get().execute();
    let mut found = Vec::new();
    while let Some(link) = links.try_next().await.map_err(failed)? {
        let name = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) if name.starts_with(CABLE_PREFIX) => Some(name.clone()),
            _ => None,
        });
        found.extend(name);
    }
    Ok(found)
}

async fn near_end(handle: &Handle, cable: &str, interface: &Interface) -> Result<(), NetworkError> {
    set("ipv6", cable, "disable_ipv6", interface.ipv6.is_empty())?;
    set("ipv6", cable, "accept_ra", false)?;
    set("ipv4", cable, "accept_redirects", false)?;
    set("ipv4", cable, "forwarding", true)?;
    let index = must_exist(handle, cable).await?;
    raise(handle, index).await?;
    for address in interface.addresses() {
        let neighbour = handle.neighbours().add(index, address).replace();
        neighbour
            .link_layer_address(&interface.mac)
            .execute()
            .await
            .map_err(failed)?;
        add_route(handle, direct_route(address, index)).await?;
    }
    Ok(())
}

async fn far_end(interface: Interface, near_mac: [u8; 6], block_imds: bool) -> Result<(), NetworkError> {
    let handle = handle()?;
    let has_v6 = !interface.ipv6.is_empty();
    set("ipv6", INSIDE, "disable_ipv6", !has_v6)?;
    set("ipv6", INSIDE, "accept_ra", false)?;
    let index = must_exist(&handle, INSIDE).await?;
    let prefixed = |address: &IpAddr| {
        if address.is_ipv4() {
            interface.ipv4_prefix
        } else {
            128
        }
    };
    for address in interface.addresses() {
        let mut request = handle.address().add(index, address, prefixed(&address));
        let flags = AddressFlags::Noprefixroute | AddressFlags::Nodad;
        request
            .message_mut()
            .attributes
            .push(AddressAttribute::Flags(flags));
        request.execute().await.map_err(failed)?;
    }
    raise(&handle, index).await?;
    let neighbour = |gateway| {
        handle
            .neighbours()
            .add(index, gateway)
            .link_layer_address(&near_mac)
    };
    neighbour(interface.gateway.into())
        .execute()
        .await
        .map_err(failed)?;
    for route in routes_v4(&interface, index) {
        add_route(&handle, route).await?;
    }
    if has_v6 {
        neighbour(GATEWAY_V6.into()).execute().await.map_err(failed)?;
        let default = RouteMessageBuilder::<Ipv6Addr>::new();
        add_route(
            &handle,
            default.gateway(GATEWAY_V6).output_interface(index).build(),
        )
        .await?;
    }
    if block_imds {
        blackhole(&handle, has_v6).await?;
    }
    Ok(())
}

/// Neighbours of the subnet are reached through the host like everybody else: there is nobody else on the cable.
fn routes_v4(interface: &Interface, index: u32) -> [RouteMessage; 3] {
    let route = RouteMessageBuilder::<Ipv4Addr>::new;
    let subnet = u32::MAX
        .checked_shl(32 - u32::from(interface.ipv4_prefix.min(32)))
        .unwrap_or(0);
    let network = Ipv4Addr::from_bits(interface.ipv4.to_bits() & subnet);
    [
        direct_route(interface.gateway.into(), index),
        route()
            .destination_prefix(network, interface.ipv4_prefix)
            .gateway(interface.gateway)
            .output_interface(index)
            .build(),
        route().gateway(interface.gateway).output_interface(index).build(),
    ]
}

/// Even if the host's fence is not there for a moment, the task has no way to the metadata service (agent.md 4).
async fn blackhole(handle: &Handle, has_v6: bool) -> Result<(), NetworkError> {
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(IMDS_V4, 32);
    add_route(handle, v4.kind(RouteType::BlackHole).build()).await?;
    if has_v6 {
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(IMDS_V6, 128);
        add_route(handle, v6.kind(RouteType::BlackHole).build()).await?;
    }
    Ok(())
}

fn direct_route(address: IpAddr, index: u32) -> RouteMessage {
    match address {
        IpAddr::V4(v4) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(v4, 32)
            .scope(RouteScope::Link)
            .output_interface(index)
            .build(),
        IpAddr::V6(v6) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(v6, 128)
            .output_interface(index)
            .build(),
    }
}

async fn add_route(handle: &Handle, route: RouteMessage) -> Result<(), NetworkError> {
    handle
        .route()
        .add(route)
        .replace()
        .execute()
        .await
        .map_err(failed)
}

async fn raise(handle: &Handle, index: u32) -> Result<(), NetworkError> {
    let up = LinkUnspec::new_with_index(index).up().build();
    handle.link().set(up).execute().await.map_err(failed)
}

async fn must_exist(handle: &Handle, name: &str) -> Result<u32, NetworkError> {
    let index = index_of(handle, name).await?;
    index.ok_or_else(|| NetworkError::Interface(format!("{name} is not there")))
}

async fn index_of(handle: &Handle, name: &str) -> Result<Option<u32>, NetworkError> {
    let mut links = handle.link().get().match_name(name).execute();
    match links.try_next().await {
        Ok(link) => Ok(link.map(|link| link.header.index)),
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -NO_DEVICE => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// `ENODEV`
const NO_DEVICE: i32 = 19;

/// Runs netlink work on a thread of its own inside a namespace. The thread ends with the work, so no other work can
/// ever find itself in there.
async fn inside<W>(namespace: OwnedFd, work: impl FnOnce() -> W + Send + 'static) -> Result<(), NetworkError>
where
    W: Future<Output = Result<(), NetworkError>>,
{
    let (done, outcome) = tokio::sync::oneshot::channel();
    let run = move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| {
            NetworkError::Interface(format!("cannot enter the task's namespace: {error}"))
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(|error| NetworkError::Interface(error.to_string()))?;
        runtime.block_on(work())
    };
    std::thread::Builder::new()
        .name("task-network".to_owned())
        .spawn(move || {
            let _ = done.send(run());
        })
        .map_err(|error| NetworkError::Interface(error.to_string()))?;
    let gone = |_| NetworkError::Interface("the work inside the task's namespace ended early".to_owned());
    outcome.await.map_err(gone)?
}

/// A switch of an interface. `/proc/sys/net` shows the namespace of the thread that opens it.
fn set(family: &str, interface: &str, name: &str, on: bool) -> Result<(), NetworkError> {
    let path = format!("/proc/sys/net/{family}/conf/{interface}/{name}");
    // A kernel without IPv6 has nothing to switch off.
    if !Path::new(&path).exists() {
        return Ok(());
    }
    fs::write(&path, if on { "1" } else { "0" }).map_err(|error| io(&path, &error))
}

/// Made from the cable's name: locally administered, the same after a restart.
fn near_mac(cable: &str) -> [u8; 6] {
    use sha2::{Digest as _, Sha256};
    let digest: [u8; 32] = Sha256::digest(cable.as_bytes()).into();
    let [a, b, c, d, e, ..] = digest;
    [0x0e, a, b, c, d, e]
}

fn handle() -> Result<Handle, NetworkError> {
    let (connection, handle, _) = new_connection().map_err(|error| io("netlink", &error))?;
    tokio::spawn(connection);
    Ok(handle)
}

fn failed(error: rtnetlink::Error) -> NetworkError {
    NetworkError::Interface(error.to_string())
}

fn io(what: &str, error: &std::io::Error) -> NetworkError {
    NetworkError::Interface(format!("{what}: {error}"))
}
