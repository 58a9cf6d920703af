//! The smallest change that would let a refused request pass one of the sets that refuse it.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::explain::{ExplainedPolicy, Need, StatementReport, resource_policies};
use crate::{PolicyType, Value};

/// One step of a change. It is real: with all steps of a [`Refusal`](crate::Refusal) taken, its set no longer refuses,
/// and no other set refuses because of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A value more in an element of a statement.
    Add {
        /// The statement.
        place: Place,
        /// The element.
        element: Element,
        /// The value, as it has to be written.
        value: String,
    },
    /// A value less in NotAction or NotResource.
    Remove {
        /// The statement.
        place: Place,
        /// The element.
        element: Element,
        /// The value as it stands there.
        value: String,
    },
    /// A statement more.
    AddStatement {
        /// The set that needs it.
        policy_type: PolicyType,
        /// The level of an SCP or RCP, counted from 0.
        level: usize,
        /// The policy to add it to; `None` asks for a new policy.
        policy: Option<String>,
        /// The statement.
        statement: NewStatement,
    },
    /// Nothing in a policy: the action is not asked on `*`, so the request has to name a resource.
    Resource {
        /// The action.
        action: String,
        /// The types of resources it is asked on, each with the form of its ARNs.
        types: String,
    },
    /// Nothing in a policy: the request has to be another one.
    Request {
        /// The condition key.
        key: String,
        /// What is needed of it.
        need: Need,
        /// A value that would do; `None` asks for the key to be absent.
        example: Option<Value>,
    },
}

/// An element of a statement that lists values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Element {
    /// Principal, under the key `AWS`.
    #[serde(rename = "Principal.AWS")]
    AwsPrincipal,
    /// Principal, under the key `Service`.
    #[serde(rename = "Principal.Service")]
    ServicePrincipal,
    /// Principal, under the key `Federated`.
    #[serde(rename = "Principal.Federated")]
    FederatedPrincipal,
    /// Action.
    Action,
    /// NotAction.
    NotAction,
    /// Resource.
    Resource,
    /// NotResource.
    NotResource,
}

impl Element {
    /// For principals the key a value stands under; otherwise the element's name.
    pub fn key(self) -> &'static str {
        match self {
            Self::AwsPrincipal => "AWS",
            Self::ServicePrincipal => "Service",
            Self::FederatedPrincipal => "Federated",
            Self::Action => "Action",
            Self::NotAction => "NotAction",
            Self::Resource => "Resource",
            Self::NotResource => "NotResource",
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwsPrincipal | Self::ServicePrincipal | Self::FederatedPrincipal => {
                write!(f, "Principal.{}", self.key())
            }
            _ => f.write_str(self.key()),
        }
    }
}

/// Where a statement stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Its policy.
    pub policy: Arc<ExplainedPolicy>,
    /// Its place in the policy, counted from 0.
    pub index: usize,
    /// Its Sid.
    pub sid: Option<String>,
}

impl Place {
    pub(crate) fn of(report: &StatementReport) -> Self {
        Self {
            policy: Arc::clone(&report.policy),
            index: report.index,
            sid: report.sid.clone(),
        }
    }

    /// The statement's number and name for people: `statement 1 "RunWeb"`.
    pub fn label(&self) -> String {
        match self.sid.as_deref() {
            Some(sid) if !sid.is_empty() => format!("statement {} \"{sid}\"", self.index + 1),
            _ => format!("statement {}", self.index + 1),
        }
    }
}

/// `statement 1 "RunWeb" of identity-based policy run-web`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, .. } = self;
        write!(
            f,
            "{} of {} {}",
            self.label(),
            policy.policy_type.name(),
            policy.name
        )
    }
}

/// An Allow statement with exactly what one request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatement {
    /// For policies that name principals: the key and the value of Principal.
    pub principal: Option<(Element, String)>,
    /// The action.
    pub action: String,
    /// The resource; trust policies have none.
    pub resource: Option<String>,
}

/// The statement as JSON text.
impl fmt::Display for NewStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{\"Effect\": \"Allow\"")?;
        if let Some((element, value)) = &self.principal {
            write!(f, ", \"Principal\": {{\"{}\": {}}}", element.key(), Quoted(value))?;
        }
        write!(f, ", \"Action\": {}", Quoted(&self.action))?;
        if let Some(resource) = &self.resource {
            write!(f, ", \"Resource\": {}", Quoted(resource))?;
        }
        f.write_str("}")
    }
}

/// A text as a JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

impl Change {
    /// The service, when the step asks for a policy of a resource that can have none.
    fn service_without_resource_policies(&self) -> Option<&str> {
        let Self::AddStatement {
            policy_type: PolicyType::Resource,
            policy: None,
            statement,
            ..
        } = self
        else {
            return None;
        };
        let (service, _) = statement.action.split_once(':')?;
        (!resource_policies::has(service)).then_some(service)
    }
}

/// One line for people.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add {
                place,
                element,
                value,
            } => write!(f, "add {} to {element} of {place}", Quoted(value)),
            Self::Remove {
                place,
                element,
                value,
            } => write!(f, "remove {} from {element} of {place}", Quoted(value)),
            Self::AddStatement {
                policy_type,
                level,
                policy,
                statement,
            } => {
                if let Some(service) = self.service_without_resource_policies() {
                    return write!(
                        f,
                        "no resource-based policies of {service} are known: the request would have to come from a \
                         principal of the resource's own account, such as a role there that the caller may assume"
                    );
                }
                match policy {
                    Some(policy) => write!(f, "add a statement to {} {policy}", policy_type.name())?,
                    None => write!(f, "attach {} with a statement", policy_type.name_with_article())?,
                }
                if matches!(
                    policy_type,
                    PolicyType::ServiceControl | PolicyType::ResourceControl
                ) {
                    write!(f, " (level {})", level + 1)?;
                }
                write!(f, ": {statement}")
            }
            Self::Resource { action, types } => write!(
                f,
                "the request would need a resource of type {types}: {action} is not asked on `*`"
            ),
            Self::Request { key, need, .. } => write!(f, "the request would need {}", need.of(key)),
        }
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WireChange::of(self).serialize(serializer)
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireChange<'a> {
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    element: Option<Element>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_statement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<&'a Need>,
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<&'a Value>,
}

impl<'a> WireChange<'a> {
    fn of(change: &'a Change) -> Self {
        let text = change.to_string();
        let edit = |kind, place: &Place, element: &Element, value: &'a str| Self {
            kind,
            text: text.clone(),
            uri: Some(place.policy.uri()),
            statement: Some(place.index),
            element: Some(*element),
            value: Some(value),
            ..Self::default()
        };
        match change {
            Change::Add {
                place,
                element,
                value,
            } => edit("ADD", place, element, value),
            Change::Remove {
                place,
                element,
                value,
            } => edit("REMOVE", place, element, value),
            Change::Resource { .. } => Self {
                kind: "REQUEST",
                text,
                ..Self::default()
            },
            Change::AddStatement { .. } if change.service_without_resource_policies().is_some() => Self {
                kind: "REQUEST",
                text,
                ..Self::default()
            },
            Change::AddStatement {
                policy, statement, ..
            } => Self {
                kind: "ADD_STATEMENT",
                policy: policy.as_deref(),
                new_statement: Some(statement.to_string()),
                text,
                ..Self::default()
            },
            Change::Request { key, need, example } => Self {
                kind: "REQUEST",
                key: Some(key),
                need: Some(need),
                example: example.as_ref(),
                text,
                ..Self::default()
            },
        }
    }
}
