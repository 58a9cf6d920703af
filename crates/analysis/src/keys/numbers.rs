//! Numbers that stand for all others: each number a policy compares with, and one in every gap between them.

use portcullis_policy::elements::{self, Number};

/// What is beyond every number of a policy, and no further (the policy crate reads exponents up to a million).
const MAX_PLACE: i64 = 900_000;

/// A little further from zero: less than any number with at most `digits` digits could tell.
fn further(number: &Number, digits: usize) -> Number {
    let mut longer = number.digits.clone();
    longer.extend(std::iter::repeat_n(
        '0',
        (digits + 1).saturating_sub(longer.len()),
    ));
    longer.push('1');
    Number {
        digits: longer,
        ..number.clone()
    }
}

/// The number as people write it, while that is short.
fn text(number: &Number) -> String {
    let Number {
        negative,
        digits,
        place,
    } = number;
    let sign = if *negative { "-" } else { "" };
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    match *place {
        _ if digits.is_empty() => "0".to_owned(),
        place if (-20..=0).contains(&place) => {
            let zeros = "0".repeat(usize::try_from(-place).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        place if (length..=40).contains(&place) => {
            let zeros = "0".repeat(usize::try_from(place - length).unwrap_or(0));
            format!("{sign}{digits}{zeros}")
        }
        place if (1..=40).contains(&place) => {
            let (whole, fraction) = digits.split_at(usize::try_from(place).unwrap_or(0));
            format!("{sign}{whole}.{fraction}")
        }
        place => format!("{sign}0.{digits}e{place}"),
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
        // What the policy crate does not read as a number is none: nothing compares with it.
        let Some(number) = elements::number(value) else {
            continue;
        };
        if number.place.abs() > MAX_PLACE {
            return None;
        }
        numbers.push(number);
    }
    let digits = numbers
        .iter()
        .map(|number| number.digits.len())
        .max()
        .unwrap_or(0);
    let smallest = numbers.iter().map(|number| number.place).min().unwrap_or(0);
    for number in numbers.iter().filter(|number| !number.digits.is_empty()) {
        texts.extend([text(number), text(&further(number, digits))]);
    }
    let near_zero = |negative| Number {
        negative,
        digits: "1".to_owned(),
        place: smallest.min(0) - 1,
    };
    texts.extend(["0".to_owned(), text(&near_zero(false)), text(&near_zero(true))]);
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
