//! `portcullis policy explain`.

use serde_json::Value;

use crate::tool::{Desk, Run};

const USER: &str = "arn:aws:iam::111122223333:user/richard-roe";
const TASK: &str = "arn:aws:ecs:us-east-1:111122223333:task/default/0123";
const STOP: &str = "01b-stoptask-corrected.json";

fn stop(desk: &Desk, more: &[&str]) -> Run {
    let asked = [
        "explain",
        "--principal",
        USER,
        "--action",
        "ecs:stoptask",
        "--resource",
        TASK,
        "--policy",
        STOP,
    ];
    desk.policy(&[&asked, more].concat())
}

const ON_DEFAULT: [&str; 2] = [
    "--context",
    "ecs:cluster=arn:aws:ecs:us-east-1:111122223333:cluster/default",
];
const ON_OTHER: [&str; 2] = [
    "--context",
    "ecs:cluster=arn:aws:ecs:us-east-1:111122223333:cluster/other",
];

#[test]
fn the_page_of_a_denied_request() {
    let desk = Desk::new();
    insta::assert_snapshot!(stop(desk.mission(STOP), &ON_OTHER).page());
}

#[test]
fn an_allowed_request_ends_with_0() {
    let desk = Desk::new();
    let run = stop(
        desk.mission(STOP),
        &[&ON_DEFAULT[..], &["--format", "one-line"]].concat(),
    );
    assert_eq!(run.code, 0, "{}", run.page());
    insta::assert_snapshot!(run.page());
}

