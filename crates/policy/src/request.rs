//! Who asks for what.

use std::borrow::Cow;

use portcullis_core::{AccountId, Arn};
use serde::{Deserialize, Serialize};

use crate::Context;

/// The caller, as the credentials say (R67-R70).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// The root user of an account (R128).
    Root {
        /// The account.
        account: AccountId,
    },
    /// An IAM user, with long-term keys or a session of GetSessionToken.
    User {
        /// The user's ARN, with its path.
        arn: Arn,
        /// The unique id, `AIDA...` (R65).
        id: String,
        /// The account.
        account: AccountId,
    },
    /// A session of a role.
    RoleSession {
        /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`; carries no role path (R68).
        session_arn: Arn,
        /// The role's ARN, with its path.
        role_arn: Arn,
        /// The role's unique id, `AROA...` (R65).
        role_id: String,
        /// The account.
        account: AccountId,
    },
    /// A session of GetFederationToken (R121).
    FederatedUser {
        /// `arn:aws:sts::ACCOUNT:federated-user/NAME`.
        arn: Arn,
        /// The IAM user whose keys made the session.
        user_arn: Arn,
        /// That user's unique id.
        user_id: String,
        /// The account.
        account: AccountId,
    },
    /// An unsigned caller of AssumeRoleWithWebIdentity or AssumeRoleWithSAML (R70, R126).
    Federated {
        /// The provider: a host name such as `accounts.google.com`, or the ARN of an `oidc-provider` or `saml-provider`.
        provider: String,
    },
    /// An AWS service acting as itself, for example `ecs-tasks.amazonaws.com` (R69).
    Service(String),
    /// Nobody: the request is not signed.
    Anonymous,
}

impl Principal {
    /// The account whose credentials are used; services, federated and anonymous callers have none.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Root { account }
            | Self::User { account, .. }
            | Self::RoleSession { account, .. }
            | Self::FederatedUser { account, .. } => Some(account),
            Self::Federated { .. } | Self::Service(_) | Self::Anonymous => None,
        }
    }

    /// How messages name the caller: the ARN GetCallerIdentity gives (R169), or the service or provider.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Root { account } => Cow::Owned(format!("arn:aws:iam::{account}:root")),
            Self::User { arn, .. } | Self::FederatedUser { arn, .. } => Cow::Borrowed(arn.as_str()),
            Self::RoleSession { session_arn, .. } => Cow::Borrowed(session_arn.as_str()),
            Self::Federated { provider } => Cow::Borrowed(provider),
            Self::Service(name) => Cow::Borrowed(name),
            Self::Anonymous => Cow::Borrowed("anonymous"),
        }
    }

    /// Whether the caller uses a service-linked role, which SCPs and RCPs do not bind (R133).
    pub fn is_service_linked_role(&self) -> bool {
        match self {
            Self::RoleSession { role_arn, .. } => role_arn.resource().starts_with("role/aws-service-role/"),
            _ => false,
        }
    }

    /// Whether identity policies, boundaries and session policies can exist for this caller (R119-R121).
    pub(crate) fn has_identity_policies(&self) -> bool {
        matches!(
            self,
            Self::User { .. } | Self::RoleSession { .. } | Self::FederatedUser { .. }
        )
    }
}

/// One check: may this principal do this action on this resource? One API call may need several (R139).
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The caller.
    pub principal: &'a Principal,
    /// `service:Name`, in IAM's own spelling (R33, R38).
    pub action: &'a str,
    /// One ARN, or `*` for actions without resource-level support (R39). A `*` inside the ARN is literal (R50).
    pub resource: &'a str,
    /// The account that owns the resource; `None` means the caller's own (R123).
    pub resource_account: Option<&'a AccountId>,
    /// The condition keys of this check (R101).
    pub context: &'a Context,
}

impl Request<'_> {
    /// Whether the resource belongs to another account than the caller (R123).
    pub fn is_cross_account(&self) -> bool {
        match (self.principal.account(), self.resource_account) {
            (Some(caller), Some(owner)) => caller != owner,
            _ => false,
        }
    }
}
