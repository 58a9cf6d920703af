//! What people and machines read about a decision (R104, R175).

use portcullis_policy::{Explanation, Outcome, PolicySets, Source, explain};
use serde_json::json;

use crate::scene::{
    ACCOUNT, OTHER_ACCOUNT, ROLE, Scene, USER, allow_all, allow_nothing, deny_all, role_session, root, user,
};

const TASK_DEFINITION: &str = "arn:aws:ecs:us-east-1:111122223333:task-definition/web:7";

fn cluster(name: &str) -> String {
    format!("arn:aws:ecs:us-east-1:111122223333:cluster/{name}")
}

/// The quickstart's third step: RunTask is allowed on one cluster only.
fn run_task(on: &str) -> Scene {
    Scene::new(user())
        .identity(json!([
            {"Sid": "Look", "Effect": "Allow", "Action": ["ecs:Describe*", "ecs:List*"], "Resource": "*"},
            {"Sid": "RunWeb", "Effect": "Allow", "Action": "ecs:RunTask",
             "Resource": "arn:aws:ecs:us-east-1:111122223333:task-definition/web:*",
             "Condition": {"ArnEquals": {"ecs:cluster": cluster("default")}}}
        ]))
        .asks("ecs:RunTask", TASK_DEFINITION)
        .with("ecs:cluster", cluster(on))
        .with("aws:username", "richard-roe")
}

/// As a managed policy attached to the user.
fn explain_managed(scene: &Scene) -> Explanation {
    scene.run(|request, sets| {
        let managed = Source {
            name: "run-web",
            arn: Some("arn:aws:iam::111122223333:policy/run-web"),
            attached_to: Some(USER),
            ..sets.identity[0]
        };
        explain(
            request,
            &PolicySets {
                identity: &[managed],
                ..*sets
            },
        )
    })
}

#[test]
fn a_condition_that_fails_is_named_with_both_values() {
    let explanation = explain_managed(&run_task("other"));
    insta::assert_snapshot!(explanation.render());
    insta::assert_snapshot!(explanation.one_line());
    let nearest = explanation.nearest_statement().unwrap();
    assert_eq!((nearest.index, nearest.sid.as_deref()), (1, Some("RunWeb")));
    let condition = &nearest.conditions[0];
    assert_eq!(condition.asked.as_deref(), Some([cluster("other")].as_slice()));
    assert_eq!(condition.wanted.to_vec(), [cluster("default")]);
    assert_eq!((condition.met, condition.rule), (false, "R85"));
}

#[test]
fn r175_the_wire_shape() {
    insta::assert_json_snapshot!(explain_managed(&run_task("other")));
}

#[test]
fn an_allow_names_its_statement() {
    let explanation = explain_managed(&run_task("default"));
    assert_eq!(explanation.outcome, Outcome::Allow);
    insta::assert_snapshot!(explanation.render());
    insta::assert_snapshot!(explanation.one_line());
}

#[test]
fn an_explicit_deny_names_its_statement() {
    let guard = json!({"Sid": "NeedsMfa", "Effect": "Deny", "Action": "ecs:*", "Resource": "*",
        "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}});
    let explanation = run_task("default").identity(guard).explain();
    assert_eq!(explanation.outcome, Outcome::ExplicitDeny);
    insta::assert_snapshot!(explanation.render());
    insta::assert_snapshot!(explanation.one_line());
}

#[test]
fn an_absent_key_is_said_to_be_absent() {
    let mfa = json!({"Effect": "Allow", "Action": "ecs:DeleteCluster", "Resource": cluster("default"),
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}});
    let explanation = Scene::new(user())
        .identity(mfa)
        .asks("ecs:DeleteCluster", &cluster("default"))
        .explain();
    insta::assert_snapshot!(explanation.render());
    insta::assert_snapshot!(explanation.one_line());
}

#[test]
fn variables_are_shown_replaced() {
    let owner = json!({"Effect": "Allow", "Action": "ecs:DescribeServices", "Resource": "*",
        "Condition": {"StringEquals": {"ecs:ResourceTag/Owner": "${aws:username}"},
                      "StringNotEquals": {"aws:PrincipalTag/team": "${aws:absent}"}}});
    let explanation = Scene::new(user())
        .identity(owner)
        .asks(
            "ecs:DescribeServices",
            "arn:aws:ecs:us-east-1:111122223333:service/default/web",
        )
        .with("aws:username", "richard-roe")
        .with("ecs:ResourceTag/Owner", "somebody-else")
        .explain();
    insta::assert_snapshot!(explanation.render());
}

#[test]
fn without_a_near_statement_that_is_said() {
    let nothing = Scene::new(user())
        .identity(allow_nothing())
        .asks("iam:PassRole", ROLE);
    insta::assert_snapshot!(nothing.explain().render());
    insta::assert_snapshot!(nothing.explain().one_line());
    let none = Scene::new(user()).asks("iam:PassRole", ROLE);
    insta::assert_snapshot!(none.explain().one_line());
}

#[test]
fn another_action_of_the_service_can_be_nearest() {
    let scene = Scene::new(user())
        .identity(json!({"Effect": "Allow", "Action": ["ecs:A", "ecs:B", "ecs:C", "ecs:D", "ecs:E"], "Resource": "*"}))
        .asks("ecs:RunTask", TASK_DEFINITION);
    insta::assert_snapshot!(scene.explain().render());
}

#[test]
fn of_equally_near_statements_the_first_is_named() {
    let elsewhere =
        |name: &str| json!({"Effect": "Allow", "Action": "ecs:RunTask", "Resource": cluster(name)});
    let scene = Scene::new(user())
        .identity(json!([elsewhere("a"), elsewhere("b")]))
        .asks("ecs:RunTask", TASK_DEFINITION);
    assert_eq!(scene.explain().nearest, Some(0));
}

#[test]
fn the_boundary_that_stopped_a_request_is_explained() {
    let scene = run_task("default")
        .boundary(json!({"Sid": "OnlyLook", "Effect": "Allow", "NotAction": "ecs:Run*", "Resource": "*"}));
    insta::assert_snapshot!(scene.explain().render());
}

#[test]
fn a_trust_policy_that_does_not_name_the_caller_is_explained() {
    let trust = json!({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com", "AWS": OTHER_ACCOUNT},
        "Action": "sts:AssumeRole"});
    insta::assert_snapshot!(
        Scene::new(role_session())
            .identity(allow_all())
            .trust(trust)
            .explain()
            .render()
    );
}

#[test]
fn root_is_allowed_without_a_policy() {
    insta::assert_snapshot!(Scene::new(root()).explain().render());
    insta::assert_snapshot!(Scene::new(root()).explain().one_line());
}

#[test]
fn checks_say_what_each_set_came_to() {
    let scene = run_task("default")
        .boundary(allow_all())
        .session(deny_all())
        .resource_policy(
            json!({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:*", "Resource": "*"}),
        )
        .scp(allow_all());
    let checks: Vec<_> = scene
        .explain()
        .checks
        .iter()
        .map(|c| format!("{:?} {:?} {}", c.policy_type, c.effect, c.policies))
        .collect();
    assert_eq!(
        checks,
        [
            "ServiceControl Allow 1",
            "Resource NoImpact 1",
            "Boundary Allow 1",
            "Session ExplicitDeny 1",
            "Identity Allow 1",
        ]
    );
}
