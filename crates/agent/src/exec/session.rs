//! One session: agrees with the client on what it is to be, runs the command, and carries bytes between terminal and
//! data channel.

mod agreement;
mod logging;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_wire::session::document::{
    Acknowledgement, AgentTaskComplete, Document as _, FLAG_TERMINATE_SESSION, SessionOrder, Size,
};
use portcullis_wire::session::{
    AgentMessage, CHUNK_BYTES_MAX, DATA_CHANNEL_PATH, GaveUp, Incoming, MessageType, Outgoing, PayloadType,
    Pulse, SessionCipher, flags,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use self::logging::{Shown, note};
use super::log::SessionLog;
use super::{Parts, Place, channel, presence, words};
use crate::engine::Terminal;
use crate::plane::Socket;

/// How long the client may take to agree.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Between looks for what is to be sent again.
const TICK: Duration = Duration::from_millis(100);
/// How long the client may take to receive the last bytes.
const LAST_BYTES: Duration = Duration::from_secs(10);
/// How long a frame may take to be written.
const WRITE: Duration = Duration::from_secs(30);
/// Keystrokes on their way to the command. What does not fit is not acknowledged, and comes again.
const KEYS_MAX: usize = 4096;
/// Room that one frame may need at once: it may complete a long row that came too early.
const KEYS_AT_ONCE: usize = 1100;
/// Clients of this name are told the command's exit code. The plugin would print it.
const TOLD_EXIT_CODE: &str = "portcullis/";

/// Why a session is over.
#[derive(Debug)]
enum End {
    /// The client, or what is between, is gone.
    Gone,
    /// The command has ended, or could not be run: the words for the person at the terminal.
    Done(String),
}

impl From<GaveUp> for End {
    fn from(_: GaveUp) -> Self {
        Self::Gone
    }
}

/// Serves the session an order asks for.
pub(super) async fn serve(parts: Arc<Parts>, place: Place, order: SessionOrder) {
    let id = order.session_id.clone();
    let socket = match channel::open(&parts, &place, DATA_CHANNEL_PATH, &id).await {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(session = id, %error, "a session could not be joined");
            return;
        }
    };
    tracing::info!(
        session = id,
        task = place.task_arn,
        owner = order.session_owner,
        "a session begins"
    );
    let mut session = Session {
        parts: &parts,
        place: &place,
        socket,
        pulse: parts.pulse(),
        outgoing: Outgoing::new(MessageType::OutputStreamData),
        incoming: Incoming::default(),
        client: String::new(),
        cipher: None,
        log: None,
        log_is_optional: order
            .document_content
            .inputs
            .as_ref()
            .is_none_or(|inputs| inputs.log_is_optional),
    };
    let ended = session.run(&order).await;
    let unfinished = session.finish_log().await;
    let words = match ended {
        Ok(words) | Err(End::Done(words)) => words,
        Err(End::Gone) => {
            tracing::info!(session = id, "a session's client is gone");
            return;
        }
    };
    let words = Some(words)
        .filter(|words| !words.is_empty())
        .or(unfinished)
        .unwrap_or_default();
    session.complete(&id, words).await;
    tracing::info!(session = id, "a session ended");
}

/// Ends the command also when its session is given up with the channel that ordered it.
struct Leash(Option<Arc<dyn Terminal>>);

impl Leash {
    fn let_go(mut self) {
        self.0 = None;
    }

    async fn hang_up(mut self) {
        if let Some(terminal) = &self.0 {
            terminal.hang_up().await;
        }
        self.0 = None;
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(terminal) = self.0.take() {
            tokio::spawn(async move { terminal.hang_up().await });
        }
    }
}

struct Session<'a> {
    parts: &'a Arc<Parts>,
    place: &'a Place,
    socket: Socket,
    pulse: Pulse,
    outgoing: Outgoing,
    incoming: Incoming,
    /// What the client says it is.
    client: String,
    /// Of an encrypted session, once both ends have the key.
    cipher: Option<SessionCipher>,
    /// Of a logged session.
    log: Option<SessionLog>,
    /// Whether the session goes on without its log.
    log_is_optional: bool,
}

