//! Decimal numbers, compared exactly: `10` equals `10.0`, and no digit is lost (R80).

use std::cmp::Ordering;

use crate::elements::Number;
use crate::open_points;

/// Exponents beyond this are refused; no key of AWS comes near it.
const MAX_EXPONENT: i64 = 1_000_000;

/// A number as its significant digits and the place of the first one: 0.DIGITS times ten to `place`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal<'a> {
    negative: bool,
    place: i64,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// Reads `[+-]digits[.digits][e[+-]digits]`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if open_points::r80_number_is_refused(text) {
            return None;
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return None;
        }
        if exponent.abs() > MAX_EXPONENT {
            return None;
        }
        Some(Self::normal(negative, whole, fraction, exponent))
    }

    /// Drops zeros that carry nothing, so that equal numbers have equal digits.
    fn normal(negative: bool, whole: &'a str, fraction: &'a str, exponent: i64) -> Self {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.is_empty() {
            let significant = fraction.trim_start_matches('0');
            let skipped = length(fraction) - length(significant);
            let is_zero = significant.is_empty();
            let place = if is_zero { 0 } else { exponent - skipped };
            return Self {
                negative: negative && !is_zero,
                place,
                whole: "",
                fraction: significant,
            };
        }
        Self {
            negative,
            place: length(whole) + exponent,
            whole,
            fraction,
        }
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = u8> + '_ {
        let trailing_zeros = if self.fraction.is_empty() {
            self.whole.len() - self.whole.trim_end_matches('0').len()
        } else {
            0
        };
        let significant = self.whole.len() + self.fraction.len() - trailing_zeros;
        self.whole.bytes().chain(self.fraction.bytes()).take(significant)
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self
                .place
                .cmp(&other.place)
                .then_with(|| self.digits().cmp(other.digits())),
        }
    }

    /// Its sign, digits and place.
    pub(crate) fn number(&self) -> Number {
        Number {
            negative: self.negative,
            digits: self.digits().map(char::from).collect(),
            place: self.place,
        }
    }

    /// Orders two numbers by value.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(a: &str, b: &str) -> Option<Ordering> {
        Some(Decimal::parse(a)?.compare(&Decimal::parse(b)?))
    }

    #[test]
    fn r80_numbers_compare_by_value() {
        for equal in [
            ("10", "10.0"),
            ("-0", "0"),
            ("1e3", "1000"),
            ("0.05", "5E-2"),
            ("+7", "007"),
            (".5", "0.50"),
            ("1.", "1"),
        ] {
            assert_eq!(compare(equal.0, equal.1), Some(Ordering::Equal), "{equal:?}");
        }
        for less in [
            ("2", "10"),
            ("-10", "-2"),
            ("-1", "0"),
            ("0", "0.001"),
            ("0.09", "0.1"),
            ("9007199254740992", "9007199254740993"),
        ] {
            assert_eq!(compare(less.0, less.1), Some(Ordering::Less), "{less:?}");
            assert_eq!(compare(less.1, less.0), Some(Ordering::Greater), "{less:?}");
        }
    }

    #[test]
    fn r80_what_is_not_a_number_is_refused() {
        for bad in [
            "",
            "-",
            ".",
            "1.2.3",
            "1e",
            "abc",
            "NaN",
            "inf",
            " 1",
            "1 ",
            "0x1",
            "1e9999999",
            "١",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_integers(a in -100_000i64..100_000, b in -100_000i64..100_000, shift in 0u32..4) {
            let shifted = |n: i64| format!("{}e{shift}", n);
            prop_assert_eq!(compare(&shifted(a), &shifted(b)), Some(a.cmp(&b)));
            let scaled = a * 10i64.pow(shift);
            prop_assert_eq!(compare(&shifted(a), &scaled.to_string()), Some(Ordering::Equal));
        }
    }
}
