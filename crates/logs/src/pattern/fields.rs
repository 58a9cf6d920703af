//! Patterns of messages whose fields stand between spaces: `[ip, user, ..., status = 4*, bytes > 1000]`.

use super::PatternError;
use super::cursor::Cursor;
use super::regexes::Regexes;
use super::value::{Comparison, number};

/// Parentheses inside each other.
const DEPTH_MAX: usize = 64;

/// A pattern of fields.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldsPattern {
    first: Vec<Field>,
    /// The fields behind an ellipsis, which stands for any number of others.
    last: Option<Vec<Field>>,
}

#[derive(Debug, Clone, Default)]
struct Field {
    /// Empty when it has none.
    name: String,
    condition: Option<Condition>,
}

#[derive(Debug, Clone)]
enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Compares(Comparison),
}

impl FieldsPattern {
    /// Reads what stands between the brackets.
    pub(super) fn read(text: &str) -> Result<Self, PatternError> {
        let mut cursor = Cursor::new(text);
        let mut regexes = Regexes::default();
        let mut pattern = Self::default();
        if cursor.is_at_end() {
            // `[]` is any number of fields without names.
            pattern.last = Some(Vec::new());
            return Ok(pattern);
        }
        loop {
            if cursor.eat("...") || cursor.eat("…") {
                if pattern.last.replace(Vec::new()).is_some() {
                    return Err(PatternError::Invalid);
                }
            } else {
                let field = Field::read(&mut cursor, &mut regexes)?;
                pattern.last.as_mut().unwrap_or(&mut pattern.first).push(field);
            }
            if cursor.is_at_end() {
                break;
            }
            if !cursor.eat(",") {
                return Err(PatternError::Invalid);
            }
        }
        let mut names: Vec<&str> = pattern.fields().map(|field| field.name.as_str()).collect();
        names.retain(|name| !name.is_empty());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        match names.len() == count {
            true => Ok(pattern),
            false => Err(PatternError::Invalid),
        }
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        self.first.iter().chain(self.last.iter().flatten())
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let values = split(message);
        self.pairs(&values)
            .is_some_and(|pairs| pairs.iter().all(|(field, value)| field.is_met_by(value)))
    }

    /// Each value under its field's name, or its number from 1, behind `$`.
    pub(super) fn extract(&self, message: &str) -> Option<Vec<(String, String)>> {
        if !self.matches(message) {
            return None;
        }
        let values = split(message);
        let behind = self.last.as_ref().map_or(0, Vec::len);
        let named = |number: usize| {
            let from_end = values.len() - number;
            let field = match &self.last {
                Some(last) if from_end <= behind => last.get(behind - from_end),
                _ => self.first.get(number),
            };
            match field.map(|field| field.name.as_str()) {
                None | Some("") => format!("${}", number + 1),
                Some(name) => format!("${name}"),
            }
        };
        let extracted = values.iter().enumerate();
        Some(
            extracted
                .map(|(number, value)| (named(number), (*value).to_owned()))
                .collect(),
        )
    }

    /// Fields and their values; `None` when the message has too few or too many.
    fn pairs<'a>(&'a self, values: &[&'a str]) -> Option<Vec<(&'a Field, &'a str)>> {
        let behind = self.last.as_ref().map_or(0, Vec::len);
        let needed = self.first.len() + behind;
        let fits = match self.last {
            Some(_) => values.len() >= needed,
            None => values.len() == needed,
        };
        if !fits {
            return None;
        }
        let front = self.first.iter().zip(values.iter().copied());
        let back = values.iter().copied().skip(values.len() - behind);
        Some(front.chain(self.last.iter().flatten().zip(back)).collect())
    }
}

impl Field {
    fn read(cursor: &mut Cursor<'_>, regexes: &mut Regexes) -> Result<Self, PatternError> {
        let mut field = Self::default();
        cursor.skip_space();
        if matches!(cursor.peek(), None | Some(',')) {
            return Ok(field);
        }
        // The name stands in front of every comparison; it must be the same.
        let mut ahead = *cursor;
        while ahead.eat("(") {}
        field.name = name(&mut ahead).to_owned();
        if field.name.is_empty() {
            return Err(PatternError::Invalid);
        }
        if matches!(cursor.peek(), Some('(')) || !is_end(&mut ahead) {
            field.condition = Some(either(cursor, regexes, &field.name, 0)?);
        } else {
            *cursor = ahead;
        }
        Ok(field)
    }

    fn is_met_by(&self, value: &str) -> bool {
        self.condition
            .as_ref()
            .is_none_or(|condition| condition.holds(value))
    }
}

fn name<'a>(cursor: &mut Cursor<'a>) -> &'a str {
    cursor.skip_space();
    cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn is_end(cursor: &mut Cursor<'_>) -> bool {
    cursor.skip_space();
    matches!(cursor.peek(), None | Some(','))
}

fn either(
    cursor: &mut Cursor<'_>,
    regexes: &mut Regexes,
    field: &str,
    depth: usize,
) -> Result<Condition, PatternError> {
    let mut parts = vec![both(cursor, regexes, field, depth)?];
    while cursor.eat("||") {
        parts.push(both(cursor, regexes, field, depth)?);
    }
    Ok(Condition::Or(parts))
}

fn both(
    cursor: &mut Cursor<'_>,
    regexes: &mut Regexes,
    field: &str,
    depth: usize,
) -> Result<Condition, PatternError> {
    let mut parts = vec![one(cursor, regexes, field, depth)?];
    while cursor.eat("&&") {
        parts.push(one(cursor, regexes, field, depth)?);
    }
    Ok(Condition::And(parts))
}

fn one(
    cursor: &mut Cursor<'_>,
    regexes: &mut Regexes,
    field: &str,
    depth: usize,
) -> Result<Condition, PatternError> {
    if cursor.eat("(") {
        if depth >= DEPTH_MAX {
            return Err(PatternError::Invalid);
        }
        let inner = either(cursor, regexes, field, depth + 1)?;
        return if cursor.eat(")") {
            Ok(inner)
        } else {
            Err(PatternError::Invalid)
        };
    }
    if name(cursor) != field {
        return Err(PatternError::Invalid);
    }
    Comparison::read(cursor, regexes).map(Condition::Compares)
}

impl Condition {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(value)),
            Self::And(parts) => parts.iter().all(|part| part.holds(value)),
            Self::Compares(comparison) => match number(value) {
                Some(number) => comparison.holds_for_number(number, value),
                None => comparison.holds_for_text(value),
            },
        }
    }
}

/// The fields of a message: what stands between spaces, and what stands between brackets or quotation marks, those left out.
fn split(message: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = message.trim_ascii_start();
    while !rest.is_empty() {
        let (field, behind) = enclosed(rest).unwrap_or_else(|| {
            let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
            rest.split_at_checked(end).unwrap_or((rest, ""))
        });
        fields.push(field);
        rest = behind.trim_ascii_start();
    }
    fields
}

/// A field in brackets or quotation marks, which end where a space or nothing follows.
fn enclosed(rest: &str) -> Option<(&str, &str)> {
    let end = match rest.chars().next()? {
        '[' => ']',
        '"' => '"',
        _ => return None,
    };
    let inner = rest.get(1..)?;
    let ends = inner.match_indices(end).filter_map(|(at, _)| {
        let behind = inner.get(at + 1..)?;
        let is_end = behind.is_empty() || behind.starts_with(|c: char| c.is_ascii_whitespace());
        is_end.then_some((inner.get(..at)?, behind))
    });
    ends.take(1).next()
}
