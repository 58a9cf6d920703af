//! Who calls.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Partition, Timestamp};
use portcullis_policy::Principal;

use super::origin::Origin;
use super::session::Session;
use crate::federation::Claims;
use crate::world::Snapshot;

/// An authenticated caller. Holds names and ids, not records: permissions are looked up in the picture that
/// decides, so that a change binds the next request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account of the credentials.
    pub account: AccountId,
    /// The partition the request was signed for.
    pub partition: Partition,
    /// Which identity.
    pub identity: Identity,
    /// The access key that signed; empty for services.
    pub access_key_id: String,
    /// What temporary credentials carry.
    pub session: Option<Arc<Session>>,
}

/// The kinds of identity that can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The account's root user.
    Root,
    /// An IAM user, with long-term keys or a GetSessionToken session.
    User {
        /// `AIDA...`
        id: String,
        /// The name with its case.
        name: String,
        /// The ARN, path included.
        arn: Arn,
    },
    /// A session of a role.
    Role {
        /// `AROA...`
        id: String,
        /// The role's name with its case.
        name: String,
        /// The role's ARN, path included.
        arn: Arn,
        /// The session name; of tasks the task id (R132).
        session_name: String,
    },
    /// A GetFederationToken session.
    Federated {
        /// The name given at creation.
        name: String,
        /// The IAM user who made it; `None` if the root user did.
        user: Option<String>,
        /// That user's id; of root the account's.
        user_id: String,
    },
    /// Nobody's credentials, but a token of an identity provider that was verified (R126).
    WebIdentity(Arc<WebIdentity>),
    /// Nobody: the request is not signed. Only S3 takes such.
    Anonymous,
    /// An AWS service acting as itself.
    Service(Cow<'static, str>),
}

/// Whom an identity provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// The provider's ARN.
    pub provider: Arn,
    /// The provider's name: its issuer without the scheme.
    pub name: String,
    /// The issuer as the token spells it.
    pub issuer: String,
    /// What the token says.
    pub claims: Claims,
}

impl Caller {
    /// A service of this server acting as itself, such as `ecs-tasks.amazonaws.com` or `logs.us-east-1.amazonaws.com`.
    pub fn service(
        principal: impl Into<Cow<'static, str>>,
        account: &AccountId,
        partition: Partition,
    ) -> Self {
        Self {
            account: account.clone(),
            partition,
            identity: Identity::Service(principal.into()),
            access_key_id: String::new(),
            session: None,
        }
    }

    /// Nobody, at the door of `account`.
    pub(crate) fn anonymous(account: &AccountId, partition: Partition) -> Self {
        Self {
            account: account.clone(),
            partition,
            identity: Identity::Anonymous,
            access_key_id: String::new(),
            session: None,
        }
    }

    /// Whether nobody signed.
    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self.identity, Identity::Anonymous)
    }

    /// The ARN GetCallerIdentity gives and denials name (R169); of a service its principal.
    pub fn arn(&self) -> String {
        let account = &self.account;
        let partition = self.partition;
        match &self.identity {
            Identity::Root => format!("arn:{partition}:iam::{account}:root"),
            Identity::User { arn, .. } => arn.to_string(),
            Identity::Role {
                name, session_name, ..
            } => {
                format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}")
            }
            Identity::Federated { name, .. } => {
                format!("arn:{partition}:sts::{account}:federated-user/{name}")
            }
            Identity::WebIdentity(_) => self.user_id(),
            Identity::Anonymous => "anonymous".to_owned(),
            Identity::Service(principal) => principal.to_string(),
        }
    }

    /// `aws:PrincipalArn`: of role sessions the role's ARN (R106).
    pub fn principal_arn(&self) -> String {
        match &self.identity {
            Identity::Role { arn, .. } => arn.to_string(),
            _ => self.arn(),
        }
    }

    /// `aws:userid` and GetCallerIdentity's `UserId` (R108).
    pub fn user_id(&self) -> String {
        match &self.identity {
            Identity::Root => self.account.to_string(),
            Identity::User { id, .. } => id.clone(),
            Identity::Role { id, session_name, .. } => format!("{id}:{session_name}"),
            Identity::Federated { name, .. } => format!("{}:{name}", self.account),
            Identity::WebIdentity(who) => {
                format!("{}:{}:{}", who.name, who.claims.audience, who.claims.subject)
            }
            Identity::Anonymous => "anonymous".to_owned(),
            Identity::Service(principal) => principal.to_string(),
        }
    }

    /// What tells this caller from every other, to whom something of ours belongs. AWS's user id does not: two users may
    /// give federated sessions the same name.
    pub fn own_id(&self) -> String {
        match &self.identity {
            Identity::Federated { user_id, .. } => format!("{user_id}:{}", self.user_id()),
            _ => self.user_id(),
        }
    }

    /// Whether what the credentials hang on still stands, for something that began at `since` and goes on. What a key
    /// opened does not come back with the key.
    pub(super) fn is_alive(&self, view: &Snapshot, since: Timestamp) -> bool {
        match &self.session {
            Some(session) => session.is_alive(view),
            None => Origin::of(self).is_none_or(|origin| origin.lets_live(view, since)),
        }
    }

    /// Whether the caller's session has run out.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.is_expired(now))
    }

    /// Whom an identity provider vouches for, when nobody signed.
    pub fn web_identity(&self) -> Option<&Arc<WebIdentity>> {
        match &self.identity {
            Identity::WebIdentity(who) => Some(who),
            _ => None,
        }
    }

    /// The service principal, when a service calls.
    pub fn service_principal(&self) -> Option<&str> {
        match &self.identity {
            Identity::Service(principal) => Some(principal),
            _ => None,
        }
    }

    /// When the MFA code behind this session was accepted; role sessions carry none (R159).
    pub fn mfa_authenticated(&self) -> Option<Timestamp> {
        self.session
            .as_ref()
            .and_then(|session| session.mfa_authenticated)
    }

    fn session_has_policies(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.has_policies())
    }

    /// The caller as the policy engine sees it.
    pub(crate) fn principal(&self) -> Principal {
        let account = self.account.clone();
        let global =
            |service, resource: String| Arn::global(service, self.partition, &self.account, resource);
        match &self.identity {
            Identity::Root => Principal::Root { account },
            Identity::User { id, arn, .. } => Principal::User {
                arn: arn.clone(),
                id: id.clone(),
                account,
            },
            Identity::Role {
                id,
                arn,
                name,
                session_name,
            } => Principal::RoleSession {
                session_arn: global("sts", format!("assumed-role/{name}/{session_name}")),
                role_arn: arn.clone(),
                role_id: id.clone(),
                account,
            },
            // What root hands on is whatever its session policies let through, and nothing without any (R121).
            Identity::Federated { user: None, .. } if self.session_has_policies() => {
                Principal::Root { account }
            }
            Identity::Federated { name, user, user_id } => Principal::FederatedUser {
                arn: global("sts", format!("federated-user/{name}")),
                user_arn: match user {
                    Some(user) => global("iam", format!("user/{user}")),
                    None => global("iam", "root".to_owned()),
                },
                user_id: user_id.clone(),
                account,
            },
            Identity::WebIdentity(who) => Principal::Federated {
                provider: who.provider.to_string(),
            },
            Identity::Anonymous => Principal::Anonymous,
            Identity::Service(principal) => Principal::Service(principal.to_string()),
        }
    }
}
