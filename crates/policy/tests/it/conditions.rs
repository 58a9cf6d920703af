//! Conditions: operators, set operators, missing keys (R73-R104).

use portcullis_policy::{Context, Value};
use serde_json::{Value as Json, json};

use crate::scene::{Scene, user};

/// Whether a Condition block holds in a context.
pub fn holds(condition: &Json, context: &Context) -> bool {
    let mut scene = Scene::new(user())
        .identity(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}));
    scene.context = context.clone();
    scene.allowed()
}

/// Checks one operator with key `k` against the request's value for it.
#[track_caller]
pub fn check(operator: &str, wanted: Json, asked: Option<Value>, expected: bool) {
    let context: Context = asked.into_iter().map(|value| ("k", value)).collect();
    let condition = json!({operator: {"k": wanted}});
    assert_eq!(
        holds(&condition, &context),
        expected,
        "{condition} in {context:?}"
    );
}

pub fn one(value: &str) -> Option<Value> {
    Some(Value::from(value))
}

fn many<const N: usize>(values: [&str; N]) -> Option<Value> {
    Some(Value::from(values))
}

/// Operator, policy values, request value, and whether the positive form holds; the negated form must say
/// the opposite.
#[track_caller]
fn check_both(positive: &str, negated: &str, wanted: Json, asked: &str, expected: bool) {
    check(positive, wanted.clone(), one(asked), expected);
    check(negated, wanted, one(asked), !expected);
}

#[test]
fn r73_operators_and_keys_all_hold_values_one() {
    let context: Context = [("a", "1"), ("b", "2")].into_iter().collect();
    for (condition, expected) in [
        (json!({"StringEquals": {"a": "1", "b": "2"}}), true),
        (json!({"StringEquals": {"a": "1", "b": "3"}}), false),
        (
            json!({"StringEquals": {"a": "1"}, "StringLike": {"b": "3*"}}),
            false,
        ),
        (json!({"StringEquals": {"a": ["0", "1"]}}), true),
        (
            json!({"StringEquals": {"a": "1"}, "StringEqualsIfExists": {"a": "2"}}),
            false,
        ),
        (json!({}), true),
        (json!({"StringEquals": {}}), true),
    ] {
        assert_eq!(holds(&condition, &context), expected, "{condition}");
    }
}

#[test]
fn r74_negated_operators_match_none_of_their_values() {
    check("StringNotEquals", json!(["a", "b"]), one("a"), false);
    check("StringNotEquals", json!(["a", "b"]), one("b"), false);
    check("StringNotEquals", json!(["a", "b"]), one("c"), true);
}

#[test]
fn r75_key_names_have_no_case() {
    let context: Context = [("aws:ResourceTag/Owner", "x")].into_iter().collect();
    assert!(holds(
        &json!({"StringEquals": {"AWS:resourcetag/OWNER": "x"}}),
        &context
    ));
}

#[test]
fn r76_r94_missing_keys() {
    let positive = [
        "StringEquals",
        "StringEqualsIgnoreCase",
        "StringLike",
        "NumericEquals",
        "NumericLessThan",
        "DateEquals",
        "DateGreaterThanEquals",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "ArnEquals",
        "ArnLike",
    ];
    for operator in positive {
        check(operator, json!("2020"), None, false);
        check(&format!("{operator}IfExists"), json!("2020"), None, true);
        check(&format!("ForAllValues:{operator}"), json!("2020"), None, true);
        check(&format!("ForAnyValue:{operator}"), json!("2020"), None, false);
    }
    let negated = [
        "StringNotEquals",
        "StringNotEqualsIgnoreCase",
        "StringNotLike",
        "NumericNotEquals",
        "DateNotEquals",
        "NotIpAddress",
        "ArnNotEquals",
        "ArnNotLike",
    ];
    for operator in negated {
        check(operator, json!("2020"), None, true);
        check(&format!("{operator}IfExists"), json!("2020"), None, true);
        check(&format!("ForAllValues:{operator}"), json!("2020"), None, true);
        check(&format!("ForAnyValue:{operator}"), json!("2020"), None, false);
    }
}

#[test]
fn r94_if_exists_evaluates_what_exists() {
    check("StringEqualsIfExists", json!("a"), one("a"), true);
    check("StringEqualsIfExists", json!("a"), one("b"), false);
    check("StringNotEqualsIfExists", json!("a"), one("a"), false);
}

#[test]
fn r78_string_equals() {
    let check = |wanted, asked, expected| {
        check_both("StringEquals", "StringNotEquals", json!(wanted), asked, expected)
    };
    check("a*", "a*", true);
    check("a*", "ab", false);
    check("a", "A", false);
    let check = |wanted, asked, expected| {
        check_both(
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            json!(wanted),
            asked,
            expected,
        );
    };
    check("Ähre", "äHRE", true);
    check("a", "b", false);
}

