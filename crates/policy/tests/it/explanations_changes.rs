//! The smallest change is real: made, its set no longer refuses, and nothing else refuses because of it.

use portcullis_policy::{
    Change, CheckEffect, Document, Element, Explanation, Kind, Outcome, Place, PolicyType, Refusal,
};
use serde_json::{Value as Json, json};

use crate::scene::{OTHER_ACCOUNT, ROLE, Scene, allow_all, allow_nothing, deny_all, role_session, user};

pub const TASK: &str = "arn:aws:ecs:us-east-1:111122223333:task/default/0123";
pub const CLUSTER: &str = "arn:aws:ecs:us-east-1:111122223333:cluster/default";

const OTHER_CLUSTER: &str = "arn:aws:ecs:us-east-1:111122223333:cluster/other";

/// What a refusal is, whatever would help against it.
fn kinds(explanation: &Explanation) -> Vec<(PolicyType, usize, CheckEffect)> {
    let refusals = explanation.refusals.iter();
    refusals
        .map(|refusal| (refusal.policy_type, refusal.level, refusal.effect))
        .collect()
}

/// The scene with every step of the change taken.
fn change(mut scene: Scene, changes: &[Change]) -> Scene {
    for step in changes {
        match step {
            Change::Add {
                place,
                element,
                value,
            } => edit(&mut scene, place, |statement| add(statement, *element, value)),
            Change::Remove {
                place,
                element,
                value,
            } => edit(&mut scene, place, |statement| {
                remove(statement, &element.to_string(), value);
            }),
            Change::AddStatement {
                policy_type,
                level,
                policy,
                statement,
            } => {
                let statement: Json = serde_json::from_str(&statement.to_string()).unwrap();
                match policy {
                    Some(_) => add_statement(&mut scene, *policy_type, *level, &statement),
                    None => scene = attach(scene, *policy_type, *level, statement),
                }
            }
            Change::Resource { types, .. } => panic!("the scene asks on `*`, not on {types}"),
            Change::Request { key, example, .. } => match example {
                Some(value) => scene.context.insert(key.as_str(), value.clone()),
                None => scene.context.remove(key),
            },
        }
    }
    scene
}

fn documents(scene: &mut Scene, policy_type: PolicyType, level: usize) -> Vec<&mut Document> {
    match policy_type {
        PolicyType::Identity => scene.identity.iter_mut().collect(),
        PolicyType::Boundary => scene.boundary.iter_mut().collect(),
        PolicyType::Session => scene.session.iter_mut().flatten().collect(),
        PolicyType::Resource | PolicyType::RoleTrust => scene.resource_policy.iter_mut().collect(),
        PolicyType::ServiceControl => scene.scps[level].iter_mut().collect(),
        PolicyType::ResourceControl => scene.rcps[level].iter_mut().collect(),
        PolicyType::Endpoint => scene.endpoint.iter_mut().collect(),
    }
}

/// The suggestion has to be a policy that may be written.
fn rewrite(document: &mut Document, edit: impl FnOnce(&mut Vec<Json>)) {
    let mut text: Json = serde_json::from_str(document.text()).unwrap();
    let statements = &mut text["Statement"];
    if statements.is_object() {
        *statements = json!([statements.take()]);
    }
    edit(statements.as_array_mut().unwrap());
    *document = Document::parse(&text.to_string(), document.kind())
        .unwrap_or_else(|refused| panic!("a suggested change is refused: {refused}: {text}"));
}

fn edit(scene: &mut Scene, place: &Place, edit: impl FnOnce(&mut Json)) {
    let mut documents = documents(scene, place.policy.policy_type, place.policy.level);
    let document = documents
        .iter_mut()
        .find(|document| document.text() == &*place.policy.text)
        .expect("the place is in a policy");
    rewrite(document, |statements| edit(&mut statements[place.index]));
}

fn add_statement(scene: &mut Scene, policy_type: PolicyType, level: usize, statement: &Json) {
    let mut documents = documents(scene, policy_type, level);
    rewrite(documents[0], |statements| statements.push(statement.clone()));
}

