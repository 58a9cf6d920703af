//! A prepared request is decided without allocating, whatever the answer. In a program of its own, because it counts
//! what this program's allocator is asked for.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use portcullis_core::Arn;
use portcullis_policy::{
    Context, Document, Kind, Outcome, Prepared, Principal, Program, Programs, Request, Value, authorize,
};
use serde_json::{Value as Json, json};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts for each thread.
struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one hands everything on as it is"
)]
// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as for this function.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Prepares and decides; neither may allocate.
fn decide(request: &Request<'_>, programs: &Programs<'_>) -> Outcome {
    let before = ALLOCATIONS.get();
    let verdict = authorize(&Prepared::new(request), programs);
    let allocated = ALLOCATIONS.get() - before;
    assert_eq!(
        allocated, 0,
        "{} on {}: {verdict:?}",
        request.action, request.resource
    );
    verdict.outcome
}

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compile(text: &str, kind: Kind) -> Program {
    Program::compile([&Document::parse(text, kind).unwrap()])
}

fn policy(statements: Json) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn principal(name: &str) -> Principal {
    let Ok(arn) = name.parse::<Arn>() else {
        return Principal::Service(name.to_owned());
    };
    let account: portcullis_core::AccountId = arn.account().parse().unwrap();
    let id = "AIDAEXAMPLE0000000001".to_owned();
    match arn.resource_parts().unwrap() {
        ("assumed-role", rest) => Principal::RoleSession {
            role_arn: format!("arn:aws:iam::{account}:role/{}", rest.split_once('/').unwrap().0)
                .parse()
                .unwrap(),
            session_arn: arn,
            role_id: id,
            account,
        },
        _ => Principal::User { arn, id, account },
    }
}

#[test]
fn the_cases_of_the_mission_are_decided_without_allocating() {
    let everything = compile(
        &policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})),
        Kind::Identity,
    );
    let cases: Vec<Json> = serde_json::from_str(&data("cases.json")).unwrap();
    let mut outcomes = Vec::new();
    for case in &cases {
        let text = |member: &str| case[member].as_str().unwrap();
        let is_trust = text("policy").starts_with("19-");
        let own = compile(
            &data(text("policy")),
            if is_trust { Kind::Trust } else { Kind::Identity },
        );
        let programs = Programs {
            identity: Some(if is_trust { &everything } else { &own }),
            resource: is_trust.then_some(&own),
            ..Programs::default()
        };
        let keys = case["context"].as_object().unwrap();
        let context: Context = keys
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
            .collect();
        let principal = principal(text("principal"));
        let request = Request {
            principal: &principal,
            action: text("action"),
            resource: text("resource"),
            resource_account: None,
            context: &context,
        };
        let outcome = decide(&request, &programs);
        assert_eq!(format!("{outcome:?}"), text("expect"), "{}", text("id"));
        outcomes.push(outcome);
    }
    for outcome in [Outcome::Allow, Outcome::ImplicitDeny] {
        assert!(outcomes.contains(&outcome), "no case is a {outcome:?}");
    }
}

/// The work of the bench, as long as its longest.
fn workload() -> Program {
    let parts: Json = serde_json::from_str(&data("workload/templates.json")).unwrap();
    let actions: Json = serde_json::from_str(&data("05-AmazonECS_FullAccess.json")).unwrap();
    let actions = actions["Statement"][0]["Action"]
        .to_string()
        .replace("\"ecs:*\",", "");
    let templates = parts["templates"].as_array().unwrap().iter().cycle();
    let numbered = templates.take(998).enumerate().map(|(n, template)| {
        let text = template.to_string().replace("\"{108 actions}\"", &actions);
        serde_json::from_str(&text.replace("{n}", &n.to_string())).unwrap()
    });
    let mut statements: Vec<Json> = numbered.collect();
    statements.extend([parts["deny"].clone(), parts["allow"].clone()]);
    compile(&policy(Json::Array(statements)), Kind::Identity)
}

const HERE: &str = "arn:aws:ecs:us-east-1:111122223333";

