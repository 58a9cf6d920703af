//! A far end that does not keep to the handshake.

use portcullis_core::Secret;
use portcullis_wire::session::document::{Document as _, HandshakeComplete, HandshakeRequest};
use portcullis_wire::session::{MessageType, Outgoing, PayloadType};

use super::*;
use crate::client::Credentials;

/// Sends these, and reads until the client goes.
async fn far_end(listener: tokio::net::TcpListener, messages: Vec<(PayloadType, Vec<u8>)>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let mut outgoing = Outgoing::new(MessageType::OutputStreamData);
    for (kind, payload) in messages {
        let frame = outgoing.push(kind, payload, 0, &SystemRandom);
        socket.send(Message::binary(frame)).await.unwrap();
    }
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
}

#[tokio::test]
async fn a_handshake_in_the_middle_of_a_session_ends_it() {
    let request = HandshakeRequest {
        agent_version: "1".to_owned(),
        requested_client_actions: Vec::new(),
    };
    let complete = HandshakeComplete {
        handshake_time_to_complete: 1,
        customer_message: String::new(),
    };
    for (kind, payload) in [
        (PayloadType::HandshakeRequest, request.to_json()),
        (PayloadType::EncryptionChallengeRequest, Vec::new()),
    ] {
        let messages = vec![
            (PayloadType::HandshakeRequest, request.to_json()),
            (PayloadType::HandshakeComplete, complete.to_json()),
            (PayloadType::Output, b"before".to_vec()),
            (kind, payload),
            (PayloadType::Output, b"after".to_vec()),
        ];
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(far_end(listener, messages));
        let made = ecs::ExecuteCommandResponse {
            session: Some(ecs::Session {
                session_id: Some("s".to_owned()),
                stream_url: Some(url),
                token_value: Some("token".to_owned()),
            }),
            ..Default::default()
        };
        let nobody = Credentials::new("AK", Secret::new("sk"), None);
        let client = Client::new("http://127.0.0.1:1", Region::us_east_1(), nobody);
        let caller = Caller {
            client: &client,
            made: &made,
        };
        let mut script = Script::new(Vec::new());
        let ended = tokio::time::timeout(PATIENCE, converse(&caller, &mut script)).await;
        let error = ended.expect("the session ends").unwrap_err().to_string();
        assert_eq!(
            error,
            "the other end began the handshake again in the middle of the session; the session was ended"
        );
        assert_eq!(script.shown, "before");
        serving.await.unwrap();
    }
}