fn attach(mut scene: Scene, policy_type: PolicyType, level: usize, statement: Json) -> Scene {
    match policy_type {
        PolicyType::Identity => scene.identity(statement),
        PolicyType::Boundary => scene.boundary(statement),
        PolicyType::Session => scene.session(statement),
        PolicyType::Resource => scene.resource_policy(statement),
        PolicyType::ServiceControl => {
            let document = crate::scene::parse(&crate::scene::policy(statement), Kind::ServiceControl);
            scene.scps[level].push(document);
            scene
        }
        other => panic!("{other:?} exists or nothing needs it"),
    }
}

fn list(statement: &mut Json, element: &str) -> Vec<Json> {
    match statement[element].take() {
        Json::Array(values) => values,
        Json::Null => Vec::new(),
        single => vec![single],
    }
}

fn add(statement: &mut Json, element: Element, value: &str) {
    let name = element.to_string();
    let (parent, key) = match name.split_once('.') {
        Some((parent, key)) => (&mut statement[parent], key),
        None => (statement, name.as_str()),
    };
    let mut values = list(parent, key);
    values.push(json!(value));
    parent[key] = json!(values);
}

fn remove(statement: &mut Json, element: &str, value: &str) {
    let mut values = list(statement, element);
    let before = values.len();
    values.retain(|known| known != value);
    assert!(values.len() < before, "{value} is not in {element}");
    statement[element] = json!(values);
}

/// Makes the change against each refusal alone, and then all of them one after the other.
pub fn check(scene: impl Fn() -> Scene) -> Explanation {
    let before = scene().explain();
    let known = kinds(&before);
    for refusal in &before.refusals {
        let Refusal {
            policy_type,
            level,
            effect,
            changes,
            ..
        } = refusal;
        if changes.is_empty() {
            continue;
        }
        let after = kinds(&change(scene(), changes).explain());
        let this = (*policy_type, *level, *effect);
        if matches!(policy_type, PolicyType::Resource | PolicyType::RoleTrust)
            && *effect == CheckEffect::ImplicitDeny
        {
            let lifted = before.refusals.iter().filter(|refusal| refusal.is_lifted);
            for refusal in lifted {
                assert!(
                    !after.contains(&(refusal.policy_type, refusal.level, refusal.effect)),
                    "{}",
                    before.render()
                );
            }
            let remaining =
                known.len() - 1 - before.refusals.iter().filter(|refusal| refusal.is_lifted).count();
            // Another request may suit other sets, too.
            assert!(after.len() <= remaining, "{}", before.render());
        }
        assert!(
            !after.contains(&this) && after.iter().all(|refusal| known.contains(refusal)),
            "{changes:#?} against {this:?} of {known:?} leaves {after:?}\n{}",
            before.render()
        );
    }
    let mut last = scene();
    for _ in 0..=known.len() {
        let explanation = last.explain();
        assert_eq!(
            explanation.outcome == Outcome::Allow,
            explanation.refusals.is_empty()
        );
        match explanation.refusals.first() {
            Some(refusal) if !refusal.changes.is_empty() => last = change(last, &refusal.changes),
            Some(refusal) => {
                assert_eq!(
                    refusal.effect,
                    CheckEffect::ExplicitDeny,
                    "{}",
                    explanation.render()
                );
                return before;
            }
            None => return before,
        }
    }
    panic!("changes do not come to an end\n{}", before.render());
}

