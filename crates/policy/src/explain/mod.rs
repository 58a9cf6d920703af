//! Why a request was decided as it was: every statement considered, element by element (R104), what refused it, and
//! what would change that.

mod change;
mod listed;
mod nearest;
mod needs;
mod policy;
mod refusal;
mod remedy;
mod render;
mod report;
mod resource_policies;
mod resources;
mod wire;

use std::sync::Arc;

use crate::decide::{self, Matched, Outcome};
use crate::matching::principal::Naming;
use crate::message::{Form, Refused};
use crate::{Context, Effect, PolicySets, PolicyType, Request};

pub use change::{Change, Element, NewStatement, Place};
pub use listed::Listed;
pub use needs::{Need, OfValues, Relation};
pub use policy::ExplainedPolicy;
pub use refusal::Refusal;
pub use report::{ConditionReport, ElementReport, StatementReport};
pub use wire::AuthorizationDetails;

#[cfg(feature = "terminal")]
pub(crate) use {
    nearest::closest_first,
    render::{asked_of, wanted_by, wanted_of},
};

use refusal::Considered;

/// A decision in full. It owns all it says, so it can be kept after the policies have changed.
///
/// [`Explanation::one_line`], [`Explanation::render`] and, with the feature `terminal`, `terminal::page` are for
/// people; [`Explanation::message`] is what AWS tells the caller; `Serialize` writes an [`AuthorizationDetails`] with
/// this one evaluation (R175).
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
    /// The policy set that stopped the request: the one that messages name, if several refuse (R172).
    pub stopped_by: Option<PolicyType>,
    /// Whether caller and resource belong to different accounts (R123).
    pub cross_account: bool,
    /// What every set came to, in the order of evaluation.
    pub checks: Vec<Check>,
    /// Every set that refuses, the one that stopped the request first, each with the smallest change against it.
    pub refusals: Vec<Refusal>,
    /// Every policy that bore on the request.
    pub policies: Vec<Arc<ExplainedPolicy>>,
    /// Every statement considered, set by set.
    pub statements: Vec<StatementReport>,
    /// For an implicit deny: which of `statements` came nearest to allowing.
    pub nearest: Option<usize>,
    /// The request's condition keys, without those that its action does not have (R112).
    pub context: Context,
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
                report.applies
                    && report.effect == Effect::Deny
                    && Some(report.policy.policy_type) == self.stopped_by
            }
            Outcome::ImplicitDeny => false,
        })
    }

    /// What AWS tells the caller (R169); nothing to tell when the request is allowed.
    pub fn message(&self) -> Option<String> {
        let denying = self.deciding_statements().next();
        let refused = Refused {
            principal_arn: &self.principal,
            action: &self.action,
            resource: &self.resource,
            outcome: self.outcome,
            by: self.stopped_by,
            cross_account: self.cross_account,
            policy_arn: denying.and_then(|report| report.policy.arn.as_deref()),
        };
        (self.outcome != Outcome::Allow).then(|| refused.message(Form::default()))
    }

    /// The condition keys that statements ask for and the request does not have, each once and as first written: what
    /// the policy simulator calls missing context values. Only statements about the action are asked, and only keys that the
    /// action can have: others would be left out if they were given (R112).
    pub fn missing_keys(&self) -> Vec<&str> {
        let about_the_action = self.statements.iter().filter(|report| report.action.matched);
        let conditions = about_the_action.flat_map(|report| &report.conditions);
        let action = portcullis_reference::action(&self.action);
        let is_possible = |key: &str| action.is_none_or(|action| action.applies(key));
        let mut keys: Vec<&str> = Vec::new();
        for condition in conditions.filter(|condition| condition.asked.is_none()) {
            let is_known = keys.iter().any(|known| crate::text::same(known, &condition.key));
            if !is_known && is_possible(&condition.key) {
                keys.push(&condition.key);
            }
        }
        keys
    }
}

/// Explains a request: the slow way to the answer of [`decide`](crate::decide).
pub fn explain(request: &Request<'_>, sets: &PolicySets<'_>) -> Explanation {
    // R112: the whole explanation sees only keys that apply to the action.
    let given = request.context;
    let context = given.applying_to(request.action);
    let request = &Request {
        context: &context,
        ..*request
    };
    let question = report::Question::new(decide::asked(request, sets), given);
    let mut statements = Vec::new();
    let mut considered = Vec::new();
    let mut applying = Vec::new();
    let mut policies = Vec::new();
    decide::for_each_set(request, sets, |set| {
        let policy = Arc::new(ExplainedPolicy::of(&set));
        for (index, statement) in set.source.document.statements().iter().enumerate() {
            let (report, naming) = question.statement(&set, &policy, index, statement);
            if naming > Naming::None {
                applying.push(set.matched(index, statement, naming));
            }
            statements.push(report);
            considered.push(Considered {
                set,
                index,
                statement,
            });
        }
        policies.push(policy);
    });
    let checks = checks(request, sets, &applying, &policies);
    let refusals = refusal::refusals(request, sets, &considered, &statements, &applying);
    let decision = decide::combine(request, sets, applying);
    let nearest = match decision.outcome {
        Outcome::ImplicitDeny => refusals.first().and_then(|refusal| refusal.nearest),
        Outcome::Allow | Outcome::ExplicitDeny => None,
    };
    Explanation {
        principal: request.principal.name().into_owned(),
        action: request.action.to_owned(),
        resource: request.resource.to_owned(),
        outcome: decision.outcome,
        stopped_by: decision.by,
        cross_account: decision.cross_account,
        checks,
        refusals,
        policies,
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
    policies: &[Arc<ExplainedPolicy>],
) -> Vec<Check> {
    let answers = decide::answers(request, sets, applying);
    let check = |policy_type: PolicyType| {
        let applies = |effect: Effect| {
            applying
                .iter()
                .any(|m| m.policy_type == policy_type && m.statement.effect == effect)
        };
        let effect = if applies(Effect::Deny) {
            CheckEffect::ExplicitDeny
        } else if answers.is_silent(policy_type) {
            CheckEffect::ImplicitDeny
        } else if applies(Effect::Allow) {
            CheckEffect::Allow
        } else {
            CheckEffect::NoImpact
        };
        let policies = policies
            .iter()
            .filter(|known| known.policy_type == policy_type)
            .count();
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
