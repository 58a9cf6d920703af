//! Filter patterns: what FilterLogEvents, live tail and metric filters look for. Case counts everywhere.
//!
//! | pattern | matches messages |
//! |---|---|
//! | empty | all |
//! | `ERROR "not found" -debug` | with both terms and without the third |
//! | `?ERROR ?WARN` | with one of the terms |
//! | `%E[0-9]+%` | in which the regular expression is found |
//! | `{ $.status >= 500 && $.user.name = "a*" }` | that are JSON with such properties |
//! | `[ip, ..., status = 4*, bytes > 1000]` | with such fields between spaces |
//!
//! ```
//! use portcullis_logs::Pattern;
//!
//! let pattern = Pattern::parse("[ip, ..., status = 4*, bytes]")?;
//! let values = pattern.extract("10.0.0.1 - \"GET /\" 404 1534").unwrap_or_default();
//! assert!(values.contains(&("$status".to_owned(), "404".to_owned())));
//! # Ok::<(), portcullis_logs::PatternError>(())
//! ```

mod cursor;
mod fields;
mod json;
mod regexes;
mod selector;
mod terms;
mod value;

use std::sync::Arc;

use thiserror::Error;

use fields::FieldsPattern;
use json::JsonPattern;
use terms::Terms;

/// Longest pattern, in characters.
pub const PATTERN_CHARS_MAX: usize = 1024;

/// A filter pattern that was read. Clones share it.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Arc<str>,
    form: Arc<Form>,
}

#[derive(Debug)]
enum Form {
    Everything,
    Terms(Terms),
    Json(JsonPattern),
    Fields(FieldsPattern),
}

/// Why a text is no filter pattern: AWS's words, for an InvalidParameterException.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It cannot be read.
    #[error("Invalid filter pattern")]
    Invalid,
    /// A pattern of JSON selectors without its end.
    #[error("If a filter pattern starts with '{{' it must end with '}}'")]
    UnclosedBrace,
    /// A term that has to be quoted, or a regular expression with more than AWS takes.
    #[error("Invalid character(s) in term '{term}'")]
    InvalidTerm {
        /// The term.
        term: String,
    },
}

impl Pattern {
    /// The pattern that matches everything.
    pub fn everything() -> Self {
        Self {
            text: "".into(),
            form: Arc::new(Form::Everything),
        }
    }

    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(PatternError::Invalid);
        }
        let trimmed = text.trim();
        let form = if trimmed.is_empty() {
            Form::Everything
        } else if let Some(inner) = trimmed.strip_prefix('{') {
            let inner = inner.strip_suffix('}').ok_or(PatternError::UnclosedBrace)?;
            Form::Json(JsonPattern::read(inner)?)
        } else if let Some(inner) = trimmed.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(PatternError::Invalid)?;
            Form::Fields(FieldsPattern::read(inner)?)
        } else {
            Form::Terms(Terms::read(trimmed)?)
        };
        Ok(Self {
            text: text.into(),
            form: Arc::new(form),
        })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a message matches.
    pub fn matches(&self, message: &str) -> bool {
        match self.form.as_ref() {
            Form::Everything => true,
            Form::Terms(terms) => terms.matches(message),
            Form::Json(json) => json.matches(message),
            Form::Fields(fields) => fields.matches(message),
        }
    }

    /// `extractedValues` of TestMetricFilter: the fields by their names or numbers, the JSON values by their selectors, nothing
    /// for terms. `None` when the message does not match.
    pub fn extract(&self, message: &str) -> Option<Vec<(String, String)>> {
        match self.form.as_ref() {
            Form::Json(json) => json.extract(message),
            Form::Fields(fields) => fields.extract(message),
            Form::Everything | Form::Terms(_) => self.matches(message).then(Vec::new),
        }
    }
}
