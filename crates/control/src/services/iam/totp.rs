//! One-time codes (RFC 6238 over HMAC-SHA-1, six digits, steps of 30 seconds): what virtual MFA devices show.

use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_core::Timestamp;
use sha1::Sha1;

/// Seconds a code is shown.
const STEP_SECONDS: i64 = 30;
/// Steps a device's clock may be off in daily use.
const WINDOW: i64 = 1;
/// Steps a device's clock may be off when it is enabled or resynchronised.
const SYNC_WINDOW: i64 = 20;

/// The code of one step: six digits as a number. `None` only when the seed is no HMAC key.
pub fn code(seed: &[u8], step: i64) -> Option<u32> {
    let mut mac = Hmac::<Sha1>::new_from_slice(seed).ok()?;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest.last()? & 0x0f);
    let bytes: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
    Some((u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000)
}

/// The six digits a caller sent; anything else is no code.
fn digits(text: &str) -> Option<u32> {
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The number of the step an instant belongs to.
pub fn step_of(now: Timestamp) -> i64 {
    now.as_seconds().div_euclid(STEP_SECONDS)
}

/// The step whose code was given, if it is near now and later than the last one accepted: a code works once.
pub fn verify(seed: &[u8], given: &str, now: Timestamp, last_step: i64, drift: i64) -> Option<i64> {
    let given = digits(given)?;
    let middle = step_of(now).saturating_add(drift);
    let steps = (middle - WINDOW)..=(middle + WINDOW);
    steps
        .filter(|step| *step > last_step)
        .find(|step| code(seed, *step) == Some(given))
}

/// The step of the second of two consecutive codes, and how many steps the device's clock is off.
pub(super) fn synchronise(
    seed: &[u8],
    codes: [&str; 2],
    now: Timestamp,
    last_step: i64,
) -> Option<(i64, i64)> {
    let [first, second] = [digits(codes[0])?, digits(codes[1])?];
    let middle = step_of(now);
    // Near steps first: two pairs of codes may agree by chance.
    let offsets = (0..=SYNC_WINDOW).flat_map(|distance| [-distance, distance]);
    let fits = |step: &i64| {
        *step - 1 > last_step && code(seed, *step - 1) == Some(first) && code(seed, *step) == Some(second)
    };
    let step = offsets.map(|offset| middle + offset).find(fits)?;
    // The second code of a right clock is of this step or, when the caller was quick, of the next.
    let drift = step - middle;
    Some((step, if drift.abs() <= WINDOW { 0 } else { drift }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let vectors = [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ];
        for (seconds, eight_digits) in vectors {
            assert_eq!(
                code(SEED, step_of(at(seconds))),
                Some(eight_digits % 1_000_000),
                "{seconds}"
            );
        }
    }

    fn shown(step: i64) -> String {
        format!("{:06}", code(SEED, step).unwrap())
    }

    #[test]
    fn a_code_works_once_and_within_one_step() {
        let now = at(3_000_000);
        let step = step_of(now);
        for near in [step - 1, step, step + 1] {
            assert_eq!(verify(SEED, &shown(near), now, 0, 0), Some(near));
        }
        assert_eq!(verify(SEED, &shown(step), now, step, 0), None);
        assert_eq!(verify(SEED, &shown(step - 1), now, step, 0), None);
        assert_eq!(verify(SEED, &shown(step + 2), now, 0, 0), None);
        assert_eq!(verify(SEED, &shown(step + 2), now, 0, 1), Some(step + 2));
    }

    #[test]
    fn what_is_not_six_digits_is_no_code() {
        for text in ["", "12345", "1234567", "12345a", "+12345", "１２３４５６"] {
            assert_eq!(verify(SEED, text, at(0), -5, 0), None, "{text}");
        }
    }

    #[test]
    fn two_consecutive_codes_find_the_drift() {
        let now = at(3_000_000);
        let step = step_of(now);
        let pair = |step: i64| synchronise(SEED, [&shown(step - 1), &shown(step)], now, 0);
        assert_eq!(pair(step), Some((step, 0)));
        assert_eq!(pair(step + 1), Some((step + 1, 0)));
        assert_eq!(pair(step - 7), Some((step - 7, -7)));
        assert_eq!(pair(step + SYNC_WINDOW + 1), None);
        assert_eq!(synchronise(SEED, [&shown(step), &shown(step - 1)], now, 0), None);
        assert_eq!(
            synchronise(SEED, [&shown(step - 1), &shown(step)], now, step),
            None
        );
    }
}
