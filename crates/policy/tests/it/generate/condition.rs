//! Conditions about a question's context.

use portcullis_policy::Context;
use serde_json::{Map, Value as Json, json};

use super::catalog::{self, KEYS, SHAPES, Shape};
use super::dice::Dice;
use super::text;
use crate::naive::Question;

/// A condition block of one to three conditions.
pub fn conditions(dice: &mut Dice, question: &Question) -> Json {
    let mut block = Map::new();
    for _ in 0..dice.weighted(&[1, 6, 2, 1]) {
        let (operator, key, values) = condition(dice, question);
        let keys = block.entry(operator).or_insert_with(|| json!({}));
        let keys = keys.as_object_mut().expect("an object");
        // Keys that differ only in case are duplicates (R3).
        if !keys.keys().any(|known| known.eq_ignore_ascii_case(&key)) {
            keys.insert(key, values);
        }
    }
    Json::Object(block)
}

fn condition(dice: &mut Dice, question: &Question) -> (String, String, Json) {
    let (key, shape, asked) = subject(dice, &question.context);
    let operator = if dice.chance(8) {
        "Null"
    } else {
        let shape = if dice.chance(85) {
            shape
        } else {
            SHAPES[dice.below(SHAPES.len())]
        };
        dice.pick(shape.operators())
    };
    let values = if operator == "Null" {
        null_values(dice)
    } else {
        values(dice, operator, shape, asked.as_deref(), question)
    };
    let key = if dice.chance(20) {
        text::other_case(dice, &key)
    } else {
        key
    };
    (decorated(dice, operator), key, values)
}

fn null_values(dice: &mut Dice) -> Json {
    let word = dice.pick(&["true", "false", "True", "no"]);
    match dice.weighted(&[8, 1, 1]) {
        0 => word.into(),
        1 => json!([word, "false"]),
        _ => json!([]),
    }
}

/// With a set operator and IfExists, sometimes. Null takes no IfExists (R22).
fn decorated(dice: &mut Dice, operator: &str) -> String {
    let prefix = ["", "ForAllValues:", "ForAnyValue:"][dice.weighted(&[7, 2, 2])];
    let suffix = if operator != "Null" && dice.chance(20) {
        "IfExists"
    } else {
        ""
    };
    format!("{prefix}{operator}{suffix}")
}

/// A key, mostly one the question has, with the shape of its values and one of them.
fn subject(dice: &mut Dice, context: &Context) -> (String, Shape, Option<String>) {
    let known: Vec<_> = context.iter().collect();
    if known.is_empty() || dice.chance(12) {
        let (key, shape, _) = catalog::key(dice);
        return (key.to_owned(), shape, None);
    }
    let (key, value) = known[dice.below(known.len())];
    let shape = KEYS
        .iter()
        .find(|(name, ..)| name.eq_ignore_ascii_case(key))
        .map_or(Shape::Text, |(_, shape, _)| *shape);
    (key.to_owned(), shape, value.values().first().cloned())
}

fn values(dice: &mut Dice, operator: &str, shape: Shape, asked: Option<&str>, question: &Question) -> Json {
    let value = |dice: &mut Dice| match asked {
        Some(asked) if dice.chance(70) => wanted(dice, operator, asked, question),
        _ => dice.pick(shape.values()).to_owned(),
    };
    let date = operator.starts_with("Date");
    let fit = |dice: &mut Dice| {
        let value = value(dice);
        // Dates that are none are refused (R23).
        let value = if date && !is_date(&value) {
            "2026-11-22T10:00:00Z".to_owned()
        } else {
            value
        };
        literal(dice, value)
    };
    match dice.weighted(&[8, 3, 2, 1]) {
        0 => fit(dice),
        1 => json!([fit(dice)]),
        2 => json!([fit(dice), fit(dice)]),
        _ => json!([]),
    }
}

fn is_date(text: &str) -> bool {
    let known = Shape::Date.values().contains(&text) || text.bytes().all(|b| b.is_ascii_digit());
    let bad = [
        "",
        "1795341600.5",
        "-1",
        "2023-02-29",
        "2026-11-22T24:00:00Z",
        "2026-11-22t10:00:00z",
        "2026-11-22T10:00:60Z",
    ];
    known && text.len() < 15 && !bad.contains(&text)
}

/// Numbers and booleans may stand without quotes (R16).
fn literal(dice: &mut Dice, value: String) -> Json {
    let bare = matches!(value.as_str(), "true" | "false")
        || (value.len() < 15 && value.parse::<i64>().is_ok_and(|n| n.to_string() == value));
    if bare && dice.chance(30) {
        return serde_json::from_str(&value).expect("JSON");
    }
    Json::String(value)
}

/// What a policy that means this value, or nearly, would say.
fn wanted(dice: &mut Dice, operator: &str, asked: &str, question: &Question) -> String {
    match dice.weighted(&[5, 2, 3, 2, 2]) {
        0 => asked.to_owned(),
        1 => text::near(dice, asked),
        2 if operator.contains("Like") || operator.contains("Arn") => text::glob(dice, asked),
        2 if operator.contains("Ip") => network(dice, asked),
        2 if operator.contains("Numeric") => format!("{asked}.0"),
        2 => asked.to_owned(),
        3 => variable(dice, asked, question),
        _ if operator.contains("Like") => asked.replace('*', "${*}").replace('?', "${?}"),
        _ => asked.to_owned(),
    }
}

fn network(dice: &mut Dice, asked: &str) -> String {
    let length = dice.pick(&[
        "0", "8", "24", "31", "32", "33", "64", "96", "104", "128", "129", "08", "+8", "",
    ]);
    format!("{asked}/{length}")
}

/// The text with a variable in it: in the place of a value of the context, if one occurs, else anywhere.
pub fn variable(dice: &mut Dice, text: &str, question: &Question) -> String {
    let known = question
        .context
        .iter()
        .filter_map(|(key, value)| Some((key, value.values().first()?)));
    let known: Vec<_> = known
        .filter(|(_, value)| !value.is_empty() && text.contains(value.as_str()))
        .collect();
    if known.is_empty() || dice.chance(30) {
        let (key, ..) = catalog::key(dice);
        let variable = match dice.below(6) {
            0 => format!("${{{key}}}"),
            1 => format!("${{{key}, 'richard'}}"),
            2 => format!("${{{key},'richard'}}"),
            3 => "${*}".to_owned(),
            4 => "${$}${?}".to_owned(),
            _ => format!("${{{key}"),
        };
        return text.replacen(dice.pick(&["richard", "default", "1", "x"]), &variable, 1);
    }
    let (key, value) = known[dice.below(known.len())];
    let variable = match dice.below(3) {
        0 => format!("${{{key}, 'y'}}"),
        1 => format!("${{{}}}", text::other_case(dice, key)),
        _ => format!("${{{key}}}"),
    };
    text.replacen(value.as_str(), &variable, 1)
}
