//! Requests about every resource a pattern names, as the policy simulator takes them (R50).

use portcullis_policy::{Outcome, decide_for_every};
use serde_json::{Value as Json, json};

use crate::scene::{Scene, user};

/// What a simulation says of an Allow and a Deny on one pattern each, about everything a resource with `*` stands for.
fn simulated(allow: Json, deny: Option<Json>, asked: &str) -> Outcome {
    let mut statements = vec![json!({"Effect": "Allow", "Action": "*"})];
    statements.extend(deny.map(|deny| {
        let mut statement = json!({"Effect": "Deny", "Action": "*"});
        statement
            .as_object_mut()
            .unwrap()
            .extend(deny.as_object().unwrap().clone());
        statement
    }));
    statements[0]
        .as_object_mut()
        .unwrap()
        .extend(allow.as_object().unwrap().clone());
    Scene::new(user())
        .identity(json!(statements))
        .asks("iam:GetUser", asked)
        .with("aws:username", "ab")
        .run(|request, sets| decide_for_every(request, sets).outcome)
}

#[test]
fn r50_a_star_in_a_simulated_request_is_any_such_resource() {
    use Outcome::{Allow, ExplicitDeny, ImplicitDeny};
    let arn = |name: &str| format!("arn:aws:iam::111122223333:user/{name}");
    let on = |name: &str| json!({"Resource": arn(name)});
    let all = || json!({"Resource": "*"});
    for (pattern, asked, expected) in [
        ("*", "*", Allow),
        ("ab*", "*", ImplicitDeny),
        ("ab*", "abc*", Allow),
        ("a*c", "a*b*c", Allow),
        ("?*", "*", ImplicitDeny),
        ("?", "*", ImplicitDeny),
        ("${*}", "*", ImplicitDeny),
        ("*/x", "team/*/x", Allow),
        ("${aws:username}*", "abc*", Allow),
        ("${aws:username}", "ab*", ImplicitDeny),
    ] {
        assert_eq!(
            simulated(on(pattern), None, &arn(asked)),
            expected,
            "{pattern} for {asked}"
        );
    }
    // A Deny that hits some of them denies, so that the answer holds for each.
    for (pattern, asked, expected) in [
        ("ab*", "*", ExplicitDeny),
        ("admin", "*", ExplicitDeny),
        ("a?min", "ad*", ExplicitDeny),
        ("b*", "a*", Allow),
        ("*z", "*y", Allow),
    ] {
        assert_eq!(
            simulated(all(), Some(on(pattern)), &arn(asked)),
            expected,
            "{pattern} for {asked}"
        );
    }
    let not = |name: &str| json!({"NotResource": arn(name)});
    assert_eq!(simulated(not("admin"), None, &arn("a*")), ImplicitDeny);
    assert_eq!(simulated(not("admin"), None, &arn("b*")), Allow);
    assert_eq!(simulated(all(), Some(not("a*")), &arn("ab*")), Allow);
    assert_eq!(simulated(all(), Some(not("ab*")), &arn("a*")), ExplicitDeny);
    // Behind a star that runs on, letters have case in the resource part only (R46).
    for (pattern, expected) in [
        ("arn:*:user/*", Allow),
        ("arn:*:USER/*", ImplicitDeny),
        ("arn:*:IAM:*:user/*", Allow),
        ("arn:*:IAM:*:User/*", ImplicitDeny),
    ] {
        assert_eq!(
            simulated(json!({"Resource": pattern}), None, &arn("a*")),
            expected,
            "{pattern}"
        );
    }
    // In the first five fields it stays in its field.
    let elsewhere = json!({"Resource": "arn:aws:ecs:us-east-1:111122223333:cluster/c"});
    assert_eq!(
        simulated(
            all(),
            Some(elsewhere.clone()),
            "arn:aws:ecs:*:111122223333:cluster/c"
        ),
        ExplicitDeny
    );
    assert_eq!(
        simulated(all(), Some(elsewhere), "arn:aws:ecs:*:cluster/c"),
        Allow
    );
    assert_eq!(
        simulated(
            json!({"Resource": "arn:aws:ecs:us-*:1:*"}),
            None,
            "arn:aws:ecs:us-*-1:1:cluster/c"
        ),
        Allow
    );
}

#[test]
fn r50_without_a_star_a_simulation_asks_what_the_gate_asks() {
    for asked in ["arn:aws:iam::111122223333:user/ab", "*"] {
        let on = json!({"Resource": "arn:aws:iam::111122223333:user/a*"});
        let gate = Scene::new(user())
            .identity(
                json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:iam::111122223333:user/a*"}),
            )
            .asks("iam:GetUser", asked)
            .decide()
            .0;
        assert_eq!(simulated(on, None, asked), gate, "{asked}");
    }
}
