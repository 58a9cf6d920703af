//! The conditions that no table takes, one statement after the other: their values are read when the policy is compiled and
//! compared without allocation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::compiled::facts::{Facts, Key};
use crate::compiled::pattern::{Parts, Resolved, arn_fields_match, wildcards_match};
use crate::document::{Condition, ConditionValue};
use crate::matching::compare::{Comparison, bool_value, compare_numbers, is_arn, is_arn_pattern, typed};
use crate::matching::condition::{Conditional, judge};
use crate::matching::date::Instant;
use crate::matching::network::{self, Network};
use crate::matching::operator::{Operator, Test};
use crate::{Value, text};

/// The conditions of a block's statements.
#[derive(Debug, Clone)]
pub(super) struct Residual {
    /// Where the statements' conditions begin; one more closes the last.
    from: Vec<u32>,
    conditions: Vec<Compiled>,
}

/// One condition.
#[derive(Debug, Clone)]
struct Compiled {
    key: Key,
    operator: Operator,
    values: Box<[Wanted]>,
}

/// One value of a condition, read as its operator reads it.
#[derive(Debug, Clone)]
enum Wanted {
    /// Text, a pattern or a number.
    Text(Box<str>),
    /// The same with variables.
    Computed(Parts),
    Bool(bool),
    Date(Instant),
    Network(Network),
    /// Not of the operator's type.
    Invalid,
}

impl Residual {
    pub(super) fn new() -> Self {
        Self {
            from: vec![0],
            conditions: Vec::new(),
        }
    }

    /// Adds a statement's conditions; statements come in order.
    pub(super) fn add<'a>(&mut self, conditions: impl Iterator<Item = &'a Condition>) {
        self.conditions.extend(conditions.map(Compiled::new));
        self.from
            .push(u32::try_from(self.conditions.len()).unwrap_or(u32::MAX));
    }

    /// Whether all of a statement's conditions hold (R73).
    #[inline]
    pub(super) fn hold(&self, statement: u16, facts: Facts<'_>) -> bool {
        let mut conditions = self.of(statement).iter();
        conditions.all(|condition| judge(&Asked { condition, facts }).met)
    }

    fn of(&self, statement: u16) -> &[Compiled] {
        let statement = usize::from(statement);
        let ends = self.from.get(statement).zip(self.from.get(statement + 1));
        ends.and_then(|(from, to)| {
            self.conditions
                .get(usize::try_from(*from).ok()?..usize::try_from(*to).ok()?)
        })
        .unwrap_or_default()
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.from.capacity() * size_of::<u32>()
            + self.conditions.capacity() * size_of::<Compiled>()
            + self.conditions.iter().map(Compiled::memory).sum::<usize>()
    }
}

impl Compiled {
    fn new(condition: &Condition) -> Self {
        let test = condition.operator.test();
        Self {
            key: Key::new(&condition.key),
            operator: condition.operator,
            values: condition
                .values
                .iter()
                .map(|value| Wanted::new(test, value))
                .collect(),
        }
    }

    fn memory(&self) -> usize {
        let texts = self.values.iter().map(|value| match value {
            Wanted::Text(text) => text.len(),
            Wanted::Computed(parts) => parts.memory(),
            Wanted::Bool(_) | Wanted::Date(_) | Wanted::Network(_) | Wanted::Invalid => 0,
        });
        self.key.memory() + size_of_val(&*self.values) + texts.sum::<usize>()
    }
}

impl Wanted {
    fn new(test: Test, value: &ConditionValue) -> Self {
        let Some(text) = value.template.fixed() else {
            return Self::Computed(Parts::new(&value.template));
        };
        let read = match test {
            Test::StringEquals
            | Test::StringEqualsIgnoreCase
            | Test::StringLike
            | Test::Numeric(_)
            | Test::Null => Some(Self::Text(text.into())),
            Test::Arn => is_arn_pattern(text).then(|| Self::Text(text.into())),
            Test::Binary => STANDARD.decode(text).ok().map(|_| Self::Text(text.into())),
            Test::Bool => bool_value(text).map(Self::Bool),
            Test::Date(_) => Instant::parse(text).map(Self::Date),
            Test::IpAddress => Network::parse(text).map(Self::Network),
        };
        read.unwrap_or(Self::Invalid)
    }
}

