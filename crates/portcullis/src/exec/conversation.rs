//! The client's end of a session: what the session-manager plugin does.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::Uri;
use portcullis_core::{Clock as _, Secret, SystemClock, SystemRandom, uuid};
use portcullis_wire::session::document::{
    ACTION_DONE, ACTION_FAILED, ACTION_SESSION_TYPE, ACTION_UNSUPPORTED, Acknowledgement, ChannelClosed,
    Document as _, EncryptionChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, OpenChannel,
    ProcessedAction, RequestedAction, SCHEMA_VERSION, Size,
};
use portcullis_wire::session::{
    AgentMessage, CHUNK_BYTES_MAX, FRAME_BYTES_MAX, Incoming, MessageError, MessageType, Outgoing,
    PayloadType, SessionCipher,
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::interval;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::data_key::{Caller, is_asked};

/// By this name the other end knows that the command's exit code is wanted.
const CLIENT_VERSION: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
/// Between looks for what is to be sent again.
const TICK: Duration = Duration::from_millis(100);

/// The person's side.
pub trait Screen {
    /// The next thing typed or changed; nothing once there will be no more. May be given up without a loss.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
    /// Shows output.
    fn show(&mut self, output: &[u8]) -> Result<()>;
    /// Shows what the other end has to say before it begins.
    fn notice(&mut self, text: &str);
}

/// What happens at a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Keys.
    Typed(Vec<u8>),
    /// Another size.
    Resized(Size),
}

/// How a session ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Of the command; not known when the session ended before it.
    pub exit_code: Option<i64>,
    /// What the service said at the end, if anything.
    pub words: String,
}

/// Takes part in a session until it ends.
pub async fn converse(caller: &Caller<'_>, screen: &mut impl Screen) -> Result<Ended> {
    let session = caller.made.session.as_ref();
    let Some((url, token)) = session.and_then(|one| one.stream_url.as_ref().zip(one.token_value.as_ref()))
    else {
        bail!("the server's answer holds no session");
    };
    let mut socket = open(url).await?;
    let opening = OpenChannel {
        message_schema_version: SCHEMA_VERSION.to_owned(),
        request_id: uuid(&SystemRandom),
        token_value: Secret::new(token.as_str()),
        client_id: Some(uuid(&SystemRandom)),
        client_version: Some(CLIENT_VERSION.to_owned()),
        heeds: Vec::new(),
    };
    let text = String::from_utf8_lossy(&opening.to_json()).into_owned();
    socket.send(Message::text(text)).await?;
    let mut conversation = Conversation {
        caller,
        cipher: None,
        socket,
        outgoing: Outgoing::new(MessageType::InputStreamData),
        incoming: Incoming::default(),
        has_begun: false,
        ended: Ended::default(),
    };
    conversation.run(screen).await
}

async fn open(url: &str) -> Result<WebSocketStream<TcpStream>> {
    let uri: Uri = url.parse()?;
    if uri.scheme_str() != Some("ws") {
        bail!("`{url}` speaks TLS, which this command does not; use the address behind it");
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await;
    let stream = stream.with_context(|| format!("no answer from {url}"))?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let (socket, _) = client_async_with_config(url, stream, Some(config)).await?;
    Ok(socket)
}

struct Conversation<'a> {
    caller: &'a Caller<'a>,
    /// Of an encrypted session.
    cipher: Option<SessionCipher>,
    socket: WebSocketStream<TcpStream>,
    outgoing: Outgoing,
    incoming: Incoming,
    /// Nothing is typed before the command runs.
    has_begun: bool,
    ended: Ended,
}

fn now_ms() -> u64 {
    u64::try_from(SystemClock.now().as_millis()).unwrap_or_default()
}

