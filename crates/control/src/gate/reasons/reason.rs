//! Why one check of a call was decided as it was.

use portcullis_policy::{ExplainedPolicy, Explanation, Outcome, PolicyType};
use serde::{Deserialize, Serialize};

use crate::gate::authorize;
use crate::gate::call::Call;
use crate::gate::operation::{Check, NoPolicy, Owner};
use crate::world::Snapshot;

/// What stands in the way when a policy that bears on the call does not parse (R31).
const UNREADABLE: &str =
    "a policy that bears on it cannot be read, which denies everything until it is replaced";

/// What stands in the way when there is nothing to assume.
const NO_ROLE: &str = "there is no such role";
/// What stands in the way when nobody can be let in.
const UNREADABLE_TRUST: &str =
    "the role's trust policy cannot be read, which keeps everybody out until it is replaced";

/// What is known of a check beside its policies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The IAM action.
    pub(super) action: String,
    /// The resource, as a refusal names it.
    shown: String,
    /// Why its resource's policy could not be asked.
    no_policy: Option<NoPolicy>,
    /// Why it is refused although policies allow it.
    owners_rule: Option<String>,
    is_optional: bool,
}

impl Facts {
    pub(super) fn of(call: &Call, check: &Check) -> Self {
        Self {
            action: check.action.to_owned(),
            shown: check.shown().to_owned(),
            no_policy: no_policy(check),
            owners_rule: owners_rule(call, check),
            is_optional: check.optional,
        }
    }
}

/// A check, what policies say of it, and the rule beside them that it broke.
#[derive(Debug, Clone)]
pub struct Reason {
    /// The IAM action.
    pub action: String,
    /// The resource, as a refusal names it.
    pub resource: String,
    /// What policies say; `None` when one of the caller's cannot be read or none was asked.
    pub explanation: Option<Explanation>,
    /// Why it is refused whatever policies say.
    pub rule: Option<String>,
    /// Whether the call went on without this permission.
    pub is_optional: bool,
    /// Whether the refusal itself told the caller the rule.
    pub is_told: bool,
}

impl Reason {
    /// One for each check, decided again on the picture of the call.
    pub(in crate::gate) fn of_all(view: &Snapshot, call: &Call, checks: &[Check]) -> Vec<Self> {
        let explained = authorize::explain(view, call, checks);
        let reasons = checks.iter().zip(explained);
        reasons
            .map(|(check, explanation)| Self::of(Facts::of(call, check), explanation))
            .collect()
    }

    /// A check with what policies say; `None` when they cannot be read.
    pub(super) fn of(facts: Facts, explanation: Option<Explanation>) -> Self {
        let rule = broken_rule(&facts, explanation.as_ref());
        Self {
            action: facts.action,
            resource: facts.shown,
            rule,
            explanation: explanation.map(|explanation| match facts.no_policy {
                Some(_) => of_what_is_there(explanation),
                None => explanation,
            }),
            is_optional: facts.is_optional,
            is_told: false,
        }
    }

    /// The one reason of a call that a rule beside the policies refused.
    pub(in crate::gate) fn of_rule(action: &str, rule: &str) -> Self {
        Self {
            action: action.to_owned(),
            resource: "*".to_owned(),
            explanation: None,
            rule: Some(rule.to_owned()),
            is_optional: false,
            is_told: true,
        }
    }

    /// Whether the check was passed.
    pub fn is_allowed(&self) -> bool {
        self.rule.is_none() && self.by_policies() == Some(Outcome::Allow)
    }

    fn by_policies(&self) -> Option<Outcome> {
        self.explanation.as_ref().map(|explanation| explanation.outcome)
    }

    /// The decision and its reason in one line.
    pub fn one_line(&self) -> String {
        match &self.rule {
            Some(rule) => format!("denied: {rule}"),
            None => self
                .explanation
                .as_ref()
                .map(Explanation::one_line)
                .unwrap_or_default(),
        }
    }

    /// The decision with the statements that decided or came nearest, for a terminal.
    pub fn render(&self) -> String {
        let explanation = self.explanation.as_ref();
        let Some(rule) = &self.rule else {
            return explanation.map(Explanation::render).unwrap_or_default();
        };
        let mut page = format!(
            "DENIED  {} on {}\n  stopped by  {rule}\n",
            self.action, self.resource
        );
        if let Some(by_policies) = explanation {
            page.push_str(&format!("  policies    {}\n", by_policies.one_line()));
        }
        page
    }
}

/// Why a check is refused whatever policies say; always something when they cannot be asked.
fn broken_rule(facts: &Facts, explanation: Option<&Explanation>) -> Option<String> {
    match (facts.no_policy, explanation) {
        (Some(NoPolicy::NoRole), _) => Some(NO_ROLE.to_owned()),
        (Some(NoPolicy::Unreadable), _) => Some(UNREADABLE_TRUST.to_owned()),
        (None, None) => Some(UNREADABLE.to_owned()),
        // A refusal of policies comes first: it is what the caller was told.
        (None, Some(explanation)) if explanation.outcome == Outcome::Allow => facts.owners_rule.clone(),
        (None, Some(_)) => None,
    }
}

fn owners_rule(call: &Call, check: &Check) -> Option<String> {
    let owner = check.owner.as_ref().filter(|owner| !owner.is(&call.caller))?;
    Some(match owner {
        Owner::Nobody { resource, because } => {
            format!("{because}: policies allow nobody to act for {resource} without it")
        }
        Owner::Caller {
            resource, because, ..
        }
        | Owner::Task {
            arn: resource,
            because,
        } => format!("{because}: {resource} is for that principal alone, whatever policies allow"),
        Owner::Account { id, .. } => {
            format!("this is for callers of account {id} alone, whatever policies allow")
        }
    })
}

fn no_policy(check: &Check) -> Option<NoPolicy> {
    check.resource_policy.as_ref()?.policy.as_ref().err().copied()
}

/// Without the policy that stood for one that could not be asked.
fn of_what_is_there(mut explanation: Explanation) -> Explanation {
    let is_there = |policy: &ExplainedPolicy| policy.policy_type != PolicyType::RoleTrust;
    explanation.policies.retain(|policy| is_there(policy));
    explanation.statements.retain(|report| is_there(&report.policy));
    explanation.nearest = None;
    explanation
}