#[test]
fn r79_string_like() {
    let check =
        |wanted, asked, expected| check_both("StringLike", "StringNotLike", json!(wanted), asked, expected);
    check("home/*", "home/", true);
    check("home/?", "home/a", true);
    check("home/?", "home/", false);
    check("Home/*", "home/x", false);
    check("a", "*", false);
    check("*", "", true);
}

#[test]
fn r80_numbers() {
    check_both("NumericEquals", "NumericNotEquals", json!(10), "10.0", true);
    check_both("NumericEquals", "NumericNotEquals", json!("10"), "11", false);
    check("NumericLessThan", json!(3600), one("3599"), true);
    check("NumericLessThan", json!(3600), one("3600"), false);
    check("NumericLessThanEquals", json!(3600), one("3600"), true);
    check("NumericGreaterThan", json!("-1"), one("0"), true);
    check("NumericGreaterThanEquals", json!(1), one("0.5"), false);
    for operator in ["NumericEquals", "NumericNotEquals", "NumericLessThan"] {
        check(operator, json!(10), one("ten"), false);
        check(operator, json!("ten"), one("10"), false);
    }
}

#[test]
fn r81_dates_in_either_notation() {
    let instant = "2026-11-21T23:37:58Z";
    check_both("DateEquals", "DateNotEquals", json!(1_795_304_278), instant, true);
    check_both(
        "DateEquals",
        "DateNotEquals",
        json!("2026-11-22T00:37:58+01:00"),
        instant,
        true,
    );
    check("DateLessThan", json!("2027-01-01"), one(instant), true);
    check("DateLessThanEquals", json!(instant), one("1795304278"), true);
    check(
        "DateGreaterThan",
        json!("1700000000"),
        one("2020-01-01T00:00:00Z"),
        false,
    );
    check("DateGreaterThanEquals", json!("2026-11-21"), one(instant), true);
    check("DateNotEquals", json!("2026-11-21"), one("yesterday"), false);
}

#[test]
fn r82_booleans() {
    check("Bool", json!(true), one("TRUE"), true);
    check("Bool", json!("True"), one("true"), true);
    check("Bool", json!("false"), one("true"), false);
    check("Bool", json!("yes"), one("yes"), false);
    check("StringEquals", json!(true), one("true"), true);
}

#[test]
fn r83_binary_values_compare_as_bytes() {
    check("BinaryEquals", json!("QUJD"), one("QUJD"), true);
    check("BinaryEquals", json!("QUJD"), one("QUJE"), false);
    check("BinaryEquals", json!("not base64!"), one("not base64!"), false);
}

#[test]
fn r84_addresses() {
    let check =
        |wanted: Json, asked, expected| check_both("IpAddress", "NotIpAddress", wanted, asked, expected);
    check(json!(["192.0.2.0/24", "203.0.113.0/24"]), "203.0.113.7", true);
    check(json!("203.0.113.0/24"), "198.51.100.1", false);
    check(json!("10.0.0.0/8"), "2001:db8::1", false);
    check(json!("10.0.0.0/8"), "::ffff:10.0.0.1", true);
}

#[test]
fn r85_arns_field_by_field() {
    for (positive, negated) in [("ArnEquals", "ArnNotEquals"), ("ArnLike", "ArnNotLike")] {
        let check = |wanted, asked, expected| check_both(positive, negated, json!(wanted), asked, expected);
        check(
            "arn:aws:ecs:*:1:cluster/*",
            "arn:aws:ecs:us-east-1:1:cluster/default",
            true,
        );
        check(
            "arn:aws:s3:*:1:finance/*",
            "arn:aws:s3:us-east-2:9:store/abc:1:finance/x",
            false,
        );
        check(
            "arn:aws:ecs:us-east-?:1:x:*",
            "arn:aws:ecs:us-east-1:1:x:y:z",
            true,
        );
        check(
            "arn:aws:ecs:us-east-1:1:Cluster/a",
            "arn:aws:ecs:us-east-1:1:cluster/a",
            false,
        );
        check("arn:aws:s3:::b", "arn:aws:s3:::b", true);
    }
    check(
        "StringLike",
        json!("arn:aws:s3:*:1:finance/*"),
        one("arn:aws:s3:us-east-2:9:store/abc:1:finance/x"),
        true,
    );
}

#[test]
fn r86_r87_values_of_the_wrong_type() {
    let arn = "arn:aws:s3:::b";
    check("ArnEquals", json!(arn), one("b"), false);
    check("ArnNotEquals", json!(arn), one("b"), true);
    check("ArnEquals", json!("*"), one(arn), false);
    check("ArnNotEquals", json!("b"), one(arn), false);
    check("NotIpAddress", json!("10.0.0.0/8"), one("localhost"), false);
    check("NotIpAddress", json!("localhost"), one("10.0.0.1"), false);
}

#[test]
fn r89_multi_valued_keys_need_a_set_operator() {
    check("StringEquals", json!("a"), many(["a"]), false);
    check("StringNotEquals", json!("b"), many(["a"]), false);
    check("StringEqualsIfExists", json!("a"), many(["a", "b"]), false);
    check("Null", json!("false"), many(["a", "b"]), true);
}

