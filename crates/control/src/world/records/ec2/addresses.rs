//! The free addresses of subnets, as the gaps between those taken, so that giving one out costs the same in an empty and
//! in a full subnet. Derived.

use std::net::Ipv4Addr;
use std::sync::Arc;

use portcullis_core::Region;

use super::{NetworkInterface, Subnet, Tables};
use crate::world::table::Table;

/// AWS keeps the first four addresses of a subnet and the last one.
const KEPT_FIRST: u32 = 4;

/// What is free in the subnets.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    /// The last address of each gap, by `REGION/SUBNET-ID/FIRST` with the first one in hexadecimal digits.
    gaps: Table<u32>,
    /// How many addresses are free, by `REGION/SUBNET-ID`.
    counts: Table<i32>,
    /// The ids of interfaces made with a token, by [`token_key`].
    tokens: Table<String>,
}

fn home(region: &Region, subnet: &str) -> String {
    format!("{region}/{subnet}/")
}

/// `REGION/SUBNET-ID/MAKER/TOKEN`: tokens of services are shown to others, as the ids of attachments, who must not come first.
fn token_key(region: &Region, subnet: &str, token: &str, by_service: bool) -> String {
    let maker = if by_service { "service" } else { "other" };
    format!("{}{maker}/{token}", home(region, subnet))
}

fn token_key_of(row: &NetworkInterface) -> Option<String> {
    let token = row.client_token.as_ref()?;
    Some(token_key(
        &row.region,
        &row.subnet,
        token,
        row.requester.is_some(),
    ))
}

fn gap_key(home: &str, first: u32) -> String {
    format!("{home}{first:08x}")
}

fn first_of(home: &str, key: &str) -> Option<u32> {
    u32::from_str_radix(key.strip_prefix(home)?, 16).ok()
}

/// The addresses of a range that somebody may have.
fn usable(cidr: &str) -> Option<(u32, u32)> {
    let (address, prefix) = cidr.split_once('/')?;
    let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let span = u32::MAX.checked_shr(prefix.parse().ok()?).unwrap_or(0);
    let (first, last) = (first.checked_add(KEPT_FIRST)?, (first | span).checked_sub(1)?);
    (first <= last).then_some((first, last))
}

impl Addresses {
    fn open(&mut self, home: &str, cidr: &str) {
        if let Some((first, last)) = usable(cidr) {
            self.gaps.insert(&gap_key(home, first), Arc::new(last));
            let count = i32::try_from(last - first).unwrap_or(i32::MAX).saturating_add(1);
            self.counts.insert(home, Arc::new(count));
        }
    }

    fn close(&mut self, home: &str) {
        let gone: Vec<String> = self.gaps.prefix(home).map(|(key, _)| key.to_owned()).collect();
        for key in gone {
            self.gaps.remove(&key);
        }
        self.counts.remove(home);
    }

    /// The gap that an address lies in.
    fn gap(&self, home: &str, address: u32) -> Option<(u32, u32)> {
        let behind = gap_key(home, address.checked_add(1)?);
        let (key, last) = self.gaps.before(home, Some(&behind)).next()?;
        let first = first_of(home, key)?;
        (first..=**last).contains(&address).then_some((first, **last))
    }

    fn take(&mut self, home: &str, address: u32) {
        let Some((first, last)) = self.gap(home, address) else {
            return;
        };
        self.gaps.remove(&gap_key(home, first));
        if first < address {
            self.gaps.insert(&gap_key(home, first), Arc::new(address - 1));
        }
        if address < last {
            self.gaps.insert(&gap_key(home, address + 1), Arc::new(last));
        }
        self.counts.edit(home, |count| *count -= 1);
    }

    fn give_back(&mut self, home: &str, address: u32) {
        let is_gone = self.counts.get(home).is_none();
        if is_gone || self.gap(home, address).is_some() {
            return;
        }
        let (mut first, mut last) = (address, address);
        if let Some(gap) = address.checked_sub(1).and_then(|before| self.gap(home, before)) {
            first = gap.0;
        }
        if let Some(gap) = address.checked_add(1).and_then(|after| self.gap(home, after)) {
            self.gaps.remove(&gap_key(home, gap.0));
            last = gap.1;
        }
        self.gaps.insert(&gap_key(home, first), Arc::new(last));
        self.counts.edit(home, |count| *count += 1);
    }
}

fn numbers(interface: &NetworkInterface) -> impl Iterator<Item = u32> + '_ {
    let addresses = interface.addresses.iter();
    addresses.filter_map(|address| address.parse::<Ipv4Addr>().ok().map(u32::from))
}

