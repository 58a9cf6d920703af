//! StartLiveTail: the answer goes on as a stream of events for three hours at most.
//!
//! The operation itself goes through the gate like all others; what follows it is sent here, and its permission is asked for
//! again and again while it lasts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::body::Bytes;
use portcullis_api::logs as api;
use portcullis_api::logs::op;
use portcullis_api::logs::{StartLiveTailRequest, StartLiveTailResponse};
use portcullis_core::uuid;
use portcullis_logs::{Followed, Follower, Live, LiveEvent, Streams};
use portcullis_wire::event_stream::{CONTENT_TYPE, Message};
use portcullis_wire::{Payload, Shape, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::errors::LogsError;
use super::names::GroupRef;
use super::read::{named_streams, pattern, stream_name};
use crate::events::Body;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::{Gate, Peer};
use crate::server::ordered;
use crate::world::Snapshot;
use crate::world::records::logs::{LogGroup, LogGroupClass};

/// What requests for it say in `X-Amz-Target`.
const TARGET: &str = "Logs_20140328.StartLiveTail";
/// How often an update is sent.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
/// How long a session may last.
const SESSION: Duration = Duration::from_secs(3 * 3_600);
/// Most events of one update; of more a sample is sent.
const UPDATE_EVENTS_MAX: usize = 500;
/// Most events that one second's sample is taken of.
const GATHERED_EVENTS_MAX: usize = 5_000;

/// Each group.
pub(super) fn require(ask: Ask<'_, StartLiveTailRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = ask.input.log_group_identifiers.iter();
    let checks = named.map(|identifier| {
        let group = GroupRef::identified(ask.call, identifier)?;
        Ok(group.check(ask.view, ask.call, "logs:StartLiveTail"))
    });
    checks.collect()
}

/// Says whether there is something to follow. What is sent afterwards is [`serve`]'s.
pub(super) fn start<'a>(
    view: &'a Snapshot,
    _env: &'a Environment,
    auth: Authorized<'a, op::StartLiveTail>,
) -> BoxFuture<'a, Result<StartLiveTailResponse, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        followed(view, call, input)?;
        pattern(input.log_event_filter_pattern.as_deref())?;
        Ok(StartLiveTailResponse::default())
    })
}

/// The groups of a request, and which of their streams.
fn followed(view: &Snapshot, call: &Call, input: &StartLiveTailRequest) -> Result<Vec<Followed>, LogsError> {
    let mut groups: Vec<&LogGroup> = Vec::new();
    for identifier in &input.log_group_identifiers {
        let group = GroupRef::identified(call, identifier)?.found(view, call)?;
        if group.class != LogGroupClass::Standard {
            return Err(LogsError::NotStandard);
        }
        if groups.iter().any(|known| known.id == group.id) {
            return Err(LogsError::GroupTwice);
        }
        groups.push(group);
    }
    let (names, prefixes) = (&input.log_stream_names, &input.log_stream_name_prefixes);
    if names.is_some() && prefixes.is_some() {
        return Err(LogsError::NamesAndPrefixes);
    }
    if (names.is_some() || prefixes.is_some()) && groups.len() > 1 {
        return Err(LogsError::StreamsOfSeveral);
    }
    let mut followed = Vec::new();
    for group in groups {
        let choices = match (names, prefixes) {
            (Some(names), _) => vec![named_streams(view, group, names)?],
            (None, Some(prefixes)) => prefixes.iter().cloned().map(Streams::Prefix).collect(),
            (None, None) => vec![Streams::All],
        };
        followed.extend(choices.into_iter().map(|streams| Followed {
            group: group.stored_as(&call.account),
            streams,
        }));
    }
    Ok(followed)
}

/// Whether a request is one for a stream.
pub(crate) fn is_for(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-target")
        .is_some_and(|target| target.as_bytes() == TARGET.as_bytes())
}

/// Answers a request for a stream: with one, or with why not.
pub(crate) async fn serve(
    gate: &Arc<Gate>,
    parts: &Parts,
    body: &[u8],
    peer: Peer,
    stop: watch::Receiver<bool>,
) -> Response<Body> {
    let refusal = match gate.admitted(parts, body, peer).await {
        Ok(call) => match Session::open(gate, call, body) {
            Ok(session) => return streamed(session, stop),
            Err(refused) => {
                let (error, call) = *refused;
                portcullis_wire::encode_error(call.service, &error.reply(), &call.request_id)
            }
        },
        Err(refusal) => refusal,
    };
    Response::<Vec<u8>>::from(refusal).map(|body| Body::from(http_body_util::Full::new(Bytes::from(body))))
}

/// A session under way.
struct Session {
    gate: Arc<Gate>,
    call: Call,
    input: StartLiveTailRequest,
    id: String,
    follower: Follower,
    _place: OwnedSemaphorePermit,
}

impl Session {
    fn open(gate: &Arc<Gate>, call: Call, body: &[u8]) -> Result<Self, Box<(ServiceError, Call)>> {
        let Ok(input) = portcullis_wire::decode_request::<op::StartLiveTail>(Payload::from(body)) else {
            return Err(Box::new((ServiceError::internal(call.service), call)));
        };
        // Between the gate's look and this one the group may have gone.
        let view = gate.world().view();
        let wanted = followed(&view, &call, &input).and_then(|followed| {
            let pattern = pattern(input.log_event_filter_pattern.as_deref())?;
            let place = gate.live_tail_place().ok_or(LogsError::Sessions)?;
            Ok((followed, pattern, place))
        });
        match wanted {
            Ok((followed, pattern, place)) => Ok(Self {
                _place: place,
                follower: gate.world().logs().follow(followed, pattern),
                id: uuid(gate.world().random().as_ref()),
                gate: Arc::clone(gate),
                call,
                input,
            }),
            Err(error) => Err(Box::new((error.into(), call))),
        }
    }

