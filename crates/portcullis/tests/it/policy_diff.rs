//! `portcullis policy diff` and `access`.

use serde_json::Value;

use crate::tool::Desk;

const PRINTED: &str = "01-bp-stoptask-family-in-cluster.json";
const CORRECTED: &str = "01b-stoptask-corrected.json";

fn policies() -> Desk {
    let desk = Desk::new();
    desk.mission(PRINTED).mission(CORRECTED);
    desk
}

#[test]
fn something_new_ends_with_1_and_a_request() {
    let run = policies().policy(&["diff", PRINTED, CORRECTED]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.page());
}

#[test]
fn nothing_new_ends_with_0() {
    let run = policies().policy(&["diff", CORRECTED, PRINTED]);
    assert_eq!(run.code, 0, "{}", run.page());
    insta::assert_snapshot!(run.page());
}

#[test]
fn a_new_denial_is_seen_from_the_other_side() {
    let desk = policies();
    desk.file(
        "guarded.json",
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ecs:*", "Resource": "*"},
            {"Sid": "NotAtNight", "Effect": "Deny", "Action": "ecs:Stop*", "Resource": "*",
             "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026-11-22T22:00:00Z"}}}]}"#,
    )
    .file(
        "open.json",
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}}"#,
    );
    let run = desk.policy(&["diff", "open.json", "guarded.json", "--both"]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.page());
}

#[test]
fn r114_a_denial_that_goes_is_a_difference() {
    let desk = Desk::new();
    let allow = r#"{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}"#;
    let deny =
        r#"{"Sid": "NoWrites", "Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}"#;
    let policy = |statements: &str| format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
    desk.file("guarded.json", &policy(&format!("{allow}, {deny}")))
        .file("open.json", &policy(allow));
    let run = desk.policy(&["diff", "guarded.json", "open.json"]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.page());
    assert_eq!(desk.policy(&["diff", "open.json", "guarded.json"]).code, 0);
    assert_eq!(
        desk.policy(&["diff", "open.json", "guarded.json", "--both"]).code,
        1
    );
    let run = desk.policy(&["diff", "open.json", "guarded.json", "--both", "--format", "json"]);
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["deniedNoMoreInNew"]["answer"], "NO_MORE");
    assert_eq!(answer["deniedNoMoreInOld"]["answer"], "MORE");
    assert_eq!(
        answer["deniedNoMoreInOld"]["request"]["deniedBy"][0]["sid"],
        "NoWrites"
    );
}

#[test]
fn values_of_another_type_do_not_count() {
    let desk = Desk::new();
    desk.file(
        "old.json",
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}}"#,
    )
    .file(
        "new.json",
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*",
             "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}"#,
    );
    let run = desk.policy(&["diff", "old.json", "new.json"]);
    assert_eq!(run.code, 0, "{}", run.page());
}

#[test]
fn programs_read_json() {
    let run = policies().policy(&["diff", PRINTED, CORRECTED, "--both", "--format", "json"]);
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["moreInNew"]["answer"], "MORE");
    assert_eq!(answer["moreInNew"]["request"]["action"], "ecs:StopTask");
    assert_eq!(
        answer["moreInNew"]["request"]["allowedBy"][0]["policy"],
        CORRECTED
    );
    assert_eq!(answer["moreInOld"]["answer"], "NO_MORE");
}

#[test]
fn what_depends_on_variables_may_end_with_3() {
    let desk = Desk::new();
    let home = |below: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::home/${{aws:username}}{below}"}}}}"#
        )
    };
    desk.file("old.json", &home("*")).file("new.json", &home("/*"));
    let run = desk.policy(&["diff", "old.json", "new.json"]);
    assert_eq!(run.code, 3, "{}", run.page());
}

#[test]
fn bad_input_ends_with_2() {
    let desk = policies();
    desk.file("bad.json", "{").file(
        "trust.json",
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole"}}"#,
    );
    for other in ["bad.json", "missing.json", "trust.json"] {
        assert_eq!(desk.policy(&["diff", PRINTED, other]).code, 2, "{other}");
    }
}

#[test]
fn access_says_when() {
    let desk = policies();
    let ask = |more: &[&str]| desk.policy(&[&["access", CORRECTED], more].concat());
    assert_eq!(ask(&["--action", "ecs:RunTask"]).code, 0);
    let cluster = "ecs:cluster=arn:aws:ecs:us-east-1:111122223333:cluster/default";
    let task = "arn:aws:ecs:us-east-1:111122223333:task/default/1";
    let always = ask(&[
        "--action",
        "ecs:StopTask",
        "--resource",
        task,
        "--context",
        cluster,
    ]);
    assert_eq!((always.code, always.stdout.as_str()), (1, "always granted\n"));
    insta::assert_snapshot!(ask(&["--action", "ecs:Stop*"]).page());
}

#[test]
fn public_policies_are_found() {
    let desk = Desk::new();
    let bucket = |condition: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::bucket/*", "Condition": {{{condition}}}}}}}"#
        )
    };
    desk.file("open.json", &bucket("")).file(
        "closed.json",
        &bucket(r#""StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}"#),
    );
    insta::assert_snapshot!(desk.policy(&["access", "--public", "open.json"]).page());
    let closed = desk.policy(&["access", "--public", "closed.json"]);
    assert_eq!((closed.code, closed.stdout.as_str()), (0, "not public\n"));
}
