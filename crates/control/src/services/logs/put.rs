//! PutLogEvents.

use futures_util::future::BoxFuture;
use portcullis_api::logs::op;
use portcullis_api::logs::{
    InputLogEvent, PutLogEventsRequest, PutLogEventsResponse, RejectedEntityInfo, RejectedLogEventsInfo,
};
use portcullis_core::Timestamp;
use portcullis_logs::{EVENT_OVERHEAD_BYTES, InputEvent, Logs, Seal};

use super::errors::LogsError;
use super::names::GroupRef;
use super::sealing::Sealer;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::logs::{LogGroup, LogStream};

/// Largest batch, and largest event, in bytes; each event counts 26 more than its message has.
const BATCH_BYTES_MAX: usize = 1_048_576;
/// Longest time between the first and the last event of a batch that can be taken, in milliseconds.
const SPAN_MS_MAX: i64 = 24 * 3_600 * 1_000;
/// How old an event may be, in milliseconds.
const AGE_MS_MAX: i64 = 14 * 24 * 3_600 * 1_000;
/// How far in the future an event may be, in milliseconds.
const AHEAD_MS_MAX: i64 = 2 * 3_600 * 1_000;

/// The stream.
pub(super) fn require(ask: Ask<'_, PutLogEventsRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    let stream = &ask.input.log_stream_name;
    Ok(vec![group.check_stream(
        ask.view,
        ask.call,
        "logs:PutLogEvents",
        stream,
    )])
}

/// Takes a batch; answers when it lasts. Sequence tokens are not looked at, as AWS does not any more.
pub(super) fn put<'a>(
    view: &'a Snapshot,
    env: &'a Environment,
    auth: Authorized<'a, op::PutLogEvents>,
) -> BoxFuture<'a, Result<PutLogEventsResponse, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let group = GroupRef::named(call, &input.log_group_name);
        let group = group.found(view, call)?;
        let stream = view
            .logs
            .stream(&call.region, &group.name, &input.log_stream_name);
        let stream = stream.ok_or(LogsError::NoStream)?;
        let batch = Batch::of(&input.log_events, group, call.now)?;
        if !batch.taken.is_empty() {
            let sealer = Sealer::of(view, env, call, group, stream)?;
            let events = batch.taken.iter().map(taken).collect();
            append(view, &env.logs, (group, stream), sealer.as_ref(), events).await?;
        }
        Ok(PutLogEventsResponse {
            next_sequence_token: Some(sequence_token(call.now)),
            rejected_log_events_info: batch.rejected,
            // No entity is kept here: whoever sends one is told so, and the events are taken.
            rejected_entity_info: input.entity.is_some().then(|| RejectedEntityInfo {
                error_type: "UnsupportedLogGroupType".to_owned(),
            }),
        })
    })
}

/// Appends to a stream that was there in this picture and may have been removed since.
///
/// The store does what it is told in order. The events are in its queue before the newest picture is looked at: a removal that
/// is published later comes after them, and one that was published before, whose errand may be done, is made up for here. Else
/// they would be there for ever under an id that nobody knows.
async fn append(
    view: &Snapshot,
    logs: &Logs,
    (group, stream): (&LogGroup, &LogStream),
    sealer: Option<&Sealer<'_>>,
    events: Vec<InputEvent>,
) -> Result<(), LogsError> {
    let (group_id, stream_id) = (group.stored_as(&view.account), stream.stored_as());
    let seal = sealer.map(|sealer| |clear: &[u8]| sealer.seal(clear));
    let seal = seal.as_ref().map(|seal| seal as &Seal<'_>);
    let lasting = logs.append_sealed(&group_id, &stream_id, events, seal);
    let gone = view.neighbours().view(&view.account).and_then(|newest| {
        let has_group = newest.logs.group(&group.region, &group.name);
        let has_stream = newest.logs.stream(&group.region, &group.name, &stream.name);
        match has_group.is_some_and(|present| present.id == group.id) {
            false => Some(LogsError::NoGroup),
            true if has_stream.is_some_and(|present| present.id == stream.id) => None,
            true => Some(LogsError::NoStream),
        }
    });
    // Whoever called may go away: nothing is waited for before this is in the queue too.
    match &gone {
        Some(LogsError::NoGroup) => logs.remove_group(&group_id).await?,
        Some(_) => logs.remove_stream(&group_id, &stream_id).await?,
        None => {}
    }
    lasting.await?;
    gone.map_or(Ok(()), Err)
}

fn taken(event: &InputLogEvent) -> InputEvent {
    InputEvent {
        timestamp: Timestamp::from_millis(event.timestamp),
        message: event.message.clone(),
    }
}

/// What clients of old days send back: 56 digits that nobody looks at.
pub(super) fn sequence_token(at: Timestamp) -> String {
    format!("{:056}", at.as_millis())
}

/// A batch that may be taken, with what is left out of it.
#[derive(Debug, PartialEq)]
struct Batch<'a> {
    taken: &'a [InputLogEvent],
    rejected: Option<RejectedLogEventsInfo>,
}

