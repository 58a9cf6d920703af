//! Globs, by their definition.

use super::text::fold;

/// One part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// This character.
    Char(char),
    /// This character, in either case.
    Letter(char),
    /// This character; in the first five fields of the text in either case (R46).
    ArnLetter(char),
    /// `?`: exactly one character.
    One,
    /// `*`: any run of characters, also none.
    Run,
    /// `?` where it matches no colon (R44).
    OneInField,
    /// `*` where it matches no colon (R44).
    RunInField,
}

/// Plain text as a pattern: `*` and `?` are wildcards.
pub fn tokens(pattern: &str) -> Vec<Token> {
    let token = |c| match c {
        '*' => Token::Run,
        '?' => Token::One,
        other => Token::Char(other),
    };
    pattern.chars().map(token).collect()
}

/// The same pattern without case.
pub fn without_case(pattern: Vec<Token>) -> Vec<Token> {
    let letter = |token| match token {
        Token::Char(c) => Token::Letter(c),
        other => other,
    };
    pattern.into_iter().map(letter).collect()
}

/// Whether the pattern is the whole text.
pub fn matches(pattern: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let runs = pattern
        .iter()
        .filter(|token| matches!(token, Token::Run | Token::RunInField));
    // What was tried and failed is remembered, so that `*a*a*a*` ends. With one run nothing is tried twice.
    let memory = if runs.count() > 1 {
        pattern.len() * (text.len() + 1)
    } else {
        0
    };
    let mut failed = vec![false; memory];
    let mut colons = (0..text.len()).filter(|at| text[*at] == ':');
    let glob = Glob {
        pattern,
        text: &text,
        fifth_colon: colons.nth(4).unwrap_or(text.len()),
    };
    glob.from(0, 0, &mut failed)
}

struct Glob<'a> {
    pattern: &'a [Token],
    text: &'a [char],
    fifth_colon: usize,
}

impl Glob<'_> {
    fn from(&self, p: usize, t: usize, failed: &mut [bool]) -> bool {
        let Some(token) = self.pattern.get(p) else {
            return t == self.text.len();
        };
        let here = self.text.get(t).copied();
        match (token, here) {
            (Token::Char(c), Some(asked)) => *c == asked && self.from(p + 1, t + 1, failed),
            (Token::Letter(c), Some(asked)) => fold(*c) == fold(asked) && self.from(p + 1, t + 1, failed),
            (Token::ArnLetter(c), Some(asked)) => {
                let same = if t < self.fifth_colon {
                    fold(*c) == fold(asked)
                } else {
                    *c == asked
                };
                same && self.from(p + 1, t + 1, failed)
            }
            (Token::One, Some(_)) => self.from(p + 1, t + 1, failed),
            (Token::OneInField, Some(c)) => c != ':' && self.from(p + 1, t + 1, failed),
            (
                Token::Char(_) | Token::Letter(_) | Token::ArnLetter(_) | Token::One | Token::OneInField,
                None,
            ) => false,
            (Token::Run | Token::RunInField, _) => {
                let place = p * (self.text.len() + 1) + t;
                if failed.get(place) == Some(&true) {
                    return false;
                }
                let takes = here.is_some_and(|c| *token == Token::Run || c != ':');
                let found = self.from(p + 1, t, failed) || (takes && self.from(p, t + 1, failed));
                if let Some(slot) = failed.get_mut(place) {
                    *slot = !found;
                }
                found
            }
        }
    }
}
