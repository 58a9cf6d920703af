//! What stands in conditions: variables, the MFA keys, tags (R51-R60, R160, R163-R167).

use portcullis_core::{Tag, Tags};
use portcullis_policy::Context;
use serde_json::json;

use crate::conditions::{check, holds, one};

#[test]
fn r51_r55_variables_in_values() {
    let context: Context = [
        ("aws:username", "richard"),
        ("k", "richard"),
        ("star", "*"),
        ("path", "a*b"),
    ]
    .into_iter()
    .collect();
    for (condition, expected) in [
        (json!({"StringEquals": {"k": "${aws:username}"}}), true),
        (json!({"StringEquals": {"k": ["x", "${AWS:USERNAME}"]}}), true),
        (json!({"StringLike": {"k": "${star}"}}), false),
        (json!({"StringLike": {"k": "r*${aws:absent, 'd'}"}}), true),
        (json!({"StringLike": {"path": "a${*}b"}}), true),
        (json!({"StringLike": {"k": "ric${*}"}}), false),
        (json!({"StringEquals": {"path": "a${*}b"}}), true),
        (json!({"StringEquals": {"k": "${aws:username"}}), false),
        (json!({"NumericEquals": {"k": "${aws:username}"}}), false),
    ] {
        assert_eq!(holds(&condition, &context), expected, "{condition}");
    }
    let arns: Context = [("me", "arn:aws:iam::1:user/a"), ("k", "arn:aws:iam::1:user/a")]
        .into_iter()
        .collect();
    assert!(holds(&json!({"ArnEquals": {"k": "${me}"}}), &arns));
}

#[test]
fn r58_a_variable_without_value() {
    check("StringEquals", json!("${aws:absent}"), one(""), false);
    check("StringLike", json!("${aws:absent}*"), one("x"), false);
    for operator in ["StringNotEquals", "StringNotLike", "ArnNotLike"] {
        check(operator, json!("${aws:absent}"), one("arn:aws:s3:::x"), true);
    }
    check("StringNotEquals", json!(["${aws:absent}", "x"]), one("x"), false);
}

#[test]
fn r160_the_mfa_table() {
    let contexts: [Vec<(&str, &str)>; 3] = [
        vec![],
        vec![("aws:MultiFactorAuthPresent", "false")],
        vec![
            ("aws:MultiFactorAuthPresent", "true"),
            ("aws:MultiFactorAuthAge", "60"),
        ],
    ];
    let present = "aws:MultiFactorAuthPresent";
    for (condition, expected) in [
        (json!({"Bool": {present: "true"}}), [false, false, true]),
        (json!({"BoolIfExists": {present: "true"}}), [true, false, true]),
        (json!({"Bool": {present: "false"}}), [false, true, false]),
        (json!({"BoolIfExists": {present: "false"}}), [true, true, false]),
        (json!({"Null": {present: "false"}}), [false, true, true]),
        (json!({"Null": {present: "true"}}), [true, false, false]),
        (
            json!({"NumericLessThan": {"aws:MultiFactorAuthAge": 3600}}),
            [false, false, true],
        ),
    ] {
        let answers = contexts
            .each_ref()
            .map(|pairs| holds(&condition, &pairs.iter().copied().collect()));
        assert_eq!(answers, expected, "{condition}");
    }
}

#[test]
fn r163_r167_tag_keys() {
    let mut tags = Tags::new();
    tags.set(Tag::new("Owner", "richard-roe"));
    tags.set(Tag::new("aws:cloudformation:stack-name", "demo"));
    tags.set(Tag::new("a/b", "slash"));
    let mut context = Context::new();
    context.insert_tags("aws:ResourceTag", &tags);
    for (condition, expected) in [
        (
            json!({"StringEquals": {"aws:ResourceTag/owner": "richard-roe"}}),
            true,
        ),
        (
            json!({"StringEquals": {"aws:ResourceTag/Owner": "Richard-Roe"}}),
            false,
        ),
        (
            json!({"StringEquals": {"aws:ResourceTag/aws:cloudformation:stack-name": "demo"}}),
            true,
        ),
        (json!({"StringEquals": {"aws:ResourceTag/a/b": "slash"}}), true),
    ] {
        assert_eq!(holds(&condition, &context), expected, "{condition}");
    }
}

#[test]
fn r164_tags_that_differ_only_in_case_do_not_match() {
    let mut tags = Tags::new();
    tags.set(Tag::new("Owner", "a"));
    tags.set(Tag::new("owner", "b"));
    let mut context = Context::new();
    context.insert_tags("aws:ResourceTag", &tags);
    assert!(!holds(
        &json!({"StringEquals": {"aws:ResourceTag/Owner": "a"}}),
        &context
    ));
    assert!(!holds(
        &json!({"StringNotEquals": {"aws:ResourceTag/Owner": "c"}}),
        &context
    ));
    assert!(holds(
        &json!({"ForAnyValue:StringEquals": {"aws:ResourceTag/Owner": "b"}}),
        &context
    ));
}

#[test]
fn r165_tag_keys_are_compared_with_case() {
    let context: Context = [("aws:TagKeys", ["Team"])].into_iter().collect();
    assert!(holds(
        &json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "Owner"]}}),
        &context
    ));
    assert!(!holds(
        &json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}),
        &context
    ));
}
