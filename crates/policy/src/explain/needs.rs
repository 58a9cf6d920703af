//! What a request would need for a condition to hold, or not to hold.

use std::fmt;

use portcullis_core::Timestamp;
use serde::Serialize;

use crate::document::{Condition, ConditionValue};
use crate::matching::condition;
use crate::matching::operator::{Order, SetOperator, Test};
use crate::matching::variable::join;
use crate::{Context, Value};

/// Policy values tried before giving up; a list can be as long as a policy.
const MAX_TRIED: usize = 16;

/// What a condition key would have to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// How the key's value has to stand to `values`.
    pub relation: Relation,
    /// The values of the policy, variables replaced; one of them, or none of them for the relations that say so.
    pub values: Vec<String>,
    /// For multi-valued keys: whether all of the request's values have to, or one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_values: Option<OfValues>,
}

/// How many of a key's values have to stand so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OfValues {
    /// Each of them.
    All,
    /// One is enough.
    Any,
}

/// How a value has to stand to those of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Relation {
    /// The key must be there, with any value.
    Present,
    /// The key must not be there.
    Absent,
    /// Equal to one.
    Equal,
    /// Equal to none.
    Different,
    /// Like one, with wildcards.
    Like,
    /// Like none.
    Unlike,
    /// In one of the networks.
    Within,
    /// In none of the networks.
    Outside,
    /// Smaller, or earlier.
    Less,
    /// Not greater, or not later.
    AtMost,
    /// Greater, or later.
    Greater,
    /// Not smaller, or not earlier.
    AtLeast,
}

impl Relation {
    fn sign(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Equal => "=",
            Self::Different => "other than",
            Self::Like => "like",
            Self::Unlike => "not like",
            Self::Within => "in",
            Self::Outside => "outside",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Need {
    fn presence(relation: Relation) -> Self {
        Self {
            relation,
            values: Vec::new(),
            of_values: None,
        }
    }

    /// The need in words: `ecs:cluster = arn:...`.
    pub(super) fn of<'a>(&'a self, key: &'a str) -> impl fmt::Display + 'a {
        NeedOfKey { need: self, key }
    }
}

struct NeedOfKey<'a> {
    need: &'a Need,
    key: &'a str,
}

impl fmt::Display for NeedOfKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { need, key } = self;
        match need.of_values {
            Some(OfValues::All) => write!(f, "every value of {key} {}", need.relation.sign())?,
            Some(OfValues::Any) => write!(f, "a value of {key} {}", need.relation.sign())?,
            None if need.values.is_empty() => {
                return match need.relation {
                    Relation::Absent => write!(f, "to come without {key}"),
                    _ => write!(f, "{key}"),
                };
            }
            None => write!(f, "{key} {}", need.relation.sign())?,
        }
        match need.values.as_slice() {
            [only] if only.is_empty() => f.write_str(" \"\""),
            [only] => write!(f, " {only}"),
            several => write!(f, " one of {}", super::render::listed(several.iter())),
        }
    }
}

/// A value for a condition's key, and how to say what is needed.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) need: Need,
    /// `None`: without the key.
    pub(super) value: Option<Value>,
}

/// A value of its key with which a condition's answer becomes `wanted`, tried and found true, with the context that has
/// it. `fits` is asked what else hangs on the key.
pub(super) fn find(
    one: &Condition,
    (action, context): (&str, &Context),
    wanted: bool,
    fits: impl Fn(&Context) -> bool,
) -> Option<(Candidate, Context)> {
    candidates(one, context, wanted)
        .into_iter()
        .find_map(|candidate| {
            let mut changed = context.clone();
            match &candidate.value {
                Some(value) => changed.insert(one.key.as_str(), value.clone()),
                None => changed.remove(&one.key),
            }
            let changed = changed.applying_to(action).into_owned();
            let helps = condition::evaluate(one, &changed).met == wanted && fits(&changed);
            helps.then_some((candidate, changed))
        })
}

