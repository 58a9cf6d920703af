//! Where principals may stand in a document, and in which form (R13, R14, R24, R61-R65).

use portcullis_policy::{Document, Kind, Malformed, PrincipalKind};
use serde_json::{Value as Json, json};

use crate::scene::policy;

const SYNTAX: &str = "Syntax errors in policy.";

fn answer(document: &Json, kind: Kind) -> String {
    Document::parse(&document.to_string(), kind)
        .map_or_else(|refused| refused.to_string(), |_| "accepted".to_owned())
}

#[test]
fn r14_principals_have_their_place() {
    let statement = |with: Json| {
        let mut statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        statement
            .as_object_mut()
            .unwrap()
            .extend(with.as_object().unwrap().clone());
        policy(statement)
    };
    for kind in [
        Kind::Identity,
        Kind::Boundary,
        Kind::Session,
        Kind::ServiceControl,
    ] {
        for element in [
            json!({"Principal": "*"}),
            json!({"NotPrincipal": {"AWS": "111122223333"}}),
        ] {
            assert_eq!(
                answer(&statement(element), kind),
                "Policy document should not specify a principal."
            );
        }
    }
    for kind in [Kind::Resource, Kind::ResourceControl, Kind::Endpoint] {
        assert_eq!(
            answer(&statement(json!({})), kind),
            Malformed::PrincipalMissing.to_string()
        );
        assert_eq!(
            answer(&statement(json!({"Principal": {}})), kind),
            Malformed::PrincipalEmpty.to_string()
        );
        assert_eq!(answer(&statement(json!({"Principal": "*"})), kind), "accepted");
    }
    assert_eq!(
        answer(
            &statement(json!({"Principal": "*", "NotPrincipal": "*"})),
            Kind::Resource
        ),
        SYNTAX
    );
    assert_eq!(
        answer(&statement(json!({"Principal": "me"})), Kind::Resource),
        SYNTAX
    );
    assert_eq!(
        answer(&statement(json!({"Principal": {"aws": "*"}})), Kind::Resource),
        SYNTAX
    );
}

fn trust(members: Json) -> String {
    let mut statement = json!({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"});
    for (name, value) in members.as_object().unwrap() {
        statement
            .as_object_mut()
            .unwrap()
            .insert(name.clone(), value.clone());
    }
    answer(&policy(statement), Kind::Trust)
}

#[test]
fn r13_r14_r24_trust_policies() {
    assert_eq!(trust(json!({})), "accepted");
    assert_eq!(
        trust(json!({"Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]})),
        "accepted"
    );
    assert_eq!(trust(json!({"Resource": "*"})), "Has prohibited field Resource");
    for action in [
        json!("*"),
        json!("sts:*"),
        json!("s3:GetObject"),
        json!(["sts:AssumeRole", "sts:BadAssumeRole"]),
    ] {
        let expected = "AssumeRole policy may only specify STS AssumeRole actions.";
        assert_eq!(trust(json!({"Action": action})), expected, "{action}");
    }
    let not_principal =
        json!({"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"});
    assert_eq!(
        answer(&policy(not_principal), Kind::Trust),
        Malformed::NotPrincipal.to_string()
    );
    let nobody = json!({"Effect": "Allow", "Action": "sts:AssumeRole"});
    assert_eq!(
        answer(&policy(nobody), Kind::Trust),
        Malformed::PrincipalMissing.to_string()
    );
}

#[test]
fn r61_r63_forms_of_principals() {
    let invalid = |kind: &str, value: &str| format!("Invalid principal in policy: \"{kind}\":\"{value}\"");
    for good in [
        "*",
        "111122223333",
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:role/app/web",
        "arn:aws:sts::111122223333:assumed-role/web/s1",
        "AIDARICHARDROE0000001",
    ] {
        assert_eq!(trust(json!({"Principal": {"AWS": good}})), "accepted", "{good}");
    }
    for bad in [
        "arn:aws:iam::111122223333:user/*",
        "arn:aws:iam::111122223333:group/g",
        "me",
        "1111",
        "",
    ] {
        assert_eq!(
            trust(json!({"Principal": {"AWS": [bad]}})),
            invalid("AWS", bad),
            "{bad}"
        );
    }
    assert_eq!(
        trust(json!({"Principal": {"Service": "ecs-tasks"}})),
        invalid("SERVICE", "ecs-tasks")
    );
    assert_eq!(
        trust(json!({"Principal": {"Federated": ""}})),
        invalid("FEDERATED", "")
    );
    assert_eq!(
        Malformed::unknown_principal("arn:x").to_string(),
        invalid("AWS", "arn:x")
    );
}

#[test]
fn r65_principals_are_listed_with_their_places() {
    let text = policy(json!([
        {"Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:user/a"]}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]))
    .to_string();
    let document = Document::parse(&text, Kind::Trust).unwrap();
    let principals = document.principals();
    let listed: Vec<_> = principals
        .iter()
        .map(|principal| (principal.kind, principal.value))
        .collect();
    assert_eq!(
        listed,
        [
            (PrincipalKind::Aws, "111122223333"),
            (PrincipalKind::Aws, "arn:aws:iam::111122223333:user/a"),
            (PrincipalKind::Service, "ec2.amazonaws.com"),
        ]
    );
    for principal in principals {
        assert_eq!(
            principal.span.of(&text),
            Some(format!("\"{}\"", principal.value).as_str())
        );
    }
}
