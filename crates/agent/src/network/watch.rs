//! Noticing that somebody changed the packet filter: the kernel numbers its generations, and tells of each new one.

use std::io;

use rtnetlink::sys::{
    AsyncSocket as _, AsyncSocketExt as _, Socket, SocketAddr, TokioSocket, protocols::NETLINK_NETFILTER,
};

use super::rules::NFT_TABLE;

/// `NFNLGRP_NFTABLES`
const GROUP: u32 = 7;
/// Subsystem nftables, message `NFT_MSG_GETGEN`.
const GET_GENERATION: u16 = (10 << 8) | 16;
const NEW_GENERATION: u16 = (10 << 8) | 15;
const REQUEST_FLAG: u16 = 1;
const MESSAGE_BYTES: u32 = 20;
/// `NFTA_*_TABLE`
const ATTRIBUTE_TABLE: u16 = 1;
/// After `nlmsghdr` and `nfgenmsg`.
const ATTRIBUTES_AT: usize = 20;
/// After `nlmsghdr` and `nfgenmsg`, and after the attribute's own header.
const GENERATION_AT: usize = 24;

/// Tells of changes of our table in this network namespace.
pub(super) struct Changes(TokioSocket);

impl Changes {
    /// From now on.
    pub(super) fn watch() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
        socket.socket_mut().bind_auto()?;
        socket.socket_mut().add_membership(GROUP)?;
        Ok(Self(socket))
    }

    /// Waits for the next one, by us or by others. More than the kernel could keep for us counts as one. What others do
    /// to tables of their own (Docker, with every published port) does not.
    pub(super) async fn next(&mut self) {
        loop {
            match self.0.recv_from_full().await {
                Ok((messages, _)) if concern_us(&messages) => return,
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether one of these messages is about our table: all that are about a table begin with its name.
fn concern_us(messages: &[u8]) -> bool {
    let [_, ours] = NFT_TABLE;
    let mut rest = messages;
    while let Some(length) = rest.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)) {
        let Some(length) = usize::try_from(length)
            .ok()
            .filter(|length| *length >= ATTRIBUTES_AT)
        else {
            return false;
        };
        let named = rest.get(ATTRIBUTES_AT..length).and_then(first_name);
        if kind(rest) != Some(NEW_GENERATION) && named == Some(ours.as_bytes()) {
            return true;
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// The text of the first attribute, if that is a name.
fn first_name(attributes: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
    let number = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
    let text = attributes.get(4..length)?;
    (number == ATTRIBUTE_TABLE).then(|| text.split(|byte| *byte == 0).next())?
}

/// The number of the present rule set.
pub(super) fn generation() -> io::Result<u32> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = Vec::with_capacity(MESSAGE_BYTES as usize);
    request.extend(MESSAGE_BYTES.to_ne_bytes());
    request.extend(GET_GENERATION.to_ne_bytes());
    request.extend(REQUEST_FLAG.to_ne_bytes());
    request.extend([0; 12]);
    socket.send(&request, 0)?;
    let (reply, _) = socket.recv_from_full()?;
    let number = reply.get(GENERATION_AT..).and_then(<[u8]>::first_chunk);
    match (kind(&reply), number) {
        (Some(NEW_GENERATION), Some(number)) => Ok(u32::from_be_bytes(*number)),
        _ => Err(io::Error::other("nftables tells no generation")),
    }
}

fn kind(message: &[u8]) -> Option<u16> {
    message
        .get(4..)?
        .first_chunk()
        .map(|bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, table: &str) -> Vec<u8> {
        let name = [table.as_bytes(), &[0]].concat();
        let attribute = u16::try_from(4 + name.len()).unwrap();
        let length = 20 + u32::from(attribute).next_multiple_of(4);
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 14]);
        bytes.extend(attribute.to_ne_bytes());
        bytes.extend(1_u16.to_ne_bytes());
        bytes.extend(name);
        bytes.resize(length as usize, 0);
        bytes
    }

    #[test]
    fn only_what_is_about_our_table_wakes_us() {
        let delete_table = (10 << 8) | 2;
        let new_rule = (10 << 8) | 6;
        assert!(concern_us(&message(delete_table, "portcullis")));
        assert!(concern_us(
            &[message(new_rule, "nat"), message(new_rule, "portcullis")].concat()
        ));
        for other in ["nat", "portcullis2", "port", ""] {
            assert!(!concern_us(&message(new_rule, other)), "{other}");
        }
        let whole = message(delete_table, "portcullis");
        for cut in 0..whole.len() - 4 {
            assert!(!concern_us(whole.get(..cut).unwrap()));
        }
    }
}
