//! Temporary credentials: self-contained, sealed tokens. Any server with the same vault can verify one without a
//! lookup; revocation is looked up in the picture and binds at once.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::{
    AccountId, Arn, IamIdKind, Partition, Random, Secret, Tags, Timestamp, iam_id, secret_access_key,
};
use portcullis_policy::{Document, Kind};
use portcullis_store::Vault;
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Identity};
use super::origin::Origin;
use crate::world::Snapshot;
use crate::world::compiled::Policy;
use crate::world::records::iam::Revocation;

const PURPOSE: &str = "sts-session";

/// What a session token holds.
#[derive(Debug, Clone)]
pub struct Session {
    /// `ASIA...`
    pub access_key_id: String,
    /// The secret access key that belongs to it.
    pub secret: Secret,
    /// Whose session.
    pub subject: Subject,
    /// When it was made: `aws:TokenIssueTime`.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When the MFA code was accepted, if there was one.
    pub mfa_authenticated: Option<Timestamp>,
    /// The inline session policy (R121).
    pub policy: Option<SessionPolicy>,
    /// Managed session policies.
    pub policy_arns: Vec<Arn>,
    /// Session tags (R131).
    pub tags: Tags,
    /// Keys of tags that survive role chaining, in lower case.
    pub transitive_tag_keys: Vec<String>,
    /// `aws:SourceIdentity`.
    pub source_identity: Option<String>,
    /// The identity provider behind it (R126).
    pub provenance: Option<Provenance>,
    /// The task whose own credentials these are: ECS made them and sent them to the task's host. Nobody can ask for such
    /// a session, and what it opens is none.
    pub task: Option<Arn>,
    /// The long-term credentials behind it.
    pub(super) origin: Option<Origin>,
}

/// The inline policy of a session, parsed when it is first needed.
#[derive(Debug, Clone)]
pub struct SessionPolicy {
    text: String,
    policy: OnceLock<Option<Arc<Policy>>>,
}

impl SessionPolicy {
    fn new(text: String) -> Self {
        Self {
            text,
            policy: OnceLock::new(),
        }
    }

    /// The policy; `None` when the text does not parse, which denies everything (R31).
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        let parse = || {
            let document = Document::parse(&self.text, Kind::Session).ok()?;
            Some(Arc::new(Policy::new(document)))
        };
        self.policy.get_or_init(parse).as_ref()
    }
}

/// Whose session a token is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// GetSessionToken by the root user.
    Root,
    /// GetSessionToken by a user.
    User {
        /// `AIDA...`
        id: String,
        /// The name with its case.
        name: String,
    },
    /// AssumeRole.
    Role {
        /// `AROA...`
        id: String,
        /// The role's name with its case.
        name: String,
        /// The session name.
        session_name: String,
    },
    /// GetFederationToken.
    Federated {
        /// The name given at creation.
        name: String,
        /// The IAM user who made it; `None` if the root user did.
        user: Option<String>,
        /// That user's id; of root the account's.
        user_id: String,
    },
}

/// What a session made of an identity provider's token carries on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The provider's ARN: `aws:FederatedProvider`.
    pub provider: Arn,
    /// The provider's name, as condition keys start.
    pub name: String,
    /// `aud`, `sub` and `amr`.
    pub keys: Vec<(String, Vec<String>)>,
}

/// A new session: the parts a caller chooses; ids and keys are made by [`Session::issue`].
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Whose session.
    pub subject: Subject,
    /// How long it lives, in seconds.
    pub seconds: i64,
    /// When the MFA code was accepted, if there was one.
    pub mfa_authenticated: Option<Timestamp>,
    /// The inline session policy.
    pub policy: Option<String>,
    /// Managed session policies.
    pub policy_arns: Vec<Arn>,
    /// Session tags.
    pub tags: Tags,
    /// Keys of tags that survive role chaining.
    pub transitive_tag_keys: Vec<String>,
    /// The source identity.
    pub source_identity: Option<String>,
    /// The identity provider behind it.
    pub provenance: Option<Provenance>,
    /// The task whose own credentials these are; [`Gate::assume_for_task`](super::Gate::assume_for_task) alone says so.
    pub(super) task: Option<Arn>,
    origin: Option<Origin>,
}

