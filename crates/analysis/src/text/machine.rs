//! Several patterns walked together: a state is the set of places the patterns can be at.

use std::collections::HashMap;

use portcullis_policy::elements::fold;
use portcullis_policy::syntax::Token;

use crate::Cause;
use crate::effort::Effort;
use crate::text::{Demand, Found};

/// Places looked at before a search is given up; a usual one needs a few thousand.
const MAX_WORK: usize = 3_000_000;

/// What a state costs besides its places.
const STATE_WORK: usize = 10;

/// Characters to stand for "any other", the most readable first.
const FILLERS: &str = "xyzabcdefghijklmnopqrstuvw0123456789XYZABCDEFGHIJKLMNOPQRSTUVW-_.~!@#%&=+,;<>()";

/// Characters that fold to another one besides its upper case.
const ODD_FOLDS: [(char, char); 3] = [('k', '\u{212a}'), ('\u{e5}', '\u{212b}'), ('\u{df}', '\u{1e9e}')];

/// A place in a pattern: before one of its tokens, or (with no token) at its end.
struct Place {
    token: Option<Token>,
    pattern: usize,
}

/// A pattern's places and the demand it belongs to.
struct Pattern {
    demand: usize,
    first: usize,
}

pub(super) struct Machine {
    places: Vec<Place>,
    patterns: Vec<Pattern>,
    /// For every demand whether one pattern has to match.
    any: Vec<bool>,
    /// Whether it matters in which field of an ARN a character stands (R46).
    tells_fields_apart: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Sorted places; places after the last one stand for demands that are met whatever follows.
    places: Box<[usize]>,
    /// How many colons were read, up to the fifth; none where fields do not matter.
    colons: u8,
}

impl State {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn in_sixth_field(&self) -> bool {
        self.colons == LAST_COLON
    }
}

/// The colon before the sixth field.
const LAST_COLON: u8 = 5;

