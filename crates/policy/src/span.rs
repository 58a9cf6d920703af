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
    pub fn of(text: &str, offset: usize) -> Self {
        Positions::in_text(text).next(offset)
    }
}

/// Places in one text, asked for in the order of the text: the text is walked once, not once per place.
#[derive(Debug)]
pub(crate) struct Positions<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    at: Position,
}

impl<'a> Positions<'a> {
    pub(crate) fn in_text(text: &'a str) -> Self {
        Self {
            rest: text.char_indices().peekable(),
            at: Position { line: 1, column: 1 },
        }
    }

    /// The place of a byte offset, which must not come before the one asked for last.
    pub(crate) fn next(&mut self, offset: usize) -> Position {
        while let Some((_, c)) = self.rest.next_if(|(at, _)| *at < offset) {
            if c == '\n' {
                self.at.line += 1;
                self.at.column = 1;
            } else {
                self.at.column += 1;
            }
        }
        self.at
    }
}
