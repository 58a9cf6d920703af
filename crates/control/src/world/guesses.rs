//! Wrong MFA codes in a row. Kept in memory, beside the picture: a refused change leaves nothing in the store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_core::Timestamp;

/// Wrong codes in a row that make a device pause.
const WRONG_MAX: u32 = 5;
/// The first pause; every wrong code after it doubles the next.
const FIRST_PAUSE_SECONDS: i64 = 30;
const LONGEST_PAUSE_SECONDS: i64 = 900;
/// Most devices remembered at once.
const DEVICES_MAX: usize = 10_000;

/// Makes guessing the codes of MFA devices slow: after five wrong codes in a row a device refuses every code for
/// 30 seconds, after each further one for twice as long, up to 15 minutes. A right code ends the row.
#[derive(Debug, Default)]
pub struct MfaGuesses {
    devices: Mutex<HashMap<String, Row>>,
}

/// The wrong codes of one device since its last right one.
#[derive(Debug, Clone, Copy)]
struct Row {
    wrong: u32,
    /// When a code may be right again; without a pause the time of the last wrong code.
    paused_until: Timestamp,
}

impl MfaGuesses {
    /// What `verify` finds, unless the device pauses. The answer does not tell a pause from a wrong code, and neither
    /// does the time it takes. Attempts are taken one by one, so that many at once are not more than many.
    pub fn attempt<T>(&self, serial: &str, now: Timestamp, verify: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let row = devices.get(serial).copied();
        let found = verify();
        if row.is_some_and(|row| now < row.paused_until) {
            return None;
        }
        if found.is_some() {
            devices.remove(serial);
        } else {
            let wrong = row.map_or(0, |row| row.wrong).saturating_add(1);
            let paused_until = now.plus_seconds(pause_seconds(wrong));
            make_room(&mut devices, serial);
            devices.insert(serial.to_owned(), Row { wrong, paused_until });
        }
        found
    }
}

fn pause_seconds(wrong: u32) -> i64 {
    let Some(doublings) = wrong.checked_sub(WRONG_MAX) else {
        return 0;
    };
    let factor = 2_i64.saturating_pow(doublings);
    FIRST_PAUSE_SECONDS
        .saturating_mul(factor)
        .min(LONGEST_PAUSE_SECONDS)
}

/// The device whose pause is longest over goes first.
fn make_room(devices: &mut HashMap<String, Row>, serial: &str) {
    if devices.len() < DEVICES_MAX || devices.contains_key(serial) {
        return;
    }
    let oldest = devices.iter().min_by_key(|(_, row)| row.paused_until);
    if let Some(oldest) = oldest.map(|(serial, _)| serial.clone()) {
        devices.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn wrong(guesses: &MfaGuesses, serial: &str, seconds: i64) {
        assert_eq!(guesses.attempt(serial, at(seconds), || None::<()>), None);
    }

    fn right(guesses: &MfaGuesses, serial: &str, seconds: i64) -> bool {
        guesses.attempt(serial, at(seconds), || Some(())).is_some()
    }

    #[test]
    fn the_pause_doubles_from_30_seconds_to_15_minutes() {
        let guesses = MfaGuesses::default();
        (0..4).for_each(|_| wrong(&guesses, "phone", 0));
        let mut now = 0;
        for pause in [30, 60, 120, 240, 480, 900, 900] {
            wrong(&guesses, "phone", now);
            assert!(!right(&guesses, "phone", now + pause - 1), "{pause}");
            now += pause;
        }
        assert!(right(&guesses, "phone", now));
    }

    #[test]
    fn codes_given_during_a_pause_do_not_lengthen_it() {
        let guesses = MfaGuesses::default();
        (0..5).for_each(|_| wrong(&guesses, "phone", 0));
        (0..100).for_each(|_| wrong(&guesses, "phone", 29));
        assert!(right(&guesses, "phone", 30));
    }

    #[test]
    fn a_right_code_ends_the_row_of_its_own_device_only() {
        let guesses = MfaGuesses::default();
        for _ in 0..4 {
            wrong(&guesses, "phone", 0);
            wrong(&guesses, "tablet", 0);
        }
        assert!(right(&guesses, "phone", 0));
        wrong(&guesses, "phone", 0);
        wrong(&guesses, "tablet", 0);
        assert!(right(&guesses, "phone", 0));
        assert!(!right(&guesses, "tablet", 0));
    }

    #[test]
    fn no_more_devices_are_remembered_than_there_is_room_for() {
        let guesses = MfaGuesses::default();
        (0..5).for_each(|_| wrong(&guesses, "phone", 0));
        for n in 0..DEVICES_MAX + 10 {
            wrong(&guesses, &n.to_string(), 1);
        }
        assert_eq!(guesses.devices.lock().unwrap().len(), DEVICES_MAX);
        assert!(!right(&guesses, "phone", 1), "who pauses is remembered longest");
    }
}
