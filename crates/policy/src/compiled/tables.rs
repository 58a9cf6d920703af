//! Equality conditions on one key, of all statements of a block at once: one look-up of the request's value says which
//! statements its condition lets apply. (`StringEquals`, `StringNotEquals`, `ArnEquals`, `StringLike` without wildcards, `Bool`,
//! `Null`, with and without `IfExists`.)

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::Value;
use crate::compiled::facts::{Facts, Key};
use crate::compiled::index::Index;
use crate::compiled::set::{Mask, Set, Sets};
use crate::document::{Condition, ConditionValue, Statement};
use crate::matching::compare::bool_value;
use crate::matching::operator::Test;
use crate::{open_points, text};

/// Tables of one block: as many as a row has bits for them.
const TABLES_MAX: usize = 64;

/// How a table reads the request's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reading {
    /// As text, exactly.
    Text,
    /// As `true` or `false` in any case (R82).
    Bool,
}

/// What the conditions of a block say about one key.
#[derive(Debug, Clone)]
struct Table<const W: usize> {
    key: Key,
    reading: Reading,
    /// Statements with a condition here.
    constrained: Mask<W>,
    /// The statements that may apply when the key is missing, when it holds several values, and when it holds one that no
    /// condition lists: those whose condition holds, and those without one.
    if_missing: Mask<W>,
    if_several: Mask<W>,
    otherwise: Mask<W>,
    /// Listed values, each with the statements for which it makes a difference.
    values: Vec<(Box<str>, Set)>,
    by_hash: Index,
}

/// The tables of a block.
#[derive(Debug, Clone)]
pub(super) struct Tables<const W: usize>(Vec<Table<W>>);

impl<const W: usize> Tables<W> {
    /// Leaves of the statements those that the wanted tables let apply.
    #[inline]
    pub(super) fn narrow(&self, wanted: u64, facts: Facts<'_>, sets: &Sets<W>, live: &mut Mask<W>) {
        let mut wanted = wanted;
        while let Some(table) = usize::try_from(wanted.trailing_zeros())
            .ok()
            .and_then(|at| self.0.get(at))
        {
            wanted &= wanted.wrapping_sub(1);
            if live.meets(&table.constrained) {
                table.narrow(facts, sets, live);
            }
        }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Table<W>>() + self.0.iter().map(Table::memory).sum::<usize>()
    }
}

impl<const W: usize> Table<W> {
    #[inline]
    fn narrow(&self, facts: Facts<'_>, sets: &Sets<W>, live: &mut Mask<W>) {
        let Some(entry) = facts.entry(&self.key) else {
            return live.keep(&self.if_missing);
        };
        let asked = match &entry.value {
            Value::Many(_) => return live.keep(&self.if_several),
            Value::One(asked) => asked,
        };
        let listed = match self.reading {
            Reading::Text => self.listed(entry.value_hash, asked),
            Reading::Bool => bool_value(asked).and_then(|value| {
                let word = word_of(value);
                self.listed(text::hash(word), word)
            }),
        };
        match listed {
            Some(statements) => sets.keep_turned(live, &self.otherwise, statements),
            None => live.keep(&self.otherwise),
        }
    }

    #[inline]
    fn listed(&self, hash: u64, asked: &str) -> Option<Set> {
        self.by_hash.find(hash, |place| {
            let (value, statements) = self.values.get(usize::try_from(place).ok()?)?;
            (**value == *asked).then_some(*statements)
        })
    }

    fn memory(&self) -> usize {
        let texts: usize = self.values.iter().map(|(value, _)| value.len()).sum();
        self.key.memory()
            + self.values.capacity() * size_of::<(Box<str>, Set)>()
            + texts
            + self.by_hash.memory()
    }
}

fn word_of(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Collects the conditions of a block that tables can take.
#[derive(Default)]
pub(super) struct TablesBuilder<'a> {
    found: HashMap<(String, Reading), Vec<Candidate<'a>>, FixedState>,
}