#[test]
fn a_thousand_statements_with_boundary_and_session_are_decided_without_allocating() {
    let program = workload();
    let programs = Programs {
        identity: Some(&program),
        boundary: Some(&program),
        session: Some(&[&program]),
        ..Programs::default()
    };
    let principal = principal("arn:aws:iam::111122223333:user/richard-roe");
    let mut context = Context::new();
    context.insert("ecs:cluster", format!("{HERE}:cluster/default"));
    context.insert("ecs:ResourceTag/Department", "Engineering");
    context.insert("ecs:ResourceTag/Owner", "richard-roe");
    context.insert("aws:MultiFactorAuthPresent", true);
    context.insert("aws:username", "richard-roe");
    context.insert("iam:PassedToService", "ecs-tasks.amazonaws.com");
    for (action, resource, expected) in [
        ("ecs:RunTask", "task-definition/target:7", Outcome::Allow),
        ("ecs:RunTask", "task-definition/other:1", Outcome::ImplicitDeny),
        ("ecs:DeleteCluster", "cluster/prod", Outcome::ExplicitDeny),
        ("ecs:DescribeServices", "service/cluster-8/web", Outcome::Allow),
        ("ecs:NoSuchAction", "cluster/prod", Outcome::ImplicitDeny),
        ("ecs:RunTas\u{212a}", "task-definition/target:7", Outcome::Allow),
    ] {
        let request = Request {
            principal: &principal,
            action,
            resource: &format!("{HERE}:{resource}"),
            resource_account: None,
            context: &context,
        };
        assert_eq!(decide(&request, &programs), expected, "{action} on {resource}");
    }
}

/// Every operator, with and without variables and set operators, and patterns that no table takes.
#[test]
fn the_slow_forms_are_decided_without_allocating() {
    let values = json!([
        "${aws:username}",
        "a*?",
        "10",
        "2026-01-01T00:00:00Z",
        "true",
        "10.0.0.0/8",
        "YQ==",
        "arn:aws:s3:::${aws:username}/*",
        "${aws:absent, 'x'}",
        "é"
    ]);
    let bases = [
        "StringEquals",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericLessThan",
        "NumericNotEquals",
        "DateGreaterThan",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnLike",
        "ArnNotEquals",
        "Null",
    ];
    let mut compiled = Vec::new();
    for base in bases {
        // IAM refuses other texts where it wants a date.
        let values = if base.starts_with("Date") {
            json!(["2026-01-01T00:00:00Z", "1767225600"])
        } else {
            values.clone()
        };
        for set in ["", "ForAllValues:", "ForAnyValue:"] {
            let conditions = json!({format!("{set}{base}"): {"aws:one": values, "aws:many": values}});
            let deny =
                json!({"Effect": "Deny", "Action": "ecs:?unTask", "Resource": "*", "Condition": conditions});
            let allow = json!({
                "Effect": "Allow", "NotAction": ["*:Describe*", "ecs:*Clusters"], "Condition": conditions,
                "Resource": ["arn:aws:ecs:*:*:task/${aws:username}/*", "arn:aws:ecs:us-?ast*:*:ta?k/*", "arn:*:ta*k*"],
            });
            compiled.extend([deny, allow].map(|statement| compile(&policy(statement), Kind::Session)));
        }
    }
    let principal = principal("arn:aws:iam::111122223333:user/richard-roe");
    let mut outcomes = Vec::new();
    for one in [
        "richard",
        "abc",
        "9.5",
        "2026-02-02",
        "TRUE",
        "10.1.2.3",
        "YQ==",
        "arn:aws:s3:::richard/x",
        "É",
    ] {
        let mut context = Context::new();
        context.insert("aws:username", "richard");
        context.insert("aws:one", one);
        context.insert("aws:many", Value::Many(vec![one.to_owned(), "abc".to_owned()]));
        for resource in [
            format!("{HERE}:task/richard/1"),
            format!("{HERE}:Task/x"),
            "ARN:é".to_owned(),
            "*".to_owned(),
        ] {
            for action in ["ecs:RunTask", "ecs:DescribeTasks", "nosuch:Thing", "x"] {
                let request = Request {
                    principal: &principal,
                    action,
                    resource: &resource,
                    resource_account: None,
                    context: &context,
                };
                outcomes.extend(compiled.iter().map(|program| {
                    let identity = Some(program);
                    decide(
                        &request,
                        &Programs {
                            identity,
                            ..Programs::default()
                        },
                    )
                }));
            }
        }
    }
    for outcome in [Outcome::Allow, Outcome::ImplicitDeny, Outcome::ExplicitDeny] {
        assert!(outcomes.contains(&outcome), "nothing is a {outcome:?}");
    }
}
