//! Is there a text that some patterns match and others do not? The patterns' automata are walked together, one
//! character at a time, and only as far as they can still matter.

mod machine;

use portcullis_policy::elements::fold;
use portcullis_policy::syntax::{Glob, Token};

use crate::Cause;
use crate::effort::Effort;
use machine::Machine;

/// What is wanted of one text: that one of the patterns matches it, or that none does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand<'a> {
    pub(crate) globs: &'a [Glob],
    /// Whether one has to match; otherwise none may.
    pub(crate) any: bool,
}

impl<'a> Demand<'a> {
    pub(crate) fn one_of(globs: &'a [Glob]) -> Self {
        Self { globs, any: true }
    }

    pub(crate) fn none_of(globs: &'a [Glob]) -> Self {
        Self { globs, any: false }
    }

    pub(crate) fn is_met_by(&self, text: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(text)) == self.any
    }
}

/// The answer to a question that may be too hard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// An example.
    Yes(T),
    /// There is none: proved.
    No,
    /// Given up.
    Unknown(Cause),
}

impl<T> Found<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Yes(found) => Found::Yes(f(found)),
            Self::No => Found::No,
            Self::Unknown(cause) => Found::Unknown(cause),
        }
    }

    /// The other one unless this one found something; `Unknown` outweighs `No`.
    pub(crate) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes(found) => Self::Yes(found),
            Self::No => other(),
            Self::Unknown(cause) => match other() {
                Self::Yes(found) => Self::Yes(found),
                Self::No | Self::Unknown(_) => Self::Unknown(cause),
            },
        }
    }
}

