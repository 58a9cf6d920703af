//! A machine outside EC2 joins by an activation, once; from then on its key gives it credentials of the activation's role,
//! renewed at half of their life (`ssm:CreateActivation`, docs/agent.md).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::ssm;
use portcullis_core::{Random, Secret, Timestamp, uuid};
use portcullis_wire::ClientError;
use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::{CallError, ControlPlane, InstanceCredentialsProvider};
use crate::{AgentError, InstanceCredentials, saved};

const FILE: &str = "managed-instance.json";
/// What the server calls a machine it does not know any more.
const GONE: &str = "InvalidInstanceId";
const DEREGISTERED: &str =
    "; the machine was deregistered: join by a new activation, with an empty state folder";
const KEY_TYPE: &str = "Ed25519";
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A one-time registration token.
#[derive(Debug, Clone)]
pub struct Activation {
    /// `ActivationId` of CreateActivation.
    pub id: String,
    /// `ActivationCode`.
    pub code: Secret,
}

/// Who the machine is, once it has joined. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Joined {
    instance_id: String,
    activation_id: String,
    fingerprint: String,
}

/// A machine that has joined, and the provider whose credentials it renews.
#[derive(Debug)]
pub(crate) struct ManagedInstance {
    plane: ControlPlane,
    joined: Joined,
    random: Arc<dyn Random>,
}

impl ManagedInstance {
    /// Joins, unless an earlier start has: an activation is used up by that.
    pub(crate) async fn join(
        plane: &ControlPlane,
        activation: &Activation,
        state_dir: &Path,
        random: Arc<dyn Random>,
    ) -> Result<Self, AgentError> {
        let path = state_dir.join(FILE);
        let saved = saved::read::<Joined>(&path)?.filter(|saved| saved.activation_id == activation.id);
        let joined = match saved {
            Some(joined) => joined,
            None => {
                let joined = register(plane, activation, random.as_ref()).await?;
                saved::write(&path, &joined)?;
                tracing::info!(instance = joined.instance_id, "joined by an activation");
                joined
            }
        };
        Ok(Self {
            plane: plane.clone(),
            joined,
            random,
        })
    }

    /// The first credentials; tries until the server answers or refuses.
    pub(crate) async fn first(&self) -> Result<(InstanceCredentials, Timestamp), AgentError> {
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, 2.0);
        loop {
            match self.request().await {
                Ok(found) => return Ok(found),
                Err(CallError::Refused(error)) if error.code() == GONE => {
                    return Err(refused(error, DEREGISTERED));
                }
                Err(CallError::Refused(error @ ClientError::Service { .. })) if is_final(&error) => {
                    return Err(AgentError::Credentials(format!(
                        "{}: {error}",
                        self.joined.instance_id
                    )));
                }
                Err(error) => tracing::warn!(%error, "no credentials yet; trying again"),
            }
            tokio::time::sleep(backoff.pause(self.random.as_ref())).await;
        }
    }

    /// Renews the credentials at half of their life, for ever.
    pub(crate) async fn renew(&self, provider: &InstanceCredentialsProvider) {
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, 2.0);
        loop {
            let left = provider
                .expires()
                .map_or(0, |end| end.seconds_since(self.plane.now()));
            tokio::time::sleep(Duration::from_secs(u64::try_from(left / 2).unwrap_or(0))).await;
            match self.request().await {
                Ok((keys, expires)) => {
                    provider.replace(keys, expires);
                    backoff.reset();
                }
                Err(error) => {
                    tracing::warn!(%error, "the machine's credentials could not be renewed; trying again");
                    let pause = backoff.pause(self.random.as_ref());
                    self.plane.rest(pause, self.random.as_ref()).await;
                }
            }
        }
    }

    async fn request(&self) -> Result<(InstanceCredentials, Timestamp), CallError> {
        let input = ssm::RequestManagedInstanceRoleTokenRequest {
            fingerprint: self.joined.fingerprint.clone(),
        };
        let holder = &self.joined.instance_id;
        let reply = self
            .plane
            .call_by_key::<ssm::op::RequestManagedInstanceRoleToken>(holder, &input)
            .await?;
        let lacking = || CallError::Unreachable("the answer holds no credentials".to_owned());
        let keys = InstanceCredentials {
            access_key_id: reply.access_key_id.ok_or_else(lacking)?,
            secret_access_key: Secret::new(reply.secret_access_key.ok_or_else(lacking)?),
            session_token: reply.session_token.map(Secret::new),
        };
        Ok((keys, reply.token_expiration_date.ok_or_else(lacking)?))
    }
}

async fn register(
    plane: &ControlPlane,
    activation: &Activation,
    random: &dyn Random,
) -> Result<Joined, AgentError> {
    let fingerprint = uuid(random);
    let input = ssm::RegisterManagedInstanceRequest {
        activation_id: activation.id.clone(),
        activation_code: activation.code.expose().to_owned(),
        fingerprint: fingerprint.clone(),
        public_key: plane.public_key().unwrap_or_default(),
        public_key_type: KEY_TYPE.to_owned(),
        ..Default::default()
    };
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, 2.0);
    loop {
        let answer = plane
            .call_by_key::<ssm::op::RegisterManagedInstance>(&activation.id, &input)
            .await;
        match answer {
            Ok(reply) => {
                let instance_id = reply.instance_id.unwrap_or_default();
                return Ok(Joined {
                    instance_id,
                    activation_id: activation.id.clone(),
                    fingerprint,
                });
            }
            Err(CallError::Refused(error @ ClientError::Service { .. })) if is_final(&error) => {
                return Err(refused(error, ""));
            }
            Err(error) => tracing::warn!(%error, "not joined yet; trying again"),
        }
        tokio::time::sleep(backoff.pause(random)).await;
    }
}

/// For good; `hint` says what to do.
fn refused(error: ClientError, hint: &str) -> AgentError {
    match error {
        ClientError::Service { code, message, .. } => AgentError::Registration {
            code,
            message: format!("{message}{hint}"),
        },
        other => AgentError::Credentials(other.to_string()),
    }
}

/// Whether the same call would be refused again.
fn is_final(error: &ClientError) -> bool {
    let heals = ["InternalServerError", "ThrottlingException"];
    matches!(error, ClientError::Service { code, .. } if !heals.contains(&code.as_str()))
}
