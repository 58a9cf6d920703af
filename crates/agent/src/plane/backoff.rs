//! Growing pauses with jitter.

use std::time::Duration;

use portcullis_core::Random;

/// Pauses that grow by a factor up to a limit, each 20 % shorter or longer at random (agent.md 5.2).
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    factor: f64,
    next: Duration,
}

const JITTER: f64 = 0.2;

impl Backoff {
    /// Starting at `first`.
    pub(crate) fn new(first: Duration, max: Duration, factor: f64) -> Self {
        Self {
            first,
            max,
            factor,
            next: first,
        }
    }

    /// The pause to make now.
    pub(crate) fn pause(&mut self, random: &dyn Random) -> Duration {
        let pause = self.next.mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction(random));
        self.next = self.next.mul_f64(self.factor).min(self.max);
        pause
    }

    /// Things went well for a while.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A duration between `from` and `from + spread`.
pub(crate) fn between(from: Duration, spread: Duration, random: &dyn Random) -> Duration {
    from + spread.mul_f64(fraction(random))
}

/// At least 0, below 1.
fn fraction(random: &dyn Random) -> f64 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use portcullis_core::SeededRandom;

    use super::*;

    #[test]
    fn agent_5_2_pauses_grow_to_the_limit_within_20_percent() {
        let random = SeededRandom::new(1);
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(120), 1.5);
        let mut nominal = 0.25_f64;
        for _ in 0..40 {
            let pause = backoff.pause(&random).as_secs_f64();
            assert!(
                (nominal * 0.8..=nominal * 1.2).contains(&pause),
                "{pause} for {nominal}"
            );
            nominal = (nominal * 1.5).min(120.0);
        }
        backoff.reset();
        assert!(backoff.pause(&random) <= Duration::from_millis(300));
    }
}
