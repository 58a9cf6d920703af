//! The fence as text: for nft one table of our own, replaced in one transaction; for iptables chains of our own
//! (reliability-and-security.md 4.7, 4.8, 4.11).

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::host_mode::{CLASS_FIRST, CLASS_LAST, Mark};
use super::interface::{CABLE_PREFIX, Cables};
use super::security;
use crate::task::admission::{ENDPOINT_PORT, TASK_ENDPOINT_ADDRESS};

/// The instance metadata service.
pub(super) const IMDS_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
pub(super) const IMDS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// Ports of the genuine agent's introspection and credentials servers, never for anybody but the host itself.
const AGENT_PORTS: &str = "51678, 51679";
/// Family and name of the table.
pub(super) const NFT_TABLE: [&str; 2] = ["inet", "portcullis"];

/// A chain of the iptables form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    /// The built-in chain it hangs on.
    pub(super) parent: &'static str,
}

/// What is kept from containers is dropped before any rule of FORWARD: Docker accepts there, and puts itself first.
pub(super) const CHAINS: [Chain; 2] = [
    Chain {
        name: "PORTCULLIS-GUARD",
        table: "raw",
        parent: "PREROUTING",
    },
    Chain {
        name: "PORTCULLIS-INPUT",
        table: "filter",
        parent: "INPUT",
    },
];

/// What agents before this one made besides; to be taken away, not made.
pub(super) const FORMER_CHAIN: Chain = Chain {
    name: "PORTCULLIS-FORWARD",
    table: "filter",
    parent: "FORWARD",
};

/// From whom the instance metadata service is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Walls {
    /// From containers on Docker's networks, and from whoever else is not this host.
    pub(crate) bridge: bool,
    /// From tasks with an interface of their own (`ECS_AWSVPC_BLOCK_IMDS`).
    pub(crate) awsvpc: bool,
    /// From tasks in host mode.
    pub(crate) host: bool,
}

/// How packets of host-mode tasks are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostMark {
    pub(super) mark: Mark,
    /// The cgroup's path from the root, on cgroup v2.
    pub(super) group: String,
    /// Which cgroup it is: one made anew under the same name needs new rules.
    pub(super) inode: u64,
}

/// What the fence keeps out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fence {
    /// Interfaces behind which only containers are.
    bridges: Vec<String>,
    walls: Walls,
    host: Option<HostMark>,
    cables: Cables,
    /// What else tasks with an interface of their own reach at the endpoint's address.
    api_port: Option<u16>,
}

impl Fence {
    /// A fence around these bridges. Names the kernel could not give an interface are left out: they stand in a text
    /// that a tool reads.
    pub(crate) fn new(bridges: Vec<String>, walls: Walls) -> Self {
        let mut bridges: Vec<_> = bridges
            .into_iter()
            .filter(|name| is_interface_name(name))
            .collect();
        bridges.sort_unstable();
        bridges.dedup();
        Self {
            bridges,
            walls,
            ..Self::default()
        }
    }

    /// With a wall before the host-mode tasks known by this mark.
    pub(super) fn with_host(mut self, host: Option<HostMark>) -> Self {
        self.host = host.filter(|_| self.walls.host);
        self
    }

    /// With our server behind the endpoint's address.
    pub(super) fn with_api(mut self, port: Option<u16>) -> Self {
        self.api_port = port;
        self
    }

    /// With these tasks' interfaces.
    pub(super) fn with_cables(mut self, cables: Cables) -> Self {
        self.cables = cables;
        self
    }

    /// The interfaces it lets in.
    pub(super) fn bridges(&self) -> Vec<String> {
        self.bridges.clone()
    }

    /// Whether host-mode tasks are kept out in the way this says.
    pub(super) fn holds_back(&self, host: &HostMark) -> bool {
        self.host.as_ref() == Some(host)
    }

