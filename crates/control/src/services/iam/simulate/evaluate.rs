//! One simulated action after the other, each on every resource.

use std::collections::BTreeMap;

use portcullis_api::iam as api;
use portcullis_core::{AccountId, Partition};
use portcullis_policy::{
    Context, Decision, Document, Matched, Outcome, PolicySets, PolicyType, Position, Principal, Request,
    Source, decide_for_every,
};

use super::attached::Attached;
use super::context::unique;
use super::inputs::{Inputs, Named};

/// What a source of policies is called in results.
const IDENTITY: &str = "IAM Policy";
const RESOURCE: &str = "Resource Policy";
const BOUNDARY: &str = "Permissions Boundary Policy";

/// Everything a simulation rests on.
pub(super) struct Simulation<'a> {
    /// Who is simulated.
    pub principal: Principal,
    /// The account of the caller.
    pub account: AccountId,
    /// The partition of the caller.
    pub partition: Partition,
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
    /// Whether service control policies could bind the principal: those of an organization whose member its account is.
    pub is_member: bool,
}

/// What the policies say about one action on one resource.
struct Verdict {
    outcome: Outcome,
    statements: Vec<api::Statement>,
    /// Whether the organization's policies let it pass, if there are any.
    organizations: Option<bool>,
    /// Whether the boundary lets it pass, if there is one.
    boundary: Option<bool>,
    /// What each kind of policy comes to, where the resource is another account's.
    details: BTreeMap<String, String>,
}

/// The policies of a simulation, side by side.
struct Sources<'s> {
    identity: Vec<Source<'s>>,
    boundary: Option<Source<'s>>,
    resource: Option<Source<'s>>,
    levels: Vec<Vec<Source<'s>>>,
}

