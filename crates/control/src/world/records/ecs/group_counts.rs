//! How many tasks of one group should run on each instance of a cluster, by the instances' positions on the board:
//! spread and distinctInstance read all of them at once.

use std::sync::Arc;

/// Positions of one piece. A change copies the pieces it touches.
const PIECE: usize = 64;
/// Instances that are kept as a list, before pieces take less.
const FEW_MAX: usize = 48;

/// The counts of one group.
#[derive(Debug, Clone, Default)]
pub struct GroupCounts {
    /// Position and count; empty once there are pieces.
    few: Vec<(u32, u32)>,
    pieces: Vec<Option<Arc<[u32; PIECE]>>>,
    /// Instances with a task.
    instances: usize,
}

impl GroupCounts {
    /// Whether the group has no task.
    pub fn is_empty(&self) -> bool {
        self.instances == 0
    }

    /// How many tasks it has at a position.
    pub fn at(&self, position: u32) -> u32 {
        if self.pieces.is_empty() {
            let found = self.few.iter().find(|(at, _)| *at == position);
            return found.map_or(0, |(_, count)| *count);
        }
        let at = position as usize;
        let piece = self.pieces.get(at / PIECE).and_then(Option::as_ref);
        piece
            .and_then(|piece| piece.get(at % PIECE))
            .copied()
            .unwrap_or_default()
    }

    /// The counts of as many positions.
    pub fn by_position(&self, positions: usize) -> Vec<u32> {
        let mut all = Vec::with_capacity(positions.next_multiple_of(PIECE));
        for piece in &self.pieces {
            match piece {
                Some(piece) => all.extend_from_slice(piece.as_slice()),
                None => all.extend_from_slice(&[0; PIECE]),
            }
        }
        all.resize(positions, 0);
        for (at, count) in &self.few {
            if let Some(slot) = all.get_mut(*at as usize) {
                *slot = *count;
            }
        }
        all
    }

    /// Sets the count at a position.
    pub(super) fn set(&mut self, position: u32, count: u32) {
        let before = self.at(position);
        match (before, count) {
            (0, 0) => return,
            (0, _) => self.instances += 1,
            (_, 0) => self.instances -= 1,
            _ => {}
        }
        if !self.pieces.is_empty() {
            return self.set_in_piece(position, count);
        }
        self.few.retain(|(at, _)| *at != position);
        if count > 0 {
            self.few.push((position, count));
        }
        if self.few.len() > FEW_MAX {
            for (at, count) in std::mem::take(&mut self.few) {
                self.set_in_piece(at, count);
            }
        }
    }

    fn set_in_piece(&mut self, position: u32, count: u32) {
        let at = position as usize;
        if self.pieces.len() <= at / PIECE {
            self.pieces.resize(at / PIECE + 1, None);
        }
        let Some(piece) = self.pieces.get_mut(at / PIECE) else {
            return;
        };
        let piece = Arc::make_mut(piece.get_or_insert_with(|| Arc::new([0; PIECE])));
        if let Some(slot) = piece.get_mut(at % PIECE) {
            *slot = count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn counts_are_those_of_a_plain_map(
            changes in prop::collection::vec((0..300_u32, 0..4_u32), 0..300),
        ) {
            let mut counts = GroupCounts::default();
            let mut plain = BTreeMap::new();
            for (position, count) in changes {
                counts.set(position, count);
                plain.insert(position, count);
                plain.retain(|_, count| *count > 0);
                prop_assert_eq!(counts.is_empty(), plain.is_empty());
            }
            let all = counts.by_position(300);
            for position in 0..300_u32 {
                let expected = plain.get(&position).copied().unwrap_or_default();
                prop_assert_eq!(counts.at(position), expected);
                prop_assert_eq!(all[position as usize], expected);
            }
        }
    }
}
