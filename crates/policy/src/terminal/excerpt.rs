//! The piece of a policy's text that is shown. Policies often come as one line of thousands of characters; then the
//! statement is laid out anew, and the places move with it.

use crate::Span;

/// Longer lines are laid out anew.
const MAX_LINE: usize = 140;

/// A text to show, and where the places of the policy's text are in it.
#[derive(Debug)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) is_reformatted: bool,
    moved: Vec<Moved>,
    statement: Span,
}

/// A string, number or word that kept its text but not its place.
#[derive(Debug)]
struct Moved {
    from: usize,
    to: usize,
    length: usize,
}

impl Excerpt {
    pub(super) fn of(policy: &str, statement: Span) -> Self {
        if lines_around(policy, statement).all(|line| line.chars().count() <= MAX_LINE) {
            return Self {
                text: policy.to_owned(),
                is_reformatted: false,
                moved: Vec::new(),
                statement,
            };
        }
        let mut layout = Layout::default();
        layout.object(statement.of(policy).unwrap_or_default(), statement.start);
        Self {
            text: layout.text,
            is_reformatted: true,
            moved: layout.moved,
            statement,
        }
    }

    /// Start and length of a place in the text shown.
    pub(super) fn place(&self, span: Span) -> Option<(usize, usize)> {
        if !self.is_reformatted {
            return Some((span.start, span.end.saturating_sub(span.start)));
        }
        if span == self.statement {
            return Some((0, self.text.len()));
        }
        let moved = self.moved.iter().find(|moved| moved.from == span.start)?;
        Some((moved.to, moved.length))
    }
}

/// The lines of the statement, and one before and after it.
fn lines_around(policy: &str, statement: Span) -> impl Iterator<Item = &str> {
    let before = policy.get(..statement.start).unwrap_or_default();
    let first = before.matches('\n').count().saturating_sub(1);
    let last = policy
        .get(..statement.end)
        .unwrap_or_default()
        .matches('\n')
        .count()
        + 1;
    policy.lines().skip(first).take(last - first + 1)
}

#[derive(Debug, Default)]
struct Layout {
    text: String,
    moved: Vec<Moved>,
    depth: usize,
}

impl Layout {
    /// Lays out a JSON value that is known to be well-formed and stood at `start`.
    fn object(&mut self, json: &str, start: usize) {
        let mut rest = json.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            match c {
                '{' | '[' => {
                    self.text.push(c);
                    while rest.next_if(|(_, next)| next.is_ascii_whitespace()).is_some() {}
                    self.depth += 1;
                    if !matches!(rest.peek(), Some((_, '}' | ']'))) {
                        self.new_line();
                    }
                }
                '}' | ']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if !self.text.ends_with(['{', '[']) {
                        self.new_line();
                    }
                    self.text.push(c);
                }
                ',' => {
                    self.text.push(c);
                    self.new_line();
                }
                ':' => self.text.push_str(": "),
                c if c.is_ascii_whitespace() => {}
                _ => {
                    let token = token(json.get(at..).unwrap_or_default());
                    self.moved.push(Moved {
                        from: start + at,
                        to: self.text.len(),
                        length: token.len(),
                    });
                    self.text.push_str(token);
                    while rest.next_if(|(next, _)| *next < at + token.len()).is_some() {}
                }
            }
        }
    }

    fn new_line(&mut self) {
        self.text.push('\n');
        self.text.push_str(&"  ".repeat(self.depth));
    }
}

/// The string, number or word that a text begins with.
fn token(text: &str) -> &str {
    let mut escaped = false;
    let is_string = text.starts_with('"');
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = match is_string {
            true => *c == '"' && !escaped,
            false => matches!(c, ',' | '}' | ']' | ' ' | '\t' | '\r' | '\n'),
        };
        escaped = *c == '\\' && !escaped;
        ends
    });
    let end = match end {
        Some((at, _)) if is_string => at + 1,
        Some((at, _)) => at,
        None => text.len(),
    };
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_laid_out_and_places_move_with_them() {
        let long = "x".repeat(MAX_LINE);
        let policy =
            format!(r#"{{"Statement":[{{"Action":["a:\"B","{long}"],"Condition":{{}},"n":[1,true]}}]}}"#);
        let statement = Span {
            start: 14,
            end: policy.len() - 2,
        };
        let excerpt = Excerpt::of(&policy, statement);
        let expected = format!(
            "{{\n  \"Action\": [\n    \"a:\\\"B\",\n    \"{long}\"\n  ],\n  \"Condition\": {{}},\n  \"n\": [\n    1,\n    true\n  ]\n}}"
        );
        assert_eq!(excerpt.text, expected);
        for word in ["\"a:\\\"B\"", "\"Condition\"", "true"] {
            let start = policy.find(word).unwrap();
            let span = Span {
                start,
                end: start + word.len(),
            };
            let (at, length) = excerpt.place(span).unwrap();
            assert_eq!(excerpt.text.get(at..at + length), Some(word));
        }
        assert_eq!(excerpt.place(statement), Some((0, expected.len())));
    }

    #[test]
    fn short_lines_stay_as_they_are() {
        let policy = "{\n \"Statement\": {\n  \"Sid\": \"a\"\n }\n}";
        let span = Span { start: 4, end: 8 };
        let excerpt = Excerpt::of(policy, span);
        assert_eq!(
            (excerpt.text.as_str(), excerpt.place(span)),
            (policy, Some((4, 4)))
        );
    }
}
