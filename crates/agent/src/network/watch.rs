//! Noticing that somebody changed the packet filter: the kernel numbers its generations, and tells of each new one.

use std::io;

use rtnetlink::sys::{
    AsyncSocket as _, AsyncSocketExt as _, Socket, SocketAddr, TokioSocket, protocols::NETLINK_NETFILTER,
};
use rustix::net::sockopt;

use super::rules::NFT_TABLE;

/// `NFNLGRP_NFTABLES`
const GROUP: u32 = 7;
/// Subsystem nftables, message `NFT_MSG_GETGEN`.
const GET_GENERATION: u16 = (10 << 8) | 16;
/// The last message of every transaction.
const NEW_GENERATION: u16 = (10 << 8) | 15;
const NEW_TABLE: u16 = 10 << 8;
/// `NFT_MSG_DELTABLE`, `NFT_MSG_DELCHAIN`, `NFT_MSG_DELRULE`.
const DELETIONS: [u16; 3] = [(10 << 8) | 2, (10 << 8) | 5, (10 << 8) | 8];
const REQUEST_FLAG: u16 = 1;
const MESSAGE_BYTES: u32 = 20;
/// What the kernel keeps for us while we are busy: our own transaction, with the rules of some hundred tasks, fits.
const KEPT_BYTES: usize = 4 << 20;
/// `NFTA_*_TABLE`
const ATTRIBUTE_TABLE: u16 = 1;
/// After `nlmsghdr` and `nfgenmsg`.
const ATTRIBUTES_AT: usize = 20;
/// After `nlmsghdr` and `nfgenmsg`, and after the attribute's own header.
const GENERATION_AT: usize = 24;

/// What a transaction did to our table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Something of it was taken away, and no table made anew in its place.
    Lost,
    /// Anything else.
    Other,
    /// More than the kernel could keep for us: nobody knows. The generation tells whether it was our own doing.
    Missed,
}

/// Tells of changes of our table in this network namespace.
pub(super) struct Changes {
    socket: TokioSocket,
    /// Of the transaction whose messages are coming.
    so_far: Option<Change>,
}

impl Changes {
    /// From now on.
    pub(super) fn watch() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
        socket.socket_mut().bind_auto()?;
        socket.socket_mut().add_membership(GROUP)?;
        // Only more comfortable: what does not fit is missed.
        let _ = sockopt::set_socket_recv_buffer_size_force(socket.socket_ref(), KEPT_BYTES);
        let so_far = None;
        Ok(Self { socket, so_far })
    }

    /// Waits for the next one, by us or by others. What others do to tables of their own (Docker, with every published
    /// port) does not count. Can be dropped at any time.
    pub(super) async fn next(&mut self) -> Change {
        loop {
            match self.socket.recv_from_full().await {
                Ok((messages, _)) => {
                    if let Some(change) = take_up(&messages, &mut self.so_far) {
                        return change;
                    }
                }
                Err(_) => {
                    self.forget();
                    return Change::Missed;
                }
            }
        }
    }

    /// The rest of what was missed in part would be taken for the beginning of what comes next.
    fn forget(&mut self) {
        while self.socket.socket_ref().recv_from_full().is_ok() {}
        self.so_far = None;
    }
}

