//! The service's addresses on the host's loopback interface, given and taken over netlink.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::{Handle, new_connection};

/// Where every SDK looks.
pub(super) const V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Where SDKs look that were told to use IPv6.
pub(super) const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

pub(super) const INTERFACE: &str = "lo";
/// The kernel keeps this label with the IPv4 address: it tells ours from one that was there before.
const LABEL: &str = "lo:imds";

/// Gives the host both addresses. A host without IPv6 does without the second; an IPv4 address that somebody else gave is a
/// metadata service we must not stand in for.
pub(super) async fn ensure() -> Result<(), String> {
    let handle = handle()?;
    match find(&handle, IpAddr::V4(V4)).await? {
        Some(message) if !is_ours(&message) => {
            return Err(format!("{V4} is on this host already and not of ours"));
        }
        Some(_) => {}
        None => add(&handle, IpAddr::V4(V4), 32).await?,
    }
    if find(&handle, IpAddr::V6(V6)).await?.is_none()
        && let Err(error) = add(&handle, IpAddr::V6(V6), 128).await
    {
        tracing::info!(error, "no instance metadata over IPv6");
    }
    Ok(())
}

/// Takes away what is ours: the IPv6 address cannot be marked and belongs to whoever gave the other.
pub(super) async fn remove() {
    let removed: Result<(), String> = async {
        let handle = handle()?;
        let Some(v4) = find(&handle, IpAddr::V4(V4)).await?.filter(is_ours) else {
            return Ok(());
        };
        if let Some(v6) = find(&handle, IpAddr::V6(V6)).await? {
            handle.address().del(v6).execute().await.map_err(text)?;
        }
        handle.address().del(v4).execute().await.map_err(text)
    }
    .await;
    if let Err(error) = removed {
        tracing::error!(error, "the addresses of instance metadata stay on lo");
    }
}

/// The hardware address of the interface that has an address.
pub(super) async fn mac_of(address: IpAddr) -> Option<String> {
    let handle = handle().ok()?;
    let index = find(&handle, address).await.ok()??.header.index;
    let mut links = handle.link().get().match_index(index).execute();
    let link = links.try_next().await.ok()??;
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) if bytes.len() == 6 => {
            let parts: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(parts.join(":"))
        }
        _ => None,
    })
}

fn handle() -> Result<Handle, String> {
    let (connection, handle, _) = new_connection().map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn add(handle: &Handle, address: IpAddr, prefix: u8) -> Result<(), String> {
    let mut links = handle.link().get().match_name(INTERFACE.to_owned()).execute();
    let link = links.try_next().await.map_err(text)?;
    let link = link.ok_or_else(|| "there is no loopback interface".to_owned())?;
    let mut request = handle.address().add(link.header.index, address, prefix);
    let mark = match address {
        IpAddr::V4(_) => AddressAttribute::Label(LABEL.to_owned()),
        // It is to be listened on at once: no search for a second one of its kind.
        IpAddr::V6(_) => AddressAttribute::Flags(AddressFlags::Nodad),
    };
    request.message_mut().attributes.push(mark);
    request.execute().await.map_err(text)
}

/// By its local address, or by its only one: IPv6 addresses have no other.
async fn find(handle: &Handle, address: IpAddr) -> Result<Option<AddressMessage>, String> {
    let mut all = handle.address().get().execute();
    let mut found = None;
    while let Some(message) = all.try_next().await.map_err(text)? {
        let has = |attribute: &AddressAttribute| {
            *attribute == AddressAttribute::Local(address) || *attribute == AddressAttribute::Address(address)
        };
        if message.attributes.iter().any(has) {
            found = Some(message);
        }
    }
    Ok(found)
}

fn is_ours(message: &AddressMessage) -> bool {
    message
        .attributes
        .contains(&AddressAttribute::Label(LABEL.to_owned()))
}

fn text(error: rtnetlink::Error) -> String {
    error.to_string()
}
