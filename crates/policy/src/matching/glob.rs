//! Wildcard patterns as lists of tokens, matched without recursion: time grows with pattern times subject,
//! whatever the pattern.

use std::str::Chars;

use crate::open_points;
use crate::text::fold;

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// This character.
    Char(char),
    /// This character without case; it is stored folded.
    Folded(char),
    /// This character of an ARN: without case in the subject's first five fields, with case in the sixth (R46).
    ArnChar(char),
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
    /// Whether it stands for this character, which `in_sixth_field` tells of.
    fn accepts(self, c: char, in_sixth_field: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Char(wanted) => c == wanted,
            Self::Folded(wanted) => fold(c) == wanted,
            Self::ArnChar(wanted) => {
                let has_case = || open_points::r46_floating_letter_has_case(in_sixth_field());
                c == wanted || (fold(c) == fold(wanted) && !has_case())
            }
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

    /// As many steps as can be read at once, which is many times faster than one by one; `None` where none can.
    fn run(self, _subject: &str) -> Option<Run<Self>> {
        None
    }
}

/// What came of several steps at once.
pub(crate) enum Run<S> {
    /// So many bytes of the subject fit, and the pattern goes on behind them.
    Fits { bytes: usize, after: S },
    /// The subject is another one there.
    Differs,
}

impl<S> Run<S> {
    /// The same of a pattern that holds this one.
    pub(crate) fn map<T>(self, into: impl FnOnce(S) -> T) -> Run<T> {
        match self {
            Self::Fits { bytes, after } => Run::Fits {
                bytes,
                after: into(after),
            },
            Self::Differs => Run::Differs,
        }
    }
}

/// Reads text of a pattern as bytes, up to its first star: how many bytes of it were read, and how many of the subject fit
/// it. `None` when the subject differs.
pub(crate) fn run_of_text(text: &str, is_literal: bool, subject: &str) -> Option<(usize, usize)> {
    let subject = subject.as_bytes();
    let (mut read, mut fits) = (0, 0);
    for wanted in text.bytes() {
        match wanted {
            b'*' if !is_literal => break,
            b'?' if !is_literal => {
                fits += 1;
                while subject
                    .get(fits)
                    .is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
                {
                    fits += 1;
                }
            }
            byte if subject.get(fits) == Some(&byte) => fits += 1,
            _ => return None,
        }
        read += 1;
    }
    (fits <= subject.len()).then_some((read, fits))
}

impl Steps for &[Token] {
    fn step(self) -> Option<(Token, Self)> {
        self.split_first().map(|(token, after)| (*token, after))
    }

    fn run(self, subject: &str) -> Option<Run<Self>> {
        let is_plain = |token: &Token| matches!(token, Token::Char(_) | Token::One);
        if !self.first().is_some_and(is_plain) {
            return None;
        }
        let (mut after, mut rest) = (self, subject.chars());
        while let Some((token, next)) = after.split_first() {
            let fits = match token {
                Token::Char(wanted) => rest.next() == Some(*wanted),
                Token::One => rest.next().is_some(),
                _ => break,
            };
            if !fits {
                return Some(Run::Differs);
            }
            after = next;
        }
        let bytes = subject.len() - rest.as_str().len();
        Some(Run::Fits { bytes, after })
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
    let mut sixth_field: Option<usize> = None;
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
        let run = at.run(rest.as_str());
        if let Some(Run::Fits { bytes, after }) = run {
            at = after;
            rest = rest.as_str().get(bytes..).unwrap_or_default().chars();
            continue;
        }
        let mut ahead = rest.clone();
        let in_sixth_field = || {
            let length = *sixth_field.get_or_insert_with(|| sixth_field_length(subject));
            rest.as_str().len() <= length
        };
        if let (None, Some((token, after)), Some(c)) = (run, step, ahead.next())
            && token.accepts(c, in_sixth_field)
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

/// The bytes behind the fifth colon.
fn sixth_field_length(arn: &str) -> usize {
    let fifth_colon = arn.bytes().enumerate().filter(|(_, byte)| *byte == b':').nth(4);
    fifth_colon.map_or(0, |(at, _)| arn.len() - at - 1)
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

    /// The definition, straight and slow; so many colons stand before the subject.
    fn naive(tokens: &[Token], subject: &[char], colons: usize) -> bool {
        let Some((token, after)) = tokens.split_first() else {
            return subject.is_empty();
        };
        let is_star = matches!(token, Token::Many | Token::ManyInField);
        if is_star && naive(after, subject, colons) {
            return true;
        }
        let Some((c, rest)) = subject.split_first() else {
            return false;
        };
        let behind = colons + usize::from(*c == ':');
        match token {
            Token::Many => naive(tokens, rest, behind),
            Token::ManyInField => *c != ':' && naive(tokens, rest, behind),
            token => token.accepts(*c, || colons >= 5) && naive(after, rest, behind),
        }
    }

    /// The tokens of an ARN's first five fields; there `?` never matches a colon.
    fn token() -> impl Strategy<Value = Token> {
        prop_oneof![
            prop::sample::select(vec!['a', 'b', ':']).prop_map(Token::Char),
            Just(Token::Folded('a')),
            prop::sample::select(vec!['a', 'A']).prop_map(Token::ArnChar),
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
            prop_assert_eq!(glob.matches(&subject), naive(glob.tokens(), &chars, 0));
        }

        /// What is read at once is what the steps read one by one.
        #[test]
        fn a_run_of_text_agrees_with_its_steps(
            text in "[aé?]{0,5}\\*?[a]{0,2}",
            subject in "[aé]{0,8}",
            is_literal in any::<bool>(),
        ) {
            let run = run_of_text(&text, is_literal, &subject);
            let read = if is_literal { text.as_str() } else { text.split('*').next().unwrap() };
            let glob = Glob::new(&[Piece { text: read, literal: is_literal }]);
            let fitting = subject.char_indices().map(|(at, _)| at).chain([subject.len()]);
            let fits = fitting.into_iter().find(|at| subject.get(..*at).is_some_and(|start| glob.matches(start)));
            prop_assert_eq!(run, fits.map(|fits| (read.len(), fits)));
        }

        #[test]
        fn agrees_with_the_naive_model_with_fields(
            tokens in prop::collection::vec(token(), 0..10),
            subject in "(:[abA:]{2,7}:)?[abA:]{0,10}",
        ) {
            let chars: Vec<char> = subject.chars().collect();
            prop_assert_eq!(tokens_match(&tokens, &subject), naive(&tokens, &chars, 0));
        }
    }
}
