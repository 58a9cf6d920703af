//! Security groups as nftables text: for every cable one chain for what may go in and one for what may go out. What
//! answers, or belongs to, something allowed passes by connection tracking, as on AWS.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::interface::{CABLE_PREFIX, Cables, Cidr, Interface, Protocol, SecurityRule};
use crate::task::admission::TASK_ENDPOINT_ADDRESS;

/// Which side of the task a rule guards.
#[derive(Clone, Copy)]
enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// The prefix of the chains' names.
    fn name(self) -> &'static str {
        match self {
            Self::Ingress => "to",
            Self::Egress => "from",
        }
    }

    /// The side of the packet where the peer stands.
    fn peer(self) -> &'static str {
        match self {
            Self::Ingress => "saddr",
            Self::Egress => "daddr",
        }
    }
}

/// Sets, maps and chains of all cables, to stand inside our table. `bridges`: interfaces of Docker's own networks.
pub(super) fn text(cables: &Cables, bridges: &str) -> String {
    if cables.is_empty() {
        return String::new();
    }
    let mut text = addresses(cables);
    for (cable, interface) in cables {
        text.push_str(&chain(cable, interface, Direction::Ingress));
        text.push_str(&chain(cable, interface, Direction::Egress));
    }
    text.push_str(&verdicts(cables, Direction::Ingress));
    text.push_str(&verdicts(cables, Direction::Egress));
    let all = format!("\"{CABLE_PREFIX}*\"");
    // A packet that claims another's address never gets further than the cable.
    let _ = writeln!(
        text,
        " chain spoofing {{\n  type filter hook prerouting priority -299; policy accept;\n  \
         iifname {all} meta nfproto ipv4 iifname . ip saddr != @addresses4 drop\n  \
         iifname {all} meta nfproto ipv6 iifname . ip6 saddr != @addresses6 drop\n }}"
    );
    // Before Docker translates destinations: what the task itself addressed is judged.
    let _ = writeln!(
        text,
        " chain outgoing {{\n  type filter hook prerouting priority -150; policy accept;\n  \
         iifname {all} jump leaving\n }}\n chain leaving {{\n  ct state established,related accept\n  \
         ip daddr {TASK_ENDPOINT_ADDRESS} accept\n  iifname vmap @from\n  drop\n }}"
    );
    // After sources were translated: as on AWS, a bridge-mode container has its host's address out there.
    let _ = writeln!(
        text,
        " chain incoming {{\n  type filter hook postrouting priority 150; policy accept;\n  \
         oifname {all} jump entering\n }}\n chain entering {{\n  ct state established,related accept\n  \
         oifname vmap @to\n  drop\n }}"
    );
    text.push_str(&isolation(&all, bridges));
    text
}

/// Docker's networks are the host's own: of them a task reaches published ports only. And the way out of the private
/// address space has to lead back: out there the host stands for its tasks.
fn isolation(all: &str, bridges: &str) -> String {
    let mut text = String::new();
    if !bridges.is_empty() {
        let _ = writeln!(
            text,
            " chain isolation {{\n  type filter hook forward priority -10; policy accept;\n  \
             iifname {all} oifname {{ {bridges} }} ct status dnat accept\n  \
             iifname {all} oifname {{ {bridges} }} ct state new drop\n }}"
        );
    }
    let _ = writeln!(
        text,
        " chain outside {{\n  type nat hook postrouting priority 100; policy accept;\n  \
         iifname {all} oifname != {all} ip daddr != {{ 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 }} \
         masquerade\n }}"
    );
    text
}

fn addresses(cables: &Cables) -> String {
    let mut text = String::new();
    for (family, kind, v4) in [("4", "ipv4_addr", true), ("6", "ipv6_addr", false)] {
        let elements: Vec<_> = cables
            .iter()
            .flat_map(|(cable, interface)| interface.addresses().map(move |address| (cable, address)))
            .filter(|(_, address)| address.is_ipv4() == v4)
            .map(|(cable, address)| format!("\"{cable}\" . {address}"))
            .collect();
        let _ = write!(text, " set addresses{family} {{\n  type ifname . {kind}\n");
        if !elements.is_empty() {
            let _ = writeln!(text, "  elements = {{ {} }}", elements.join(", "));
        }
        text.push_str(" }\n");
    }
    text
}

fn verdicts(cables: &Cables, direction: Direction) -> String {
    let name = direction.name();
    let elements: Vec<_> = cables
        .keys()
        .map(|cable| format!("\"{cable}\" : jump {name}-{cable}"))
        .collect();
    format!(
        " map {name} {{\n  type ifname : verdict\n  elements = {{ {} }}\n }}\n",
        elements.join(", ")
    )
}

fn chain(cable: &str, interface: &Interface, direction: Direction) -> String {
    let mut text = format!(" chain {}-{cable} {{\n", direction.name());
    match (&interface.security, direction) {
        (Some(rules), Direction::Ingress) => push_rules(&mut text, &rules.ingress, direction),
        (Some(rules), Direction::Egress) => push_rules(&mut text, &rules.egress, direction),
        // Without groups the least that lets a task work: it may call, nobody may call it.
        (None, Direction::Egress) => text.push_str("  accept\n"),
        (None, Direction::Ingress) => {}
    }
    text.push_str(" }\n");
    text
}

