//! Questions: a target that policies are written about, and others near it.

use portcullis_core::AccountId;
use portcullis_policy::{Context, Principal, Value};

use super::catalog;
use super::dice::Dice;
use super::text;
use crate::naive::Question;

pub fn question(dice: &mut Dice) -> Question {
    let principal = caller(dice);
    let (action, resources) = catalog::asked(dice);
    Question {
        owner: owner(dice, &principal),
        principal,
        action: action.to_owned(),
        resource: dice.pick(resources).to_owned(),
        context: context(dice),
    }
}

/// The same question with one thing changed, sometimes two.
pub fn near(dice: &mut Dice, question: &Question) -> Question {
    let mut near = question.clone();
    loop {
        change(dice, &mut near);
        if dice.chance(75) {
            return near;
        }
    }
}

fn change(dice: &mut Dice, near: &mut Question) {
    match dice.weighted(&[3, 3, 4, 10, 2]) {
        0 => {
            near.principal = caller(dice);
            near.owner = owner(dice, &near.principal);
        }
        1 => {
            near.action = match dice.below(3) {
                0 => text::other_case(dice, &near.action),
                1 => format!("{}s", near.action),
                _ => catalog::asked(dice).0.to_owned(),
            }
        }
        2 => {
            near.resource = match dice.below(5) {
                0 => catalog::resource(dice).to_owned(),
                1 => text::other_case(dice, &near.resource),
                2 => format!("{}x", near.resource),
                3 if near.resource != "*" => text::without_a_character(dice, &near.resource),
                _ => "*".to_owned(),
            }
        }
        3 => change_context(dice, &mut near.context),
        _ => near.owner = owner(dice, &near.principal),
    }
}

fn change_context(dice: &mut Dice, context: &mut Context) {
    let known: Vec<(String, Value)> = context
        .iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect();
    if known.is_empty() || dice.chance(20) {
        let (key, value) = entry(dice);
        context.insert(key, value);
        return;
    }
    let (key, value) = &known[dice.below(known.len())];
    let first = value.values().first().cloned().unwrap_or_default();
    let changed = match dice.below(6) {
        0 | 1 => {
            context.remove(key);
            return;
        }
        2 => Value::Many(vec![first]),
        3 => Value::Many(vec![first.clone(), text::near(dice, &first)]),
        4 => Value::Many(Vec::new()),
        _ => Value::One(text::near(dice, &first)),
    };
    context.insert(text::other_case(dice, key), changed);
}

fn context(dice: &mut Dice) -> Context {
    let keys = 2 + dice.below(6);
    let mut context: Context = (0..keys).map(|_| entry(dice)).collect();
    // Most requests have a name for `${aws:username}`.
    if dice.chance(60) {
        context.insert("aws:username", "richard");
    }
    context
}

fn entry(dice: &mut Dice) -> (&'static str, Value) {
    let (key, shape, is_multi_valued) = catalog::key(dice);
    let mut value = || dice.pick(shape.values()).to_owned();
    let (first, second) = (value(), value());
    let value = match dice.below(4) {
        0 if is_multi_valued => Value::Many(vec![first]),
        1 if is_multi_valued => Value::Many(Vec::new()),
        _ if is_multi_valued => Value::Many(vec![first, second]),
        _ => Value::One(first),
    };
    (key, value)
}

fn account() -> AccountId {
    "111122223333".parse().expect("an account")
}

fn owner(dice: &mut Dice, principal: &Principal) -> Option<AccountId> {
    match dice.weighted(&[6, 3, 2]) {
        0 => None,
        1 => principal.account().cloned(),
        _ => Some("444455556666".parse().expect("an account")),
    }
}

fn session(role: &str, name: &str, id: &str, session: &str) -> Principal {
    Principal::RoleSession {
        session_arn: format!("arn:aws:sts::111122223333:assumed-role/{name}/{session}")
            .parse()
            .expect("an ARN"),
        role_arn: format!("arn:aws:iam::111122223333:role/{role}")
            .parse()
            .expect("an ARN"),
        role_id: id.to_owned(),
        account: account(),
    }
}

fn caller(dice: &mut Dice) -> Principal {
    let user = "arn:aws:iam::111122223333:user/richard";
    match dice.weighted(&[9, 9, 2, 2, 4, 2, 2, 1]) {
        0 => Principal::User {
            arn: user.parse().expect("an ARN"),
            id: "AIDARICHARD0000000001".to_owned(),
            account: account(),
        },
        1 => session("app/web", "web", "AROAWEB00000000000001", "s1"),
        2 => session(
            "aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            "AWSServiceRoleForECS",
            "AROASLR00000000000001",
            "ecs",
        ),
        3 => Principal::Root { account: account() },
        4 => Principal::FederatedUser {
            arn: "arn:aws:sts::111122223333:federated-user/bob"
                .parse()
                .expect("an ARN"),
            user_arn: user.parse().expect("an ARN"),
            user_id: "AIDARICHARD0000000001".to_owned(),
            account: account(),
        },
        5 => Principal::Federated {
            provider: dice
                .pick(&[
                    "accounts.google.com",
                    "arn:aws:iam::111122223333:saml-provider/corp",
                ])
                .to_owned(),
        },
        6 => Principal::Service(
            dice.pick(&["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"])
                .to_owned(),
        ),
        _ => Principal::Anonymous,
    }
}
