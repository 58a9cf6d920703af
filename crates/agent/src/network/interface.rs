//! A task's own network interface, as the control plane sent it (agent.md 5.2: `elasticNetworkInterfaces`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Name of the interface inside the task.
pub(super) const INSIDE: &str = "eth0";

/// The interface of an awsvpc task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) attachment_arn: String,
    pub(crate) mac: [u8; 6],
    pub(crate) ipv4: Ipv4Addr,
    /// Of the subnet.
    pub(crate) ipv4_prefix: u8,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) ipv6: Vec<Ipv6Addr>,
    pub(crate) dns_servers: Vec<IpAddr>,
    pub(crate) dns_search: Vec<String>,
    pub(crate) host_name: Option<String>,
    /// Absent when the control plane sent none.
    pub(crate) security: Option<SecurityRules>,
}

impl Interface {
    /// All addresses of the task.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v6 = self.ipv6.iter().copied().map(IpAddr::V6);
        std::iter::once(IpAddr::V4(self.ipv4)).chain(v6)
    }
}

/// What the task's security groups let in and out, resolved to addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SecurityRules {
    pub(crate) ingress: Vec<SecurityRule>,
    pub(crate) egress: Vec<SecurityRule>,
}

/// One thing that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecurityRule {
    pub(crate) protocol: Protocol,
    /// First port, or ICMP type; below 0 for all.
    pub(crate) from_port: i32,
    /// Last port, or ICMP code; below 0 for all.
    pub(crate) to_port: i32,
    /// Sources of what comes in, destinations of what goes out.
    pub(crate) peers: Vec<Cidr>,
}

/// EC2's `IpProtocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protocol {
    /// `-1`
    Any,
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `icmp`
    Icmp,
    /// `icmpv6`
    Icmpv6,
    /// Any other number.
    Number(u8),
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "-1" => Self::Any,
            "tcp" | "6" => Self::Tcp,
            "udp" | "17" => Self::Udp,
            "icmp" | "1" => Self::Icmp,
            "icmpv6" | "58" => Self::Icmpv6,
            number => Self::Number(number.parse().map_err(drop)?),
        })
    }
}

/// A range of addresses: the bits after the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cidr {
    pub(super) network: IpAddr,
    pub(super) prefix: u8,
}

impl Cidr {
    /// Whether every address of `other` is one of this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix
            && mask(other.network, self.prefix) == Some(self.network)
            && self.network.is_ipv4() == other.network.is_ipv4()
    }
}

impl FromStr for Cidr {
    type Err = ();

    /// An address alone is a range of one.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(drop)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(drop)?;
        let prefix = prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        let network = mask(address, prefix).ok_or(())?;
        Ok(Self { network, prefix })
    }
}

fn mask(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => {
            let rest = 32_u32.checked_sub(prefix.into())?;
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let rest = 128_u32.checked_sub(prefix.into())?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    })
}

/// How a container is joined to a network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Wiring {
    /// As `hostConfig.NetworkMode` says.
    #[default]
    AsDefined,
    /// Shares the host's network; its task is known by this cgroup (`CgroupParent`), where the host can tell cgroups.
    Host(Option<String>),
    /// Holds the network namespace of its task.
    Pause(Box<Interface>),
    /// Shares the namespace of the container with this engine name.
    Joined(String),
}

/// `aa:bb:cc:dd:ee:ff`
pub(crate) fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = text.split(':').map(|byte| {
        (byte.len() == 2)
            .then(|| u8::from_str_radix(byte, 16).ok())
            .flatten()
    });
    let mut mac = [0; 6];
    for place in &mut mac {
        *place = bytes.next()??;
    }
    bytes.next().is_none().then_some(mac)
}

/// The name of the host's end of a task's cable: short enough for the kernel, and the task's alone.
pub(super) fn cable(task_id: &str) -> String {
    use sha2::{Digest as _, Sha256};
    use std::fmt::Write as _;
    let digest = Sha256::digest(task_id.as_bytes());
    let mut name = CABLE_PREFIX.to_owned();
    for byte in digest.iter().take(6) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// What the names of all our cables begin with.
pub(super) const CABLE_PREFIX: &str = "pcv";

/// All that stands between the tasks' interfaces and the rest: by the host's end of the cable.
pub(super) type Cables = BTreeMap<String, Interface>;

/// Two tasks of one host cannot have the same address: the second, if there is one.
pub(super) fn clash<'a>(cables: &'a Cables, name: &str, interface: &Interface) -> Option<&'a str> {
    let mine: Vec<IpAddr> = interface.addresses().collect();
    let others = cables.iter().filter(|(other, _)| *other != name);
    let mut clashing = others.filter(|(_, other)| other.addresses().any(|address| mine.contains(&address)));
    clashing.next().map(|(other, _)| other.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_masked_and_compared() {
        let cidr = |text: &str| text.parse::<Cidr>();
        assert_eq!(cidr("10.0.7.9/16"), cidr("10.0.0.0/16"));
        assert_eq!(cidr("172.31.0.7"), cidr("172.31.0.7/32"));
        assert_eq!(cidr("fd00::7/64"), cidr("fd00::/64"));
        assert!(cidr("0.0.0.0/0").unwrap().covers(&cidr("10.0.0.0/8").unwrap()));
        assert!(!cidr("10.0.0.0/8").unwrap().covers(&cidr("11.0.0.0/8").unwrap()));
        assert!(!cidr("::/0").unwrap().covers(&cidr("10.0.0.0/8").unwrap()));
        for bad in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "x",
            "1.2.3.4/-1",
            "0.0.0.0/0; drop",
        ] {
            assert_eq!(cidr(bad), Err(()), "{bad}");
        }
    }

    #[test]
    fn macs_and_protocols() {
        assert_eq!(mac("02:00:0a:00:00:0f"), Some([2, 0, 10, 0, 0, 15]));
        for bad in [
            "",
            "02:00:0a:00:00",
            "02:00:0a:00:00:0f:00",
            "2:0:a:0:0:f",
            "02:00:0a:00:00:zz",
        ] {
            assert_eq!(mac(bad), None, "{bad}");
        }
        for (text, protocol) in [
            ("-1", Ok(Protocol::Any)),
            ("6", Ok(Protocol::Tcp)),
            ("47", Ok(Protocol::Number(47))),
        ] {
            assert_eq!(text.parse(), protocol);
        }
        assert_eq!("256".parse::<Protocol>(), Err(()));
    }

    #[test]
    fn cables_have_names_the_kernel_takes() {
        assert_eq!(cable("aaaa").len(), 15);
        assert_ne!(cable("aaaa"), cable("bbbb"));
    }
}