#[test]
fn r90_r91_set_operators() {
    check(
        "ForAllValues:StringEquals",
        json!(["a", "b"]),
        many(["a", "b"]),
        true,
    );
    check(
        "ForAllValues:StringEquals",
        json!(["a", "b"]),
        many(["a", "c"]),
        false,
    );
    check(
        "ForAnyValue:StringEquals",
        json!(["a", "b"]),
        many(["c", "b"]),
        true,
    );
    check(
        "ForAnyValue:StringEquals",
        json!(["a", "b"]),
        many(["c", "d"]),
        false,
    );
    check(
        "ForAllValues:StringNotEquals",
        json!(["a", "b"]),
        many(["c", "d"]),
        true,
    );
    check(
        "ForAllValues:StringNotEquals",
        json!(["a", "b"]),
        many(["c", "a"]),
        false,
    );
    check(
        "ForAnyValue:StringNotEquals",
        json!(["a", "b"]),
        many(["a", "c"]),
        true,
    );
    check(
        "ForAnyValue:StringNotEquals",
        json!(["a", "b"]),
        many(["a", "b"]),
        false,
    );
    check("ForAllValues:StringLike", json!("a*"), many(["a1", "a2"]), true);
}

#[test]
fn r92_set_operators_with_if_exists_hold_for_missing_keys() {
    check("ForAnyValue:StringNotLikeIfExists", json!("o-x/*"), None, true);
    check("ForAnyValue:StringEqualsIfExists", json!("a"), None, true);
    check("ForAllValues:StringEqualsIfExists", json!("a"), None, true);
    check(
        "ForAnyValue:StringNotLikeIfExists",
        json!("o-x/*"),
        many(["o-x/y"]),
        false,
    );
}

#[test]
fn r93_set_operators_take_single_valued_keys() {
    check("ForAllValues:StringEquals", json!("a"), one("a"), true);
    check("ForAnyValue:StringEquals", json!("a"), one("b"), false);
}

#[test]
fn r29_empty_lists_of_policy_values() {
    for operator in [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIfExists",
        "ForAnyValue:StringEquals",
        "Null",
    ] {
        check(operator, json!([]), one("a"), false);
        check(operator, json!([]), None, false);
    }
    check("ForAllValues:StringEquals", json!([]), many(["a"]), false);
    check("ForAllValues:StringEquals", json!([]), None, true);
}

#[test]
fn r95_r96_empty_values() {
    check("StringEquals", json!(""), one(""), true);
    check("StringEquals", json!("a"), one(""), false);
    check("StringEquals", json!(""), None, false);
    check("Null", json!("true"), one(""), false);
    check("ForAllValues:StringEquals", json!("a"), many([""]), false);
    check("ForAllValues:StringEquals", json!("a"), many([]), true);
    check("ForAnyValue:StringEquals", json!("a"), many([]), false);
    check("StringNotEquals", json!("a"), many([]), true);
    check("Null", json!("true"), many([]), true);
}

#[test]
fn r97_null() {
    check("Null", json!("true"), None, true);
    check("Null", json!("true"), one("a"), false);
    check("Null", json!(false), one("a"), true);
    check("Null", json!("FALSE"), None, false);
    check("Null", json!(["true", "false"]), None, true);
    check("ForAnyValue:Null", json!("true"), None, true);
}

/// `Scene::decide` asks `decide`, `explain` and `authorize`.
#[test]
fn r112_r166_the_tags_of_a_secret_are_there_under_the_services_own_key() {
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf";
    let parameter = "arn:aws:ssm:us-east-1:111122223333:parameter/prod";
    for (action, resource, key, is_there) in [
        (
            "secretsmanager:GetSecretValue",
            secret,
            "secretsmanager:ResourceTag/Owner",
            true,
        ),
        (
            "secretsmanager:GetSecretValue",
            secret,
            "secretsmanager:resourcetag/owner",
            true,
        ),
        ("ssm:GetParameter", parameter, "ssm:resourceTag/Owner", true),
        (
            "secretsmanager:GetRandomPassword",
            "*",
            "secretsmanager:ResourceTag/Owner",
            false,
        ),
        ("ssm:ListCommands", "*", "ssm:resourceTag/Owner", false),
    ] {
        let with = |effect: &str, operator: &str| {
            let statement = json!({"Effect": effect, "Action": action, "Resource": "*", "Condition": {operator: {key: "richard"}}});
            Scene::new(user())
                .identity(json!([statement, {"Effect": "Allow", "Action": if effect == "Deny" { "*" } else { "x:y" }, "Resource": "*"}]))
                .asks(action, resource)
                .with("secretsmanager:ResourceTag/Owner", "richard")
                .with("ssm:resourceTag/Owner", "richard")
                .allowed()
        };
        assert_eq!(with("Allow", "StringEquals"), is_there, "{key} for {action}");
        assert_eq!(with("Deny", "StringEquals"), !is_there, "{key} for {action}");
        assert_eq!(with("Deny", "StringNotEquals"), is_there, "{key} for {action}");
    }
}
