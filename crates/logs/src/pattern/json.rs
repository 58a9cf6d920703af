//! Patterns of JSON messages: `{ $.a.b[0] = "x*" && ($.n > 1e3 || $.gone NOT EXISTS) }`.

use serde_json::Value;

use super::PatternError;
use super::cursor::Cursor;
use super::regexes::Regexes;
use super::selector::Selector;
use super::value::Comparison;

/// Parentheses inside each other.
const DEPTH_MAX: usize = 64;
/// Selectors that mean several values, in one pattern.
const WILDCARDS_MAX: usize = 3;

/// A pattern of JSON messages.
#[derive(Debug, Clone)]
pub(super) struct JsonPattern {
    condition: Condition,
    /// All selectors, in the order they stand.
    selectors: Vec<Selector>,
}

#[derive(Debug, Clone)]
enum Condition {
    /// One is enough.
    Or(Vec<Condition>),
    /// All are needed.
    And(Vec<Condition>),
    Property(Selector, Test),
}

#[derive(Debug, Clone)]
enum Test {
    Compares(Comparison),
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
}

impl JsonPattern {
    /// Reads what stands between the braces.
    pub(super) fn read(text: &str) -> Result<Self, PatternError> {
        let mut reader = JsonReader {
            cursor: Cursor::new(text),
            regexes: Regexes::default(),
            selectors: Vec::new(),
        };
        let condition = reader.either(0)?;
        let wildcards: usize = reader.selectors.iter().map(Selector::wildcards).sum();
        if !reader.cursor.is_at_end() || wildcards > WILDCARDS_MAX {
            return Err(PatternError::Invalid);
        }
        Ok(Self {
            condition,
            selectors: reader.selectors,
        })
    }

    /// What is no JSON, or no object, matches nothing.
    pub(super) fn matches(&self, message: &str) -> bool {
        parse(message).is_some_and(|message| self.condition.holds(&message))
    }

    /// The values of the selectors, as texts.
    pub(super) fn extract(&self, message: &str) -> Option<Vec<(String, String)>> {
        let message = parse(message).filter(|message| self.condition.holds(message))?;
        let mut values: Vec<(String, String)> = Vec::new();
        for selector in &self.selectors {
            if values.iter().any(|(name, _)| *name == selector.text) {
                continue;
            }
            let mut found = None;
            selector.any(&message, |value| {
                found = text_of(value);
                found.is_some()
            });
            values.extend(found.map(|value| (selector.text.clone(), value)));
        }
        Some(values)
    }
}

fn parse(message: &str) -> Option<Value> {
    // Most messages of other kinds are told from JSON by their first character.
    if !message.trim_ascii_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(message).ok()
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

struct JsonReader<'a> {
    cursor: Cursor<'a>,
    regexes: Regexes,
    selectors: Vec<Selector>,
}

impl JsonReader<'_> {
    /// `a || b || ...`
    fn either(&mut self, depth: usize) -> Result<Condition, PatternError> {
        let mut parts = vec![self.both(depth)?];
        while self.cursor.eat("||") {
            parts.push(self.both(depth)?);
        }
        Ok(Condition::Or(parts))
    }

    /// `a && b && ...`
    fn both(&mut self, depth: usize) -> Result<Condition, PatternError> {
        let mut parts = vec![self.one(depth)?];
        while self.cursor.eat("&&") {
            parts.push(self.one(depth)?);
        }
        Ok(Condition::And(parts))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, PatternError> {
        if self.cursor.eat("(") {
            if depth >= DEPTH_MAX {
                return Err(PatternError::Invalid);
            }
            let inner = self.either(depth + 1)?;
            return if self.cursor.eat(")") {
                Ok(inner)
            } else {
                Err(PatternError::Invalid)
            };
        }
        let selector = Selector::read(&mut self.cursor)?;
        self.selectors.push(selector.clone());
        let test = self.test()?;
        Ok(Condition::Property(selector, test))
    }

    fn test(&mut self) -> Result<Test, PatternError> {
        let cursor = &mut self.cursor;
        if cursor.eat_word("IS") {
            return if cursor.eat_word("NULL") {
                Ok(Test::IsNull)
            } else if cursor.eat_word("TRUE") {
                Ok(Test::IsTrue)
            } else if cursor.eat_word("FALSE") {
                Ok(Test::IsFalse)
            } else {
                Err(PatternError::Invalid)
            };
        }
        if cursor.eat_word("NOT") {
            return if cursor.eat_word("EXISTS") {
                Ok(Test::NotExists)
            } else {
                Err(PatternError::Invalid)
            };
        }
        Comparison::read(cursor, &mut self.regexes).map(Test::Compares)
    }
}

impl Condition {
    fn holds(&self, message: &Value) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(message)),
            Self::And(parts) => parts.iter().all(|part| part.holds(message)),
            Self::Property(selector, Test::NotExists) => !selector.any(message, |_| true),
            Self::Property(selector, test) => selector.any(message, |value| test.holds(value)),
        }
    }
}

impl Test {
    /// Only texts and numbers are compared: to arrays, objects, true, false and null neither `=` nor `!=` applies, and a property
    /// that is not there has no value at all.
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::IsNull, Value::Null)
            | (Self::IsTrue, Value::Bool(true))
            | (Self::IsFalse, Value::Bool(false)) => true,
            (Self::Compares(comparison), Value::String(text)) => comparison.holds_for_text(text),
            (Self::Compares(comparison), Value::Number(number)) => number
                .as_f64()
                .is_some_and(|value| comparison.holds_for_number(value, &number.to_string())),
            _ => false,
        }
    }
}
