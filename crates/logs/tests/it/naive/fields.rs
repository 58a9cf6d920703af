//! Fields between spaces.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub enum Part {
    Ellipsis,
    /// Name and a condition: operator and value, joined with the next by and or or.
    Field(Option<(Vec<(&'static str, &'static str)>, bool)>),
}

pub fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "ab", "ba", "5", "7.5", "1e1", "x1", "-"])
}

pub fn pattern() -> impl Strategy<Value = Vec<Part>> {
    let numeric = (
        prop::sample::select(vec!["=", "!=", "<", ">=", ">"]),
        prop::sample::select(vec!["5", "7", "10", "-1.5"]),
    );
    let text = (
        prop::sample::select(vec!["=", "!=", "=!"]),
        prop::sample::select(vec!["a", "a*", "*a", "*", "*b*", "5*"]),
    );
    let conditions = prop::collection::vec(prop_oneof![numeric, text], 1..3);
    let field = prop::option::of((conditions, any::<bool>())).prop_map(Part::Field);
    (prop::collection::vec(field, 0..4), prop::option::of(0..4_usize)).prop_map(|(mut parts, ellipsis)| {
        if let Some(at) = ellipsis {
            parts.insert(at.min(parts.len()), Part::Ellipsis);
        }
        parts
    })
}

pub fn write(parts: &[Part]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(number, part)| match part {
            Part::Ellipsis => "...".to_owned(),
            Part::Field(None) => format!("f{number}"),
            Part::Field(Some((conditions, is_and))) => {
                let written: Vec<String> = conditions
                    .iter()
                    .map(|(operator, value)| format!("f{number} {operator}{value}"))
                    .collect();
                written.join(if *is_and { " && " } else { "||" })
            }
        })
        .collect();
    format!("[{}]", parts.join(", "))
}

/// By trying what the ellipsis could stand for. Without any part anything matches.
pub fn matches(parts: &[Part], values: &[&str]) -> bool {
    if parts.is_empty() {
        return true;
    }
    fit(parts, values)
}

fn fit(parts: &[Part], values: &[&str]) -> bool {
    match parts.split_first() {
        None => values.is_empty(),
        Some((Part::Ellipsis, rest)) => (0..=values.len()).any(|skipped| fit(rest, &values[skipped..])),
        Some((Part::Field(conditions), rest)) => values.split_first().is_some_and(|(value, others)| {
            let is_met = conditions.as_ref().is_none_or(|(conditions, is_and)| {
                let mut held = conditions
                    .iter()
                    .map(|(operator, wanted)| holds(operator, wanted, value));
                if *is_and {
                    held.all(|held| held)
                } else {
                    held.any(|held| held)
                }
            });
            is_met && fit(rest, others)
        }),
    }
}

fn holds(operator: &str, wanted: &str, value: &str) -> bool {
    let numbers = wanted.parse::<f64>().ok().zip(value.parse::<f64>().ok());
    let is_equal = match numbers {
        Some((wanted, value)) => wanted == value,
        None => {
            let inner = wanted.trim_matches('*');
            match (wanted.starts_with('*'), wanted.ends_with('*')) {
                (true, true) => value.contains(inner),
                (true, false) => value.ends_with(inner),
                (false, true) => value.starts_with(inner),
                (false, false) => value == inner,
            }
        }
    };
    match operator {
        "=" => is_equal,
        "!=" | "=!" => !is_equal,
        "<" => numbers.is_some_and(|(wanted, value)| value < wanted),
        ">" => numbers.is_some_and(|(wanted, value)| value > wanted),
        _ => numbers.is_some_and(|(wanted, value)| value >= wanted),
    }
}
