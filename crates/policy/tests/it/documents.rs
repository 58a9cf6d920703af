//! What IAM accepts and refuses when a document is written (R1-R32).

use portcullis_policy::{Document, Kind, Malformed, Version, size_without_whitespace};
use serde_json::{Value as Json, json};

use crate::scene::policy;

const SYNTAX: &str = "Syntax errors in policy.";
const VERSION: &str = "Policy document must be version 2012-10-17 or greater.";
const LEGACY: &str = "The policy failed legacy parsing";
const SID: &str = "Statement IDs (SID) in a single policy must be unique.";
const NO_ACTIONS: &str = "Policy statement must contain actions.";
const NO_RESOURCES: &str = "Policy statement must contain resources.";
const NO_VENDOR: &str = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
const ACTION_COLONS: &str = "Actions/Condition can contain only one colon.";
const NOT_ARN: &str = "Resource x must be in ARN format or \"*\".";

fn text_of(text: &str, kind: Kind) -> String {
    Document::parse(text, kind).map_or_else(|refused| refused.to_string(), |_| "accepted".to_owned())
}

fn answer(document: &Json, kind: Kind) -> String {
    text_of(&document.to_string(), kind)
}

/// The answer to an identity policy of one statement, whose members replace those of a good one; null removes.
fn with(members: Json) -> String {
    let mut statement =
        json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket"});
    for (name, value) in members.as_object().unwrap() {
        match value {
            Json::Null => statement.as_object_mut().unwrap().remove(name),
            value => statement
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    answer(&policy(statement), Kind::Identity)
}

#[track_caller]
fn check(members: Json, expected: &str) {
    assert_eq!(with(members.clone()), expected, "{members}");
}

#[test]
fn r1_only_latin_1_may_occur() {
    let with_id = |id: &str| {
        text_of(
            &format!(
                r#"{{"Version":"2012-10-17","Id":"{id}","Statement":{{"Effect":"Allow","Action":"*","Resource":"*"}}}}"#
            ),
            Kind::Identity,
        )
    };
    assert_eq!(with_id("é ÿ"), "accepted");
    assert_eq!(with_id("€"), SYNTAX);
    assert_eq!(with_id("\u{7}"), SYNTAX);
}

#[test]
fn r2_r8_the_top_level() {
    let good = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    for (document, expected) in [
        (json!({"Version": "2012-10-17", "Statement": [good]}), "accepted"),
        (
            json!({"Version": "2012-10-17", "Id": "x", "Statement": good}),
            "accepted",
        ),
        (
            json!({"Version": "2012-10-17", "Statement": good, "extra": 1}),
            SYNTAX,
        ),
        (json!({"version": "2012-10-17", "Statement": good}), SYNTAX),
        (
            json!({"Version": "2012-10-17", "Id": ["x"], "Statement": good}),
            SYNTAX,
        ),
        (json!({"Version": "2012-10-17"}), SYNTAX),
        (json!({"Version": "2012-10-17", "Statement": []}), SYNTAX),
        (json!({"Version": "2012-10-17", "Statement": ["x"]}), SYNTAX),
        (json!([good]), SYNTAX),
        (json!("x"), SYNTAX),
    ] {
        assert_eq!(answer(&document, Kind::Identity), expected, "{document}");
    }
    assert_eq!(text_of("This is not JSON", Kind::Identity), SYNTAX);
    assert_eq!(text_of("", Kind::Identity), SYNTAX);
}

#[test]
fn r3_no_key_twice() {
    let twice = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}"#;
    assert_eq!(text_of(twice, Kind::Identity), SYNTAX);
    check(
        json!({"Condition": {"StringEquals": {"aws:username": "a", "AWS:UserName": "b"}}}),
        SYNTAX,
    );
    check(
        json!({"Condition": {"StringEquals": {"a": "a"}, "StringLike": {"A": "b"}}}),
        "accepted",
    );
}

#[test]
fn r4_r5_the_version() {
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    for kind in [Kind::Identity, Kind::Boundary] {
        assert_eq!(answer(&json!({"Statement": statement}), kind), VERSION);
        assert_eq!(
            answer(&json!({"Version": "2008-10-17", "Statement": statement}), kind),
            VERSION
        );
    }
    assert_eq!(
        answer(
            &json!({"Version": "2013-10-17", "Statement": statement}),
            Kind::Identity
        ),
        SYNTAX
    );
    let trust = json!({"Version": "2008-10-17", "Statement":
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}});
    let document = Document::parse(&trust.to_string(), Kind::Trust).unwrap();
    assert_eq!(document.version(), Version::V2008);
}