impl Simulation<'_> {
    /// One result for every action. With resources it sums up the results on each of them.
    pub fn results<'n>(
        &self,
        actions: impl Iterator<Item = &'n String>,
        resources: Option<&Vec<String>>,
    ) -> Vec<api::EvaluationResult> {
        let sources = self.sources();
        let missing = self.missing_keys();
        actions
            .map(|action| match resources {
                Some(resources) => self.on_each(action, resources, &sources, &missing),
                None => {
                    let verdict = self.verdict(action, "*", &sources);
                    summed_up(
                        action,
                        Some("*".to_owned()),
                        std::slice::from_ref(&verdict),
                        &missing,
                    )
                }
            })
            .collect()
    }

    fn on_each(
        &self,
        action: &str,
        resources: &[String],
        sources: &Sources<'_>,
        missing: &[String],
    ) -> api::EvaluationResult {
        let verdicts: Vec<_> = resources
            .iter()
            .map(|resource| self.verdict(action, resource, sources))
            .collect();
        let specific = resources.iter().zip(&verdicts);
        let specific = specific.map(|(resource, verdict)| on_resource(resource, verdict, missing));
        let name = match resources {
            [resource] => Some(resource.clone()),
            _ => self.kind_of_resource(action),
        };
        let details = verdicts.first().map(|verdict| verdict.details.clone());
        api::EvaluationResult {
            eval_decision_details: Some(details.unwrap_or_default()),
            resource_specific_results: Some(specific.collect()),
            ..summed_up(action, name, &verdicts, missing)
        }
    }

    /// The form of the resources an action knows, where it knows one form only.
    fn kind_of_resource(&self, action: &str) -> Option<String> {
        let mut kinds = portcullis_reference::action(action)?.resource_types();
        let only = kinds.next().filter(|_| kinds.next().is_none())?;
        let format = only.resource_type.arn_format();
        Some(format.replace("${Partition}", self.partition.as_str()))
    }

    fn verdict(&self, action: &str, resource: &str, sources: &Sources<'_>) -> Verdict {
        let levels: Vec<&[Source<'_>]> = sources.levels.iter().map(Vec::as_slice).collect();
        let sets = PolicySets {
            identity: &sources.identity,
            boundary: sources.boundary,
            resource: sources.resource,
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
        let passes = |level: &&[Source<'_>]| alone(&request, level) == Outcome::Allow;
        // A member's organization lets everything pass that no policy of the request stops: it has none of its own.
        let is_bound = self.is_member || !levels.is_empty();
        let organizations = is_bound.then(|| levels.iter().all(passes));
        let boundary = sources
            .boundary
            .map(|boundary| alone(&request, &[boundary]) == Outcome::Allow);
        // What the organization refuses is refused whatever the other policies say: they are not shown.
        let statements = match organizations {
            Some(false) => Vec::new(),
            _ => statements(&decision),
        };
        Verdict {
            outcome: decision.outcome,
            statements,
            organizations,
            boundary,
            details: self.details(&request, sources),
        }
    }

    /// Another account's resources need a permission on both sides.
    fn details(&self, request: &Request<'_>, sources: &Sources<'_>) -> BTreeMap<String, String> {
        let mut details = BTreeMap::new();
        if self.owner == self.account {
            return details;
        }
        let mut add = |kind: &str, outcome| details.insert(kind.to_owned(), word(outcome).to_owned());
        add(IDENTITY, alone(request, &sources.identity));
        if let Some(boundary) = sources.boundary {
            add(BOUNDARY, alone(request, &[boundary]));
        }
        if let Some(resource) = sources.resource {
            let own = Request {
                resource_account: None,
                ..*request
            };
            let sets = PolicySets {
                resource: Some(resource),
                ..PolicySets::default()
            };
            add(RESOURCE, decide_for_every(&own, &sets).outcome);
        }
        details
    }

    fn sources(&self) -> Sources<'_> {
        let attached = self.attached.iter().map(|policy| Source {
            name: &policy.id,
            arn: policy.arn(),
            attached_to: None,
            document: policy.document,
        });
        let own = self.boundary.map(|(name, document)| Source {
            name,
            arn: None,
            attached_to: None,
            document,
        });
        let levels = self.inputs.levels.iter();
        Sources {
            identity: attached.chain(self.inputs.identity.iter().map(source)).collect(),
            boundary: self.inputs.boundary.as_ref().map(source).or(own),
            resource: self.inputs.resource.as_ref().map(source),
            levels: levels.map(|level| level.iter().map(source).collect()).collect(),
        }
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

/// What policies come to if they are all the identity has.
fn alone(request: &Request<'_>, policies: &[Source<'_>]) -> Outcome {
    let own = Request {
        resource_account: None,
        ..*request
    };
    let sets = PolicySets {
        identity: policies,
        ..PolicySets::default()
    };
    decide_for_every(&own, &sets).outcome
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allowed",
        Outcome::ExplicitDeny => "explicitDeny",
        Outcome::ImplicitDeny => "implicitDeny",
    }
}

/// Missing keys matter where they may be why nothing allowed the call, and only there.
fn missing_of(outcome: Outcome, organizations: Option<bool>, missing: &[String]) -> Vec<String> {
    match (outcome, organizations) {
        (Outcome::ImplicitDeny, None | Some(true)) => missing.to_vec(),
        _ => Vec::new(),
    }
}

fn boundary_detail(allowed: Option<bool>) -> Option<api::PermissionsBoundaryDecisionDetail> {
    allowed.map(|allowed| api::PermissionsBoundaryDecisionDetail {
        allowed_by_permissions_boundary: Some(allowed),
    })
}

/// Whether all verdicts that say something say yes.
fn all(verdicts: &[Verdict], said: impl Fn(&Verdict) -> Option<bool>) -> Option<bool> {
    verdicts.iter().filter_map(said).reduce(|all, one| all && one)
}

/// Allowed when it is on every resource, denied explicitly when it is on one.
fn summed_up(
    action: &str,
    resource: Option<String>,
    verdicts: &[Verdict],
    missing: &[String],
) -> api::EvaluationResult {
    let has = |outcome| verdicts.iter().any(|verdict| verdict.outcome == outcome);
    let outcome = if has(Outcome::ExplicitDeny) {
        Outcome::ExplicitDeny
    } else if has(Outcome::ImplicitDeny) {
        Outcome::ImplicitDeny
    } else {
        Outcome::Allow
    };
    let mut statements: Vec<api::Statement> = Vec::new();
    for statement in verdicts.iter().flat_map(|verdict| &verdict.statements) {
        if !statements.contains(statement) {
            statements.push(statement.clone());
        }
    }
    let organizations = all(verdicts, |verdict| verdict.organizations);
    api::EvaluationResult {
        eval_action_name: action.to_owned(),
        eval_resource_name: resource,
        eval_decision: word(outcome).to_owned(),
        matched_statements: Some(statements),
        missing_context_values: Some(missing_of(outcome, organizations, missing)),
        organizations_decision_detail: organizations.map(|allowed| api::OrganizationsDecisionDetail {
            allowed_by_organizations: Some(allowed),
        }),
        permissions_boundary_decision_detail: boundary_detail(all(verdicts, |verdict| verdict.boundary)),
        eval_decision_details: None,
        resource_specific_results: None,
    }
}

/// Lists that would be empty are left out here.
fn on_resource(resource: &str, verdict: &Verdict, missing: &[String]) -> api::ResourceSpecificResult {
    let missing = missing_of(verdict.outcome, verdict.organizations, missing);
    let details = &verdict.details;
    api::ResourceSpecificResult {
        eval_resource_name: resource.to_owned(),
        eval_resource_decision: word(verdict.outcome).to_owned(),
        matched_statements: (!verdict.statements.is_empty()).then(|| verdict.statements.clone()),
        missing_context_values: (!missing.is_empty()).then_some(missing),
        eval_decision_details: (!details.is_empty()).then(|| details.clone()),
        permissions_boundary_decision_detail: boundary_detail(verdict.boundary),
    }
}

fn statements(decision: &Decision<'_>) -> Vec<api::Statement> {
    decision.matched.iter().map(statement).collect()
}

/// A statement's place begins where the token before it ends, white space included.
fn statement(matched: &Matched<'_>) -> api::Statement {
    let document = matched.source.document;
    let span = matched.statement.span;
    let before = document.text().get(..span.start).unwrap_or_default().trim_end();
    let kind = match matched.policy_type {
        PolicyType::Resource | PolicyType::RoleTrust => RESOURCE,
        PolicyType::Boundary => BOUNDARY,
        PolicyType::ServiceControl => "Service Control Policy",
        _ => IDENTITY,
    };
    api::Statement {
        source_policy_id: Some(matched.source.name.to_owned()),
        source_policy_type: Some(kind.to_owned()),
        start_position: Some(position(document.position(before.len()))),
        end_position: Some(position(document.position(span.end))),
    }
}

fn position(place: Position) -> api::Position {
    api::Position {
        line: i32::try_from(place.line).ok(),
        column: i32::try_from(place.column).ok(),
    }
}
