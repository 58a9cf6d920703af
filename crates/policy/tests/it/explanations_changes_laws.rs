//! Whatever the policies: the smallest change is real.

use portcullis_policy::{CheckEffect, Effect, Outcome, Principal, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::explanations_changes::{CLUSTER, TASK, check};
use crate::scene::{
    ACCOUNT, OTHER_ACCOUNT, ROLE, Scene, USER, federated_user, role_session, root, service, user,
};

/// Puts a policy of one kind into a scene.
type Put = fn(Scene, Json) -> Scene;

fn caller() -> impl Strategy<Value = Principal> {
    prop::sample::select(vec![
        user(),
        role_session(),
        root(),
        federated_user(),
        service("ecs-tasks.amazonaws.com"),
        Principal::Anonymous,
    ])
}

fn condition() -> impl Strategy<Value = Json> {
    let base = prop::sample::select(vec![
        (
            "StringEquals",
            "aws:username",
            vec!["richard", "${aws:PrincipalTag/team}", "other"],
        ),
        ("StringNotEquals", "aws:username", vec!["richard", "other"]),
        (
            "StringLike",
            "aws:PrincipalTag/team",
            vec!["r*", "?ed", "${aws:username}"],
        ),
        ("StringNotLike", "aws:PrincipalTag/team", vec!["*", "red"]),
        ("StringEqualsIgnoreCase", "aws:TagKeys", vec!["OWNER", "b"]),
        (
            "ArnLike",
            "ecs:cluster",
            vec![CLUSTER, "arn:aws:ecs:*:*:cluster/prod-*", "nonsense"],
        ),
        (
            "ArnNotLike",
            "ecs:cluster",
            vec!["arn:aws:ecs:*:*:cluster/*", "nonsense"],
        ),
        (
            "NumericLessThan",
            "aws:MultiFactorAuthAge",
            vec!["10", "3.5", "x"],
        ),
        (
            "NumericGreaterThanEquals",
            "aws:MultiFactorAuthAge",
            vec!["5", "600"],
        ),
        ("NumericNotEquals", "aws:MultiFactorAuthAge", vec!["60", "61"]),
        (
            "DateLessThan",
            "aws:CurrentTime",
            vec!["2026-01-01", "1700000000"],
        ),
        (
            "DateGreaterThan",
            "aws:CurrentTime",
            vec!["2026-01-01T10:00:00Z", "2027-01-01"],
        ),
        (
            "IpAddress",
            "aws:SourceIp",
            vec!["10.0.0.0/8", "203.0.113.0/24", "2001:db8::/32"],
        ),
        (
            "NotIpAddress",
            "aws:SourceIp",
            vec!["10.0.0.0/8", "192.0.2.0/24", "0.0.0.0/0"],
        ),
        ("Bool", "aws:MultiFactorAuthPresent", vec!["true", "false"]),
        ("Null", "aws:MultiFactorAuthPresent", vec!["true", "false"]),
        ("BinaryEquals", "aws:username", vec!["AA==", "QUJD"]),
    ]);
    let prefix = prop::sample::select(vec!["", "", "", "ForAnyValue:", "ForAllValues:"]);
    let suffix = prop::sample::select(vec!["", "", "IfExists"]);
    (base, prefix, suffix, any::<prop::sample::Index>(), 0_usize..3).prop_map(
        |((operator, key, values), prefix, suffix, first, more)| {
            let suffix = if operator == "Null" { "" } else { suffix };
            let from = first.index(values.len());
            let listed: Vec<_> = values.iter().skip(from).take(more).collect();
            json!({format!("{prefix}{operator}{suffix}"): {key: listed}})
        },
    )
}

fn merged(conditions: Vec<Json>) -> Json {
    let mut all = json!({});
    for condition in conditions {
        for (operator, keys) in condition.as_object().unwrap() {
            for (key, values) in keys.as_object().unwrap() {
                all[operator][key] = values.clone();
            }
        }
    }
    all
}

fn some_of(values: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(values), 1..3)
}

/// A statement; `named` ones have a principal.
fn statement(named: bool) -> impl Strategy<Value = Json> {
    let actions = some_of(&[
        "ecs:StopTask",
        "ecs:Describe*",
        "ecs:RunTask",
        "s3:*",
        "*",
        "ecs:*",
    ]);
    let resources = some_of(&[
        "*",
        TASK,
        CLUSTER,
        "arn:aws:ecs:*:*:task/${aws:username}/*",
        "arn:aws:ecs:*:*:task/default/*",
        "arn:aws:s3:::bucket/*",
    ]);
    let principals = prop::sample::select(vec![
        json!("*"),
        json!({"AWS": ACCOUNT}),
        json!({"AWS": USER}),
        json!({"AWS": ROLE, "Service": "a.b"}),
        json!({"Service": "ecs-tasks.amazonaws.com"}),
    ]);
    let conditions = prop::collection::vec(condition(), 0..3);
    let shape = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
    );
    (actions, resources, principals, conditions, shape).prop_map(
        move |(actions, resources, principal, conditions, (denies, not_action, not_resource))| {
            let mut statement = json!({
                "Effect": if denies { "Deny" } else { "Allow" },
                if not_action { "NotAction" } else { "Action" }: actions,
                if not_resource { "NotResource" } else { "Resource" }: resources,
            });
            if !conditions.is_empty() {
                statement["Condition"] = merged(conditions);
            }
            if named {
                statement["Principal"] = principal;
            }
            statement
        },
    )
}

