//! The policies that bear on a request, by type (R113).

use serde::Serialize;

use crate::matching::statement::NamesPrincipals;
use crate::{Document, Kind};

/// The type of a policy set, as messages name it (R171).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum PolicyType {
    /// A service control policy.
    #[serde(rename = "SERVICE_CONTROL_POLICY")]
    ServiceControl,
    /// A resource control policy.
    #[serde(rename = "RESOURCE_CONTROL_POLICY")]
    ResourceControl,
    /// The policy of a VPC endpoint.
    #[serde(rename = "VPC_ENDPOINT_POLICY")]
    Endpoint,
    /// A resource-based policy.
    #[serde(rename = "RESOURCE_BASED_POLICY")]
    Resource,
    /// The trust policy of a role; on the wire a resource-based policy.
    #[serde(rename = "RESOURCE_BASED_POLICY")]
    RoleTrust,
    /// A permissions boundary.
    #[serde(rename = "PERMISSIONS_BOUNDARY")]
    Boundary,
    /// Session policies.
    #[serde(rename = "SESSION_POLICY")]
    Session,
    /// Identity-based policies.
    #[serde(rename = "IDENTITY_BASED_POLICY")]
    Identity,
}

impl PolicyType {
    /// The type's name in messages, without article (R171).
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
            Self::Endpoint => "VPC endpoint policy",
            Self::Resource => "resource-based policy",
            Self::RoleTrust => "role trust policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Identity => "identity-based policy",
        }
    }

    /// Whether policies of this type name principals (R14).
    pub(crate) fn names_principals(self) -> NamesPrincipals {
        match self {
            Self::Resource | Self::RoleTrust | Self::ResourceControl | Self::Endpoint => NamesPrincipals::Yes,
            Self::Identity | Self::Boundary | Self::Session | Self::ServiceControl => NamesPrincipals::No,
        }
    }

    /// The type's name with its article, as explicit denies print it (R171).
    pub(crate) fn name_with_article(self) -> &'static str {
        match self {
            Self::ServiceControl => "a service control policy",
            Self::ResourceControl => "a resource control policy",
            Self::Endpoint => "a VPC endpoint policy",
            Self::Resource => "a resource-based policy",
            Self::RoleTrust => "the role trust policy",
            Self::Boundary => "a permissions boundary",
            Self::Session => "a session policy",
            Self::Identity => "an identity-based policy",
        }
    }
}

/// One policy and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The policy's name; for a policy without a name of its own, what a person would call it.
    pub name: &'a str,
    /// The ARN of a managed policy; inline and resource policies have none (R173).
    pub arn: Option<&'a str>,
    /// The ARN of the user, group, role or resource it is attached to.
    pub attached_to: Option<&'a str>,
    /// The policy itself.
    pub document: &'a Document,
}

/// Every policy that bears on one request. `PolicySets::default()` is "none at all".
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicySets<'a> {
    /// Inline and managed policies of the user and of its groups, or of the role (R119, R135).
    pub identity: &'a [Source<'a>],
    /// The permissions boundary of the user or role (R120).
    pub boundary: Option<Source<'a>>,
    /// The session policies: `None` when the session was made without any (R121).
    pub session: Option<&'a [Source<'a>]>,
    /// The resource's own policy; for AssumeRole* the role's trust policy (R118, R124).
    pub resource: Option<Source<'a>>,
    /// SCPs of the principal's account, one slice per level; none for the management account (R117).
    pub scps: &'a [&'a [Source<'a>]],
    /// RCPs of the resource's account, one slice per level; none for the management account (R116).
    pub rcps: &'a [&'a [Source<'a>]],
    /// The policy of the VPC endpoint the call came through (R136).
    pub endpoint: Option<Source<'a>>,
}

impl PolicySets<'_> {
    /// What the resource's policy is called in messages, by the kind of its document.
    pub(crate) fn resource_type(&self) -> PolicyType {
        match self.resource {
            Some(source) if source.document.kind() == Kind::Trust => PolicyType::RoleTrust,
            _ => PolicyType::Resource,
        }
    }
}
