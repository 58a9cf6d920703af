//! What is found, and in which words, where a wildcard, a variable or the case of a name stands in the way.

use portcullis_lint::{Kind, check};
use serde_json::{Value, json};

fn found(code: &str, statement: Value) -> Vec<String> {
    let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let findings = check(&text, Kind::Identity);
    findings
        .into_iter()
        .filter(|found| found.code.name() == code)
        .map(|found| found.message)
        .collect()
}

fn allow(action: Value, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

#[test]
fn r150_roles_are_passed_by_wildcards_too() {
    let passing = |action: &str, resource: &str| {
        found(
            "PASS_ROLE_WITHOUT_PASSED_TO_SERVICE",
            allow(json!(action), resource),
        )
    };
    let role = "arn:aws:iam::123456789012:role/web";
    assert_eq!(
        passing("iam:Pass*", role),
        [
            "These roles may be passed by `iam:Pass*`, which covers iam:PassRole, to any service; iam:PassedToService would \
             say to which."
        ]
    );
    for (action, resource) in [
        ("iam:*", "arn:aws:iam::123456789012:role/app-*"),
        ("iam:PassRole", role),
    ] {
        assert_eq!(passing(action, resource).len(), 1, "{action} {resource}");
    }
    let user = "arn:aws:iam::123456789012:user/richard";
    assert!(passing("iam:*", user).is_empty());
    assert!(passing("iam:Get*", role).is_empty());
    let mut limited = allow(json!("iam:*"), role);
    limited["Condition"] = json!({"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}});
    assert!(found("PASS_ROLE_WITHOUT_PASSED_TO_SERVICE", limited).is_empty());
}

#[test]
fn r144_a_variable_is_no_revision() {
    let definition = |name: &str| {
        let resource = format!("arn:aws:ecs:us-east-1:123456789012:task-definition/{name}");
        found(
            "TASK_DEFINITION_WITHOUT_REVISION",
            allow(json!("ecs:RunTask"), &resource),
        )
    };
    assert_eq!(definition("${aws:username}").len(), 1);
    assert_eq!(definition("team-${aws:PrincipalTag/team}-web").len(), 1);
    for sound in [
        "${aws:username}:*",
        "${aws:username}*",
        "*",
        "${aws:username, 'web:1'}",
    ] {
        assert!(definition(sound).is_empty(), "{sound}");
    }
}

#[test]
fn regions_that_do_not_exist_are_found() {
    let region = |name: &str| {
        let resource = format!("arn:aws:ecs:{name}:123456789012:task/default/*");
        found("INVALID_ARN_REGION", allow(json!("ecs:StopTask"), &resource))
    };
    assert_eq!(
        region("us-eats-1"),
        ["`us-eats-1` is no region; did you mean `us-east-1`?"]
    );
    assert_eq!(region("eu-west-9").len(), 1);
    for sound in ["us-east-1", "cn-north-1", "us-gov-west-1", "eu-*", "*"] {
        assert!(region(sound).is_empty(), "{sound}");
    }
    let mut requested = allow(json!("ecs:ListClusters"), "*");
    requested["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-wset-1"]}});
    assert_eq!(
        found("INVALID_REGION", requested),
        ["`eu-wset-1` is no region; did you mean `eu-west-1`?"]
    );
}

#[test]
fn r37_an_action_in_two_spellings_is_named_once() {
    let limited = found(
        "RESOURCE_COULD_BE_LIMITED",
        allow(json!(["ecs:runtask", "ECS:RUNTASK"]), "*"),
    );
    assert_eq!(limited, ["`ecs:RunTask` can be limited to resources."]);
}