    fn start(&self) -> Bytes {
        let start = api::LiveTailSessionStart {
            request_id: Some(self.call.request_id.clone()),
            session_id: Some(self.id.clone()),
            log_group_identifiers: Some(self.input.log_group_identifiers.clone()),
            log_stream_names: Some(self.input.log_stream_names.clone().unwrap_or_default()),
            log_stream_name_prefixes: Some(self.input.log_stream_name_prefixes.clone().unwrap_or_default()),
            log_event_filter_pattern: Some(self.input.log_event_filter_pattern.clone().unwrap_or_default()),
        };
        let mut bytes = Message::initial_response().encode();
        bytes.extend(event("sessionStart", &start));
        Bytes::from(bytes)
    }

    /// Whether the caller still may: permissions, keys and sessions can end while a session lasts.
    fn is_still_allowed(&self) -> bool {
        let view = self.gate.world().view();
        let named = self.input.log_group_identifiers.iter();
        let checks = named.map(|identifier| {
            let group = GroupRef::identified(&self.call, identifier)?;
            Ok::<_, LogsError>(group.check(&view, &self.call, "logs:StartLiveTail"))
        });
        let checks: Result<Vec<_>, _> = checks.collect();
        checks.is_ok_and(|checks| self.gate.still_allows(&self.call, &checks))
    }

    fn update(&self, live: Live) -> Bytes {
        let view = self.gate.world().view();
        let total = live.events.len();
        let kept = live
            .events
            .into_iter()
            .enumerate()
            .filter(|(index, _)| is_sampled(*index, total));
        let results = kept.filter_map(|(_, event)| self.shown(&view, event));
        let update = api::LiveTailSessionUpdate {
            session_metadata: Some(api::LiveTailSessionMetadata {
                sampled: Some(live.sampled || total > UPDATE_EVENTS_MAX),
            }),
            session_results: Some(results.collect()),
        };
        Bytes::from(event("sessionUpdate", &update))
    }

    fn shown(&self, view: &Snapshot, live: LiveEvent) -> Option<api::LiveTailSessionLogEvent> {
        let call = &self.call;
        let named = self.input.log_group_identifiers.iter();
        let groups = named.filter_map(|identifier| GroupRef::identified(call, identifier).ok());
        let mut groups = groups.filter_map(|group| group.find(view, call));
        let group = groups.find(|group| group.stored_as(&call.account) == live.group)?;
        Some(api::LiveTailSessionLogEvent {
            log_stream_name: stream_name(view, group, live.stream.as_str()),
            log_group_identifier: Some(format!("{}:{}", call.account, group.name)),
            message: Some(live.event.message),
            timestamp: Some(live.event.key.timestamp.as_millis()),
            ingestion_time: Some(live.event.ingestion_time.as_millis()),
        })
    }
}

/// Whether an event is one of an even sample.
fn is_sampled(index: usize, total: usize) -> bool {
    let bucket = |index: usize| index * UPDATE_EVENTS_MAX / total.max(1);
    total <= UPDATE_EVENTS_MAX || index == 0 || bucket(index) != bucket(index - 1)
}

fn event<S: Shape>(kind: &str, shape: &S) -> Vec<u8> {
    Message::event(kind, json::to_bytes(shape)).encode()
}

/// Where a stream stands.
struct Stream {
    session: Session,
    updates: tokio::time::Interval,
    end: Instant,
    stop: watch::Receiver<bool>,
    is_over: bool,
}

fn streamed(session: Session, stop: watch::Receiver<bool>) -> Response<Body> {
    let greeting = session.start();
    let now = Instant::now();
    let mut updates = tokio::time::interval_at(now + UPDATE_EVERY, UPDATE_EVERY);
    updates.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = Stream {
        session,
        updates,
        end: now + SESSION,
        stop,
        is_over: false,
    };
    let parts = stream::unfold(stream, |mut stream| async move {
        let part = stream.next().await?;
        Some((part, stream))
    });
    let greeting = stream::once(async { greeting });
    let mut response = Response::new(Body::Parts(greeting.chain(parts).boxed()));
    let kind = HeaderValue::from_static(CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

impl Stream {
    /// The next part, a second after the last one; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let mut live = Live::default();
        loop {
            tokio::select! {
                _ = self.updates.tick() => break,
                more = self.session.follower.next() => gather(&mut live, more?),
                () = ordered(&mut self.stop) => return None,
            }
        }
        if Instant::now() >= self.end {
            self.is_over = true;
            return Some(timed_out());
        }
        if !self.session.is_still_allowed() {
            return None;
        }
        Some(self.session.update(live))
    }
}

/// Puts what came in to the rest of its second.
fn gather(live: &mut Live, more: Live) {
    live.events.extend(more.events);
    live.sampled |= more.sampled || live.events.len() > GATHERED_EVENTS_MAX;
    live.events.truncate(GATHERED_EVENTS_MAX);
}

fn timed_out() -> Bytes {
    let text = api::SessionTimeoutException {
        message: Some("The session has timed out after three hours.".to_owned()),
    };
    Bytes::from(Message::exception("SessionTimeoutException", json::to_bytes(&text)).encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_500_events_an_even_sample_of_500_is_sent() {
        for total in [0, 1, 499, 500, 501, 999, 1_000, 12_345] {
            let sampled: Vec<_> = (0..total).filter(|index| is_sampled(*index, total)).collect();
            assert_eq!(sampled.len(), total.min(UPDATE_EVENTS_MAX), "of {total}");
        }
    }
}
