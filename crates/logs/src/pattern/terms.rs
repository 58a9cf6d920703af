//! Patterns of terms: all of them must be in the message, those with `-` must not, of those with `?` one is enough.

use regex::Regex;

use super::PatternError;
use super::cursor::Cursor;
use super::regexes::Regexes;

/// A pattern of terms.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    all: Vec<Term>,
    any: Vec<Term>,
    none: Vec<Term>,
}

#[derive(Debug, Clone)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Terms {
    pub(super) fn read(text: &str) -> Result<Self, PatternError> {
        let mut cursor = Cursor::new(text);
        let mut regexes = Regexes::default();
        let mut terms = Self::default();
        while !cursor.is_at_end() {
            let list = match cursor.peek() {
                Some('-') => &mut terms.none,
                Some('?') => &mut terms.any,
                _ => &mut terms.all,
            };
            if matches!(cursor.peek(), Some('-')) {
                cursor.eat_here("-");
                // AWS's documentation has `- "term"`, too.
                cursor.skip_space();
            } else {
                cursor.eat_here("?");
            }
            list.push(term(&mut cursor, &mut regexes)?);
        }
        if optional_terms_count_alone() && !(terms.all.is_empty() && terms.none.is_empty()) {
            terms.any.clear();
        }
        Ok(terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        self.all.iter().all(|term| term.is_in(message))
            && !self.none.iter().any(|term| term.is_in(message))
            && (self.any.is_empty() || self.any.iter().any(|term| term.is_in(message)))
    }
}

fn term(cursor: &mut Cursor<'_>, regexes: &mut Regexes) -> Result<Term, PatternError> {
    let whole = Cursor::new(cursor.rest()).take_while(|c| !c.is_whitespace());
    let term = if cursor.eat_here("\"") {
        Term::Text(cursor.quoted('"')?)
    } else if cursor.eat_here("%") {
        Term::Regex(regexes.compile(cursor.regex()?)?)
    } else {
        let word = cursor.take_while(|c| c.is_alphanumeric() || c == '_');
        if word.is_empty() && whole.is_empty() {
            return Err(PatternError::Invalid);
        }
        Term::Text(word.to_owned())
    };
    match cursor.peek() {
        Some(c) if !c.is_whitespace() => Err(PatternError::InvalidTerm {
            term: whole.to_owned(),
        }),
        _ => Ok(term),
    }
}

/// AWS's documentation says that `?` is not to be combined with other terms and is ignored then; it does not say what becomes of
/// the term. Here such terms do not count.
fn optional_terms_count_alone() -> bool {
    true
}
