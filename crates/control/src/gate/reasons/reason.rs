//! Why one check of a call was decided as it was.

use portcullis_policy::{Explanation, Outcome};

use crate::gate::authorize;
use crate::gate::call::Call;
use crate::gate::operation::Check;
use crate::world::Snapshot;

/// What stands in the way when a policy that bears on the call does not parse (R31).
const UNREADABLE: &str =
    "a policy that bears on it cannot be read, which denies everything until it is replaced";

/// What stands in the way when the resource has no policy that could let anybody in.
const NOT_THERE: &str = "there is no such resource, or its policy cannot be read, which denies everything";

/// A check, what policies say of it, and the rule beside them that it broke.
#[derive(Debug, Clone)]
pub struct Reason {
    /// The IAM action.
    pub action: &'static str,
    /// The resource, as a refusal names it.
    pub resource: String,
    /// What policies say; `None` when one of them cannot be read or the resource that should have one is not there.
    pub explanation: Option<Explanation>,
    /// Why it is refused whatever policies say.
    pub rule: Option<String>,
    /// Whether the call went on without this permission.
    pub is_optional: bool,
}

impl Reason {
    /// One for each check, decided again on the picture of the call.
    pub(in crate::gate) fn of_all(view: &Snapshot, call: &Call, checks: &[Check]) -> Vec<Self> {
        let explained = authorize::explain(view, call, checks);
        let reasons = checks.iter().zip(explained);
        reasons
            .map(|(check, explanation)| Self {
                action: check.action,
                resource: check.shown().to_owned(),
                rule: broken_rule(call, check, explanation.as_ref()),
                explanation,
                is_optional: check.optional,
            })
            .collect()
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
fn broken_rule(call: &Call, check: &Check, explanation: Option<&Explanation>) -> Option<String> {
    let Some(explanation) = explanation else {
        let on_resource = check.resource_policy.as_ref();
        let is_missing = on_resource.is_some_and(|on_resource| on_resource.policy.is_none());
        return Some(if is_missing { NOT_THERE } else { UNREADABLE }.to_owned());
    };
    // A refusal of policies comes first: it is what the caller was told.
    let owner = check
        .owner
        .as_ref()
        .filter(|_| explanation.outcome == Outcome::Allow)?;
    (owner.user_id != call.caller.user_id()).then(|| {
        format!(
            "{}: {} is for that principal alone, whatever policies allow",
            owner.because, owner.resource
        )
    })
}
