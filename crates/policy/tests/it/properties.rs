//! Laws that hold for all policies and requests.

use portcullis_policy::{Context, Kind, Outcome, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::scene::{ACCOUNT, ROLE, SESSION, Scene, USER, parse, policy, role_session, user};

const ACTIONS: [&str; 5] = [
    "ecs:RunTask",
    "ecs:StopTask",
    "ecs:ListTasks",
    "s3:GetObject",
    "iam:PassRole",
];
const RESOURCES: [&str; 4] = [
    "arn:aws:ecs:us-east-1:111122223333:task/default/1",
    "arn:aws:ecs:us-east-1:111122223333:task/prod/2",
    "arn:aws:s3:::bucket/richard/x",
    "*",
];

fn pick<const N: usize>(values: [&'static str; N]) -> impl Strategy<Value = String> {
    prop::sample::select(values.to_vec()).prop_map(str::to_owned)
}

fn actions() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(
        pick([
            "*",
            "ecs:*",
            "ecs:*Task",
            "ecs:RunTask",
            "s3:Get*",
            "iam:PassRole",
            "ecs:L?stTasks",
        ]),
        1..4,
    )
}

fn resources() -> impl Strategy<Value = Vec<String>> {
    let patterns = pick([
        "*",
        "arn:aws:ecs:*",
        "arn:aws:ecs:*:*:task/prod/*",
        "arn:aws:ecs:us-*-1:111122223333:task/*/1",
        "arn:aws:s3:::bucket/${k1}/*",
        "arn:aws:s3:::bucket/*",
    ]);
    prop::collection::vec(patterns, 1..4)
}

fn condition() -> impl Strategy<Value = Json> {
    let operator = pick([
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringEqualsIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringNotLike",
        "ForAnyValue:StringEqualsIfExists",
        "NumericLessThan",
        "NumericNotEquals",
        "Bool",
        "Null",
        "ArnLike",
        "ArnNotLike",
        "NotIpAddress",
    ]);
    let values = prop::collection::vec(pick(["a", "a*", "10", "true", "${k1}", "arn:aws:s3:::b"]), 0..3);
    (operator, pick(["k1", "k2", "K1"]), values)
        .prop_map(|(operator, key, values)| json!({operator: {key: values}}))
}

fn statement(with_principal: bool) -> impl Strategy<Value = Json> {
    let principal = prop_oneof![
        Just(json!("*")),
        pick([USER, ROLE, SESSION, ACCOUNT]).prop_map(|arn| json!({"AWS": arn}))
    ];
    let parts = (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        actions(),
        resources(),
        prop::option::weighted(0.5, condition()),
        principal,
    );
    parts.prop_map(
        move |(denies, not_action, not_resource, not_principal, actions, resources, condition, principal)| {
            let mut statement = json!({
                "Effect": if denies { "Deny" } else { "Allow" },
                (if not_action { "NotAction" } else { "Action" }): actions,
                (if not_resource { "NotResource" } else { "Resource" }): resources,
                "Condition": condition.unwrap_or_else(|| json!({})),
            });
            if with_principal {
                statement[if not_principal {
                    "NotPrincipal"
                } else {
                    "Principal"
                }] = principal;
            }
            statement
        },
    )
}

fn statements(with_principal: bool) -> impl Strategy<Value = Json> {
    prop::collection::vec(statement(with_principal), 1..5).prop_map(Json::Array)
}

fn context() -> impl Strategy<Value = Context> {
    let value = prop_oneof![
        3 => pick(["a", "abc", "10", "9", "true", "*", "", "richard", "arn:aws:s3:::b"]).prop_map(Value::One),
        1 => prop::collection::vec(pick(["a", "b", "10"]), 0..3).prop_map(Value::Many),
    ];
    prop::collection::vec((pick(["k1", "k2", "k3"]), value), 0..4)
        .prop_map(|pairs| pairs.into_iter().collect())
}

/// A request with identity policies only.
fn scene() -> impl Strategy<Value = Scene> {
    (
        any::<bool>(),
        pick(ACTIONS),
        pick(RESOURCES),
        context(),
        statements(false),
    )
        .prop_map(|(as_user, action, resource, context, statements)| {
            let caller = if as_user { user() } else { role_session() };
            let scene = Scene::new(caller).identity(statements).asks(&action, &resource);
            Scene { context, ..scene }
        })
}

/// A request with every set possibly there.
fn full_scene() -> impl Strategy<Value = Scene> {
    let optional = |with_principal| prop::option::weighted(0.5, statements(with_principal));
    let other_account = prop::option::weighted(0.3, Just("444455556666"));
    (
        scene(),
        optional(false),
        optional(false),
        optional(true),
        optional(false),
        optional(true),
        other_account,
    )
        .prop_map(|(mut scene, boundary, session, resource, scp, rcp, owner)| {
            scene.boundary = boundary.map(|statements| parse(&policy(statements), Kind::Boundary));
            scene.session = session.map(|statements| vec![parse(&policy(statements), Kind::Session)]);
            scene.resource_policy = resource.map(|statements| parse(&policy(statements), Kind::Resource));
            scene.scps = scp
                .map(|statements| vec![parse(&policy(statements), Kind::ServiceControl)])
                .into_iter()
                .collect();
            scene.rcps = rcp
                .map(|statements| vec![parse(&policy(statements), Kind::ResourceControl)])
                .into_iter()
                .collect();
            match owner {
                Some(owner) => scene.of_account(owner),
                None => scene,
            }
        })
}

/// The statements of the scene's first identity policy.
fn identity_statements(scene: &Scene) -> Vec<Json> {
    let document: Json = serde_json::from_str(scene.identity[0].text()).unwrap();
    document["Statement"].as_array().unwrap().clone()
}

fn with_identity(mut scene: Scene, statements: Vec<Json>) -> Scene {
    scene.identity = vec![parse(&policy(Json::Array(statements)), Kind::Identity)];
    scene
}

/// An ARN pattern in small letters, whose stars may run over colons.
fn small_arn_pattern() -> impl Strategy<Value = String> {
    r"arn(:(\*|\*|[ab]{0,2}|\?|[ab]\*|\*[ab])){1,4}:(\*|[ab:]{1,3}|[ab]\*)"
}

/// Whether a policy that names this pattern is about the resource.
fn lists(pattern: &str, resource: &str) -> bool {
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": pattern});
    let scene = Scene::new(user()).resource_policy(statement);
    scene.asks("acme:DoIt", resource).allowed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn r46_no_small_letter_stands_for_a_capital_of_the_resource_part(
        pattern in small_arn_pattern(), fields in "([ab]{0,2}:){3}[ab]{0,2}", part in "[abA:]{0,2}A[abA:]{0,2}",
    ) {
        let capital = format!("arn:{fields}:{part}");
        let other_capital = format!("arn:{fields}:{}", part.replace('A', "Z"));
        prop_assert_eq!(lists(&pattern, &capital), lists(&pattern, &other_capital));
    }

    #[test]
    fn r46_the_other_fields_of_a_resource_have_no_case(
        pattern in small_arn_pattern(), fields in "([ab]{0,2}:){3}[ab]{0,2}", part in "[ab:]{1,4}",
    ) {
        let small = format!("arn:{fields}:{part}");
        let capitals = format!("arn:{}:{part}", fields.to_uppercase());
        prop_assert_eq!(lists(&pattern, &small), lists(&pattern, &capitals));
    }
}

proptest! {
    /// `Scene::decide` compares decide with explain.
    #[test]
    fn decide_and_explain_agree(scene in full_scene()) {
        scene.decide();
    }

    #[test]
    fn r115_a_further_deny_never_helps(scene in full_scene(), more in statements(false)) {
        let before = scene.allowed();
        let denies = more.as_array().unwrap().iter().cloned().map(|mut statement| {
            statement["Effect"] = json!("Deny");
            statement
        });
        let after = scene.identity(Json::Array(denies.collect()));
        prop_assert!(before || !after.allowed());
    }

    #[test]
    fn a_further_allow_never_hurts(scene in full_scene(), more in statements(false)) {
        let before = scene.allowed();
        let allows = more.as_array().unwrap().iter().cloned().map(|mut statement| {
            statement["Effect"] = json!("Allow");
            statement
        });
        prop_assert!(!before || scene.identity(Json::Array(allows.collect())).allowed());
    }

    #[test]
    fn r115_a_deny_that_applies_wins(scene in full_scene()) {
        let denied = scene.identity(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
        prop_assert_eq!(denied.decide().0, Outcome::ExplicitDeny);
    }

    #[test]
    fn r122_without_policies_nobody_may(action in pick(ACTIONS), resource in pick(RESOURCES)) {
        prop_assert_eq!(Scene::new(user()).asks(&action, &resource).decide().0, Outcome::ImplicitDeny);
    }

    #[test]
    fn r103_order_of_statements_is_irrelevant(scene in scene()) {
        let before = scene.decide();
        let mut statements = identity_statements(&scene);
        statements.reverse();
        prop_assert_eq!(with_identity(scene, statements).decide(), before);
    }

    #[test]
    fn r15_order_of_values_is_irrelevant(scene in scene()) {
        let before = scene.decide();
        let mut statements = identity_statements(&scene);
        for statement in &mut statements {
            for element in ["Action", "NotAction", "Resource", "NotResource"] {
                if let Some(Json::Array(values)) = statement.get_mut(element) {
                    values.reverse();
                }
            }
        }
        prop_assert_eq!(with_identity(scene, statements).decide(), before);
    }

    #[test]
    fn splitting_an_action_list_changes_nothing(scene in scene()) {
        let before = scene.decide();
        let split = identity_statements(&scene).into_iter().flat_map(|statement| match statement.get("Action") {
            Some(Json::Array(actions)) => actions
                .iter()
                .map(|action| {
                    let mut one = statement.clone();
                    one["Action"] = action.clone();
                    one
                })
                .collect(),
            _ => vec![statement],
        });
        let split: Vec<Json> = split.collect();
        prop_assert_eq!(with_identity(scene, split).decide(), before);
    }

    #[test]
    fn r37_not_action_is_the_dual_of_action(actions in actions(), action in pick(ACTIONS)) {
        let allows = |element: &str| {
            let statement = json!({"Effect": "Allow", element: actions, "Resource": "*"});
            Scene::new(user()).identity(statement).asks(&action, "*").allowed()
        };
        prop_assert_ne!(allows("Action"), allows("NotAction"));
    }

    #[test]
    fn r120_r121_boundary_and_session_only_shrink(scene in scene(), limits in statements(false)) {
        let before = scene.allowed();
        let bounded = scene.boundary(limits.clone());
        let within_boundary = bounded.allowed();
        prop_assert!(before || !within_boundary);
        prop_assert!(within_boundary || !bounded.session(limits).allowed());
    }

    #[test]
    fn r75_case_of_condition_keys_is_irrelevant(scene in scene()) {
        let before = scene.decide();
        let upper: Context = scene.context.iter().map(|(key, value)| (key.to_uppercase(), value.clone())).collect();
        prop_assert_eq!(Scene { context: upper, ..scene }.decide(), before);
    }

    #[test]
    fn r94_if_exists_is_missing_or_the_operator(context in context(), value in pick(["a", "10", "a*"])) {
        let holds = |condition: Json| {
            let scene = Scene::new(user()).identity(
                json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}),
            );
            Scene { context: context.clone(), ..scene }.allowed()
        };
        for operator in ["StringEquals", "StringNotLike", "NumericLessThan", "NotIpAddress"] {
            let either = holds(json!({"Null": {"k1": "true"}})) || holds(json!({operator: {"k1": value}}));
            let if_exists = format!("{operator}IfExists");
            prop_assert_eq!(holds(json!({if_exists: {"k1": value}})), either, "{}", operator);
        }
    }

    #[test]
    fn no_text_makes_parse_panic(text in "[ -~\\n]{0,60}") {
        let _any_answer = portcullis_policy::Document::parse(&text, Kind::Identity);
    }

    #[test]
    fn no_damage_to_a_document_makes_parse_panic(scene in full_scene(), at in any::<prop::sample::Index>(), with in "[ -~]{0,2}") {
        let text = scene.identity[0].text();
        let at = at.index(text.len());
        let mut damaged = text.to_owned();
        damaged.replace_range(at..=at, &with);
        let _any_answer = portcullis_policy::Document::parse(&damaged, Kind::Identity);
    }
}

/// Keys that meet, some in another spelling.
fn some_keys() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[abAB]{1,2}", "[xy]{0,2}"), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn keys_on_top_of_others_are_seen_while_they_are_there(below in some_keys(), above in some_keys()) {
        let before: Context = below.iter().cloned().collect();
        let over: Context = above.iter().cloned().collect();
        let together: Context = before.iter().chain(over.iter()).map(|(key, value)| (key, value.clone())).collect();
        let mut context = before.clone();
        let seen = context.with_over(&over, Context::clone);
        prop_assert_eq!(&seen, &together);
        prop_assert_eq!(&context, &before);
        for (key, _) in below.iter().chain(&above) {
            prop_assert_eq!(seen.get(key), together.get(key));
            prop_assert_eq!(context.get(key), before.get(key));
        }
        prop_assert_eq!(context.with_over(&over, Context::clone), together);
    }
}
