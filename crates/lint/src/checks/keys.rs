//! Condition keys: their names, their types, and the actions that have them (R88-R93, R106-R112).

use portcullis_policy::syntax::{SetOperator, Test};
use portcullis_reference::{self as reference, ActionId, KeyId, KeyType, ServiceId};

use super::enumerate;
use crate::IssueCode;
use crate::near;
use crate::policy::{Condition, Statement, Text};
use crate::report::Report;
use crate::scope::Scope;

/// The name of a condition's key: whether it exists, and which key of the reference it is.
pub(super) fn check_name(condition: &Condition<'_>, report: &mut Report<'_>) -> Option<KeyId> {
    let key = condition.key;
    if let Some(found) = reference::key(key.text) {
        return Some(found);
    }
    match unknown_key(key.text) {
        Unknown::Provider => {}
        Unknown::Format => {
            let message = format!("`{}` is not written as prefix:name.", key.text);
            report.add(IssueCode::InvalidConditionKeyFormat, &key.place, message);
        }
        Unknown::Retired => {
            let message = format!(
                "`{}` is no longer filled; use aws:PrincipalArn or aws:SourceArn.",
                key.text
            );
            report.add(IssueCode::DeprecatedGlobalConditionKey, &key.place, message);
        }
        Unknown::TagKeyMissing(pattern) => {
            let message = format!("`{}` lacks the key of the tag: {pattern}/KEY.", key.text);
            report.add(IssueCode::MissingTagKeyInCondition, &key.place, message);
        }
        Unknown::Global(meant) => {
            let message = format!(
                "There is no global condition key `{}`{}",
                key.text,
                near::hint(meant)
            );
            let details = report.add(IssueCode::InvalidGlobalConditionKey, &key.place, message);
            if let Some(meant) = meant.filter(|meant| !meant.contains("${")) {
                details.replace_string(meant);
            }
        }
        Unknown::OfService(service, meant) => {
            let message = format!(
                "{} has no condition key `{}`{}",
                service.title(),
                key.text,
                near::hint(meant)
            );
            let details = report.add(IssueCode::InvalidServiceConditionKey, &key.place, message);
            if let Some(meant) = meant.filter(|meant| !meant.contains("${")) {
                details.replace_string(meant);
            }
        }
        Unknown::Service(prefix) => {
            let message =
                format!("`{prefix}` is neither a service nor the host name of an identity provider.");
            report.add(IssueCode::InvalidService, &key.place, message);
        }
    }
    None
}

/// The claims that AWS makes keys of for every provider of OpenID Connect; the reference lists only what it has beyond them.
const STANDARD_CLAIMS: [&str; 5] = ["amr", "aud", "email", "oaud", "sub"];

