//! Literals that are compared by what they mean: versions, dates and patterns.

use std::cmp::Ordering;

use portcullis_core::Timestamp;
use regex::{Regex, RegexBuilder};

/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 64 * 1024;
/// How deep a pattern may nest.
const PATTERN_DEPTH_MAX: u32 = 32;

/// An agent's version: dotted numbers; what follows the last number is not compared.
#[derive(Debug, Clone)]
pub(super) struct Version(Vec<u64>);

impl Version {
    /// Reads `1.14.5`, also with a leading `v` or a trailing `-dev`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('v');
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let numbers = text.get(..end)?.trim_end_matches('.');
        let parts = numbers
            .split('.')
            .map(str::parse)
            .collect::<Result<Vec<u64>, _>>()
            .ok()?;
        Some(Self(parts))
    }

    fn part(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or_default()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = 0..self.0.len().max(other.0.len());
        parts
            .map(|index| self.part(index).cmp(&other.part(index)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// Reads a date: with an offset, with `Z`, without a zone (UTC), or the day alone.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let full = match text.split_once('T') {
        None => format!("{text}T00:00:00Z"),
        Some((_, time)) if time.contains(['Z', 'z', '+', '-']) => text.to_owned(),
        Some(_) => format!("{text}Z"),
    };
    full.parse().ok()
}

/// A pattern that must match the whole value. Look-around and back references have no linear-time form and are
/// refused.
pub(super) fn pattern(text: &str) -> Option<Regex> {
    let build = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        builder
            .size_limit(PATTERN_BYTES_MAX)
            .nest_limit(PATTERN_DEPTH_MAX);
        builder.build().ok()
    };
    // Alone first: `a)(b` would otherwise close the group around it.
    build(text)?;
    build(&format!(r"\A(?:{text})\z"))
}
