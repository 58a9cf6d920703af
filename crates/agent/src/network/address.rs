//! The task endpoint's address on the host's loopback interface, given and taken over netlink.

use std::net::IpAddr;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::{Handle, new_connection};

use super::NetworkError;
use crate::task::admission::TASK_ENDPOINT_ADDRESS;

const INTERFACE: &str = "lo";
/// The kernel keeps this label with the address: it tells ours from one that was there before.
const LABEL: &str = "lo:portcullis";

/// Who gave the host the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An agent of ours, this one or one before it.
    Ours,
    /// Somebody else; never to be removed by us.
    Foreign,
}

/// Gives the host the address unless it has it.
pub(crate) async fn ensure() -> Result<Owner, NetworkError> {
    let handle = handle()?;
    if let Some((_, owner)) = find(&handle).await? {
        return Ok(owner);
    }
    let mut links = handle.link().get().match_name(INTERFACE).execute();
    let link = links.try_next().await.map_err(failed)?;
    let index = link
        .ok_or_else(|| NetworkError::Address("there is no loopback interface".to_owned()))?
        .header
        .index;
    let mut request = handle.address().add(index, IpAddr::V4(TASK_ENDPOINT_ADDRESS), 32);
    request
        .message_mut()
        .attributes
        .push(AddressAttribute::Label(LABEL.to_owned()));
    request.execute().await.map_err(failed)?;
    Ok(Owner::Ours)
}

/// Takes the address away if it is ours.
pub(crate) async fn remove() -> Result<(), NetworkError> {
    let handle = handle()?;
    match find(&handle).await? {
        Some((message, Owner::Ours)) => handle.address().del(message).execute().await.map_err(failed),
        _ => Ok(()),
    }
}

fn handle() -> Result<Handle, NetworkError> {
    let (connection, handle, _) =
        new_connection().map_err(|error| NetworkError::Address(error.to_string()))?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn find(handle: &Handle) -> Result<Option<(AddressMessage, Owner)>, NetworkError> {
    let mut all = handle.address().get().execute();
    let mut found = None;
    while let Some(message) = all.try_next().await.map_err(failed)? {
        let local = AddressAttribute::Local(IpAddr::V4(TASK_ENDPOINT_ADDRESS));
        if message.attributes.contains(&local) {
            let ours = message
                .attributes
                .contains(&AddressAttribute::Label(LABEL.to_owned()));
            found = Some((message, if ours { Owner::Ours } else { Owner::Foreign }));
        }
    }
    Ok(found)
}

fn failed(error: rtnetlink::Error) -> NetworkError {
    NetworkError::Address(error.to_string())
}