fn push_rules(text: &mut String, rules: &[SecurityRule], direction: Direction) {
    for rule in rules {
        for v4 in [true, false] {
            let (Some(what), Some(whom)) = (matched(rule, v4), peers(&rule.peers, v4, direction)) else {
                continue;
            };
            let line: Vec<_> = [whom.as_str(), what.as_str(), "accept"]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect();
            let _ = writeln!(text, "  {}", line.join(" "));
        }
    }
}

/// Nothing when the rule says nothing about that family of addresses.
fn matched(rule: &SecurityRule, v4: bool) -> Option<String> {
    let port = |name: &str| match (rule.from_port, rule.to_port) {
        (from, to) if from < 0 || to < 0 || (from == 0 && to == 65535) => {
            Some(format!("meta l4proto {name}"))
        }
        (from, to) if from <= to && to <= 65535 => Some(format!("{name} dport {from}-{to}")),
        _ => None,
    };
    let icmp = |name: &str| match (rule.from_port, rule.to_port) {
        (kind, _) if kind < 0 => Some(format!("meta l4proto {}", if v4 { "icmp" } else { "ipv6-icmp" })),
        (kind, code) if kind <= 255 && code < 0 => Some(format!("{name} type {kind}")),
        (kind, code) if kind <= 255 && code <= 255 => Some(format!("{name} type {kind} {name} code {code}")),
        _ => None,
    };
    match rule.protocol {
        Protocol::Any => Some(String::new()),
        Protocol::Tcp => port("tcp"),
        Protocol::Udp => port("udp"),
        Protocol::Icmp => v4.then(|| icmp("icmp")).flatten(),
        Protocol::Icmpv6 => (!v4).then(|| icmp("icmpv6")).flatten(),
        Protocol::Number(number) => Some(format!("meta l4proto {number}")),
    }
}

/// Ranges that others cover are left out: nftables takes no overlaps.
fn peers(all: &[Cidr], v4: bool, direction: Direction) -> Option<String> {
    let mut ranges: Vec<_> = all
        .iter()
        .filter(|cidr| cidr.network.is_ipv4() == v4)
        .copied()
        .collect();
    ranges.sort_unstable();
    ranges.dedup();
    let wide: Vec<_> = ranges
        .iter()
        .filter(|cidr| !ranges.iter().any(|other| other != *cidr && other.covers(cidr)))
        .collect();
    let (family, side) = (if v4 { "ip" } else { "ip6" }, direction.peer());
    if wide.iter().any(|cidr| cidr.prefix == 0) {
        return Some(format!("meta nfproto {}", if v4 { "ipv4" } else { "ipv6" }));
    }
    let listed: Vec<_> = wide.iter().map(|cidr| range(cidr)).collect();
    (!listed.is_empty()).then(|| format!("{family} {side} {{ {} }}", listed.join(", ")))
}

fn range(cidr: &Cidr) -> String {
    let one = match cidr.network {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    match cidr.prefix == one {
        true => cidr.network.to_string(),
        false => format!("{}/{}", cidr.network, cidr.prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::super::interface::SecurityRules;
    use super::*;

    fn rule(protocol: &str, ports: (i32, i32), peers: &[&str]) -> SecurityRule {
        SecurityRule {
            protocol: protocol.parse().unwrap(),
            from_port: ports.0,
            to_port: ports.1,
            peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(),
        }
    }

    fn interface(last: u8, security: Option<SecurityRules>) -> Interface {
        Interface {
            attachment_arn: "arn".into(),
            mac: [2, 0, 10, 0, 0, last],
            ipv4: [10, 0, 0, last].into(),
            ipv4_prefix: 24,
            gateway: [10, 0, 0, 1].into(),
            ipv6: vec!["fd00::7".parse().unwrap()],
            dns_servers: Vec::new(),
            dns_search: Vec::new(),
            host_name: None,
            security,
        }
    }

    #[test]
    fn groups_in_all_their_forms() {
        let rules = SecurityRules {
            ingress: vec![
                rule(
                    "tcp",
                    (80, 80),
                    &["10.0.0.0/16", "10.0.7.0/24", "172.31.0.7/32", "fd00::/8"],
                ),
                rule("udp", (0, 65535), &["0.0.0.0/0"]),
                rule("icmp", (8, -1), &["10.0.0.0/8", "::/0"]),
                rule("icmpv6", (-1, -1), &["::/0"]),
                rule("47", (-1, -1), &["10.0.0.9"]),
                rule("tcp", (90, 80), &["10.0.0.9"]),
                rule("tcp", (80, 80), &[]),
            ],
            egress: vec![rule("-1", (-1, -1), &["0.0.0.0/0", "::/0"])],
        };
        let cables = Cables::from([
            ("pcv0000000000aa".to_owned(), interface(15, Some(rules))),
            ("pcv0000000000bb".to_owned(), interface(16, None)),
        ]);
        insta::assert_snapshot!(text(&cables, "\"docker0\""));
    }

    #[test]
    fn without_cables_there_is_nothing_to_guard() {
        assert_eq!(text(&Cables::new(), "\"docker0\""), "");
    }
}
