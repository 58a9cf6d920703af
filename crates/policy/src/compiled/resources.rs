//! The resource patterns of a block: found by hash where they can be, each distinct one of the others matched once (R39-R50).

use crate::compiled::index::Index;
use crate::compiled::pattern::{Parts, arn_pattern_matches, stars_match};
use crate::compiled::prepared::Prepared;
use crate::compiled::resource::Resource;
use crate::compiled::set::{Mask, Set, Sets};
use crate::matching::resource::ResourceMatch;
use crate::{Effect, open_points};

/// A text that a resource is, or begins with.
#[derive(Debug, Clone)]
pub(super) struct Hashed {
    /// The pattern, its fields 2-5 in small letters: the text, and a star if it is a beginning.
    pub(super) text: Box<str>,
    /// How long the text is without the star.
    pub(super) literal: usize,
    /// The statements with this pattern.
    pub(super) statements: Set,
    /// The statements with this pattern or one that comes to the same for canonical resources.
    pub(super) alike: Set,
}

impl Hashed {
    pub(super) fn literal(&self) -> &[u8] {
        self.text.as_bytes().get(..self.literal).unwrap_or_default()
    }
}

/// A pattern that has to be matched.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    pub(super) form: Form,
    pub(super) statements: Set,
}

#[derive(Debug, Clone)]
pub(super) enum Form {
    /// Stars only: what stands between them is searched for.
    Stars(Box<str>),
    /// Anything else without variables.
    Wildcards(Box<str>),
    /// With variables.
    Computed(Parts),
}

/// The resource elements of a block's statements.
#[derive(Debug, Clone)]
pub(super) struct Resources<const W: usize> {
    pub(super) hashed: Vec<Hashed>,
    /// Places in `hashed` of the patterns without wildcards.
    pub(super) exact: Index,
    /// Places in `hashed` of the patterns that are a beginning, by the hash of it.
    pub(super) beginnings: Index,
    /// How long beginnings are, each length once, in order.
    pub(super) lengths: Vec<usize>,
    pub(super) matched: Vec<Matched>,
    /// Where the statements' patterns begin in `matched_of`; one more closes the last.
    pub(super) matched_from: Vec<u32>,
    /// Places in `matched`.
    pub(super) matched_of: Vec<u32>,
    /// Statements that have such patterns.
    pub(super) to_match: Mask<W>,
    /// Statements that list `*`, or no resource at all.
    pub(super) everything: Mask<W>,
    /// Statements with NotResource.
    pub(super) negated: Mask<W>,
    /// Patterns that come to the same as a beginning for canonical resources only.
    pub(super) alike: Vec<(Box<str>, Set)>,
}

/// Which lengths of beginnings some statements need: a bit for each, the last one for all from there on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths(u64);

impl Lengths {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u64::MAX);

    /// The length with this number.
    pub(super) fn number(number: usize) -> Self {
        Self(1 << number.min(63))
    }

    pub(super) fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those of the lengths.
    #[inline]
    fn of(self, lengths: &[usize]) -> impl Iterator<Item = usize> {
        let mut numbers = self.0;
        let (few, rest) = lengths.split_at(lengths.len().min(63));
        let needed = std::iter::from_fn(move || {
            let number = usize::try_from(numbers.trailing_zeros()).ok()?;
            numbers &= numbers.wrapping_sub(1);
            few.get(number).copied()
        });
        let rest = if self.0 >> 63 == 0 { [].as_slice() } else { rest };
        needed.chain(rest.iter().copied())
    }
}

/// What is found out about one request's resource while a block decides.
pub(super) struct Listing<const W: usize> {
    /// Statements that list the resource, as far as is known.
    listed: Mask<W>,
    /// Whether there may be more among the patterns that have to be matched.
    is_open: bool,
    failed: Option<Failed>,
}

impl<const W: usize> Listing<W> {
    pub(super) const NEW: Self = Self {
        listed: Mask::EMPTY,
        is_open: false,
        failed: None,
    };
}

/// Patterns that were matched in vain, the first thousand of them.
struct Failed {
    all: Mask<16>,
    /// Those with a variable that has no value.
    unresolved: Mask<16>,
}

const REMEMBERED: u32 = 1_024;

impl<const W: usize> Resources<W> {
    /// What the tables say about a resource; the other patterns follow when a statement needs them.
    #[inline]
    pub(super) fn look_up(
        &self,
        prepared: &Prepared<'_>,
        lengths: Lengths,
        sets: &Sets<W>,
        listing: &mut Listing<W>,
    ) {
        let resource = &prepared.resource;
        listing.listed = self.everything;
        // R41: `*` in a request is listed by the pattern `*` alone.
        let is_star = resource.text == "*";
        listing.is_open = !is_star || open_points::r41_r57_star_asks_for_variables();
        if is_star {
            return;
        }
        if !resource.is_canonical {
            return self.match_hashed(resource.text, sets, &mut listing.listed);
        }
        let whole = resource.text.len();
        if !self.exact.is_empty() {
            self.join_hashed(&self.exact, resource, whole, sets, &mut listing.listed);
        }
        for length in lengths.of(&self.lengths).take_while(|length| *length <= whole) {
            self.join_hashed(&self.beginnings, resource, length, sets, &mut listing.listed);
        }
    }

    #[inline]
    fn join_hashed(
        &self,
        index: &Index,
        resource: &Resource<'_>,
        length: usize,
        sets: &Sets<W>,
        listed: &mut Mask<W>,
    ) {
        let found = index.find(resource.hash_of_first(length), |place| {
            let pattern = self.hashed.get(usize::try_from(place).ok()?)?;
            let is_it = pattern.literal == length && resource.text.as_bytes().starts_with(pattern.literal());
            is_it.then_some(pattern.alike)
        });
        if let Some(statements) = found {
            sets.join(listed, statements);
        }
    }

