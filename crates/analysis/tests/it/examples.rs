//! Pairs of policies whose difference anybody can see.

use portcullis_analysis::{Answer, Options};

use crate::support::{document, more};

fn check(old: &str, new: &str, expected: Option<(&str, &str)>) {
    let answer = more(&document(old), &document(new), Options::default());
    match (expected, &answer) {
        (None, Answer::NoMore) => {}
        (Some((action, resource)), Answer::More(witness)) => {
            assert_eq!(
                (witness.action.as_str(), witness.resource.as_str()),
                (action, resource),
                "{old}\n{new}"
            );
        }
        _ => panic!("{answer:?} for\n{old}\n{new}"),
    }
}

const RUN_ALL: &str = r#"{"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}"#;
const RUN_WEB: &str =
    r#"{"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "arn:aws:ecs:*:*:task-definition/web:*"}"#;

#[test]
fn resources() {
    check(RUN_ALL, RUN_WEB, None);
    check(RUN_ALL, RUN_ALL, None);
    check(
        RUN_WEB,
        RUN_ALL,
        Some((
            "ecs:RunTask",
            "arn:aws:ecs:us-east-1:123456789012:task-definition/example:1",
        )),
    );
}

#[test]
fn actions() {
    let describe = r#"{"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}"#;
    let all = r#"{"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}"#;
    let listed =
        r#"{"Effect": "Allow", "Action": ["ecs:DescribeTasks", "ecs:DescribeClusters"], "Resource": "*"}"#;
    check(all, describe, None);
    check(describe, listed, None);
    check(
        describe,
        all,
        Some((
            "ecs:AllowVendedLogDeliveryForResource",
            "arn:aws:ecs:us-east-1:123456789012:cluster/example",
        )),
    );
}

#[test]
fn denials() {
    let deny_prod =
        r#"{"Effect": "Deny", "Action": "ecs:*", "Resource": "arn:aws:ecs:*:*:task-definition/prod:*"}"#;
    let old = format!("{RUN_ALL}, {deny_prod}");
    check(
        &old,
        RUN_ALL,
        Some((
            "ecs:RunTask",
            "arn:aws:ecs:us-east-1:123456789012:task-definition/prod:1",
        )),
    );
    check(RUN_ALL, &old, None);
    check(&old, RUN_WEB, None);
}

#[test]
fn conditions() {
    let with = |condition: &str| {
        format!(
            r#"{{"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*", "Condition": {{{condition}}}}}"#
        )
    };
    let run = "arn:aws:ecs:us-east-1:123456789012:task-definition/example:1";
    let pairs = [
        (
            r#""StringEquals": {"ecs:ResourceTag/a": "x"}"#,
            r#""StringLike": {"aws:ResourceTag/a": "x*"}"#,
        ),
        (
            r#""NumericLessThan": {"ecs:task-cpu": "5"}"#,
            r#""NumericLessThanEquals": {"ecs:task-cpu": "5.0"}"#,
        ),
        (
            r#""IpAddress": {"aws:SourceIp": "10.1.0.0/16"}"#,
            r#""IpAddress": {"aws:SourceIp": "10.0.0.0/8"}"#,
        ),
        (
            r#""DateLessThan": {"aws:CurrentTime": "2026-01-01"}"#,
            r#""DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:01Z"}"#,
        ),
        (
            r#""Bool": {"aws:SecureTransport": "true"}"#,
            r#""Null": {"aws:SecureTransport": "false"}"#,
        ),
        (
            r#""StringEquals": {"aws:PrincipalTag/t": "x"}"#,
            r#""StringEqualsIfExists": {"aws:PrincipalTag/t": "x"}"#,
        ),
        (
            r#""ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:1:cluster/a"}"#,
            r#""ArnLike": {"ecs:cluster": "arn:aws:ecs:*:1:cluster/*"}"#,
        ),
        (
            r#""ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}, "Null": {"aws:TagKeys": "false"}"#,
            r#""ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}"#,
        ),
    ];
    for (narrow, wide) in pairs {
        check(&with(wide), &with(narrow), None);
        check(&with(narrow), &with(wide), Some(("ecs:RunTask", run)));
    }
}

#[test]
fn r112_conditions_on_keys_the_action_does_not_have() {
    let deny = r#"{"Effect": "Deny", "Action": "ecs:DeleteCluster", "Resource": "*",
        "Condition": {"StringEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:1:cluster/a"}}}"#;
    let delete = r#"{"Effect": "Allow", "Action": "ecs:DeleteCluster", "Resource": "*"}"#;
    check(&format!("{delete}, {deny}"), delete, None);
}

#[test]
fn variables() {
    let home = |who: &str| {
        format!(r#"{{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/{who}/*"}}"#)
    };
    check(&home("${aws:username}"), &home("${aws:username}"), None);
    check(&home("${aws:username}"), &home("${AWS:UserName}"), None);
    check(&home("*"), &home("${aws:username}"), None);
    check(
        &home("${aws:username}"),
        &home("*"),
        Some(("s3:GetObject", "arn:aws:s3:::home/x/x")),
    );
    check(
        &home("${aws:username}"),
        &home("bob"),
        Some(("s3:GetObject", "arn:aws:s3:::home/bob/x")),
    );
}

#[test]
fn the_answer_says_which_statements_decide() {
    let old = document(&format!(
        "{RUN_ALL}, {}",
        r#"{"Sid": "NoProd", "Effect": "Deny", "Action": "*",
        "Resource": "arn:aws:ecs:*:*:task-definition/prod:*"}"#
    ));
    let answer = more(&old, &document(RUN_ALL), Options::default());
    let witness = answer.witness().expect("a witness");
    assert_eq!(witness.allowed_by[0].to_string(), "statement 1 of new");
    assert_eq!(witness.denied_by[0].to_string(), "statement 2 (NoProd) of old");
}
