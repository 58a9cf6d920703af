//! What frames carry in JSON, and the texts that open channels.

use portcullis_core::Secret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `MessageSchemaVersion` of the documents.
pub const SCHEMA_VERSION: &str = "1.0";
/// The kind of session Execute Command asks for.
pub const INTERACTIVE_COMMANDS: &str = "InteractiveCommands";

/// A document.
pub trait Document: Serialize + DeserializeOwned {
    /// As bytes.
    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From bytes; `None` when they are something else.
    fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl<T: Serialize + DeserializeOwned> Document for T {}

/// The first text over a websocket: who opens it, and with what right.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenChannel {
    /// [`SCHEMA_VERSION`]
    pub message_schema_version: String,
    /// A UUID.
    pub request_id: String,
    /// What ExecuteCommand, CreateControlChannel or CreateDataChannel gave.
    #[serde(with = "secret")]
    pub token_value: Secret,
    /// Of data channels: which end this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Of the plugin: its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// Of our agent's control channels: what it heeds beside the command ([`HEEDS_INPUTS`]). An agent that does not know
    /// [`SessionInputs`] would leave a demanded log out silently.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heeds: Vec<String>,
}

/// In [`OpenChannel::heeds`]: the `inputs` of an order.
pub const HEEDS_INPUTS: &str = "inputs";

/// What CreateControlChannel and CreateDataChannel are asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateChannel {
    /// [`SCHEMA_VERSION`]
    pub message_schema_version: String,
    /// A UUID.
    pub request_id: String,
    /// Of data channels: which end this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// `AcknowledgedMessage...`: receipt of a stream message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Of which kind it was.
    #[serde(rename = "AcknowledgedMessageType")]
    pub message_type: String,
    /// Its id.
    #[serde(rename = "AcknowledgedMessageId")]
    pub message_id: String,
    /// Its place in its stream.
    #[serde(rename = "AcknowledgedMessageSequenceNumber")]
    pub sequence_number: i64,
    /// Whether it was part of a stream.
    #[serde(rename = "IsSequentialMessage")]
    pub is_sequential: bool,
}

/// The session is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    /// A UUID.
    pub message_id: String,
    /// Milliseconds since 1970, as text.
    pub created_date: String,
    /// The target of the session.
    pub destination_id: String,
    /// Which session.
    pub session_id: String,
    /// `channel_closed`
    pub message_type: String,
    /// 1
    pub schema_version: i32,
    /// Why, for the person at the terminal; empty for an ordinary end.
    pub output: String,
}

/// The order to begin a session, as it comes over a control channel. `Content` is [`SessionOrder`] as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentTask {
    /// [`SessionOrder`] as JSON.
    pub content: String,
    /// The session's id.
    pub task_id: String,
    /// What the order is about.
    pub topic: String,
    /// 1
    pub schema_version: i32,
}

/// Which session, and what to run in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionOrder {
    /// The document that AWS runs for Execute Command.
    pub document_name: String,
    /// The document.
    pub document_content: OrderDocument,
    /// The session's id.
    pub session_id: String,
    /// Who asked for it, an ARN.
    #[serde(default)]
    pub session_owner: String,
}

/// The part of a session document this protocol needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDocument {
    /// `1.0`
    pub schema_version: String,
    /// [`INTERACTIVE_COMMANDS`]
    pub session_type: String,
    /// Where the session is logged, and with which key it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<SessionInputs>,
    /// What to run.
    pub properties: OrderProperties,
}

/// Where a session is logged, and with which key it is encrypted: names as session documents have them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionInputs {
    /// No log when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cloud_watch_log_group_name: String,
    /// The group must have a key.
    pub cloud_watch_encryption_enabled: bool,
    /// Ours: the group's region, when it is not the task's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_watch_region: Option<String>,
    /// No object when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub s3_bucket_name: String,
    /// What the object's key begins with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub s3_key_prefix: String,
    /// The bucket must be encrypted.
    pub s3_encryption_enabled: bool,
    /// Not encrypted when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kms_key_id: String,
    /// Ours: the log was not demanded; a session that cannot be logged begins all the same.
    pub log_is_optional: bool,
}

impl SessionInputs {
    /// Whether there is to be a log.
    pub fn wants_log(&self) -> bool {
        !self.cloud_watch_log_group_name.is_empty() || !self.s3_bucket_name.is_empty()
    }

    /// Whether a host that does not heed this must not serve the session.
    pub fn is_demanded(&self) -> bool {
        !self.kms_key_id.is_empty() || (self.wants_log() && !self.log_is_optional)
    }
}

/// What to run on which system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderProperties {
    /// On Linux.
    pub linux: OrderCommands,
}

/// What to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderCommands {
    /// One command line, split into words as a shell would, without a shell.
    pub commands: String,
}

/// A session's command has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AgentTaskComplete {
    /// 1
    pub schema_version: i32,
    /// The session's id.
    pub task_id: String,
    /// `Success` or `Failed`.
    pub final_task_status: String,
    /// Why, when there is something to say.
    pub output: String,
}

/// What the agent wants of the client before the session begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// Of the agent.
    pub agent_version: String,
    /// In order.
    pub requested_client_actions: Vec<RequestedAction>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// `SessionType` or `KMSEncryption`.
    pub action_type: String,
    /// Of the action.
    #[serde(default)]
    pub action_parameters: Value,
}

/// `ActionParameters` of `KMSEncryption`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsEncryptionRequest {
    /// The key a data key is to be made with.
    #[serde(rename = "KMSKeyId")]
    pub key_id: String,
}

/// `ActionResult` of `KMSEncryption`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsEncryptionResponse {
    /// The data key, encrypted.
    #[serde(rename = "KMSCipherTextKey", with = "base64_text")]
    pub data_key: Vec<u8>,
}

/// Of a challenge and of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionChallenge {
    /// Encrypted by who sends it.
    #[serde(rename = "Challenge", with = "base64_text")]
    pub challenge: Vec<u8>,
}

/// What the client did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// Of the client.
    pub client_version: String,
    /// In order.
    #[serde(default)]
    pub processed_client_actions: Vec<ProcessedAction>,
    /// What went wrong.
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// As requested.
    pub action_type: String,
    /// 1 done, 2 failed, 3 unknown.
    #[serde(default)]
    pub action_status: i32,
    /// Of the action.
    #[serde(default)]
    pub action_result: Value,
    /// What went wrong.
    #[serde(default)]
    pub error: String,
}

/// [`ProcessedAction::action_status`] of what was done.
pub const ACTION_DONE: i32 = 1;
/// [`ProcessedAction::action_status`] of what failed.
pub const ACTION_FAILED: i32 = 2;
/// [`ProcessedAction::action_status`] of what the client does not know.
pub const ACTION_UNSUPPORTED: i32 = 3;

/// The session begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// Nanoseconds.
    pub handshake_time_to_complete: i64,
    /// Shown to the person at the terminal, unless empty.
    #[serde(default)]
    pub customer_message: String,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Columns.
    pub cols: u32,
    /// Rows.
    pub rows: u32,
}

/// The flag by which a client ends its session, a number of four bytes.
pub const FLAG_TERMINATE_SESSION: [u8; 4] = 2_u32.to_be_bytes();

/// [`RequestedAction::action_type`]: which kind of session it is.
pub const ACTION_SESSION_TYPE: &str = "SessionType";
/// [`RequestedAction::action_type`]: the session is encrypted with a key of KMS.
pub const ACTION_KMS_ENCRYPTION: &str = "KMSEncryption";

/// Bytes as text.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

/// Tokens go over the wire and nowhere else.
mod secret {
    use portcullis_core::Secret;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}
