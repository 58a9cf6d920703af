//! The one source of chance: a seed, or the bytes of a fuzzer.

/// Everything random here comes from one of these, so a seed is a case.
#[derive(Debug, Clone)]
pub enum Dice {
    /// splitmix64.
    Seed(u64),
    /// Bytes from the last to the first, then zeros.
    Bytes(Vec<u8>),
}

impl Dice {
    pub fn seed(seed: u64) -> Self {
        Self::Seed(seed)
    }

    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.iter().rev().copied().collect())
    }

    pub fn number(&mut self) -> u64 {
        match self {
            Self::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
            Self::Bytes(bytes) => u64::from(bytes.pop().unwrap_or(0)),
        }
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// An index, by the weights.
    pub fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut rest = self.below(weights.iter().sum());
        let fits = |weight: &usize| match rest.checked_sub(*weight) {
            Some(less) => {
                rest = less;
                false
            }
            None => true,
        };
        weights.iter().position(fits).expect("one of them")
    }
}
