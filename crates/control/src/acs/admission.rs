//! Whether an agent is let in, beyond what policies and ownership say (reliability-and-security.md 4.9): by its key, with a
//! proof that nobody used before, or by an operator's word, from one address and with one session at a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_core::Timestamp;

use super::handshake::Channel;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::open_points;
use crate::services::ecs::registrant::key_of;
use crate::world::records::Record as _;
use crate::world::records::ecs::{AlertKind, Approval, ContainerInstance, Standing};

const WAITING: &str = "The container instance waits for an operator's approval.";
const REPLAYED: &str = "The proof by the agent's key was used before.";
const CONTAINER_NETWORK: &str =
    "The container instance's agent has no key and calls from a network of containers.";
/// The refusal of a second session without a key.
pub(super) const SECOND_SESSION: &str =
    "The container instance's agent has no key, and a session of it is open already.";

/// How an agent was let in: by which key, by whose word. When that changes, the session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admission {
    /// The identity it was let in with; when that changes, the session is over.
    key: Option<String>,
    approval: Option<Approval>,
    /// When the proof it came with was made.
    pub proved: Option<Timestamp>,
}

impl Admission {
    /// Whether a newer session may take the place of a live one: with a key, which both have proven.
    pub fn may_replace(&self) -> bool {
        self.proved.is_some()
    }

    /// Whether the instance's agent is still who was let in.
    pub fn still_holds(&self, instance: &ContainerInstance) -> bool {
        let now = &instance.agent;
        self.key == now.key
            && match now.standing() {
                Standing::Keyed => true,
                Standing::Approved => self.approval == now.approval,
                Standing::Waiting => false,
            }
    }
}

/// A refusal, and what operators are told of it.
pub(super) type Refused = (ServiceError, Option<AlertKind>);

/// The proofs that opened connections, so that none opens a second: the time of the newest by channel and instance. Proofs
/// must grow in time, so that one number an agent is enough; that of ACS lies in the instance's record as well.
#[derive(Debug, Default)]
pub(super) struct Proofs(Mutex<HashMap<(Channel, String), Timestamp>>);

impl Proofs {
    /// Lets an agent in, or says why not. The caller is the instance's registrant, and its proof holds if it has a key.
    pub fn admit(
        &self,
        channel: Channel,
        instance: &ContainerInstance,
        call: &Call,
    ) -> Result<Admission, Refused> {
        let agent = &instance.agent;
        let proved = match agent.standing() {
            Standing::Waiting => return Err((denied(call, WAITING), Some(AlertKind::AgentAwaitsApproval))),
            Standing::Keyed => Some(self.use_up(channel, instance, call)?),
            Standing::Approved if open_points::is_container_network(&call.source_ip) => {
                return Err((
                    denied(call, CONTAINER_NETWORK),
                    Some(AlertKind::AgentIdentityRefused),
                ));
            }
            Standing::Approved => None,
        };
        Ok(Admission {
            key: agent.key.clone(),
            approval: agent.approval.clone(),
            proved,
        })
    }

    /// The time of the call's proof, which opens nothing from now on.
    fn use_up(
        &self,
        channel: Channel,
        instance: &ContainerInstance,
        call: &Call,
    ) -> Result<Timestamp, Refused> {
        let replayed = || (denied(call, REPLAYED), Some(AlertKind::AgentIdentityRefused));
        let key = key_of(instance).ok_or_else(replayed)?;
        let proved = call.proved_by(&key, instance.arn.as_str()).ok_or_else(replayed)?;
        let id = (channel, instance.key());
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = instance.agent.proved.filter(|_| channel == Channel::Acs);
        let known = newest.get(&id).copied().max(kept);
        if known.is_some_and(|known| proved <= known) {
            return Err(replayed());
        }
        newest.insert(id, proved);
        Ok(proved)
    }

    /// Forgets an instance that is gone.
    pub fn forget(&self, instance: &str) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for channel in [Channel::Acs, Channel::Tcs] {
            newest.remove(&(channel, instance.to_owned()));
        }
    }
}

/// A refusal that agents retry (agent.md 5.2): `InactiveInstanceException` would send the genuine one away for an hour.
pub(super) fn denied(call: &Call, text: &str) -> ServiceError {
    ServiceError::access_denied(call.service, text.to_owned())
}