impl<'a> Batch<'a> {
    fn of(events: &'a [InputLogEvent], group: &LogGroup, now: Timestamp) -> Result<Self, LogsError> {
        check_sizes(events)?;
        if !events.is_sorted_by_key(|event| event.timestamp) {
            return Err(LogsError::NotChronological);
        }
        let before = |limit: i64| events.partition_point(|event| event.timestamp < limit);
        let too_old = before(now.as_millis().saturating_sub(AGE_MS_MAX));
        let expired = group.kept_since(now).map_or(0, |since| before(since.as_millis()));
        let too_new = before(now.as_millis().saturating_add(AHEAD_MS_MAX + 1));
        let taken = events.get(too_old.max(expired)..too_new).unwrap_or_default();
        if let (Some(first), Some(last)) = (taken.first(), taken.last())
            && last.timestamp.saturating_sub(first.timestamp) > SPAN_MS_MAX
        {
            return Err(LogsError::Span);
        }
        let index = |index: usize, is: bool| is.then(|| i32::try_from(index).unwrap_or(i32::MAX));
        let rejected = RejectedLogEventsInfo {
            too_new_log_event_start_index: index(too_new, too_new < events.len()),
            too_old_log_event_end_index: index(too_old, too_old > 0),
            expired_log_event_end_index: index(expired, expired > 0),
        };
        Ok(Self {
            taken,
            rejected: (taken.len() < events.len()).then_some(rejected),
        })
    }
}

