//! JSON selectors.

use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub enum Condition {
    Or(Box<Condition>, Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Test(Vec<Step>, Test),
}

#[derive(Debug, Clone)]
pub enum Step {
    Name(&'static str),
    Quoted(&'static str),
    Number(usize),
}

#[derive(Debug, Clone)]
pub enum Test {
    Number(&'static str, i32, i32),
    Text(bool, bool, &'static str, bool),
    Null,
    True,
    False,
    Missing,
}

const NAMES: [&str; 3] = ["a", "b-c", "d_1"];
const TEXTS: [&str; 4] = ["x", "xy", "yx", "12"];

fn selector() -> impl Strategy<Value = Vec<Step>> {
    let name = prop_oneof![
        prop::sample::select(&NAMES[..]).prop_map(Step::Name),
        prop::sample::select(vec!["a", "p.q"]).prop_map(Step::Quoted),
    ];
    let more = prop_oneof![name.clone(), (0..2_usize).prop_map(Step::Number)];
    (name, prop::collection::vec(more, 0..2)).prop_map(|(first, mut more)| {
        more.insert(0, first);
        more
    })
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        4 => (prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]), -3..20_i32, -1..2_i32)
            .prop_map(|(operator, number, exponent)| Test::Number(operator, number, exponent)),
        4 => (any::<bool>(), any::<bool>(), prop::sample::select(&TEXTS[..]), any::<bool>())
            .prop_map(|(before, behind, text, equal)| Test::Text(before, behind, text, equal)),
        1 => Just(Test::Null),
        1 => Just(Test::True),
        1 => Just(Test::False),
        1 => Just(Test::Missing),
    ]
}

pub fn condition() -> impl Strategy<Value = Condition> {
    let leaf = (selector(), test()).prop_map(|(selector, test)| Condition::Test(selector, test));
    leaf.prop_recursive(3, 8, 2, |inner| {
        let pair = (inner.clone(), inner);
        prop_oneof![
            pair.clone()
                .prop_map(|(a, b)| Condition::Or(Box::new(a), Box::new(b))),
            pair.prop_map(|(a, b)| Condition::And(Box::new(a), Box::new(b))),
        ]
    })
}

pub fn message() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (-3..20_i64).prop_map(|number| json!(number)),
        (-3..20_i64).prop_map(|number| json!(number as f64 / 2.0)),
        prop::sample::select(vec!["x", "xy", "yx", "xyx", "", "12"]).prop_map(|text| json!(text)),
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(false)),
    ];
    let value = leaf.prop_recursive(2, 6, 3, |inner| {
        let names = prop::sample::select(vec!["a", "b-c", "d_1", "p.q"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..3).prop_map(object),
        ]
    });
    let names = prop::sample::select(vec!["a", "b-c", "d_1", "p.q"]);
    prop::collection::vec((names, value), 0..4).prop_map(object)
}

fn object(properties: Vec<(&'static str, Value)>) -> Value {
    Value::Object(
        properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

pub fn write(condition: &Condition) -> String {
    match condition {
        // Parentheses only where they are needed: and binds closer than or.
        Condition::Or(a, b) => format!("{} || {}", write(a), write(b)),
        Condition::And(a, b) => format!("{}&&{}", write_in_and(a), write_in_and(b)),
        Condition::Test(selector, test) => format!("{} {}", write_selector(selector), write_test(test)),
    }
}

fn write_in_and(condition: &Condition) -> String {
    match condition {
        Condition::Or(..) => format!("( {})", write(condition)),
        _ => write(condition),
    }
}

fn write_selector(selector: &[Step]) -> String {
    let steps = selector.iter().map(|step| match step {
        Step::Name(name) => format!(".{name}"),
        Step::Quoted(name) => format!(".['{name}']"),
        Step::Number(number) => format!("[{number}]"),
    });
    format!("${}", steps.collect::<String>())
}

fn write_test(test: &Test) -> String {
    match test {
        Test::Number(operator, number, exponent) => format!("{operator} {number}e{exponent}"),
        Test::Text(before, behind, text, equal) => {
            let star = |is_there: &bool| if *is_there { "*" } else { "" };
            format!(
                "{}\"{}{text}{}\"",
                if *equal { "=" } else { "!=" },
                star(before),
                star(behind)
            )
        }
        Test::Null => "IS NULL".to_owned(),
        Test::True => "IS TRUE".to_owned(),
        Test::False => "IS FALSE".to_owned(),
        Test::Missing => "NOT EXISTS".to_owned(),
    }
}

pub fn holds(condition: &Condition, message: &Value) -> bool {
    match condition {
        Condition::Or(a, b) => holds(a, message) || holds(b, message),
        Condition::And(a, b) => holds(a, message) && holds(b, message),
        Condition::Test(selector, test) => {
            let mut value = Some(message);
            for step in selector {
                value = value.and_then(|value| match step {
                    Step::Name(name) | Step::Quoted(name) => value.as_object()?.get(*name),
                    Step::Number(number) => value.as_array()?.get(*number),
                });
            }
            test_holds(test, value)
        }
    }
}

fn test_holds(test: &Test, value: Option<&Value>) -> bool {
    let Some(value) = value else {
        return matches!(test, Test::Missing);
    };
    match test {
        Test::Null => value.is_null(),
        Test::True => *value == json!(true),
        Test::False => *value == json!(false),
        Test::Missing => false,
        Test::Number(operator, number, exponent) => {
            let text = format!("{number}e{exponent}");
            if let Some(found) = value.as_str() {
                return match *operator {
                    "=" => found == text,
                    "!=" => found != text,
                    _ => false,
                };
            }
            let Some(found) = value.as_f64() else { return false };
            let wanted: f64 = text.parse().unwrap();
            match *operator {
                "=" => found == wanted,
                "!=" => found != wanted,
                "<" => found < wanted,
                "<=" => found <= wanted,
                ">" => found > wanted,
                _ => found >= wanted,
            }
        }
        Test::Text(before, behind, text, equal) => {
            let found = match value {
                Value::String(found) => found.clone(),
                Value::Number(number) => number.to_string(),
                _ => return false,
            };
            let is_equal = (0..=found.len()).any(|at| {
                let starts = *before || at == 0;
                let rest = &found[at..];
                starts && rest.starts_with(text) && (*behind || rest == *text)
            });
            is_equal == *equal
        }
    }
}