#[test]
fn missing_keys_are_hinted_at() {
    let desk = Desk::new();
    let run = stop(desk.mission(STOP), &["--format", "message"]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn json_has_the_public_shape_and_the_keys_of_the_caller() {
    let desk = Desk::new();
    let run = stop(
        desk.mission(STOP),
        &[
            &ON_OTHER[..],
            &[
                "--format",
                "json",
                "--context",
                "aws:TagKeys=a",
                "--context",
                "aws:TagKeys=b",
            ],
        ]
        .concat(),
    );
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let context = &json["evaluations"][0]["context"];
    assert_eq!(json["evaluations"][0]["evaluatedEffect"], "IMPLICIT_DENY");
    assert_eq!(json["evaluations"][0]["action"], "ecs:StopTask");
    for (key, value) in [
        ("aws:username", "richard-roe"),
        ("aws:PrincipalArn", USER),
        ("aws:PrincipalAccount", "111122223333"),
        ("aws:RequestedRegion", "us-east-1"),
        ("aws:ResourceAccount", "111122223333"),
        ("aws:SecureTransport", "true"),
    ] {
        assert_eq!(context[key], value, "{key}");
    }
    assert_eq!(context["aws:TagKeys"], serde_json::json!(["a", "b"]));
    assert!(context["aws:CurrentTime"].is_string());
}

#[test]
fn every_kind_of_policy_is_taken() {
    let desk = Desk::new();
    let allow =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let for_all = allow.replace("\"Action\"", "\"Principal\": \"*\", \"Action\"");
    desk.mission(STOP)
        .file("allow.json", allow)
        .file("for-all.json", &for_all);
    desk.file(
        "boundary.json",
        &allow.replace("\"*\", \"Resource\"", "\"ecs:List*\", \"Resource\""),
    );
    let more = [
        &ON_DEFAULT[..],
        &[
            "--boundary",
            "boundary.json",
            "--session",
            "allow.json",
            "--scp",
            "allow.json",
            "--scp",
            "allow.json",
        ],
        &[
            "--rcp",
            "for-all.json",
            "--endpoint",
            "for-all.json",
            "--resource-policy",
            "for-all.json",
        ],
        &["--format", "one-line"],
    ];
    let run = stop(&desk, &more.concat());
    assert_eq!(
        run.code,
        0,
        "R118: the resource's policy lifts the boundary\n{}",
        run.page()
    );
    let without = [&ON_DEFAULT[..], &["--boundary", "boundary.json"]].concat();
    insta::assert_snapshot!(stop(&desk, &without).page());
}

#[test]
fn a_trust_policy_decides_who_may_assume_the_role() {
    let desk = Desk::new();
    desk.mission("19-trust-ecs-tasks.json");
    let ask = |principal: &str| {
        desk.policy(&[
            "explain",
            "--principal",
            principal,
            "--action",
            "sts:AssumeRole",
            "--resource",
            "arn:aws:iam::111122223333:role/web",
            "--trust",
            "19-trust-ecs-tasks.json",
            "--format",
            "one-line",
        ])
    };
    insta::assert_snapshot!(format!(
        "{}\n{}",
        ask("ecs-tasks.amazonaws.com").page(),
        ask("ecs.amazonaws.com").page()
    ));
}

#[test]
fn keys_come_from_a_file_too() {
    let desk = Desk::new();
    desk.mission(STOP).file(
        "context.json",
        r#"{"ecs:cluster": "arn:aws:ecs:us-east-1:111122223333:cluster/default", "aws:TagKeys": ["a"], "aws:MultiFactorAuthAge": 60}"#,
    );
    assert_eq!(stop(&desk, &["--context-file", "context.json"]).code, 0);
    assert_eq!(
        stop(
            &desk,
            &[&["--context-file", "context.json"], &ON_OTHER[..]].concat()
        )
        .code,
        1
    );
}

#[test]
fn bad_input_ends_with_2_and_one_line() {
    let desk = Desk::new();
    desk.mission(STOP)
        .file("comma.json", "{\"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\",}]}")
        .file("vendor.json", r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "RunTask", "Resource": "*"}}"#)
        .file("context.json", r#"{"a": {"b": 1}}"#);
    let runs = [
        stop(&desk, &["--policy", "comma.json"]),
        stop(&desk, &["--boundary", "vendor.json"]),
        stop(&desk, &["--context", "ecs:cluster"]),
        stop(&desk, &["--context-file", "context.json"]),
        stop(&desk, &["--scp", "nowhere.json"]),
        desk.policy(&["explain", "--principal", "richard", "--action", "ecs:StopTask"]),
        desk.policy(&["explain", "--principal", USER, "--action", "ecs:*Task"]),
        desk.policy(&["explain", "--principal", USER, "--action", "StopTask"]),
        desk.policy(&["explain", "--principal", USER, "--action", "ecs:Nothing*"]),
        desk.policy(&["explain", "--principal", USER, "--action", "s3:Ge:x"]),
        desk.policy(&[
            "explain",
            "--principal",
            USER,
            "--action",
            "ecs:StopTask",
            "--resource",
            "foo",
        ]),
    ];
    for run in &runs {
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.page());
    }
    let told: Vec<_> = runs.iter().map(|run| run.stderr.as_str()).collect();
    insta::assert_snapshot!(told.concat());
}

#[test]
fn an_action_that_does_not_exist_is_hinted_at() {
    let desk = Desk::new();
    let run = desk.policy(&[
        "explain",
        "--principal",
        USER,
        "--action",
        "ecs:DescribeCluster",
        "--format",
        "one-line",
    ]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn an_action_on_what_it_is_never_asked_on_is_hinted_at() {
    let desk = Desk::new();
    let ask = |action: &str, resource: &str| {
        let asked = [
            "explain",
            "--principal",
            USER,
            "--action",
            action,
            "--resource",
            resource,
        ];
        desk.policy(&[&asked[..], &["--format", "one-line"]].concat())
            .stderr
    };
    let definition = "arn:aws:ecs:us-east-1:111122223333:task-definition/web:3";
    insta::assert_snapshot!(format!(
        "{}{}",
        ask("ecs:StopTask", definition),
        ask(
            "ecs:ListClusters",
            "arn:aws:ecs:us-east-1:111122223333:cluster/default"
        )
    ));
    assert_eq!(ask("ecs:RunTask", definition), "");
    assert_eq!(ask("ecs:StopTask", TASK), "");
}

#[test]
fn r112_a_key_that_the_action_cannot_have_is_not_asked_for() {
    let desk = Desk::new();
    desk.file(
        "register.json",
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:RegisterTaskDefinition", "Resource": "*",
            "Condition": {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:111122223333:cluster/default"}}}}"#,
    );
    let definition = "arn:aws:ecs:us-east-1:111122223333:task-definition/web:3";
    let asked = [
        "explain",
        "--principal",
        USER,
        "--action",
        "ecs:RegisterTaskDefinition",
    ];
    let on = ["--resource", definition, "--policy", "register.json"];
    let run = desk.policy(&[&asked[..], &on, &ON_DEFAULT].concat());
    assert!(
        run.stdout.contains("the action has no such key"),
        "{}",
        run.page()
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn a_reader_that_has_gone_away_is_no_panic() {
    let desk = Desk::new();
    let asked = ["explain", "--principal", USER, "--action", "ecs:DescribeCluster"];
    assert_eq!(desk.policy_unheard(&asked), Some(1));
    assert_eq!(desk.policy_unheard(&["format", "nowhere.json"]), Some(2));
}
