//! Explanations in the shape of `GetRequestAuthorizationDetails` of `iam-toolbox` (R175). Members of ours:
//! `stoppedBy`, `nearestStatement` and `statements` of an evaluation.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::explain::{
    Check, CheckEffect, ConditionReport, ElementReport, Explanation, PolicyName, StatementReport,
};
use crate::{Context, Effect, Outcome, PolicyType, Position};

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let details = Details {
            request_context: BTreeMap::from([("principalArn", self.principal.as_str())]),
            evaluations: [evaluation(self)],
            policies: policies(&self.statements),
        };
        details.serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    request_context: BTreeMap<&'static str, &'a str>,
    evaluations: [Evaluation<'a>; 1],
    policies: Vec<PolicyInfo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluation<'a> {
    action: &'a str,
    resource: &'a str,
    context: &'a Context,
    evaluated_effect: &'static str,
    checks: Vec<WireCheck<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<PolicyType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest_statement: Option<usize>,
    statements: Vec<WireStatement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireCheck<'a> {
    check_type: &'static str,
    evaluated_effect: CheckEffect,
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

#[derive(Serialize)]
struct AttachedTo<'a> {
    arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireStatement<'a> {
    uri: String,
    index: usize,
    sid: Option<&'a str>,
    effect: Effect,
    position: Position,
    applies: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a ElementReport>,
    action: &'a ElementReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a ElementReport>,
    conditions: &'a [ConditionReport],
}

fn evaluation(explanation: &Explanation) -> Evaluation<'_> {
    Evaluation {
        action: &explanation.action,
        resource: &explanation.resource,
        context: &explanation.context,
        evaluated_effect: match explanation.outcome {
            Outcome::Allow => "ALLOW",
            Outcome::ExplicitDeny => "EXPLICIT_DENY",
            Outcome::ImplicitDeny => "IMPLICIT_DENY",
        },
        checks: explanation
            .checks
            .iter()
            .map(|check| wire_check(check, &explanation.statements))
            .collect(),
        stopped_by: explanation.stopped_by,
        nearest_statement: explanation.nearest,
        statements: explanation.statements.iter().map(wire_statement).collect(),
    }
}

fn wire_check<'a>(check: &Check, statements: &'a [StatementReport]) -> WireCheck<'a> {
    let mut matched_policies: Vec<MatchedPolicy<'a>> = Vec::new();
    let matched = statements
        .iter()
        .filter(|report| report.applies && report.policy_type == check.policy_type);
    for report in matched {
        let uri = uri(&report.policy);
        let statement = MatchedStatement {
            sid: report.sid.as_deref(),
            evaluated_effect: report.effect,
        };
        match matched_policies.iter_mut().find(|known| known.uri == uri) {
            Some(known) => known.matched_statements.push(statement),
            None => matched_policies.push(MatchedPolicy {
                uri,
                matched_statements: vec![statement],
            }),
        }
    }
    WireCheck {
        check_type: check_type(check.policy_type),
        evaluated_effect: check.effect,
        relevant_policy_types: [check.policy_type],
        matched_policies,
    }
}

fn check_type(policy_type: PolicyType) -> &'static str {
    match policy_type {
        PolicyType::ServiceControl => "SERVICE_CONTROL_POLICY",
        PolicyType::ResourceControl => "RESOURCE_CONTROL_POLICY",
        PolicyType::Endpoint => "VPC_ENDPOINT",
        PolicyType::Resource | PolicyType::RoleTrust => "RESOURCE",
        PolicyType::Boundary => "PERMISSIONS_BOUNDARY",
        PolicyType::Session => "SESSION",
        PolicyType::Identity => "PRINCIPAL",
    }
}

fn wire_statement(report: &StatementReport) -> WireStatement<'_> {
    WireStatement {
        uri: uri(&report.policy),
        index: report.index,
        sid: report.sid.as_deref(),
        effect: report.effect,
        position: report.position,
        applies: report.applies,
        principal: report.principal.as_ref(),
        action: &report.action,
        resource: report.resource.as_ref(),
        conditions: &report.conditions,
    }
}

/// Every policy with a statement considered, once.
fn policies(statements: &[StatementReport]) -> Vec<PolicyInfo<'_>> {
    let mut policies: Vec<PolicyInfo<'_>> = Vec::new();
    for StatementReport {
        policy, policy_type, ..
    } in statements
    {
        let uri = uri(policy);
        if !policies
            .iter()
            .any(|known| known.uri == uri && known.r#type == *policy_type)
        {
            policies.push(PolicyInfo {
                r#type: *policy_type,
                inline: policy.arn.is_none(),
                uri,
                attached_to: policy.attached_to.iter().map(|arn| AttachedTo { arn }).collect(),
                policy_source: BTreeMap::from([("name", policy.name.as_str())]),
            });
        }
    }
    policies
}

/// A managed policy's ARN; a policy without one is named by what it is attached to.
fn uri(policy: &PolicyName) -> String {
    match (&policy.arn, &policy.attached_to) {
        (Some(arn), _) => arn.clone(),
        (None, Some(holder)) => format!("{holder}#{}", policy.name),
        (None, None) => format!("inline#{}", policy.name),
    }
}
