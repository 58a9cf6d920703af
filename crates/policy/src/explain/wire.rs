//! Explanations in the shape of `GetRequestAuthorizationDetails` of `iam-toolbox` (R175). What is ours stands under
//! `portcullis` in an evaluation.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::explain::{
    Check, CheckEffect, ConditionReport, ElementReport, Explanation, Listed, Refusal, StatementReport,
};
use crate::span::Positions;
use crate::{Context, Effect, Outcome, PolicyType, Position, Value};

/// Why one API call was decided as it was: an evaluation for each of its checks (R139), and the policies they met, each
/// once. `Serialize` writes the members and types of `GetRequestAuthorizationDetailsOutput`.
///
/// ```
/// # use portcullis_policy::{AuthorizationDetails, Context, PolicySets, Principal, Request, explain};
/// let principal = Principal::Anonymous;
/// let request = Request {
///     principal: &principal,
///     action: "ecs:ListClusters",
///     resource: "*",
///     resource_account: None,
///     context: &Context::new(),
/// };
/// let details: AuthorizationDetails = [explain(&request, &PolicySets::default())].into_iter().collect();
/// let json = serde_json::to_value(&details).unwrap();
/// assert_eq!(json["evaluations"][0]["evaluatedEffect"], "IMPLICIT_DENY");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuthorizationDetails {
    /// The checks of the call, in order.
    pub evaluations: Vec<Explanation>,
}

impl FromIterator<Explanation> for AuthorizationDetails {
    fn from_iter<T: IntoIterator<Item = Explanation>>(explanations: T) -> Self {
        Self {
            evaluations: explanations.into_iter().collect(),
        }
    }
}

impl Serialize for AuthorizationDetails {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Details::of(&self.evaluations).serialize(serializer)
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Details::of(std::slice::from_ref(self)).serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    request_context: BTreeMap<&'a str, ContextValue<'a>>,
    evaluations: Vec<Evaluation<'a>>,
    policies: Vec<PolicyInfo<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ContextValue<'a> {
    Principal(&'a str),
    Key(&'a Value),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluation<'a> {
    action: &'a str,
    resource: &'a str,
    context: &'a Context,
    evaluated_effect: &'static str,
    matched_policies: Vec<MatchedPolicy<'a>>,
    checks: Vec<WireCheck<'a>>,
    portcullis: Extras<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireCheck<'a> {
    check_type: &'static str,
    evaluated_effect: CheckEffect,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_arn: Option<&'a str>,
    relevant_policy_types: [PolicyType; 1],
    matched_policies: Vec<MatchedPolicy<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchedPolicy<'a> {
    uri: String,
    matched_statements: Vec<MatchedStatement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchedStatement<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    evaluated_effect: Effect,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyInfo<'a> {
    r#type: PolicyType,
    inline: bool,
    uri: String,
    attached_to: Vec<AttachedTo<'a>>,
    policy_source: BTreeMap<&'static str, &'a str>,
}

#[derive(PartialEq, Serialize)]
struct AttachedTo<'a> {
    arn: &'a str,
}

/// What the public shape does not say.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extras<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<PolicyType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest_statement: Option<usize>,
    missing_context_values: Vec<&'a str>,
    refusals: &'a [Refusal],
    statements: Vec<WireStatement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireStatement<'a> {
    uri: String,
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    effect: Effect,
    position: Position,
    applies: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<WireElement<'a>>,
    action: WireElement<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<WireElement<'a>>,
    conditions: Vec<WireCondition<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireElement<'a> {
    element: &'static str,
    matched: bool,
    asked: &'a str,
    wanted: &'a Listed,
    listed_by: Option<Cow<'a, str>>,
    rule: &'static str,
}

impl<'a> From<&'a ElementReport> for WireElement<'a> {
    fn from(report: &'a ElementReport) -> Self {
        Self {
            element: report.element,
            matched: report.matched,
            asked: &report.asked,
            wanted: &report.wanted,
            listed_by: report.listed_by(),
            rule: report.rule,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireCondition<'a> {
    operator: String,
    negated: bool,
    key: &'a str,
    met: bool,
    asked: Option<&'a [String]>,
    wanted: &'a Listed,
    rule: &'static str,
    why: &'static str,
}

impl<'a> From<&'a ConditionReport> for WireCondition<'a> {
    fn from(report: &'a ConditionReport) -> Self {
        Self {
            operator: report.operator.to_string(),
            negated: report.negated,
            key: &report.key,
            met: report.met,
            asked: report.asked.as_deref(),
            wanted: &report.wanted,
            rule: report.rule,
            why: report.why,
        }
    }
}

impl<'a> Details<'a> {
    fn of(explanations: &'a [Explanation]) -> Self {
        Self {
            request_context: request_context(explanations),
            evaluations: explanations.iter().map(evaluation).collect(),
            policies: policies(explanations),
        }
    }
}

/// Who asked, and the global keys that all evaluations share.
fn request_context(explanations: &[Explanation]) -> BTreeMap<&str, ContextValue<'_>> {
    let Some((first, others)) = explanations.split_first() else {
        return BTreeMap::new();
    };
    let is_shared = |(key, value): &(&str, &Value)| {
        let is_global = key
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"));
        is_global && others.iter().all(|other| other.context.get(key) == Some(*value))
    };
    let keys = first.context.iter().filter(is_shared);
    let mut shared: BTreeMap<_, _> = keys.map(|(key, value)| (key, ContextValue::Key(value))).collect();
    shared.insert("principal", ContextValue::Principal(&first.principal));
    shared
}

