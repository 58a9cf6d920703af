//! Ports of the host for containers that name none: a block in a row for a range, one of the configured range for a
//! single port.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

const KERNEL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RANGE_DEFAULT: (u16, u16) = (49153, 65535);

/// Hands them out, going round, so that containers that start at once do not want the same.
#[derive(Debug)]
pub(super) struct HostPorts {
    /// Single ports come from here too; Docker chooses them when absent.
    configured: Option<(u16, u16)>,
    next: Mutex<u16>,
}

impl HostPorts {
    /// From the configured range, or the kernel's own.
    pub(super) fn new(configured: Option<(u16, u16)>) -> Self {
        Self {
            configured,
            next: Mutex::new(0),
        }
    }

    /// A port for one that names none; `None` leaves it to Docker.
    pub(super) fn single(&self, protocol: &str) -> Result<Option<u16>, String> {
        match self.configured {
            Some(range) => self
                .block_of(range, 1, protocol, &is_free)
                .map(|block| Some(*block.start())),
            None => Ok(None),
        }
    }

    /// That many in a row.
    pub(super) fn block(&self, count: u16, protocol: &str) -> Result<RangeInclusive<u16>, String> {
        self.block_of(
            self.configured.unwrap_or_else(kernel_range),
            count,
            protocol,
            &is_free,
        )
    }

    fn block_of(
        &self,
        (first, last): (u16, u16),
        count: u16,
        protocol: &str,
        is_free: &dyn Fn(u16, &str) -> bool,
    ) -> Result<RangeInclusive<u16>, String> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let start = if (first..=last).contains(&next) {
            *next
        } else {
            first
        };
        let whole = |from: u16| {
            from.checked_add(count.saturating_sub(1))
                .filter(|end| *end <= last)
        };
        let mut from = start;
        let mut wrapped = false;
        loop {
            match whole(from) {
                Some(end) => match (from..=end).rev().find(|port| !is_free(*port, protocol)) {
                    None => {
                        *next = end.saturating_add(1);
                        return Ok(from..=end);
                    }
                    Some(taken) => from = taken.saturating_add(1),
                },
                None if wrapped => break,
                None => (from, wrapped) = (first, true),
            }
            if wrapped && from > start {
                break;
            }
        }
        Err(format!(
            "no {count} free {protocol} ports in a row between {first} and {last} on this host"
        ))
    }
}

fn kernel_range() -> (u16, u16) {
    let text = fs::read_to_string(KERNEL_RANGE).unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first <= last => (first, last),
        _ => RANGE_DEFAULT,
    }
}

fn is_free(port: u16, protocol: &str) -> bool {
    match protocol {
        "udp" => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok(),
        _ => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agent_7_blocks_go_round_and_skip_what_is_taken() {
        let ports = HostPorts::new(None);
        let taken = |port: u16, _: &str| port != 102;
        let block = |count| ports.block_of((100, 109), count, "tcp", &taken);
        assert_eq!(block(2), Ok(100..=101));
        assert_eq!(block(3), Ok(103..=105));
        assert_eq!(block(3), Ok(106..=108));
        assert_eq!(block(2), Ok(100..=101), "round");
        assert!(block(8).unwrap_err().contains("no 8 free tcp ports"));
        assert_eq!(
            ports.block_of((65535, 65535), 1, "tcp", &taken),
            Ok(65535..=65535)
        );
    }

    #[test]
    fn a_single_port_is_dockers_choice_unless_a_range_is_configured() {
        assert_eq!(HostPorts::new(None).single("tcp"), Ok(None));
    }

    proptest! {
        #[test]
        fn a_block_is_found_whenever_there_is_one(
            taken in prop::collection::btree_set(100..120_u16, 0..20),
            count in 1..6_u16,
            next in 90..130_u16,
        ) {
            let ports = HostPorts::new(None);
            *ports.next.lock().unwrap() = next;
            let free = |port: u16, _: &str| !taken.contains(&port);
            let naive = (100..=120 - count).any(|from| (from..from + count).all(|port| !taken.contains(&port)));
            match ports.block_of((100, 119), count, "tcp", &free) {
                Ok(block) => {
                    prop_assert!(naive);
                    prop_assert_eq!(block.clone().count(), usize::from(count));
                    prop_assert!(block.collect::<BTreeSet<_>>().is_disjoint(&taken));
                }
                Err(_) => prop_assert!(!naive),
            }
        }
    }
}
