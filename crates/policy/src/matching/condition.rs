//! One condition of a statement against the request's context (R73-R104).

use crate::document::Condition;
use crate::matching::compare::{Comparison, compare};
use crate::matching::operator::{Operator, SetOperator, Test};
use crate::{Context, Value, open_points};

/// Whether a condition holds, and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) met: bool,
    pub(crate) reason: Reason,
}

/// What decided a condition (R104).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The values were compared.
    Compared(Test),
    /// No value could be compared: one side is not of the operator's type.
    Incomparable(Test),
    /// A variable in the policy's value has no value.
    Unresolved,
    /// The key is not in the request.
    Missing,
    /// The key is not in the request, and the operator ends in IfExists.
    MissingIfExists,
    /// The key is not in the request, and ForAllValues holds for no values.
    MissingForAllValues,
    /// The key is not in the request, and ForAnyValue needs one.
    MissingForAnyValue,
    /// The key is not in the request: a set operator with IfExists.
    MissingSetIfExists,
    /// The key is multi-valued and the operator has no set operator.
    MultiValued,
    /// The policy lists no values.
    NoPolicyValues,
    /// Null asked whether the key is there.
    Presence,
}

impl Reason {
    /// The rule of the policy-language specification that decided.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Compared(test) => match test {
                Test::StringEquals | Test::StringEqualsIgnoreCase => "R78",
                Test::StringLike => "R79",
                Test::Numeric(_) => "R80",
                Test::Date(_) => "R81",
                Test::Bool => "R82",
                Test::Binary => "R83",
                Test::IpAddress => "R84",
                Test::Arn => "R85",
                Test::Null => "R97",
            },
            Self::Incomparable(Test::Arn) => "R86",
            Self::Incomparable(Test::Numeric(_)) => "R80",
            Self::Incomparable(Test::Date(_)) => "R81",
            Self::Incomparable(Test::Bool) => "R82",
            Self::Incomparable(_) => "R87",
            Self::Unresolved => "R58",
            Self::Missing => "R76",
            Self::MissingIfExists => "R94",
            Self::MissingForAllValues => "R90",
            Self::MissingForAnyValue => "R91",
            Self::MissingSetIfExists => "R92",
            Self::MultiValued => "R89",
            Self::NoPolicyValues => "R29",
            Self::Presence => "R97",
        }
    }
}

fn verdict(met: bool, reason: Reason) -> Verdict {
    Verdict { met, reason }
}

/// A condition in whatever form, and what it is compared with.
pub(crate) trait Conditional {
    fn operator(&self) -> Operator;
    /// The key, as written.
    fn key(&self) -> &str;
    /// The key's value in the request, if it is present.
    fn present(&self) -> Option<&Value>;
    /// How many values the policy lists.
    fn values(&self) -> usize;
    /// Whether Null lists this word (R97).
    fn null_lists(&self, word: &str) -> bool;
    /// One of the policy's values compared with one of the request's.
    fn compare(&self, value: usize, asked: &str) -> Comparison;
}

/// A condition as parsed.
struct Parsed<'a> {
    condition: &'a Condition,
    context: &'a Context,
}

impl Conditional for Parsed<'_> {
    fn operator(&self) -> Operator {
        self.condition.operator
    }

    fn key(&self) -> &str {
        &self.condition.key
    }

    fn present(&self) -> Option<&Value> {
        self.context.present(&self.condition.key)
    }

    fn values(&self) -> usize {
        self.condition.values.len()
    }

    fn null_lists(&self, word: &str) -> bool {
        let mut values = self.condition.values.iter();
        values.any(|value| value.text.eq_ignore_ascii_case(word))
    }

    fn compare(&self, value: usize, asked: &str) -> Comparison {
        match self.condition.values.get(value) {
            Some(value) => compare(self.condition.operator.test(), value, asked, self.context),
            None => Comparison::Differs,
        }
    }
}

/// Evaluates one condition.
pub(crate) fn evaluate(condition: &Condition, context: &Context) -> Verdict {
    judge(&Parsed { condition, context })
}

/// Evaluates a condition in any form (R73-R104).
pub(crate) fn judge(condition: &impl Conditional) -> Verdict {
    let operator = condition.operator();
    let present = condition.present();
    if condition.values() == 0 {
        // R97: on Null a set operator means nothing.
        let for_all_values =
            operator.set() == Some(SetOperator::ForAllValues) && operator.test() != Test::Null;
        let met = open_points::r29_empty_value_list_holds(for_all_values, present.is_none());
        return verdict(met, Reason::NoPolicyValues);
    }
    if operator.test() == Test::Null {
        let is_absent = open_points::r160_null_finds_absent(condition.key(), present.is_none());
        // R97: "true" holds when the key is absent, "false" when it is present; any value of the list may.
        let wanted = if is_absent { "true" } else { "false" };
        return verdict(condition.null_lists(wanted), Reason::Presence);
    }
    match present {
        None => missing(operator),
        Some(value) => match (operator.set(), value) {
            (Some(SetOperator::ForAllValues), value) => for_all_values(condition, value.values()),
            (Some(SetOperator::ForAnyValue), value) => for_any_value(condition, value.values()),
            (None, Value::One(asked)) => satisfies(condition, asked),
            (None, Value::Many(values)) if open_points::r89_multi_valued_key_may_match() => {
                for_any_value(condition, values)
            }
            (None, Value::Many(_)) => verdict(false, Reason::MultiValued),
        },
    }
}

fn missing(operator: Operator) -> Verdict {
    match (operator.set(), operator.if_exists()) {
        (Some(SetOperator::ForAllValues), _) => verdict(true, Reason::MissingForAllValues),
        (Some(SetOperator::ForAnyValue), true) => verdict(
            open_points::r92_set_operator_if_exists_holds_for_missing_key(),
            Reason::MissingSetIfExists,
        ),
        (Some(SetOperator::ForAnyValue), false) => verdict(false, Reason::MissingForAnyValue),
        (None, true) => verdict(true, Reason::MissingIfExists),
        (None, false) => verdict(operator.negated(), Reason::Missing),
    }
}

/// Holds when every request value does; the reason is that of the first one that does not.
fn for_all_values(condition: &impl Conditional, asked: &[String]) -> Verdict {
    let mut last = verdict(true, Reason::MissingForAllValues);
    for value in asked {
        last = satisfies(condition, value);
        if !last.met {
            break;
        }
    }
    last
}

/// Holds when one request value does; the reason is that of the first one that does.
fn for_any_value(condition: &impl Conditional, asked: &[String]) -> Verdict {
    let mut last = verdict(false, Reason::MissingForAnyValue);
    for value in asked {
        last = satisfies(condition, value);
        if last.met {
            break;
        }
    }
    last
}

/// One request value against the policy's values: positive operators need one that holds (R73), negated
/// ones that none does (R74).
fn satisfies(condition: &impl Conditional, asked: &str) -> Verdict {
    let operator = condition.operator();
    let test = operator.test();
    let mut reason = Reason::Compared(test);
    let mut forbidden = false;
    for value in 0..condition.values() {
        match condition.compare(value, asked) {
            Comparison::Holds => return verdict(!operator.negated(), Reason::Compared(test)),
            Comparison::Differs => {}
            Comparison::Unresolved => reason = Reason::Unresolved,
            invalid @ (Comparison::RequestInvalid | Comparison::PolicyInvalid) => {
                let of_request = invalid == Comparison::RequestInvalid;
                forbidden |= !open_points::r86_r87_negated_holds_for_invalid(test, of_request);
                reason = Reason::Incomparable(test);
            }
        }
    }
    verdict(operator.negated() && !forbidden, reason)
}
