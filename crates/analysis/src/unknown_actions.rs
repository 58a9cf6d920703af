//! Names of actions that the reference does not know, one for every way in which patterns can match them.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_policy::syntax::{Glob, Token};

use crate::Cause;
use crate::text::Found;

/// States looked at before giving up.
const MAX_STATES: usize = 20_000;

/// Places of all patterns together: pattern and token.
type State = BTreeSet<(usize, usize)>;

/// A name for every set of patterns that match it, of those for which there is one that `is_known` does not know.
pub(crate) fn names(globs: &[Glob], is_known: impl Fn(&str) -> bool) -> Found<Vec<String>> {
    let start: State = closed(globs, (0..globs.len()).map(|pattern| (pattern, 0)));
    let mut known: BTreeSet<State> = BTreeSet::from([start.clone()]);
    let mut queue: Vec<(State, String)> = vec![(start, String::new())];
    let mut found: BTreeMap<Vec<usize>, String> = BTreeMap::new();
    let mut at = 0;
    while let Some((state, name)) = queue.get(at).cloned() {
        let matched: Vec<usize> = ended(globs, &state).collect();
        if let Some(name) = unknown_name(&name, &matched, globs, &is_known) {
            found.entry(matched).or_insert(name);
        }
        for c in characters(globs, &state) {
            let next = step(globs, &state, c);
            if known.insert(next.clone()) {
                queue.push((next, format!("{name}{c}")));
            }
        }
        if known.len() > MAX_STATES {
            return Found::Unknown(Cause::Actions);
        }
        at += 1;
    }
    Found::Yes(found.into_values().collect())
}

/// The name itself, or a longer one that the same patterns match, if it is new.
fn unknown_name(
    name: &str,
    matched: &[usize],
    globs: &[Glob],
    is_known: impl Fn(&str) -> bool,
) -> Option<String> {
    let longer = ["", "x", "xx", "xyzzy"].iter().map(|end| format!("{name}{end}"));
    let mut suitable = longer.filter(|name| !name.is_empty() && !is_known(name));
    suitable.find(|name| {
        let now = globs
            .iter()
            .enumerate()
            .filter(|(_, glob)| glob.matches(name))
            .map(|(at, _)| at);
        now.eq(matched.iter().copied())
    })
}

fn token(globs: &[Glob], (pattern, at): (usize, usize)) -> Option<Token> {
    globs.get(pattern).and_then(|glob| glob.tokens().get(at)).copied()
}

fn closed(globs: &[Glob], places: impl Iterator<Item = (usize, usize)>) -> State {
    let mut state = State::new();
    for (pattern, mut at) in places {
        while state.insert((pattern, at)) && token(globs, (pattern, at)) == Some(Token::Many) {
            at += 1;
        }
    }
    // What a place before a star can still match, the star matches too.
    let last_star = |pattern: usize| {
        let stars = state
            .iter()
            .filter(|place| place.0 == pattern && token(globs, **place) == Some(Token::Many));
        stars.map(|(_, at)| *at).max().unwrap_or(0)
    };
    state
        .iter()
        .filter(|(pattern, at)| *at >= last_star(*pattern))
        .copied()
        .collect()
}

fn step(globs: &[Glob], state: &State, c: char) -> State {
    let moved = state
        .iter()
        .filter_map(|(pattern, at)| match token(globs, (*pattern, *at)) {
            Some(Token::Char(wanted) | Token::Folded(wanted)) if wanted == c => Some((*pattern, at + 1)),
            Some(Token::One | Token::OneInField) => Some((*pattern, at + 1)),
            Some(Token::Many | Token::ManyInField) => Some((*pattern, *at)),
            _ => None,
        });
    closed(globs, moved)
}

fn ended(globs: &[Glob], state: &State) -> impl Iterator<Item = usize> {
    state
        .iter()
        .filter(|place| token(globs, **place).is_none())
        .map(|(pattern, _)| *pattern)
}

/// The letters that patterns wait for, and one that none does. Names are ASCII, without case.
fn characters(globs: &[Glob], state: &State) -> Vec<char> {
    let wanted: BTreeSet<char> = state
        .iter()
        .filter_map(|place| match token(globs, *place) {
            Some(Token::Char(c) | Token::Folded(c)) => Some(c),
            _ => None,
        })
        .collect();
    let other = "xyzqjkwvabcdefghilmnoprstu0123456789_"
        .chars()
        .find(|c| !wanted.contains(c));
    wanted.into_iter().chain(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        let token = |c: char| match c {
            '*' => Token::Many,
            '?' => Token::One,
            c => Token::Folded(c.to_ascii_lowercase()),
        };
        Glob::from_tokens(text.chars().map(token).collect())
    }

    #[test]
    fn every_combination_has_a_name() {
        let globs = [glob("Describe*"), glob("*Tasks"), glob("RunTask")];
        let is_known = |name: &str| name.eq_ignore_ascii_case("RunTask");
        let Found::Yes(names) = names(&globs, is_known) else {
            panic!("given up")
        };
        let combinations: BTreeSet<Vec<bool>> = names
            .iter()
            .map(|name| globs.iter().map(|glob| glob.matches(name)).collect())
            .collect();
        assert_eq!(
            combinations,
            BTreeSet::from([
                vec![false, false, false],
                vec![true, false, false],
                vec![false, true, false],
                vec![true, true, false],
            ])
        );
    }
}