    /// The slow way, for resources whose hash says nothing: every pattern in turn (R46).
    fn match_hashed(&self, resource: &str, sets: &Sets<W>, listed: &mut Mask<W>) {
        let hashed = self
            .hashed
            .iter()
            .map(|pattern| (&pattern.text, pattern.statements));
        let alike = self.alike.iter().map(|(text, statements)| (text, *statements));
        for (pattern, statements) in hashed.chain(alike) {
            if arn_pattern_matches(pattern, resource) {
                sets.join(listed, statements);
            }
        }
    }

    /// The statements whose resource element may let them apply.
    #[inline]
    pub(super) fn may_apply(&self, listing: &Listing<W>) -> Mask<W> {
        let open = if listing.is_open { u64::MAX } else { 0 };
        Mask::from_three(
            &listing.listed,
            &self.negated,
            &self.to_match,
            |listed, negated, to_match| (listed ^ negated) | (to_match & !listed & open),
        )
    }

    /// Whether a statement's Resource or NotResource lets it apply (R49).
    #[inline]
    pub(super) fn lets_apply(
        &self,
        statement: u16,
        effect: Effect,
        prepared: &Prepared<'_>,
        sets: &Sets<W>,
        listing: &mut Listing<W>,
    ) -> bool {
        let is_unresolved = listing.is_open
            && !listing.listed.has(statement)
            && self.to_match.has(statement)
            && self.match_statement(statement, prepared, sets, listing);
        match (self.negated.has(statement), listing.listed.has(statement)) {
            (is_negated, true) => !is_negated,
            (false, false) => false,
            (true, false) if is_unresolved => {
                open_points::r57_not_resource_holds_unresolved(effect == Effect::Deny)
            }
            (true, false) => true,
        }
    }

    /// Matches a statement's patterns until one lists the resource; whether none did, and a variable had no value (R57).
    fn match_statement(
        &self,
        statement: u16,
        prepared: &Prepared<'_>,
        sets: &Sets<W>,
        listing: &mut Listing<W>,
    ) -> bool {
        let mut is_unresolved = false;
        let failed = listing.failed.get_or_insert(Failed {
            all: Mask::EMPTY,
            unresolved: Mask::EMPTY,
        });
        for place in self.patterns_of(statement) {
            let pattern = usize::try_from(*place)
                .ok()
                .and_then(|place| self.matched.get(place));
            let Some(pattern) = pattern else { continue };
            let answer = failed
                .answer(*place)
                .unwrap_or_else(|| pattern.form.matches(prepared));
            if answer == ResourceMatch::Yes {
                sets.join(&mut listing.listed, pattern.statements);
                return false;
            }
            failed.remember(*place, answer);
            is_unresolved |= answer == ResourceMatch::Unresolved;
        }
        is_unresolved
    }

    fn patterns_of(&self, statement: u16) -> &[u32] {
        let statement = usize::from(statement);
        let ends = self
            .matched_from
            .get(statement)
            .zip(self.matched_from.get(statement + 1));
        ends.and_then(|(from, to)| {
            self.matched_of
                .get(usize::try_from(*from).ok()?..usize::try_from(*to).ok()?)
        })
        .unwrap_or_default()
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        let alike = self
            .alike
            .iter()
            .map(|(text, _)| text.len() + size_of::<(Box<str>, Set)>());
        let texts: usize = self
            .hashed
            .iter()
            .map(|pattern| pattern.text.len())
            .chain(alike)
            .sum();
        let forms: usize = self.matched.iter().map(|pattern| pattern.form.memory()).sum();
        texts
            + forms
            + self.hashed.capacity() * size_of::<Hashed>()
            + self.matched.capacity() * size_of::<Matched>()
            + self.exact.memory()
            + self.beginnings.memory()
            + self.lengths.capacity() * size_of::<usize>()
            + (self.matched_from.capacity() + self.matched_of.capacity()) * size_of::<u32>()
    }
}

impl Failed {
    fn remembers(place: u32) -> Option<u16> {
        u16::try_from(place).ok().filter(|_| place < REMEMBERED)
    }

    /// What the pattern answered before.
    fn answer(&self, place: u32) -> Option<ResourceMatch> {
        let place = Self::remembers(place)?;
        let answer = if self.unresolved.has(place) {
            ResourceMatch::Unresolved
        } else {
            ResourceMatch::No
        };
        self.all.has(place).then_some(answer)
    }

    fn remember(&mut self, place: u32, answer: ResourceMatch) {
        if let Some(place) = Self::remembers(place) {
            self.all.insert(place);
            if answer == ResourceMatch::Unresolved {
                self.unresolved.insert(place);
            }
        }
    }
}

impl Form {
    fn matches(&self, prepared: &Prepared<'_>) -> ResourceMatch {
        let resource = &prepared.resource;
        let matched = match self {
            Self::Stars(text) if resource.is_canonical => stars_match(text, resource.text),
            Self::Stars(text) | Self::Wildcards(text) => {
                resource.text != "*" && arn_pattern_matches(text, resource.text)
            }
            Self::Computed(parts) => match parts.resolve(prepared.facts) {
                Some(resolved) => resource.text != "*" && resolved.matches_resource(resource.text),
                None => return ResourceMatch::Unresolved,
            },
        };
        if matched {
            ResourceMatch::Yes
        } else {
            ResourceMatch::No
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Stars(text) | Self::Wildcards(text) => text.len(),
            Self::Computed(parts) => parts.memory(),
        }
    }
}
