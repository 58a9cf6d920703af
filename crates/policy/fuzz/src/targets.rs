//! The bodies of the fuzz targets. None may panic; what the engine decides must be what the naive evaluator decides.

use portcullis_policy::{Context, Document, Kind, Principal, elements, json};
use serde_json::{Value as Json, json};

use crate::differential::{ask::Asked, check};
use crate::generate::{Dice, world as generated_world};
use crate::naive::{Policies, Question};

/// What is run on an input.
pub type Target = fn(&[u8]);

/// Every target by the name of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 8] = [
    ("json", json),
    ("document", document),
    ("arn", arn),
    ("condition", condition),
    ("date", date),
    ("address", address),
    ("variable", variable),
    ("world", world),
];

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

/// Longer texts are asked of the engine only: the naive evaluator recurses once a character.
const LONG: usize = 4_096;

/// The reader of JSON: what it takes is JSON to others too, and every span lies in the text.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(node) = json::parse(text) {
        assert!(node.span.of(text).is_some(), "a span outside its text");
        let others = serde_json::from_str::<&serde_json::value::RawValue>(text);
        assert!(others.is_ok(), "no JSON to others: {others:?}");
    }
}

/// Whole documents, of every kind; those that are taken are asked about.
pub fn document(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for kind in KINDS {
        let Ok(document) = Document::parse(&text, kind) else {
            continue;
        };
        assert_eq!(document.text(), text, "the text is kept (R28)");
        for statement in document.statements() {
            let span = statement.span.of(&text).expect("a span in the text");
            assert!(span.starts_with('{') && span.ends_with('}'), "{span}");
        }
        let _looked_at = (
            document.context_keys(),
            document.principals(),
            document.position(text.len()),
        );
        if let Ok(policy) = serde_json::from_str(&text) {
            ask(
                &of_kind(kind, policy),
                &question("ecs:RunTask", TASK, &[("aws:username", "richard")]),
                text.len(),
            );
        }
    }
}

/// Two lines: a resource pattern, and a resource. Both also as values of ArnLike.
pub fn arn(data: &[u8]) {
    let (pattern, asked) = two_lines(data);
    let _either = asked.parse::<portcullis_core::Arn>();
    let context = [("aws:SourceArn", asked.as_str()), ("aws:username", "richard")];
    let question = question("ecs:RunTask", &asked, &context);
    let length = pattern.len() + asked.len();
    for kind in [Kind::Identity, Kind::Resource] {
        let mut statement = json!({"Effect": "Allow", "Action": "*", "Resource": pattern});
        ask(&of_kind(kind, policy(kind, statement.clone())), &question, length);
        statement["Resource"] = "*".into();
        statement["Condition"] = json!({"ArnLike": {"aws:SourceArn": pattern}});
        ask(&of_kind(kind, policy(kind, statement)), &question, length);
    }
}

/// Two bytes for the operator, then two lines: the value a policy wants, and the value of the request.
pub fn condition(data: &[u8]) {
    let (head, rest) = data.split_at(data.len().min(2));
    let operators: Vec<&str> = elements::operator_names().collect();
    let operator = operators[head
        .first()
        .map_or(0, |byte| usize::from(*byte) % operators.len())];
    let form = head.get(1).copied().unwrap_or_default();
    let prefix = ["", "ForAllValues:", "ForAnyValue:"][usize::from(form) % 3];
    let suffix = if form >= 128 && operator != "Null" {
        "IfExists"
    } else {
        ""
    };
    compare(&format!("{prefix}{operator}{suffix}"), rest);
}

/// Two lines, compared as dates.
pub fn date(data: &[u8]) {
    for operator in [
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateGreaterThanEquals",
    ] {
        compare(operator, data);
    }
}

/// Two lines, compared as addresses.
pub fn address(data: &[u8]) {
    for operator in ["IpAddress", "NotIpAddress"] {
        compare(operator, data);
    }
}

