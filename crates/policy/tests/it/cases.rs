//! The 104 cases of the mission's policies: requests with the decision AWS gives.

use std::path::Path;

use portcullis_policy::{
    Context, Document, Kind, Outcome, PolicySets, Principal, Request, Source, decide, explain,
};
use serde::Deserialize;

use crate::scene::account;

#[derive(Deserialize)]
struct Case {
    id: String,
    policy: String,
    principal: String,
    action: String,
    resource: String,
    context: std::collections::BTreeMap<String, String>,
    expect: String,
    note: String,
}

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn principal(name: &str) -> Principal {
    let Ok(arn) = name.parse::<portcullis_core::Arn>() else {
        return Principal::Service(name.to_owned());
    };
    let account = account(arn.account());
    match arn.resource_parts().expect("a typed resource") {
        ("user", _) => Principal::User {
            arn,
            id: "AIDAEXAMPLE0000000001".to_owned(),
            account,
        },
        ("assumed-role", rest) => {
            let (role, _) = rest.split_once('/').expect("ROLE/SESSION");
            Principal::RoleSession {
                role_arn: format!("arn:aws:iam::{account}:role/{role}").parse().unwrap(),
                session_arn: arn,
                role_id: "AROAEXAMPLE0000000001".to_owned(),
                account,
            }
        }
        other => panic!("{other:?}"),
    }
}

/// A trust policy stands on the role, beside a caller who may do everything; the others are the caller's own.
fn run(case: &Case) -> Outcome {
    let is_trust = case.policy.starts_with("19-");
    let document = Document::parse(
        &data(&case.policy),
        if is_trust { Kind::Trust } else { Kind::Identity },
    )
    .unwrap();
    let everything =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let everything = Document::parse(everything, Kind::Identity).unwrap();
    let source = Source {
        name: &case.policy,
        arn: None,
        attached_to: None,
        document: &document,
    };
    let identity = if is_trust {
        [Source {
            document: &everything,
            ..source
        }]
    } else {
        [source]
    };
    let sets = PolicySets {
        identity: &identity,
        resource: is_trust.then_some(source),
        ..PolicySets::default()
    };
    let principal = principal(&case.principal);
    let context: Context = case
        .context
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let request = Request {
        principal: &principal,
        action: &case.action,
        resource: &case.resource,
        resource_account: None,
        context: &context,
    };
    let decision = decide(&request, &sets);
    assert_eq!(
        explain(&request, &sets).outcome,
        decision.outcome,
        "{}: explain differs",
        case.id
    );
    assert_eq!(
        crate::compiled::verdict(&request, &sets).0,
        decision.outcome,
        "{}: authorize differs",
        case.id
    );
    decision.outcome
}

#[test]
fn every_case_of_the_mission_is_decided_as_aws_decides_it() {
    let cases: Vec<Case> = serde_json::from_str(&data("cases.json")).unwrap();
    assert_eq!(cases.len(), 104);
    let mut wrong = Vec::new();
    for case in &cases {
        let outcome = run(case);
        if format!("{outcome:?}") != case.expect {
            wrong.push(format!(
                "{} {}: {outcome:?}, not {} ({})",
                case.id, case.action, case.expect, case.note
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn r28_every_policy_of_the_mission_keeps_its_text() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json") && name != "cases.json" && name != "iam-toolbox.json")
        .collect();
    names.sort();
    assert!(names.len() >= 30, "{names:?}");
    for name in names {
        let text = data(&name);
        let kind = if name.starts_with("19-") {
            Kind::Trust
        } else {
            Kind::Identity
        };
        let document = Document::parse(&text, kind).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(document.text(), text, "{name}");
        for statement in document.statements() {
            let span = statement.span.of(&text).unwrap();
            assert!(span.starts_with('{') && span.ends_with('}'), "{name}: {span}");
        }
    }
}
