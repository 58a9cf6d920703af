//! Reading a pattern from left to right.

use super::PatternError;

/// What is left of a pattern.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes `text` if it is next, behind space.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        self.skip_space();
        self.eat_here(text)
    }

    /// Takes `text` if it is next.
    pub(super) fn eat_here(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a whole word if it is next, behind space.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let before = *self;
        self.skip_space();
        if self.take_while(|c| c.is_ascii_alphanumeric()) == word {
            return true;
        }
        *self = before;
        false
    }

    /// Takes characters as long as they are of a kind.
    pub(super) fn take_while(&mut self, is_of_kind: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_of_kind(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// The text up to a quotation mark, behind another; `\` makes the next character an ordinary one.
    pub(super) fn quoted(&mut self, mark: char) -> Result<String, PatternError> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => text.push(chars.next().ok_or(PatternError::Invalid)?),
                c if c == mark => {
                    self.rest = chars.as_str();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(PatternError::Invalid)
    }

    /// The text up to the next `%`, behind another.
    pub(super) fn regex(&mut self) -> Result<&'a str, PatternError> {
        let (text, rest) = self.rest.split_once('%').ok_or(PatternError::Invalid)?;
        self.rest = rest;
        Ok(text)
    }
}
