//! Numbers that stand for all others: each number a policy compares with, and one in every gap between them.

/// What is beyond every number of a policy, and no further (the policy crate reads exponents up to a million).
const MAX_PLACE: i64 = 900_000;

/// A number's significant digits and the place of the first one: 0.DIGITS times ten to `place`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    negative: bool,
    digits: String,
    place: i64,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let skipped = i64::try_from(all.len() - significant.len()).ok()?;
        let place = i64::try_from(whole.len()).ok()?.checked_add(exponent)? - skipped;
        (place.abs() <= MAX_PLACE).then(|| Self {
            negative,
            digits: significant.trim_end_matches('0').to_owned(),
            place,
        })
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// A little further from zero: less than any number with at most `digits` digits could tell.
    fn further(&self, digits: usize) -> Self {
        let mut longer = self.digits.clone();
        longer.extend(std::iter::repeat_n(
            '0',
            (digits + 1).saturating_sub(longer.len()),
        ));
        longer.push('1');
        Self {
            digits: longer,
            ..self.clone()
        }
    }

    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let length = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        match self.place {
            _ if self.is_zero() => "0".to_owned(),
            place if (-20..=0).contains(&place) => {
                let zeros = "0".repeat(usize::try_from(-place).unwrap_or(0));
                format!("{sign}0.{zeros}{}", self.digits)
            }
            place if (length..=40).contains(&place) => {
                let zeros = "0".repeat(usize::try_from(place - length).unwrap_or(0));
                format!("{sign}{}{zeros}", self.digits)
            }
            place if (1..=40).contains(&place) => {
                let (whole, fraction) = self.digits.split_at(usize::try_from(place).unwrap_or(0));
                format!("{sign}{whole}.{fraction}")
            }
            place => format!("{sign}0.{}e{place}", self.digits),
        }
    }
}

/// Candidates for numbers compared with these values, readable ones first; `None` when a value is too extreme for an
/// exact answer.
pub(super) fn candidates(values: &[&str]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    let mut numbers = Vec::new();
    for value in values {
        if let Ok(whole) = value.parse::<i64>() {
            texts.extend([whole.saturating_add(1), whole.saturating_sub(1), whole].map(|n| n.to_string()));
        }
        match Number::parse(value) {
            Some(number) => numbers.push(number),
            // What the policy crate cannot read either is no number; a number with a huge exponent may be one.
            None if value.contains(['e', 'E']) => return None,
            None => {}
        }
    }
    let digits = numbers
        .iter()
        .map(|number| number.digits.len())
        .max()
        .unwrap_or(0);
    let smallest = numbers.iter().map(|number| number.place).min().unwrap_or(0);
    for number in numbers.iter().filter(|number| !number.is_zero()) {
        texts.extend([number.text(), number.further(digits).text()]);
    }
    let near_zero = |negative| Number {
        negative,
        digits: "1".to_owned(),
        place: smallest.min(0) - 1,
    };
    texts.extend(["0".to_owned(), near_zero(false).text(), near_zero(true).text()]);
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_has_a_number() {
        let texts = candidates(&["10", "10.5", "-3", "1e2"]).unwrap();
        let numbers: Vec<f64> = texts.iter().map(|text| text.parse().unwrap()).collect();
        for (low, high) in [
            (10.0, 10.5),
            (10.5, 100.0),
            (-3.0, 0.0),
            (0.0, 10.0),
            (100.0, 1e9),
            (-1e9, -3.0),
        ] {
            assert!(
                numbers.iter().any(|n| low < *n && *n < high),
                "{low} {high} {texts:?}"
            );
        }
    }
}
