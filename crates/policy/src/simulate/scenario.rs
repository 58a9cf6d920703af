//! Scenarios: callers with their policies, requests, and what is expected of them; to prove a policy before it is merged.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::explain::Explanation;
use crate::simulate::{NamedPolicy, Policies, Question, UnknownCaller, caller};
use crate::{Context, Document, Kind, Malformed, Outcome, Value};

/// A scenario as its file has it. Policies are named by file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// The callers, by the names that cases use.
    #[serde(default)]
    pub principals: BTreeMap<String, Subject>,
    /// Service control policies, level by level.
    #[serde(default)]
    pub scps: Vec<OneOrMany<String>>,
    /// Resource control policies, level by level.
    #[serde(default)]
    pub rcps: Vec<OneOrMany<String>>,
    /// The policy of the VPC endpoint all requests come through.
    pub endpoint: Option<String>,
    /// The moment of all requests; by default the present.
    pub now: Option<String>,
    /// The requests.
    pub cases: Vec<Case>,
}

/// A caller.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// Who it is: see [`caller`].
    pub arn: String,
    /// Its identity-based policies.
    #[serde(default)]
    pub policies: OneOrMany<String>,
    /// Its permissions boundary.
    pub boundary: Option<String>,
    /// The policies of its session.
    pub session: Option<OneOrMany<String>>,
    /// Condition keys of all its requests, such as `aws:PrincipalTag/team`.
    #[serde(default)]
    pub context: BTreeMap<String, ContextEntry>,
}

/// One expectation: every action on every resource listed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What to call it; by default its number.
    pub id: Option<String>,
    /// A name of `principals`, or who it is.
    pub principal: String,
    /// Identity-based policies beside those of the principal.
    #[serde(default)]
    pub policies: OneOrMany<String>,
    /// The policy of the resource.
    pub resource_policy: Option<String>,
    /// The trust policy of the role that the resource is.
    pub trust_policy: Option<String>,
    /// The actions; wildcards stand for all actions they match.
    pub action: OneOrMany<String>,
    /// The resources; `*` by default.
    #[serde(default)]
    pub resource: OneOrMany<String>,
    /// Condition keys.
    #[serde(default)]
    pub context: BTreeMap<String, ContextEntry>,
    /// The expected answer.
    pub expect: Expected,
    /// Why; not read.
    pub note: Option<String>,
}

/// An expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Expected {
    /// Allowed.
    Allow,
    /// Denied, either way.
    Deny,
    /// Denied by a Deny.
    ExplicitDeny,
    /// Denied for want of an Allow.
    ImplicitDeny,
}

impl Expected {
    /// Whether an outcome is as expected.
    pub fn is(self, outcome: Outcome) -> bool {
        match self {
            Self::Allow => outcome == Outcome::Allow,
            Self::Deny => outcome != Outcome::Allow,
            Self::ExplicitDeny => outcome == Outcome::ExplicitDeny,
            Self::ImplicitDeny => outcome == Outcome::ImplicitDeny,
        }
    }
}

/// One value or a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "wanted one value or a list of values")]
pub enum OneOrMany<T> {
    /// A single value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    /// The values.
    pub fn values(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// The value of a condition key as JSON has it: a list is a multi-valued key.
pub type ContextEntry = OneOrMany<Scalar>;

/// A string, a number or a truth value.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "wanted a string, a number, true or false")]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Whole(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

impl From<&ContextEntry> for Value {
    fn from(entry: &ContextEntry) -> Self {
        match entry {
            OneOrMany::One(value) => Self::One(value.text()),
            OneOrMany::Many(values) => Self::Many(values.iter().map(Scalar::text).collect()),
        }
    }
}

/// What came of one request of a case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// The case.
    pub id: String,
    /// What was expected.
    pub expected: Expected,
    /// What came, and why.
    pub explanation: Explanation,
}

impl CaseResult {
    /// Whether it is as expected.
    pub fn is_as_expected(&self) -> bool {
        self.expected.is(self.explanation.outcome)
    }
}

/// Why a policy file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct FileError(pub String);

/// Why a scenario cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// A policy file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A policy that IAM would refuse.
    #[error("{name}: {malformed}")]
    Malformed {
        /// The file.
        name: String,
        /// What it was read as.
        kind: Kind,
        /// Why.
        malformed: Malformed,
    },
    /// A caller that cannot be.
    #[error("case {case}: {caller}")]
    Caller {
        /// The case.
        case: String,
        /// Why.
        caller: UnknownCaller,
    },
    /// An action pattern that stands for nothing.
    #[error("case {case}: no action matches {pattern}")]
    NoAction {
        /// The case.
        case: String,
        /// The pattern.
        pattern: String,
    },
    /// A case with two policies on its resource.
    #[error("case {0}: a resource has a resourcePolicy or a trustPolicy, not both")]
    TwoResourcePolicies(String),
    /// The scenario's moment is none.
    #[error("now: `{0}` is not a time; write 2026-11-22T12:00:00Z")]
    Now(String),
}