/// A condition and what it is compared with.
struct Asked<'a> {
    condition: &'a Compiled,
    facts: Facts<'a>,
}

impl Conditional for Asked<'_> {
    fn operator(&self) -> Operator {
        self.condition.operator
    }

    fn key(&self) -> &str {
        self.condition.key.name()
    }

    fn present(&self) -> Option<&Value> {
        self.facts.entry(&self.condition.key).map(|entry| &entry.value)
    }

    fn values(&self) -> usize {
        self.condition.values.len()
    }

    fn null_lists(&self, word: &str) -> bool {
        let is_word = |value: &Wanted| matches!(value, Wanted::Text(text) if text.eq_ignore_ascii_case(word));
        self.condition.values.iter().any(is_word)
    }

    #[inline]
    fn compare(&self, value: usize, asked: &str) -> Comparison {
        let test = self.condition.operator.test();
        match self.condition.values.get(value) {
            Some(Wanted::Computed(parts)) => match parts.resolve(self.facts) {
                Some(resolved) => compare_computed(test, resolved, asked),
                None => Comparison::Unresolved,
            },
            Some(wanted) => compare(test, wanted, asked),
            None => Comparison::Differs,
        }
    }
}

fn compare(test: Test, wanted: &Wanted, asked: &str) -> Comparison {
    match (test, wanted) {
        // An ARN of the request is looked at first, so that what is none differs from every pattern (R86).
        (Test::Arn, _) if !is_arn(asked) => Comparison::RequestInvalid,
        (Test::Arn, Wanted::Text(wanted)) => Comparison::of(arn_fields_match(wanted, asked)),
        // Base64 has one spelling for the same bytes.
        (Test::StringEquals | Test::Binary, Wanted::Text(wanted)) => Comparison::of(**wanted == *asked),
        (Test::StringEqualsIgnoreCase, Wanted::Text(wanted)) => Comparison::of(text::same(wanted, asked)),
        (Test::StringLike, Wanted::Text(wanted)) => Comparison::of(wildcards_match(wanted, asked)),
        (Test::Numeric(order), Wanted::Text(wanted)) => compare_numbers(order, wanted, asked),
        (Test::Bool, Wanted::Bool(wanted)) => {
            typed(Some(*wanted), bool_value(asked), |wanted, asked| wanted == asked)
        }
        (Test::Date(order), Wanted::Date(wanted)) => {
            typed(Some(*wanted), Instant::parse(asked), |wanted, asked| {
                order.accepts(asked.cmp(&wanted))
            })
        }
        (Test::IpAddress, Wanted::Network(wanted)) => {
            typed(Some(*wanted), network::address(asked), |wanted, asked| {
                wanted.contains(asked)
            })
        }
        _ => Comparison::PolicyInvalid,
    }
}

fn compare_computed(test: Test, wanted: Resolved<'_>, asked: &str) -> Comparison {
    match test {
        Test::StringEquals => Comparison::of(wanted.is_text(asked)),
        Test::StringEqualsIgnoreCase => Comparison::of(wanted.is_text_without_case(asked)),
        Test::StringLike => Comparison::of(wanted.matches(asked)),
        Test::Arn if !is_arn(asked) => Comparison::RequestInvalid,
        Test::Arn => wanted
            .matches_arn(asked)
            .map_or(Comparison::PolicyInvalid, Comparison::of),
        Test::Bool => {
            let word = |value: bool| wanted.is_text_without_ascii_case(if value { "true" } else { "false" });
            let wanted = [true, false].into_iter().find(|value| word(*value));
            typed(wanted, bool_value(asked), |wanted, asked| wanted == asked)
        }
        // These take no variables (R52).
        Test::Numeric(_) | Test::Date(_) | Test::Binary | Test::IpAddress | Test::Null => {
            Comparison::PolicyInvalid
        }
    }
}
