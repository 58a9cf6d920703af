//! The data key of an encrypted session: made by KMS for the caller, for this session with this container alone.

use portcullis_api::{ecs, kms};
use portcullis_wire::session::document::{
    ACTION_KMS_ENCRYPTION, Document as _, KmsEncryptionRequest, KmsEncryptionResponse, RequestedAction,
};
use portcullis_wire::session::{DATA_KEY_BYTES, End, SessionCipher, encryption_context};
use serde_json::Value;

use crate::client::Client;

/// Who made the session, and with which container.
#[derive(Debug)]
pub struct Caller<'a> {
    /// Asks KMS, and ECS for the container's runtime id.
    pub client: &'a Client,
    /// What ExecuteCommand answered.
    pub made: &'a ecs::ExecuteCommandResponse,
}

impl Caller<'_> {
    /// Makes the data key an agent asks for: the cipher, and what the agent is answered. The error is for the person.
    pub async fn data_key(&self, action: &RequestedAction) -> Result<(SessionCipher, Value), String> {
        let parameters = serde_json::to_vec(&action.action_parameters).unwrap_or_default();
        let asked = KmsEncryptionRequest::from_json(&parameters).ok_or("the agent names no key")?;
        let session = self.made.session.as_ref();
        let session = session.and_then(|session| session.session_id.as_deref());
        let context = encryption_context(session.unwrap_or_default(), &self.target().await?);
        let input = kms::GenerateDataKeyRequest {
            key_id: asked.key_id,
            encryption_context: Some(context),
            number_of_bytes: i32::try_from(DATA_KEY_BYTES).ok(),
            ..Default::default()
        };
        let answer = self.client.call::<kms::op::GenerateDataKey>(&input).await;
        let answer = answer.map_err(|error| format!("{error:#}"))?;
        let key = answer.result.map_err(|refusal| refusal.to_string())?;
        let cipher = SessionCipher::new(&key.plaintext.unwrap_or_default(), End::Client)
            .ok_or("the data key has another length")?;
        let response = KmsEncryptionResponse {
            data_key: key.ciphertext_blob.unwrap_or_default(),
        };
        Ok((cipher, serde_json::to_value(response).unwrap_or_default()))
    }

    /// `ecs:CLUSTER_TASK_RUNTIMEID`
    async fn target(&self) -> Result<String, String> {
        let tail = |arn: &Option<String>| {
            let arn = arn.as_deref().unwrap_or_default();
            arn.rsplit('/').next().unwrap_or_default().to_owned()
        };
        let (cluster, task) = (tail(&self.made.cluster_arn), tail(&self.made.task_arn));
        let input = ecs::DescribeTasksRequest {
            cluster: self.made.cluster_arn.clone(),
            tasks: self.made.task_arn.iter().cloned().collect(),
            ..Default::default()
        };
        let answer = self.client.call::<ecs::op::DescribeTasks>(&input).await;
        let answer = answer.map_err(|error| format!("{error:#}"))?;
        let tasks = answer.result.map_err(|refusal| refusal.to_string())?.tasks;
        let containers = tasks.into_iter().flatten().flat_map(|task| task.containers);
        let mut named = containers
            .flatten()
            .filter(|one| one.name == self.made.container_name);
        let runtime_id = named.find_map(|one| one.runtime_id);
        let runtime_id = runtime_id.ok_or("the container does not run any more")?;
        Ok(format!("ecs:{cluster}_{task}_{runtime_id}"))
    }
}

/// Whether an agent asks for one.
pub fn is_asked(action: &RequestedAction) -> bool {
    action.action_type == ACTION_KMS_ENCRYPTION
}
