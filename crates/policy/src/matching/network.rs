//! IP addresses and networks (R84).

use std::net::IpAddr;

use crate::open_points;

/// Reads an address; an IPv4 address in IPv6 clothes is taken as IPv4.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(canonical)
}

fn canonical(address: IpAddr) -> IpAddr {
    if open_points::r84_mapped_address_is_ipv4() {
        address.to_canonical()
    } else {
        address
    }
}

/// A network: an address with the number of leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Its address and the number of leading bits that count.
    pub(crate) fn parts(&self) -> (IpAddr, u32) {
        (self.address, self.prefix_bits)
    }

    /// Reads `ADDRESS` or `ADDRESS/BITS`; a bare address is a network of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if open_points::r84_network_is_refused(text) {
            return None;
        }
        let Some((address_text, bits_text)) = text.split_once('/') else {
            let address = address(text)?;
            return Some(Self {
                address,
                prefix_bits: width(address),
            });
        };
        let written = address_text.parse::<IpAddr>().ok()?;
        let valid = bits_text.len() <= 3 && bits_text.bytes().all(|b| b.is_ascii_digit());
        let bits = bits_text
            .parse::<u32>()
            .ok()
            .filter(|bits| valid && *bits <= width(written))?;
        match canonical(written) {
            // A network of mapped addresses is an IPv4 network when its prefix covers the mapping.
            IpAddr::V4(v4) if written.is_ipv6() => match bits.checked_sub(96) {
                Some(prefix_bits) => Some(Self {
                    address: IpAddr::V4(v4),
                    prefix_bits,
                }),
                None => Some(Self {
                    address: written,
                    prefix_bits: bits,
                }),
            },
            address => Some(Self {
                address,
                prefix_bits: bits,
            }),
        }
    }

    /// Whether the address lies in the network; host bits of the network do not count.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(asked)) => same_prefix(
                u128::from(network.to_bits()),
                u128::from(asked.to_bits()),
                32,
                self.prefix_bits,
            ),
            (IpAddr::V6(network), IpAddr::V6(asked)) => {
                same_prefix(network.to_bits(), asked.to_bits(), 128, self.prefix_bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn same_prefix(a: u128, b: u128, width: u32, prefix_bits: u32) -> bool {
    // A shift by the whole width (a prefix of 0) leaves nothing to compare.
    (a ^ b)
        .checked_shr(width.saturating_sub(prefix_bits))
        .unwrap_or(0)
        == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, asked: &str) -> Option<bool> {
        Some(Network::parse(network)?.contains(address(asked)?))
    }

    #[test]
    fn r84_networks_hold_their_addresses() {
        for (network, asked, expected) in [
            ("203.0.113.0/24", "203.0.113.9", true),
            ("203.0.113.77/24", "203.0.113.9", true),
            ("203.0.113.0/24", "203.0.114.9", false),
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.8", false),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("2001:db8::/32", "2001:db8:1::5", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("::/0", "2001:db8::2", true),
            ("10.0.0.0/8", "2001:db8::2", false),
            ("::/0", "10.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
        ] {
            assert_eq!(contains(network, asked), Some(expected), "{asked} in {network}");
        }
    }

    #[test]
    fn r84_what_is_not_a_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "host",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
