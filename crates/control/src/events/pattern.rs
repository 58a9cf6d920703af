//! EventBridge's event patterns, as far as events of ECS need them: members that must have one of some values. Anything
//! this does not know is refused, never taken for a match.

use serde_json::{Map, Value};
use thiserror::Error;

/// Deepest pattern.
const DEPTH_MAX: usize = 16;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum PatternError {
    #[error("the event pattern is not valid JSON")]
    NotJson,
    #[error("the event pattern must be an object that is not empty")]
    NotAnObject,
    #[error("in the event pattern, `{0}` must be an object or a list of values that is not empty")]
    NotAList(String),
    #[error(
        "the event pattern uses `{0}`, which this server does not have; it has prefix, suffix, equals-ignore-case, anything-but and exists"
    )]
    Unknown(String),
    #[error("the event pattern is nested too deeply")]
    TooDeep,
}

/// A pattern that can be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<(String, Wanted)>);

#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// The member is an object, or holds one, that matches.
    Inside(Pattern),
    /// The member has one of these.
    OneOf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Is(Value),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    NoneOf(Vec<Value>),
    NoPrefix(String),
    Exists(bool),
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let value: Value = serde_json::from_str(text).map_err(|_| PatternError::NotJson)?;
        let members = value.as_object().ok_or(PatternError::NotAnObject)?;
        Self::of(members, 0)
    }

    fn of(members: &Map<String, Value>, depth: usize) -> Result<Self, PatternError> {
        if members.is_empty() {
            return Err(PatternError::NotAnObject);
        }
        if depth == DEPTH_MAX {
            return Err(PatternError::TooDeep);
        }
        let wanted = members.iter().map(|(name, value)| {
            if name.starts_with('$') {
                return Err(PatternError::Unknown(name.clone()));
            }
            Ok((name.clone(), Wanted::of(name, value, depth)?))
        });
        Ok(Self(wanted.collect::<Result<_, _>>()?))
    }

    /// Whether an event matches.
    pub fn matches(&self, event: &Value) -> bool {
        self.0
            .iter()
            .all(|(name, wanted)| wanted.matches(event.get(name)))
    }
}

impl Wanted {
    fn of(name: &str, value: &Value, depth: usize) -> Result<Self, PatternError> {
        match value {
            Value::Object(members) => Ok(Self::Inside(Pattern::of(members, depth + 1)?)),
            Value::Array(values) if !values.is_empty() => {
                let tests: Result<_, _> = values.iter().map(Test::of).collect();
                Ok(Self::OneOf(tests?))
            }
            _ => Err(PatternError::NotAList(name.to_owned())),
        }
    }

    /// Of a list of objects one must match, of a list of values one must have a wanted value.
    fn matches(&self, member: Option<&Value>) -> bool {
        match (self, member) {
            (Self::Inside(pattern), Some(Value::Array(items))) => {
                items.iter().any(|item| pattern.matches(item))
            }
            (Self::Inside(pattern), member) => pattern.matches(member.unwrap_or(&Value::Null)),
            (Self::OneOf(tests), Some(Value::Array(items))) => {
                let one = |test: &Test| match test {
                    Test::Exists(wanted) => *wanted,
                    test => items.iter().any(|item| test.holds(Some(item))),
                };
                tests.iter().any(one)
            }
            (Self::OneOf(tests), member) => tests.iter().any(|test| test.holds(member)),
        }
    }
}