    /// Replaces our table by the one that is due now.
    pub(super) fn nft(&self) -> String {
        let table = NFT_TABLE.join(" ");
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| format!("\"{name}\""))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let bridges: Vec<_> = self.bridges.iter().map(String::as_str).collect();
        let inside: Vec<_> = std::iter::once("lo").chain(bridges.iter().copied()).collect();
        let mut text = format!("add table {table}\ndelete table {table}\ntable {table} {{\n");
        text.push_str(" chain input {\n  type filter hook input priority -10; policy accept;\n");
        let _ = writeln!(
            text,
            "  ip daddr {TASK_ENDPOINT_ADDRESS} iifname \"{CABLE_PREFIX}*\" tcp dport {{ {} }} accept\n  \
             ip daddr {TASK_ENDPOINT_ADDRESS} iifname != {{ {} }} drop\n  \
             iifname \"{CABLE_PREFIX}*\" tcp dport {{ {AGENT_PORTS} }} drop\n }}",
            self.endpoint_ports(),
            set(&inside)
        );
        text.push_str(&self.metadata_walls());
        text.push_str(&security::text(&self.cables, &set(&bridges)));
        text.push_str("}\n");
        text
    }

    /// The address is the host's: whatever else listens on all of the host's addresses is not the tasks' to reach there.
    fn endpoint_ports(&self) -> String {
        let ports = [Some(ENDPOINT_PORT), self.api_port];
        let ports: Vec<_> = ports.iter().flatten().map(u16::to_string).collect();
        ports.join(", ")
    }

    /// Before everything else that Docker or others do with a packet. Whoever comes in by any other interface than
    /// `lo` is not this host, whatever networks are made later.
    fn metadata_walls(&self) -> String {
        let cables = format!("iifname \"{CABLE_PREFIX}*\"");
        let from = match (self.walls.bridge, self.walls.awsvpc) {
            (true, true) => "iifname != \"lo\"".to_owned(),
            (true, false) => format!("iifname != \"lo\" iifname != \"{CABLE_PREFIX}*\""),
            (false, true) => cables,
            (false, false) => String::new(),
        };
        let mut text = String::new();
        text.push_str(" chain guard {\n  type filter hook prerouting priority -300; policy accept;\n");
        text.push_str("  iifname != \"lo\" ip daddr 127.0.0.0/8 drop\n");
        if !from.is_empty() {
            let _ = writeln!(
                text,
                "  {from} ip daddr {IMDS_V4} drop\n  {from} ip6 daddr {IMDS_V6} drop"
            );
        }
        text.push_str(" }\n");
        if let Some(host) = &self.host {
            let whose = match host.mark {
                Mark::Class => format!("meta cgroup {CLASS_FIRST}-{CLASS_LAST}"),
                Mark::Unified => format!("socket cgroupv2 level 1 \"{}\"", host.group),
            };
            // Refused, not dropped: an SDK that tries its luck goes on at once.
            let _ = writeln!(
                text,
                " chain hosttasks {{\n  type filter hook output priority -10; policy accept;\n  \
                 {whose} ip daddr {IMDS_V4} reject with icmpx admin-prohibited\n  \
                 {whose} ip6 daddr {IMDS_V6} reject with icmpx admin-prohibited\n }}"
            );
        }
        text
    }

    /// For `iptables-restore --noflush`: makes or empties our chains and fills them, in one step.
    pub(super) fn iptables_v4(&self) -> String {
        let mut rules = String::new();
        for inside in std::iter::once("lo").chain(self.bridges.iter().map(String::as_str)) {
            let _ = writeln!(
                rules,
                "-A PORTCULLIS-INPUT -d {TASK_ENDPOINT_ADDRESS}/32 -i {inside} -j RETURN"
            );
        }
        let _ = writeln!(rules, "-A PORTCULLIS-INPUT -d {TASK_ENDPOINT_ADDRESS}/32 -j DROP");
        self.restore(&rules, &format!("{IMDS_V4}/32"))
    }

    /// For `ip6tables-restore --noflush`.
    pub(super) fn iptables_v6(&self) -> String {
        self.restore("", &format!("{IMDS_V6}/128"))
    }

    fn restore(&self, input_rules: &str, imds: &str) -> String {
        let guard = match self.walls.bridge {
            true => format!("-A PORTCULLIS-GUARD ! -i lo -d {imds} -j DROP\n"),
            false => String::new(),
        };
        let filled = CHAINS.iter().zip([guard.as_str(), input_rules]);
        let tables = filled
            .map(|(Chain { name, table, .. }, rules)| format!("*{table}\n:{name} - [0:0]\n{rules}COMMIT\n"));
        tables.collect()
    }

    /// One line for the operator.
    pub(crate) fn summary(&self) -> String {
        let inside: Vec<_> = std::iter::once("lo")
            .chain(self.bridges.iter().map(String::as_str))
            .collect();
        let walls = [
            (self.walls.bridge, "containers"),
            (self.walls.awsvpc, "awsvpc tasks"),
            (self.host.is_some(), "host-mode tasks"),
        ];
        let kept: Vec<_> = walls
            .iter()
            .filter(|(is_up, _)| *is_up)
            .map(|(_, whom)| *whom)
            .collect();
        let imds = match kept.is_empty() {
            true => String::new(),
            false => format!("; {IMDS_V4} and {IMDS_V6} are kept from {}", kept.join(", ")),
        };
        format!("{TASK_ENDPOINT_ADDRESS} answers only {}{imds}", inside.join(", "))
    }
}

fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(bridges: &[&str], walls: (bool, bool, bool)) -> Fence {
        let (bridge, awsvpc, host) = walls;
        Fence::new(
            bridges.iter().map(|name| (*name).to_owned()).collect(),
            Walls { bridge, awsvpc, host },
        )
    }

    #[test]
    fn reliability_4_11_the_fence_in_all_its_forms() {
        let fence = fence(&["docker0", "br-0123456789ab", "docker0"], (true, true, true));
        let host = |mark| HostMark {
            mark,
            group: "portcullishost".into(),
            inode: 7,
        };
        let all = [
            fence.clone().with_host(Some(host(Mark::Class))).nft(),
            fence.clone().with_host(Some(host(Mark::Unified))).nft(),
            fence.iptables_v4(),
            fence.iptables_v6(),
            fence.with_host(Some(host(Mark::Class))).summary(),
        ]
        .join("---\n");
        insta::assert_snapshot!(all);
    }

    #[test]
    fn reliability_4_7_each_wall_is_its_own() {
        let host = HostMark {
            mark: Mark::Class,
            group: String::new(),
            inode: 7,
        };
        for walls in [
            (false, false, false),
            (true, false, false),
            (false, true, false),
            (false, false, true),
        ] {
            let fence = fence(&["docker0"], walls).with_host(Some(host.clone()));
            let text = fence.nft();
            assert_eq!(
                text.contains("iifname != \"pcv*\" ip daddr 169.254.169.254"),
                walls.0,
                "{text}"
            );
            assert_eq!(
                text.contains("  iifname \"pcv*\" ip daddr 169.254.169.254"),
                walls.1,
                "{text}"
            );
            assert_eq!(text.contains("hosttasks"), walls.2, "{text}");
            assert_eq!(fence.holds_back(&host), walls.2);
            assert_eq!(fence.iptables_v6().contains("-A "), walls.0);
        }
    }

    #[test]
    fn names_that_are_no_interfaces_reach_no_tool() {
        let hostile = fence(
            &["a b", "x\" drop", "", "sixteen-letters-", "ok0"],
            (true, true, true),
        );
        assert_eq!(hostile.bridges, ["ok0"]);
    }
}
