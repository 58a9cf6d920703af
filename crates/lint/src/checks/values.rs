//! Values of conditions: can they be what the operator compares (R16, R23, R80-R87, R107)?

use std::cmp::Ordering;
use std::net::IpAddr;

use portcullis_policy::elements;
use portcullis_policy::syntax::{Order, Template, Test};
use portcullis_reference::{KeyId, KeyType};

use super::arns;
use crate::IssueCode;
use crate::arn_format;
use crate::policy::{Condition, ConditionValue, Text};
use crate::report::Report;

pub(super) fn check(condition: &Condition<'_>, key: Option<KeyId>, report: &mut Report<'_>) {
    check_json_types(condition, report);
    for value in &condition.values {
        check_value(condition, value, report);
    }
    match condition.operator.test() {
        Test::Bool | Test::Null => check_multiple(condition, report),
        Test::Numeric(order) => check_redundant_numbers(condition, order, report),
        Test::IpAddress => check_networks(condition, report),
        Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike => {
            check_strings(condition, key, report)
        }
        Test::Arn => check_ecs_arns(condition, report),
        Test::Date(_) | Test::Binary => {}
    }
}

fn check_json_types(condition: &Condition<'_>, report: &mut Report<'_>) {
    let first = condition.values.first().map(|value| value.json);
    if condition.values.iter().any(|value| Some(value.json) != first) {
        let message = format!(
            "The values of `{}` have different JSON types.",
            condition.key.text
        );
        report.add(IssueCode::InvalidConditionDataType, &condition.place, message);
    }
}

fn has_variable(value: &str) -> bool {
    value.contains("${")
}

fn check_value(condition: &Condition<'_>, value: &ConditionValue<'_>, report: &mut Report<'_>) {
    let text = value.text;
    let (code, what) = match condition.operator.test() {
        Test::Date(_) if elements::date_nanos(text).is_none() => (IssueCode::InvalidDate, "no date"),
        Test::Date(_) if text.len() > 4 && text.bytes().all(|b| b.is_ascii_digit()) => {
            (IssueCode::InvalidDateValue, "a date in seconds since 1970")
        }
        // Values with variables are the business of the check of variables.
        _ if has_variable(text) => return,
        Test::Numeric(_) if elements::compare_numbers(text, "0").is_none() => {
            (IssueCode::TypeMismatchNumber, "no number")
        }
        Test::Bool | Test::Null if !matches!(text.to_ascii_lowercase().as_str(), "true" | "false") => {
            (IssueCode::TypeMismatchBoolean, "neither true nor false")
        }
        Test::IpAddress if elements::network(text).is_none() => {
            (IssueCode::TypeMismatchIpRange, "no address or range")
        }
        Test::Binary if !is_base64(text) => (IssueCode::TypeMismatchString, "not base64"),
        _ => return,
    };
    report.add(code, &value.place, format!("`{text}` is {what}."));
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(is_digit)
}

fn check_multiple(condition: &Condition<'_>, report: &mut Report<'_>) {
    let has = |wanted: &str| {
        condition
            .values
            .iter()
            .any(|value| value.text.eq_ignore_ascii_case(wanted))
    };
    if has("true") && has("false") {
        let message = format!("`{}` is compared with both true and false.", condition.key.text);
        report.add(
            IssueCode::InvalidConditionMultipleBoolean,
            &condition.place,
            message,
        );
    }
}

/// One of the values is enough, so only the widest counts.
fn check_redundant_numbers(condition: &Condition<'_>, order: Order, report: &mut Report<'_>) {
    let widest = match order {
        Order::Less | Order::LessOrEqual => Ordering::Greater,
        Order::Greater | Order::GreaterOrEqual => Ordering::Less,
        Order::Equal => return,
    };
    let numbers: Vec<&str> = condition
        .values
        .iter()
        .map(|value| value.text)
        .filter(|text| elements::compare_numbers(text, "0").is_some())
        .collect();
    let kept = numbers.iter().copied().reduce(|best, next| {
        if elements::compare_numbers(next, best) == Some(widest) {
            next
        } else {
            best
        }
    });
    if let (Some(kept), true) = (kept, numbers.len() > 1) {
        let message = format!("Of these numbers only {kept} counts.");
        report.add(IssueCode::RedundantConditionValueNum, &condition.place, message);
    }
}

fn check_networks(condition: &Condition<'_>, report: &mut Report<'_>) {
    let mut private = 0;
    let mut first_private = None;
    for value in &condition.values {
        let Some((address, bits)) = elements::network(value.text) else {
            continue;
        };
        let base = network_base(address, bits);
        if value.text.contains('/') && base != address {
            let better = format!("{base}/{bits}");
            report
                .add(
                    IssueCode::ImproveIpRange,
                    &value.place,
                    format!(
                        "The bits of `{}` beyond its prefix are ignored: it is {better}.",
                        value.text
                    ),
                )
                .replace_string(&better);
        }
        if is_private(base, bits) {
            private += 1;
            first_private = first_private.or(Some(value));
        }
    }
    let Some(value) = first_private.filter(|_| condition.key.text.eq_ignore_ascii_case("aws:SourceIp"))
    else {
        return;
    };
    let all = private == condition.values.len();
    let code = match (all, condition.operator.negated()) {
        (true, false) => IssueCode::PrivateIpAddress,
        (true, true) => IssueCode::PrivateNotIpAddress,
        (false, false) => IssueCode::PrivateIpAddressSubset,
        (false, true) => IssueCode::PrivateNotIpAddressSubset,
    };
    let message = format!(
        "`{}` is private; aws:SourceIp holds public addresses.",
        value.text
    );
    report.add(code, if all { &condition.place } else { &value.place }, message);
}

