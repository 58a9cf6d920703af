//! The way in for readers: `GET /portcullis/events`, ours and no part of an AWS protocol. Signed as AWS requests are, decided
//! and recorded by the gate under an action of its own, and ended as soon as the reader may no longer read.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use http::request::Parts;
use http::{HeaderValue, Response, header};
use hyper::body::Bytes;
use portcullis_core::uuid;
use portcullis_wire::Service;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::body::Body;
use super::bus::{Bus, Kept, Position};
use super::reader::Wish;
use super::turns::Turn;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::own_door::{self, invalid, refused};
use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::server::ordered;

/// Where events are read.
pub const PATH: &str = "/portcullis/events";
/// The permission it takes.
pub const ACTION: &str = "portcullis:StreamEvents";

const OPERATION: &str = "StreamEvents";
/// How often a silent stream says that it lives, and whether it still may.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many events are sent at once.
const BATCH_MAX: usize = 64;

static SERVICE: Service = own_door::service(&[OPERATION]);

/// Answers a reader's request: with a stream of events, or with why not.
pub(crate) async fn serve(
    gate: &Arc<Gate>,
    parts: &Parts,
    body: &[u8],
    peer: Peer,
    stop: watch::Receiver<bool>,
) -> Response<Body> {
    let request_id = uuid(gate.world().random().as_ref());
    match open(gate, parts, body, peer, &request_id).await {
        Ok(reading) => streamed(reading, stop),
        Err(error) => refused(&error, &SERVICE, &request_id).map(Into::into),
    }
}

async fn open(
    gate: &Arc<Gate>,
    parts: &Parts,
    body: &[u8],
    peer: Peer,
    request_id: &str,
) -> Result<Reading, ServiceError> {
    if parts.method != http::Method::GET {
        return Err(ServiceError::new(
            "MethodNotAllowedException",
            405,
            "Events are read with GET.",
        ));
    }
    let view = gate.world().view();
    let who = gate.authenticate(&view, &SERVICE, parts, body)?;
    let call = gate.call(who, &SERVICE, OPERATION, parts, peer, request_id);
    let reading = admit(gate, parts, &call).await;
    // A refusal of the gate is on record already.
    match &reading {
        Ok(reading) => {
            let parameters = reading.wish.parameters();
            gate.record(
                &call,
                false,
                Some(parameters),
                &Outcome::Answered(&|| Value::Null),
            )
            .await;
        }
        Err(error) if !error.is_access_denied() => {
            gate.record(&call, false, None, &Outcome::Refused(error)).await;
        }
        Err(_) => {}
    }
    reading
}

async fn admit(gate: &Arc<Gate>, parts: &Parts, call: &Call) -> Result<Reading, ServiceError> {
    let wish = Wish::read(parts)?;
    let check = wish.check(&gate.world().view(), call);
    gate.check(call, std::slice::from_ref(&check)).await?;
    let bus = Arc::clone(gate.world().events());
    let turn = bus.readers().take(&call.caller.principal_arn());
    let turn = turn.map_err(|none| ServiceError::new("LimitExceededException", 429, none.to_string()))?;
    if wish
        .position
        .is_some_and(|position| position > bus.end() && bus.is_of_this_life(position))
    {
        return Err(invalid("Last-Event-ID is not an id of an event of this server"));
    }
    Ok(Reading {
        gate: Arc::clone(gate),
        bus,
        call: call.clone(),
        wish,
        check,
        _turn: turn,
    })
}

/// A reader that was let in.
struct Reading {
    gate: Arc<Gate>,
    bus: Arc<Bus>,
    call: Call,
    wish: Wish,
    check: Check,
    _turn: Turn,
}

impl Reading {
    /// Whether the reader still may: permissions, keys and sessions can end while it reads.
    fn is_still_allowed(&self) -> bool {
        self.gate
            .still_allows(&self.call, std::slice::from_ref(&self.check))
    }
}

/// A stream under way.
struct Stream {
    reading: Reading,
    position: Option<Position>,
    news: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    beat: Instant,
    over: bool,
}

fn streamed(reading: Reading, stop: watch::Receiver<bool>) -> Response<Body> {
    let stream = Stream {
        position: reading.wish.position,
        news: reading.bus.news(),
        stop,
        beat: Instant::now() + HEARTBEAT,
        over: false,
        reading,
    };
    // The first part at once, so that the reader knows that it is heard.
    let greeting = stream::once(async { Bytes::from_static(b": events\n\n") });
    let parts = stream::unfold(stream, |mut stream| async move {
        let part = stream.next().await?;
        Some((part, stream))
    });
    let mut response = Response::new(Body::Parts(greeting.chain(parts).boxed()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Stream {
    /// The next part, or `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.over {
                return None;
            }
            // Before looking: what comes after that wakes again.
            self.news.mark_unchanged();
            let batch = self.reading.bus.after(self.position, BATCH_MAX);
            let caught_up = batch.events.len() < BATCH_MAX;
            if batch.missed || !batch.events.is_empty() {
                if let Some(part) = self.part(batch.missed, &batch.events) {
                    return Some(part);
                }
                if !caught_up {
                    continue;
                }
            }
            if !self.reading.wish.follow {
                return None;
            }
            tokio::select! {
                changed = self.news.changed() => if changed.is_err() { return None },
                () = ordered(&mut self.stop) => return None,
                () = tokio::time::sleep_until(self.beat) => {
                    if !self.reading.is_still_allowed() {
                        return Some(self.end());
                    }
                    return Some(self.heartbeat());
                }
            }
        }
    }

    /// Events as they are sent; `None` when there is nothing for this reader among them.
    fn part(&mut self, missed: bool, events: &[Arc<Kept>]) -> Option<Bytes> {
        if !self.reading.is_still_allowed() {
            return Some(self.end());
        }
        let mut text = String::new();
        if missed {
            text.push_str("event: missed\ndata: {}\n\n");
        }
        for kept in events {
            self.position = Some(kept.position);
            if self.reading.wish.wants(&self.reading.call, kept) {
                let shown = kept.shown(&self.reading.call.account);
                text.push_str(&format!("id: {}\ndata: {shown}\n\n", kept.position));
            }
        }
        if missed && events.is_empty() {
            self.position = Some(self.reading.bus.end());
        }
        (!text.is_empty()).then(|| self.heard(Bytes::from(text)))
    }

    /// Says that the stream lives, and how far the reader has come although nothing was for it.
    fn heartbeat(&mut self) -> Bytes {
        let text = match self.position {
            Some(position) => format!(":\nid: {position}\n\n"),
            None => ":\n\n".to_owned(),
        };
        self.heard(Bytes::from(text))
    }

    fn heard(&mut self, part: Bytes) -> Bytes {
        self.beat = Instant::now() + HEARTBEAT;
        part
    }

    /// The last part for a reader whose permission has ended.
    fn end(&mut self) -> Bytes {
        self.over = true;
        Bytes::from_static(b"event: refused\ndata: {}\n\n")
    }
}
