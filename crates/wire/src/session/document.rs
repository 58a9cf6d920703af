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
}

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
    /// What to run.
    pub properties: OrderProperties,
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
