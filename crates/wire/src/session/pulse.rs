//! Whether the other end of a websocket is still there, when nothing comes from it. Pure; the clock is the caller's.

use std::time::{Duration, Instant};

/// How many pings may stay without an answer.
const UNANSWERED_MAX: u32 = 2;

/// What is due on a silent websocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// A ping: whoever is there answers it.
    Ping,
    /// Its end.
    Over,
}

/// The silence of one websocket. Of a machine that lost its power, and of a network that was cut, nobody says that
/// they are gone.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    pause: Duration,
    /// When something was heard or asked last.
    since: Instant,
    unanswered: u32,
}

impl Pulse {
    /// Of a websocket that is open now, and over after this much silence.
    pub fn new(silence_max: Duration, now: Instant) -> Self {
        Self {
            pause: silence_max / (UNANSWERED_MAX + 1),
            since: now,
            unanswered: 0,
        }
    }

    /// Something came, whatever it was.
    pub fn hear(&mut self, now: Instant) {
        self.since = now;
        self.unanswered = 0;
    }

    /// When something is due if nothing comes before.
    pub fn due(&self) -> Instant {
        self.since + self.pause
    }

    /// What is due now. An end is due only some time after it was asked whether anybody is there: whoever slept himself
    /// has heard nothing either.
    pub fn beat(&mut self, now: Instant) -> Option<Beat> {
        if now < self.due() {
            return None;
        }
        if self.unanswered >= UNANSWERED_MAX {
            return Some(Beat::Over);
        }
        self.since = now;
        self.unanswered += 1;
        Some(Beat::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(90);

    #[test]
    fn silence_is_asked_about_twice_and_then_the_end() {
        let (begin, mut told) = (Instant::now(), Vec::new());
        let mut pulse = Pulse::new(SILENCE, begin);
        for second in 0..=90 {
            let now = begin + Duration::from_secs(second);
            let is_due = pulse.due() <= now;
            let beat = pulse.beat(now);
            assert_eq!(beat.is_some(), is_due);
            told.extend(beat.map(|beat| (second, beat)));
        }
        assert_eq!(told, [(30, Beat::Ping), (60, Beat::Ping), (90, Beat::Over)]);
    }

    #[test]
    fn nobody_is_asked_who_speaks_and_whoever_answers_is_there() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(SILENCE, begin);
        for second in 0..1_000 {
            pulse.hear(at(second));
            assert_eq!(pulse.beat(at(second)), None);
        }
        for second in 1_000..10_000 {
            match pulse.beat(at(second)) {
                Some(Beat::Ping) => pulse.hear(at(second + 1)),
                beat => assert_eq!(beat, None),
            }
        }
    }

    #[test]
    fn whoever_slept_himself_asks_first() {
        let begin = Instant::now();
        let mut pulse = Pulse::new(SILENCE, begin);
        let woken = begin + 100 * SILENCE;
        assert_eq!(pulse.beat(woken), Some(Beat::Ping));
        assert_eq!(pulse.beat(woken), None);
        pulse.hear(woken);
        assert_eq!(pulse.due(), woken + SILENCE / 3);
    }
}