impl Test {
    fn of(value: &Value) -> Result<Self, PatternError> {
        let Value::Object(members) = value else {
            return match value {
                Value::Array(_) => Err(PatternError::NotAList("[".to_owned())),
                plain => Ok(Self::Is(plain.clone())),
            };
        };
        let mut members = members.iter();
        let (Some((name, value)), None) = (members.next(), members.next()) else {
            return Err(PatternError::NotAList("{".to_owned()));
        };
        let unknown = || PatternError::Unknown(name.clone());
        match (name.as_str(), value) {
            ("prefix", Value::String(text)) => Ok(Self::Prefix(text.clone())),
            ("suffix", Value::String(text)) => Ok(Self::Suffix(text.clone())),
            ("equals-ignore-case", Value::String(text)) => Ok(Self::IgnoreCase(text.clone())),
            ("exists", Value::Bool(wanted)) => Ok(Self::Exists(*wanted)),
            ("anything-but", Value::Array(values)) => Ok(Self::NoneOf(values.clone())),
            ("anything-but", Value::Object(inner)) => match (inner.get("prefix"), inner.len()) {
                (Some(Value::String(text)), 1) => Ok(Self::NoPrefix(text.clone())),
                _ => Err(unknown()),
            },
            ("anything-but", plain) => Ok(Self::NoneOf(vec![plain.clone()])),
            _ => Err(unknown()),
        }
    }

    fn holds(&self, member: Option<&Value>) -> bool {
        let text = member.and_then(Value::as_str);
        match self {
            Self::Exists(wanted) => member.is_some() == *wanted,
            Self::Is(value) => member == Some(value),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Self::IgnoreCase(other) => text.is_some_and(|text| text.eq_ignore_ascii_case(other)),
            Self::NoneOf(values) => member.is_some_and(|member| !values.contains(member)),
            Self::NoPrefix(prefix) => text.is_some_and(|text| !text.starts_with(prefix.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "source": "aws.ecs",
            "detail-type": "ECS Task State Change",
            "detail": {
                "lastStatus": "STOPPED", "group": "service:web", "version": 4,
                "containers": [{ "name": "app", "exitCode": 1 }, { "name": "side" }],
            },
        })
    }

    #[test]
    fn patterns_match_as_eventbridge_matches_them() {
        let cases = [
            (json!({ "source": ["aws.ecs"] }), true),
            (json!({ "source": ["aws.ec2", "aws.ecs"] }), true),
            (json!({ "source": ["aws.ec2"] }), false),
            (json!({ "source": ["AWS.ECS"] }), false),
            (json!({ "source": [{ "equals-ignore-case": "AWS.ecs" }] }), true),
            (
                json!({ "detail": { "lastStatus": ["STOPPED"], "version": [4] } }),
                true,
            ),
            (
                json!({ "detail": { "lastStatus": ["STOPPED"], "version": ["4"] } }),
                false,
            ),
            (json!({ "detail": { "group": [{ "prefix": "service:" }] } }), true),
            (json!({ "detail": { "group": [{ "suffix": ":db" }] } }), false),
            (json!({ "detail": { "containers": { "exitCode": [1] } } }), true),
            (json!({ "detail": { "containers": { "exitCode": [0] } } }), false),
            (
                json!({ "detail": { "containers": { "name": [{ "anything-but": ["app", "side"] }] } } }),
                false,
            ),
            (
                json!({ "detail": { "group": [{ "anything-but": { "prefix": "service:" } }] } }),
                false,
            ),
            (json!({ "detail": { "stopCode": [{ "exists": false }] } }), true),
            (json!({ "detail": { "stopCode": [{ "exists": true }] } }), false),
            (
                json!({ "detail": { "stopCode": [{ "anything-but": "X" }] } }),
                false,
            ),
            (json!({ "detail": { "containers": [{ "exists": true }] } }), true),
            (json!({ "nothing": { "below": [{ "exists": false }] } }), true),
        ];
        for (pattern, matches) in cases {
            let parsed = Pattern::parse(&pattern.to_string()).unwrap();
            assert_eq!(parsed.matches(&event()), matches, "{pattern}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        let deep = format!("{}[1]{}", "{\"a\":".repeat(40), "}".repeat(40));
        let cases = [
            "",
            "[]",
            "{}",
            "7",
            r#"{"a":7}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":[{"numeric":["<",3]}]}"#,
            r#"{"$or":[{"a":[1]}]}"#,
            r#"{"a":[{"prefix":7}]}"#,
            r#"{"a":[{"prefix":"a","suffix":"b"}]}"#,
            r#"{"a":[{"cidr":"10.0.0.0/8"}]}"#,
            deep.as_str(),
        ];
        for text in cases {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