/// The lines of the first refusal.
fn told(explanation: &Explanation) -> Vec<String> {
    explanation.refusals[0]
        .changes
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn stop_task() -> Scene {
    Scene::new(user())
        .asks("ecs:StopTask", TASK)
        .with("ecs:cluster", CLUSTER)
}

#[test]
fn an_action_that_is_missing_is_added() {
    let tasks = || {
        stop_task().identity(json!([
            {"Effect": "Allow", "Action": "ecs:ListTasks", "Resource": "*"},
            {"Sid": "Tasks", "Effect": "Allow", "Action": ["ecs:DescribeTasks"], "Resource": "arn:aws:ecs:*:*:task/*"}
        ]))
    };
    let expected = "add \"ecs:StopTask\" to Action of statement 2 \"Tasks\" of identity-based policy inline";
    // A statement about any resource is no nearer than one about this resource; of equals the text decides.
    assert!(told(&check(tasks))[0].contains("ecs:StopTask"));
    let only = || {
        stop_task().identity(json!([
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Sid": "Tasks", "Effect": "Allow", "Action": ["ecs:DescribeTasks"], "Resource": "arn:aws:ecs:*:*:task/*"}
        ]))
    };
    assert_eq!(told(&check(only)), [expected]);
}

#[test]
fn a_resource_that_is_missing_is_added() {
    let wrong = || {
        stop_task().identity(json!({"Effect": "Allow", "Action": "ecs:StopTask",
            "Resource": "arn:aws:ecs:us-east-1:111122223333:task-definition/web:*"}))
    };
    let expected = format!("add \"{TASK}\" to Resource of statement 1 of identity-based policy inline");
    assert_eq!(told(&check(wrong)), [expected]);
}

#[test]
fn r57_a_variable_without_value_asks_for_its_key() {
    let scene = || {
        Scene::new(user()).asks("ecs:StopTask", TASK).identity(json!(
            {"Effect": "Allow", "Action": "ecs:StopTask", "Resource": "arn:aws:ecs:*:*:task/${aws:PrincipalTag/cluster}/*"}
        ))
    };
    let explanation = check(scene);
    assert_eq!(
        told(&explanation),
        ["the request would need aws:PrincipalTag/cluster = default"]
    );
    assert!(
        explanation
            .render()
            .contains("because a variable in the policy has no value (R57)")
    );
}

#[test]
fn an_action_with_resources_is_never_advised_to_be_allowed_on_the_star() {
    let asked = "the request would need a resource of type task \
        (arn:${Partition}:ecs:${Region}:${Account}:task/${ClusterName}/${TaskId}): ecs:StopTask is not asked on `*`";
    let scene = || Scene::new(user()).asks("ecs:StopTask", "*");
    let named = scene().identity(json!({"Effect": "Allow", "Action": "ecs:StopTask", "Resource": TASK}));
    assert_eq!(told(&named.explain()), [asked]);
    let new = "attach an identity-based policy with a statement: {\"Effect\": \"Allow\", \"Action\": \"ecs:StopTask\", \
        \"Resource\": \"arn:aws:ecs:*:*:task/*/*\"}";
    assert_eq!(told(&scene().explain()), [asked, new]);
    let on_star = Scene::new(user()).asks("ecs:ListClusters", "*");
    assert!(told(&on_star.explain())[0].ends_with("\"Resource\": \"*\"}"));
}

#[test]
fn a_policy_of_the_resource_is_advised_only_where_the_service_has_them() {
    let ask = |action: &str, resource: &str| {
        let scene = Scene::new(user()).of_account(OTHER_ACCOUNT).identity(allow_all());
        told(&scene.asks(action, resource).explain())
    };
    let of_ecs = ask("ecs:StopTask", TASK);
    assert!(
        of_ecs[0].starts_with("no resource-based policies of ecs are known:"),
        "{of_ecs:?}"
    );
    let of_sqs = ask("sqs:SendMessage", "arn:aws:sqs:us-east-1:444455556666:jobs");
    assert!(
        of_sqs[0].starts_with("attach a resource-based policy"),
        "{of_sqs:?}"
    );
}

#[test]
fn r54_r55_a_resource_with_a_variable_in_its_name_is_written_as_text() {
    let scene = || {
        Scene::new(user())
            .asks("s3:GetObject", "arn:aws:s3:::bucket/${aws:username}")
            .identity(
                json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"}),
            )
    };
    let expected = "add \"arn:aws:s3:::bucket/${$}{aws:username}\" to Resource of statement 1 of identity-based policy inline";
    assert_eq!(told(&check(scene)), [expected]);
}

/// A condition that fails, and what the request would need.
type Needed = (&'static str, &'static str, Json, String);

fn needed() -> [Needed; 10] {
    let other = OTHER_CLUSTER;
    [
        (
            "ArnEquals",
            "ecs:cluster",
            json!(other),
            format!("ecs:cluster = {other}"),
        ),
        (
            "ArnLike",
            "ecs:cluster",
            json!("arn:aws:ecs:*:*:cluster/prod-*"),
            "ecs:cluster like arn:aws:ecs:*:*:cluster/prod-*".to_owned(),
        ),
        (
            "StringNotEquals",
            "ecs:cluster",
            json!([CLUSTER, other]),
            format!("ecs:cluster other than one of {CLUSTER}, {other}"),
        ),
        (
            "Bool",
            "aws:MultiFactorAuthPresent",
            json!("true"),
            "aws:MultiFactorAuthPresent = true".to_owned(),
        ),
        (
            "NumericLessThan",
            "aws:MultiFactorAuthAge",
            json!(3600),
            "aws:MultiFactorAuthAge < 3600".to_owned(),
        ),
        (
            "DateGreaterThan",
            "aws:CurrentTime",
            json!("2030-01-01T00:00:00Z"),
            "aws:CurrentTime > 2030-01-01T00:00:00Z".to_owned(),
        ),
        (
            "IpAddress",
            "aws:SourceIp",
            json!(["203.0.113.0/24", "198.51.100.7"]),
            "aws:SourceIp in one of 203.0.113.0/24, 198.51.100.7".to_owned(),
        ),
        (
            "Null",
            "aws:TokenIssueTime",
            json!("false"),
            "aws:TokenIssueTime".to_owned(),
        ),
        (
            "Null",
            "ecs:cluster",
            json!("true"),
            "to come without ecs:cluster".to_owned(),
        ),
        (
            "ForAnyValue:StringEquals",
            "aws:TagKeys",
            json!("Owner"),
            "a value of aws:TagKeys = Owner".to_owned(),
        ),
    ]
}

#[test]
fn a_condition_asks_for_another_request() {
    let on = |operator: &str, key: &str, wanted: Json| {
        let condition = json!({operator: {key: wanted}});
        move || {
            stop_task().identity(
                json!({"Effect": "Allow", "Action": "ecs:StopTask", "Resource": "*", "Condition": condition}),
            )
        }
    };
    let needs = |text: &str| vec![format!("the request would need {text}")];
    for (operator, key, wanted, expected) in needed() {
        assert_eq!(
            told(&check(on(operator, key, wanted))),
            needs(&expected),
            "{operator} {key}"
        );
    }
}

#[test]
fn r112_a_key_that_the_action_never_has_is_not_asked_for() {
    let scene = || {
        Scene::new(user())
            .asks("ecs:DeleteCluster", CLUSTER)
            .identity(json!(
            {"Effect": "Allow", "Action": "ecs:DeleteCluster", "Resource": "*",
             "Condition": {"ArnEquals": {"ecs:cluster": CLUSTER}}}))
    };
    let given = scene().with("ecs:cluster", CLUSTER).explain();
    let condition = &given.statements[0].conditions[0];
    assert_eq!((condition.met, condition.rule), (false, "R112"));
    let told = told(&check(scene));
    assert!(
        told[0].starts_with("add a statement to identity-based policy inline: {"),
        "{told:?}"
    );
}

#[test]
fn r57_a_key_that_a_variable_of_the_statement_needs_is_not_taken_away() {
    let scene = || {
        Scene::new(user())
            .asks("ecs:DeleteCluster", CLUSTER)
            .with("aws:username", "richard")
            .identity(json!(
            {"Effect": "Allow", "Action": "ecs:*", "NotResource": ["arn:aws:ecs:*:*:task/${aws:username}/*", CLUSTER],
             "Condition": {"ForAllValues:BinaryEquals": {"aws:username": []}}}))
    };
    let told = told(&check(scene));
    assert!(
        told[0].starts_with("add a statement to identity-based policy inline: {"),
        "{told:?}"
    );
}

#[test]
fn where_nothing_is_near_a_statement_is_added_or_a_policy_attached() {
    let statement =
        format!("{{\"Effect\": \"Allow\", \"Action\": \"ecs:StopTask\", \"Resource\": \"{TASK}\"}}");
    let far = || stop_task().identity(allow_nothing());
    assert_eq!(
        told(&check(far)),
        [format!(
            "add a statement to identity-based policy inline: {statement}"
        )]
    );
    assert_eq!(
        told(&check(stop_task)),
        [format!(
            "attach an identity-based policy with a statement: {statement}"
        )]
    );
}

#[test]
fn two_elements_are_not_widened_at_once() {
    let scene = || {
        stop_task().identity(
            json!({"Effect": "Allow", "Action": ["ecs:RunTask", "ecs:StartTask"],
            "Resource": "arn:aws:ecs:*:*:task-definition/web:*"}),
        )
    };
    assert!(told(&check(scene))[0].starts_with("add a statement to"));
}

#[test]
fn r71_r37_exceptions_are_taken_back() {
    let scene = || {
        stop_task().identity(json!({"Effect": "Allow", "NotAction": ["ecs:Stop*", "iam:*"], "Resource": "*"}))
    };
    assert_eq!(
        told(&check(scene)),
        ["remove \"ecs:Stop*\" from NotAction of statement 1 of identity-based policy inline"]
    );
    let last = || stop_task().identity(json!({"Effect": "Allow", "NotAction": "ecs:Stop*", "Resource": "*"}));
    assert!(told(&check(last))[0].starts_with("add a statement"));
}

#[test]
fn r172_every_set_that_refuses_is_listed() {
    let scene = || {
        stop_task()
            .boundary(json!({"Sid": "Look", "Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}))
            .identity(allow_nothing())
            .scp(allow_all())
            .scp(allow_nothing())
    };
    let explanation = check(scene);
    assert_eq!(explanation.stopped_by, Some(PolicyType::ServiceControl));
    insta::assert_snapshot!(explanation.render());
}

#[test]
fn an_explicit_deny_is_escaped_by_another_request_or_not_at_all() {
    let guarded = || {
        stop_task().identity(allow_all()).identity(
            json!({"Sid": "NeedsMfa", "Effect": "Deny", "Action": "ecs:*", "Resource": "*",
                "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}),
        )
    };
    let expected = "the request would need aws:MultiFactorAuthPresent = true";
    assert_eq!(told(&check(guarded)), [expected]);
    let walled = || stop_task().identity(allow_all()).identity(deny_all());
    assert!(told(&check(walled)).is_empty());
}

#[test]
fn a_request_that_a_deny_would_hit_is_not_suggested() {
    let other = OTHER_CLUSTER;
    let scene = || {
        stop_task().identity(json!([
            {"Effect": "Allow", "Action": "ecs:StopTask", "Resource": "*", "Condition": {"ArnEquals": {"ecs:cluster": other}}},
            {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"ArnEquals": {"ecs:cluster": other}}}
        ]))
    };
    assert!(told(&check(scene))[0].starts_with("add a statement to"));
}

#[test]
fn r134_policies_of_aws_are_not_edited() {
    let document = crate::scene::parse(
        &crate::scene::policy(json!({"Effect": "Allow", "Action": "ecs:List*", "Resource": "*"})),
        Kind::Identity,
    );
    let scene = stop_task();
    let explanation = scene.run(|request, sets| {
        let managed = [portcullis_policy::Source {
            name: "ReadOnly",
            arn: Some("arn:aws:iam::aws:policy/ReadOnly"),
            attached_to: None,
            document: &document,
        }];
        let sets = portcullis_policy::PolicySets {
            identity: &managed,
            ..*sets
        };
        portcullis_policy::explain(request, &sets)
    });
    assert!(told(&explanation)[0].starts_with("attach an identity-based policy"));
}

#[test]
fn trust_and_resource_policies_name_the_caller() {
    let trust = || {
        Scene::new(role_session()).identity(allow_all()).trust(
            json!({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}),
        )
    };
    let expected =
        format!("add \"{ROLE}\" to Principal.AWS of statement 1 of role trust policy resource-policy");
    assert_eq!(told(&check(trust)), [expected]);
    let across = || Scene::new(user()).of_account(OTHER_ACCOUNT).identity(allow_all());
    insta::assert_snapshot!(check(across).render());
}