impl Machine {
    pub(super) fn new(demands: &[Demand<'_>]) -> Self {
        let mut machine = Self {
            places: Vec::new(),
            patterns: Vec::new(),
            any: demands.iter().map(|demand| demand.any).collect(),
            tells_fields_apart: false,
        };
        for (demand, wanted) in demands.iter().enumerate() {
            for glob in wanted.globs {
                let pattern = machine.patterns.len();
                machine.patterns.push(Pattern {
                    demand,
                    first: machine.places.len(),
                });
                let ends = glob.tokens().iter().copied().map(Some).chain([None]);
                machine.places.extend(ends.map(|token| Place { token, pattern }));
            }
        }
        let is_arn_char = |place: &Place| matches!(place.token, Some(Token::ArnChar(_)));
        machine.tells_fields_apart = machine.places.iter().any(is_arn_char);
        machine
    }

    /// Walks all states, the shortest texts first.
    pub(super) fn find(&self, effort: &Effort) -> Found<String> {
        let starts = self.patterns.iter().map(|pattern| pattern.first).collect();
        let Some(start) = self.normal(starts, 0) else {
            return Found::No;
        };
        let mut known: HashMap<State, ()> = HashMap::from([(start.clone(), ())]);
        let mut queue: Vec<(State, usize, char)> = vec![(start, 0, ' ')];
        let mut at = 0;
        let mut work = 0;
        while let Some((state, _, _)) = queue.get(at) {
            let state = state.clone();
            if self.accepts(&state) {
                return Found::Yes(text_of(&queue, at));
            }
            let mut spent = STATE_WORK;
            for c in self.characters(&state) {
                spent += state.len() + STATE_WORK;
                let Some(next) = self.step(&state, c) else {
                    continue;
                };
                if known.insert(next.clone(), ()).is_none() {
                    queue.push((next, at, c));
                }
            }
            work += spent;
            if work > MAX_WORK {
                return Found::Unknown(Cause::Patterns);
            }
            if !effort.spend(spent) {
                return Found::Unknown(Cause::Budget);
            }
            at += 1;
        }
        Found::No
    }

    fn token(&self, place: usize) -> Option<Token> {
        self.places.get(place).and_then(|place| place.token)
    }

    fn demand_of(&self, place: usize) -> Option<usize> {
        let pattern = self.places.get(place)?.pattern;
        self.patterns.get(pattern).map(|pattern| pattern.demand)
    }

    fn step(&self, state: &State, c: char) -> Option<State> {
        let mut next = Vec::with_capacity(state.len() + 4);
        for place in state.places.iter().copied() {
            if place >= self.places.len() {
                next.push(place);
                continue;
            }
            match self.token(place) {
                Some(Token::Char(wanted)) if wanted == c => next.push(place + 1),
                Some(Token::Folded(wanted)) if wanted == fold(c) => next.push(place + 1),
                Some(Token::ArnChar(wanted)) if wanted == c => next.push(place + 1),
                Some(Token::ArnChar(wanted)) if !state.in_sixth_field() && fold(wanted) == fold(c) => {
                    next.push(place + 1);
                }
                Some(Token::One) => next.push(place + 1),
                Some(Token::OneInField) if c != ':' => next.push(place + 1),
                Some(Token::Many) => next.push(place),
                Some(Token::ManyInField) if c != ':' => next.push(place),
                _ => {}
            }
        }
        let is_counted = self.tells_fields_apart && c == ':';
        let colons = (state.colons + u8::from(is_counted)).min(LAST_COLON);
        self.normal(next, colons)
    }

    /// The same set in its one normal form: stars stepped over; nothing that cannot matter any more. `None` when a
    /// demand can no longer be met.
    fn normal(&self, mut places: Vec<usize>, colons: u8) -> Option<State> {
        let mut at = 0;
        while let Some(place) = places.get(at).copied() {
            if matches!(self.token(place), Some(Token::Many | Token::ManyInField)) {
                places.push(place + 1);
            }
            at += 1;
        }
        places.sort_unstable();
        places.dedup();
        self.drop_dominated(&mut places);
        let places = self.settle_demands(places)?;
        Some(State { places, colons })
    }

    /// What a place before a star that crosses everything can still match, the star matches too.
    fn drop_dominated(&self, places: &mut Vec<usize>) {
        let mut kept_from = vec![0; self.patterns.len()];
        for place in places.iter().copied() {
            if let Some(Place {
                token: Some(Token::Many),
                pattern,
            }) = self.places.get(place)
                && let Some(from) = kept_from.get_mut(*pattern)
            {
                *from = place;
            }
        }
        places.retain(|place| {
            let pattern = self.places.get(*place).map(|place| place.pattern);
            pattern
                .and_then(|pattern| kept_from.get(pattern))
                .is_none_or(|from| place >= from)
        });
    }

    fn settle_demands(&self, places: Vec<usize>) -> Option<Box<[usize]>> {
        let total = self.places.len();
        let mut met = vec![false; self.any.len()];
        let mut alive = vec![false; self.any.len()];
        for place in places.iter().copied() {
            let demand = self.demand_of(place).or_else(|| place.checked_sub(total))?;
            let is_met = place >= total || self.matches_whatever_follows(place);
            if let (Some(met), Some(alive)) = (met.get_mut(demand), alive.get_mut(demand)) {
                *met |= is_met;
                *alive = true;
            }
        }
        for ((any, met), alive) in self.any.iter().zip(&met).zip(&alive) {
            if (*any && !alive) || (!any && *met) {
                return None;
            }
        }
        let is_open = |place: &usize| {
            let demand = self.demand_of(*place);
            demand.and_then(|demand| met.get(demand)) == Some(&false)
        };
        let mut kept: Vec<usize> = places.into_iter().filter(is_open).collect();
        let settled = met.iter().enumerate().filter(|(_, met)| **met);
        kept.extend(settled.map(|(demand, _)| total + demand));
        Some(kept.into_boxed_slice())
    }

    fn matches_whatever_follows(&self, place: usize) -> bool {
        let ends = matches!(self.places.get(place + 1), Some(Place { token: None, .. }));
        ends && self.token(place) == Some(Token::Many)
    }

    /// Whether a text that ends here meets every demand.
    fn accepts(&self, state: &State) -> bool {
        let mut matched = vec![false; self.any.len()];
        for place in state.places.iter().copied() {
            let demand = if place >= self.places.len() {
                place.checked_sub(self.places.len())
            } else if self.token(place).is_none() {
                self.demand_of(place)
            } else {
                None
            };
            if let Some(matched) = demand.and_then(|demand| matched.get_mut(demand)) {
                *matched = true;
            }
        }
        self.any.iter().zip(&matched).all(|(any, matched)| any == matched)
    }

    /// One character of every class that the patterns tell apart here.
    fn characters(&self, state: &State) -> Vec<char> {
        let mut exact = Vec::new();
        let mut folded = Vec::new();
        let mut in_field = self.tells_fields_apart && !state.in_sixth_field();
        for place in state.places.iter().copied() {
            match self.token(place) {
                Some(Token::Char(c)) => exact.push(c),
                Some(Token::Folded(c)) => folded.push(c),
                Some(Token::ArnChar(c)) if state.in_sixth_field() => exact.push(c),
                Some(Token::ArnChar(c)) => folded.push(fold(c)),
                Some(Token::OneInField | Token::ManyInField) => in_field = true,
                Some(Token::One | Token::Many) | None => {}
            }
        }
        let mut classes = exact.clone();
        for c in folded.iter().copied() {
            classes.push(c);
            if exact.iter().any(|other| fold(*other) == c) {
                classes.extend(spellings(c));
            }
        }
        if in_field {
            classes.push(':');
        }
        let is_other = |c: &char| *c != ':' && !exact.contains(c) && !folded.contains(&fold(*c));
        let rare = || ('\u{100}'..'\u{2000}').find(is_other);
        classes.extend(FILLERS.chars().find(is_other).or_else(rare));
        classes.sort_by_key(|c| (!FILLERS.starts_with(*c), *c));
        classes.dedup();
        classes
    }
}

/// The characters that fold to this one, besides itself.
fn spellings(folded: char) -> impl Iterator<Item = char> {
    let upper = folded.to_uppercase().filter(move |c| fold(*c) == folded);
    let odd = ODD_FOLDS
        .into_iter()
        .filter(move |(to, _)| *to == folded)
        .map(|(_, from)| from);
    upper.chain(odd)
}

fn text_of(queue: &[(State, usize, char)], mut at: usize) -> String {
    let mut characters = Vec::new();
    while at > 0 {
        let Some((_, before, c)) = queue.get(at) else {
            break;
        };
        characters.push(*c);
        at = *before;
    }
    characters.iter().rev().collect()
}