impl NewSession {
    /// A plain session without policies, tags or MFA, which `opener` opens.
    pub fn of(subject: Subject, seconds: i64, opener: &Caller) -> Self {
        Self {
            subject,
            seconds,
            mfa_authenticated: None,
            policy: None,
            policy_arns: Vec::new(),
            tags: Tags::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            provenance: None,
            task: None,
            origin: Origin::of(opener),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    key: String,
    secret: String,
    subject: Subject,
    issued: Timestamp,
    expires: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mfa: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    arns: Vec<Arn>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitive: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Arn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
}

impl Session {
    /// Makes a session with keys of its own.
    pub fn issue(new: NewSession, account: &AccountId, now: Timestamp, random: &dyn Random) -> Self {
        Self {
            access_key_id: iam_id(IamIdKind::TemporaryAccessKey, account, random),
            secret: secret_access_key(random),
            subject: new.subject,
            issued: now,
            expires: now.plus_seconds(new.seconds),
            mfa_authenticated: new.mfa_authenticated,
            policy: new.policy.map(SessionPolicy::new),
            policy_arns: new.policy_arns,
            tags: new.tags,
            transitive_tag_keys: new.transitive_tag_keys,
            source_identity: new.source_identity,
            provenance: new.provenance,
            task: new.task,
            origin: new.origin,
        }
    }

    /// The session token: sealed, in base 64. `None` only if the vault fails.
    pub fn token(&self, vault: &Vault) -> Option<Secret> {
        let claims = Claims {
            key: self.access_key_id.clone(),
            secret: self.secret.expose().to_owned(),
            subject: self.subject.clone(),
            issued: self.issued,
            expires: self.expires,
            mfa: self.mfa_authenticated,
            policy: self.policy.as_ref().map(|policy| policy.text.clone()),
            arns: self.policy_arns.clone(),
            tags: self.tags.clone(),
            transitive: self.transitive_tag_keys.clone(),
            source: self.source_identity.clone(),
            provenance: self.provenance.clone(),
            task: self.task.clone(),
            origin: self.origin.clone(),
        };
        let plain = serde_json::to_vec(&claims).ok()?;
        let sealed = vault.seal(PURPOSE, b"", &plain).ok()?;
        Some(Secret::new(STANDARD.encode(sealed)))
    }

    /// Opens a token; `None` when it is not one of ours.
    pub fn open(token: &str, vault: &Vault) -> Option<Self> {
        let sealed = STANDARD.decode(token).ok()?;
        let plain = vault.open(PURPOSE, b"", &sealed).ok()?;
        let claims: Claims = serde_json::from_slice(&plain).ok()?;
        Some(Self {
            access_key_id: claims.key,
            secret: Secret::new(claims.secret),
            subject: claims.subject,
            issued: claims.issued,
            expires: claims.expires,
            mfa_authenticated: claims.mfa,
            policy: claims.policy.map(SessionPolicy::new),
            policy_arns: claims.arns,
            tags: claims.tags,
            transitive_tag_keys: claims.transitive,
            source_identity: claims.source,
            provenance: claims.provenance,
            task: claims.task,
            origin: claims.origin,
        })
    }

    /// Whether the token may no longer be used.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    /// Whether session policies bound it (R121).
    pub fn has_policies(&self) -> bool {
        self.policy.is_some() || !self.policy_arns.is_empty()
    }

    /// Whether what opened it still stands. Looked up for every request, so that what ends binds the next one.
    pub(super) fn is_alive(&self, snapshot: &Snapshot) -> bool {
        let ended = match &self.subject {
            Subject::Role { id, session_name, .. } => {
                let revoked = Revocation::key_of(id, session_name);
                snapshot.revocations.get(&revoked).is_some()
            }
            Subject::Root | Subject::User { .. } | Subject::Federated { .. } => false,
        };
        let origin = self.origin.as_ref();
        !ended && origin.is_none_or(|origin| origin.lets_live(snapshot, self.issued))
    }

    pub(super) fn caller(self, snapshot: &Snapshot, partition: Partition) -> Option<Caller> {
        if !self.is_alive(snapshot) {
            return None;
        }
        let identity = match &self.subject {
            Subject::Root => Identity::Root,
            Subject::User { id, .. } => {
                let user = snapshot.user_by_id(id)?;
                Identity::User {
                    id: id.clone(),
                    name: user.name.clone(),
                    arn: user.arn.clone(),
                }
            }
            Subject::Role {
                id,
                session_name,
                name,
            } => {
                let role = snapshot.role(name).filter(|role| role.id == *id)?;
                Identity::Role {
                    id: id.clone(),
                    name: role.name.clone(),
                    arn: role.arn.clone(),
                    session_name: session_name.clone(),
                }
            }
            Subject::Federated { name, user, user_id } => Identity::Federated {
                name: name.clone(),
                user: match user {
                    Some(_) => Some(snapshot.user_by_id(user_id)?.name.clone()),
                    None => None,
                },
                user_id: user_id.clone(),
            },
        };
        Some(Caller {
            account: snapshot.account.clone(),
            partition,
            identity,
            access_key_id: self.access_key_id.clone(),
            session: Some(Arc::new(self)),
        })
    }
}

/// What session credentials may never do, whatever policies say (R129).
pub(super) fn limits(call: &super::call::Call) -> Result<(), super::error::ServiceError> {
    let Some(session) = &call.caller.session else {
        return Ok(());
    };
    let allowed = match (&session.subject, call.service.name, call.operation) {
        (Subject::Role { .. }, ..) => true,
        (_, "sts", "GetCallerIdentity") => true,
        (Subject::Federated { .. }, "iam" | "sts", _) => false,
        (_, "iam", _) => session.mfa_authenticated.is_some(),
        (_, "sts", operation) => operation == "AssumeRole",
        _ => true,
    };
    if allowed {
        return Ok(());
    }
    let text = if call.service.name == "sts" {
        format!("Cannot call {} with session credentials", call.operation)
    } else {
        "The security token included in the request is invalid".to_owned()
    };
    Err(match call.service.name {
        "sts" => super::error::ServiceError::access_denied(call.service, text),
        _ => super::error::ServiceError::new("InvalidClientTokenId", 403, text),
    })
}
