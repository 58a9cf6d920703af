//! One simulated call after the other.

use portcullis_api::iam as api;
use portcullis_core::AccountId;
use portcullis_policy::{
    Context, Decision, Document, Matched, Outcome, PolicySets, PolicyType, Position, Principal, Request,
    Source, decide_for_every,
};

use super::attached::Attached;
use super::context::unique;
use super::inputs::{Inputs, Named};

/// Everything a simulation rests on.
pub(super) struct Simulation<'a> {
    /// Who is simulated.
    pub principal: Principal,
    /// Whose the resources are.
    pub owner: AccountId,
    /// The condition keys.
    pub context: Context,
    /// The policies of the request.
    pub inputs: &'a Inputs,
    /// The policies of the principal.
    pub attached: &'a [Attached<'a>],
    /// The boundary of the principal; one in the request replaces it.
    pub boundary: Option<(&'a str, &'a Document)>,
}

impl Simulation<'_> {
    /// What the policies say about one action on one resource.
    pub fn result(&self, action: &str, resource: &str, by_resource: bool) -> api::EvaluationResult {
        let identity = self.identity();
        let levels: Vec<Vec<Source<'_>>> = self
            .inputs
            .levels
            .iter()
            .map(|level| level.iter().map(source).collect())
            .collect();
        let levels: Vec<&[Source<'_>]> = levels.iter().map(Vec::as_slice).collect();
        let sets = PolicySets {
            identity: &identity,
            boundary: self.boundary(),
            resource: self.inputs.resource.as_ref().map(source),
            scps: &levels,
            ..PolicySets::default()
        };
        let request = Request {
            principal: &self.principal,
            action,
            resource,
            resource_account: Some(&self.owner),
            context: &self.context,
        };
        // R50: a `*` in a simulated resource is any such resource.
        let decision = decide_for_every(&request, &sets);
        let boundary = sets
            .boundary
            .map(|boundary| api::PermissionsBoundaryDecisionDetail {
                allowed_by_permissions_boundary: Some(allows(&request, &[boundary])),
            });
        let organizations = (!levels.is_empty()).then(|| api::OrganizationsDecisionDetail {
            allowed_by_organizations: Some(levels.iter().all(|level| allows(&request, level))),
        });
        let result = api::EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(resource.to_owned()),
            eval_decision: word(decision.outcome).to_owned(),
            matched_statements: Some(statements(&decision)),
            missing_context_values: Some(self.missing_keys()),
            organizations_decision_detail: organizations,
            permissions_boundary_decision_detail: boundary,
            eval_decision_details: None,
            resource_specific_results: None,
        };
        let specific = by_resource.then(|| vec![of_resource(&result)]);
        api::EvaluationResult {
            resource_specific_results: specific,
            ..result
        }
    }

    fn identity(&self) -> Vec<Source<'_>> {
        let attached = self.attached.iter().map(|policy| Source {
            name: &policy.id,
            arn: policy.arn(),
            attached_to: None,
            document: policy.document,
        });
        attached.chain(self.inputs.identity.iter().map(source)).collect()
    }

    fn boundary(&self) -> Option<Source<'_>> {
        let own = self.boundary.map(|(name, document)| Source {
            name,
            arn: None,
            attached_to: None,
            document,
        });
        self.inputs.boundary.as_ref().map(source).or(own)
    }

    /// Keys the policies ask for and nobody gave.
    fn missing_keys(&self) -> Vec<String> {
        let attached = self.attached.iter().map(|policy| policy.document);
        let documents = attached
            .chain(self.inputs.documents())
            .chain(self.boundary.map(|(_, document)| document));
        let keys = documents.flat_map(Document::context_keys);
        unique(keys.filter(|key| self.context.get(key).is_none()))
    }
}

fn source((name, document): &Named) -> Source<'_> {
    Source {
        name,
        arn: None,
        attached_to: None,
        document,
    }
}

/// Whether policies would allow the request if they were all the identity has.
fn allows(request: &Request<'_>, policies: &[Source<'_>]) -> bool {
    let same_account = Request {
        resource_account: None,
        ..*request
    };
    decide_for_every(
        &same_account,
        &PolicySets {
            identity: policies,
            ..PolicySets::default()
        },
    )
    .is_allowed()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allowed",
        Outcome::ExplicitDeny => "explicitDeny",
        Outcome::ImplicitDeny => "implicitDeny",
    }
}

fn statements(decision: &Decision<'_>) -> Vec<api::Statement> {
    decision.matched.iter().map(statement).collect()
}

fn statement(matched: &Matched<'_>) -> api::Statement {
    let document = matched.source.document;
    let span = matched.statement.span;
    let kind = match matched.policy_type {
        PolicyType::Resource | PolicyType::RoleTrust => "Resource Policy",
        PolicyType::Boundary => "Permissions Boundary Policy",
        PolicyType::ServiceControl => "Service Control Policy",
        _ => "IAM Policy",
    };
    api::Statement {
        source_policy_id: Some(matched.source.name.to_owned()),
        source_policy_type: Some(kind.to_owned()),
        start_position: Some(position(document.position(span.start))),
        end_position: Some(position(document.position(span.end))),
    }
}

fn position(place: Position) -> api::Position {
    api::Position {
        line: i32::try_from(place.line).ok(),
        column: i32::try_from(place.column).ok(),
    }
}

fn of_resource(result: &api::EvaluationResult) -> api::ResourceSpecificResult {
    api::ResourceSpecificResult {
        eval_resource_name: result.eval_resource_name.clone().unwrap_or_default(),
        eval_resource_decision: result.eval_decision.clone(),
        matched_statements: result.matched_statements.clone(),
        missing_context_values: result.missing_context_values.clone(),
        eval_decision_details: None,
        permissions_boundary_decision_detail: result.permissions_boundary_decision_detail.clone(),
    }
}
