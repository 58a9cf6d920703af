//! A limit on the work one question may take.

use std::cell::Cell;

/// Work left, in places of patterns looked at (some nanoseconds each).
#[derive(Debug)]
pub(crate) struct Effort(Cell<u64>);

impl Effort {
    pub(crate) fn new(budget: u64) -> Self {
        Self(Cell::new(budget))
    }

    /// Takes work off; false when none is left.
    pub(crate) fn spend(&self, work: usize) -> bool {
        let left = self
            .0
            .get()
            .saturating_sub(u64::try_from(work).unwrap_or(u64::MAX));
        self.0.set(left);
        left > 0
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
