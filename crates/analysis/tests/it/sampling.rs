//! The analysis against trying many requests: what it proves must be so, and what it finds must be real.

use portcullis_analysis::{Answer, Options};
use portcullis_policy::{Context, Document, PolicySets, Principal, Request, Value, decide};
use proptest::prelude::*;

use crate::support::{document, more, source};

const ACTIONS: [&str; 5] = [
    "ecs:RunTask",
    "ecs:StopTask",
    "ecs:ListClusters",
    "ecs:Fly",
    "s3:GetObject",
];
const RESOURCES: [&str; 11] = [
    "*",
    "arn:aws:ecs:us-east-1:1:task/a/b",
    "arn:aws:ecs:us-east-1:1:Task/a",
    "arn:aws:ecs:US-east-1:1:task/A",
    "arn:aws:ecs:us-east-1:1:task/b",
    "arn:aws:ecs:eu-west-1:2:task/a",
    "arn:aws:ecs:us-east-1:1:task-definition/a:1",
    "arn:aws:s3:::a/b",
    "arn:aws:s3:::b/a",
    "arn:aws:s3:::b/bob/x",
    "x",
];

fn some_of<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = T> {
    prop::sample::select(values)
}

fn list(values: Vec<&'static str>) -> impl Strategy<Value = String> {
    prop::collection::vec(some_of(values), 1..3).prop_map(|list| serde_json::to_string(&list).unwrap())
}

fn actions() -> impl Strategy<Value = String> {
    list(vec![
        "*",
        "ecs:*",
        "ecs:R*",
        "ecs:?topTask",
        "ecs:RunTask",
        "ecs:Fly",
        "s3:Get*",
        "*:*Task",
    ])
}

fn resources() -> impl Strategy<Value = String> {
    list(vec![
        "*",
        "arn:aws:ecs:*",
        "arn:aws:ecs:*:*:task/a*",
        "arn:aws:ecs:us-*:1:task/*",
        "arn:aws:ecs:*:task/?",
        "arn:*:Task/*",
        "arn:aws:ecs:*:task/A",
        "arn:*:US-EAST-1:*",
        "arn:aws:ecs:us-east-1:1:task-definition/a:1",
        "arn:aws:s3:::a/*",
        "arn:aws:s3:::*/b",
        "arn:aws:s3:::b/${aws:username}/*",
        "arn:aws:s3:::b/${aws:username, 'bob'}/*",
        "arn:aws:ecs",
    ])
}

