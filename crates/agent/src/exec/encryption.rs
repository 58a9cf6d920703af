//! The agent's part in agreeing on the key of an encrypted session: the client makes a data key with the cluster's KMS key
//! and sends it encrypted; the agent has it decrypted as the task's role, and then has the client prove that it has it.

use portcullis_api::kms::DecryptRequest;
use portcullis_api::kms::op::Decrypt;
use portcullis_wire::session::document::{
    ACTION_DONE, ACTION_KMS_ENCRYPTION, Document as _, EncryptionChallenge, HandshakeResponse,
    KmsEncryptionRequest, KmsEncryptionResponse, RequestedAction,
};
use portcullis_wire::session::{CHALLENGE_BYTES, End, SessionCipher, encryption_context};
use subtle::ConstantTimeEq as _;

use super::{Parts, Place};
use crate::plane::Signing;

/// AWS's words, which the client shows.
pub(super) const NOTICE: &str = "This session is encrypted using AWS KMS.";

/// What the client is asked for.
pub(super) fn action(key_id: &str) -> RequestedAction {
    let parameters = KmsEncryptionRequest {
        key_id: key_id.to_owned(),
    };
    RequestedAction {
        action_type: ACTION_KMS_ENCRYPTION.to_owned(),
        action_parameters: serde_json::to_value(parameters).unwrap_or_default(),
    }
}

/// The session's cipher, of the data key the client made. The error is for the person at the terminal.
pub(super) async fn cipher(
    parts: &Parts,
    place: &Place,
    session: &str,
    key_id: &str,
    response: &HandshakeResponse,
) -> Result<SessionCipher, String> {
    let mut actions = response.processed_client_actions.iter();
    let action = actions
        .find(|action| action.action_type == ACTION_KMS_ENCRYPTION)
        .ok_or("The client does not encrypt sessions with AWS KMS, as this cluster demands.")?;
    if action.action_status != ACTION_DONE {
        return Err(format!(
            "{ACTION_KMS_ENCRYPTION} failed on client with status {} error: {}",
            action.action_status, action.error
        ));
    }
    let result = serde_json::to_vec(&action.action_result).unwrap_or_default();
    let sent = KmsEncryptionResponse::from_json(&result)
        .ok_or("The client's data key for the session cannot be read.")?;
    let failed =
        |problem: String| format!("Fetching data key failed: Unable to retrieve data key, {problem}");
    let keys = parts
        .keys(place)
        .ok_or_else(|| failed("the credentials of the task's role are not there".to_owned()))?;
    let input = DecryptRequest {
        ciphertext_blob: Some(sent.data_key),
        encryption_context: Some(encryption_context(session, &place.target())),
        // The cluster's key and no other that the role may use.
        key_id: Some(key_id.to_owned()),
        ..Default::default()
    };
    let decrypted = parts
        .plane
        .call_as::<Decrypt>(Signing::Task(&keys, "kms"), &input)
        .await;
    let decrypted = decrypted.map_err(|error| failed(error.to_string()))?;
    let data_key = decrypted.plaintext.unwrap_or_default();
    SessionCipher::new(&data_key, End::Agent).ok_or_else(|| failed("it has another length".to_owned()))
}

/// A challenge, and what the client is sent of it.
pub(super) fn challenge(parts: &Parts, cipher: &SessionCipher) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut challenge = vec![0; CHALLENGE_BYTES];
    parts.random.fill(&mut challenge);
    let sealed = cipher.seal(&challenge, parts.random.as_ref())?;
    let request = EncryptionChallenge { challenge: sealed };
    Some((challenge, request.to_json()))
}

/// Whether the client has the key.
pub(super) fn is_met(cipher: &SessionCipher, challenge: &[u8], answer: &[u8]) -> bool {
    let answer = EncryptionChallenge::from_json(answer).and_then(|answer| cipher.open(&answer.challenge));
    answer.is_some_and(|answer| answer.ct_eq(challenge).into())
}
