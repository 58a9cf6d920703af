//! What a request says of the agent that makes it, in headers of ours: the key it registers with, a proof by that key. Nothing
//! of it is believed here.

use std::sync::Arc;

use http::request::Parts;
use portcullis_core::Timestamp;
use portcullis_wire::agent_proof::{self, AgentPublicKey, KEY_HEADER, PROOF_HEADER, Proof, Subject};

use super::call::Call;

/// The headers of one request, and what a proof has to be for.
#[derive(Debug, Clone)]
pub struct AgentClaim {
    /// The public half of the key an agent registers with.
    pub key: Option<AgentPublicKey>,
    /// A proof by an agent's key.
    pub proof: Option<Proof>,
    body: [u8; 32],
}

impl AgentClaim {
    /// Reads the headers; `None` when there are none of ours. What is malformed proves nothing.
    pub(super) fn read(parts: &Parts, body: &[u8]) -> Option<Arc<Self>> {
        let text = |name: &str| parts.headers.get(name)?.to_str().ok();
        let key = text(KEY_HEADER).and_then(|text| text.parse().ok());
        let proof: Option<Proof> = text(PROOF_HEADER).and_then(|text| text.parse().ok());
        (key.is_some() || proof.is_some()).then(|| {
            Arc::new(Self {
                key,
                proof,
                body: agent_proof::digest(body),
            })
        })
    }
}

impl Call {
    /// The key an agent registers with.
    pub(crate) fn agent_key(&self) -> Option<AgentPublicKey> {
        self.agent.as_ref()?.key
    }

    /// When the proof was made by which `key` and `holder` make this very call; `None` without one that holds.
    pub(crate) fn proved_by(&self, key: &AgentPublicKey, holder: &str) -> Option<Timestamp> {
        let claim = self.agent.as_ref()?;
        let proof = claim.proof.as_ref()?;
        let subject = Subject {
            holder,
            operation: self.operation,
            host: self.host.as_deref().unwrap_or_default(),
            body: claim.body,
        };
        proof.holds(key, &subject, self.now).then_some(proof.made)
    }
}