/// What ended with these messages, of which one transaction may fill several: all that are about a table begin with its
/// name. Whoever replaces our table as we do takes it away first.
fn take_up(messages: &[u8], so_far: &mut Option<Change>) -> Option<Change> {
    let [_, ours] = NFT_TABLE;
    let mut ended = None;
    let mut rest = messages;
    while let Some(length) = rest.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)) {
        let Some(length) = usize::try_from(length)
            .ok()
            .filter(|length| (ATTRIBUTES_AT..=rest.len()).contains(length))
        else {
            break;
        };
        let named = rest.get(ATTRIBUTES_AT..length).and_then(first_name);
        match kind(rest) {
            // Of several, a loss is what matters: whether it was made good is looked at.
            Some(NEW_GENERATION) => ended = [ended, so_far.take()].into_iter().flatten().min(),
            Some(kind) if named == Some(ours.as_bytes()) => {
                let before = so_far.unwrap_or(Change::Other);
                *so_far = Some(match kind {
                    NEW_TABLE => Change::Other,
                    _ if DELETIONS.contains(&kind) => Change::Lost,
                    _ => before,
                });
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    ended
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
    use futures_util::FutureExt as _;
    use rtnetlink::sys::protocols::NETLINK_ROUTE;

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

    const NEW_RULE: u16 = (10 << 8) | 6;
    const DELETE_TABLE: u16 = DELETIONS[0];
    const DELETE_RULE: u16 = DELETIONS[2];

    /// A transaction, told in as many parts as it has messages.
    fn told(about: &[(u16, &str)]) -> Option<Change> {
        let mut so_far = None;
        for (kind, table) in about {
            assert_eq!(take_up(&message(*kind, table), &mut so_far), None);
        }
        let last = take_up(&message(NEW_GENERATION, ""), &mut so_far);
        assert_eq!(so_far, None);
        last
    }

    #[test]
    fn only_what_is_about_our_table_wakes_us() {
        assert_eq!(
            told(&[(NEW_RULE, "nat"), (NEW_RULE, "portcullis")]),
            Some(Change::Other)
        );
        for other in ["nat", "portcullis2", "port", ""] {
            assert_eq!(told(&[(DELETE_TABLE, other)]), None, "{other}");
        }
        let whole = [message(DELETE_TABLE, "portcullis"), message(NEW_GENERATION, "")].concat();
        assert_eq!(take_up(&whole, &mut None), Some(Change::Lost));
        for cut in 0..whole.len() - 4 {
            assert_eq!(take_up(whole.get(..cut).unwrap(), &mut None), None);
        }
    }

    #[test]
    fn reliability_t22_what_is_taken_away_is_lost_until_the_table_is_made_anew() {
        let (table, rule) = ((DELETE_TABLE, "portcullis"), (DELETE_RULE, "portcullis"));
        let (new, other) = ((NEW_TABLE, "portcullis"), (NEW_TABLE, "nat"));
        for (about, change) in [
            (&[rule, table][..], Change::Lost),
            (&[rule], Change::Lost),
            (&[table, other, (NEW_RULE, "portcullis")], Change::Lost),
            (&[new, rule, table, new, (NEW_RULE, "portcullis")], Change::Other),
        ] {
            assert_eq!(told(about), Some(change), "{about:?}");
        }
        // Two transactions at once: a loss is not hidden by what came after it.
        let all = [
            message(DELETE_TABLE, "portcullis"),
            message(NEW_GENERATION, ""),
            message(NEW_TABLE, "portcullis"),
            message(NEW_GENERATION, ""),
        ];
        assert_eq!(take_up(&all.concat(), &mut None), Some(Change::Lost));
    }

    /// The kernel's answers to as many requests stand for a transaction that is more than it keeps for us.
    #[tokio::test]
    async fn reliability_t22_what_was_missed_leaves_nothing_behind() {
        const NOTHING: u16 = 1;
        const ASK_FOR_ANSWER: u16 = 4;
        let mut socket = TokioSocket::new(NETLINK_ROUTE).unwrap();
        socket.socket_mut().bind_auto().unwrap();
        socket.socket_ref().connect(&SocketAddr::new(0, 0)).unwrap();
        let mut request = 16_u32.to_ne_bytes().to_vec();
        request.extend(NOTHING.to_ne_bytes());
        request.extend((REQUEST_FLAG | ASK_FOR_ANSWER).to_ne_bytes());
        request.extend([0; 8]);
        for _ in 0..5_000 {
            socket.socket_ref().send(&request, 0).unwrap();
        }
        let so_far = Some(Change::Lost);
        let mut changes = Changes { socket, so_far };
        assert_eq!(changes.next().await, Change::Missed);
        assert_eq!(changes.next().now_or_never(), None);
        assert_eq!(take_up(&message(NEW_GENERATION, ""), &mut changes.so_far), None);
    }
}
