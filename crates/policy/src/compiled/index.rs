//! A hash index that is made once and then only asked.

/// Finds places by hash: open addressing, at most half full.
#[derive(Debug, Clone, Default)]
pub(super) struct Index(Box<[Slot]>);

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The half of the hash that does not say where the slot is.
    tag: u32,
    place: u32,
}

const FREE: Slot = Slot {
    tag: 0,
    place: u32::MAX,
};

impl Index {
    /// The index of these places by their hashes.
    pub(super) fn new(entries: &[(u64, u32)]) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let mut slots = vec![FREE; (entries.len() * 2).next_power_of_two()].into_boxed_slice();
        let last = slots.len() - 1;
        for (hash, place) in entries.iter().copied() {
            let (tag, mut at) = split(hash, last);
            while slots.get(at).is_some_and(|slot| slot.place != FREE.place) {
                at = (at + 1) & last;
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = Slot { tag, place };
            }
        }
        Self(slots)
    }

    /// The place with this hash that `is` the one looked for. Others may have the same hash: that must decide.
    #[inline]
    pub(super) fn find<T>(&self, hash: u64, is: impl Fn(u32) -> Option<T>) -> Option<T> {
        let last = self.0.len().wrapping_sub(1);
        let (tag, mut at) = split(hash, last);
        loop {
            let slot = self.0.get(at)?;
            if slot.place == FREE.place {
                return None;
            }
            if slot.tag == tag
                && let Some(found) = is(slot.place)
            {
                return Some(found);
            }
            at = at.wrapping_add(1) & last;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.0)
    }
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "each half of the hash serves one purpose"
)]
fn split(hash: u64, last: usize) -> (u32, usize) {
    (hash as u32, (hash >> 32) as usize & last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_was_put_in_and_nothing_else(hashes in prop::collection::vec(0u64..40, 0..60), spread in prop_oneof![Just(0), any::<u64>()]) {
            let hash = |n: u64| n.wrapping_mul(spread);
            let entries: Vec<(u64, u32)> = hashes.iter().zip(0..).map(|(n, place)| (hash(*n), place)).collect();
            let index = Index::new(&entries);
            for wanted in 0..50 {
                let is = |place: u32| (hashes[place as usize] == wanted).then_some(wanted);
                prop_assert_eq!(index.find(hash(wanted), is).is_some(), hashes.contains(&wanted));
            }
        }
    }
}