fn candidates(one: &Condition, context: &Context, wanted: bool) -> Vec<Candidate> {
    if one.operator.test() == Test::Null {
        return vec![
            Candidate {
                need: Need::presence(Relation::Present),
                value: Some(Value::One("any".to_owned())),
            },
            Candidate {
                need: Need::presence(Relation::Absent),
                value: None,
            },
        ];
    }
    let must_match = one.operator.negated() != wanted;
    let found = if must_match {
        matching(one, context)
    } else {
        differing(one, context)
    };
    let shape = Shape {
        one,
        existing: context.present(&one.key),
        wanted,
    };
    let absent = Candidate {
        need: Need::presence(Relation::Absent),
        value: None,
    };
    found
        .into_iter()
        .map(|(relation, values, example)| shape.candidate(relation, values, example))
        .chain(std::iter::once(absent))
        .collect()
}

/// How a value is put into the request.
struct Shape<'a> {
    one: &'a Condition,
    existing: Option<&'a Value>,
    wanted: bool,
}

impl Shape<'_> {
    fn candidate(&self, relation: Relation, values: Vec<String>, example: String) -> Candidate {
        let set = self.one.operator.set();
        let many = |all: Vec<String>| Value::Many(all);
        let (value, of_values) = match (set, self.existing) {
            (None, _) | (_, Some(Value::One(_))) => (Value::One(example), None),
            (Some(SetOperator::ForAnyValue), Some(Value::Many(existing))) if self.wanted => {
                let all = existing.iter().cloned().chain(std::iter::once(example));
                (many(all.collect()), Some(OfValues::Any))
            }
            // Of no values at all ForAllValues is true, so one value alone has to fail it.
            (Some(SetOperator::ForAnyValue), _) => (many(vec![example]), Some(OfValues::Any)),
            (Some(SetOperator::ForAllValues), _) => (many(vec![example]), Some(OfValues::All)),
        };
        // What one of several must not be, none of them may be.
        let of_values = match of_values {
            Some(OfValues::Any) if !self.wanted => Some(OfValues::All),
            Some(OfValues::All) if !self.wanted => Some(OfValues::Any),
            as_is => as_is,
        };
        Candidate {
            need: Need {
                relation,
                values,
                of_values,
            },
            value: Some(value),
        }
    }
}

type Found = (Relation, Vec<String>, String);

/// Values that match one of the policy's.
fn matching(one: &Condition, context: &Context) -> Vec<Found> {
    let texts: Vec<(&ConditionValue, String)> = one
        .values
        .iter()
        .take(MAX_TRIED)
        .filter_map(|value| resolved(value, context).map(|text| (value, text)))
        .collect();
    let all: Vec<String> = texts.iter().map(|(_, text)| text.clone()).collect();
    let test = one.operator.test();
    let found = texts.iter().filter_map(|(value, text)| {
        let listed = |relation| (relation, all.clone());
        let ((relation, values), example) = match test {
            Test::StringEquals | Test::StringEqualsIgnoreCase | Test::Bool | Test::Binary => {
                (listed(Relation::Equal), text.clone())
            }
            Test::StringLike | Test::Arn => (listed(likeness_of(&all)), instance(value, context)?),
            Test::IpAddress => {
                let address = text.split_once('/').map_or(text.as_str(), |(address, _)| address);
                (listed(Relation::Within), address.to_owned())
            }
            Test::Numeric(Order::Equal) | Test::Date(Order::Equal) => (listed(Relation::Equal), text.clone()),
            Test::Numeric(order) => ordered(order, text, near_number),
            Test::Date(order) => ordered(order, text, near_date),
            Test::Null => return None,
        };
        Some((relation, values, example))
    });
    found.collect()
}

