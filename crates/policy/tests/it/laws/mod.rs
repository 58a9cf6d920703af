//! Laws that hold for all policies and questions, on generated worlds: what a change of the policies may do to the answer.

mod change;

use portcullis_policy::{Kind, Outcome, PolicyType, Principal};
use serde_json::Value as Json;

use crate::differential::ask::Asked;
use crate::differential::shrink::{Case, shrink};
use crate::differential::world_seed;
use crate::generate::{self, Dice};
use crate::naive::{Answer, Policies, Question};

/// Worlds each law is held against; every world asks many questions.
const WORLDS: u64 = 500;

/// A change of the policies; `None` where there is nothing to change.
type Change<'a> = &'a dyn Fn(&Policies<Json>, &Question, &mut Dice) -> Option<Policies<Json>>;

/// Asks every question before and after the change; the answers must fit, at least once with an Allow.
fn law(change: Change<'_>, fit: impl Fn(&Question, Answer, Answer) -> bool) {
    let mut allowed = 0;
    for nth in 0..WORLDS {
        let world = generate::world(&mut Dice::seed(world_seed(3, nth)));
        let target = &world.questions[0];
        let answers = |case: &Case| {
            let changed = change(&case.policies, target, &mut Dice::seed(nth))?;
            let (before, after) = (Asked::read(&case.policies)?, Asked::read(&changed)?);
            Some((before.decided(&case.question), after.decided(&case.question)))
        };
        let Some(changed) = change(&world.policies, target, &mut Dice::seed(nth)) else {
            continue;
        };
        let (Some(before), Some(after)) = (Asked::read(&world.policies), Asked::read(&changed)) else {
            continue;
        };
        for question in &world.questions {
            let (was, is) = (before.decided(question), after.decided(question));
            allowed += u64::from(is_allow(was) || is_allow(is));
            if !fit(question, was, is) {
                let case = Case {
                    policies: world.policies.clone(),
                    question: question.clone(),
                };
                let smallest = shrink(case, |case| {
                    answers(case).is_some_and(|(was, is)| !fit(&case.question, was, is))
                });
                let answers = answers(&smallest);
                panic!("world {nth}, before and after: {answers:?}\n{smallest:#?}");
            }
        }
    }
    assert!(allowed > WORLDS, "only {allowed} of the questions were allowed");
}

fn is_allow((outcome, _): Answer) -> bool {
    outcome == Outcome::Allow
}

fn never_adds(_: &Question, was: Answer, is: Answer) -> bool {
    is_allow(was) || !is_allow(is)
}

fn never_removes(_: &Question, was: Answer, is: Answer) -> bool {
    is_allow(is) || !is_allow(was)
}

fn nothing_changes(_: &Question, was: Answer, is: Answer) -> bool {
    was == is
}

#[test]
fn r115_a_deny_never_adds_access() {
    law(
        &|policies, target, dice| Some(change::one_more(policies, target, dice, "Deny")),
        never_adds,
    );
}

#[test]
fn r114_an_allow_never_removes_access() {
    law(
        &|policies, target, dice| Some(change::one_more(policies, target, dice, "Allow")),
        never_removes,
    );
}

#[test]
fn r103_order_of_policies_statements_and_values_never_matters() {
    law(
        &|policies, _, dice| Some(change::shuffled(policies, dice)),
        nothing_changes,
    );
}

#[test]
fn r15_splitting_lists_into_statements_never_matters() {
    law(
        &|policies, _, _| Some(change::split_lists(policies)),
        nothing_changes,
    );
}

#[test]
fn r114_splitting_policies_never_matters() {
    law(
        &|policies, _, _| Some(change::split_policies(policies)),
        nothing_changes,
    );
}

#[test]
fn r114_a_statement_twice_is_once() {
    let twice = |_: Kind, statement: &Json| vec![statement.clone(), statement.clone()];
    law(
        &|policies, _, _| Some(change::statements(policies, twice)),
        nothing_changes,
    );
}

