//! Why a request was decided as it was: every statement considered, element by element (R104).

mod nearest;
mod render;
mod report;
mod wire;

use crate::decide::{self, Allows, Matched, Outcome};
use crate::matching::principal::Naming;
use crate::{Context, Effect, PolicySets, PolicyType, Request, Source};

pub use report::{ConditionReport, ElementReport, StatementReport};

/// A decision in full. It owns all it says, so it can be kept after the policies have changed.
///
/// [`Explanation::one_line`] and [`Explanation::render`] are for people; `Serialize` writes the shape of
/// `GetRequestAuthorizationDetails` of the service `iam-toolbox`, with more members of ours (R175).
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Who asked: an ARN, a service principal, an identity provider, or `anonymous`.
    pub principal: String,
    /// The action asked for.
    pub action: String,
    /// The resource asked for.
    pub resource: String,
    /// What was decided; always what [`decide`](crate::decide) decides.
    pub outcome: Outcome,
    /// The policy set that stopped the request.
    pub stopped_by: Option<PolicyType>,
    /// What every set came to, in the order of evaluation.
    pub checks: Vec<Check>,
    /// Every statement considered, set by set.
    pub statements: Vec<StatementReport>,
    /// For an implicit deny: which of `statements` came nearest to allowing.
    pub nearest: Option<usize>,
    context: Context,
}

/// What one policy set came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The set.
    pub policy_type: PolicyType,
    /// Its effect on the decision.
    pub effect: CheckEffect,
    /// How many policies it holds.
    pub policies: usize,
}

/// The effect of a set on a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckEffect {
    /// An Allow applies.
    Allow,
    /// Nothing applies, and nothing needs to.
    NoImpact,
    /// Nothing applies, but something has to.
    ImplicitDeny,
    /// A Deny applies.
    ExplicitDeny,
}

/// A policy, as explanations name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyName {
    /// The policy's name.
    pub name: String,
    /// The ARN of a managed policy.
    pub arn: Option<String>,
    /// What it is attached to.
    pub attached_to: Option<String>,
}

impl From<Source<'_>> for PolicyName {
    fn from(source: Source<'_>) -> Self {
        Self {
            name: source.name.to_owned(),
            arn: source.arn.map(str::to_owned),
            attached_to: source.attached_to.map(str::to_owned),
        }
    }
}

impl Explanation {
    /// The statement that came nearest to allowing, for an implicit deny.
    pub fn nearest_statement(&self) -> Option<&StatementReport> {
        self.nearest.and_then(|at| self.statements.get(at))
    }

    /// The statements that decided: the Denies of the stopping set, or the Allows that apply.
    pub fn deciding_statements(&self) -> impl Iterator<Item = &StatementReport> {
        self.statements.iter().filter(|report| match self.outcome {
            Outcome::Allow => report.applies && report.effect == Effect::Allow,
            Outcome::ExplicitDeny => {
                report.applies && report.effect == Effect::Deny && Some(report.policy_type) == self.stopped_by
            }
            Outcome::ImplicitDeny => false,
        })
    }
}

/// Explains a request: the slow way to the answer of [`decide`](crate::decide).
pub fn explain(request: &Request<'_>, sets: &PolicySets<'_>) -> Explanation {
    let asked = decide::asked(request, sets);
    let mut statements = Vec::new();
    let mut applying = Vec::new();
    let mut policies = Vec::new();
    decide::for_each_set(request, sets, |set| {
        policies.push(set.policy_type);
        for (index, statement) in set.source.document.statements().iter().enumerate() {
            let (report, naming) = report::statement(&asked, &set, index, statement);
            if naming > Naming::None {
                applying.push(set.matched(index, statement, naming));
            }
            statements.push(report);
        }
    });
    let checks = checks(request, sets, &applying, &policies);
    let decision = decide::combine(request, sets, applying);
    let nearest = match (decision.outcome, decision.by) {
        (Outcome::ImplicitDeny, Some(by)) => nearest::find(&statements, by),
        _ => None,
    };
    Explanation {
        principal: request.principal.name().into_owned(),
        action: request.action.to_owned(),
        resource: request.resource.to_owned(),
        outcome: decision.outcome,
        stopped_by: decision.by,
        checks,
        statements,
        nearest,
        context: request.context.clone(),
    }
}

/// What every set that exists, or has to, came to.
fn checks(
    request: &Request<'_>,
    sets: &PolicySets<'_>,
    applying: &[Matched<'_>],
    policies: &[PolicyType],
) -> Vec<Check> {
    let allows = Allows {
        request,
        sets,
        applying,
    };
    let check = |policy_type: PolicyType| {
        let applies = |effect: Effect| {
            applying
                .iter()
                .any(|m| m.policy_type == policy_type && m.statement.effect == effect)
        };
        let effect = if applies(Effect::Deny) {
            CheckEffect::ExplicitDeny
        } else if allows.is_silent(policy_type) {
            CheckEffect::ImplicitDeny
        } else if applies(Effect::Allow) {
            CheckEffect::Allow
        } else {
            CheckEffect::NoImpact
        };
        let policies = policies.iter().filter(|known| **known == policy_type).count();
        Check {
            policy_type,
            effect,
            policies,
        }
    };
    let bears = |check: &Check| check.policies > 0 || check.effect != CheckEffect::NoImpact;
    crate::open_points::r172_order()
        .into_iter()
        .map(check)
        .filter(bears)
        .collect()
}
