//! The log of a session: what its terminal shows, written with the credentials of the task's role to a stream of CloudWatch
//! Logs and to an object of S3, as the cluster's configuration says. On AWS the SSM agent inside the container does this.
//!
//! The log is opened before the command runs, and what is shown is handed to it first. It is a task of its own: when a
//! session is given up, with its client or with its channel, the log is finished all the same. What waits to be written
//! is bounded; when the log cannot keep up the command waits, for as long as the session lets it.

mod object;
mod open_logs;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use hyper::body::Bytes;
use portcullis_wire::Operation;
use portcullis_wire::session::document::{SessionInputs, SessionOrder};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::object::LogObject;
pub(crate) use self::open_logs::{AfterLogs, OpenLogs};
use self::stream::LogStream;
use super::{Parts, Place};
use crate::credentials::RoleCredentials;
use crate::plane::backoff::Backoff;
use crate::plane::{CallError, Signing};
use crate::supplies::is_passing;

/// Pieces on their way to the log.
const PIECES_MAX: usize = 16;
/// How often lines go to CloudWatch Logs.
const FLUSH: Duration = Duration::from_secs(1);
/// How long the end of a log is waited for before the session's client is told that it is over.
const LAST_WRITES: Duration = Duration::from_secs(60);
/// What is not refused for good is tried again until this is over. The last try may take as long as a call may: 15 s, with
/// S3 two minutes. A session does not wait that long for its log (`session/logging.rs`).
const TRYING: Duration = Duration::from_secs(60);
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A log that is being written. Without a [`SessionLog::finish`] it is finished on its own.
pub(super) struct SessionLog {
    pieces: mpsc::Sender<Vec<u8>>,
    writer: JoinHandle<Result<(), String>>,
}

/// Opens the log an order asks for: none when it asks for none. The error is for the person at the terminal.
pub(super) async fn open(
    parts: &Arc<Parts>,
    place: &Place,
    order: &SessionOrder,
) -> Result<Option<SessionLog>, String> {
    let inputs = order.document_content.inputs.as_ref();
    let Some(inputs) = inputs.filter(|inputs| inputs.wants_log()) else {
        return Ok(None);
    };
    let mut scribe = Scribe {
        parts: Arc::clone(parts),
        place: place.clone(),
        keys: None,
    };
    let begun = format!("Script started on {} [", scribe.time());
    let command = &order.document_content.properties.linux.commands;
    let title = format!("{begun}SESSION=\"{}\" COMMAND={command:?}]\n", order.session_id);
    let mut sinks = Sinks::open(&mut scribe, inputs, &order.session_id, title.as_bytes()).await?;
    let (pieces, given) = mpsc::channel(PIECES_MAX);
    let session = order.session_id.clone();
    let open = parts.logs.open(&place.task_arn);
    let writer = tokio::spawn(async move {
        let _open = open;
        let written = sinks.write(&mut scribe, given).await;
        if let Err(problem) = &written {
            tracing::error!(session, problem, "a session's log is not whole");
        }
        written
    });
    Ok(Some(SessionLog { pieces, writer }))
}

impl SessionLog {
    /// Notes what the terminal shows; nothing of it when given up. `Err` when the log is not written any more: why.
    pub(super) async fn note(&mut self, shown: &[u8]) -> Result<(), String> {
        if let Ok(room) = self.pieces.reserve().await {
            room.send(shown.to_vec());
            return Ok(());
        }
        Err(self.outcome().await)
    }

    /// Waits until all is written. `Err` when it could not be.
    pub(super) async fn finish(self) -> Result<(), String> {
        drop(self.pieces);
        match timeout(LAST_WRITES, self.writer).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err("its writer failed".to_owned()),
            Err(_) => Err("it is still being written".to_owned()),
        }
    }

    /// One that takes nothing, and what it would take.
    #[cfg(test)]
    pub(super) fn stalled() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (pieces, given) = mpsc::channel(1);
        let writer = tokio::spawn(std::future::pending());
        (Self { pieces, writer }, given)
    }

    async fn outcome(&mut self) -> String {
        match (&mut self.writer).await {
            Ok(Err(problem)) => problem,
            Ok(Ok(())) | Err(_) => "its writer failed".to_owned(),
        }
    }
}

/// Who writes: the task's role.
#[derive(Clone)]
struct Scribe {
    parts: Arc<Parts>,
    place: Place,
    /// The newest seen: a task that is over is forgotten before its log is whole.
    keys: Option<Arc<RoleCredentials>>,
}

impl Scribe {
    fn keys(&mut self) -> Result<Arc<RoleCredentials>, CallError> {
        if let Some(newest) = self.parts.keys(&self.place) {
            self.keys = Some(newest);
        }
        let keys = self.keys.clone();
        keys.ok_or_else(|| CallError::Unreachable("the task's role has no credentials here".to_owned()))
    }

