//! Addresses that stand for all others: the first of every network a policy names, and the first after it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_policy::elements::network;

/// An address outside every network that policies usually name (RFC 5737).
const ELSEWHERE: &str = "203.0.113.200";

/// Candidates for addresses compared with these networks, readable ones first.
pub(crate) fn candidates(values: &[&str]) -> Vec<String> {
    let mut texts = vec![ELSEWHERE.to_owned()];
    let networks: Vec<(IpAddr, u32)> = values.iter().filter_map(|value| network(value)).collect();
    for (address, bits) in &networks {
        texts.extend(
            edges(*address, *bits)
                .into_iter()
                .flatten()
                .map(|address| address.to_string()),
        );
    }
    texts.extend(["0.0.0.0", "2001:db8::1", "::"].map(str::to_owned));
    texts
}

/// Second and first address of a network, and the one after its last. Every set that networks cut out of all addresses
/// begins at one of these or at zero.
fn edges(address: IpAddr, bits: u32) -> [Option<IpAddr>; 3] {
    match address {
        IpAddr::V4(v4) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let first = v4.to_bits() & !host;
            let second = if host > 1 { first.checked_add(1) } else { None };
            let after = (first | host).checked_add(1);
            [second, Some(first), after].map(|bits| bits.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))))
        }
        IpAddr::V6(v6) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let first = v6.to_bits() & !host;
            let second = if host > 1 { first.checked_add(1) } else { None };
            let after = (first | host).checked_add(1);
            [second, Some(first), after].map(|bits| bits.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_networks_are_tried() {
        let texts = candidates(&[
            "10.0.0.0/8",
            "10.1.0.0/16",
            "2001:db8::/32",
            "0.0.0.0/0",
            "192.0.2.7",
        ]);
        for expected in [
            "10.0.0.1",
            "10.1.0.0",
            "10.2.0.0",
            "11.0.0.0",
            "2001:db9::",
            "192.0.2.7",
            "192.0.2.8",
        ] {
            assert!(texts.iter().any(|text| text == expected), "{expected} {texts:?}");
        }
    }
}
