//! A second evaluator, written straight from the rules R33-R139: strings, recursion and JSON, nothing compiled, nothing
//! indexed, nothing shared with the engine but the types a question is asked in. It is slow and meant to be obviously
//! right; the differential tests hold the engine against it.

mod condition;
mod decision;
mod glob;
mod principal;
pub mod reference;
mod resource;
pub mod statement;
mod text;
mod values;
mod variable;

use portcullis_core::AccountId;
use portcullis_policy::{Context, Kind, Principal, Value};

pub use decision::{Answer, decide};

/// One question: may this caller do this action on this resource, in this context?
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub principal: Principal,
    pub action: String,
    pub resource: String,
    pub owner: Option<AccountId>,
    pub context: Context,
}

impl Question {
    /// The values of a key: nothing when it is missing, an empty list (R96) or unknown to the action (R112).
    /// Keys have no case (R75).
    fn key(&self, key: &str) -> Option<&Value> {
        let (_, value) = self.context.iter().find(|(known, _)| text::same(known, key))?;
        (!value.values().is_empty() && reference::applies(&self.action, key)).then_some(value)
    }
}

/// Everything that bears on a question, set by set (R113): as JSON, as text, as documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies<T> {
    pub identity: Vec<T>,
    pub boundary: Option<T>,
    pub session: Option<Vec<T>>,
    pub resource: Option<T>,
    /// Whether the resource's policy is the trust policy of a role (R124).
    pub resource_is_trust: bool,
    pub scps: Vec<Vec<T>>,
    pub rcps: Vec<Vec<T>>,
    pub endpoint: Option<T>,
}

impl<T> Policies<T> {
    pub fn none() -> Self {
        Self {
            identity: Vec::new(),
            boundary: None,
            session: None,
            resource: None,
            resource_is_trust: false,
            scps: Vec::new(),
            rcps: Vec::new(),
            endpoint: None,
        }
    }

    /// Whether there is a trust policy, which must allow (R124).
    fn trust(&self) -> bool {
        self.resource_is_trust && self.resource.is_some()
    }

    /// What the resource's policy is parsed as.
    pub fn resource_kind(&self) -> Kind {
        if self.resource_is_trust {
            Kind::Trust
        } else {
            Kind::Resource
        }
    }

    /// The same sets with every policy turned into something else.
    pub fn map<'a, U>(&'a self, mut with: impl FnMut(&'a T, Kind) -> U) -> Policies<U> {
        let kind = self.resource_kind();
        let mut all =
            |policies: &'a [T], kind| -> Vec<U> { policies.iter().map(|p| with(p, kind)).collect() };
        Policies {
            identity: all(&self.identity, Kind::Identity),
            session: self.session.as_ref().map(|policies| all(policies, Kind::Session)),
            scps: self
                .scps
                .iter()
                .map(|level| all(level, Kind::ServiceControl))
                .collect(),
            rcps: self
                .rcps
                .iter()
                .map(|level| all(level, Kind::ResourceControl))
                .collect(),
            boundary: self.boundary.as_ref().map(|policy| with(policy, Kind::Boundary)),
            resource: self.resource.as_ref().map(|policy| with(policy, kind)),
            resource_is_trust: self.resource_is_trust,
            endpoint: self.endpoint.as_ref().map(|policy| with(policy, Kind::Endpoint)),
        }
    }
}
