//! Places in a policy's text.

use serde::Serialize;

/// A range of bytes in a policy's text: from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The piece of the text it was made for.
    pub fn of(self, text: &str) -> Option<&str> {
        text.get(self.start..self.end)
    }
}

/// A place as the policy simulator prints it; both numbers start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset; past the end it is the place after the last character.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let mut position = Self { line: 1, column: 1 };
        for (_, c) in text.char_indices().take_while(|(at, _)| *at < offset) {
            if c == '\n' {
                position = Self {
                    line: position.line + 1,
                    column: 1,
                };
            } else {
                position.column += 1;
            }
        }
        position
    }
}