fn network_base(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

fn is_private(address: IpAddr, bits: u32) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            (first == 10 && bits >= 8)
                || (first == 172 && (16..32).contains(&second) && bits >= 12)
                || (first == 192 && second == 168 && bits >= 16)
        }
        IpAddr::V6(v6) => v6.is_unique_local() && bits >= 7,
    }
}

fn check_strings(condition: &Condition<'_>, key: Option<KeyId>, report: &mut Report<'_>) {
    let is_like = condition.operator.test() == Test::StringLike;
    let is_region_key = condition.key.text.eq_ignore_ascii_case("aws:RequestedRegion");
    let sensitive = key.and_then(KeyId::global).is_some_and(|global| global.sensitive);
    let is_passed_to = condition.key.text.eq_ignore_ascii_case("iam:PassedToService");
    for value in &condition.values {
        let has_wildcard = wildcard_outside_variables(value.text);
        if has_wildcard && !is_like {
            let message = format!(
                "The wildcard in `{}` is plain text to {}.",
                value.text, condition.operator
            );
            report.add(IssueCode::WildcardWithoutLikeOperator, &value.place, message);
        }
        if has_wildcard && is_like && sensitive {
            let message = format!(
                "`{}` is compared with a pattern; write whole ids.",
                condition.key.text
            );
            report.add(IssueCode::SensitiveKeyWithWildcard, &value.place, message);
        }
        let is_plain = !has_wildcard && !has_variable(value.text);
        if is_region_key && is_plain && !arns::is_region(value.text) {
            report.add(
                IssueCode::InvalidRegion,
                &value.place,
                arns::unknown_region(value.text),
            );
        }
        if is_plain && !condition.operator.negated() {
            check_vpc_id(condition, value, report);
        }
        if is_passed_to && is_plain {
            let name = Text {
                text: value.text,
                place: value.place,
            };
            super::principals::check_known_service(name, report);
        }
    }
    if key.is_some_and(|key| key.key_type().element() == KeyType::Arn) {
        check_ecs_arns(condition, report);
    }
}

/// Keys that hold ids of VPCs and their endpoints, and how those begin.
const VPC_ID_KEYS: [(&str, &str, IssueCode); 2] = [
    ("aws:SourceVpc", "vpc-", IssueCode::InvalidVpcFormat),
    ("aws:SourceVpce", "vpce-", IssueCode::InvalidVpcEndpointFormat),
];

fn check_vpc_id(condition: &Condition<'_>, value: &ConditionValue<'_>, report: &mut Report<'_>) {
    let key = VPC_ID_KEYS
        .iter()
        .find(|(key, ..)| key.eq_ignore_ascii_case(condition.key.text));
    let Some((_, start, code)) = key else { return };
    let is_id = value
        .text
        .strip_prefix(start)
        .is_some_and(|id| matches!(id.len(), 8 | 17) && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !is_id {
        let message = format!(
            "`{}` is no id: it would be `{start}` and 8 or 17 letters and digits.",
            value.text
        );
        report.add(*code, &value.place, message);
    }
}

fn wildcard_outside_variables(value: &str) -> bool {
    let template: Template = elements::template(value);
    template
        .parts()
        .iter()
        .any(|part| matches!(part, portcullis_policy::syntax::Part::Text(text) if text.contains(['*', '?'])))
}

/// The resource type whose ARN a key of Amazon ECS holds.
const ECS_ARN_KEYS: [(&str, &str); 5] = [
    ("ecs:cluster", "cluster"),
    ("ecs:container-instances", "container-instance"),
    ("ecs:service", "service"),
    ("ecs:task", "task"),
    ("ecs:task-definition", "task-definition"),
];

/// R143, R147: these keys hold ARNs of the long form.
fn check_ecs_arns(condition: &Condition<'_>, report: &mut Report<'_>) {
    let Some((_, wanted)) = ECS_ARN_KEYS
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(condition.key.text))
    else {
        return;
    };
    let resource_type = portcullis_reference::service("ecs").and_then(|ecs| ecs.resource_type(wanted));
    let Some(resource_type) = resource_type else {
        return;
    };
    for value in &condition.values {
        let fields: Vec<&str> = value.text.splitn(6, ':').collect();
        let (["arn", _, "ecs", _, _, resource], Some(tokens)) =
            (fields.as_slice(), arns::pattern_tokens(value.text))
        else {
            continue;
        };
        if arn_format::can_name(&tokens, resource_type) {
            continue;
        }
        let item = Text {
            text: value.text,
            place: value.place,
        };
        if let Some(family) = arns::without_revision("ecs", resource) {
            arns::task_definition_without_revision(family, item, report);
            continue;
        }
        let form = resource_type
            .arn_format()
            .splitn(6, ':')
            .nth(5)
            .unwrap_or_default();
        let start = value.text.len() - resource.len();
        report
            .add(
                IssueCode::InvalidArnResource,
                &value.place,
                format!(
                    "`{}` never holds `{resource}`: its form is `{form}`.",
                    condition.key.text
                ),
            )
            .narrow(start..value.text.len());
    }
}