impl Session<'_> {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.parts.clock.now().as_millis()).unwrap_or_default()
    }

    async fn run(&mut self, order: &SessionOrder) -> Result<String, End> {
        self.agree(order).await?;
        let line = &order.document_content.properties.linux.commands;
        let words = words::split(line).filter(|words| !words.is_empty());
        let words = words
            .ok_or_else(|| End::Done("The command cannot be read: a quote is not closed.".to_owned()))?;
        let started = self
            .parts
            .engine
            .execute(&self.place.container, &order.session_id, &words)
            .await;
        let terminal = started.map_err(|error| End::Done(error.to_string()))?;
        let (keys, typed) = mpsc::channel(KEYS_MAX);
        let typing = tokio::spawn(type_all(Arc::clone(&terminal), typed));
        let leash = Leash(Some(Arc::clone(&terminal)));
        let ended = self.carry(terminal.as_ref(), &keys).await;
        typing.abort();
        match &ended {
            Ok(()) => leash.let_go(),
            Err(_) => leash.hang_up().await,
        }
        let code = terminal.exit_code();
        let code = timeout(LAST_BYTES, code).await.ok().flatten();
        if let Some(code) = code.filter(|_| ended.is_ok() && self.client.starts_with(TOLD_EXIT_CODE)) {
            self.stream(PayloadType::ExitCode, code.to_string().into_bytes())
                .await?;
        }
        self.settle().await?;
        ended.map(|()| String::new())
    }

    /// Until the command ends or the client is gone.
    async fn carry(&mut self, terminal: &dyn Terminal, keys: &mpsc::Sender<Vec<u8>>) -> Result<(), End> {
        let mut tick = interval(TICK);
        let mut shown: Option<Shown> = None;
        loop {
            tokio::select! {
                message = presence::next(&mut self.socket, &mut self.pulse) => {
                    let has_room = keys.capacity() > KEYS_AT_ONCE;
                    for message in self.taken(message, has_room).await? {
                        let message = self.opened(message)?;
                        heed(&message, terminal, keys).await?;
                    }
                }
                output = terminal.read(), if shown.is_none() && !self.outgoing.is_full() => match output {
                    None => return Ok(()),
                    Some(output) => shown = Some(self.shown(output)),
                },
                // What is shown is noted first.
                noted = note(&mut self.log, shown.as_ref()), if shown.is_some() => {
                    if let Err(problem) = noted {
                        let words = self.without_log(&problem)?;
                        self.show(&words).await?;
                    }
                    if let Some(shown) = shown.take() {
                        self.show(&shown.output).await?;
                    }
                }
                _ = tick.tick() => self.tick().await?,
            }
        }
    }

    async fn show(&mut self, output: &[u8]) -> Result<(), End> {
        for chunk in output.chunks(CHUNK_BYTES_MAX) {
            self.stream(PayloadType::Output, chunk.to_vec()).await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), End> {
        self.send_again().await?;
        match self.parts.is_open(self.place) {
            true => Ok(()),
            false => Err(End::Done("The container has stopped.".to_owned())),
        }
    }

    /// Until the client has everything.
    async fn settle(&mut self) -> Result<(), End> {
        let until = Instant::now() + LAST_BYTES;
        let mut tick = interval(TICK);
        while !self.outgoing.is_settled() {
            tokio::select! {
                message = presence::next(&mut self.socket, &mut self.pulse) => {
                    self.taken(message, true).await?;
                }
                _ = tick.tick() => self.send_again().await?,
                () = sleep_until(until) => return Err(End::Gone),
            }
        }
        Ok(())
    }

    /// Acknowledges what came, and answers what is to be heeded now. Input without room is left unacknowledged.
    async fn taken(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
        has_room: bool,
    ) -> Result<Vec<AgentMessage>, End> {
        let frame = match message {
            Some(Ok(Message::Binary(frame))) => frame,
            None | Some(Err(_) | Ok(Message::Close(_))) => return Err(End::Gone),
            Some(Ok(_)) => return Ok(Vec::new()),
        };
        let message = match AgentMessage::parse(&frame) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a client sent what is no frame");
                return Ok(Vec::new());
            }
        };
        match message.kind {
            MessageType::ChannelClosed => Err(End::Gone),
            MessageType::Acknowledge => {
                if let Some(receipt) = Acknowledgement::from_json(&message.payload) {
                    self.outgoing.acknowledge(receipt.sequence_number);
                }
                Ok(Vec::new())
            }
            MessageType::InputStreamData if has_room => {
                let now = self.now_ms();
                let received = self.incoming.receive(message, now, self.parts.random.as_ref());
                if let Some(receipt) = received.acknowledgement {
                    self.send(receipt).await?;
                }
                Ok(received.ready)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// What was typed, decrypted if the session is encrypted.
    fn opened(&self, mut message: AgentMessage) -> Result<AgentMessage, End> {
        if let Some(cipher) = self
            .cipher
            .as_ref()
            .filter(|_| message.payload_type == PayloadType::Output)
        {
            message.payload = cipher.open(&message.payload).ok_or_else(unreadable)?;
        }
        Ok(message)
    }

    async fn stream(&mut self, kind: PayloadType, mut payload: Vec<u8>) -> Result<(), End> {
        let is_secret = matches!(
            kind,
            PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode
        );
        if let Some(cipher) = self.cipher.as_ref().filter(|_| is_secret) {
            let sealed = cipher.seal(&payload, self.parts.random.as_ref());
            payload = sealed.ok_or_else(unreadable)?;
        }
        let now = self.now_ms();
        let frame = self.outgoing.push(kind, payload, now, self.parts.random.as_ref());
        self.send(frame).await
    }

    async fn send_again(&mut self) -> Result<(), End> {
        match self.outgoing.overdue(self.now_ms())? {
            Some(frame) => self.send(frame).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, frame: Vec<u8>) -> Result<(), End> {
        match timeout(WRITE, self.socket.send(Message::binary(frame))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    /// Says that it is over; what is between tells the client.
    async fn complete(&mut self, session: &str, words: String) {
        let complete = AgentTaskComplete {
            schema_version: 1,
            task_id: session.to_owned(),
            final_task_status: if words.is_empty() { "Success" } else { "Failed" }.to_owned(),
            output: words,
        };
        let mut id = [0; 16];
        self.parts.random.fill(&mut id);
        let frame = AgentMessage {
            kind: MessageType::AgentTaskComplete,
            created_ms: self.now_ms(),
            sequence: 0,
            flags: flags::SYN | flags::FIN,
            id,
            payload_type: PayloadType::Other(0),
            payload: complete.to_json(),
        };
        let farewell = async {
            if self.send(frame.encode()).await.is_ok() {
                while self.socket.next().await.is_some_and(|message| message.is_ok()) {}
            }
        };
        let _ = timeout(LAST_BYTES, farewell).await;
    }
}

fn unreadable() -> End {
    End::Done("The session was ended because of a message that could not be read.".to_owned())
}

/// What the client sent.
async fn heed(
    message: &AgentMessage,
    terminal: &dyn Terminal,
    keys: &mpsc::Sender<Vec<u8>>,
) -> Result<(), End> {
    match message.payload_type {
        // There is room: it was looked for before the frame was taken.
        PayloadType::Output if keys.try_send(message.payload.clone()).is_err() => {
            tracing::debug!("the command takes no more input");
        }
        PayloadType::Size => {
            if let Some(size) = Size::from_json(&message.payload) {
                let number = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
                terminal.resize(number(size.cols), number(size.rows)).await;
            }
        }
        PayloadType::Flag if message.payload == FLAG_TERMINATE_SESSION => {
            return Err(End::Done(String::new()));
        }
        _ => {}
    }
    Ok(())
}

/// A command that reads slowly must not keep its output from being carried.
async fn type_all(terminal: Arc<dyn Terminal>, mut typed: mpsc::Receiver<Vec<u8>>) {
    while let Some(keys) = typed.recv().await {
        if let Err(error) = terminal.write(&keys).await {
            tracing::debug!(%error, "the command takes no input any more");
            return;
        }
    }
}