impl Conversation<'_> {
    async fn run(&mut self, screen: &mut impl Screen) -> Result<Ended> {
        let mut tick = interval(TICK);
        let mut is_typing = true;
        loop {
            let may_type = is_typing && self.has_begun && !self.outgoing.is_full();
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Binary(frame))) => if self.take(&frame, screen).await? {
                        return Ok(std::mem::take(&mut self.ended));
                    },
                    None | Some(Err(_) | Ok(Message::Close(_))) => {
                        self.ended.words = "The connection was lost.".to_owned();
                        return Ok(std::mem::take(&mut self.ended));
                    }
                    Some(Ok(_)) => {}
                },
                event = screen.next(), if may_type => match event {
                    None => is_typing = false,
                    Some(Event::Typed(keys)) => for chunk in keys.chunks(CHUNK_BYTES_MAX) {
                        self.stream(PayloadType::Output, chunk.to_vec()).await?;
                    },
                    Some(Event::Resized(size)) => self.stream(PayloadType::Size, size.to_json()).await?,
                },
                _ = tick.tick() => if let Some(frame) = self.outgoing.overdue(now_ms())? {
                    self.send(frame).await?;
                },
            }
        }
    }

    /// Whether the session is over.
    async fn take(&mut self, frame: &[u8], screen: &mut impl Screen) -> Result<bool> {
        let message = match AgentMessage::parse(frame) {
            Ok(message) => message,
            Err(MessageError::UnknownType) => return Ok(false),
            Err(error) => bail!("the server does not speak the session protocol: {error}"),
        };
        match message.kind {
            MessageType::ChannelClosed => {
                let closed = ChannelClosed::from_json(&message.payload).unwrap_or_default();
                self.ended.words = closed.output;
                return Ok(true);
            }
            MessageType::Acknowledge => {
                if let Some(receipt) = Acknowledgement::from_json(&message.payload) {
                    self.outgoing.acknowledge(receipt.sequence_number);
                }
            }
            MessageType::OutputStreamData => {
                let received = self.incoming.receive(message, now_ms(), &SystemRandom);
                if let Some(receipt) = received.acknowledgement {
                    self.send(receipt).await?;
                }
                for message in received.ready {
                    let message = self.opened(message)?;
                    self.heed(&message, screen).await?;
                }
            }
            _ => {}
        }
        Ok(false)
    }

    async fn heed(&mut self, message: &AgentMessage, screen: &mut impl Screen) -> Result<()> {
        match message.payload_type {
            PayloadType::Output | PayloadType::StdErr => screen.show(&message.payload)?,
            // A second handshake would put another key, of whoever asks, in the place of the one that was agreed on.
            PayloadType::HandshakeRequest | PayloadType::EncryptionChallengeRequest if self.has_begun => {
                bail!(
                    "the other end began the handshake again in the middle of the session; the session was ended"
                )
            }
            PayloadType::HandshakeRequest => {
                let request = HandshakeRequest::from_json(&message.payload);
                let request = request.context("the handshake cannot be read")?;
                let response = self.answer(&request).await;
                self.stream(PayloadType::HandshakeResponse, response.to_json())
                    .await?;
            }
            PayloadType::EncryptionChallengeRequest => {
                let answer = self.meet(&message.payload);
                let answer = answer.context("the agent does not have the session's data key")?;
                self.stream(PayloadType::EncryptionChallengeResponse, answer)
                    .await?;
            }
            PayloadType::HandshakeComplete => {
                self.has_begun = true;
                if let Some(complete) = HandshakeComplete::from_json(&message.payload)
                    && !complete.customer_message.is_empty()
                {
                    screen.notice(&complete.customer_message);
                }
            }
            PayloadType::ExitCode => {
                let text = String::from_utf8_lossy(&message.payload);
                self.ended.exit_code = text.trim().parse().ok();
            }
            _ => {}
        }
        Ok(())
    }

    /// What is shown, decrypted if the session is encrypted.
    fn opened(&self, mut message: AgentMessage) -> Result<AgentMessage> {
        let is_secret = matches!(
            message.payload_type,
            PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode
        );
        if let Some(cipher) = self.cipher.as_ref().filter(|_| is_secret) {
            let opened = cipher.open(&message.payload);
            message.payload = opened.context("the other end sent what its key does not open")?;
        }
        Ok(message)
    }

    /// Proves that this end has the data key.
    fn meet(&self, challenge: &[u8]) -> Option<Vec<u8>> {
        let cipher = self.cipher.as_ref()?;
        let challenge = cipher.open(&EncryptionChallenge::from_json(challenge)?.challenge)?;
        let sealed = cipher.seal(&challenge, &SystemRandom)?;
        Some(EncryptionChallenge { challenge: sealed }.to_json())
    }

    async fn stream(&mut self, kind: PayloadType, mut payload: Vec<u8>) -> Result<()> {
        if let Some(cipher) = self.cipher.as_ref().filter(|_| kind == PayloadType::Output) {
            let sealed = cipher.seal(&payload, &SystemRandom);
            payload = sealed.context("what was typed cannot be encrypted")?;
        }
        let frame = self.outgoing.push(kind, payload, now_ms(), &SystemRandom);
        self.send(frame).await
    }

    async fn send(&mut self, frame: Vec<u8>) -> Result<()> {
        // An end that is closing cannot be written to any more; what it still sends says why.
        if let Err(error) = self.socket.send(Message::binary(frame)).await {
            tracing::debug!(%error, "a frame could not be sent");
        }
        Ok(())
    }

    /// Sessions with commands are all this client knows, and data keys of KMS.
    async fn answer(&mut self, request: &HandshakeRequest) -> HandshakeResponse {
        let mut actions = Vec::new();
        for action in &request.requested_client_actions {
            actions.push(self.process(action).await);
        }
        let errors = actions.iter().map(|one| one.error.clone());
        HandshakeResponse {
            client_version: CLIENT_VERSION.to_owned(),
            errors: Some(errors.filter(|error| !error.is_empty()).collect()),
            processed_client_actions: actions,
        }
    }

    async fn process(&mut self, action: &RequestedAction) -> ProcessedAction {
        let done = match action.action_type.as_str() {
            ACTION_SESSION_TYPE => Ok(Value::Null),
            _ if is_asked(action) => match self.caller.data_key(action).await {
                Ok((cipher, answer)) => {
                    self.cipher = Some(cipher);
                    Ok(answer)
                }
                Err(problem) => Err((
                    ACTION_FAILED,
                    format!("Failed to process action {}: {problem}", action.action_type),
                )),
            },
            other => Err((ACTION_UNSUPPORTED, format!("Unsupported action {other}"))),
        };
        let action_type = action.action_type.clone();
        match done {
            Ok(action_result) => ProcessedAction {
                action_type,
                action_status: ACTION_DONE,
                action_result,
                error: String::new(),
            },
            Err((action_status, error)) => ProcessedAction {
                action_type,
                action_status,
                action_result: Value::Null,
                error,
            },
        }
    }
}
