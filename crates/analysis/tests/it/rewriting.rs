//! Layout, expansion and minimisation keep the meaning.

use portcullis_analysis::{Answer, Expansion, Options, expand, format, minimise};
use portcullis_policy::{Context, Document, Kind, PolicySets, Principal, Request, decide};
use proptest::prelude::*;

use crate::sampling::{allows, context, policy, requests};
use crate::support::{document, more, parse, source};

fn text(statements: &str) -> String {
    format!(r#"{{"Statement": [{statements}], "Version": "2012-10-17"}}"#)
}

#[test]
fn layout_is_the_console_s() {
    let written = r#"{"Statement": {"Condition": {"Bool": {"aws:SecureTransport": [true]}, "NumericEquals": {"a:b": 1.50}},
        "Resource": ["*"], "Action": ["ecs:RunTask", "ecs:StopTask"], "Effect": "Allow", "Sid": "A\u00e9"},
        "Version": "2012-10-17"}"#;
    let error = format(written, Kind::Identity).unwrap_err();
    assert!(error.to_string().starts_with("Statement IDs"), "{error}");
    insta::assert_snapshot!(format(&written.replace("A\\u00e9", "A"), Kind::Identity).unwrap());
}

#[test]
fn expansion_lists_known_actions() {
    let written = text(r#"{"Effect": "Allow", "Action": ["ecs:*Cluster", "ecs:Fly", "*"], "Resource": "*"}"#);
    let all = Expansion::default();
    insta::assert_snapshot!(expand(&written, Kind::Identity, all).unwrap());
    let only_known = expand(
        &written,
        Kind::Identity,
        Expansion {
            only_known: true,
            ..all
        },
    )
    .unwrap();
    assert!(!only_known.contains("Fly"));
    let nothing = text(r#"{"Effect": "Allow", "Action": "ecs:Fly", "Resource": "*"}"#);
    assert!(
        expand(
            &nothing,
            Kind::Identity,
            Expansion {
                only_known: true,
                ..all
            }
        )
        .is_err()
    );
}

#[test]
fn minimisation_merges_and_drops() {
    let written = text(
        r#"{"Sid": "A", "Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"},
        {"Sid": "B", "Effect": "Allow", "Action": ["ecs:DescribeTasks", "ecs:ListTasks"], "Resource": "*"},
        {"Sid": "C", "Effect": "Allow", "Action": "ecs:DescribeTasks", "Resource": "arn:aws:ecs:*",
         "Condition": {"StringEquals": {"aws:username": "a"}}},
        {"Sid": "D", "Effect": "Allow", "Action": "ecs:StopTask", "Resource": "arn:aws:ecs:us-east-1:1:task/a/*"},
        {"Sid": "E", "Effect": "Allow", "Action": "ecs:StopTask", "Resource": ["arn:aws:ecs:us-east-1:1:task/b/*", "arn:aws:ecs:us-east-1:1:task/b/c"]}"#,
    );
    let minimal = minimise(&written, Kind::Identity, false).unwrap();
    let steps: Vec<String> = minimal.steps.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n{}", steps.join("\n"), minimal.text));
}

#[test]
fn full_sets_of_actions_collapse_on_request() {
    let all: Vec<String> = portcullis_reference::service("ecs")
        .unwrap()
        .actions()
        .map(|action| format!("{action:?}"))
        .collect();
    let written = text(&format!(
        r#"{{"Effect": "Allow", "Action": {}, "Resource": "*"}}"#,
        serde_json::to_string(&all).unwrap()
    ));
    let minimal = minimise(&written, Kind::Identity, true).unwrap();
    assert!(minimal.text.contains("\"Action\": \"ecs:*\""), "{}", minimal.text);
    let strict = minimise(&written, Kind::Identity, false).unwrap();
    assert!(strict.steps.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn layout_and_expansion_keep_the_meaning(written in policy(), contexts in prop::collection::vec(context(), 6)) {
        let written = text(&written);
        let formatted = format(&written, Kind::Identity).unwrap();
        prop_assert_eq!(&format(&formatted, Kind::Identity).unwrap(), &formatted);
        let expanded = expand(&written, Kind::Identity, Expansion::default()).unwrap();
        prop_assert_eq!(&expand(&expanded, Kind::Identity, Expansion::default()).unwrap(), &expanded);
        let (before, after, wide) = (parse(&written), parse(&formatted), parse(&expanded));
        for (action, resource, context) in requests(&contexts) {
            let expected = allows(&before, action, resource, context);
            prop_assert_eq!(allows(&after, action, resource, context), expected);
            if portcullis_reference::action(action).is_some() {
                prop_assert_eq!(allows(&wide, action, resource, context), expected);
            }
        }
    }

    /// {D, X} and {M, X} decide the same, whatever X is (R114).
    #[test]
    fn minimisation_keeps_the_meaning_among_other_policies(
        written in policy(),
        other in policy(),
        contexts in prop::collection::vec(context(), 6),
    ) {
        let (before, other) = (document(&written), document(&other));
        let after = parse(&minimise(before.text(), Kind::Identity, false).unwrap().text);
        let everything = document(r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#);
        for request in requests(&contexts) {
            for other in [&other, &everything] {
                prop_assert_eq!(beside(&after, other, request), beside(&before, other, request), "{:?}", request);
            }
        }
    }

    #[test]
    fn minimisation_keeps_the_meaning(written in policy(), contexts in prop::collection::vec(context(), 6)) {
        let before = document(&written);
        let minimal = minimise(before.text(), Kind::Identity, false).unwrap();
        let after = parse(&minimal.text);
        prop_assert!(after.statements().len() <= before.statements().len());
        prop_assert!(minimal.text.len() <= format(before.text(), Kind::Identity).unwrap().len());
        for (action, resource, context) in requests(&contexts) {
            let expected = allows(&before, action, resource, context);
            prop_assert_eq!(allows(&after, action, resource, context), expected, "{} {}", action, resource);
        }
        let all = Options::everything();
        prop_assert!(!matches!(more(&before, &after, all), Answer::More(_)));
        prop_assert!(!matches!(more(&after, &before, all), Answer::More(_)));
    }
}

/// What a policy decides beside another one of the same holder.
fn beside(
    document: &Document,
    other: &Document,
    (action, resource, context): (&str, &str, &Context),
) -> bool {
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
    let sources = [source("policy", document), source("other", other)];
    let sets = PolicySets {
        identity: &sources,
        ..PolicySets::default()
    };
    decide(&request, &sets).is_allowed()
}

#[test]
fn r114_a_denial_of_what_nothing_allows_stays() {
    let guarded = text(
        r#"{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}"#,
    );
    let minimal = minimise(&guarded, Kind::Identity, false).unwrap();
    assert_eq!((minimal.steps.as_slice(), minimal.gave_up), (&[][..], false));
    let twice = text(
        r#"{"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}"#,
    );
    let minimal = minimise(&twice, Kind::Identity, false).unwrap();
    assert_eq!(parse(&minimal.text).statements().len(), 1);
}
