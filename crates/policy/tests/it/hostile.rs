//! Bad input: what R1-R32 refuse, with IAM's texts; and what is refused never allows anything. Sizes, depths and random
//! damage are the business of the test program `hostile`.

use portcullis_policy::{Document, Kind, Outcome};
use serde_json::{Value as Json, json};

use crate::generate::{self, Dice};
use crate::naive::Policies;
use crate::scene::{Scene, USER, user};

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";

const OPERATORS: [&str; 10] = [
    "StringEquals",
    "StringNotLike",
    "NumericLessThan",
    "DateEquals",
    "Bool",
    "BinaryEquals",
    "NotIpAddress",
    "ArnNotLike",
    "Null",
    "ForAnyValue:StringLikeIfExists",
];

/// A grant of everything whose statement has these members too.
fn allow_all_with(members: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*"{members}}}}}"#
    )
}

#[track_caller]
fn check(text: &str, kind: Kind, expected: &str) {
    let answer =
        Document::parse(text, kind).map_or_else(|refused| refused.to_string(), |_| "taken".to_owned());
    assert_eq!(answer, expected, "{kind:?}: {text}");
}

#[test]
fn r1_characters_that_may_not_occur() {
    check(&allow_all_with(r#","Sid":"a""#), Kind::Identity, "taken");
    for c in [
        "\0",
        "\u{1}",
        "\u{1f}",
        "\u{100}",
        "\u{feff}",
        "\u{202e}",
        "\u{1f600}",
    ] {
        let within = allow_all_with(&format!(r#","Condition":{{"StringEquals":{{"k":"{c}"}}}}"#));
        check(&within, Kind::Identity, SYNTAX);
        check(&format!("{c}{}", allow_all_with("")), Kind::Identity, SYNTAX);
        check(&format!("{}{c}", allow_all_with("")), Kind::Identity, SYNTAX);
    }
}

#[test]
fn r2_r3_r8_what_is_no_policy() {
    for text in [
        "",
        " ",
        "null",
        "1",
        "\"Allow\"",
        "[]",
        "{}",
        "{",
        "}",
        "{\"Version\":\"2012-10-17\"}",
        r#"{"Version":"2012-10-17","Statement":null}"#,
        r#"{"Version":"2012-10-17","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":[[]]}"#,
        r#"{"Version":2012,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":null,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        "# a comment\n{}",
    ] {
        for kind in [Kind::Identity, Kind::Trust, Kind::Resource, Kind::ServiceControl] {
            check(text, kind, SYNTAX);
        }
    }
    let good = allow_all_with("");
    check(&format!("{good}{good}"), Kind::Identity, SYNTAX);
    check(&format!("{good},"), Kind::Identity, SYNTAX);
    check(&good[..good.len() - 1], Kind::Identity, SYNTAX);
}

#[test]
fn r9_r16_values_of_every_wrong_json_type() {
    for bad in [
        "null",
        "{}",
        "[[]]",
        "[null]",
        "[{}]",
        "[[\"a\"]]",
        "{\"a\":\"b\"}",
    ] {
        for operator in OPERATORS {
            let condition = format!(r#","Condition":{{"{operator}":{{"k":{bad}}}}}"#);
            check(&allow_all_with(&condition), Kind::Identity, SYNTAX);
        }
        let sid = format!(r#","Sid":{bad}"#);
        check(&allow_all_with(&sid), Kind::Identity, SYNTAX);
    }
    for bad in [
        "1",
        "true",
        "\"x\"",
        "[]",
        "null",
        r#"{"StringEquals":1}"#,
        r#"{"StringEquals":[]}"#,
        r#"{"":{"k":"v"}}"#,
    ] {
        let condition = format!(r#","Condition":{bad}"#);
        check(&allow_all_with(&condition), Kind::Identity, SYNTAX);
    }
}

/// What is a condition value but none of the operator's type is taken, apart from dates (R23), and never matches.
#[test]
fn r80_r87_values_of_every_wrong_meaning_never_allow() {
    let bad = [
        "",
        "x",
        "-",
        "1,5",
        "0x10",
        "NaN",
        "inf",
        "1e",
        "ye s",
        "300.0.0.1",
        "1.2.3.4/33",
        "*",
        "QUJ",
        "arn:aws:s3",
    ];
    for operator in [
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "Bool",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "Null",
    ] {
        for value in bad {
            let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"k": value}}});
            for asked in ["10", "true", "10.0.0.1", "arn:aws:s3:::b"] {
                let scene = Scene::new(user()).identity(statement.clone()).with("k", asked);
                assert!(!scene.allowed(), "{operator} {value} on {asked}");
            }
        }
    }
    for value in ["x", "2026-13-01", "2026-11-22T25:00:00Z", "tomorrow", "1.5"] {
        let condition = format!(r#","Condition":{{"DateNotEquals":{{"k":"{value}"}}}}"#);
        check(&allow_all_with(&condition), Kind::Identity, LEGACY);
    }
}

/// Documents are damaged until they are refused; what is left of a grant of everything then grants nothing. What is still
/// taken means what the naive evaluator reads in it (`document` among the fuzz targets).
#[test]
fn r31_what_cannot_be_parsed_never_allows_anything() {
    let mut dice = Dice::seed(31);
    let mut refused = 0;
    for _ in 0..5_000 {
        let mut text = allow_all_with("").into_bytes();
        let at = dice.below(text.len());
        text[at] = b"{}[]\":,*\\ x0"[dice.below(12)];
        let text = String::from_utf8(text).unwrap();
        let identity: Vec<Document> = Document::parse(&text, Kind::Identity).into_iter().collect();
        if identity.is_empty() {
            refused += 1;
            let scene = Scene {
                identity,
                ..Scene::new(user())
            };
            assert_eq!(scene.decide().0, Outcome::ImplicitDeny, "{text}");
        }
    }
    assert!(refused > 2_000, "{refused}");
}

/// The generators make no document that is refused, so nothing is left out of the other tests.
#[test]
fn generated_policies_are_taken() {
    for nth in 0..300 {
        let world = generate::world(&mut Dice::seed(nth));
        let policies: &Policies<Json> = &world.policies;
        policies.map(|policy, kind| check(&policy.to_string(), kind, "taken"));
    }
}

#[test]
fn r62_r63_principals_that_are_none() {
    for bad in [
        "arn:aws:iam::111122223333:user/*",
        "arn:aws:iam::*:root",
        "12345",
        "arn:aws:iam::111122223333:group/g",
        "",
    ] {
        let statement = json!({"Effect": "Allow", "Principal": {"AWS": bad}, "Action": "sts:AssumeRole"});
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        check(
            &text,
            Kind::Trust,
            &format!("Invalid principal in policy: \"AWS\":\"{bad}\""),
        );
    }
    let good = json!({"Version": "2012-10-17", "Statement":
        {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "sts:AssumeRole"}});
    check(&good.to_string(), Kind::Trust, "taken");
}
