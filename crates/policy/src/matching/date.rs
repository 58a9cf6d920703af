//! Dates in policies: ISO 8601 as the W3C profiles it, or seconds since the epoch (R23, R81).

use crate::open_points;

/// An instant: nanoseconds since the epoch. Wide enough for every year IAM accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(i128);

const NANOS: i128 = 1_000_000_000;
const YEARS: std::ops::RangeInclusive<i64> = -292_275_054..=292_278_993;

impl Instant {
    /// Nanoseconds since the epoch.
    pub(crate) fn nanos(self) -> i128 {
        self.0
    }

    /// Reads a date; as lenient as IAM, which accepts `2016-12-13t2:00:00.593194+23` and `01T`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if open_points::r81_date_is_refused(text) {
            return None;
        }
        let is_epoch = text.bytes().all(|b| b.is_ascii_digit())
            && !(text.len() == 4 && open_points::r81_four_digits_are_a_year());
        if is_epoch {
            return text
                .parse::<i64>()
                .ok()
                .map(|seconds| Self(i128::from(seconds) * NANOS));
        }
        let (date, time) = text.split_once(['T', 't']).unwrap_or((text, ""));
        let days = days_since_epoch(date)?;
        let nanos = nanos_of_day(time)?;
        Some(Self(i128::from(days) * 86_400 * NANOS + nanos))
    }
}

fn number(text: &str, max_digits: usize) -> Option<i64> {
    let valid = !text.is_empty() && text.len() <= max_digits && text.bytes().all(|b| b.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn number_in(text: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    number(text, 2).filter(|n| range.contains(n))
}

/// `[-]year[-month[-day]]`.
fn days_since_epoch(date: &str) -> Option<i64> {
    let (sign, unsigned) = date.strip_prefix('-').map_or((1, date), |rest| (-1, rest));
    let mut parts = unsigned.split('-');
    let year = sign * number(parts.next()?, 9)?;
    let month = parts.next().map_or(Some(1), |text| number_in(text, 1..=12))?;
    let day = parts.next().map_or(Some(1), |text| number_in(text, 1..=31))?;
    if parts.next().is_some() || !YEARS.contains(&year) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that the leap
/// day is the last one.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

/// `[hour[:minute[:second[.fraction]]]][zone]`, in UTC when no zone is given.
fn nanos_of_day(time: &str) -> Option<i128> {
    let (clock, zone_minutes) = split_zone(time)?;
    if clock.is_empty() {
        return Some(-i128::from(zone_minutes) * 60 * NANOS);
    }
    let mut parts = clock.split(':');
    let hour = number_in(parts.next()?, 0..=23)?;
    let minute = parts.next().map_or(Some(0), |text| number_in(text, 0..=59))?;
    let (second, fraction) = parts.next().map_or(Some((0, 0)), second_and_nanos)?;
    if parts.next().is_some() {
        return None;
    }
    let seconds = (hour * 60 + minute - zone_minutes) * 60 + second;
    Some(i128::from(seconds) * NANOS + i128::from(fraction))
}

fn second_and_nanos(text: &str) -> Option<(i64, i64)> {
    let Some((second, fraction)) = text.split_once('.') else {
        return Some((number_in(text, 0..=59)?, 0));
    };
    let digits = u32::try_from(fraction.len()).ok()?;
    let nanos = number(fraction, 9)? * 10i64.checked_pow(9u32.checked_sub(digits)?)?;
    Some((number_in(second, 0..=59)?, nanos))
}

/// The clock part and the zone's minutes east of Greenwich.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let (clock, zone, sign) = if let Some((clock, zone)) = time.split_once('+') {
        (clock, zone, 1)
    } else if let Some((clock, zone)) = time.split_once('-') {
        (clock, zone, -1)
    } else {
        return Some((time, 0));
    };
    let (hours, minutes) = zone.split_once(':').unwrap_or((zone, "00"));
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    Some((
        clock,
        sign * (number_in(hours, 0..=23)? * 60 + number_in(minutes, 0..=59)?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<i128> {
        Instant::parse(text).map(|Instant(nanos)| nanos / NANOS)
    }

    #[test]
    fn r81_both_notations_give_the_same_instant() {
        assert_eq!(seconds("2026-11-21T23:37:58Z"), Some(1_795_304_278));
        assert_eq!(
            Instant::parse("2026-11-21T23:37:58Z"),
            Instant::parse("1795304278")
        );
        assert_eq!(
            Instant::parse("2026-11-22T00:37:58+01:00"),
            Instant::parse("2026-11-21T23:37:58Z")
        );
        assert_eq!(
            Instant::parse("2026-11-21T18:37:58-05:00"),
            Instant::parse("2026-11-21T23:37:58Z")
        );
        assert!(Instant::parse("2026-11-21T23:37:58.5Z") > Instant::parse("2026-11-21T23:37:58Z"));
        assert!(Instant::parse("1700000000") > Instant::parse("2020-01-01"));
    }

    #[test]
    fn r23_shorter_forms_mean_their_beginning() {
        assert_eq!(seconds("1970"), Some(0));
        assert_eq!(seconds("1970-02"), Some(31 * 86_400));
        assert_eq!(seconds("2000-03-01"), Some(951_868_800));
        assert_eq!(seconds("1969-12-31T23:59"), Some(-60));
        assert_eq!(seconds("0"), Some(0));
    }

    #[test]
    fn r23_what_iam_accepts_and_refuses() {
        for good in [
            "01T",
            "-292275054",
            "2016-12-13t2:00:00.593194+23",
            "2016-12-13T21:20:37.593194+00:00",
            "2024-02-29",
        ] {
            assert!(Instant::parse(good).is_some(), "{good}");
        }
        let bad = [
            "sdfdsf",
            "234-13",
            "2016-12-13t2:00:00.593194+1",
            "2016-12-13t2:00:00.1999999999+10:59",
            "9223372036854775808",
            "2026-01-01T24:00:00Z",
            "2026-01-32",
            "2026-01-01-01",
            "2026-01-01T1:2:3:4",
            "T",
            "-",
        ];
        for text in bad {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }
}