/// Reads policy texts by the names a scenario gives them.
type Files<'f> = dyn Fn(&str) -> Result<String, FileError> + 'f;

impl Scenario {
    /// Answers every request. `files` reads a policy by its name; `now` is the present.
    pub fn run(&self, files: &Files<'_>, now: Timestamp) -> Result<Vec<CaseResult>, ScenarioError> {
        let now = match &self.now {
            Some(text) => text.parse().map_err(|_| ScenarioError::Now(text.clone()))?,
            None => now,
        };
        let read = |name: &String, kind| read(files, name, kind);
        let levels = |levels: &[OneOrMany<String>], kind| -> Result<Vec<_>, ScenarioError> {
            levels
                .iter()
                .map(|level| level.values().iter().map(|name| read(name, kind)).collect())
                .collect()
        };
        let shared = Policies {
            scps: levels(&self.scps, Kind::ServiceControl)?,
            rcps: levels(&self.rcps, Kind::ResourceControl)?,
            endpoint: self
                .endpoint
                .as_ref()
                .map(|name| read(name, Kind::Endpoint))
                .transpose()?,
            ..Policies::default()
        };
        let mut results = Vec::new();
        for (nth, case) in self.cases.iter().enumerate() {
            let id = case.id.clone().unwrap_or_else(|| (nth + 1).to_string());
            results.extend(self.case(id, case, &shared, files, now)?);
        }
        Ok(results)
    }

    fn case(
        &self,
        id: String,
        case: &Case,
        shared: &Policies,
        files: &Files<'_>,
        now: Timestamp,
    ) -> Result<Vec<CaseResult>, ScenarioError> {
        let subject = self.principals.get(&case.principal);
        let who = subject.map_or(case.principal.as_str(), |subject| subject.arn.as_str());
        let principal = caller(who).map_err(|caller| ScenarioError::Caller {
            case: id.clone(),
            caller,
        })?;
        let policies = policies_of(&id, case, subject, shared, files)?;
        let of_subject = subject.into_iter().flat_map(|subject| &subject.context);
        let given: Context = of_subject
            .chain(&case.context)
            .map(|(key, value)| (key.as_str(), Value::from(value)))
            .collect();
        let everything = [String::from("*")];
        let resources = match case.resource.values() {
            [] => everything.as_slice(),
            listed => listed,
        };
        let mut results = Vec::new();
        for pattern in case.action.values() {
            let actions = super::actions(pattern);
            if actions.is_empty() {
                return Err(ScenarioError::NoAction {
                    case: id,
                    pattern: pattern.clone(),
                });
            }
            for (action, resource) in actions
                .iter()
                .flat_map(|action| resources.iter().map(move |r| (action, r)))
            {
                let question = Question {
                    principal: &principal,
                    action,
                    resource,
                    given: &given,
                };
                results.push(CaseResult {
                    id: id.clone(),
                    expected: case.expect,
                    explanation: question.explain(&policies, now),
                });
            }
        }
        Ok(results)
    }
}

fn policies_of(
    id: &str,
    case: &Case,
    subject: Option<&Subject>,
    shared: &Policies,
    files: &Files<'_>,
) -> Result<Policies, ScenarioError> {
    let all = |names: &[String], kind| -> Result<Vec<NamedPolicy>, ScenarioError> {
        names.iter().map(|name| read(files, name, kind)).collect()
    };
    let of_subject = subject.map_or(&[][..], |subject| subject.policies.values());
    let mut identity = all(of_subject, Kind::Identity)?;
    identity.extend(all(case.policies.values(), Kind::Identity)?);
    let resource = match (&case.resource_policy, &case.trust_policy) {
        (Some(_), Some(_)) => return Err(ScenarioError::TwoResourcePolicies(id.to_owned())),
        (Some(name), None) => Some(read(files, name, Kind::Resource)?),
        (None, Some(name)) => Some(read(files, name, Kind::Trust)?),
        (None, None) => None,
    };
    let boundary = subject.and_then(|subject| subject.boundary.as_ref());
    let session = subject.and_then(|subject| subject.session.as_ref());
    Ok(Policies {
        identity,
        boundary: boundary
            .map(|name| read(files, name, Kind::Boundary))
            .transpose()?,
        session: session
            .map(|names| all(names.values(), Kind::Session))
            .transpose()?,
        resource,
        ..shared.clone()
    })
}

fn read(files: &Files<'_>, name: &str, kind: Kind) -> Result<NamedPolicy, ScenarioError> {
    let text = files(name)?;
    let document = Document::parse(&text, kind).map_err(|malformed| ScenarioError::Malformed {
        name: name.to_owned(),
        kind,
        malformed,
    })?;
    Ok(NamedPolicy {
        name: name.to_owned(),
        document,
    })
}
