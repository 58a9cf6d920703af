//! How often sessions do what they do by the clock.

use std::time::Duration;

use portcullis_core::Random;

/// Times of the sessions. The defaults keep the genuine agent satisfied: it wants to hear something within 60 seconds
/// (agent.md 5.2).
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Shortest time between heartbeats.
    pub heartbeat_min: Duration,
    /// Added to it, by chance, so that agents do not beat in step.
    pub heartbeat_jitter: Duration,
    /// How often a session looks for what is late or about to run out.
    pub check: Duration,
    /// Shortest time between two looks at the picture: many changes at once are taken together.
    pub pause: Duration,
    /// How long a frame may take to be written.
    pub write: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_min: Duration::from_secs(30),
            heartbeat_jitter: Duration::from_secs(20),
            check: Duration::from_secs(5),
            pause: Duration::from_millis(10),
            write: Duration::from_secs(30),
        }
    }
}

impl Timing {
    /// The time until the next heartbeat.
    pub(super) fn heartbeat(&self, random: &dyn Random) -> Duration {
        let mut bytes = [0_u8; 2];
        random.fill(&mut bytes);
        self.heartbeat_min
            + self
                .heartbeat_jitter
                .mul_f64(f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::SeededRandom;

    #[test]
    fn agent_5_2_the_genuine_agent_hears_something_at_least_every_minute() {
        let (timing, random) = (Timing::default(), SeededRandom::new(1));
        for _ in 0..1_000 {
            let pause = timing.heartbeat(&random);
            assert!(
                pause >= Duration::from_secs(30) && pause <= Duration::from_secs(50),
                "{pause:?}"
            );
        }
    }
}
