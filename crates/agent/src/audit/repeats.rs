//! Which lines are copied to the control plane: all, but of one that repeats itself only so many. A container that asks over
//! and over must not push what others did out of the history; the host's own file has every line.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_core::Timestamp;

/// Copies of one kind of line at once.
const BURST: i64 = 20;
/// After that, one in so many milliseconds.
const INTERVAL_MILLIS: i64 = 10_000;
/// Kinds remembered; beyond it, those that are quiet are forgotten.
const KINDS_MAX: usize = 4_096;

/// What makes two lines of a kind: caller, outcome, task.
pub(super) type Kind = (String, u16, Option<String>);

/// By kind, when its allowance is whole again, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<HashMap<Kind, i64>>);

impl Repeats {
    /// Whether one more of this kind is copied.
    pub(super) fn allow(&self, kind: Kind, now: Timestamp) -> bool {
        let now = now.as_millis();
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= KINDS_MAX && !kinds.contains_key(&kind) {
            kinds.retain(|_, whole_at| *whole_at > now);
            if kinds.len() >= KINDS_MAX {
                return false;
            }
        }
        let whole_at = kinds.entry(kind).or_insert(now);
        let from = (*whole_at).max(now);
        let allowed = from - now <= INTERVAL_MILLIS * (BURST - 1);
        if allowed {
            *whole_at = from + INTERVAL_MILLIS;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_is_copied_now_and_then_and_others_always() {
        let repeats = Repeats::default();
        let kind = |source: &str| (source.to_owned(), 200, None);
        let at = Timestamp::from_seconds;
        let allowed = |seconds| (0..500).filter(|_| repeats.allow(kind("a"), at(seconds))).count();
        assert_eq!(allowed(1_000), 20);
        assert_eq!(allowed(1_030), 3);
        assert!(repeats.allow(kind("b"), at(1_030)));
        assert_eq!(allowed(9_000), 20);
    }
}
