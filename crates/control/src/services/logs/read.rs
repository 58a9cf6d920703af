//! GetLogEvents and FilterLogEvents.

use futures_util::future::BoxFuture;
use portcullis_api::logs::op;
use portcullis_api::logs::{
    FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent, GetLogEventsRequest,
    GetLogEventsResponse, OutputLogEvent,
};
use portcullis_core::Timestamp;
use portcullis_logs::{
    Event, Filter, FilterToken, Order, PAGE_EVENTS_MAX, Pattern, Read, Start, StreamEvent, Streams,
};

use super::errors::LogsError;
use super::names::GroupRef;
use super::sealing::{self, unread};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::logs::{LogGroup, LogStream};

/// Since when events can be filtered the newest first: 2024-01-01T00:00:00Z, in milliseconds.
const NEWEST_FIRST_SINCE_MS: i64 = 1_704_067_200_000;
/// What a token of pages that begin with the oldest events starts with, and of those that begin with the newest.
const DIRECTIONS: [(&str, Order); 2] = [("f/", Order::OldestFirst), ("b/", Order::NewestFirst)];

/// Seeing what is masked takes a permission of its own, although nothing here masks anything.
fn with_unmask(check: Check, unmask: Option<bool>, masked: impl FnOnce() -> Check) -> Vec<Check> {
    let unmasking = unmask.unwrap_or(false).then(masked);
    [check].into_iter().chain(unmasking).collect()
}

/// The stream.
pub(super) fn require_get(ask: Ask<'_, GetLogEventsRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, view, call) = (ask.input, ask.view, ask.call);
    let name = input.log_group_name.as_deref();
    let group = GroupRef::either(call, name, input.log_group_identifier.as_deref())?;
    let check = group.check_stream(view, call, "logs:GetLogEvents", &input.log_stream_name);
    Ok(with_unmask(check, input.unmask, || {
        group.check(view, call, "logs:Unmask")
    }))
}

/// A page of one stream.
pub(super) fn get<'a>(
    view: &'a Snapshot,
    env: &'a Environment,
    auth: Authorized<'a, op::GetLogEvents>,
) -> BoxFuture<'a, Result<GetLogEventsResponse, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let name = input.log_group_name.as_deref();
        let group = GroupRef::either(call, name, input.log_group_identifier.as_deref())?;
        let group = group.found(view, call)?;
        let stream = view
            .logs
            .stream(&call.region, &group.name, &input.log_stream_name);
        let stream = stream.ok_or(LogsError::NoStream)?;
        let start = match (&input.next_token, input.start_from_head) {
            (Some(token), _) => Start::Token(token.parse().map_err(|_| LogsError::NextToken)?),
            (None, Some(true)) => Start::Head,
            (None, _) => Start::Tail,
        };
        let logs = sealing::readable(view, env, call, group);
        let page = logs.read(Read {
            group: group.stored_as(&call.account),
            stream: stream.stored_as(),
            from: input.start_time.map(Timestamp::from_millis),
            before: input.end_time.map(Timestamp::from_millis),
            start,
            limit: limit(input.limit),
        });
        let page = page.await.map_err(|fault| unread(fault, call, group))?;
        Ok(GetLogEventsResponse {
            events: Some(page.events.into_iter().map(output).collect()),
            next_forward_token: Some(page.forward.to_string()),
            next_backward_token: Some(page.backward.to_string()),
        })
    })
}

fn output(event: Event) -> OutputLogEvent {
    OutputLogEvent {
        timestamp: Some(event.key.timestamp.as_millis()),
        ingestion_time: Some(event.ingestion_time.as_millis()),
        message: Some(event.message),
    }
}

fn limit(asked: Option<i32>) -> usize {
    let asked = asked.and_then(|limit| usize::try_from(limit).ok());
    asked.unwrap_or(PAGE_EVENTS_MAX)
}

/// The group.
pub(super) fn require_filter(ask: Ask<'_, FilterLogEventsRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, view, call) = (ask.input, ask.view, ask.call);
    let name = input.log_group_name.as_deref();
    let group = GroupRef::either(call, name, input.log_group_identifier.as_deref())?;
    let check = group.check(view, call, "logs:FilterLogEvents");
    Ok(with_unmask(check, input.unmask, || {
        group.check(view, call, "logs:Unmask")
    }))
}

