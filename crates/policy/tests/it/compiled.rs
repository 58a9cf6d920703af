//! Compiled programs say what the documents say.

use portcullis_policy::{
    Context, Document, Kind, Outcome, PolicySets, PolicyType, Prepared, Program, Programs, Request, Source,
    Value, authorize, decide, elements,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::scene::{Scene, parse, policy, role_session, source, user};

/// The decision of the compiled form of these sets.
pub fn verdict(request: &Request<'_>, sets: &PolicySets<'_>) -> (Outcome, Option<PolicyType>) {
    let compile = |sources: &[Source<'_>]| Program::compile(sources.iter().map(|source| source.document));
    let one = |source: Option<Source<'_>>| source.map(|source| compile(&[source]));
    let levels = |levels: &[&[Source<'_>]]| levels.iter().map(|level| compile(level)).collect::<Vec<_>>();
    let (identity, boundary) = (compile(sets.identity), one(sets.boundary));
    let session = sets
        .session
        .map(|parts| levels(&parts.chunks(1).collect::<Vec<_>>()));
    let session: Option<Vec<&Program>> = session.as_ref().map(|parts| parts.iter().collect());
    let (resource, endpoint) = (one(sets.resource), one(sets.endpoint));
    let (scps, rcps) = (levels(sets.scps), levels(sets.rcps));
    let programs = Programs {
        identity: Some(&identity),
        boundary: boundary.as_ref(),
        session: session.as_deref(),
        resource: resource.as_ref(),
        scps: &scps.iter().collect::<Vec<_>>(),
        rcps: &rcps.iter().collect::<Vec<_>>(),
        endpoint: endpoint.as_ref(),
    };
    let verdict = authorize(&Prepared::new(request), &programs);
    (verdict.outcome, verdict.by)
}

fn pick<const N: usize>(values: [&'static str; N]) -> impl Strategy<Value = String> {
    prop::sample::select(values.to_vec()).prop_map(str::to_owned)
}

/// Patterns of every kind, near to what is asked and to each other.
fn resource_pattern() -> impl Strategy<Value = String> {
    let field = |values: [&'static str; 6]| pick(values);
    let arn = (
        field(["aws", "AWS", "*", "a*s", "aw?", ""]),
        field(["ecs", "ECS", "*", "e*", "s3", "??s"]),
        field(["us-east-1", "us-*", "*", "US-East-1", "", "us-east-?"]),
        field(["111122223333", "*", "1111*", "", "111122223333", "*3333"]),
        prop_oneof![
            pick([
                "task/default/1",
                "task/default/*",
                "task/*/1",
                "*",
                "task/de?ault/1",
                "Task/default/1"
            ]),
            pick([
                "task-definition/web:7",
                "task-definition/web:*",
                "task-definition/web",
                "*:7",
                "*:*",
                "a:b:*"
            ]),
            pick([
                "task/${k1}/*",
                "${k2}",
                "task/${k1, 'default'}/1",
                "${*}",
                "task/${K1}/${k3}",
                "${aws:username}*"
            ]),
        ],
    );
    prop_oneof![
        6 => arn.prop_map(|(p, s, r, a, x)| format!("arn:{p}:{s}:{r}:{a}:{x}")),
        2 => pick(["*", "**", "arn:*", "arn:aws:ecs:*", "arn:aws:ecs:*:*", "arn:aws:ecs:*:*:*", "arn:aws:ecs"]),
        1 => pick(["arn:aws:*:task/default/1", "arn:aws:ecs:*:task/*", "arn:aws:ecs:us*:*", "ARN:aws:ecs:*:*:*", "arn:aws:ecs:*:*:*:*"]),
        1 => pick(["arn:aws:ecs:**:*", "arn:aws:ecs:us-east-1:111122223333:*", "arn:aws:ecs:us-east-1:111122223333:task*", "arn:aws:s3:::b/*x*", "arn:aws:s3:::b/*/é"]),
    ]
}

fn resource() -> impl Strategy<Value = String> {
    pick([
        "arn:aws:ecs:us-east-1:111122223333:task/default/1",
        "arn:aws:ecs:us-east-1:111122223333:Task/default/1",
        "arn:AWS:ecs:us-east-1:111122223333:task/default/1",
        "arn:aws:ecs:us-east-1:111122223333:task-definition/web:7",
        "arn:aws:ecs:us-east-1:111122223333:a:b:task/default/1",
        "arn:aws:s3:::b/x/é",
        "arn:aws:ecs:us-east-1",
        "task/default/1",
        "*",
        "",
    ])
}

fn action_pattern() -> impl Strategy<Value = String> {
    pick([
        "*",
        "*:*",
        "ecs:*",
        "ecs:RunTask",
        "ECS:runtask",
        "ecs:Run*",
        "ecs:*Task",
        "ecs:R?nTask",
        "*:RunTask",
        "*:Describe*",
        "ecs:Describe*",
        "ecs:NoSuchAction",
        "ecs:NoSuch*",
        "nosuch:*",
        "nosuch:Thing",
        "s3:Get*",
        "ecs: RunTask",
        "ecs:",
        "ecs:**",
        "iam:PassRole",
        "ec2:*e*",
    ])
}

fn action() -> impl Strategy<Value = String> {
    pick([
        "ecs:RunTask",
        "ecs:runtask",
        "ecs:DescribeTasks",
        "ecs:StopTask",
        "ecs:NoSuchAction",
        "nosuch:Thing",
        "s3:GetObject",
        "iam:PassRole",
        "ec2:RunInstances",
        "ecs:RunTas\u{212a}",
        "RunTask",
        "ecs:",
    ])
}

fn condition_value() -> impl Strategy<Value = String> {
    prop_oneof![
        pick(["a", "A", "a*", "a?", "", "true", "True", "10", "10.0", "x"]),
        pick([
            "${k1}",
            "${k2}*",
            "${k3, 'a'}",
            "${*}",
            "arn:aws:s3:::${k1}",
            "a${k1}",
            "${TRUE"
        ]),
        pick([
            "arn:aws:s3:::b",
            "arn:aws:s3:::*",
            "arn:aws:s3:::b:c",
            "xrn:aws:s3:::b",
            "arn:aws",
            "arn:*:s3:::?"
        ]),
        pick([
            "2026-01-01",
            "1767225600",
            "10.0.0.0/8",
            "10.1.2.3",
            "::/0",
            "YQ==",
            "YR==",
            "-1"
        ]),
    ]
}

fn operator() -> impl Strategy<Value = String> {
    let names = elements::operator_names().filter(|name| *name != "Null");
    let base = prop::sample::select(names.collect::<Vec<_>>()).prop_map(str::to_owned);
    let usual = pick([
        "StringEquals",
        "StringNotEquals",
        "ArnEquals",
        "ArnNotLike",
        "StringLike",
        "Bool",
    ]);
    let set = pick(["", "", "", "ForAllValues:", "ForAnyValue:"]);
    let parts = (set, prop_oneof![base, usual], any::<bool>());
    prop_oneof![
        6 => parts.prop_map(|(set, base, if_exists)| format!("{set}{base}{}", if if_exists { "IfExists" } else { "" })),
        1 => pick(["Null", "ForAnyValue:Null"]),
    ]
}

fn key() -> impl Strategy<Value = String> {
    pick([
        "k1",
        "K1",
        "k2",
        "k3",
        "aws:username",
        "ecs:cluster",
        "aws:TagKeys",
        "ecs:ResourceTag/a",
        "s3:prefix",
    ])
}

fn conditions() -> impl Strategy<Value = Json> {
    let one = (operator(), key(), prop::collection::vec(condition_value(), 0..4));
    prop::collection::vec(one, 0..4).prop_map(|all| {
        let mut conditions = json!({});
        for (operator, key, values) in all {
            conditions[operator] = json!({key: values});
        }
        conditions
    })
}

prop_compose! {
    fn statement()(
        denies in prop::bool::weighted(0.2),
        not_action in prop::bool::weighted(0.15),
        not_resource in prop::bool::weighted(0.2),
        actions in prop::collection::vec(action_pattern(), 1..5),
        resources in prop::collection::vec(resource_pattern(), 1..5),
        conditions in conditions(),
    ) -> Json {
        json!({
            "Effect": if denies { "Deny" } else { "Allow" },
            (if not_action { "NotAction" } else { "Action" }): actions,
            (if not_resource { "NotResource" } else { "Resource" }): resources,
            "Condition": conditions,
        })
    }
}

fn value() -> impl Strategy<Value = Value> {
    let single = prop_oneof![
        condition_value(),
        pick(["default", "*", "b", "false", "10.1.2.3", "c:d"])
    ];
    prop_oneof![
        5 => single.prop_map(Value::One),
        1 => prop::collection::vec(pick(["a", "b", "10", "true"]), 0..3).prop_map(Value::Many),
    ]
}

fn context() -> impl Strategy<Value = Context> {
    prop::collection::vec((key(), value()), 0..7).prop_map(|pairs| pairs.into_iter().collect())
}

/// A decision by identity policies alone, with so many statements.
fn scene(statements: std::ops::Range<usize>) -> impl Strategy<Value = Scene> {
    let is_legal =
        |statement: &Json| Document::parse(&policy(statement.clone()).to_string(), Kind::Session).is_ok();
    let statements = prop::collection::vec(statement(), statements).prop_map(move |mut all| {
        all.retain(is_legal);
        all.push(json!({"Effect": "Allow", "Action": "ecs:ListTasks", "Resource": "*"}));
        all
    });
    (any::<bool>(), action(), resource(), context(), statements).prop_map(
        |(as_user, action, resource, context, statements)| {
            let caller = if as_user { user() } else { role_session() };
            let kind = if as_user {
                Kind::Session
            } else {
                Kind::ServiceControl
            };
            let scene = Scene::new(caller).asks(&action, &resource);
            // Session policies are not checked as identity policies are: any pattern is read.
            let identity = vec![parse(&policy(Json::Array(statements)), kind)];
            Scene {
                context,
                identity,
                ..scene
            }
        },
    )
}

fn agree(scene: &Scene) -> Result<(), TestCaseError> {
    scene.run(|request, sets| {
        let decision = decide(request, sets);
        prop_assert_eq!(verdict(request, sets), (decision.outcome, decision.by));
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_program_says_what_its_documents_say(scene in scene(1..6)) {
        agree(&scene)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn many_statements_are_decided_as_few_are(scene in scene(60..140)) {
        agree(&scene)?;
    }
}

fn statements(count: usize, statement: impl Fn(usize) -> Json) -> Document {
    let all: Vec<Json> = (0..count).map(statement).collect();
    parse(&policy(Json::Array(all)), Kind::Identity)
}

#[test]
fn ten_thousand_statements_are_decided_one_by_one() {
    let document = statements(10_000, |n| {
        json!({"Effect": "Allow", "Action": ["ecs:StopTask", "ecs:RunTask"],
            "Resource": format!("arn:aws:ecs:*:*:task/c{n}/*"),
            "Condition": {"StringEquals": {"aws:PrincipalTag/team": format!("t{n}")}}})
    });
    let program = Program::compile([&document]);
    assert_eq!(program.statements(), 10_000);
    let principal = user();
    for (cluster, team, expected) in [
        (0, 0, Outcome::Allow),
        (1_024, 1_024, Outcome::Allow),
        (9_999, 9_999, Outcome::Allow),
        (9_999, 9_998, Outcome::ImplicitDeny),
        (10_000, 10_000, Outcome::ImplicitDeny),
    ] {
        let mut context = Context::new();
        context.insert("aws:PrincipalTag/Team", format!("t{team}"));
        let request = Request {
            principal: &principal,
            action: "ecs:RunTask",
            resource: &format!("arn:aws:ecs:us-east-1:111122223333:task/c{cluster}/1"),
            resource_account: None,
            context: &context,
        };
        let programs = Programs {
            identity: Some(&program),
            ..Programs::default()
        };
        let verdict = authorize(&Prepared::new(&request), &programs);
        assert_eq!(verdict.outcome, expected, "{cluster} {team}");
        let sources = [source("many", &document)];
        let sets = PolicySets {
            identity: &sources,
            ..PolicySets::default()
        };
        assert_eq!(decide(&request, &sets).outcome, expected);
    }
}

/// Sixty-four keys have a table, sixty-three lengths of beginnings a bit: what goes beyond is decided as well.
#[test]
fn more_keys_and_lengths_than_there_are_bits_for() {
    let resource = |length: usize| format!("arn:aws:ecs:us-east-1:111122223333:task/{}", "x".repeat(length));
    let document = statements(150, |n| {
        json!({"Effect": "Allow", "Action": "ecs:StopTask", "Resource": format!("{}*", resource(n)),
            "Condition": {"StringEquals": {format!("aws:PrincipalTag/t{n}"): "yes"}}})
    });
    let program = Program::compile([&document]);
    let programs = Programs {
        identity: Some(&program),
        ..Programs::default()
    };
    let principal = user();
    for (length, tag) in [
        (0, 0),
        (62, 62),
        (63, 63),
        (64, 64),
        (149, 149),
        (70, 71),
        (149, 0),
        (64, 63),
    ] {
        let mut context = Context::new();
        context.insert(format!("aws:PrincipalTag/T{tag}"), "yes");
        let request = Request {
            principal: &principal,
            action: "ecs:StopTask",
            resource: &resource(length),
            resource_account: None,
            context: &context,
        };
        // A beginning also matches what is longer than it.
        let is_allowed = authorize(&Prepared::new(&request), &programs).is_allowed();
        assert_eq!(is_allowed, tag <= length, "{length} {tag}");
    }
}
