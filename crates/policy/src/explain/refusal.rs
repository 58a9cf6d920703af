//! Which sets refuse a request, all of them, and what would change that.

use serde::Serialize;

use crate::answers::SetAnswer;
use crate::decide::{self, InSet, Matched};
use crate::document::{ResourceList, Statement};
use crate::explain::remedy::Remedy;
use crate::explain::{Change, CheckEffect, StatementReport};
use crate::matching::condition;
use crate::matching::principal::Naming;
use crate::{Effect, PolicySets, PolicyType, Request, open_points};

/// A set that refuses a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The set.
    pub policy_type: PolicyType,
    /// The level of an SCP or RCP, counted from 0; 0 elsewhere.
    pub level: usize,
    /// `ExplicitDeny` or `ImplicitDeny`. A set with both is listed twice.
    pub effect: CheckEffect,
    /// For an implicit deny: which statement came nearest to allowing.
    pub nearest: Option<usize>,
    /// The smallest change after which this set no longer refuses; empty when nothing but taking a Deny away would do.
    pub changes: Vec<Change>,
    /// Whether the change against the resource's policy is enough for this set as well, since it names the caller (R118).
    pub is_lifted: bool,
}

/// A set that refuses, and how.
pub(super) type Refusing = (PolicyType, usize, CheckEffect);

/// A statement considered, with the set it stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Considered<'a> {
    pub(super) set: InSet<'a>,
    pub(super) index: usize,
    pub(super) statement: &'a Statement,
}

/// Every refusing set, explicit denies first, then in the order of R172.
pub(super) fn refusing(
    request: &Request<'_>,
    sets: &PolicySets<'_>,
    applying: &[Matched<'_>],
) -> Vec<Refusing> {
    let order = open_points::r172_order();
    let denied = order.into_iter().filter_map(|policy_type| {
        let first = applying
            .iter()
            .find(|m| m.policy_type == policy_type && m.statement.effect == Effect::Deny)?;
        Some((policy_type, first.level, CheckEffect::ExplicitDeny))
    });
    let answers = decide::answers(request, sets, applying);
    let silent = order
        .into_iter()
        .filter(|policy_type| answers.is_silent(*policy_type));
    let silent = silent.flat_map(|policy_type| {
        let levels = silent_levels(policy_type, sets, applying);
        levels
            .into_iter()
            .map(move |level| (policy_type, level, CheckEffect::ImplicitDeny))
    });
    denied.chain(silent).collect()
}

/// The levels of an organization that do not allow; for the other sets the one there is.
fn silent_levels(policy_type: PolicyType, sets: &PolicySets<'_>, applying: &[Matched<'_>]) -> Vec<usize> {
    let levels = match policy_type {
        PolicyType::ServiceControl => sets.scps.len(),
        PolicyType::ResourceControl => sets.rcps.len(),
        _ => return vec![0],
    };
    let allows = |level: usize| {
        applying
            .iter()
            .any(|m| m.policy_type == policy_type && m.level == level && m.statement.effect == Effect::Allow)
    };
    (0..levels).filter(|level| !allows(*level)).collect()
}

/// The statements that would apply with other keys in the context; what keys have no part in stays as it was.
pub(super) fn applying<'a>(
    request: &Request<'_>,
    sets: &PolicySets<'a>,
    considered: &[Considered<'a>],
    reports: &[StatementReport],
) -> Vec<Matched<'a>> {
    let asked = decide::asked(request, sets);
    let matched = considered.iter().zip(reports).filter_map(|(one, report)| {
        let Considered {
            set,
            index,
            statement,
        } = one;
        let by_keys = |list: &ResourceList| {
            list.patterns
                .iter()
                .any(|pattern| pattern.form.keys().next().is_some())
        };
        let resource = match (&statement.resource, &report.resource) {
            (Some(list), Some(report)) if !by_keys(list) => report.matched,
            (list, _) => report.action.matched && asked.resource(list.as_ref(), statement.effect),
        };
        let applies = report.action.matched
            && resource
            && statement
                .conditions
                .iter()
                .all(|one| condition::evaluate(one, request.context).met);
        let naming = asked.principal(statement, set.names_principals());
        (applies && naming > Naming::None).then(|| set.matched(*index, statement, naming))
    });
    matched.collect()
}

/// Every refusal with its remedy.
pub(super) fn refusals(
    request: &Request<'_>,
    sets: &PolicySets<'_>,
    considered: &[Considered<'_>],
    reports: &[StatementReport],
    matched: &[Matched<'_>],
) -> Vec<Refusal> {
    let refusing = &refusing(request, sets, matched);
    let remedy = Remedy {
        request,
        sets,
        considered,
        reports,
        refusing,
    };
    let mut answers = decide::answers(request, sets, matched);
    let mut refusals: Vec<Refusal> = refusing
        .iter()
        .map(|refusing| remedy.refusal(*refusing))
        .collect();
    if let Some(allows) = remedy.grant(&refusals) {
        answers.resource = Some(SetAnswer {
            allows,
            ..SetAnswer::SILENT
        });
    }
    for refusal in &mut refusals {
        let silent = refusal.effect == CheckEffect::ImplicitDeny;
        let is_own = matches!(refusal.policy_type, PolicyType::Resource | PolicyType::RoleTrust);
        refusal.is_lifted = silent && !is_own && !answers.is_silent(refusal.policy_type);
    }
    refusals
}
