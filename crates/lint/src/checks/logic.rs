//! Conditions that do not say what they seem to: those that exclude each other, and those on MFA (R73, R159-R161).

use std::cmp::Ordering;

use portcullis_policy::elements;
use portcullis_policy::syntax::{Operator, Order, SetOperator, Test};

use crate::IssueCode;
use crate::policy::{Condition, Policy, Statement};
use crate::report::Report;

const MFA_PRESENT: &str = "aws:MultiFactorAuthPresent";
const MFA_AGE: &str = "aws:MultiFactorAuthAge";

const PRIVATE_ADDRESS: &str = "aws:VpcSourceIp";
const VPC_KEYS: [&str; 3] = ["aws:SourceVpc", "aws:SourceVpcArn", "aws:SourceVpce"];

/// Pairs of conditions on one key that cannot hold together, and keys without their partner.
pub(super) fn check(statement: &Statement<'_>, report: &mut Report<'_>) {
    check_paired(statement, report);
    for (index, second) in statement.conditions.iter().enumerate() {
        let excluded = statement
            .conditions
            .iter()
            .take(index)
            .find(|first| elements::same_name(first.key.text, second.key.text) && exclude(first, second));
        if let Some(first) = excluded {
            let message = format!(
                "This and {} cannot both hold for `{}`.",
                first.operator, second.key.text
            );
            report
                .add(IssueCode::ConditionNeverHolds, &second.key.place, message)
                .related(&first.key.place, "the other condition");
        }
    }
}

/// Private addresses are the same in every VPC.
fn check_paired(statement: &Statement<'_>, report: &mut Report<'_>) {
    if statement.mentions_any(&VPC_KEYS) {
        return;
    }
    for condition in statement.conditions_on(PRIVATE_ADDRESS) {
        let message = "Every VPC may use these addresses; aws:SourceVpc would say which is meant.";
        report.add(
            IssueCode::MissingPairedConditionKeys,
            &condition.key.place,
            message,
        );
    }
}

fn exclude(first: &Condition<'_>, second: &Condition<'_>) -> bool {
    wants_absence_and_presence(first, second)
        || wants_absence_and_presence(second, first)
        || wants_and_refuses(first, second)
        || wants_and_refuses(second, first)
        || leaves_nothing_between(first, second)
        || leaves_nothing_between(second, first)
}

fn needs_presence(operator: Operator) -> bool {
    let holds_without =
        operator.negated() || operator.if_exists() || operator.set() == Some(SetOperator::ForAllValues);
    operator.test() != Test::Null && !holds_without
}

fn is_null(condition: &Condition<'_>, value: &str) -> bool {
    condition.operator.test() == Test::Null
        && !condition.values.is_empty()
        && condition
            .values
            .iter()
            .all(|v| v.text.eq_ignore_ascii_case(value))
}

fn wants_absence_and_presence(first: &Condition<'_>, second: &Condition<'_>) -> bool {
    is_null(first, "true") && (needs_presence(second.operator) || is_null(second, "false"))
}

/// One value is wanted, and each of those that would do is refused by the other.
fn wants_and_refuses(wanted: &Condition<'_>, refused: &Condition<'_>) -> bool {
    let is_plain = |condition: &Condition<'_>| {
        condition.operator.test() == Test::StringEquals && condition.operator.set().is_none()
    };
    is_plain(wanted)
        && is_plain(refused)
        && needs_presence(wanted.operator)
        && refused.operator.negated()
        && !wanted.values.is_empty()
        && wanted
            .values
            .iter()
            .all(|value| refused.values.iter().any(|other| other.text == value.text))
}

