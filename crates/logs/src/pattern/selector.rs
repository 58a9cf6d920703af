//! Selectors of JSON properties: `$.a.b[0]`, `$.['a.b']`, `$.list[*].id`, `$.*.id`.

use serde_json::Value;

use super::PatternError;
use super::cursor::Cursor;

/// Which values of a message are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// As it was written.
    pub(super) text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Property(String),
    Element(usize),
    AnyProperty,
    AnyElement,
}

impl Selector {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        cursor.skip_space();
        let before = cursor.rest();
        if !cursor.eat_here("$") {
            return Err(PatternError::Invalid);
        }
        let mut steps = Vec::new();
        loop {
            if cursor.eat_here(".") {
                steps.push(property(cursor)?);
            } else if !steps.is_empty() && cursor.eat_here("[") {
                steps.push(element(cursor)?);
            } else {
                break;
            }
        }
        let length = before.len() - cursor.rest().len();
        let selector = Self {
            text: before.get(..length).unwrap_or_default().to_owned(),
            steps,
        };
        if selector.steps.is_empty() || selector.wildcards() > 1 {
            return Err(PatternError::Invalid);
        }
        Ok(selector)
    }

    /// How many of its steps mean several values.
    pub(super) fn wildcards(&self) -> usize {
        let wild = self.steps.iter();
        wild.filter(|step| matches!(step, Step::AnyProperty | Step::AnyElement))
            .count()
    }

    /// Whether one of the values meant is as wanted.
    pub(super) fn any(&self, message: &Value, mut is_wanted: impl FnMut(&Value) -> bool) -> bool {
        any(&self.steps, message, &mut is_wanted)
    }
}

fn property(cursor: &mut Cursor<'_>) -> Result<Step, PatternError> {
    if cursor.eat_here("*") {
        return Ok(Step::AnyProperty);
    }
    if cursor.eat_here("[") {
        let mark = if cursor.eat_here("'") {
            '\''
        } else if cursor.eat_here("\"") {
            '"'
        } else {
            return Err(PatternError::Invalid);
        };
        let name = cursor.quoted(mark)?;
        return match cursor.eat_here("]") {
            true => Ok(Step::Property(name)),
            false => Err(PatternError::Invalid),
        };
    }
    match cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        "" => Err(PatternError::Invalid),
        name => Ok(Step::Property(name.to_owned())),
    }
}

fn element(cursor: &mut Cursor<'_>) -> Result<Step, PatternError> {
    let step = if cursor.eat_here("*") {
        Step::AnyElement
    } else {
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        Step::Element(digits.parse().map_err(|_| PatternError::Invalid)?)
    };
    if cursor.eat_here("]") {
        Ok(step)
    } else {
        Err(PatternError::Invalid)
    }
}

fn any(steps: &[Step], value: &Value, is_wanted: &mut dyn FnMut(&Value) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return is_wanted(value);
    };
    match (step, value) {
        (Step::Property(name), Value::Object(properties)) => properties
            .get(name)
            .is_some_and(|value| any(rest, value, is_wanted)),
        (Step::Element(number), Value::Array(elements)) => elements
            .get(*number)
            .is_some_and(|value| any(rest, value, is_wanted)),
        (Step::AnyProperty, Value::Object(properties)) => {
            properties.values().any(|value| any(rest, value, is_wanted))
        }
        (Step::AnyElement, Value::Array(elements)) => {
            elements.iter().any(|value| any(rest, value, is_wanted))
        }
        _ => false,
    }
}
