//! What is agreed on before a session's command runs: the kind of session, its key, its log.

use portcullis_wire::session::PayloadType;
use portcullis_wire::session::document::{
    ACTION_DONE, ACTION_SESSION_TYPE, Document as _, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    INTERACTIVE_COMMANDS, RequestedAction, SessionOrder,
};
use serde_json::json;
use tokio::time::{Instant, interval, sleep_until};

use super::super::{encryption, presence};
use super::{End, HANDSHAKE, Session, TICK, unreadable};
use crate::EngineKind;
use crate::engine::process::PROCESS_ENGINE_NOTICE;
use crate::plane::AGENT_VERSION;

impl Session<'_> {
    /// The client must know what kind of session it is, and have its key; then it is told that it begins.
    pub(super) async fn agree(&mut self, order: &SessionOrder) -> Result<(), End> {
        let begun = Instant::now();
        let inputs = order.document_content.inputs.as_ref();
        let key_id = inputs.map_or("", |inputs| &inputs.kms_key_id);
        let session_type = RequestedAction {
            action_type: ACTION_SESSION_TYPE.to_owned(),
            action_parameters: json!({
                "SessionType": INTERACTIVE_COMMANDS,
                "Properties": order.document_content.properties,
            }),
        };
        let encryption = (!key_id.is_empty()).then(|| encryption::action(key_id));
        let request = HandshakeRequest {
            agent_version: AGENT_VERSION.to_owned(),
            requested_client_actions: [session_type].into_iter().chain(encryption).collect(),
        };
        self.stream(PayloadType::HandshakeRequest, request.to_json())
            .await?;
        let response = self.answer(PayloadType::HandshakeResponse, begun + HANDSHAKE);
        let response = HandshakeResponse::from_json(&response.await?).ok_or_else(unreadable)?;
        let mut actions = response.processed_client_actions.iter();
        if !actions
            .any(|action| action.action_type == ACTION_SESSION_TYPE && action.action_status == ACTION_DONE)
        {
            return Err(End::Done(
                "The client does not know this kind of session.".to_owned(),
            ));
        }
        if !key_id.is_empty() {
            self.encrypt(&order.session_id, key_id, &response).await?;
        }
        self.client = response.client_version;
        let unlogged = self.open_log(order).await?;
        let complete = HandshakeComplete {
            handshake_time_to_complete: i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX),
            customer_message: self.notice(unlogged),
        };
        self.stream(PayloadType::HandshakeComplete, complete.to_json())
            .await
    }

    /// What the person at the terminal reads before the session begins.
    fn notice(&self, unlogged: Option<String>) -> String {
        let engine = match self.parts.engine.kind() {
            EngineKind::Process => Some(PROCESS_ENGINE_NOTICE.to_owned()),
            EngineKind::Docker => None,
        };
        let encrypted = self.cipher.is_some().then(|| encryption::NOTICE.to_owned());
        let lines: Vec<String> = encrypted.into_iter().chain(unlogged).chain(engine).collect();
        lines.join("\n")
    }

    /// Both ends have the data key, and the client has proved it.
    async fn encrypt(
        &mut self,
        session: &str,
        key_id: &str,
        response: &HandshakeResponse,
    ) -> Result<(), End> {
        let cipher = encryption::cipher(self.parts, self.place, session, key_id, response).await;
        let cipher = cipher.map_err(End::Done)?;
        let failed = || End::Done("The client does not have the session's data key.".to_owned());
        let (challenge, request) = encryption::challenge(self.parts, &cipher).ok_or_else(failed)?;
        self.stream(PayloadType::EncryptionChallengeRequest, request)
            .await?;
        let until = Instant::now() + HANDSHAKE;
        let answer = self.answer(PayloadType::EncryptionChallengeResponse, until);
        if !encryption::is_met(&cipher, &challenge, &answer.await?) {
            return Err(failed());
        }
        self.cipher = Some(cipher);
        Ok(())
    }

    /// The payload of the first message of a kind.
    async fn answer(&mut self, kind: PayloadType, until: Instant) -> Result<Vec<u8>, End> {
        let mut tick = interval(TICK);
        loop {
            let ready = tokio::select! {
                message = presence::next(&mut self.socket, &mut self.pulse) => self.taken(message, true).await?,
                _ = tick.tick() => {
                    self.send_again().await?;
                    continue;
                }
                () = sleep_until(until) => {
                    return Err(End::Done("The client did not answer in time.".to_owned()));
                }
            };
            if let Some(answer) = ready.into_iter().find(|one| one.payload_type == kind) {
                return Ok(answer.payload);
            }
        }
    }
}
