//! What is kept of a refusal: the answer of GetRequestAuthorizationDetails (policy-language R175), and the policies as they
//! were then.

use std::collections::BTreeMap;

use portcullis_core::{AccountId, Timestamp};
use portcullis_policy::{AuthorizationDetails, Explanation, PolicyType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::reason::Reason;
use crate::gate::call::Call;

/// Largest packed form, in bytes. What is heavier is kept without the policies, then without the statements.
const PACKED_BYTES_MAX: usize = 256 * 1024;
/// Check types that speak of the resource's account.
const OF_THE_RESOURCE: [&str; 2] = ["RESOURCE", "RESOURCE_CONTROL_POLICY"];
/// Policy types that belong to the resource's account.
const ON_THE_RESOURCE: [&str; 2] = ["RESOURCE_BASED_POLICY", "RESOURCE_CONTROL_POLICY"];

/// The key of the time of the request.
const TIME: &str = "aws:CurrentTime";

/// Whose a refusal is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Whose {
    pub(super) account: AccountId,
    /// `Caller::own_id`.
    pub(super) user_id: String,
    arn: String,
    at: Timestamp,
    request_id: String,
}

impl Whose {
    pub(super) fn of(call: &Call) -> Self {
        Self {
            account: call.caller.account.clone(),
            user_id: call.caller.own_id(),
            arn: call.caller.arn(),
            at: call.now,
            request_id: call.request_id.clone(),
        }
    }
}

/// A refusal in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The account of the caller who was refused; nobody else's sees it.
    pub account: AccountId,
    /// Who was refused: `Caller::own_id`, which tells him from every other.
    pub user_id: String,
    /// When.
    pub at: Timestamp,
    /// The id of the refused request.
    pub request_id: String,
    /// The members of GetRequestAuthorizationDetails' answer; what is ours stands in each evaluation under `portcullis`.
    pub details: Value,
    /// The text of each policy, by its URI.
    pub policies: BTreeMap<String, String>,
    /// Whether the resource belongs to another account, which keeps its policies to itself (R179).
    pub is_cross_account: bool,
    /// Whether the refusal itself told the caller the rule that refused it.
    pub is_told: bool,
}

impl Kept {
    /// A refusal with its reasons. Checks that the call could do without have no part in it.
    pub(super) fn of(whose: &Whose, reasons: Vec<Reason>) -> Self {
        let reasons: Vec<Reason> = reasons.into_iter().filter(|reason| !reason.is_optional).collect();
        let explained = || reasons.iter().filter_map(|reason| reason.explanation.as_ref());
        let mut kept = Self {
            account: whose.account.clone(),
            user_id: whose.user_id.clone(),
            at: whose.at,
            request_id: whose.request_id.clone(),
            details: Value::Null,
            policies: texts(explained()),
            is_cross_account: explained().any(|explanation| explanation.cross_account),
            is_told: reasons.iter().all(|reason| reason.is_told),
        };
        kept.details = details(&whose.arn, whose.at, reasons);
        if kept.is_cross_account {
            kept.keep_to_the_callers_account();
        }
        kept
    }

    /// Its packed form; of what is too heavy without the policies' texts, then without the statements. `None` if it cannot
    /// be packed.
    pub(super) fn lightest(&self, pack: impl Fn(&Self) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let packed = pack(self)?;
        if packed.len() <= PACKED_BYTES_MAX {
            return Some(packed);
        }
        let mut lighter = self.clone();
        lighter.policies.clear();
        let packed = pack(&lighter)?;
        if packed.len() <= PACKED_BYTES_MAX {
            return Some(packed);
        }
        lighter.each_evaluation(|evaluation| {
            if let Some(Value::Object(ours)) = evaluation.get_mut("portcullis") {
                ours.shift_remove("statements");
                ours.shift_remove("nearestStatement");
            }
        });
        pack(&lighter)
    }

    /// The answer without what is ours.
    #[must_use]
    pub fn without_ours(mut self) -> Self {
        self.each_evaluation(|evaluation| {
            evaluation.shift_remove("portcullis");
        });
        self
    }

