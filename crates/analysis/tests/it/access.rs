//! "Who gets in?"

use portcullis_analysis::{Access, Answer, Options, Wanted, access, public};
use portcullis_policy::Principal;

use crate::support::{document, source};

fn asked(
    statements: &str,
    action: &str,
    resource: Option<&str>,
    principal: Option<Principal>,
) -> &'static str {
    let document = document(statements);
    let wanted = Wanted {
        action: Some(action),
        resource,
        principal,
        keys: [("aws:PrincipalTag/team", "web")].into_iter().collect(),
    };
    match access(&[source("policy", &document)], &wanted, Options::default()).unwrap() {
        Access::Always => "always",
        Access::Sometimes { refused: Some(_), .. } => "sometimes",
        Access::Sometimes { refused: None, .. } => "at least sometimes",
        Access::Never => "never",
        Access::CannotTell(_) => "cannot tell",
    }
}

#[test]
fn grants_of_identity_policies() {
    let run = |condition: &str| {
        format!(
            r#"{{"Effect": "Allow", "Action": "ecs:R*Task", "Resource": "*", "Condition": {{{condition}}}}}"#
        )
    };
    let team = r#""StringEquals": {"aws:PrincipalTag/team": "web"}"#;
    let other = r#""StringEquals": {"aws:PrincipalTag/team": "data"}"#;
    let address = r#""IpAddress": {"aws:SourceIp": "10.0.0.0/8"}"#;
    assert_eq!(asked(&run(team), "ecs:RunTask", None, None), "always");
    assert_eq!(asked(&run(other), "ecs:RunTask", None, None), "never");
    assert_eq!(asked(&run(address), "ecs:RunTask", None, None), "sometimes");
    assert_eq!(asked(&run(team), "ecs:*", None, None), "sometimes");
    assert_eq!(asked(&run(team), "ecs:StopTask", None, None), "never");
    assert_eq!(
        asked(&run(team), "ecs:ReuseTask", Some("arn:aws:x:::y"), None),
        "always"
    );
}

#[test]
fn grants_of_resource_policies() {
    let policy = r#"{"Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::444455556666:role/r"]},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"#;
    let user = |account: &str| Principal::User {
        arn: format!("arn:aws:iam::{account}:user/u").parse().unwrap(),
        id: "AIDAEXAMPLEEXAMPLE000".to_owned(),
        account: account.parse().unwrap(),
    };
    let object = Some("arn:aws:s3:::b/o");
    assert_eq!(
        asked(policy, "s3:GetObject", object, Some(user("111122223333"))),
        "always"
    );
    assert_eq!(
        asked(policy, "s3:GetObject", object, Some(user("444455556666"))),
        "never"
    );
    assert_eq!(asked(policy, "s3:GetObject", object, None), "sometimes");
    assert_eq!(
        asked(policy, "s3:GetObject", object, Some(Principal::Anonymous)),
        "never"
    );
}

#[test]
fn public_policies() {
    let check = |principal: &str, condition: &str, expected: bool| {
        let policy = document(&format!(
            r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
                "Condition": {{{condition}}}}}"#
        ));
        let answer = public(source("policy", &policy), Options::default());
        assert_eq!(
            matches!(answer, Answer::More(_)),
            expected,
            "{principal} {condition}: {answer:?}"
        );
        assert!(!matches!(answer, Answer::CannotTell(_)));
    };
    check(r#""*""#, "", true);
    check(r#"{"AWS": "*"}"#, "", true);
    check(r#"{"AWS": "111122223333"}"#, "", false);
    check(r#"{"Service": "sns.amazonaws.com"}"#, "", false);
    for (condition, is_public) in [
        (r#""StringEquals": {"aws:SourceAccount": "111122223333"}"#, false),
        (r#""StringLike": {"aws:SourceAccount": "*"}"#, true),
        (r#""StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}"#, false),
        (
            r#""ArnLike": {"aws:SourceArn": "arn:aws:sns:*:111122223333:*"}"#,
            false,
        ),
        (r#""ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:topic"}"#, true),
        (r#""IpAddress": {"aws:SourceIp": "203.0.113.0/24"}"#, false),
        (r#""IpAddress": {"aws:SourceIp": "0.0.0.0/0"}"#, true),
        (r#""NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}"#, true),
        (r#""StringEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}"#, false),
        (
            r#""StringEquals": {"aws:PrincipalAccount": "111122223333"}"#,
            false,
        ),
        (
            r#""StringNotEquals": {"aws:PrincipalAccount": "111122223333"}"#,
            true,
        ),
        (
            r#""ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/r"}"#,
            false,
        ),
        (r#""Bool": {"aws:SecureTransport": "true"}"#, true),
    ] {
        check(r#""*""#, condition, is_public);
    }
    for condition in [
        r#""StringLike": {"aws:PrincipalOrgID": "*"}"#,
        r#""StringLike": {"aws:PrincipalOrgID": "o-*"}"#,
        r#""Null": {"aws:PrincipalOrgID": "false"}"#,
        r#""Null": {"aws:PrincipalArn": "false"}"#,
        r#""StringLike": {"aws:PrincipalArn": "*"}"#,
        r#""StringLike": {"aws:PrincipalArn": "arn:*"}"#,
        r#""ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}"#,
        r#""StringLike": {"aws:PrincipalAccount": "*"}"#,
        r#""StringLike": {"aws:PrincipalAccount": "1*"}"#,
        r#""StringLike": {"aws:username": "*"}"#,
        r#""ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "*"}"#,
        r#""StringLike": {"aws:userid": "*"}"#,
        r#""StringLike": {"aws:userid": "*A*"}"#,
        r#""StringLike": {"aws:userid": "AIDA*"}"#,
        r#""StringLike": {"aws:userid": "AROA*:*"}"#,
        r#""StringLike": {"aws:userid": "*:session"}"#,
        r#""StringEquals": {"aws:PrincipalType": "AssumedRole"}"#,
    ] {
        check(r#""*""#, condition, true);
        check(r#"{"AWS": "*"}"#, condition, true);
    }
    for condition in [
        r#""StringLike": {"aws:userid": "AROAEXAMPLEEXAMPLE111:*"}"#,
        r#""StringEquals": {"aws:userid": "AIDAEXAMPLEEXAMPLE111"}"#,
        r#""StringEquals": {"aws:userid": "AROAEXAMPLEEXAMPLE111:session"}"#,
        r#""StringLike": {"aws:userid": "111122223333"}"#,
    ] {
        check(r#""*""#, condition, false);
    }
}

#[test]
fn a_deny_makes_a_policy_private() {
    let policy = document(
        r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
         "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}}"#,
    );
    assert_eq!(
        public(source("policy", &policy), Options::default()),
        Answer::NoMore
    );
}
