//! The page for a terminal, without colours.

use portcullis_policy::terminal::{Style, page};
use portcullis_policy::{Document, Kind, PolicySets, explain};
use serde_json::json;

use crate::scene::{Scene, allow_all, role_session, user};

const CLUSTER: &str = "arn:aws:ecs:us-east-1:111122223333:cluster/other";
const TASK: &str = "arn:aws:ecs:us-east-1:111122223333:task/default/0123";
const DEFINITION: &str = "arn:aws:ecs:us-east-1:111122223333:task-definition/my-family:3";

/// A policy of the mission, as its file has it.
fn mission(name: &str) -> Document {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    Document::parse(&std::fs::read_to_string(path).unwrap(), Kind::Identity).unwrap()
}

fn shown(name: &str, scene: &Scene) -> String {
    let document = mission(name);
    scene.run(|request, sets| {
        let source = [crate::scene::source(name, &document)];
        let explanation = explain(
            request,
            &PolicySets {
                identity: &source,
                ..*sets
            },
        );
        page(&explanation, Style::default())
    })
}

#[test]
fn a_resource_that_differs_is_marked_in_the_policy() {
    let scene = Scene::new(user())
        .asks("ecs:StopTask", TASK)
        .with("ecs:cluster", CLUSTER);
    insta::assert_snapshot!(shown("01-bp-stoptask-family-in-cluster.json", &scene));
}

#[test]
fn a_condition_that_fails_is_marked_in_the_policy() {
    let scene = Scene::new(user())
        .asks("ecs:StopTask", DEFINITION)
        .with("ecs:cluster", CLUSTER);
    insta::assert_snapshot!(shown("01-bp-stoptask-family-in-cluster.json", &scene));
}

#[test]
fn an_absent_key_is_marked_at_its_name() {
    let scene = Scene::new(user()).asks("ecs:DeleteCluster", CLUSTER);
    insta::assert_snapshot!(shown("02-bp-deletecluster-mfa.json", &scene));
}

#[test]
fn of_a_hundred_actions_the_closest_is_marked() {
    let scene = Scene::new(user()).asks("ec2:RunScheduledInstances", "*");
    insta::assert_snapshot!(shown("05-AmazonECS_FullAccess.json", &scene));
}

#[test]
fn a_policy_on_one_line_is_laid_out() {
    let scene = Scene::new(user())
        .identity(json!([allow_all(), {"Sid": "Guard", "Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": ["*"],
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": false}, "StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "eu-central-1"]}}}]))
        .asks("ecs:StopTask", TASK)
        .with("aws:RequestedRegion", "eu-west-1");
    insta::assert_snapshot!(page(&scene.explain(), Style::default()));
}

#[test]
fn what_allows_is_marked() {
    let scene = Scene::new(user())
        .identity(allow_all())
        .asks("ecs:StopTask", TASK);
    insta::assert_snapshot!(page(&scene.explain(), Style::default()));
}

#[test]
fn every_set_that_refuses_has_its_statement() {
    let trust = json!({"Effect": "Allow", "Principal": {"Service": ["ecs-tasks.amazonaws.com", "ec2.amazonaws.com"]}, "Action": "sts:AssumeRole"});
    let scene = Scene::new(role_session())
        .boundary(json!({"Effect": "Allow", "Action": ["sts:TagSession"], "Resource": "*"}))
        .trust(trust);
    insta::assert_snapshot!(page(&scene.explain(), Style::default()));
}

#[test]
fn colours_change_no_word() {
    let scene = Scene::new(user())
        .identity(allow_all())
        .asks("ecs:StopTask", TASK);
    let explanation = scene.explain();
    let coloured = page(
        &explanation,
        Style {
            colours: true,
            ..Style::default()
        },
    );
    let mut plain = String::new();
    let mut pieces = coloured.split('\u{1b}');
    plain.push_str(pieces.next().unwrap());
    for piece in pieces {
        plain.push_str(piece.split_once('m').unwrap().1);
    }
    assert_ne!(coloured, plain);
    assert_eq!(plain, page(&explanation, Style::default()));
}