fn statements(named: bool) -> impl Strategy<Value = Json> {
    prop::collection::vec(statement(named), 1..4).prop_map(|all| json!(all))
}

fn maybe(named: bool) -> impl Strategy<Value = Option<Json>> {
    prop::option::weighted(0.35, statements(named))
}

fn context() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    prop::sample::subsequence(
        vec![
            ("aws:username", Value::from("richard")),
            ("aws:PrincipalTag/team", Value::from("red")),
            ("aws:TagKeys", Value::from(["Owner", "b"])),
            ("ecs:cluster", Value::from(CLUSTER)),
            ("aws:MultiFactorAuthAge", Value::from("60")),
            ("aws:MultiFactorAuthPresent", Value::from(false)),
            ("aws:CurrentTime", Value::from("2026-11-22T04:00:00Z")),
            ("aws:SourceIp", Value::from("10.1.2.3")),
        ],
        0..=8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn every_change_is_real(
        caller in caller(),
        asks in prop::sample::select(vec![
            ("ecs:StopTask", TASK), ("ecs:ListClusters", "*"), ("ecs:DeleteCluster", CLUSTER), ("s3:GetObject", "arn:aws:s3:::bucket/a"),
        ]),
        elsewhere in prop::bool::weighted(0.2),
        (identity, boundary, session) in (maybe(false), maybe(false), maybe(false)),
        (resource, endpoint, rcp) in (maybe(true), maybe(true), maybe(true)),
        scps in prop::collection::vec(statements(false), 0..3),
        context in context(),
    ) {
        let scene = || {
            let mut scene = Scene::new(caller.clone()).asks(asks.0, asks.1);
            if elsewhere {
                scene = scene.of_account(OTHER_ACCOUNT);
            }
            for (key, value) in &context {
                scene = scene.with(key, value.clone());
            }
            let steps: [(&Option<Json>, Put); 6] = [
                (&identity, Scene::identity),
                (&boundary, Scene::boundary),
                (&session, Scene::session),
                (&resource, Scene::resource_policy),
                (&endpoint, Scene::endpoint),
                (&rcp, Scene::rcp),
            ];
            for (statements, put) in steps {
                if let Some(statements) = statements {
                    scene = put(scene, statements.clone());
                }
            }
            scps.iter().cloned().fold(scene, Scene::scp)
        };
        let explanation = check(scene);
        let silent = explanation.refusals.iter().filter(|refusal| refusal.effect == CheckEffect::ImplicitDeny);
        for refusal in silent {
            prop_assert!(!refusal.changes.is_empty(), "nothing helps\n{}", explanation.render());
        }
        prop_assert_eq!(explanation.message().is_some(), explanation.outcome != Outcome::Allow);
        if explanation.outcome == Outcome::Allow {
            prop_assert!(explanation.deciding_statements().all(|report| report.effect == Effect::Allow));
        }
    }
}

/// A statement of a trust policy.
fn trust_statement() -> impl Strategy<Value = Json> {
    let actions = some_of(&["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
    let principals = prop::sample::select(vec![
        json!({"AWS": ACCOUNT}),
        json!({"AWS": [USER, OTHER_ACCOUNT]}),
        json!({"AWS": ROLE, "Service": "a.b"}),
        json!({"Service": "ecs-tasks.amazonaws.com"}),
    ]);
    let conditions = prop::collection::vec(condition(), 0..3);
    (actions, principals, conditions, prop::bool::weighted(0.2)).prop_map(
        |(actions, principal, conditions, denies)| {
            json!({
                "Effect": if denies { "Deny" } else { "Allow" },
                "Principal": principal,
                "Action": actions,
                "Condition": merged(conditions),
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_change_of_a_trust_policy_is_real(
        caller in caller(),
        elsewhere in prop::bool::weighted(0.2),
        trust in prop::collection::vec(trust_statement(), 1..3),
        (identity, boundary) in (maybe(false), maybe(false)),
        context in context(),
    ) {
        let scene = || {
            let mut scene = Scene::new(caller.clone()).trust(json!(trust));
            if elsewhere {
                scene = scene.of_account(OTHER_ACCOUNT);
            }
            for (key, value) in &context {
                scene = scene.with(key, value.clone());
            }
            let scene = identity.iter().cloned().fold(scene, Scene::identity);
            boundary.iter().cloned().fold(scene, Scene::boundary)
        };
        check(scene);
    }
}