/// Why the reference does not know a key.
pub(super) enum Unknown<'k> {
    /// Its prefix is the name of an identity provider, whose claims nobody can list.
    Provider,
    Format,
    Retired,
    TagKeyMissing(&'static str),
    Global(Option<&'static str>),
    OfService(ServiceId, Option<&'static str>),
    Service(&'k str),
}

pub(super) fn unknown_key(key: &str) -> Unknown<'_> {
    let Some((prefix, name)) = key
        .split_once(':')
        .filter(|(p, n)| !p.is_empty() && !n.is_empty())
    else {
        return Unknown::Format;
    };
    let bare = key.strip_suffix('/').unwrap_or(key);
    let tag_pattern = KeyId::all().find_map(|known| {
        let start = known.name().strip_suffix("/${TagKey}")?;
        start.eq_ignore_ascii_case(bare).then_some(start)
    });
    if let Some(pattern) = tag_pattern {
        return Unknown::TagKeyMissing(pattern);
    }
    if prefix.eq_ignore_ascii_case("aws") {
        if name.eq_ignore_ascii_case("ARN") {
            return Unknown::Retired;
        }
        let names = reference::global::keys().map(|known| known.name);
        return Unknown::Global(near::nearest(key, names));
    }
    let is_host = prefix.contains(['.', '/']);
    match reference::service(prefix).or_else(|| ServiceId::of_key_prefix(prefix)) {
        Some(_)
            if is_host
                && STANDARD_CLAIMS
                    .iter()
                    .any(|claim| claim.eq_ignore_ascii_case(name)) =>
        {
            Unknown::Provider
        }
        Some(service) => {
            let names = service.condition_keys().map(|(known, _)| known.name());
            Unknown::OfService(service, near::nearest(key, names))
        }
        None if is_host => Unknown::Provider,
        None => Unknown::Service(prefix),
    }
}

/// Whether the operator suits the key (R88, R89, R93).
pub(super) fn check_operator(
    statement: &Statement<'_>,
    condition: &Condition<'_>,
    key: Option<KeyId>,
    report: &mut Report<'_>,
) {
    let operator = condition.operator;
    if operator.test() == Test::Null {
        if operator.set().is_some() {
            let message = format!("`{operator}` asks for the key alone; the set operator says nothing.");
            report
                .add(IssueCode::NullWithQualifier, &condition.operator_place, message)
                .replace_string("Null");
        }
        return;
    }
    let Some(key) = key else { return };
    let several = key.key_type().is_multi_valued();
    if several && operator.set().is_none() {
        let message = format!(
            "`{}` can have several values; `{operator}` never matches it.",
            condition.key.text
        );
        report.add(IssueCode::MissingQualifier, &condition.key.place, message);
    }
    let is_required = statement.conditions_on(condition.key.text).any(|other| {
        other.operator.test() == Test::Null
            && other.values.iter().any(|v| v.text.eq_ignore_ascii_case("false"))
    });
    if !several && operator.set() == Some(SetOperator::ForAllValues) && statement.allows() && !is_required {
        let message = format!(
            "`{}` has one value, and the condition also holds without it.",
            condition.key.text
        );
        report.add(
            IssueCode::ForAllValuesWithSingleValuedKey,
            &condition.operator_place,
            message,
        );
    }
    check_type(condition, key.key_type().element(), report);
}

fn check_type(condition: &Condition<'_>, key_type: KeyType, report: &mut Report<'_>) {
    let test = condition.operator.test();
    let all = |is: fn(&str) -> bool| condition.values.iter().all(|value| is(value.text));
    let is_text = matches!(
        test,
        Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike
    );
    let fits = match key_type {
        KeyType::String => match test {
            Test::Arn => {
                all(|value| value.starts_with("arn:") || value.starts_with("${") || value.starts_with('*'))
            }
            Test::Bool => all(is_truth_value),
            _ => is_text,
        },
        KeyType::StringOrArn => is_text || test == Test::Arn,
        KeyType::Arn => is_text || test == Test::Arn,
        KeyType::Bool => test == Test::Bool || (is_text && all(is_truth_value)),
        KeyType::Numeric => matches!(test, Test::Numeric(_)),
        KeyType::Date => matches!(test, Test::Date(_)),
        KeyType::DateOrNumeric => matches!(test, Test::Date(_) | Test::Numeric(_)),
        KeyType::Ip => test == Test::IpAddress,
        KeyType::ArrayOfString | KeyType::ArrayOfArn | KeyType::ArrayOfBool => true,
    };
    if !fits {
        let message = format!(
            "`{}` is of type {}; `{}` compares something else.",
            condition.key.text,
            key_type.name(),
            condition.operator
        );
        report.add(IssueCode::TypeMismatch, &condition.operator_place, message);
    }
    if key_type == KeyType::Arn && test == Test::StringLike && !condition.operator.negated() {
        let crosses = condition
            .values
            .iter()
            .find(|value| wildcard_before_resource(value.text));
        if let Some(value) = crosses {
            let message = format!(
                "`{}` is an ARN; StringLike lets a `*` run over its fields.",
                condition.key.text
            );
            report.add(IssueCode::ArnKeyWithStringLike, &value.place, message);
        }
    }
}

fn is_truth_value(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

/// Whether an ARN pattern has a wildcard in one of its first five fields.
fn wildcard_before_resource(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    fields.len() == 6 && fields.iter().take(5).any(|field| field.contains(['*', '?']))
}

/// R112: a service key is absent for actions that do not list it.
pub(super) fn check_reach(statement: &Statement<'_>, scope: &Scope<'_>, report: &mut Report<'_>) {
    if !scope.is_known() || statement.effect.is_none() {
        return;
    }
    for condition in &statement.conditions {
        let Some(key) = reference::key(condition.key.text).filter(|key| !key.is_everywhere()) else {
            continue;
        };
        let has_key = |action: &ActionId| action.applies_id(key);
        if !scope.actions.iter().any(has_key) {
            no_action_has_key(condition, report);
            continue;
        }
        if holds_without_key(condition) {
            continue;
        }
        let without: Vec<String> = scope
            .entries
            .iter()
            .filter(|entry| !entry.actions().iter().any(has_key))
            .map(|entry| entry.text.text.to_owned())
            .collect();
        if !without.is_empty() {
            some_actions_lack_key(statement, condition.key, &without, report);
        }
    }
}

/// R76, R90, R94, R97.
pub(super) fn holds_without_key(condition: &Condition<'_>) -> bool {
    let operator = condition.operator;
    if operator.test() == Test::Null {
        return condition
            .values
            .iter()
            .any(|value| value.text.eq_ignore_ascii_case("true"));
    }
    match operator.set() {
        Some(SetOperator::ForAllValues) => true,
        Some(SetOperator::ForAnyValue) => operator.if_exists(),
        None => operator.negated() || operator.if_exists(),
    }
}

fn no_action_has_key(condition: &Condition<'_>, report: &mut Report<'_>) {
    let effect = if holds_without_key(condition) {
        "the condition always holds"
    } else {
        "the statement never applies"
    };
    let message = format!(
        "No action of the statement has the key `{}`: {effect}.",
        condition.key.text
    );
    report.add(IssueCode::UnsupportedConditionKey, &condition.key.place, message);
}

fn some_actions_lack_key(
    statement: &Statement<'_>,
    key: Text<'_>,
    without: &[String],
    report: &mut Report<'_>,
) {
    let (code, verb) = if statement.allows() {
        (IssueCode::AllowWithPartlySupportedKey, "grants")
    } else {
        (IssueCode::DenyWithPartlySupportedKey, "denies")
    };
    let message = format!(
        "The key `{}` is never there for {}: the statement {verb} nothing of that.",
        key.text,
        enumerate(without)
    );
    report.add(code, &key.place, message);
}