/// Finds a text that meets every demand.
pub(crate) fn find(demands: &[Demand<'_>], effort: &Effort) -> Found<String> {
    if begin_apart(demands) {
        return Found::No;
    }
    if let Some(texts) = demands.iter().find_map(finite) {
        let meets_all = |text: &String| demands.iter().all(|demand| demand.is_met_by(text));
        return texts.into_iter().find(meets_all).map_or(Found::No, Found::Yes);
    }
    Machine::new(demands).find(effort)
}

/// Whether two demands want texts that begin differently; most pairs of patterns do.
fn begin_apart(demands: &[Demand<'_>]) -> bool {
    let mut wanted = demands.iter().filter(|demand| demand.any);
    let Some(first) = wanted.next() else {
        return false;
    };
    let apart = |other: &Demand<'_>| {
        first.globs.iter().all(|a| {
            other
                .globs
                .iter()
                .all(|b| globs_begin_apart(a.tokens(), b.tokens()))
        })
    };
    wanted.any(apart)
}

fn globs_begin_apart(a: &[Token], b: &[Token]) -> bool {
    for (x, y) in a.iter().zip(b) {
        let meet = match (x, y) {
            (Token::Char(x), Token::Char(y)) | (Token::Folded(x), Token::Folded(y)) => x == y,
            (Token::Char(x), Token::Folded(y)) | (Token::Folded(y), Token::Char(x)) => fold(*x) == *y,
            _ => return false,
        };
        if !meet {
            return true;
        }
    }
    false
}

/// As `find`, but a text in which stars stand for something is preferred.
pub(crate) fn find_readable(demands: &[Demand<'_>], effort: &Effort) -> Found<String> {
    let filled = |glob: &Glob| {
        let mut tokens = Vec::new();
        for token in glob.tokens() {
            match (token, tokens.last()) {
                (Token::Many, Some(Token::One)) | (Token::ManyInField, Some(Token::OneInField)) => {}
                (Token::Many, _) => tokens.push(Token::One),
                (Token::ManyInField, _) => tokens.push(Token::OneInField),
                _ => {}
            }
            tokens.push(*token);
        }
        Glob::from_tokens(tokens)
    };
    let fuller: Vec<Vec<Glob>> = demands
        .iter()
        .map(|demand| {
            if demand.any {
                demand.globs.iter().map(filled).collect()
            } else {
                demand.globs.to_vec()
            }
        })
        .collect();
    let preferred: Vec<Demand<'_>> = demands
        .iter()
        .zip(&fuller)
        .map(|(demand, globs)| Demand {
            globs,
            any: demand.any,
        })
        .collect();
    match find(&preferred, effort) {
        Found::Yes(text) => Found::Yes(text),
        Found::No | Found::Unknown(_) => find(demands, effort),
    }
}

/// All texts that can meet a demand, if its patterns have no wildcards.
pub(crate) fn finite(demand: &Demand<'_>) -> Option<Vec<String>> {
    if !demand.any {
        return None;
    }
    demand.globs.iter().map(literal).collect()
}

/// The one text a pattern without wildcards matches.
pub(crate) fn literal(glob: &Glob) -> Option<String> {
    let character = |token: &Token| match token {
        Token::Char(c) => Some(*c),
        _ => None,
    };
    glob.tokens().iter().map(character).collect()
}

/// A pattern from text in which `*` and `?` are wildcards, with case.
pub(crate) fn pattern(text: &str) -> Glob {
    let token = |c: char| match c {
        '*' => Token::Many,
        '?' => Token::One,
        c => Token::Char(c),
    };
    Glob::from_tokens(text.chars().map(token).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn globs(patterns: &[&str]) -> Vec<Glob> {
        patterns.iter().map(|text| pattern(text)).collect()
    }

    fn found(one_of: &[&[&str]], none_of: &[&str]) -> Found<String> {
        let wanted: Vec<Vec<Glob>> = one_of.iter().map(|list| globs(list)).collect();
        let unwanted = globs(none_of);
        let mut demands: Vec<Demand<'_>> = wanted.iter().map(|list| Demand::one_of(list)).collect();
        demands.push(Demand::none_of(&unwanted));
        find(&demands, &Effort::new(10_000_000))
    }

    #[test]
    fn patterns_that_cover_each_other() {
        assert_eq!(found(&[&["task/default/*"]], &["task/*"]), Found::No);
        assert!(matches!(
            found(&[&["task/*"]], &["task/default/*"]),
            Found::Yes(_)
        ));
        assert_eq!(found(&[&["a*"], &["*b"], &["?"]], &[]), Found::No);
        assert_eq!(
            found(&[&["a*"], &["*b"], &["??"]], &[]),
            Found::Yes("ab".to_owned())
        );
        assert_eq!(found(&[&["*"]], &["?*", ""]), Found::No);
        assert_eq!(found(&[&["ab*", "ba*"]], &["a*", "b*"]), Found::No);
        assert_eq!(
            found(&[&["*a*", "*b*"]], &["*a", "*b"]).map(|text| text.len()),
            Found::Yes(2)
        );
    }

    #[test]
    fn hostile_patterns_end() {
        let stars = "*a".repeat(500);
        let other = "*b".repeat(500);
        assert!(!matches!(found(&[&[&stars], &[&other]], &["*c*"]), Found::No));
        let dots = format!("*a{}", "?".repeat(60));
        let more = format!("*b{}", "?".repeat(61));
        assert!(!matches!(found(&[&["*"]], &[&dots, &more, "*c"]), Found::No));
    }

    fn arn_token() -> impl Strategy<Value = Token> {
        prop_oneof![
            2 => prop::sample::select(vec!['a', 'A']).prop_map(Token::ArnChar),
            1 => prop::sample::select(vec!['a', 'A']).prop_map(Token::Char),
            1 => Just(Token::Folded('a')),
            3 => Just(Token::Char(':')),
            1 => Just(Token::OneInField),
            1 => Just(Token::ManyInField),
            2 => Just(Token::Many),
        ]
    }

    fn arn_globs() -> impl Strategy<Value = Vec<Glob>> {
        let tokens = prop::collection::vec(arn_token(), 1..6);
        prop::collection::vec(tokens.prop_map(Glob::from_tokens), 1..3)
    }

    proptest! {
        #[test]
        fn r46_agrees_with_trying_every_short_arn(wanted in arn_globs(), other in arn_globs(), unwanted in arn_globs()) {
            let demands = [Demand::one_of(&wanted), Demand::one_of(&other), Demand::none_of(&unwanted)];
            let answer = find(&demands, &Effort::new(10_000_000));
            let meets_all = |text: &str| demands.iter().all(|demand| demand.is_met_by(text));
            match answer {
                Found::Yes(text) => prop_assert!(meets_all(&text), "{text}"),
                Found::No => {
                    let mut texts = vec![String::new()];
                    for _ in 0..9 {
                        let met = texts.iter().find(|text| meets_all(text));
                        prop_assert_eq!(met, None);
                        texts = texts.iter().flat_map(|text| "aA:".chars().map(move |c| format!("{text}{c}"))).collect();
                    }
                }
                Found::Unknown(_) => {}
            }
        }

        #[test]
        fn agrees_with_trying_every_short_text(
            wanted in prop::collection::vec("[ab*?:]{0,5}", 1..3),
            unwanted in prop::collection::vec("[ab*?:]{0,5}", 0..3),
        ) {
            let wanted_globs: Vec<Vec<Glob>> = wanted.iter().map(|text| vec![pattern(text)]).collect();
            let unwanted_globs: Vec<Glob> = unwanted.iter().map(|text| pattern(text)).collect();
            let mut demands: Vec<Demand<'_>> = wanted_globs.iter().map(|list| Demand::one_of(list)).collect();
            demands.push(Demand::none_of(&unwanted_globs));
            let answer = find(&demands, &Effort::new(10_000_000));
            let mut texts = vec![String::new()];
            let mut exists = false;
            for _ in 0..6 {
                exists |= texts.iter().any(|text| demands.iter().all(|demand| demand.is_met_by(text)));
                texts = texts.iter().flat_map(|text| "ab:z".chars().map(move |c| format!("{text}{c}"))).collect();
            }
            match answer {
                Found::Yes(text) => prop_assert!(demands.iter().all(|demand| demand.is_met_by(&text)), "{text}"),
                Found::No => prop_assert!(!exists),
                Found::Unknown(_) => {}
            }
        }
    }
}