/// Numbers or dates: the least that one condition lets through is beyond the greatest of the other.
fn leaves_nothing_between(upper: &Condition<'_>, lower: &Condition<'_>) -> bool {
    let (compare, below, above): (Compare, Order, Order) =
        match (upper.operator.test(), lower.operator.test()) {
            (Test::Numeric(below), Test::Numeric(above)) => (elements::compare_numbers, below, above),
            (Test::Date(below), Test::Date(above)) => (compare_dates, below, above),
            _ => return false,
        };
    let is_strict = match (below, above) {
        (Order::LessOrEqual | Order::Equal, Order::GreaterOrEqual | Order::Equal) => false,
        (
            Order::Less | Order::LessOrEqual | Order::Equal,
            Order::Greater | Order::GreaterOrEqual | Order::Equal,
        ) => true,
        _ => return false,
    };
    // Of several values of a key one may satisfy the first condition and another the second.
    let is_plain = |operator: Operator| needs_presence(operator) && operator.set().is_none();
    if !is_plain(upper.operator) || !is_plain(lower.operator) {
        return false;
    }
    let top = extreme(upper, compare, Ordering::Greater);
    let bottom = extreme(lower, compare, Ordering::Less);
    match top.zip(bottom).and_then(|(top, bottom)| compare(top, bottom)) {
        Some(Ordering::Less) => true,
        Some(Ordering::Equal) => is_strict,
        Some(Ordering::Greater) | None => false,
    }
}

type Compare = fn(&str, &str) -> Option<Ordering>;

fn compare_dates(a: &str, b: &str) -> Option<Ordering> {
    Some(elements::date_nanos(a)?.cmp(&elements::date_nanos(b)?))
}

/// The value that lies furthest to one side: one of several is enough. `None` if one of them cannot be compared.
fn extreme<'a>(condition: &Condition<'a>, compare: Compare, side: Ordering) -> Option<&'a str> {
    let mut values = condition.values.iter().map(|value| value.text);
    let first = values.next()?;
    values.try_fold(first, |best, next| {
        let further = compare(next, best)? == side;
        Some(if further { next } else { best })
    })
}

/// R160.
pub(super) fn check_mfa(policy: &Policy<'_>, report: &mut Report<'_>) {
    let denies_absent = policy
        .statements
        .iter()
        .any(|s| s.denies() && s.conditions_on(MFA_PRESENT).any(|c| is_null(c, "true")));
    let denies_false = policy.statements.iter().any(|s| {
        s.denies()
            && s.conditions_on(MFA_PRESENT)
                .any(|c| c.operator.test() == Test::Bool && has(c, "false"))
    });
    for statement in &policy.statements {
        if statement.allows() {
            check_allow(statement, report);
        } else if statement.denies() {
            check_deny(statement, denies_absent, denies_false, report);
        }
    }
}

fn has(condition: &Condition<'_>, value: &str) -> bool {
    condition
        .values
        .iter()
        .any(|v| v.text.eq_ignore_ascii_case(value))
}

fn check_allow(statement: &Statement<'_>, report: &mut Report<'_>) {
    let present = statement.conditions_on(MFA_PRESENT);
    let demanded = statement
        .conditions_on(MFA_PRESENT)
        .chain(statement.conditions_on(MFA_AGE))
        .any(|c| needs_presence(c.operator) && !has(c, "false"));
    if demanded {
        return;
    }
    for condition in present.chain(statement.conditions_on(MFA_AGE)) {
        let place = &condition.operator_place;
        let operator = condition.operator;
        if operator.if_exists() && !has(condition, "false") {
            let message = format!(
                "{operator} also holds for long-term keys, which never carry `{}`.",
                condition.key.text
            );
            report.add(IssueCode::MfaWithIfExists, place, message);
        } else if is_null(condition, "false") {
            let message = "Temporary credentials carry the key also when they were made without MFA.";
            report.add(IssueCode::MfaByNull, place, message);
        }
    }
}

fn check_deny(statement: &Statement<'_>, denies_absent: bool, denies_false: bool, report: &mut Report<'_>) {
    for condition in statement.conditions_on(MFA_PRESENT) {
        let place = &condition.operator_place;
        let operator = condition.operator;
        let is_bool_false = operator.test() == Test::Bool && !operator.if_exists() && has(condition, "false");
        if is_bool_false && !denies_absent {
            let message = "Requests with long-term keys do not carry the key and are not denied.";
            report
                .add(IssueCode::MfaDenyMissesLongTermKeys, place, message)
                .replace_string("BoolIfExists");
        } else if is_null(condition, "true") && !denies_false {
            let message =
                "Temporary credentials made without MFA carry the key, as false, and are not denied.";
            report.add(IssueCode::MfaByNull, place, message);
        }
    }
}