impl Tables {
    /// Keeps the gaps of a subnet in step; its range never changes.
    pub(super) fn index_subnet(&mut self, before: Option<&Subnet>, after: Option<&Subnet>) {
        match (before, after) {
            (None, Some(row)) => self.addresses.open(&home(&row.region, &row.id), &row.cidr),
            (Some(row), None) => self.addresses.close(&home(&row.region, &row.id)),
            _ => {}
        }
    }

    /// Keeps the gaps of an interface's subnet in step, and its token.
    pub(super) fn index_interface(
        &mut self,
        before: Option<&NetworkInterface>,
        after: Option<&NetworkInterface>,
    ) {
        if let Some(row) = before {
            let home = home(&row.region, &row.subnet);
            for address in numbers(row) {
                self.addresses.give_back(&home, address);
            }
            if let Some(key) = token_key_of(row) {
                self.addresses.tokens.remove(&key);
            }
        }
        if let Some(row) = after {
            let home = home(&row.region, &row.subnet);
            for address in numbers(row) {
                self.addresses.take(&home, address);
            }
            if let Some(key) = token_key_of(row) {
                self.addresses.tokens.insert(&key, Arc::new(row.id.clone()));
            }
        }
    }

    /// The first address of a subnet that nobody has.
    pub fn free_address(&self, subnet: &Subnet) -> Option<Ipv4Addr> {
        let home = home(&subnet.region, &subnet.id);
        let (key, _) = self.addresses.gaps.prefix(&home).next()?;
        first_of(&home, key).map(Ipv4Addr::from)
    }

    /// Whether an address of a subnet that can be given out is still to be had.
    pub fn is_free(&self, subnet: &Subnet, address: Ipv4Addr) -> bool {
        let home = home(&subnet.region, &subnet.id);
        self.addresses.gap(&home, u32::from(address)).is_some()
    }

    /// How many addresses of a subnet nobody has.
    pub fn free_addresses(&self, subnet: &Subnet) -> i32 {
        let count = self.addresses.counts.get(&home(&subnet.region, &subnet.id));
        count.map_or(0, |count| **count)
    }

    /// The interface of a subnet that a service made for itself with a token, or that somebody else did.
    pub fn interface_with_token(
        &self,
        subnet: &Subnet,
        token: &str,
        by_service: bool,
    ) -> Option<&Arc<NetworkInterface>> {
        let key = token_key(&subnet.region, &subnet.id, token, by_service);
        self.find(&subnet.region, self.addresses.tokens.get(&key)?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn gaps_are_what_is_not_taken(steps in prop::collection::vec((any::<bool>(), 0..16_u32), 0..80)) {
            let mut addresses = Addresses::default();
            addresses.open("r/s/", "10.0.0.0/28");
            addresses.open("r/s2/", "10.0.0.0/28");
            let base = u32::from(Ipv4Addr::new(10, 0, 0, 0));
            let mut free: BTreeSet<u32> = (base + 4..base + 15).collect();
            for (take, number) in steps {
                let address = base + number;
                match take {
                    true => {
                        addresses.take("r/s/", address);
                        free.remove(&address);
                    }
                    // Only what was taken is given back.
                    false if (4..15).contains(&number) => {
                        addresses.give_back("r/s/", address);
                        free.insert(address);
                    }
                    false => {}
                }
                prop_assert_eq!(addresses.counts.get("r/s/").map(|count| **count), i32::try_from(free.len()).ok());
                let all = (base..base + 16).filter(|address| addresses.gap("r/s/", *address).is_some());
                prop_assert_eq!(all.collect::<BTreeSet<_>>(), free.clone());
                let first = addresses.gaps.prefix("r/s/").next().and_then(|(key, _)| first_of("r/s/", key));
                prop_assert_eq!(first, free.first().copied());
            }
            prop_assert_eq!(addresses.counts.get("r/s2/").map(|count| **count), Some(11));
            addresses.close("r/s/");
            prop_assert_eq!(addresses.gaps.len(), 1);
        }
    }

    #[test]
    fn a_full_subnet_costs_no_more_than_an_empty_one() {
        let mut addresses = Addresses::default();
        addresses.open("r/s/", "10.0.0.0/16");
        let base = u32::from(Ipv4Addr::new(10, 0, 0, 0));
        for address in base + 4..base + 65_535 {
            addresses.take("r/s/", address);
        }
        assert!(addresses.gaps.is_empty());
        addresses.give_back("r/s/", base + 40_000);
        assert_eq!(
            addresses.gap("r/s/", base + 40_000),
            Some((base + 40_000, base + 40_000))
        );
    }
}