#[test]
fn r120_a_boundary_only_shrinks() {
    let change = |policies: &Policies<Json>, target: &Question, dice: &mut Dice| {
        let boundary = Some(generate::policy(dice, Kind::Boundary, target, 50));
        policies.boundary.is_none().then(|| Policies {
            boundary,
            ..policies.clone()
        })
    };
    law(&change, never_adds);
}

/// Federated users are the exception: they have no permissions without one.
#[test]
fn r121_a_session_policy_only_shrinks() {
    let change = |policies: &Policies<Json>, target: &Question, dice: &mut Dice| {
        let session = generate::policy(dice, Kind::Session, target, 50);
        policies.session.is_none().then(|| Policies {
            session: Some(vec![session]),
            ..policies.clone()
        })
    };
    let is_stopped_by_the_lack = |was: Answer| was.1 == Some(PolicyType::Session);
    law(&change, |question, was, is| {
        is_stopped_by_the_lack(was) || never_adds(question, was, is)
    });
}

#[test]
fn r116_r117_r136_organization_and_endpoint_policies_only_shrink() {
    let change = |policies: &Policies<Json>, target: &Question, dice: &mut Dice| {
        let mut more = policies.clone();
        match dice.below(3) {
            0 => more
                .scps
                .push(vec![generate::policy(dice, Kind::ServiceControl, target, 50)]),
            1 => more
                .rcps
                .push(vec![generate::policy(dice, Kind::ResourceControl, target, 50)]),
            _ if more.endpoint.is_some() => return None,
            _ => more.endpoint = Some(generate::policy(dice, Kind::Endpoint, target, 50)),
        }
        Some(more)
    };
    law(&change, never_adds);
}

/// A session policy of the same text limits to the same requests as the boundary already does.
#[test]
fn r120_a_boundary_twice_is_once() {
    let change = |policies: &Policies<Json>, _: &Question, _: &mut Dice| {
        let session = Some(vec![policies.boundary.clone()?]);
        policies.session.is_none().then(|| Policies {
            session,
            ..policies.clone()
        })
    };
    // Only these callers have boundaries, and no session policy to begin with.
    let is_bounded = |question: &Question| {
        matches!(
            question.principal,
            Principal::User { .. } | Principal::RoleSession { .. }
        )
    };
    law(&change, |question, was, is| {
        !is_bounded(question) || nothing_changes(question, was, is)
    });
}

#[test]
fn r117_a_level_twice_is_once() {
    let change = |policies: &Policies<Json>, _: &Question, _: &mut Dice| {
        let mut twice = policies.clone();
        twice.scps.extend(policies.scps.clone());
        twice.rcps.extend(policies.rcps.clone());
        (twice != *policies).then_some(twice)
    };
    law(&change, nothing_changes);
}

#[test]
fn r79_string_like_of_an_escaped_value_is_string_equals() {
    law(
        &|policies, _, _| change::string_equals_as_like(policies),
        nothing_changes,
    );
}

#[test]
fn r33_case_of_actions_never_matters() {
    law(
        &|policies, _, dice| change::action_case(policies, dice),
        nothing_changes,
    );
}

#[test]
fn r75_r163_case_of_keys_and_tag_keys_never_matters() {
    law(
        &|policies, _, dice| change::key_case(policies, dice),
        nothing_changes,
    );
}

#[test]
fn r94_if_exists_is_missing_or_the_operator() {
    law(&|policies, _, _| change::if_exists(policies), nothing_changes);
}

#[test]
fn r37_not_action_is_every_other_action_of_a_closed_list() {
    let is_of_the_list = |question: &Question| {
        let mut all = generate::catalog::actions();
        all.any(|action| action.eq_ignore_ascii_case(&question.action))
    };
    law(
        &|policies, _, _| change::not_action_as_list(policies),
        |question, was, is| !is_of_the_list(question) || nothing_changes(question, was, is),
    );
}
