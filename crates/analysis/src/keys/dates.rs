//! Instants that stand for all others: each instant a policy compares with, and its neighbours.

use portcullis_policy::elements::date_nanos;

const NANOS: i128 = 1_000_000_000;
const DAY: i128 = 86_400;

/// Years printed as dates; outside them instants are printed as seconds since the epoch.
const YEARS: std::ops::RangeInclusive<i128> = 0..=9_999;

/// Candidates for dates compared with these values, readable ones first.
pub(super) fn candidates(values: &[&str]) -> Vec<String> {
    let instants: Vec<i128> = values.iter().filter_map(|value| date_nanos(value)).collect();
    let mut texts = Vec::new();
    for shift in [DAY * NANOS, -DAY * NANOS, NANOS, -NANOS, 0, 1, -1] {
        texts.extend(instants.iter().map(|instant| text(instant + shift)));
    }
    texts.push("2026-01-01T00:00:00Z".to_owned());
    texts
}

/// An instant as policies write it.
fn text(nanos: i128) -> String {
    let seconds = nanos.div_euclid(NANOS);
    let fraction = nanos.rem_euclid(NANOS);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    if !YEARS.contains(&year) {
        return if seconds < 0 {
            format!("-{:04}-{month:02}-{day:02}", -year)
        } else {
            seconds.to_string()
        };
    }
    let second = seconds.rem_euclid(DAY);
    let clock = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{fraction:09}")
    };
    format!("{year:04}-{month:02}-{day:02}T{clock}{fraction}Z")
}

/// Year, month and day of a day since the epoch, in the proleptic Gregorian calendar; years begin in March inside.
fn civil(days: i128) -> (i128, i128, i128) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 {
        months_since_march + 3
    } else {
        months_since_march - 9
    };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_printed_as_they_are_read() {
        for date in [
            "2026-11-21T23:37:58Z",
            "1970",
            "1600-02-29",
            "0001-01-01T00:00:00.000000001Z",
            "9999-12-31T23:59:59Z",
        ] {
            let nanos = date_nanos(date).unwrap();
            assert_eq!(date_nanos(&text(nanos)), Some(nanos), "{date} {}", text(nanos));
        }
        assert_eq!(text(date_nanos("2024-02-29").unwrap()), "2024-02-29T00:00:00Z");
    }
}
