//! R175: details of an authorization have the members and types of the public model; what is ours is marked.

use portcullis_policy::{AuthorizationDetails, Explanation, PolicySets, Principal, Source, explain};
use serde_json::{Value as Json, json};

use crate::scene::{
    OTHER_ACCOUNT, ROLE, Scene, USER, allow_all, allow_nothing, allow_to, deny_all, role_session, root,
    service, user,
};

/// The model as AWS publishes it with botocore.
const MODEL: &str = include_str!("../data/iam-toolbox.json");

struct Model(Json);

impl Model {
    fn read() -> Self {
        Self(serde_json::from_str(MODEL).unwrap())
    }

    /// Everything in which a value differs from a shape, with its path.
    fn differences(&self, shape: &str, value: &Json, path: &str) -> Vec<String> {
        let definition = &self.0["shapes"][shape];
        let text = |name: &str| definition[name].as_str();
        match text("type").unwrap() {
            "structure" if definition["document"] == json!(true) => Vec::new(),
            "structure" => self.in_structure(definition, value, path),
            "list" => {
                let member = definition["member"]["shape"].as_str().unwrap();
                let Some(items) = value.as_array() else {
                    return vec![format!("{path} is no list")];
                };
                let items = items.iter().enumerate();
                items
                    .flat_map(|(n, item)| self.differences(member, item, &format!("{path}[{n}]")))
                    .collect()
            }
            "map" => {
                let member = definition["value"]["shape"].as_str().unwrap();
                let Some(entries) = value.as_object() else {
                    return vec![format!("{path} is no map")];
                };
                entries
                    .iter()
                    .flat_map(|(key, value)| self.differences(member, value, &format!("{path}.{key}")))
                    .collect()
            }
            "string" => {
                let Some(found) = value.as_str() else {
                    return vec![format!("{path} is no string")];
                };
                let listed = definition["enum"].as_array();
                let is_wrong = listed.is_some_and(|listed| !listed.contains(value));
                let is_no_arn = text("pattern").is_some_and(|pattern| pattern.starts_with("arn:"))
                    && found.splitn(6, ':').count() < 6;
                match is_wrong || is_no_arn {
                    true => vec![format!("{path} is {found}")],
                    false => Vec::new(),
                }
            }
            "boolean" if value.is_boolean() => Vec::new(),
            other => vec![format!("{path} is no {other}")],
        }
    }

    fn in_structure(&self, definition: &Json, value: &Json, path: &str) -> Vec<String> {
        let Some(members) = value.as_object() else {
            return vec![format!("{path} is no structure")];
        };
        let required = definition["required"].as_array().into_iter().flatten();
        let missing = required
            .filter(|name| !members.contains_key(name.as_str().unwrap()))
            .map(|name| format!("{path} has no {name}"));
        let wrong = members
            .iter()
            .filter(|(name, _)| *name != "portcullis")
            .flat_map(|(name, value)| {
                let path = format!("{path}.{name}");
                match definition["members"][name]["shape"].as_str() {
                    Some(shape) => self.differences(shape, value, &path),
                    None => vec![format!("{path} is not in the model")],
                }
            });
        missing.chain(wrong).collect()
    }
}

#[track_caller]
fn check(details: &AuthorizationDetails) -> Json {
    let json = serde_json::to_value(details).unwrap();
    let differences = Model::read().differences("GetRequestAuthorizationDetailsOutput", &json, "");
    assert!(differences.is_empty(), "{differences:#?}");
    json
}

fn details(explanations: impl IntoIterator<Item = Explanation>) -> AuthorizationDetails {
    explanations.into_iter().collect()
}

#[test]
fn r175_every_kind_of_set_and_caller_has_the_public_shape() {
    let everyone = || allow_to(json!("*"));
    let full = |principal: Principal| {
        Scene::new(principal)
            .identity(
                json!([allow_all(), {"Sid": "No", "Effect": "Deny", "Action": "iam:*", "Resource": "*"}]),
            )
            .boundary(allow_nothing())
            .session(allow_all())
            .resource_policy(everyone())
            .endpoint(everyone())
            .rcp(everyone())
            .scp(allow_all())
            .scp(deny_all())
            .with("aws:TagKeys", ["a", "b"])
            .with("aws:username", "richard-roe")
            .explain()
    };
    for principal in [
        user(),
        role_session(),
        root(),
        service("a.b"),
        Principal::Anonymous,
    ] {
        check(&details([full(principal)]));
    }
    let trust = json!({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "sts:AssumeRole"});
    check(&details([Scene::new(role_session()).trust(trust).explain()]));
    check(&details([Scene::new(user()).of_account(OTHER_ACCOUNT).explain()]));
    check(&AuthorizationDetails::default());
}

#[test]
fn r139_r175_the_checks_of_one_call_share_their_policies() {
    let scene = |action: &str, resource: &str| {
        Scene::new(user())
            .identity(json!({"Sid": "Run", "Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}))
            .asks(action, resource)
            .with("aws:SourceIp", "203.0.113.7")
            .with("aws:ResourceTag/of", resource)
    };
    let run = scene(
        "ecs:RunTask",
        "arn:aws:ecs:us-east-1:111122223333:task-definition/web:7",
    );
    let pass = scene("iam:PassRole", ROLE);
    let explained = [run, pass].map(|scene| {
        scene.run(|request, sets| {
            let managed = [Source {
                arn: Some("arn:aws:iam::111122223333:policy/run"),
                name: "run",
                attached_to: Some(USER),
                ..sets.identity[0]
            }];
            explain(
                request,
                &PolicySets {
                    identity: &managed,
                    ..*sets
                },
            )
        })
    });
    let json = check(&details(explained));
    assert_eq!(json["policies"].as_array().unwrap().len(), 1);
    assert_eq!(
        json["requestContext"],
        json!({"principal": USER, "aws:SourceIp": "203.0.113.7"})
    );
    let effects: Vec<_> = json["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|evaluation| evaluation["evaluatedEffect"].as_str().unwrap())
        .collect();
    assert_eq!(effects, ["ALLOW", "IMPLICIT_DENY"]);
    assert_eq!(
        json["evaluations"][0]["matchedPolicies"],
        json!([{"uri": "arn:aws:iam::111122223333:policy/run",
                "matchedStatements": [{"sid": "Run", "evaluatedEffect": "ALLOW"}]}])
    );
}

#[test]
fn statements_are_placed_as_documents_place_them() {
    let scene = Scene::new(user()).identity(json!([allow_all(), allow_nothing(), deny_all()]));
    let explanation = scene.explain();
    let json = serde_json::to_value(&explanation).unwrap();
    for (n, report) in explanation.statements.iter().enumerate() {
        let expected = scene.identity[0].position(report.span.start);
        assert_eq!(report.position(), expected);
        let position = &json["evaluations"][0]["portcullis"]["statements"][n]["position"];
        assert_eq!(position["column"], expected.column);
    }
}
