//! Points in time, in milliseconds since the epoch: the finest step AWS's JSON timestamps show.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// The text is neither ISO 8601 nor seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a time")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds with their fraction, as JSON 1.1 sends them.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this millennium fit in 53 bits"
    )]
    pub fn as_fractional_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// From seconds with a fraction; what is not finite becomes the epoch.
    #[expect(clippy::cast_possible_truncation, reason = "float-to-int casts saturate")]
    pub fn from_fractional_seconds(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// The instant `seconds` later (earlier when negative).
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Whole seconds from `earlier` to this instant; negative when `earlier` is later.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1000)
    }

    /// `2026-11-22T01:02:03Z`: whole seconds, UTC. Query services and CloudTrail print this.
    pub fn to_iso(self) -> String {
        // Every request prints a few of these: `strftime` takes ten times as long.
        let utc = jiff::tz::Offset::UTC.to_datetime(self.instant());
        let (year, month, day) = (utc.year(), utc.month(), utc.day());
        let (hour, minute, second) = (utc.hour(), utc.minute(), utc.second());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `20261122T010203Z`: the basic form of SigV4.
    pub fn to_amz_date(self) -> String {
        self.format("%Y%m%dT%H%M%SZ")
    }

    /// Formats with `strftime` directives, in UTC.
    pub fn format(self, directives: &str) -> String {
        self.instant().strftime(directives).to_string()
    }

    fn instant(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Reads the basic form of SigV4.
    pub fn from_amz_date(text: &str) -> Result<Self, InvalidTimestamp> {
        let invalid = || InvalidTimestamp(text.to_owned());
        if text.len() != 16 {
            return Err(invalid());
        }
        let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).map_err(|_| invalid())?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| invalid())?;
        Ok(Self(zoned.timestamp().as_millisecond()))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads ISO 8601 with `Z` or an offset, or seconds since the epoch.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(instant.as_millisecond()));
        }
        text.parse::<f64>()
            .ok()
            .filter(|seconds| seconds.is_finite())
            .map(Self::from_fractional_seconds)
            .ok_or_else(|| InvalidTimestamp(text.to_owned()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_iso())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_agree() {
        let t = Timestamp::from_seconds(1_795_304_278);
        assert_eq!(t.to_iso(), "2026-11-21T23:37:58Z");
        assert_eq!(t.to_amz_date(), "20261121T233758Z");
        assert_eq!(Timestamp::from_amz_date("20261121T233758Z"), Ok(t));
        assert_eq!("2026-11-21T23:37:58Z".parse(), Ok(t));
        assert_eq!("2026-11-22T00:37:58+01:00".parse(), Ok(t));
        assert_eq!("1795304278".parse(), Ok(t));
        assert_eq!(
            Timestamp::from_fractional_seconds(1_795_304_278.737).as_millis(),
            1_795_304_278_737
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "yesterday", "NaN", "2026-13-01T00:00:00Z"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
        for bad in ["", "20261121T233758", "20261121T233758Zx", "2026-11-21T23:3Z"] {
            assert!(Timestamp::from_amz_date(bad).is_err(), "{bad}");
        }
    }
}
