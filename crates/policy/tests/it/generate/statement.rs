//! Statements about a question.

use portcullis_policy::{Kind, Principal};
use serde_json::{Map, Value as Json, json};

use super::catalog::{self, PRINCIPALS};
use super::condition;
use super::dice::Dice;
use super::text;
use crate::naive::Question;

/// Whether a policy of this kind names principals.
pub fn names_principals(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Trust | Kind::Resource | Kind::ResourceControl | Kind::Endpoint
    )
}

pub fn statement(dice: &mut Dice, kind: Kind, question: &Question) -> Json {
    let mut statement = Map::new();
    let denies = dice.chance(14);
    statement.insert("Effect".to_owned(), if denies { "Deny" } else { "Allow" }.into());
    if names_principals(kind) {
        let negated = kind != Kind::Trust && dice.chance(8);
        statement.insert(name("Principal", negated), principal(dice, kind, question));
    }
    let negated = kind != Kind::Trust && dice.chance(10);
    let actions = if negated {
        other_actions(dice)
    } else {
        actions(dice, kind, question, denies)
    };
    statement.insert(name("Action", negated), actions);
    if kind != Kind::Trust && !(kind == Kind::Resource && dice.chance(10)) {
        let negated = dice.chance(12);
        let aim = if negated { 25 } else { 80 };
        statement.insert(name("Resource", negated), resources(dice, question, aim, denies));
    }
    if dice.chance(if denies { 80 } else { 45 }) {
        statement.insert("Condition".to_owned(), condition::conditions(dice, question));
    }
    Json::Object(statement)
}

/// A statement that misses the target by its action, its resource or its condition; the number makes it unlike others.
pub fn beside(dice: &mut Dice, target: &Question, number: usize) -> Json {
    let (action, resources) = catalog::asked(dice);
    let resource = dice.pick(resources);
    let effect = dice.pick(&["Allow", "Deny"]);
    let nobody = format!("nobody-{number}");
    match dice.below(4) {
        0 => json!({"Effect": effect, "Action": format!("{action}{number}"), "Resource": "*"}),
        1 => json!({"Effect": effect, "Action": action, "Resource": format!("arn:aws:acme:::{number}/*")}),
        2 => json!({"Effect": effect, "Action": target.action, "Resource": resource,
            "Condition": {"StringEquals": {"aws:username": nobody}}}),
        _ => json!({"Effect": effect, "Action": "*", "Resource": ["*", resource],
            "Condition": {"ForAnyValue:StringLike": {"aws:TagKeys": format!("{nobody}*")}}}),
    }
}

/// A statement that grants all there is to everyone.
pub fn allow_all(kind: Kind) -> Json {
    let mut statement = json!({"Effect": "Allow", "Action": "*"});
    if names_principals(kind) {
        statement["Principal"] = "*".into();
    }
    if kind == Kind::Trust {
        statement["Action"] = json!(["sts:AssumeRole", "sts:TagSession"]);
    } else {
        statement["Resource"] = "*".into();
    }
    statement
}

fn name(element: &str, negated: bool) -> String {
    if negated {
        format!("Not{element}")
    } else {
        element.to_owned()
    }
}

/// One value as it is, or a list of up to three.
fn one_or_more(dice: &mut Dice, mut value: impl FnMut(&mut Dice) -> String) -> Json {
    match dice.weighted(&[5, 2, 2, 1]) {
        0 => value(dice).into(),
        count => (0..count).map(|_| value(dice)).collect(),
    }
}

fn actions(dice: &mut Dice, kind: Kind, question: &Question, denies: bool) -> Json {
    one_or_more(dice, |dice| {
        if kind == Kind::Trust {
            return dice
                .pick(&[
                    "sts:AssumeRole",
                    "sts:TagSession",
                    "sts:assumerole",
                    "sts:AssumeRoleWithSAML",
                ])
                .to_owned();
        }
        match dice.weighted(&[if denies { 1 } else { 6 }, 4, 6, 2]) {
            0 => "*".to_owned(),
            1 => question.action.clone(),
            2 => action_near(dice, &question.action),
            _ => other_action(dice),
        }
    })
}

fn other_actions(dice: &mut Dice) -> Json {
    one_or_more(dice, other_action)
}

fn other_action(dice: &mut Dice) -> String {
    let (action, _) = catalog::asked(dice);
    action_near(dice, action)
}

fn action_near(dice: &mut Dice, action: &str) -> String {
    let (service, name) = action.split_once(':').unwrap_or(("s3", action));
    match dice.below(9) {
        0 => format!("{service}:*"),
        1 => text::other_case(dice, action),
        2 => "*:*".to_owned(),
        3 => format!("{service}:"),
        4 => format!("{service}:{name} "),
        5 => format!("{service}x:{name}"),
        6 => format!("*:{name}"),
        _ => format!("{service}:{}", text::glob(dice, name)),
    }
}