/// Two lines: a text with variables, as resource and as value, and the value of its variables.
pub fn variable(data: &[u8]) {
    let (template, value) = two_lines(data);
    let context = [
        ("aws:username", value.as_str()),
        ("k", "richard"),
        ("aws:PrincipalTag/a", "*"),
    ];
    let resource = format!("arn:aws:s3:::bucket/{value}");
    let question = question("s3:GetObject", &resource, &context);
    for element in ["Resource", "NotResource"] {
        let mut statement = json!({"Effect": "Deny", "Action": "*"});
        statement[element] = format!("arn:aws:s3:::bucket/{template}").into();
        ask(
            &of_kind(Kind::Session, policy(Kind::Session, statement)),
            &question,
            data.len(),
        );
    }
    for operator in ["StringEquals", "StringNotLike", "ArnLike", "Bool"] {
        let statement = json!({"Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {operator: {"aws:username": template}}});
        ask(
            &of_kind(Kind::Session, policy(Kind::Session, statement)),
            &question,
            data.len(),
        );
    }
}

/// Bytes as the dice of a generated world.
pub fn world(data: &[u8]) {
    let world = generated_world(&mut Dice::bytes(data));
    if let Err(difference) = check(&world) {
        panic!("{difference}");
    }
}

const TASK: &str = "arn:aws:ecs:us-east-1:111122223333:task/default/1";

fn two_lines(data: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(data);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    (first.to_owned(), second.to_owned())
}

/// Two lines under an operator, as one value and as one of several.
fn compare(operator: &str, data: &[u8]) {
    let (wanted, asked) = two_lines(data);
    let question = question("ecs:RunTask", TASK, &[("k", &asked), ("aws:username", "richard")]);
    for wanted in [json!(wanted), json!(["10", wanted])] {
        let statement =
            json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {operator: {"K": wanted}}});
        ask(
            &of_kind(Kind::Session, policy(Kind::Session, statement)),
            &question,
            data.len(),
        );
    }
}

fn policy(kind: Kind, mut statement: Json) -> Json {
    if kind == Kind::Resource {
        statement["Principal"] = "*".into();
    }
    json!({"Version": "2012-10-17", "Statement": statement})
}

/// The policy where policies of its kind stand.
fn of_kind(kind: Kind, policy: Json) -> Policies<Json> {
    let mut policies = Policies::none();
    match kind {
        Kind::Identity => policies.identity = vec![policy],
        Kind::Boundary => policies.boundary = Some(policy),
        Kind::Session => policies.session = Some(vec![policy]),
        Kind::Trust | Kind::Resource => policies.resource = Some(policy),
        Kind::ServiceControl => policies.scps = vec![vec![policy]],
        Kind::ResourceControl => policies.rcps = vec![vec![policy]],
        Kind::Endpoint => policies.endpoint = Some(policy),
    }
    policies.resource_is_trust = kind == Kind::Trust;
    policies
}

pub fn question(action: &str, resource: &str, context: &[(&str, &str)]) -> Question {
    Question {
        principal: Principal::User {
            arn: "arn:aws:iam::111122223333:user/richard".parse().expect("an ARN"),
            id: "AIDARICHARD0000000001".to_owned(),
            account: "111122223333".parse().expect("an account"),
        },
        action: action.to_owned(),
        resource: resource.to_owned(),
        owner: None,
        context: context.iter().copied().collect::<Context>(),
    }
}

/// Asks the engine, and of texts that are not long the naive evaluator too.
fn ask(policies: &Policies<Json>, question: &Question, length: usize) {
    let Some(asked) = Asked::read(policies) else {
        return;
    };
    let answers = asked.engine(question);
    let expected = if length <= LONG {
        asked.naively(question)
    } else {
        answers[0].1
    };
    for (door, answer) in answers {
        assert_eq!(answer, expected, "{door} differs on {question:?}\n{policies:?}");
    }
}