/// A page of a group, its streams interleaved. `searchedLogStreams` is empty, as it is on AWS since 2020.
pub(super) fn filter<'a>(
    view: &'a Snapshot,
    env: &'a Environment,
    auth: Authorized<'a, op::FilterLogEvents>,
) -> BoxFuture<'a, Result<FilterLogEventsResponse, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let name = input.log_group_name.as_deref();
        let group = GroupRef::either(call, name, input.log_group_identifier.as_deref())?;
        let group = group.found(view, call)?;
        let (order, token) = order(input)?;
        let logs = sealing::readable(view, env, call, group);
        let filtered = logs.filter(Filter {
            group: group.stored_as(&call.account),
            streams: streams(view, group, input)?,
            from: input.start_time.map(Timestamp::from_millis),
            until: input.end_time.map(Timestamp::from_millis),
            pattern: pattern(input.filter_pattern.as_deref())?,
            order,
            token,
            limit: limit(input.limit),
        });
        let filtered = filtered.await.map_err(|fault| unread(fault, call, group))?;
        let events = filtered.events.into_iter();
        let sign = DIRECTIONS
            .iter()
            .find(|(_, known)| *known == order)
            .map(|(sign, _)| *sign);
        let next = filtered
            .next
            .map(|token| format!("{}{token}", sign.unwrap_or_default()));
        Ok(FilterLogEventsResponse {
            events: Some(events.filter_map(|event| matched(view, group, event)).collect()),
            searched_log_streams: Some(Vec::new()),
            next_token: next,
        })
    })
}

/// A pattern, or everything.
pub(super) fn pattern(text: Option<&str>) -> Result<Pattern, LogsError> {
    let read = text.map_or_else(|| Ok(Pattern::everything()), Pattern::parse);
    read.map_err(|error| LogsError::Pattern(error.to_string()))
}

/// Which end comes first: a token knows it better than the request.
fn order(input: &FilterLogEventsRequest) -> Result<(Order, Option<FilterToken>), LogsError> {
    if let Some(token) = input.next_token.as_deref() {
        let read = DIRECTIONS.iter().find_map(|(sign, order)| {
            let token = token.strip_prefix(sign)?.parse().ok()?;
            Some((*order, Some(token)))
        });
        return read.ok_or(LogsError::NextToken);
    }
    if input.start_from_head != Some(false) {
        return Ok((Order::OldestFirst, None));
    }
    match input
        .start_time
        .is_some_and(|start| start >= NEWEST_FIRST_SINCE_MS)
    {
        true => Ok((Order::NewestFirst, None)),
        false => Err(LogsError::NewestFirst),
    }
}

fn streams(view: &Snapshot, group: &LogGroup, input: &FilterLogEventsRequest) -> Result<Streams, LogsError> {
    match (&input.log_stream_names, &input.log_stream_name_prefix) {
        (Some(_), Some(_)) => Err(LogsError::NamesAndPrefix),
        (Some(names), None) => named_streams(view, group, names),
        (None, Some(prefix)) => Ok(Streams::Prefix(prefix.clone())),
        (None, None) => Ok(Streams::All),
    }
}

/// The streams of those names, all of which must be there.
pub(super) fn named_streams(
    view: &Snapshot,
    group: &LogGroup,
    names: &[String],
) -> Result<Streams, LogsError> {
    let streams = names.iter().map(|name| {
        let found = view.logs.stream(&group.region, &group.name, name);
        found.map(LogStream::stored_as).ok_or(LogsError::NoStream)
    });
    Ok(Streams::Named(streams.collect::<Result<_, _>>()?))
}

/// An event as it is shown; of a stream that is gone, whose events will be in a moment, nothing.
fn matched(view: &Snapshot, group: &LogGroup, found: StreamEvent) -> Option<FilteredLogEvent> {
    let name = stream_name(view, group, found.stream.as_str())?;
    Some(FilteredLogEvent {
        log_stream_name: Some(name),
        timestamp: Some(found.event.key.timestamp.as_millis()),
        ingestion_time: Some(found.event.ingestion_time.as_millis()),
        event_id: Some(found.event.key.to_string()),
        message: Some(found.event.message),
    })
}

/// The name of a stream, if it is there.
pub(super) fn stream_name(view: &Snapshot, group: &LogGroup, stored: &str) -> Option<String> {
    let (name, _) = stored.split_once(':')?;
    let found = view.logs.stream(&group.region, &group.name, name)?;
    found.is_stored_as(stored).then(|| found.name.clone())
}