struct Candidate<'a> {
    statement: u16,
    condition: &'a Condition,
    simple: Simple<'a>,
}

/// The tables of a block, and what they took.
pub(super) struct Tabled<const W: usize> {
    pub(super) tables: Tables<W>,
    /// Each statement with the place of its condition that a table took, in order.
    taken: Vec<(u16, usize)>,
    /// The tables each statement needs, a bit for each.
    pub(super) needed: Vec<u64>,
}

impl<const W: usize> Tabled<W> {
    /// Whether a table took a statement's condition.
    pub(super) fn took(&self, statement: u16, condition: usize) -> bool {
        self.taken.binary_search(&(statement, condition)).is_ok()
    }
}

impl<'a> TablesBuilder<'a> {
    /// Adds a statement's conditions; statements come in order.
    pub(super) fn add(&mut self, statement: u16, conditions: &'a [Condition]) {
        for condition in conditions {
            let Some(simple) = simple(condition) else { continue };
            let key = condition.key.chars().map(text::fold).collect();
            let candidates = self.found.entry((key, simple.reading)).or_default();
            // A second condition of the statement on the key is for the rest of the program.
            if candidates.last().is_none_or(|last| last.statement != statement) {
                candidates.push(Candidate {
                    statement,
                    condition,
                    simple,
                });
            }
        }
    }

    pub(super) fn finish<const W: usize>(
        self,
        statements: &[&'a Statement],
        sets: &mut Sets<W>,
    ) -> Tabled<W> {
        let mut groups: Vec<_> = self.found.into_iter().collect();
        groups
            .sort_unstable_by(|(a_key, a), (b_key, b)| b.len().cmp(&a.len()).then_with(|| a_key.cmp(b_key)));
        groups.truncate(TABLES_MAX);
        let mut needed = vec![0; statements.len()];
        let mut taken = Vec::new();
        let mut tables = Vec::new();
        for ((_, reading), candidates) in &groups {
            let bit = 1u64 << tables.len();
            for candidate in candidates {
                let at = usize::from(candidate.statement);
                if let Some(needed) = needed.get_mut(at) {
                    *needed |= bit;
                }
                let conditions = statements
                    .get(at)
                    .map_or([].as_slice(), |parsed| &parsed.conditions);
                let place = conditions
                    .iter()
                    .position(|one| std::ptr::eq(one, candidate.condition));
                taken.extend(place.map(|place| (candidate.statement, place)));
            }
            tables.extend(Table::new(*reading, candidates, sets));
        }
        taken.sort_unstable();
        let tables = Tables(tables);
        Tabled {
            tables,
            taken,
            needed,
        }
    }
}

impl<const W: usize> Table<W> {
    fn new(reading: Reading, candidates: &[Candidate<'_>], sets: &mut Sets<W>) -> Option<Self> {
        let statements: Vec<u16> = candidates.iter().map(|candidate| candidate.statement).collect();
        let but_for = |holds: fn(&Simple<'_>) -> bool| {
            let mut mask = Mask::FULL;
            for candidate in candidates.iter().filter(|candidate| !holds(&candidate.simple)) {
                mask.remove(candidate.statement);
            }
            mask
        };
        let mut listed: HashMap<&str, Vec<u16>, FixedState> = HashMap::default();
        for candidate in candidates {
            for value in &candidate.simple.except {
                let of_value = listed.entry(value).or_default();
                if of_value.last() != Some(&candidate.statement) {
                    of_value.push(candidate.statement);
                }
            }
        }
        let values: Vec<(Box<str>, Set)> = listed
            .into_iter()
            .map(|(value, of_value)| (value.into(), sets.add(&of_value)))
            .collect();
        let hashes = values.iter().map(|(value, _)| text::hash(value));
        let by_hash = Index::new(&hashes.zip(0..).collect::<Vec<_>>());
        Some(Self {
            key: Key::new(&candidates.first()?.condition.key),
            reading,
            constrained: Mask::of(&statements),
            if_missing: but_for(|simple| simple.holds_if_missing),
            if_several: but_for(|simple| simple.holds_if_several),
            otherwise: but_for(|simple| simple.holds_otherwise),
            values,
            by_hash,
        })
    }
}

/// A condition in the form a table takes.
struct Simple<'a> {
    reading: Reading,
    holds_if_missing: bool,
    holds_if_several: bool,
    holds_otherwise: bool,
    /// The values for which it is the other way round.
    except: Vec<&'a str>,
}

/// The condition as a table takes it, if it is simple enough.
fn simple(condition: &Condition) -> Option<Simple<'_>> {
    let operator = condition.operator;
    if condition.values.is_empty() {
        return None;
    }
    if operator.test() == Test::Null {
        return Some(null(condition));
    }
    if operator.set().is_some() || open_points::r89_multi_valued_key_may_match() {
        return None;
    }
    let negated = operator.negated();
    let (reading, equals): (_, fn(&ConditionValue, bool) -> Option<Equals<'_>>) = match operator.test() {
        Test::StringEquals => (Reading::Text, equals_text),
        Test::StringLike => (Reading::Text, equals_without_wildcards),
        Test::Arn => (Reading::Text, equals_arn),
        Test::Bool => (Reading::Bool, equals_bool),
        _ => return None,
    };
    let mut except = Vec::new();
    for value in &condition.values {
        if let Equals::Text(text) = equals(value, negated)? {
            except.push(text);
        }
    }
    Some(Simple {
        reading,
        holds_if_missing: operator.if_exists() || negated,
        holds_if_several: false,
        holds_otherwise: negated,
        except,
    })
}