fn evaluation(explanation: &Explanation) -> Evaluation<'_> {
    let matched = |report: &&StatementReport| report.applies;
    Evaluation {
        action: &explanation.action,
        resource: &explanation.resource,
        context: &explanation.context,
        evaluated_effect: match explanation.outcome {
            Outcome::Allow => "ALLOW",
            Outcome::ExplicitDeny => "EXPLICIT_DENY",
            Outcome::ImplicitDeny => "IMPLICIT_DENY",
        },
        matched_policies: matched_policies(explanation.statements.iter().filter(matched)),
        checks: explanation
            .checks
            .iter()
            .map(|check| wire_check(check, explanation))
            .collect(),
        portcullis: Extras {
            stopped_by: explanation.stopped_by,
            message: explanation.message(),
            nearest_statement: explanation.nearest,
            missing_context_values: explanation.missing_keys(),
            refusals: &explanation.refusals,
            statements: statements(explanation),
        },
    }
}

fn wire_check<'a>(check: &Check, explanation: &'a Explanation) -> WireCheck<'a> {
    let matched = explanation
        .statements
        .iter()
        .filter(|report| report.applies && report.policy.policy_type == check.policy_type);
    let (check_type, target) = match check.policy_type {
        PolicyType::ServiceControl => ("SERVICE_CONTROL_POLICY", &explanation.principal),
        PolicyType::ResourceControl => ("RESOURCE_CONTROL_POLICY", &explanation.resource),
        PolicyType::Endpoint => ("VPC_ENDPOINT", &explanation.resource),
        PolicyType::Resource | PolicyType::RoleTrust => ("RESOURCE", &explanation.resource),
        PolicyType::Boundary => ("PERMISSIONS_BOUNDARY", &explanation.principal),
        PolicyType::Session => ("SESSION", &explanation.principal),
        PolicyType::Identity => ("PRINCIPAL", &explanation.principal),
    };
    WireCheck {
        check_type,
        evaluated_effect: check.effect,
        target_arn: is_arn(target).then_some(target),
        relevant_policy_types: [check.policy_type],
        matched_policies: matched_policies(matched),
    }
}

fn matched_policies<'a>(matched: impl Iterator<Item = &'a StatementReport>) -> Vec<MatchedPolicy<'a>> {
    let mut policies: Vec<MatchedPolicy<'a>> = Vec::new();
    for report in matched {
        let uri = report.policy.uri();
        let statement = MatchedStatement {
            sid: report.sid.as_deref(),
            evaluated_effect: report.effect,
        };
        match policies.iter_mut().find(|known| known.uri == uri) {
            Some(known) => known.matched_statements.push(statement),
            None => policies.push(MatchedPolicy {
                uri,
                matched_statements: vec![statement],
            }),
        }
    }
    policies
}

/// The statements stand policy after policy, in the order of each text.
fn statements(explanation: &Explanation) -> Vec<WireStatement<'_>> {
    let mut reports = explanation.statements.iter().peekable();
    let mut wire = Vec::with_capacity(explanation.statements.len());
    for policy in &explanation.policies {
        let mut positions = Positions::in_text(&policy.text);
        while let Some(report) = reports.next_if(|report| Arc::ptr_eq(&report.policy, policy)) {
            wire.push(wire_statement(report, positions.next(report.span.start)));
        }
    }
    wire
}

fn wire_statement(report: &StatementReport, position: Position) -> WireStatement<'_> {
    WireStatement {
        uri: report.policy.uri(),
        index: report.index,
        sid: report.sid.as_deref(),
        effect: report.effect,
        position,
        applies: report.applies,
        principal: report.principal.as_ref().map(WireElement::from),
        action: WireElement::from(&report.action),
        resource: report.resource.as_ref().map(WireElement::from),
        conditions: report.conditions.iter().map(WireCondition::from).collect(),
    }
}

/// Every policy once, with all it is attached to.
fn policies(explanations: &[Explanation]) -> Vec<PolicyInfo<'_>> {
    let mut policies: Vec<PolicyInfo<'_>> = Vec::new();
    for policy in explanations.iter().flat_map(|explanation| &explanation.policies) {
        let uri = policy.uri();
        let holder = policy.attached_to.as_deref().filter(|arn| is_arn(arn));
        let attached_to = holder.map(|arn| AttachedTo { arn });
        let known = policies
            .iter_mut()
            .find(|known| known.uri == uri && known.r#type == policy.policy_type);
        match known {
            Some(known) => {
                let more = attached_to.filter(|more| !known.attached_to.contains(more));
                known.attached_to.extend(more);
            }
            None => policies.push(PolicyInfo {
                r#type: policy.policy_type,
                inline: policy.arn.is_none(),
                uri,
                attached_to: attached_to.into_iter().collect(),
                policy_source: BTreeMap::from([("name", policy.name.as_str())]),
            }),
        }
    }
    policies
}

/// The pattern of the model's `AttachedToArnString`.
fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.splitn(6, ':').count() == 6
}
