//! Policies and questions that hit boundaries on purpose: near-miss ARNs, wildcards in values, missing keys, mixed case,
//! values of the wrong type, every kind of caller and of policy. A seed is a world.

pub mod catalog;
mod condition;
mod dice;
mod question;
mod statement;
mod text;

use portcullis_policy::{Document, Kind};
use serde_json::{Value as Json, json};

pub use dice::Dice;

use crate::naive::{Policies, Question};

/// How many questions are asked of one world's policies.
pub const QUESTIONS: usize = 32;

/// Policies, and questions about them.
#[derive(Debug, Clone)]
pub struct World {
    pub policies: Policies<Json>,
    pub questions: Vec<Question>,
}

pub fn world(dice: &mut Dice) -> World {
    let target = question::question(dice);
    let policies = policies(dice, &target);
    let mut questions = vec![target.clone()];
    while questions.len() < QUESTIONS {
        questions.push(question::near(dice, &target));
    }
    World { policies, questions }
}

fn policies(dice: &mut Dice, target: &Question) -> Policies<Json> {
    let mut policies = Policies::none();
    let policy = |dice: &mut Dice, kind, generous| policy(dice, kind, target, generous);
    policies.identity = (0..dice.weighted(&[1, 6, 2]))
        .map(|_| policy(dice, Kind::Identity, 40))
        .collect();
    if dice.chance(1) {
        let statements = 65 + dice.below(100);
        policies.identity.push(large_policy(dice, target, statements));
    }
    if dice.chance(20) {
        policies.boundary = Some(policy(dice, Kind::Boundary, 60));
    }
    if dice.chance(25) {
        let session = (0..dice.weighted(&[1, 8, 2]))
            .map(|_| policy(dice, Kind::Session, 60))
            .collect();
        policies.session = Some(session);
    }
    // Callers of no account, or of another one, get nowhere without the resource's policy (R118, R123).
    let account = target.principal.account();
    let needs_resource =
        account.is_none() || target.owner.as_ref().is_some_and(|owner| account != Some(owner));
    if dice.chance(if needs_resource { 95 } else { 50 }) {
        policies.resource_is_trust = target.action.starts_with("sts:");
        let generous = if needs_resource { 45 } else { 15 };
        policies.resource = Some(policy(dice, policies.resource_kind(), generous));
    }
    let levels = |dice: &mut Dice, kind| -> Vec<Vec<Json>> {
        let levels = dice.weighted(&[10, 3, 1, 1]);
        let mut level = |_| (0..1 + dice.below(2)).map(|_| policy(dice, kind, 80)).collect();
        (0..levels).map(&mut level).collect()
    };
    policies.scps = levels(dice, Kind::ServiceControl);
    policies.rcps = levels(dice, Kind::ResourceControl);
    if dice.chance(10) {
        policies.endpoint = Some(policy(dice, Kind::Endpoint, 70));
    }
    policies
}

/// A policy that IAM would take. With `generous` percent it allows everything but what it denies.
pub fn policy(dice: &mut Dice, kind: Kind, target: &Question, generous: u64) -> Json {
    // Some statements have forms that are refused; then others are made.
    for _ in 0..8 {
        let generous = dice.chance(generous).then(|| statement::allow_all(kind));
        let others = (0..1 + dice.weighted(&[4, 3, 1])).map(|_| statement::statement(dice, kind, target));
        let statements: Vec<Json> = others.chain(generous).collect();
        let policy = version(dice, kind, statements.into());
        if Document::parse(&policy.to_string(), kind).is_ok() {
            return policy;
        }
    }
    version(dice, kind, statement::allow_all(kind))
}

/// An identity policy of so many statements or a few more. Most of them say nothing to the target, but nearly: somewhere
/// among them stand a few that do.
pub fn large_policy(dice: &mut Dice, target: &Question, count: usize) -> Json {
    let mut statements: Vec<Json> = (0..count)
        .map(|nth| statement::beside(dice, target, nth))
        .collect();
    for _ in 0..=dice.below(2) {
        let about = policy(dice, Kind::Identity, target, 0);
        let at = dice.below(statements.len());
        statements.splice(
            at..at,
            about["Statement"].as_array().into_iter().flatten().cloned(),
        );
    }
    version(dice, Kind::Identity, statements.into())
}

/// 2012-10-17, or sometimes the old version where it may be written (R4-R6).
fn version(dice: &mut Dice, kind: Kind, statements: Json) -> Json {
    if matches!(kind, Kind::Identity | Kind::Boundary) || dice.chance(90) {
        json!({"Version": "2012-10-17", "Statement": statements})
    } else if dice.chance(50) {
        json!({"Version": "2008-10-17", "Statement": statements})
    } else {
        json!({"Statement": statements})
    }
}
