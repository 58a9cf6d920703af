//! Wildcard patterns as lists of tokens, matched without recursion: time grows with pattern times subject,
//! whatever the pattern.

use std::str::Chars;

use crate::text::fold;

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// This character.
    Char(char),
    /// This character without case; it is stored folded.
    Folded(char),
    /// Exactly one character.
    One,
    /// Exactly one character, but no colon (R44).
    OneInField,
    /// Any run of characters, the empty one included.
    Many,
    /// Any run of characters without a colon (R44).
    ManyInField,
}

impl Token {
    fn accepts(self, c: char) -> bool {
        match self {
            Self::Char(wanted) => c == wanted,
            Self::Folded(wanted) => fold(c) == wanted,
            Self::One => true,
            Self::OneInField => c != ':',
            Self::Many | Self::ManyInField => false,
        }
    }
}

/// A piece of a pattern's text: as the policy wrote it, with wildcards, or text put in for a variable, which
/// is literal (R54).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) literal: bool,
}

impl<'a> Piece<'a> {
    pub(crate) fn pattern(text: &'a str) -> Self {
        Self { text, literal: false }
    }

    pub(crate) fn literal(text: &'a str) -> Self {
        Self { text, literal: true }
    }
}

/// A pattern ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

impl Glob {
    /// A pattern of these steps.
    pub fn from_tokens(tokens: Vec<Token>) -> Self {
        Self { tokens }
    }

    /// `*` and `?` match anything, everything else itself, with case (R79).
    pub(crate) fn new(pieces: &[Piece<'_>]) -> Self {
        let tokens = pieces.iter().flat_map(|piece| {
            piece.text.chars().map(move |c| match c {
                '*' if !piece.literal => Token::Many,
                '?' if !piece.literal => Token::One,
                c => Token::Char(c),
            })
        });
        Self {
            tokens: tokens.collect(),
        }
    }

    /// As `new`, but letters are compared without case (R33).
    pub(crate) fn without_case(pattern: &str) -> Self {
        let tokens = pattern.chars().map(|c| match c {
            '*' => Token::Many,
            '?' => Token::One,
            c => Token::Folded(fold(c)),
        });
        Self {
            tokens: tokens.collect(),
        }
    }

    /// Its steps.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Whether it matches the whole subject.
    pub fn matches(&self, subject: &str) -> bool {
        tokens_match(&self.tokens, subject)
    }
}

/// A place in a pattern: the step there and the place after it.
pub(crate) trait Steps: Copy {
    fn step(self) -> Option<(Token, Self)>;
}

impl Steps for &[Token] {
    fn step(self) -> Option<(Token, Self)> {
        self.split_first().map(|(token, after)| (*token, after))
    }
}

/// Where to go on when the text after a star does not fit: the star takes one character more.
struct Star<'a, S> {
    after: S,
    rest: Chars<'a>,
}

/// Whether the tokens match the whole subject.
pub(crate) fn tokens_match(tokens: &[Token], subject: &str) -> bool {
    steps_match(tokens, subject)
}

/// Whether a pattern matches the whole subject. Two stars are remembered: the latest one that may cross
/// colons and the latest one after it that may not. Earlier stars never need another try: the earliest fit
/// of what follows them leaves the most room for the rest. (This needs `One` not to stand between two
/// `ManyInField`; in an ARN it cannot, R44.)
pub(crate) fn steps_match<S: Steps>(pattern: S, subject: &str) -> bool {
    let mut at = pattern;
    let mut rest = subject.chars();
    let mut wide: Option<Star<'_, S>> = None;
    let mut narrow: Option<Star<'_, S>> = None;
    loop {
        let step = at.step();
        match step {
            Some((Token::Many, after)) => {
                if after.step().is_none() {
                    return true;
                }
                at = after;
                let rest = rest.clone();
                wide = Some(Star { after, rest });
                narrow = None;
                continue;
            }
            Some((Token::ManyInField, after)) => {
                at = after;
                let rest = rest.clone();
                narrow = Some(Star { after, rest });
                continue;
            }
            None if rest.as_str().is_empty() => return true,
            _ => {}
        }
        let mut ahead = rest.clone();
        if let (Some((token, after)), Some(c)) = (step, ahead.next())
            && token.accepts(c)
        {
            at = after;
            rest = ahead;
            continue;
        }
        let Some(star) = retry(&mut narrow, |c| c != ':').or_else(|| retry(&mut wide, |_| true)) else {
            return false;
        };
        (at, rest) = star;
    }
}

/// Lets the star take one more character, if there is one it may take; otherwise the star is given up.
fn retry<'a, S: Copy>(
    star: &mut Option<Star<'a, S>>,
    may_take: impl Fn(char) -> bool,
) -> Option<(S, Chars<'a>)> {
    let open = star.as_mut()?;
    if open.rest.next().is_some_and(may_take) {
        Some((open.after, open.rest.clone()))
    } else {
        *star = None;
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, subject: &str) -> bool {
        Glob::new(&[Piece::pattern(pattern)]).matches(subject)
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, subject, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("*a*b", "aXbXab", true),
            ("bucket/*/test/*", "bucket/1/2/test/3", true),
            ("abc", "ABC", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} on {subject}");
        }
    }

    #[test]
    fn r54_literal_pieces_hold_no_wildcards() {
        let glob = Glob::new(&[Piece::pattern("a*"), Piece::literal("*?")]);
        assert!(glob.matches("axx*?"));
        assert!(!glob.matches("axxyz"));
    }

    #[test]
    fn hostile_patterns_do_not_blow_up() {
        let pattern = "*a".repeat(1_000) + "b";
        assert!(!matches(&pattern, &"a".repeat(2_000)));
    }

    /// The definition, straight and slow.
    fn naive(tokens: &[Token], subject: &[char]) -> bool {
        match (tokens.split_first(), subject.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((Token::Many, after)), None) | (Some((Token::ManyInField, after)), None) => {
                naive(after, subject)
            }
            (Some((Token::Many, after)), Some((_, rest))) => naive(after, subject) || naive(tokens, rest),
            (Some((Token::ManyInField, after)), Some((c, rest))) => {
                naive(after, subject) || (*c != ':' && naive(tokens, rest))
            }
            (Some((token, after)), Some((c, rest))) => token.accepts(*c) && naive(after, rest),
            (Some(_), None) => false,
        }
    }

    /// The tokens of an ARN's first five fields; there `?` never matches a colon.
    fn token() -> impl Strategy<Value = Token> {
        prop_oneof![
            prop::sample::select(vec!['a', 'b', ':']).prop_map(Token::Char),
            Just(Token::Folded('a')),
            Just(Token::OneInField),
            Just(Token::Many),
            Just(Token::ManyInField),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_model(pattern in "[ab:*?]{0,12}", subject in "[ab:]{0,12}") {
            let glob = Glob::new(&[Piece::pattern(&pattern)]);
            let chars: Vec<char> = subject.chars().collect();
            prop_assert_eq!(glob.matches(&subject), naive(glob.tokens(), &chars));
        }

        #[test]
        fn agrees_with_the_naive_model_with_fields(
            tokens in prop::collection::vec(token(), 0..10),
            subject in "[abA:]{0,12}",
        ) {
            let chars: Vec<char> = subject.chars().collect();
            prop_assert_eq!(tokens_match(&tokens, &subject), naive(&tokens, &chars));
        }
    }
}
