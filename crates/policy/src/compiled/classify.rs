//! The resource patterns of a block, sorted by how they can be found.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::compiled::index::Index;
use crate::compiled::pattern::Parts;
use crate::compiled::resource;
use crate::compiled::resources::{Form, Hashed, Lengths, Matched, Resources};
use crate::compiled::set::{Mask, Set, Sets};
use crate::document::{ResourceList, ResourcePattern};
use crate::matching::glob::{Glob, Token};
use crate::matching::resource::ResourceForm;

/// Collects the patterns of a block.
#[derive(Default)]
pub(super) struct ResourcesBuilder<'a> {
    /// Each distinct pattern with its statements; the same text without and with variables are two.
    known: HashMap<(&'a str, bool), usize, FixedState>,
    found: Vec<(&'a ResourcePattern, Vec<u16>)>,
    everything: Vec<u16>,
    negated: Vec<u16>,
}

impl<'a> ResourcesBuilder<'a> {
    /// Adds a statement's element; statements come in order.
    pub(super) fn add(&mut self, statement: u16, list: Option<&'a ResourceList>) {
        let Some(list) = list else {
            self.everything.push(statement);
            return;
        };
        if list.negated {
            self.negated.push(statement);
        }
        if list
            .patterns
            .iter()
            .any(|pattern| pattern.form == ResourceForm::Everything)
        {
            self.everything.push(statement);
            return;
        }
        for pattern in &list.patterns {
            let is_computed = match pattern.form {
                ResourceForm::Fixed(_) => false,
                ResourceForm::Computed(_) => true,
                ResourceForm::Everything | ResourceForm::Nothing => continue,
            };
            let next = self.found.len();
            let place = *self.known.entry((&pattern.text, is_computed)).or_insert(next);
            if place == next {
                self.found.push((pattern, Vec::new()));
            }
            if let Some((_, statements)) = self.found.get_mut(place)
                && statements.last() != Some(&statement)
            {
                statements.push(statement);
            }
        }
    }

    /// The resource elements, and the lengths that each statement needs.
    pub(super) fn finish<const W: usize>(
        self,
        statements: usize,
        sets: &mut Sets<W>,
    ) -> (Resources<W>, Vec<Lengths>) {
        let mut literals = Literals::default();
        let mut matched = Vec::new();
        let mut pairs: Vec<(u16, u32)> = Vec::new();
        for (pattern, of_statements) in &self.found {
            match classify(&pattern.form) {
                Class::Hashed(literal) => literals.add(literal, of_statements),
                Class::Matched(form) => {
                    let place = u32::try_from(matched.len()).unwrap_or(u32::MAX);
                    pairs.extend(of_statements.iter().map(|statement| (*statement, place)));
                    let statements = sets.add(of_statements);
                    matched.push(Matched { form, statements });
                }
            }
        }
        pairs.sort_unstable();
        let begin = |statement: usize| {
            let before = pairs.partition_point(|(of, _)| usize::from(*of) < statement);
            u32::try_from(before).unwrap_or(u32::MAX)
        };
        let to_match: Vec<u16> = pairs.iter().map(|(statement, _)| *statement).collect();
        let (hashed, alike) = literals.finish(sets);
        let mut needed = vec![Lengths::NONE; statements];
        let is_exact = |pattern: &Hashed| pattern.literal == pattern.text.len();
        let beginnings = hashed.iter().filter(|pattern| !is_exact(pattern));
        let mut lengths: Vec<usize> = beginnings.map(|pattern| pattern.literal).collect();
        lengths.sort_unstable();
        lengths.dedup();
        for pattern in hashed.iter().filter(|pattern| !is_exact(pattern)) {
            let number = Lengths::number(lengths.partition_point(|length| *length < pattern.literal));
            let mut mask = Mask::<W>::EMPTY;
            sets.join(&mut mask, pattern.alike);
            for statement in mask.members() {
                if let Some(needed) = needed.get_mut(usize::from(statement)) {
                    *needed = needed.and(number);
                }
            }
        }
        let resources = Resources {
            exact: index(&hashed, is_exact),
            beginnings: index(&hashed, |pattern| !is_exact(pattern)),
            lengths,
            matched,
            matched_from: (0..=statements).map(begin).collect(),
            matched_of: pairs.iter().map(|(_, place)| *place).collect(),
            to_match: Mask::of(&to_match),
            everything: Mask::of(&self.everything),
            negated: Mask::of(&self.negated),
            hashed,
            alike,
        };
        (resources, needed)
    }
}

/// The index of some of the patterns.
fn index(hashed: &[Hashed], belongs: impl Fn(&Hashed) -> bool) -> Index {
    let belonging = (0..).zip(hashed).filter(|(_, pattern)| belongs(pattern));
    let entries: Vec<(u64, u32)> = belonging
        .map(|(place, pattern)| (resource::hash(pattern.literal()), place))
        .collect();
    Index::new(&entries)
}

/// A pattern that is a text, or a text and what every canonical resource with this beginning matches.
struct Literal {
    /// The whole pattern.
    pattern: String,
    /// How long the text is.
    length: usize,
}

/// The hashed patterns, those that come to the same under one entry.
#[derive(Default)]
struct Literals {
    known: HashMap<String, usize, FixedState>,
    /// Each text, with a star if it is a beginning; the statements with this pattern, and those with one alike.
    found: Vec<(String, Vec<u16>, Vec<u16>)>,
    alike: Vec<(String, Vec<u16>)>,
}

impl Literals {
    fn add(&mut self, literal: Literal, statements: &[u16]) {
        let Literal { pattern, length } = literal;
        let mut short = pattern.get(..length).unwrap_or_default().to_owned();
        if length < pattern.len() {
            short.push('*');
        }
        let next = self.found.len();
        let place = *self.known.entry(short.clone()).or_insert(next);
        if place == next {
            self.found.push((short.clone(), Vec::new(), Vec::new()));
        }
        if let Some((_, own, alike)) = self.found.get_mut(place) {
            alike.extend_from_slice(statements);
            if pattern == short {
                own.extend_from_slice(statements);
            }
        }
        if pattern != short {
            self.alike.push((pattern, statements.to_vec()));
        }
    }

    fn finish<const W: usize>(self, sets: &mut Sets<W>) -> (Vec<Hashed>, Vec<(Box<str>, Set)>) {
        let mut add = |mut statements: Vec<u16>| {
            statements.sort_unstable();
            statements.dedup();
            sets.add(&statements)
        };
        let mut hashed = Vec::with_capacity(self.found.len());
        for (text, own, alike) in self.found {
            let statements = add(own.clone());
            hashed.push(Hashed {
                literal: text.len() - usize::from(text.ends_with('*')),
                text: text.into(),
                statements,
                alike: if own == alike { statements } else { add(alike) },
            });
        }
        let alike = self
            .alike
            .into_iter()
            .map(|(text, statements)| (text.into(), add(statements)));
        (hashed, alike.collect())
    }
}

enum Class {
    Hashed(Literal),
    Matched(Form),
}

fn classify(form: &ResourceForm) -> Class {
    let glob = match form {
        ResourceForm::Fixed(glob) => glob,
        ResourceForm::Computed(template) => return Class::Matched(Form::Computed(Parts::new(template))),
        ResourceForm::Everything | ResourceForm::Nothing => {
            return Class::Matched(Form::Wildcards("".into()));
        }
    };
    let pattern = text_of(glob);
    let literals = glob
        .tokens()
        .iter()
        .take_while(|token| is_character(token))
        .count();
    let (head, rest) = glob.tokens().split_at_checked(literals).unwrap_or_default();
    if rest.is_empty() || is_open_end(head, rest) {
        let length = pattern.chars().take(literals).map(char::len_utf8).sum();
        return Class::Hashed(Literal { pattern, length });
    }
    if has_stars_only(rest) {
        Class::Matched(Form::Stars(pattern.into()))
    } else {
        Class::Matched(Form::Wildcards(pattern.into()))
    }
}

fn is_character(token: &Token) -> bool {
    matches!(token, Token::Char(_) | Token::Folded(_))
}

fn is_colon(token: &Token) -> bool {
    matches!(token, Token::Char(':') | Token::Folded(':'))
}

fn is_star(token: &Token) -> bool {
    matches!(token, Token::Many | Token::ManyInField)
}

fn text_of(glob: &Glob) -> String {
    let letters = glob.tokens().iter().map(|token| match token {
        Token::Char(c) | Token::Folded(c) | Token::ArnChar(c) => *c,
        Token::One | Token::OneInField => '?',
        Token::Many | Token::ManyInField => '*',
    });
    letters.collect()
}

/// Whether every resource of six fields that begins with `head` matches: the rest is `*`, or `*:*` and so on within the
/// first six fields.
fn is_open_end(head: &[Token], rest: &[Token]) -> bool {
    let fields: Vec<&[Token]> = rest.split(is_colon).collect();
    let colons = head.iter().filter(|token| is_colon(token)).count() + fields.len() - 1;
    let is_open = |field: &&[Token]| field.iter().all(is_star) && field.last() == Some(&Token::Many);
    fields.iter().all(is_open) && (fields.len() == 1 || colons <= 5)
}

/// Whether the wildcards are stars that match anything, and what stands between them compares byte by byte wherever it is
/// found in a canonical resource.
fn has_stars_only(rest: &[Token]) -> bool {
    let next = rest.iter().skip(1).map(Some).chain([None]);
    rest.iter().zip(next).all(|(token, next)| match token {
        Token::Char(_) | Token::Many => true,
        Token::Folded(c) => c.is_ascii() && !c.is_ascii_alphabetic(),
        // In the first five fields a canonical resource has no capitals, so small letters compare as they are.
        Token::ArnChar(c) => c.is_ascii_lowercase(),
        Token::ManyInField => next.is_some_and(is_star),
        Token::One | Token::OneInField => false,
    })
}