    /// What the refused caller may know without permission: what his own request said, and which kinds of policy refused
    /// it, as the refusal itself told him. No policy is named, nor any tag of the resource; of resources in other accounts
    /// and of such as are not there not even that, so that nobody can probe for them.
    #[must_use]
    pub fn told_anyway(mut self) -> Self {
        if self.is_told {
            return self;
        }
        let tells_nothing = self.is_cross_account || !self.is_explained();
        self.policies.clear();
        self.each_evaluation(|evaluation| {
            evaluation.retain(|name, _| match name.as_str() {
                "action" | "resource" => true,
                "evaluatedEffect" | "checks" => !tells_nothing,
                _ => false,
            });
            let checks = evaluation.get_mut("checks").and_then(Value::as_array_mut);
            for check in checks.into_iter().flatten().filter_map(Value::as_object_mut) {
                check.shift_remove("matchedPolicies");
            }
        });
        if let Value::Object(details) = &mut self.details {
            details.insert("policies".to_owned(), json!([]));
            if let Some(Value::Object(context)) = details.get_mut("requestContext") {
                context.retain(|key, _| {
                    matches!(key.as_str(), "principal" | TIME) || !(tells_nothing || is_of_the_resource(key))
                });
            }
        }
        self
    }

    /// Whether policies were asked in every check.
    fn is_explained(&self) -> bool {
        let evaluations = self.details.get("evaluations").and_then(Value::as_array);
        evaluations.is_some_and(|all| all.iter().all(|one| one.get("checks").is_some()))
    }

    fn keep_to_the_callers_account(&mut self) {
        let mut foreign = Vec::new();
        if let Some(Value::Array(policies)) = self.details.get_mut("policies") {
            policies.retain(|policy| {
                let is_own = !is_one_of(policy, "type", &ON_THE_RESOURCE);
                if !is_own {
                    foreign.push(policy.get("uri").cloned().unwrap_or_default());
                }
                is_own
            });
        }
        self.policies
            .retain(|uri, _| !foreign.iter().any(|policy| policy == uri));
        self.each_evaluation(|evaluation| {
            evaluation.shift_remove("portcullis");
            if let Some(Value::Array(checks)) = evaluation.get_mut("checks") {
                checks.retain(|check| !is_one_of(check, "checkType", &OF_THE_RESOURCE));
            }
            if let Some(Value::Array(matched)) = evaluation.get_mut("matchedPolicies") {
                matched.retain(|policy| !foreign.iter().any(|uri| policy.get("uri") == Some(uri)));
            }
            if let Some(Value::Object(context)) = evaluation.get_mut("context") {
                context.retain(|key, _| !is_of_the_resource(key));
            }
        });
    }

    fn each_evaluation(&mut self, change: impl FnMut(&mut Map<String, Value>)) {
        if let Some(Value::Array(evaluations)) = self.details.get_mut("evaluations") {
            evaluations
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(change);
        }
    }
}

fn is_one_of(value: &Value, member: &str, of: &[&str]) -> bool {
    value
        .get(member)
        .and_then(Value::as_str)
        .is_some_and(|text| of.contains(&text))
}

/// Keys that tell of the resource what its account may keep to itself.
fn is_of_the_resource(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("aws:resource") || key.contains(":resourcetag/")
}

fn texts<'e>(explanations: impl Iterator<Item = &'e Explanation>) -> BTreeMap<String, String> {
    let policies = explanations.flat_map(|explanation| &explanation.policies);
    policies
        .map(|policy| (policy.uri(), policy.text.to_string()))
        .collect()
}

/// An evaluation for each reason, in order.
fn details(principal: &str, at: Timestamp, reasons: Vec<Reason>) -> Value {
    let ours: Vec<Ours> = reasons.iter().map(Ours::of).collect();
    let explained: AuthorizationDetails = reasons
        .into_iter()
        .filter_map(|reason| reason.explanation)
        .collect();
    let mut details = serde_json::to_value(&explained).unwrap_or_default();
    let mut told = match details.get_mut("evaluations").map(Value::take) {
        Some(Value::Array(evaluations)) => evaluations.into_iter(),
        _ => Vec::new().into_iter(),
    };
    let evaluations: Vec<Value> = ours
        .into_iter()
        .map(|ours| {
            let of_policies = if ours.is_explained { told.next() } else { None };
            ours.evaluation(of_policies)
        })
        .collect();
    if let Value::Object(details) = &mut details {
        details.insert("evaluations".to_owned(), Value::Array(evaluations));
        if let Some(Value::Object(context)) = details.get_mut("requestContext") {
            context
                .entry("principal")
                .or_insert_with(|| Value::from(principal));
            // Where no policy was asked the request's keys are not there.
            context.entry(TIME).or_insert_with(|| Value::from(at.to_iso()));
        }
    }
    details
}

