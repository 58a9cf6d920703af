//! The fence as text: for nft one table of our own, replaced in one transaction; for iptables two chains of our own
//! (reliability-and-security.md 4.7, 4.8, 4.11).

use std::fmt::Write as _;

use crate::task::admission::TASK_ENDPOINT_ADDRESS;

/// The instance metadata service.
const IMDS_V4: &str = "169.254.169.254";
const IMDS_V6: &str = "fd00:ec2::254";
/// Family and name of the table.
pub(super) const NFT_TABLE: [&str; 2] = ["inet", "portcullis"];
/// Chains of the iptables form, and the built-in chain each hangs on.
pub(super) const CHAINS: [(&str, &str); 2] =
    [("PORTCULLIS-INPUT", "INPUT"), ("PORTCULLIS-FORWARD", "FORWARD")];

/// What the fence keeps out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fence {
    /// Interfaces behind which only containers are.
    bridges: Vec<String>,
    block_imds: bool,
}

impl Fence {
    /// A fence around these bridges. Names the kernel could not give an interface are left out: they stand in a text
    /// that a tool reads.
    pub(crate) fn new(bridges: Vec<String>, block_imds: bool) -> Self {
        let mut bridges: Vec<_> = bridges
            .into_iter()
            .filter(|name| is_interface_name(name))
            .collect();
        bridges.sort_unstable();
        bridges.dedup();
        Self { bridges, block_imds }
    }

    /// For `nft -f -`. The table is made before it is deleted so that deleting cannot fail.
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
            "  ip daddr {TASK_ENDPOINT_ADDRESS} iifname != {{ {} }} drop",
            set(&inside)
        );
        text.push_str(" }\n");
        if self.block_imds && !bridges.is_empty() {
            let from = set(&bridges);
            text.push_str(" chain forward {\n  type filter hook forward priority -10; policy accept;\n");
            let _ = writeln!(text, "  iifname {{ {from} }} ip daddr {IMDS_V4} drop");
            let _ = writeln!(text, "  iifname {{ {from} }} ip6 daddr {IMDS_V6} drop");
            text.push_str(" }\n");
        }
        text.push_str("}\n");
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
        let mut text = "*filter\n".to_owned();
        for (chain, _) in CHAINS {
            let _ = writeln!(text, ":{chain} - [0:0]");
        }
        text.push_str(input_rules);
        for bridge in self.bridges.iter().filter(|_| self.block_imds) {
            let _ = writeln!(text, "-A PORTCULLIS-FORWARD -i {bridge} -d {imds} -j DROP");
        }
        text.push_str("COMMIT\n");
        text
    }

    /// One line for the operator.
    pub(crate) fn summary(&self) -> String {
        let from = self.bridges.join(", ");
        let imds = match (self.block_imds, self.bridges.is_empty()) {
            (true, false) => format!("; {IMDS_V4} and {IMDS_V6} are kept from {from}"),
            _ => String::new(),
        };
        format!(
            "{TASK_ENDPOINT_ADDRESS} answers only lo{}{from}{imds}",
            if from.is_empty() { "" } else { ", " }
        )
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

    fn fence(bridges: &[&str], block_imds: bool) -> Fence {
        Fence::new(
            bridges.iter().map(|name| (*name).to_owned()).collect(),
            block_imds,
        )
    }

    #[test]
    fn reliability_4_11_the_fence_in_all_its_forms() {
        let fence = fence(&["docker0", "br-0123456789ab", "docker0"], true);
        let all = [
            fence.nft(),
            fence.iptables_v4(),
            fence.iptables_v6(),
            fence.summary(),
        ]
        .join("---\n");
        insta::assert_snapshot!(all);
    }

    #[test]
    fn without_bridges_or_blocking_nothing_is_forwarded_about() {
        for fence in [fence(&[], true), fence(&["docker0"], false)] {
            assert!(!fence.nft().contains("forward"));
            assert!(!fence.iptables_v6().contains("-A "));
        }
    }

    #[test]
    fn names_that_are_no_interfaces_reach_no_tool() {
        let hostile = fence(&["a b", "x\" drop", "", "sixteen-letters-", "ok0"], true);
        assert_eq!(hostile.bridges, ["ok0"]);
    }
}
