//! Conditions (R16, R22, R29, R30).

use portcullis_policy::elements;
use portcullis_policy::json::{Json, Member, Node};
use portcullis_policy::syntax::{Operator, SetOperator, Test};

use super::element;
use crate::IssueCode;
use crate::near;
use crate::place::Place;
use crate::policy::{Condition, ConditionValue, Scalar, Text};
use crate::report::Report;

pub(super) fn read<'b>(node: &'b Node, place: Place<'b>, report: &mut Report<'_>) -> Vec<Condition<'b>> {
    let Some(blocks) = element::object(node, place, report) else {
        return Vec::new();
    };
    if blocks.is_empty() {
        report.add(
            IssueCode::EmptyObjectCondition,
            &place,
            "The condition is empty and imposes nothing.",
        );
    }
    blocks
        .iter()
        .flat_map(|block| read_block(block, place, report))
        .collect()
}

fn read_block<'b>(block: &'b Member, place: Place<'b>, report: &mut Report<'_>) -> Vec<Condition<'b>> {
    let operator_place = place.key(&block.key, block.key_span);
    // The conditions of an unknown operator are read as those of the one that was probably meant.
    let operator =
        Operator::parse(&block.key).or_else(|| unknown_operator(&block.key, &operator_place, report));
    let at = place.value(&block.key, block.node.span);
    let Some(keys) = element::object(&block.node, at, report) else {
        return Vec::new();
    };
    if keys.is_empty() {
        let message = format!("{} names no key and imposes nothing.", block.key);
        report.add(IssueCode::EmptyObjectCondition, &at, message);
    }
    check_same_keys(keys, at, report);
    let mut conditions = Vec::new();
    for member in keys {
        let place = at.value(&member.key, member.node.span);
        let values = read_values(&member.node, place, report);
        let Some(operator) = operator else { continue };
        if matches!(&member.node.value, Json::Array(items) if items.is_empty()) {
            empty_list(operator, &member.key, &place, report);
        }
        conditions.push(Condition {
            operator,
            operator_place,
            key: Text {
                text: &member.key,
                place: at.key(&member.key, member.key_span),
            },
            place,
            values,
        });
    }
    conditions
}

fn read_values<'b>(node: &'b Node, place: Place<'b>, report: &mut Report<'_>) -> Vec<ConditionValue<'b>> {
    let value = |(item, place): (&'b Node, Place<'b>)| {
        let (text, json) = match &item.value {
            Json::String(text) => (text.as_str(), Scalar::String),
            Json::Number(text) => (text.as_str(), Scalar::Number),
            Json::Bool(true) => ("true", Scalar::Bool),
            Json::Bool(false) => ("false", Scalar::Bool),
            Json::Null | Json::Array(_) | Json::Object(_) => {
                element::mismatch("a string, a number or a boolean", item, place, report);
                return None;
            }
        };
        Some(ConditionValue { text, json, place })
    };
    element::one_or_many(node, place)
        .into_iter()
        .filter_map(value)
        .collect()
}

fn unknown_operator(name: &str, place: &Place<'_>, report: &mut Report<'_>) -> Option<Operator> {
    let base = name.rsplit(':').next().unwrap_or_default();
    if base == "NullIfExists" {
        let message = "Null cannot be combined with IfExists.";
        report.add(IssueCode::NullWithIfExists, place, message);
        return Operator::parse("Null");
    }
    let known = elements::operator_names();
    let without_suffix = base.strip_suffix("IfExists").unwrap_or(base);
    let meant = near::nearest(without_suffix, known).map(|meant| {
        let prefix = ["ForAllValues:", "ForAnyValue:"]
            .into_iter()
            .find(|prefix| near::starts_with_ignoring_case(name, prefix))
            .unwrap_or_default();
        let suffix = if base.ends_with("IfExists") {
            "IfExists"
        } else {
            ""
        };
        format!("{prefix}{meant}{suffix}")
    });
    let hint = near::hint(meant.as_deref());
    let details = report.add(
        IssueCode::InvalidConditionOperator,
        place,
        format!("There is no operator `{name}`{hint}"),
    );
    let meant = meant?;
    details.replace_string(&meant);
    Operator::parse(&meant)
}

/// R3: keys are compared without case. Keys that are equal with case are reported as duplicates already.
fn check_same_keys(keys: &[Member], place: Place<'_>, report: &mut Report<'_>) {
    for (index, member) in keys.iter().enumerate() {
        let earlier = keys
            .iter()
            .take(index)
            .find(|other| other.key != member.key && elements::same_name(&other.key, &member.key));
        if let Some(first) = earlier {
            report
                .add(
                    IssueCode::DuplicateKeysWithDifferentCase,
                    &place.key(&member.key, member.key_span),
                    format!("`{}` and `{}` are the same key.", first.key, member.key),
                )
                .related(&place.key(&first.key, first.key_span), "here for the first time");
        }
    }
}

/// R29.
fn empty_list(operator: Operator, key: &str, place: &Place<'_>, report: &mut Report<'_>) {
    let (code, what) = match operator.set() {
        Some(SetOperator::ForAllValues) => (
            IssueCode::EmptyArrayConditionForAllValues,
            "holds only when the key is missing",
        ),
        Some(SetOperator::ForAnyValue) => (IssueCode::EmptyArrayConditionForAnyValue, "never holds"),
        None if operator.if_exists() => (
            IssueCode::EmptyArrayConditionIfExists,
            "holds only when the key is missing",
        ),
        None if operator.negated() && operator.test() != Test::Null => return,
        None => (IssueCode::EmptyArrayCondition, "never holds"),
    };
    report.add(
        code,
        place,
        format!("Without values the condition on {key} {what}."),
    );
}