fn resources(dice: &mut Dice, question: &Question, aim: u64, denies: bool) -> Json {
    one_or_more(dice, |dice| {
        if !dice.chance(aim) {
            let other = catalog::resource(dice);
            return resource_near(dice, other, question);
        }
        match dice.weighted(&[if denies { 1 } else { 6 }, 3, 8]) {
            0 => "*".to_owned(),
            1 => question.resource.clone(),
            _ => resource_near(dice, &question.resource, question),
        }
    })
}

/// A pattern that matches the resource, or almost.
fn resource_near(dice: &mut Dice, resource: &str, question: &Question) -> String {
    let fields: Vec<&str> = resource.splitn(6, ':').collect();
    if fields.len() < 6 {
        return dice
            .pick(&[
                "*",
                "arn:aws:ecs:*",
                "arn:aws:ecs:*:*:*",
                "arn:aws:ecs:us-east-1:111122223333:*",
            ])
            .to_owned();
    }
    match dice.weighted(&[5, 2, 2, 3, 4, 1, 1, 1]) {
        // The last field as a glob.
        0 => with_field(&fields, 5, &text::glob(dice, fields[5])),
        // Another field as a glob.
        1 => {
            let at = 3 + dice.below(2);
            with_field(&fields, at, &text::glob(dice, fields[at]))
        }
        // A short ARN, with a wildcard at its end or without (R44, R45).
        2 => {
            let end = if dice.chance(60) { ":*" } else { "" };
            format!("{}{end}", fields[..3 + dice.below(3)].join(":"))
        }
        3 => condition::variable(dice, resource, question),
        // A star runs on over colons, and what follows it may be about any later field (R44, R46).
        4 => match dice.below(6) {
            0 => format!("arn:aws:{}:*:{}", fields[2], fields[5]),
            1 => format!("arn:*:{}", fields[5]),
            2 => {
                let part = text::other_case(dice, fields[5]);
                format!("arn:*:{}", text::glob(dice, &part))
            }
            3 => {
                let field = fields[1 + dice.below(4)];
                format!("arn:*:{}:*", text::other_case(dice, field))
            }
            4 => format!("{}:*:{}", fields[..4].join(":"), fields[5]),
            _ => format!("arn:aws:{}:*:*:{}", fields[2], text::glob(dice, fields[5])),
        },
        5 => text::other_case(dice, resource).replacen("ARN", "arn", 1),
        6 => format!("arn:aws:{}:${{aws:username}}:*:{}", fields[2], fields[5]),
        _ => text::near(dice, resource),
    }
}

fn with_field(fields: &[&str], at: usize, value: &str) -> String {
    let mut fields = fields.to_vec();
    fields[at] = value;
    fields.join(":")
}

fn principal(dice: &mut Dice, kind: Kind, question: &Question) -> Json {
    let everyone = if kind == Kind::Resource || kind == Kind::Trust {
        2
    } else {
        8
    };
    match dice.weighted(&[everyone, 1, 5, 3]) {
        0 => "*".into(),
        1 => json!({"AWS": "*"}),
        2 => named(dice, |kind, value| names(&question.principal, kind, value)),
        _ => named(dice, |_, _| true),
    }
}

/// Whether these words have to do with the caller.
fn names(caller: &Principal, kind: &str, value: &str) -> bool {
    match caller {
        Principal::Service(_) => kind == "Service",
        Principal::Federated { .. } => kind == "Federated",
        Principal::Anonymous => value == "*",
        Principal::User { .. } => {
            value.contains("111122223333") && !value.contains("role") || value.starts_with("AIDA")
        }
        Principal::FederatedUser { .. } => {
            value.contains("user") || value.starts_with("AIDA") || value == "111122223333"
        }
        Principal::RoleSession { .. } => {
            value.contains("role") || value.starts_with("AROA") || value.contains("111122223333:root")
        }
        Principal::Root { .. } => value.contains("root") || value.starts_with('1'),
    }
}

fn named(dice: &mut Dice, fits: impl Fn(&str, &str) -> bool) -> Json {
    let fitting: Vec<(&str, &str)> = PRINCIPALS
        .into_iter()
        .filter(|(kind, value)| fits(kind, value))
        .collect();
    let mut element = Map::new();
    for _ in 0..=dice.weighted(&[6, 3, 2]) {
        let (kind, value) = fitting[dice.below(fitting.len())];
        let values = element.entry(kind).or_insert_with(|| json!([]));
        values.as_array_mut().expect("a list").push(value.into());
    }
    Json::Object(element)
}
