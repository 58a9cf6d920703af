//! The bus: events in the order of the changes that raised them, the last few thousand kept for readers that come back.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use portcullis_core::{AccountId, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use super::envelope;
use super::happening::{self, Happening};
use super::turns::Turns;
use crate::world::Snapshot;
use crate::world::changes::{Changed, Step};

/// How many events are kept.
const KEPT_MAX: usize = 4_096;
/// How many changes may wait for an earlier one that has not been settled. More means that one never will be.
const EARLY_MAX: usize = 4_096;

/// Where a reader stands: after this event of this life of the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// When the server started, in milliseconds: numbers begin anew then.
    life: i64,
    /// The event's number.
    number: u64,
}

/// An event with its place.
#[derive(Debug)]
pub struct Kept {
    /// Where a reader stands that has read it.
    pub position: Position,
    at: Timestamp,
    happening: Happening,
    shown: OnceLock<Value>,
}

/// What a reader gets.
#[derive(Debug)]
pub struct Batch {
    /// Some of the events after the reader's position, in order.
    pub events: Vec<Arc<Kept>>,
    /// Whether events between are no longer kept.
    pub missed: bool,
}

/// The events of one account.
#[derive(Debug)]
pub struct Bus {
    account: AccountId,
    life: i64,
    queue: Mutex<Queue>,
    newest: watch::Sender<u64>,
    readers: Arc<Turns>,
}

#[derive(Debug)]
struct Queue {
    /// The sequence number of the change whose turn it is.
    turn: u64,
    /// What later changes raised: callers of committed changes wake in any order.
    early: BTreeMap<u64, Raised>,
    /// The last events; the first has number `newest - len + 1`.
    kept: VecDeque<Arc<Kept>>,
    /// The number of the newest event; none has number 0.
    newest: u64,
}

#[derive(Debug)]
struct Raised {
    at: Timestamp,
    happenings: Vec<Happening>,
}

impl Bus {
    /// An empty bus before the first change of a picture that was just read, at the server's start.
    pub(crate) fn new(account: AccountId, started: Timestamp) -> Self {
        Self {
            account,
            life: started.as_millis(),
            queue: Mutex::new(Queue {
                turn: 1,
                early: BTreeMap::new(),
                kept: VecDeque::new(),
                newest: 0,
            }),
            newest: watch::channel(0).0,
            readers: Arc::default(),
        }
    }

    /// A change lasts and is published.
    pub(crate) fn committed(&self, snapshot: &Snapshot, at: Timestamp, changes: &[Changed]) {
        let happenings = happening::all(snapshot, at, changes);
        self.settle(snapshot.sequence, Raised { at, happenings });
    }

    /// A change did not last: nothing happened.
    pub(crate) fn lost(&self, sequence: u64) {
        let happenings = Vec::new();
        let at = Timestamp::default();
        self.settle(sequence, Raised { at, happenings });
    }

    /// The store failed and the picture was read anew. Changes that lasted although their callers were told otherwise
    /// are found by comparing; one that is told twice has the same version twice.
    pub(crate) fn reloaded(&self, before: &Snapshot, after: &Snapshot, at: Timestamp) {
        let (old, new) = (&before.ecs, &after.ecs);
        let mut changes = Vec::new();
        for (key, row) in new.tasks.iter() {
            changes.push(Changed::Task(Step::new(old.tasks.get(key), Some(row))));
        }
        for (key, row) in new.container_instances.iter() {
            let step = Step::new(old.container_instances.get(key), Some(row));
            changes.push(Changed::Instance(step));
        }
        for (key, row) in new.services.iter() {
            changes.push(Changed::Service(Step::new(old.services.get(key), Some(row))));
        }
        for (key, row) in new.daemon_deployments.iter() {
            let step = Step::new(old.daemon_deployments.get(key), Some(row));
            changes.push(Changed::DaemonDeployment(step));
        }
        self.committed(after, at, &changes);
    }

    fn settle(&self, sequence: u64, raised: Raised) {
        let mut queue = self.queue();
        queue.early.insert(sequence, raised);
        if queue.early.len() > EARLY_MAX
            && let Some(first) = queue.early.keys().next().copied()
        {
            tracing::error!(
                turn = queue.turn,
                first,
                "a change was never settled; its events are left out"
            );
            queue.turn = first;
        }
        let before = queue.newest;
        while let Some(raised) = queue.take_turn() {
            for happening in raised.happenings {
                queue.keep(self.life, raised.at, happening);
            }
        }
        let newest = queue.newest;
        drop(queue);
        if newest != before {
            self.newest.send_modify(|seen| *seen = newest.max(*seen));
        }
    }