fn condition() -> impl Strategy<Value = String> {
    let set = some_of(vec!["", "", "", "ForAllValues:", "ForAnyValue:"]);
    let if_exists = some_of(vec!["", "", "IfExists"]);
    let strings = (
        some_of(vec![
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringNotLike",
            "StringEqualsIgnoreCase",
        ]),
        some_of(vec![
            "aws:username",
            "aws:PrincipalTag/t",
            "aws:TagKeys",
            "ecs:cluster",
        ]),
        list(vec!["a", "b", "A", "a*", "bob", "${aws:username}", "?"]),
    );
    let arns = (
        some_of(vec!["ArnLike", "ArnNotLike", "ArnEquals"]),
        some_of(vec!["ecs:cluster", "aws:PrincipalTag/t"]),
        list(vec![
            "arn:aws:ecs:*:1:cluster/a",
            "arn:aws:ecs:us-east-1:*:cluster/*",
            "a",
        ]),
    );
    let numbers = (
        some_of(vec![
            "NumericLessThan",
            "NumericEquals",
            "NumericNotEquals",
            "NumericGreaterThanEquals",
        ]),
        some_of(vec!["aws:MultiFactorAuthAge", "aws:PrincipalTag/n"]),
        list(vec!["1", "2.5", "-3", "2.50", "1e1"]),
    );
    let addresses = (
        some_of(vec!["IpAddress", "NotIpAddress"]),
        some_of(vec!["aws:SourceIp"]),
        list(vec!["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "10.1.2.3"]),
    );
    let bools = (
        some_of(vec!["Bool"]),
        some_of(vec!["aws:SecureTransport"]),
        list(vec!["true", "false"]),
    );
    let dates = (
        some_of(vec!["DateLessThan", "DateGreaterThan", "DateEquals"]),
        some_of(vec!["aws:TokenIssueTime"]),
        list(vec!["2026-01-01", "2025-01-01T00:00:00Z", "0"]),
    );
    let base = prop_oneof![3 => strings, 1 => arns, 2 => numbers, 1 => addresses, 1 => bools, 1 => dates];
    let null = (
        some_of(vec!["aws:username", "aws:TagKeys", "aws:SourceIp"]),
        list(vec!["true", "false"]),
    )
        .prop_map(|(key, values)| format!(r#""Null": {{"{key}": {values}}}"#));
    prop_oneof![
        6 => (set, if_exists, base).prop_map(|(set, if_exists, (operator, key, values))| {
            format!(r#""{set}{operator}{if_exists}": {{"{key}": {values}}}"#)
        }),
        1 => null,
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    prop::collection::vec(condition(), 0..3).prop_map(|mut conditions| {
        conditions.sort();
        conditions.dedup_by_key(|text| text.split(':').next().map(str::to_owned));
        let mut seen = Vec::new();
        conditions.retain(|text| {
            let operator = text.split('{').next().unwrap_or_default().to_owned();
            let fresh = !seen.contains(&operator);
            seen.push(operator);
            fresh
        });
        conditions.join(", ")
    })
}

pub fn statement() -> impl Strategy<Value = String> {
    let effect = some_of(vec!["Allow", "Allow", "Allow", "Deny"]);
    let not_action = some_of(vec!["Action", "Action", "Action", "NotAction"]);
    let not_resource = some_of(vec!["Resource", "Resource", "Resource", "NotResource"]);
    (effect, not_action, actions(), not_resource, resources(), conditions()).prop_map(
        |(effect, action, actions, resource, resources, conditions)| {
            format!(
                r#"{{"Effect": "{effect}", "{action}": {actions}, "{resource}": {resources}, "Condition": {{{conditions}}}}}"#
            )
        },
    )
}

pub fn policy() -> impl Strategy<Value = String> {
    prop::collection::vec(statement(), 1..4).prop_map(|statements| statements.join(",\n"))
}

fn value(texts: Vec<&'static str>) -> impl Strategy<Value = Option<Value>> {
    let one = some_of(texts.clone());
    let many = prop::collection::vec(some_of(texts), 1..3);
    prop_oneof![
        2 => Just(None),
        4 => one.prop_map(|text| Some(Value::from(text))),
        1 => many.prop_map(|texts| Some(Value::Many(texts.into_iter().map(str::to_owned).collect()))),
    ]
}

pub fn context() -> impl Strategy<Value = Context> {
    let texts = || {
        value(vec![
            "a",
            "b",
            "A",
            "ab",
            "bob",
            "",
            "*",
            "arn:aws:ecs:us-east-1:1:cluster/a",
        ])
    };
    let numbers = || value(vec!["0", "1", "1.0", "2", "2.5", "3", "-3", "-4", "10", "x"]);
    (
        (texts(), texts(), texts(), texts()),
        (numbers(), numbers()),
        value(vec![
            "10.1.2.3",
            "10.1.2.4",
            "10.2.0.0",
            "11.0.0.1",
            "2001:db8::5",
            "x",
        ]),
        value(vec!["true", "false", "x"]),
        value(vec!["2026-01-01", "2025-06-01", "2024-01-01", "0", "1"]),
    )
        .prop_map(
            |((username, tag, keys, cluster), (age, number), ip, secure, time)| {
                let mut context = Context::new();
                let entries = [
                    ("aws:username", username),
                    ("aws:PrincipalTag/t", tag),
                    ("aws:TagKeys", keys),
                    ("ecs:cluster", cluster),
                    ("aws:MultiFactorAuthAge", age),
                    ("aws:PrincipalTag/n", number),
                    ("aws:SourceIp", ip),
                    ("aws:SecureTransport", secure),
                    ("aws:TokenIssueTime", time),
                ];
                for (key, value) in entries {
                    if let Some(value) = value {
                        context.insert(key, value);
                    }
                }
                context
            },
        )
}

pub fn allows(document: &Document, action: &str, resource: &str, context: &Context) -> bool {
    let principal = Principal::User {
        arn: "arn:aws:iam::123456789012:user/someone".parse().unwrap(),
        id: "AIDAEXAMPLEEXAMPLE000".to_owned(),
        account: "123456789012".parse().unwrap(),
    };
    let request = Request {
        principal: &principal,
        action,
        resource,
        resource_account: None,
        context,
    };
    let sources = [source("policy", document)];
    let sets = PolicySets {
        identity: &sources,
        ..PolicySets::default()
    };
    decide(&request, &sets).is_allowed()
}

/// Two policies that have statements in common.
fn related() -> impl Strategy<Value = (String, String)> {
    let pick = || prop::collection::vec(any::<bool>(), 5);
    (prop::collection::vec(statement(), 5), pick(), pick()).prop_map(|(pool, old, new)| {
        let picked = |pick: Vec<bool>| {
            let mut chosen: Vec<&str> = pool
                .iter()
                .zip(pick)
                .filter(|(_, picked)| *picked)
                .map(|(text, _)| text.as_str())
                .collect();
            if chosen.is_empty() {
                chosen.extend(pool.first().map(String::as_str));
            }
            chosen.join(",\n")
        };
        (picked(old), picked(new))
    })
}

/// What the analysis says must be what trying many requests says.
fn check(old: &str, new: &str, contexts: &[Context]) -> Result<(), TestCaseError> {
    let (old, new) = (document(old), document(new));
    match &more(&old, &new, Options::everything()) {
        Answer::More(witness) => {
            prop_assert!(allows(&new, &witness.action, &witness.resource, &witness.context));
            prop_assert!(!allows(
                &old,
                &witness.action,
                &witness.resource,
                &witness.context
            ));
        }
        Answer::CannotTell(_) => {}
        Answer::NoMore => {
            for (action, resource, context) in requests(contexts) {
                let more =
                    allows(&new, action, resource, context) && !allows(&old, action, resource, context);
                prop_assert!(!more, "{action} {resource} {context:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_sampling(old in policy(), new in policy(), contexts in prop::collection::vec(context(), 12)) {
        check(&old, &new, &contexts)?;
    }

    #[test]
    fn agrees_with_sampling_of_related_policies(
        (old, new) in related(),
        contexts in prop::collection::vec(context(), 12),
    ) {
        check(&old, &new, &contexts)?;
    }
}

pub fn requests(contexts: &[Context]) -> impl Iterator<Item = (&str, &str, &Context)> {
    ACTIONS.iter().flat_map(move |action| {
        RESOURCES
            .iter()
            .flat_map(move |resource| contexts.iter().map(move |context| (*action, *resource, context)))
    })
}