#[test]
fn r9_statement_members() {
    check(json!({"extra": "x"}), SYNTAX);
    check(json!({"effect": "Allow"}), SYNTAX);
    check(json!({"NotAction": []}), SYNTAX);
    check(json!({"NotResource": "*"}), SYNTAX);
    check(json!({"Sid": {}}), SYNTAX);
    check(json!({"Action": {}}), SYNTAX);
    check(json!({"Action": [[]]}), SYNTAX);
    check(json!({"Resource": ["x", {}]}), SYNTAX);
    check(json!({"Resource": {"a": "x"}}), SYNTAX);
    check(json!({"Resource": 1}), SYNTAX);
}

#[test]
fn r10_the_effect() {
    check(json!({"Effect": null}), SYNTAX);
    check(json!({"Effect": "invalid"}), SYNTAX);
    check(json!({"Effect": "allow"}), LEGACY);
    check(json!({"Effect": "denY"}), LEGACY);
}

#[test]
fn r11_sids() {
    let two = |a: &str, b: &str| {
        let statement = |sid: &str| json!({"Sid": sid, "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        answer(&policy(json!([statement(a), statement(b)])), Kind::Identity)
    };
    assert_eq!(two("", ""), "accepted");
    assert_eq!(two("a", "A"), "accepted");
    assert_eq!(two("a", "a"), SID);
    assert_eq!(
        with(json!({"Sid": "with space"})),
        Malformed::SidCharacters.to_string()
    );
}

#[test]
fn r12_r13_actions_and_resources_are_required() {
    check(json!({"Action": null}), NO_ACTIONS);
    check(json!({"Action": []}), NO_ACTIONS);
    check(json!({"Action": null, "NotAction": []}), NO_ACTIONS);
    check(json!({"Resource": null}), NO_RESOURCES);
    check(json!({"Resource": []}), NO_RESOURCES);
    check(json!({"Resource": null, "NotResource": []}), NO_RESOURCES);
    check(json!({"Action": null, "Resource": null}), NO_ACTIONS);
    check(
        json!({"Action": null, "NotAction": "s3:ListBucket", "Resource": null, "NotResource": "*"}),
        "accepted",
    );
}

#[test]
fn r13_other_services_may_leave_out_the_resource() {
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:*"});
    assert_eq!(answer(&policy(statement), Kind::Resource), "accepted");
}

#[test]
fn r16_condition_values_are_scalars() {
    check(
        json!({"Condition": {"NumericEquals": {"k": [10, 1.5, "7"]}, "Bool": {"b": true}}}),
        "accepted",
    );
    check(json!({"Condition": {"StringEquals": {"k": null}}}), SYNTAX);
    check(json!({"Condition": {"StringEquals": {"k": {}}}}), SYNTAX);
    check(json!({"Condition": {"StringEquals": {"k": [["a"]]}}}), SYNTAX);
    check(json!({"Condition": []}), SYNTAX);
    check(json!({"Condition": "a"}), SYNTAX);
    check(json!({"Condition": {"StringEquals": "b"}}), SYNTAX);
    check(json!({"Condition": {"DateGreaterThan": []}}), SYNTAX);
}

#[test]
fn r17_the_first_failure_in_iams_order_is_reported() {
    let bad_date = json!({"DateGreaterThan": {"a": "sdfdsf"}});
    // version before legacy parsing
    let document = json!({"Statement": {"Effect": "denY", "Action": "s3:*", "Resource": "*"}});
    assert_eq!(answer(&document, Kind::Identity), VERSION);
    // syntax before version
    assert_eq!(
        answer(&json!({"Statement": {"Effect": "x"}}), Kind::Identity),
        SYNTAX
    );
    // legacy parsing before Sids, actions, resource formats
    check(
        json!({"Action": null, "Resource": null, "Condition": bad_date}),
        LEGACY,
    );
    check(
        json!({"Resource": "arn:error:s3:::bucket", "Condition": bad_date}),
        LEGACY,
    );
    check(json!({"Action": null, "Resource": "arn:aws:s3::bucket"}), LEGACY);
    check(
        json!({"Effect": "allow", "Resource": "arn:aws:s3:us-east-1::bucket"}),
        LEGACY,
    );
    // Sids before actions
    let twins = json!([{"Sid": "a", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}, {"Sid": "a", "Effect": "Allow"}]);
    assert_eq!(answer(&policy(twins), Kind::Identity), SID);
    // actions present before resource formats, those before action formats, those before resources present
    check(json!({"Action": null, "Resource": "x"}), NO_ACTIONS);
    check(json!({"Action": "s:3:ListBucket", "Resource": "x"}), NOT_ARN);
    check(json!({"Action": "invalid", "Resource": null}), NO_VENDOR);
}

#[test]
fn r18_action_formats() {
    check(json!({"Action": "invalid"}), NO_VENDOR);
    check(json!({"Action": null, "NotAction": ""}), NO_VENDOR);
    check(json!({"Action": "a a:ListBucket"}), "Vendor a a is not valid");
    check(json!({"Action": "s3:List:Bucket"}), ACTION_COLONS);
    check(
        json!({"Action": ["s3s:ListBucket", "s:3s:ListBucket"]}),
        ACTION_COLONS,
    );
    for good in [
        "*",
        "*:*",
        "s3-s:X",
        "s3.s:X",
        "iam: asdf a ",
        "aaaaaaaaaaaaaaaaaaaaaaa:ListBucket",
    ] {
        check(json!({"Action": good}), "accepted");
    }
}

#[test]
fn r19_resource_formats() {
    let iam_path = "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, \
        instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, \
        access-report/.";
    for (resource, expected) in [
        ("x", NOT_ARN),
        ("", "Resource  must be in ARN format or \"*\"."),
        (
            "a:b2",
            "Partition \"b2\" is not valid for resource \"arn:b2:*:*:*:*\".",
        ),
        (
            "a:b:c",
            "Partition \"b\" is not valid for resource \"arn:b:c:*:*:*\".",
        ),
        (
            "a:b:c:d:e:f:g:h",
            "Partition \"b\" is not valid for resource \"arn:b:c:d:e:f:g:h\".",
        ),
        (
            "aws:s3:::bucket",
            "Partition \"s3\" is not valid for resource \"arn:s3:::bucket:*\".",
        ),
        (
            "arn:aws",
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        ("arn:aws:iam:::bucket", iam_path),
        ("arn:aws:iam::1:u*", iam_path),
        (
            "arn:aws:iam:us-east-1::b",
            "IAM resource arn:aws:iam:us-east-1::b cannot contain region information.",
        ),
        (
            "arn:aws:s3:us-east-1::b",
            "Resource arn:aws:s3:us-east-1::b can not contain region information.",
        ),
    ] {
        check(json!({"Resource": resource}), expected);
        check(json!({"Resource": null, "NotResource": [resource]}), expected);
    }
    for good in [
        "*",
        "arn:aws:fdsasf",
        "arn:*:ecs:us-east-1:1:cluster/x",
        "arn:aws-cn:ecs:cn-north-1:1:cluster/x",
        "arn:aws:iam:::user/x",
        "arn:aws:iam::1:*",
        "arn:aws:iam::*:user/${aws:username}",
        "arn:aws:invalid-service:us-east-1::x",
        "arn:aws:s3:us-west-2:123456789012:accesspoint/my-access-point/object/*",
    ] {
        check(json!({"Resource": good}), "accepted");
    }
    // Of several the one that sorts first is reported.
    check(
        json!({"Resource": ["arn:error:s3:::bucket", "arn:error:s3::bucket"]}),
        "Partition \"error\" is not valid for resource \"arn:error:s3:::bucket\".",
    );
}

#[test]
fn r20_legacy_parsing_of_resources() {
    for bad in ["arn:aws:s3::bucket", "arn:aws::::bucket", "arn:aws::fdsasf"] {
        check(json!({"Resource": bad}), LEGACY);
        check(json!({"Resource": null, "NotResource": [bad]}), LEGACY);
    }
}

#[test]
fn r22_operator_names_and_r30_empty_blocks() {
    check(json!({"Condition": {"x": {"a": "1"}}}), SYNTAX);
    check(json!({"Condition": {"stringequals": {"a": "1"}}}), SYNTAX);
    check(
        json!({"Condition": {"ForAnyValue::StringEqualsIfExists": {"a": "x"}}}),
        SYNTAX,
    );
    check(json!({"Condition": {"NullIfExists": {"a": "true"}}}), SYNTAX);
    check(json!({"Condition": {"x": {}, "y": {}}}), "accepted");
    check(json!({"Condition": {}}), "accepted");
    check(
        json!({"Condition": {"ForAnyValue:StringEqualsIfExists": {"a": "x"}}}),
        "accepted",
    );
}

#[test]
fn r23_dates() {
    for good in [
        json!("2019-07-01T13:20:15Z"),
        json!("01T"),
        json!("-292275054"),
        json!([]),
        json!(1_700_000_000),
        json!("0"),
    ] {
        check(
            json!({"Condition": {"DateLessThanEquals": {"a": good}}}),
            "accepted",
        );
    }
    for bad in [
        "sdfdsf",
        "234-13",
        "2016-12-13t2:00:00.593194+1",
        "9223372036854775808",
    ] {
        check(
            json!({"Condition": {"DateLessThanEqualsIfExists": {"a": bad}}}),
            LEGACY,
        );
    }
}

#[test]
fn r26_white_space_does_not_count() {
    assert_eq!(
        size_without_whitespace("{ \"a\" :\r\n\t\"b c\" }"),
        "{\"a\":\"bc\"}".len()
    );
    assert_eq!(size_without_whitespace("éé\u{a0}"), 3);
}

#[test]
fn deep_and_large_documents_are_refused_or_read_quickly() {
    let deep = format!(
        r#"{{"Version":"2012-10-17","Statement":{}{}}}"#,
        "[".repeat(60_000),
        "]".repeat(60_000)
    );
    assert_eq!(text_of(&deep, Kind::Identity), SYNTAX);
    let many: Vec<Json> = (0..1_000)
        .map(|n| json!({"Effect": "Allow", "Action": format!("s3:A{n}"), "Resource": "*"}))
        .collect();
    let document = Document::parse(&policy(json!(many)).to_string(), Kind::Identity).unwrap();
    assert_eq!(document.statements().len(), 1_000);
}

#[test]
fn context_keys_are_those_of_conditions_and_variables() {
    let document = policy(json!([
        {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}/${aws:PrincipalTag/team, 'x'}",
         "Condition": {"StringEquals": {"s3:prefix": "${aws:userid}"}, "Null": {"AWS:UserName": "false"}}},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"NumericEquals": {"n": "${literal}"}}}
    ]));
    let document = Document::parse(&document.to_string(), Kind::Identity).unwrap();
    assert_eq!(
        document.context_keys(),
        [
            "aws:username",
            "aws:PrincipalTag/team",
            "s3:prefix",
            "aws:userid",
            "n"
        ]
    );
}

#[test]
fn places_are_counted_from_one() {
    let text = "{\"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"é:*\", \"Resource\": \"*\"}}";
    let text = text.replace('é', "s3");
    let document = Document::parse(&text, Kind::Identity).unwrap();
    let position = document.position(document.statements()[0].span.start);
    assert_eq!((position.line, position.column), (2, 15));
}