/// Values that match none of the policy's: none is sure to, so several are offered.
fn differing(one: &Condition, context: &Context) -> Vec<Found> {
    let texts: Vec<String> = one
        .values
        .iter()
        .take(MAX_TRIED)
        .filter_map(|value| resolved(value, context))
        .collect();
    let none_of = |relation: Relation, examples: &[&str]| -> Vec<Found> {
        let found = examples
            .iter()
            .map(|example| (relation, texts.clone(), (*example).to_owned()));
        found.collect()
    };
    match one.operator.test() {
        Test::Bool => [("true", "false"), ("false", "true")]
            .into_iter()
            .filter(|(listed, _)| texts.iter().any(|text| text.eq_ignore_ascii_case(listed)))
            .map(|(_, other)| (Relation::Equal, vec![other.to_owned()], other.to_owned()))
            .collect(),
        Test::StringEquals | Test::StringEqualsIgnoreCase => {
            none_of(Relation::Different, &["other", "another", ""])
        }
        Test::StringLike => none_of(Relation::Unlike, &["other", "another", ""]),
        Test::Arn => none_of(likeness_not_of(&texts), &["arn:aws:other:::other", "other"]),
        Test::Binary => none_of(Relation::Different, &["", "AA=="]),
        Test::IpAddress => none_of(
            Relation::Outside,
            &["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"],
        ),
        Test::Numeric(Order::Equal) => apart(&texts, near_number),
        Test::Date(Order::Equal) => apart(&texts, near_date),
        Test::Numeric(order) => beyond(&texts, order, near_number),
        Test::Date(order) => beyond(&texts, order, near_date),
        Test::Null => Vec::new(),
    }
}

/// A value that stands to the policy's as the operator asks.
fn ordered(
    order: Order,
    text: &str,
    near: fn(&str, i64) -> Option<String>,
) -> ((Relation, Vec<String>), String) {
    let (relation, step) = match order {
        Order::Equal => (Relation::Equal, 0),
        Order::Less => (Relation::Less, -1),
        Order::LessOrEqual => (Relation::AtMost, 0),
        Order::Greater => (Relation::Greater, 1),
        Order::GreaterOrEqual => (Relation::AtLeast, 0),
    };
    let example = if step == 0 { None } else { near(text, step) };
    (
        (relation, vec![text.to_owned()]),
        example.unwrap_or_else(|| text.to_owned()),
    )
}

/// A value on the other side of the policy's.
fn beyond(texts: &[String], order: Order, near: fn(&str, i64) -> Option<String>) -> Vec<Found> {
    let opposite = match order {
        Order::Less => Order::GreaterOrEqual,
        Order::LessOrEqual => Order::Greater,
        Order::Greater => Order::LessOrEqual,
        Order::GreaterOrEqual => Order::Less,
        Order::Equal => Order::Equal,
    };
    let found = texts.iter().map(|text| {
        let ((relation, values), example) = ordered(opposite, text, near);
        (relation, values, example)
    });
    found.collect()
}

fn apart(texts: &[String], near: fn(&str, i64) -> Option<String>) -> Vec<Found> {
    let found = texts
        .iter()
        .filter_map(|text| Some((Relation::Different, texts.to_vec(), near(text, 1)?)));
    found.collect()
}

fn near_number(text: &str, step: i64) -> Option<String> {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.checked_add(step).map(|near| near.to_string());
    }
    let number: f64 = text.parse().ok()?;
    let step = if step < 0 { -1.0 } else { 1.0 };
    Some((number + step).to_string())
}

fn near_date(text: &str, step: i64) -> Option<String> {
    // A date alone is its first moment.
    let instant: Timestamp = text
        .parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
        .ok()?;
    Some(instant.plus_seconds(step).to_iso())
}

fn likeness_of(texts: &[String]) -> Relation {
    match texts.iter().any(|text| text.contains(['*', '?'])) {
        true => Relation::Like,
        false => Relation::Equal,
    }
}

fn likeness_not_of(texts: &[String]) -> Relation {
    match likeness_of(texts) {
        Relation::Like => Relation::Unlike,
        _ => Relation::Different,
    }
}

/// The value with its variables replaced, if all of them have a value.
fn resolved(value: &ConditionValue, context: &Context) -> Option<String> {
    value.template.resolve(context).map(|pieces| join(&pieces))
}

/// A text that the pattern matches.
fn instance(value: &ConditionValue, context: &Context) -> Option<String> {
    let pieces = value.template.resolve(context)?;
    let filled = pieces.iter().map(|piece| match piece.literal {
        true => piece.text.to_owned(),
        false => piece.text.replace('*', "any").replace('?', "x"),
    });
    Some(filled.collect())
}