/// What we add to an evaluation.
struct Ours {
    action: String,
    resource: String,
    is_explained: bool,
    is_told: bool,
    summary: String,
    to_allow: Vec<String>,
    rule: Option<String>,
    /// The type of the set that stopped it, in words.
    stopped_by: Option<&'static str>,
}

impl Ours {
    fn of(reason: &Reason) -> Self {
        let explanation = reason.explanation.as_ref();
        let steps = explanation
            .filter(|_| reason.rule.is_none())
            .map(Explanation::remedy);
        Self {
            action: reason.action.clone(),
            resource: reason.resource.clone(),
            is_explained: explanation.is_some(),
            is_told: reason.is_told,
            summary: reason.one_line(),
            to_allow: steps
                .unwrap_or_default()
                .iter()
                .map(ToString::to_string)
                .collect(),
            rule: reason.rule.clone(),
            stopped_by: explanation
                .and_then(|explanation| explanation.stopped_by)
                .map(PolicyType::name),
        }
    }

    fn evaluation(self, of_policies: Option<Value>) -> Value {
        let Some(Value::Object(mut evaluation)) = of_policies else {
            return json!({
                "action": self.action,
                "resource": self.resource,
                "evaluatedEffect": if self.is_told { "EXPLICIT_DENY" } else { "IMPLICIT_DENY" },
                "portcullis": { "summary": self.summary, "rule": self.rule },
            });
        };
        let is_allowed = evaluation
            .get("evaluatedEffect")
            .is_some_and(|effect| effect == "ALLOW");
        if is_allowed && self.rule.is_some() {
            // Nothing that a policy allows would change it.
            evaluation.insert("evaluatedEffect".to_owned(), Value::from("EXPLICIT_DENY"));
        }
        if let Some(Value::Object(ours)) = evaluation.get_mut("portcullis") {
            ours.insert("summary".to_owned(), Value::from(self.summary));
            ours.insert("toAllow".to_owned(), Value::from(self.to_allow));
            if let Some(rule) = self.rule {
                ours.insert("rule".to_owned(), Value::from(rule));
            }
            if let Some(set) = self.stopped_by {
                ours.insert("stoppedBySet".to_owned(), Value::from(set));
            }
        }
        Value::Object(evaluation)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{SeededRandom, uuid};

    use super::super::sheet;
    use super::*;

    /// A refusal whose policies and statements hold so many random words.
    fn heavy(in_policies: usize, in_statements: usize) -> Kept {
        let noise = SeededRandom::new(1);
        let words = |count| (0..count).map(|_| uuid(&noise)).collect::<Vec<_>>();
        let policy = words(in_policies).concat();
        Kept {
            account: "123456789012".parse().unwrap(),
            user_id: "AIDA".to_owned(),
            at: Timestamp::from_millis(0),
            request_id: "r".to_owned(),
            details: json!({ "evaluations": [{ "action": "a:B", "portcullis": { "summary": "s", "statements": words(in_statements) } }] }),
            policies: BTreeMap::from([("uri".to_owned(), policy)]),
            is_cross_account: false,
            is_told: false,
        }
    }

    fn packed(kept: &Kept) -> Kept {
        let bytes = sheet::of_kept(kept).unwrap();
        assert!(bytes.len() <= PACKED_BYTES_MAX + 1);
        match sheet::read(&bytes) {
            Some(sheet::Content::Kept(kept)) => *kept,
            _ => panic!("it was in words"),
        }
    }

    #[test]
    fn a_refusal_comes_back_as_it_was() {
        let kept = heavy(100, 100);
        assert_eq!(packed(&kept), kept);
    }

    #[test]
    fn too_heavy_a_refusal_leaves_out_policies_first_and_then_statements() {
        let mut without_policies = heavy(20_000, 100);
        let kept = packed(&without_policies);
        without_policies.policies.clear();
        assert_eq!(kept, without_policies);

        let kept = packed(&heavy(20_000, 20_000));
        assert_eq!(
            kept.details,
            json!({ "evaluations": [{ "action": "a:B", "portcullis": { "summary": "s" } }] })
        );
    }
}