    fn time(&self) -> String {
        self.parts.clock.now().format("%Y-%m-%d %H:%M:%S+00:00")
    }

    /// Calls an operation, again while it may go better the next time.
    async fn call<O: Operation>(
        &mut self,
        service: &'static str,
        region: &str,
        input: &O::Input,
    ) -> Result<O::Output, CallError> {
        let mut patience = Patience::new();
        loop {
            let keys = self.keys()?;
            let signing = Signing::Role(&keys, service, region);
            match self.parts.plane.call_as::<O>(signing, input).await {
                Err(error) if is_passing(&error) && patience.lasts() => patience.wait(&self.parts).await,
                outcome => return outcome,
            }
        }
    }

    /// Asks S3 once.
    async fn ask_s3_once(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Bytes>, CallError> {
        let keys = self.keys()?;
        let signing = Signing::Role(&keys, "s3", self.parts.plane.region());
        self.parts.plane.ask_s3(signing, (method, path), body).await
    }

    /// Asks S3, again while it may go better the next time.
    async fn ask_s3(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Bytes>, CallError> {
        let mut patience = Patience::new();
        loop {
            let may_go_better = match self.ask_s3_once(method.clone(), path, body.clone()).await {
                Ok(answer) if answer.status().is_server_error() => Ok(answer),
                Err(error) if is_passing(&error) => Err(error),
                outcome => return outcome,
            };
            if !patience.lasts() {
                return may_go_better;
            }
            patience.wait(&self.parts).await;
        }
    }
}

/// How long it is tried.
struct Patience {
    until: Instant,
    backoff: Backoff,
}

impl Patience {
    fn new() -> Self {
        Self {
            until: Instant::now() + TRYING,
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_MAX, 2.0),
        }
    }

    fn lasts(&self) -> bool {
        Instant::now() < self.until
    }

    async fn wait(&mut self, parts: &Parts) {
        tokio::time::sleep(self.backoff.pause(parts.random.as_ref())).await;
    }
}

/// Where it goes.
struct Sinks {
    stream: Option<LogStream>,
    object: Option<LogObject>,
}

impl Sinks {
    /// With the first line, so that a permission that is missing shows before anything is run.
    async fn open(
        scribe: &mut Scribe,
        inputs: &SessionInputs,
        session: &str,
        title: &[u8],
    ) -> Result<Self, String> {
        let failed = |problem| format!("Couldn't start the session because {problem}");
        let mut sinks = Self {
            stream: None,
            object: None,
        };
        if !inputs.cloud_watch_log_group_name.is_empty() {
            let mut stream = LogStream::open(scribe, inputs, session).await?;
            stream.push(title);
            stream.flush(scribe, true).await.map_err(failed)?;
            sinks.stream = Some(stream);
        }
        if !inputs.s3_bucket_name.is_empty() {
            let mut object = LogObject::open(scribe, inputs, session).await?;
            object.push(scribe, title).await.map_err(failed)?;
            sinks.object = Some(object);
        }
        Ok(sinks)
    }

    /// Writes until nothing more is given.
    async fn write(&mut self, scribe: &mut Scribe, mut given: mpsc::Receiver<Vec<u8>>) -> Result<(), String> {
        let written = self.write_all(scribe, &mut given).await;
        // Nothing more is taken from here on: who notes something learns the reason.
        drop(given);
        if written.is_err()
            && let Some(object) = self.object.take()
        {
            // What there is of it is better than nothing.
            let _ = object.complete(scribe).await;
        }
        written
    }

    async fn write_all(
        &mut self,
        scribe: &mut Scribe,
        given: &mut mpsc::Receiver<Vec<u8>>,
    ) -> Result<(), String> {
        let mut tick = interval(FLUSH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                piece = given.recv() => match piece {
                    Some(piece) => self.push(scribe, &piece).await?,
                    None => break,
                },
                _ = tick.tick() => if let Some(stream) = &mut self.stream {
                    stream.flush(scribe, false).await?;
                },
            }
        }
        let last = format!("\nScript done on {}\n", scribe.time());
        self.push(scribe, last.as_bytes()).await?;
        if let Some(stream) = &mut self.stream {
            stream.flush(scribe, true).await?;
        }
        match self.object.take() {
            Some(object) => object.complete(scribe).await,
            None => Ok(()),
        }
    }

    async fn push(&mut self, scribe: &mut Scribe, piece: &[u8]) -> Result<(), String> {
        if let Some(object) = &mut self.object {
            object.push(scribe, piece).await?;
        }
        if let Some(stream) = &mut self.stream {
            stream.push(piece);
            if stream.is_full() {
                stream.flush(scribe, false).await?;
            }
        }
        Ok(())
    }
}
