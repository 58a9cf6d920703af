//! What IAM refuses has an error, and what has no error IAM accepts: [`IssueCode::RefusedByIam`] is the net under the checks
//! and must never be needed.

use portcullis_lint::{Finding, FindingKind, IssueCode, Kind, check};
use portcullis_policy::Document;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const KINDS: [Kind; 8] = [
    Kind::Identity,
    Kind::Boundary,
    Kind::Session,
    Kind::Trust,
    Kind::Resource,
    Kind::ServiceControl,
    Kind::ResourceControl,
    Kind::Endpoint,
];

/// The errors of the checks themselves.
fn has_error(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|f| f.kind() == FindingKind::Error && f.code != IssueCode::RefusedByIam)
}

fn agrees(text: &str, kind: Kind) -> Result<(), TestCaseError> {
    let findings = check(text, kind);
    let refusal = Document::parse(text, kind).err();
    prop_assert!(
        refusal.is_none() || has_error(&findings),
        "{kind:?}: refused with {:?}, but no check says why:\n{text}\n{}",
        refusal.map(|refusal| refusal.to_string()),
        crate::lines(&findings)
    );
    for finding in &findings {
        prop_assert!(
            finding.span.of(text).is_some(),
            "{}: {:?}",
            finding.code,
            finding.span
        );
    }
    Ok(())
}

