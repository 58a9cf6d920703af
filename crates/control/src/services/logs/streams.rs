//! Log streams.

use portcullis_api::logs::op;
use portcullis_api::logs::{
    self as api, CreateLogStreamRequest, DeleteLogStreamRequest, DescribeLogStreamsRequest,
    DescribeLogStreamsResponse,
};
use portcullis_core::hex_id;
use portcullis_logs::Order;
use portcullis_wire::Empty;

use super::by_last_event::{self, Listed, Place};
use super::errors::LogsError;
use super::names::GroupRef;
use super::paging::Pager;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::pages;
use crate::world::records::logs::{LogGroup, LogStream, What};
use crate::world::{Snapshot, Tx};

/// Digits that make a stream another one than its predecessor of the same name.
const ID_DIGITS: usize = 12;

/// The stream.
pub(super) fn require_create(ask: Ask<'_, CreateLogStreamRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    let stream = &ask.input.log_stream_name;
    Ok(vec![group.check_stream(
        ask.view,
        ask.call,
        "logs:CreateLogStream",
        stream,
    )])
}

/// Makes a stream.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateLogStream>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (group, name) = (&input.log_group_name, &input.log_stream_name);
    GroupRef::named(call, group).found(tx.view(), call)?;
    if tx.view().logs.stream(&call.region, group, name).is_some() {
        return Err(LogsError::StreamExists.into());
    }
    let digits = hex_id(tx.random);
    tx.put(LogStream {
        id: digits.get(..ID_DIGITS).unwrap_or(&digits).to_owned(),
        region: call.region.clone(),
        group: group.clone(),
        name: name.clone(),
        created: tx.now,
    });
    Ok(Empty {})
}

/// The stream.
pub(super) fn require_delete(ask: Ask<'_, DeleteLogStreamRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    let stream = &ask.input.log_stream_name;
    Ok(vec![group.check_stream(
        ask.view,
        ask.call,
        "logs:DeleteLogStream",
        stream,
    )])
}

/// Removes a stream; its events go after it.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteLogStream>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (group, name) = (&input.log_group_name, &input.log_stream_name);
    let found = GroupRef::named(call, group).found(tx.view(), call)?;
    let stream = tx.view().logs.stream(&call.region, group, name);
    let stream = stream.ok_or(LogsError::NoStream)?;
    if found.is_protected {
        return Err(LogsError::Protected.into());
    }
    let stored = stream.stored_as().as_str().to_owned();
    let errand = found.errand(What::ForgetStream(stored));
    tx.put(errand);
    tx.delete::<LogStream>(&LogStream::key_of(&call.region, group, name));
    Ok(Empty {})
}

/// The group.
pub(super) fn require_describe(ask: Ask<'_, DescribeLogStreamsRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let name = input.log_group_name.as_deref();
    let group = GroupRef::either(ask.call, name, input.log_group_identifier.as_deref())?;
    Ok(vec![group.check(ask.view, ask.call, "logs:DescribeLogStreams")])
}

/// The streams of a group.
pub(super) fn describe(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::DescribeLogStreams>,
) -> Result<DescribeLogStreamsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let name = input.log_group_name.as_deref();
    let group = GroupRef::either(call, name, input.log_group_identifier.as_deref())?;
    let group = group.found(view, call)?;
    let listing = Listing {
        view,
        env,
        call,
        group,
    };
    let (streams, next_token) = match input.order_by.as_deref() {
        Some("LastEventTime") => listing.by_last_event(input)?,
        _ => listing.by_name(input)?,
    };
    Ok(DescribeLogStreamsResponse {
        log_streams: Some(streams),
        next_token,
    })
}

/// A page of streams, and the token of the next.
type Page = (Vec<api::LogStream>, Option<String>);

/// The streams of one group in the making.
struct Listing<'a> {
    view: &'a Snapshot,
    env: &'a Environment,
    call: &'a Call,
    group: &'a LogGroup,
}

impl Listing<'_> {
    fn by_name(&self, input: &DescribeLogStreamsRequest) -> Result<Page, LogsError> {
        let begin = input.log_stream_name_prefix.as_deref().unwrap_or_default();
        let prefix = LogStream::key_of(&self.group.region, &self.group.name, begin);
        let pager = Pager::of(input.next_token.as_deref(), input.limit, &prefix)?;
        let (table, last) = (&self.view.logs.streams, pager.after.as_deref());
        let (rows, token) = match input.descending {
            Some(true) => pager.page(table.before(&prefix, last)),
            _ => pager.page(table.after(&prefix, last)),
        };
        Ok((rows.into_iter().map(|row| self.shown(row)).collect(), token))
    }

    fn by_last_event(&self, input: &DescribeLogStreamsRequest) -> Result<Page, LogsError> {
        if input.log_stream_name_prefix.is_some() {
            return Err(LogsError::OrderWithPrefix);
        }
        let pager = Pager::of(
            input.next_token.as_deref(),
            input.limit,
            by_last_event::KEY_PREFIX,
        )?;
        let after = pager.after.as_deref();
        let after = after.map(|after| Place::parse(after).ok_or(LogsError::NextToken));
        let listed = Listed {
            view: self.view,
            logs: &self.env.logs,
            group: self.group,
            stored: self.group.stored_as(&self.call.account),
            order: match input.descending {
                Some(true) => Order::NewestFirst,
                _ => Order::OldestFirst,
            },
        };
        let (rows, next) = listed.page(after.transpose()?, pager.limit);
        let token = next.map(|place| pages::token(place.key()));
        Ok((rows.into_iter().map(|row| self.shown(row)).collect(), token))
    }

    /// `storedBytes` of streams is always 0 on AWS, since 2019.
    fn shown(&self, row: &LogStream) -> api::LogStream {
        let stored = self.group.stored_as(&self.call.account);
        let summary = self.env.logs.stream(&stored, &row.stored_as());
        let arn = LogStream::arn_of(&row.region, &self.call.account, &row.group, &row.name);
        api::LogStream {
            log_stream_name: Some(row.name.clone()),
            creation_time: Some(row.created.as_millis()),
            first_event_timestamp: summary.map(|summary| summary.first_event.as_millis()),
            last_event_timestamp: summary.map(|summary| summary.last_event.as_millis()),
            last_ingestion_time: summary.map(|summary| summary.last_ingestion.as_millis()),
            upload_sequence_token: summary.map(|summary| super::put::sequence_token(summary.last_ingestion)),
            arn: Some(arn.to_string()),
            stored_bytes: Some(0),
        }
    }
}