fn check_sizes(events: &[InputLogEvent]) -> Result<(), LogsError> {
    let size = |event: &InputLogEvent| event.message.len() + EVENT_OVERHEAD_BYTES;
    if let Some(large) = events.iter().map(size).find(|size| *size > BATCH_BYTES_MAX) {
        return Err(LogsError::EventTooLarge(large));
    }
    match events.iter().map(size).sum() {
        total if total > BATCH_BYTES_MAX => Err(LogsError::UploadTooLarge(total)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use portcullis_core::{FixedClock, SeededRandom, Tags};

    use super::*;
    use crate::world::World;
    use crate::world::records::Record as _;
    use crate::world::records::logs::LogGroupClass;

    const NOW: i64 = 1_795_304_278_737;
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    fn group(retention_days: Option<u32>) -> LogGroup {
        LogGroup {
            id: "id".to_owned(),
            region: "us-east-1".parse().unwrap(),
            name: "group".to_owned(),
            class: LogGroupClass::Standard,
            created: Timestamp::from_millis(0),
            retention_days,
            is_protected: false,
            kms_key: None,
            has_sealed_events: false,
            tags: Tags::new(),
        }
    }

    fn stream() -> LogStream {
        LogStream {
            id: "id".to_owned(),
            region: "us-east-1".parse().unwrap(),
            group: "group".to_owned(),
            name: "stream".to_owned(),
            created: Timestamp::from_millis(0),
        }
    }

    /// An account with a group and a stream.
    async fn world() -> World {
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(NOW)));
        let random = Arc::new(SeededRandom::new(1));
        let opened = portcullis_store::open_in_memory(clock.clone(), random.clone()).unwrap();
        let account = "123456789012".parse().unwrap();
        let world = World::open(account, opened.store, opened.vault, clock, random).unwrap();
        let rows = world.write::<_, Infallible>(|tx| {
            tx.put(group(None));
            tx.put(stream());
            Ok(())
        });
        rows.await.unwrap();
        world
    }

    #[tokio::test]
    async fn events_on_their_way_to_what_is_removed_do_not_stay_in_the_store() {
        for (of_group, made_anew, expected) in [
            (false, false, LogsError::NoStream),
            (false, true, LogsError::NoStream),
            (true, false, LogsError::NoGroup),
            (true, true, LogsError::NoGroup),
        ] {
            let world = world().await;
            let before = world.view();
            let removal = world.write::<_, Infallible>(|tx| {
                tx.delete::<LogStream>(&stream().key());
                if of_group {
                    tx.delete::<LogGroup>(&group(None).key());
                }
                if made_anew {
                    let id = "another".to_owned();
                    match of_group {
                        true => tx.put(LogGroup { id, ..group(None) }),
                        false => tx.put(LogStream { id, ..stream() }),
                    }
                }
                Ok(())
            });
            removal.await.unwrap();
            let events = events(&[0]).iter().map(taken).collect();
            let put = append(&before, world.logs(), (&group(None), &stream()), None, events).await;
            assert_eq!(put, Err(expected), "{of_group} {made_anew}");
            let stored = group(None).stored_as(world.account());
            assert_eq!(world.logs().group_bytes(&stored), 0, "{of_group} {made_anew}");
        }
    }

    #[tokio::test]
    async fn events_of_a_stream_that_is_there_stay() {
        let world = world().await;
        let events = events(&[0]).iter().map(taken).collect();
        let put = append(
            &world.view(),
            world.logs(),
            (&group(None), &stream()),
            None,
            events,
        )
        .await;
        assert_eq!(put, Ok(()));
        assert!(world.logs().group_bytes(&group(None).stored_as(world.account())) > 0);
    }

    fn events(offsets: &[i64]) -> Vec<InputLogEvent> {
        let one = |offset: &i64| InputLogEvent {
            timestamp: NOW + offset,
            message: "m".to_owned(),
        };
        offsets.iter().map(one).collect()
    }

    /// Start of the too new, end of the too old, end of the expired.
    type Rejected = (Option<i32>, Option<i32>, Option<i32>);
    /// Moments of the events, days they are kept, how many are taken, what is told of the others.
    type Case = (&'static [i64], Option<u32>, usize, Option<Rejected>);

    #[test]
    fn events_outside_their_time_are_left_out_and_the_others_taken() {
        let cases: [Case; 7] = [
            (&[-HOUR, 0, 2 * HOUR], None, 3, None),
            (&[-14 * DAY], None, 1, None),
            (&[-14 * DAY - 1, 0], None, 1, Some((None, Some(1), None))),
            (&[0, 2 * HOUR + 1], None, 1, Some((Some(1), None, None))),
            (&[-2 * DAY, -1, 0], Some(1), 2, Some((None, None, Some(1)))),
            (
                &[-15 * DAY, -2 * DAY, 0, DAY],
                Some(1),
                1,
                Some((Some(3), Some(1), Some(2))),
            ),
            (
                &[-15 * DAY, -15 * DAY],
                Some(1),
                0,
                Some((None, Some(2), Some(2))),
            ),
        ];
        for (offsets, retention, taken, rejected) in cases {
            let events = events(offsets);
            let batch = Batch::of(&events, &group(retention), Timestamp::from_millis(NOW)).unwrap();
            let shown = batch.rejected.map(|info| {
                (
                    info.too_new_log_event_start_index,
                    info.too_old_log_event_end_index,
                    info.expired_log_event_end_index,
                )
            });
            assert_eq!((batch.taken.len(), shown), (taken, rejected), "{offsets:?}");
        }
    }

    #[test]
    fn a_batch_as_a_whole_is_in_order_and_of_one_day() {
        let cases: [(&[i64], Option<LogsError>); 5] = [
            (&[0, -1], Some(LogsError::NotChronological)),
            (&[0, 0], None),
            (&[-DAY, 0], None),
            (&[-DAY - 1, 0], Some(LogsError::Span)),
            // What is left out anyway does not count.
            (&[-20 * DAY, 0, DAY], None),
        ];
        for (offsets, expected) in cases {
            let events = events(offsets);
            let batch = Batch::of(&events, &group(None), Timestamp::from_millis(NOW));
            assert_eq!(batch.err(), expected, "{offsets:?}");
        }
    }

    #[test]
    fn each_event_counts_26_bytes_more_than_its_message_has() {
        let batch = |sizes: &[usize]| {
            let one = |size: &usize| InputLogEvent {
                timestamp: NOW,
                message: "x".repeat(*size),
            };
            let events: Vec<_> = sizes.iter().map(one).collect();
            check_sizes(&events).err()
        };
        assert_eq!(batch(&[BATCH_BYTES_MAX - 26]), None);
        assert_eq!(
            batch(&[BATCH_BYTES_MAX - 25]),
            Some(LogsError::EventTooLarge(BATCH_BYTES_MAX + 1))
        );
        assert_eq!(batch(&[BATCH_BYTES_MAX / 2 - 26, BATCH_BYTES_MAX / 2 - 26]), None);
        let over = Some(LogsError::UploadTooLarge(BATCH_BYTES_MAX + 1));
        assert_eq!(batch(&[BATCH_BYTES_MAX / 2 - 26, BATCH_BYTES_MAX / 2 - 25]), over);
    }
}
