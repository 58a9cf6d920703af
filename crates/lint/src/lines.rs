//! Byte offsets as lines and columns.

/// Finds the line of a byte without reading the text again.
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// Where each line begins.
    starts: Vec<usize>,
}

/// A place as ValidatePolicy gives it: the line from 1, column and offset from 0, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 0.
    pub column: usize,
    /// The character within the document, from 0.
    pub offset: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    /// The place of a byte; past the end it is the end.
    pub(crate) fn position(&self, byte: usize) -> Position {
        let byte = byte.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let count = |from: usize| self.text.get(from..byte).map_or(0, |text| text.chars().count());
        Position {
            line,
            column: count(start),
            offset: count(0),
        }
    }
}