    /// The first events after a position, at most so many; from the oldest kept one without a position.
    pub fn after(&self, position: Option<Position>, limit: usize) -> Batch {
        let queue = self.queue();
        let oldest = queue.oldest();
        let wanted = match position {
            None => oldest,
            Some(position) if position.life == self.life => position.number.saturating_add(1),
            // Of an earlier life: what came after it then, nobody knows any more.
            Some(_) => 0,
        };
        let skipped = usize::try_from(wanted.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events = queue.kept.iter().skip(skipped).take(limit).map(Arc::clone);
        Batch {
            events: events.collect(),
            missed: wanted < oldest,
        }
    }

    /// Where a reader stands that has read everything.
    pub fn end(&self) -> Position {
        Position {
            life: self.life,
            number: self.queue().newest,
        }
    }

    /// Whether a position is one this bus could have given.
    pub(super) fn is_of_this_life(&self, position: Position) -> bool {
        position.life == self.life
    }

    /// Tells of each new event by its number.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Whose events they are.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Turns for readers.
    pub(super) fn readers(&self) -> Arc<Turns> {
        Arc::clone(&self.readers)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take_turn(&mut self) -> Option<Raised> {
        let raised = self.early.remove(&self.turn)?;
        self.turn += 1;
        Some(raised)
    }

    fn keep(&mut self, life: i64, at: Timestamp, happening: Happening) {
        self.newest += 1;
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::new(Kept {
            position: Position {
                life,
                number: self.newest,
            },
            at,
            happening,
            shown: OnceLock::new(),
        }));
    }

    /// The number of the oldest event that is kept, or of the next when none is.
    fn oldest(&self) -> u64 {
        let next = self.newest + 1;
        next.saturating_sub(u64::try_from(self.kept.len()).unwrap_or_default())
    }
}

impl Kept {
    /// The event as EventBridge shows it.
    pub fn shown(&self, account: &AccountId) -> &Value {
        self.shown
            .get_or_init(|| envelope::event(account, self.at, &self.happening))
    }

    /// The ARN of its cluster.
    pub(super) fn cluster_arn(&self) -> String {
        envelope::cluster_arn(&self.happening)
    }

    /// Its region.
    pub(super) fn region(&self) -> &str {
        envelope::region(&self.happening)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.life, self.number)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (life, number) = text.split_once('-').ok_or(InvalidPosition)?;
        Ok(Self {
            life: life.parse().map_err(|_| InvalidPosition)?,
            number: number.parse().map_err(|_| InvalidPosition)?,
        })
    }
}

/// The text is no position of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of an event of this server")]
pub struct InvalidPosition;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::fixtures::{BEGINNING, task};
    use crate::world::records::ecs::Task;

    fn bus() -> Bus {
        Bus::new("123456789012".parse().unwrap(), BEGINNING)
    }

    fn raised(versions: &[i64]) -> Raised {
        let task = |version: &i64| {
            let version = *version;
            Happening::Task(Arc::new(Task { version, ..task() }))
        };
        Raised {
            at: BEGINNING,
            happenings: versions.iter().map(task).collect(),
        }
    }

    fn versions(batch: &Batch) -> Vec<i64> {
        let version = |kept: &Arc<Kept>| match &kept.happening {
            Happening::Task(task) => task.version,
            _ => 0,
        };
        batch.events.iter().map(version).collect()
    }

    proptest! {
        #[test]
        fn events_come_in_the_order_of_their_changes_in_whatever_order_these_are_settled(
            order in Just((1..=60_u64).collect::<Vec<_>>()).prop_shuffle(),
            lost in prop::collection::btree_set(1..=60_u64, 0..20),
        ) {
            let bus = bus();
            let mut seen = Vec::new();
            let mut position = None;
            for sequence in order {
                if lost.contains(&sequence) {
                    bus.lost(sequence);
                } else {
                    let number = i64::try_from(sequence).unwrap();
                    bus.settle(sequence, raised(&[number * 10, number * 10 + 1]));
                }
                // A reader that comes by now and then misses nothing either.
                let batch = bus.after(position, 7);
                prop_assert!(!batch.missed);
                seen.extend(versions(&batch));
                position = batch.events.last().map(|kept| kept.position).or(position);
            }
            loop {
                let batch = bus.after(position, 7);
                let Some(last) = batch.events.last() else { break };
                position = Some(last.position);
                seen.extend(versions(&batch));
            }
            let kept = (1..=60_u64).filter(|sequence| !lost.contains(sequence));
            let wanted: Vec<i64> = kept.flat_map(|sequence| {
                let number = i64::try_from(sequence).unwrap();
                [number * 10, number * 10 + 1]
            }).collect();
            prop_assert_eq!(seen, wanted);
        }
    }

    #[test]
    fn a_reader_that_is_too_slow_learns_that_it_missed_events() {
        let bus = bus();
        bus.settle(1, raised(&[0]));
        let slow = bus.end();
        let many = u64::try_from(KEPT_MAX).unwrap() + 5;
        for sequence in 2..=many {
            bus.settle(sequence, raised(&[i64::try_from(sequence).unwrap()]));
        }
        let batch = bus.after(Some(slow), 3);
        assert!(batch.missed);
        assert_eq!(versions(&batch), [6, 7, 8]);
        let next = bus.after(batch.events.last().map(|kept| kept.position), 1);
        assert!(!next.missed);
        assert_eq!(versions(&next), [9]);
    }

    #[test]
    fn a_change_that_is_never_settled_does_not_stop_the_others_for_ever() {
        let bus = bus();
        let many = u64::try_from(EARLY_MAX).unwrap() + 2;
        for sequence in 2..=many {
            bus.settle(sequence, raised(&[1]));
        }
        assert!(!bus.after(None, 1).events.is_empty());
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        let bus = bus();
        bus.settle(1, raised(&[1]));
        let end = bus.end();
        assert_eq!(end.to_string().parse(), Ok(end));
        for text in ["", "-", "1", "1-", "-1", "x-1", "1-x", "1--1"] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text}");
        }
    }
}