/// R97.
fn null(condition: &Condition) -> Simple<'_> {
    let lists = |word: &str| {
        let mut values = condition.values.iter();
        values.any(|value| value.text.eq_ignore_ascii_case(word))
    };
    let holds = |is_missing: bool| {
        let is_absent = open_points::r160_null_finds_absent(&condition.key, is_missing);
        lists(word_of(is_absent))
    };
    Simple {
        reading: Reading::Text,
        holds_if_missing: holds(true),
        holds_if_several: holds(false),
        holds_otherwise: holds(false),
        except: Vec::new(),
    }
}

/// Which value of a request equals one of a policy.
enum Equals<'a> {
    Text(&'a str),
    Nothing,
}

fn equals_text(value: &ConditionValue, _negated: bool) -> Option<Equals<'_>> {
    value.template.fixed().map(Equals::Text)
}

fn equals_without_wildcards(value: &ConditionValue, _negated: bool) -> Option<Equals<'_>> {
    let text = value.template.fixed()?;
    (!text.contains(['*', '?'])).then_some(Equals::Text(text))
}

/// An ARN without wildcards is equal to itself (R85). What is no ARN equals nothing; a negated operator has its own view of it
/// (R86), so that is not simple.
fn equals_arn(value: &ConditionValue, negated: bool) -> Option<Equals<'_>> {
    let text = value.template.fixed()?;
    let is_pattern = text.split(':').count() >= 6;
    let is_arn = is_pattern && text.starts_with("arn:");
    let differs_from_invalid = open_points::r86_r87_negated_holds_for_invalid(Test::Arn, true);
    if text.contains(['*', '?']) || (negated && (!is_pattern || !differs_from_invalid)) {
        return None;
    }
    Some(if is_arn {
        Equals::Text(text)
    } else {
        Equals::Nothing
    })
}

fn equals_bool(value: &ConditionValue, _negated: bool) -> Option<Equals<'_>> {
    let value = bool_value(value.template.fixed()?);
    Some(value.map_or(Equals::Nothing, |value| Equals::Text(word_of(value))))
}
