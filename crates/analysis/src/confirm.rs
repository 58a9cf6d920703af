//! Every example is put to the policy engine before anybody sees it.

use portcullis_core::AccountId;
use portcullis_policy::{
    Context, Decision, Document, Effect, Kind, PolicySets, Principal, Request, Source, Statement, decide,
};

use crate::Place;

/// Whether statements of such documents name principals (R14).
pub(crate) fn names_principals(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Trust | Kind::Resource | Kind::ResourceControl | Kind::Endpoint
    )
}

/// A request to be confirmed.
pub(crate) struct Asked<'r> {
    pub(crate) principal: &'r Principal,
    pub(crate) action: &'r str,
    pub(crate) resource: &'r str,
    pub(crate) context: &'r Context,
}

/// Puts questions to the engine.
pub(crate) struct Confirm {
    everything: Option<Document>,
    elsewhere: Option<AccountId>,
    name_principals: bool,
}

/// A policy that allows its holder everything, so that another one alone decides.
const EVERYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

impl Confirm {
    pub(crate) fn new(name_principals: bool, elsewhere: Option<AccountId>) -> Self {
        Self {
            everything: Document::parse(EVERYTHING, Kind::Session).ok(),
            elsewhere,
            name_principals,
        }
    }

    /// Whether these policies grant the request, with the statements that decided: of a grant the Allow statements, of a
    /// refusal the Deny statements.
    pub(crate) fn grants(&self, asked: &Asked<'_>, policies: &[Source<'_>]) -> (bool, Vec<Place>) {
        self.decided(asked, policies, |decision| {
            let is_allowed = decision.is_allowed();
            let wanted = if is_allowed { Effect::Allow } else { Effect::Deny };
            (is_allowed, places(decision, wanted))
        })
    }

    /// The Deny statements of these policies that apply.
    pub(crate) fn denials(&self, asked: &Asked<'_>, policies: &[Source<'_>]) -> Vec<Place> {
        self.decided(asked, policies, |decision| places(decision, Effect::Deny))
    }

    fn decided<T>(&self, asked: &Asked<'_>, policies: &[Source<'_>], told: impl Fn(&Decision<'_>) -> T) -> T {
        let request = Request {
            principal: asked.principal,
            action: asked.action,
            resource: asked.resource,
            resource_account: None,
            context: asked.context,
        };
        if !self.name_principals {
            let sets = PolicySets {
                identity: policies,
                ..PolicySets::default()
            };
            return told(&decide(&request, &sets));
        }
        // Across accounts both sides must allow: with a caller who may do everything, the resource's policy decides alone
        // (R123).
        let request = Request {
            resource_account: self.elsewhere.as_ref(),
            ..request
        };
        let own: Vec<Source<'_>> = self
            .everything
            .iter()
            .map(|document| Source {
                name: "",
                arn: None,
                attached_to: None,
                document,
            })
            .collect();
        let sets = PolicySets {
            identity: &own,
            session: matches!(asked.principal, Principal::FederatedUser { .. }).then_some(own.as_slice()),
            resource: policies.first().copied(),
            ..PolicySets::default()
        };
        told(&decide(&request, &sets))
    }
}

fn places(decision: &Decision<'_>, effect: Effect) -> Vec<Place> {
    decision
        .matched
        .iter()
        .filter(|matched| matched.statement.effect == effect && !matched.source.name.is_empty())
        .map(|matched| place(matched.source.name, matched.index, matched.statement))
        .collect()
}

fn place(policy: &str, index: usize, statement: &Statement) -> Place {
    Place {
        policy: policy.to_owned(),
        index,
        sid: statement.sid.clone(),
        span: statement.span,
    }
}