/// Words that stand, rightly or wrongly, where a policy has names and values.
fn word() -> impl Strategy<Value = String> {
    let known = select(vec![
        "\"*\"",
        "\"\"",
        "1",
        "true",
        "null",
        "[]",
        "{}",
        "\"Allow\"",
        "\"Deny\"",
        "\"allow\"",
        "\"Permit\"",
        "\"ecs:RunTask\"",
        "\"ecs:*\"",
        "\"ecs\"",
        "\"a:b:c\"",
        "\"a_b:c\"",
        "\"sts:AssumeRole\"",
        "\"sts:*\"",
        "\"arn:aws:ecs:us-east-1:123456789012:cluster/x\"",
        "\"arn:aws:iam:us-east-1:1:user/x\"",
        "\"arn:aws\"",
        "\"arn:aws:iam::123456789012:widget/x\"",
        "\"arn:aws:s3:eu-west-1::bucket\"",
        "\"arn:asw:s3:::bucket\"",
        "\"arn:aws:s3::\"",
        "\"arn:aws::::x\"",
        "\"arn:aws:s3\"",
        "\"arn:*:*\"",
        "\"x:aws:s3:::b\"",
        "\"arn:aws:*::x\"",
        "\"123456789012\"",
        "\"arn:aws:iam::123456789012:user/x\"",
        "\"arn:aws:iam::123456789012:user/*\"",
        "\"ecs-tasks.amazonaws.com\"",
        "\"ecs\"",
        "\"2012-10-17\"",
        "\"2008-10-17\"",
        "\"2026\"",
        "\"tomorrow\"",
        "\"${aws:username}\"",
        "\"${\"",
        "\"arn:aws:iam::${aws:PrincipalAccount}:user/x\"",
        "\"My Sid\"",
        "\"Sid\"",
    ]);
    known.prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    word().prop_recursive(3, 12, 3, |inner| {
        let key = prop_oneof![
            select(vec![
                "AWS",
                "Service",
                "Federated",
                "Aws",
                "StringEquals",
                "DateLessThan",
                "NullIfExists",
                "StringEqual",
                "Bool",
                "aws:username",
                "aws:UserName",
                "aws:CurrentTime",
                "ecs:cluster",
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key, inner), 0..3).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A condition that is mostly right, so that the checks behind the grammar are reached.
fn condition() -> impl Strategy<Value = String> {
    let operator = select(vec![
        "StringEquals",
        "DateLessThan",
        "Bool",
        "Null",
        "ForAnyValue:StringLike",
        "Nil",
    ]);
    let key = select(vec![
        "aws:username",
        "AWS:username",
        "aws:CurrentTime",
        "ecs:cluster",
    ]);
    let keys = prop::collection::vec((key, word()), 0..3);
    prop::collection::vec((operator, keys), 0..3).prop_map(|blocks| {
        let block = |(operator, keys): &(&str, Vec<(&str, String)>)| {
            let keys: Vec<String> = keys.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            format!("\"{operator}\":{{{}}}", keys.join(","))
        };
        let blocks: Vec<String> = blocks.iter().map(block).collect();
        format!("{{{}}}", blocks.join(","))
    })
}

fn principal() -> impl Strategy<Value = String> {
    let key = select(vec!["AWS", "Service", "Federated", "CanonicalUser", "Everyone"]);
    prop_oneof![
        word(),
        (key, word()).prop_map(|(key, value)| format!("{{\"{key}\":{value}}}")),
        (key_of_aws(), prop::collection::vec(word(), 0..3))
            .prop_map(|(key, values)| format!("{{\"{key}\":[{}]}}", values.join(","))),
    ]
}

fn key_of_aws() -> impl Strategy<Value = &'static str> {
    Just("AWS")
}

/// One of the right values, now and then one of the wrong ones.
fn mostly(right: &[&'static str], wrong: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    prop_oneof![14 => select(right.to_vec()), 1 => select(wrong.to_vec())].prop_map(str::to_owned)
}

/// A statement with little wrong, so that documents are accepted and refused by their last checks.
fn nearly_right_statement() -> impl Strategy<Value = String> {
    let sid = prop::option::weighted(
        0.3,
        mostly(&["\"A\"", "\"B\"", "\"\"", "\"C3\""], &["\"a b\"", "1"]),
    );
    let effect = mostly(&["\"Allow\"", "\"Deny\""], &["\"allow\"", "\"Permit\""]);
    let action = mostly(
        &[
            "\"ecs:RunTask\"",
            "\"sts:AssumeRole\"",
            "\"sts:TagSession\"",
            "\"*\"",
            "\"s3:Get*\"",
            "[\"*:*\"]",
        ],
        &["\"ecs\"", "\"a:b:c\"", "\"a_b:c\"", "[]", "\"sts:*\""],
    );
    let resource = mostly(
        &[
            "\"*\"",
            "\"arn:aws:ecs:us-east-1:123456789012:cluster/x\"",
            "\"arn:aws:iam::123456789012:user/${aws:username}\"",
            "[\"arn:aws:s3:::b\",\"arn:aws:s3:::b/*\"]",
            "\"arn:aws:ecs:*\"",
        ],
        &[
            "\"arn:asw:s3:::b\"",
            "\"arn:aws:iam:us-east-1:1:user/x\"",
            "\"arn:aws:iam::1:widget/x\"",
            "\"arn:aws:s3::\"",
            "\"arn:aws::::x\"",
            "[]",
            "\"x\"",
        ],
    );
    let principal = mostly(
        &[
            "\"*\"",
            "{\"AWS\":\"123456789012\"}",
            "{\"AWS\":[\"arn:aws:iam::123456789012:role/x\"],\"Service\":[]}",
            "{\"Service\":\"ecs-tasks.amazonaws.com\"}",
        ],
        &[
            "{}",
            "{\"AWS\":\"arn:aws:iam::1:user/x\"}",
            "{\"Service\":\"*.amazonaws.com\"}",
            "{\"AWS\":[]}",
        ],
    );
    let condition = mostly(
        &[
            "{}",
            "{\"StringEquals\":{\"aws:username\":[\"a\",1,true]}}",
            "{\"DateLessThan\":{\"aws:CurrentTime\":\"2026-11-22\"}}",
            "{\"Nil\":{}}",
        ],
        &[
            "{\"DateLessThan\":{\"aws:CurrentTime\":\"soon\"}}",
            "{\"Bool\":{\"a:b\":1,\"A:b\":2}}",
            "[]",
        ],
    );
    let parts = (
        sid,
        effect,
        action,
        prop::option::weighted(0.6, resource),
        prop::option::weighted(0.4, principal),
        prop::option::weighted(0.4, condition),
        prop::bool::weighted(0.1),
    );
    parts.prop_map(|(sid, effect, action, resource, principal, condition, negated)| {
        let not = if negated { "Not" } else { "" };
        let mut text = format!("{{\"Effect\":{effect},\"{not}Action\":{action}");
        for (name, value) in [
            ("Sid", sid),
            ("Resource", resource),
            ("Principal", principal),
            ("Condition", condition),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(",\"{name}\":{value}"));
            }
        }
        text + "}"
    })
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![1 => wild_statement(), 4 => nearly_right_statement()]
}

fn wild_statement() -> impl Strategy<Value = String> {
    let optional = |name: &'static str, values: BoxedStrategy<String>, likely: f64| {
        prop::option::weighted(likely, values)
            .prop_map(move |value| value.map(|value| format!("\"{name}\":{value}")))
    };
    let members = (
        optional("Sid", word().boxed(), 0.2),
        optional(
            "Effect",
            select(vec!["\"Allow\"", "\"Deny\"", "\"allow\"", "1"])
                .prop_map(str::to_owned)
                .boxed(),
            0.9,
        ),
        optional("Principal", principal().boxed(), 0.4),
        optional("NotPrincipal", principal().boxed(), 0.05),
        optional("Action", prop_oneof![word(), value()].boxed(), 0.9),
        optional("NotAction", word().boxed(), 0.1),
        optional("Resource", prop_oneof![word(), value()].boxed(), 0.7),
        optional("NotResource", word().boxed(), 0.1),
        optional("Condition", prop_oneof![condition(), value()].boxed(), 0.4),
        optional("Extra", word().boxed(), 0.03),
    );
    members.prop_map(|(a, b, c, d, e, f, g, h, i, j)| {
        let members: Vec<String> = [a, b, c, d, e, f, g, h, i, j].into_iter().flatten().collect();
        format!("{{{}}}", members.join(","))
    })
}

fn document() -> impl Strategy<Value = String> {
    let version = select(vec![
        "\"Version\":\"2012-10-17\",",
        "\"Version\":\"2012-10-17\",",
        "\"Version\":\"2008-10-17\",",
        "",
        "\"Version\":\"2015\",",
    ]);
    (version, prop::collection::vec(statement(), 0..3), any::<bool>()).prop_map(
        |(version, statements, single)| match statements.as_slice() {
            [only] if single => format!("{{{version}\"Statement\":{only}}}"),
            _ => format!("{{{version}\"Statement\":[{}]}}", statements.join(",")),
        },
    )
}

/// A seed with some characters put in, taken out or doubled.
fn mutated_seed() -> impl Strategy<Value = String> {
    let seeds: Vec<String> = crate::seeds::seeds().into_iter().map(|(_, text)| text).collect();
    let piece = select(vec![
        "",
        "\"",
        ",",
        "{",
        "}",
        "[",
        "]",
        ":",
        "*",
        "null",
        "1",
        "true",
        " ",
        "\u{a0}",
        "é",
        "${",
        "}",
        "\\",
        "Allow",
        "Not",
        "arn:aws:",
        "::",
        "2012-10-17",
    ]);
    (
        select(seeds),
        prop::collection::vec((any::<Index>(), 0usize..6, piece), 1..4),
    )
        .prop_map(|(seed, changes)| {
            let mut characters: Vec<char> = seed.chars().collect();
            for (at, removed, piece) in changes {
                let at = at.index(characters.len().max(1));
                let end = (at + removed).min(characters.len());
                characters.splice(at.min(end)..end, piece.chars());
            }
            characters.into_iter().collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn generated_documents_are_refused_with_an_error(text in document(), kind in select(KINDS.to_vec())) {
        agrees(&text, kind)?;
    }

    #[test]
    fn mutated_seeds_are_refused_with_an_error(text in mutated_seed(), kind in select(KINDS.to_vec())) {
        agrees(&text, kind)?;
    }

    #[test]
    fn any_text_is_refused_with_an_error(text in "\\PC{0,60}") {
        agrees(&text, Kind::Identity)?;
    }
}

/// The properties above say little if nothing is ever accepted.
#[test]
fn the_generators_reach_both_sides() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut share = |strategy: BoxedStrategy<String>| {
        let texts: Vec<String> = (0..1_000)
            .map(|_| strategy.new_tree(&mut runner).unwrap().current())
            .collect();
        let accepts = |text: &&String| KINDS.iter().any(|kind| Document::parse(text, *kind).is_ok());
        texts.iter().filter(accepts).count()
    };
    for accepted in [share(document().boxed()), share(mutated_seed().boxed())] {
        assert!(
            (20..=980).contains(&accepted),
            "{accepted} of 1000 documents are accepted"
        );
    }
}

#[test]
fn a_broken_document_gives_all_its_findings() {
    let text = r#"{"Version": "2012-10-17" "Statement": [
        {"Effect": "allow", "Action": "ecs:RunTaks", "Resource": "*",},
        {"Sid": "a b", "Effect": "Deny", "Action": [], "Condition": {"StringEqual": {"aws:usrename": 1}}}]}"#;
    insta::assert_snapshot!(crate::lines(&check(text, Kind::Identity)));
}

/// That this ends is the assertion.
#[test]
fn hostile_documents_end() {
    let statement =
        r#"{"Effect":"Allow","Action":"ecs:*a*a*a*a*a*b","Resource":"arn:aws:ecs:*a*a*a*a*:*:*b*b*b*b*b*"}"#;
    let many = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        vec![statement; 1_000].join(",")
    );
    let long = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"ecs:{0}","Resource":"arn:aws:ecs:{0}"}}}}"#,
        "*a".repeat(30_000)
    );
    let actions: Vec<String> = (0..5_000).map(|n| format!("\"ecs:*{n}*\"")).collect();
    let wide = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":[{}],"Resource":"*"}}}}"#,
        actions.join(",")
    );
    for text in [many, long, wide, "[".repeat(100_000)] {
        let _findings = check(&text, Kind::Identity);
    }
}
