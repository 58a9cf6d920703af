//! Ranges of addresses.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A range of IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    first: u32,
    prefix: u32,
}

impl Cidr {
    /// Reads `10.0.0.0/16`; what is set beyond the prefix is cleared, as AWS does.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let prefix = small_number(prefix, 32)?;
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        Some(Self {
            first: u32::from(address) & mask,
            prefix,
        })
    }

    /// How many bits all its addresses share.
    pub fn prefix(self) -> u32 {
        self.prefix
    }

    /// How many addresses it has, less one.
    fn span(self) -> u32 {
        u32::MAX.checked_shr(self.prefix).unwrap_or(0)
    }

    fn last(self) -> u32 {
        self.first | self.span()
    }

    /// Whether the other lies in it.
    pub fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last() <= self.last()
    }

    /// Whether they share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last() && other.first <= self.last()
    }

    /// Whether an address lies in it.
    pub fn has(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last()).contains(&u32::from(address))
    }

    /// Whether somebody may have the address: AWS keeps the first four and the last one of a subnet.
    pub fn is_free_for_use(self, address: Ipv4Addr) -> bool {
        (self.first.saturating_add(4)..self.last()).contains(&u32::from(address))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.prefix)
    }
}

/// Reads a range of IPv6 addresses and writes it as AWS does.
pub(crate) fn parse_ipv6(text: &str) -> Option<String> {
    let (address, prefix) = text.split_once('/')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let prefix = small_number(prefix, 128)?;
    let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
    let first = Ipv6Addr::from(u128::from(address) & mask);
    Some(format!("{first}/{prefix}"))
}

fn small_number(text: &str, max: u32) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    // `016` and `+16` are no prefixes.
    let is_plain = number.to_string() == text;
    (is_plain && number <= max).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_written_and_compared() {
        let cidr = |text: &str| Cidr::parse(text).unwrap();
        assert_eq!(cidr("100.68.0.18/18").to_string(), "100.68.0.0/18");
        assert_eq!(cidr("0.0.0.0/0").last(), u32::MAX);
        assert_eq!(cidr("10.0.0.1/32").last(), cidr("10.0.0.1/32").first);
        assert!(cidr("10.0.0.0/16").contains(cidr("10.0.255.0/24")));
        assert!(!cidr("10.0.0.0/16").contains(cidr("10.1.0.0/24")));
        assert!(cidr("10.0.0.0/24").overlaps(cidr("10.0.0.128/25")));
        assert!(!cidr("10.0.0.0/24").overlaps(cidr("10.0.1.0/24")));
        assert!(!cidr("10.0.0.0/28").is_free_for_use("10.0.0.15".parse().unwrap()));
        assert!(cidr("10.0.0.0/28").is_free_for_use("10.0.0.4".parse().unwrap()));
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/016",
            "010.0.0.0/16",
            "::/0",
            "10.0.0.256/8",
            "10.0.0.0/",
        ] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
        assert_eq!(parse_ipv6("2001:db8::1/64").as_deref(), Some("2001:db8::/64"));
        assert_eq!(parse_ipv6("::/0").as_deref(), Some("::/0"));
        assert_eq!(parse_ipv6("::/129"), None);
    }
}
