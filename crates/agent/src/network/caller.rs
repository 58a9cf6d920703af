//! Whose socket is at the other end of a connection inside this host: the kernel tells its cgroup (sock_diag), and the
//! cgroup tells the host-mode task.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use rtnetlink::sys::{Socket, SocketAddr as NetlinkAddress, protocols::NETLINK_SOCK_DIAG};

use super::host_mode::{CLASS_FIRST, CLASS_LAST, CgroupDriver, HostCgroups, Mark};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_FLAG: u16 = 1;
const MESSAGE_HEADER_BYTES: usize = 16;
const REQUEST_BYTES: u32 = 72;
const REPLY_BYTES: usize = 72;
const TCP: u8 = 6;
/// Asks for the traffic class, and with it for the net_cls class.
const EXTENSION_CLASS: u8 = 1 << 5;
const ATTRIBUTE_CLASS: u16 = 17;
const ATTRIBUTE_CGROUP: u16 = 21;

/// Who made a connection from inside this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SocketOwner {
    /// A host-mode container of the task with this id (last part of its ARN).
    Task(String),
    /// A process that is in no task's cgroup.
    Host,
    /// The kernel knows no such connection (any more), or cannot tell cgroups here.
    Unknown,
}

static CGROUPS: OnceLock<HostCgroups> = OnceLock::new();

/// What the endpoint reads callers from; set once, when the task network is established.
pub(super) fn read_callers_from(cgroups: HostCgroups) {
    let _ = CGROUPS.set(cgroups);
}

/// The owner of the socket at `remote` that is connected to ours at `local`. A few microseconds, and never a wait.
pub(crate) fn owner_of_socket(remote: SocketAddr, local: SocketAddr) -> SocketOwner {
    let cgroups = CGROUPS.get();
    let cgroups = cgroups
        .cloned()
        .or_else(|| HostCgroups::detect(CgroupDriver::Cgroupfs));
    let (Some(cgroups), Ok(Some(facts))) = (cgroups, diagnose(remote, local)) else {
        return SocketOwner::Unknown;
    };
    let task = match cgroups.mark {
        Mark::Class => match facts.class.and_then(|class| cgroups.task_of_class(class)) {
            // In our group, but of no task that is known: not the host, whoever it is.
            None if facts
                .class
                .is_some_and(|class| (CLASS_FIRST..=CLASS_LAST).contains(&class)) =>
            {
                return SocketOwner::Unknown;
            }
            task => task,
        },
        Mark::Unified => match facts.cgroup {
            Some(cgroup) => cgroups.task_of_group(cgroup),
            None => return SocketOwner::Unknown,
        },
    };
    task.map_or(SocketOwner::Host, SocketOwner::Task)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Facts {
    class: Option<u32>,
    cgroup: Option<u64>,
}

/// Nothing when there is no such socket.
fn diagnose(remote: SocketAddr, local: SocketAddr) -> std::io::Result<Option<Facts>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&NetlinkAddress::new(0, 0))?;
    socket.send(&request(remote, local), 0)?;
    let (reply, _) = socket.recv_from_full()?;
    Ok(facts(&reply))
}

/// `nlmsghdr` and `inet_diag_req_v2`, from the side of the other end.
fn request(remote: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let family = match remote {
        SocketAddr::V4(_) => 2_u8,
        SocketAddr::V6(_) => 10,
    };
    let mut message = Vec::with_capacity(REQUEST_BYTES as usize);
    message.extend(REQUEST_BYTES.to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST_FLAG.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([family, TCP, EXTENSION_CLASS, 0]);
    message.extend(u32::MAX.to_ne_bytes());
    message.extend(remote.port().to_be_bytes());
    message.extend(local.port().to_be_bytes());
    message.extend(address(remote.ip()));
    message.extend(address(local.ip()));
    let any_interface = 0_u32;
    message.extend(any_interface.to_ne_bytes());
    let no_cookie = u64::MAX;
    message.extend(no_cookie.to_ne_bytes());
    message
}

fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn facts(reply: &[u8]) -> Option<Facts> {
    let kind = u16::from_ne_bytes(*reply.get(4..)?.first_chunk()?);
    if kind != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let mut attributes = reply.get(MESSAGE_HEADER_BYTES + REPLY_BYTES..)?;
    let mut facts = Facts::default();
    while let Some((length, kind)) = attribute_header(attributes) {
        let Some(value) = attributes.get(4..length) else {
            break;
        };
        match kind {
            ATTRIBUTE_CLASS => facts.class = value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)),
            ATTRIBUTE_CGROUP => facts.cgroup = value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes)),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(facts)
}

fn attribute_header(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = u16::from_ne_bytes(*bytes.first_chunk()?);
    let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
    (length >= 4).then_some((usize::from(length), kind))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_kernel_knows_both_families_and_no_stranger() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(any) else {
                continue;
            };
            let local = listener.local_addr().unwrap();
            let client = TcpStream::connect(local).unwrap();
            let remote = client.local_addr().unwrap();
            let found = diagnose(remote, local).unwrap().unwrap();
            assert!(found.class.is_some() || found.cgroup.is_some(), "{found:?}");
            drop((client, listener));
            let mut stranger = remote;
            stranger.set_port(1);
            assert_eq!(diagnose(stranger, local).unwrap(), None);
        }
    }

    #[test]
    fn replies_that_are_cut_short_tell_nothing() {
        for length in 0..100 {
            let mut reply = vec![0; length];
            if let Some(kind) = reply.get_mut(4..6) {
                kind.copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            }
            let found = facts(&reply);
            assert!(found.is_none() || found == Some(Facts::default()));
        }
    }
}
