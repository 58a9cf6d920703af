//! Telling watchers what became final, with a bounded memory of it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};

use crate::namespace::without_prefix;
use crate::{Changes, Event, Revision, StoreError};

/// Most revisions the history keeps for watches that start in the past.
const HISTORY_REVISIONS_MAX: usize = 10_000;
/// Most bytes of keys and values the history keeps.
const HISTORY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most revisions a watcher may be behind before its watch ends with [`StoreError::Lagged`].
const WATCH_QUEUE_MAX: usize = 16_384;

/// A stream of final changes in the order of their revisions, made by [`Store::watch`](crate::Store::watch).
#[derive(Debug)]
pub struct Watch {
    past: VecDeque<Changes>,
    queue: mpsc::Receiver<Changes>,
    ended: Arc<OnceLock<StoreError>>,
    /// How many bytes of each key the watcher does not know of.
    hidden_bytes: usize,
}

impl Watch {
    /// The same, the first bytes of each key left out.
    pub(crate) fn hiding(mut self, bytes: usize) -> Self {
        self.hidden_bytes += bytes;
        self
    }

    fn shown(&self, mut changes: Changes) -> Changes {
        if self.hidden_bytes == 0 {
            return changes;
        }
        for event in &mut changes.events {
            let key = match event {
                Event::Put(entry) => &mut entry.key,
                Event::Delete { key } => key,
            };
            *key = without_prefix(key, self.hidden_bytes);
        }
        changes
    }

    /// The next changes; an error ends the watch and says whether to list anew. Cancel safe.
    pub async fn next(&mut self) -> Result<Changes, StoreError> {
        if let Some(changes) = self.past.pop_front() {
            return Ok(self.shown(changes));
        }
        let changes = self.queue.recv().await.ok_or_else(|| self.end())?;
        Ok(self.shown(changes))
    }

    /// The next changes, if there are any yet.
    pub fn try_next(&mut self) -> Result<Option<Changes>, StoreError> {
        if let Some(changes) = self.past.pop_front() {
            return Ok(Some(self.shown(changes)));
        }
        match self.queue.try_recv() {
            Ok(changes) => Ok(Some(self.shown(changes))),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(self.end()),
        }
    }

    fn end(&self) -> StoreError {
        self.ended.get().cloned().unwrap_or(StoreError::Closed)
    }
}

#[derive(Debug)]
struct Watcher {
    prefix: Arc<[u8]>,
    from: Revision,
    queue: mpsc::Sender<Changes>,
    ended: Arc<OnceLock<StoreError>>,
}

impl Watcher {
    /// Passes the changes on; false when the watcher is gone or was cut off.
    fn tell(&self, changes: &Changes) -> bool {
        let Some(changes) = select(changes, &self.prefix, self.from) else {
            return !self.queue.is_closed();
        };
        match self.queue.try_send(changes) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.end(StoreError::Lagged);
                false
            }
        }
    }

    fn end(&self, why: StoreError) {
        // Only the first reason counts.
        let _ = self.ended.set(why);
    }
}

/// The newest final revision, the recent history, and everybody who watches.
#[derive(Debug)]
pub(crate) struct Hub {
    revision: Revision,
    /// Everything after this revision is in `history`.
    forgotten: Revision,
    history: VecDeque<Changes>,
    history_bytes: usize,
    watchers: Vec<Watcher>,
}

impl Hub {
    pub(crate) fn new(revision: Revision) -> Self {
        Self {
            revision,
            forgotten: revision,
            history: VecDeque::new(),
            history_bytes: 0,
            watchers: Vec::new(),
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn watch(&mut self, prefix: &[u8], from: Revision) -> Result<Watch, StoreError> {
        if from <= self.forgotten {
            return Err(StoreError::TooOld {
                oldest: self.forgotten.next(),
            });
        }
        let (sender, queue) = mpsc::channel(WATCH_QUEUE_MAX);
        let ended = Arc::new(OnceLock::new());
        let past = self
            .history
            .iter()
            .filter_map(|changes| select(changes, prefix, from))
            .collect();
        self.watchers.push(Watcher {
            prefix: prefix.into(),
            from,
            queue: sender,
            ended: Arc::clone(&ended),
        });
        Ok(Watch {
            past,
            queue,
            ended,
            hidden_bytes: 0,
        })
    }

    /// What a revision changed has become final.
    pub(crate) fn publish(&mut self, revision: Revision, events: Vec<Event>) {
        self.revision = self.revision.max(revision);
        if events.is_empty() {
            return;
        }
        let changes = Changes { revision, events };
        self.watchers.retain(|watcher| watcher.tell(&changes));
        self.remember(changes);
    }

    /// The store went back to `revision` as its disk has it: every watch may have a gap.
    pub(crate) fn reset(&mut self, revision: Revision) {
        self.end_watches(&StoreError::Reset);
        self.revision = revision;
        self.forgotten = revision;
        self.history.clear();
        self.history_bytes = 0;
    }

    pub(crate) fn end_watches(&mut self, why: &StoreError) {
        for watcher in self.watchers.drain(..) {
            watcher.end(why.clone());
        }
    }

    fn remember(&mut self, changes: Changes) {
        self.history_bytes = self.history_bytes.saturating_add(weight(&changes));
        self.history.push_back(changes);
        while self.history.len() > HISTORY_REVISIONS_MAX || self.history_bytes > HISTORY_BYTES_MAX {
            let Some(oldest) = self.history.pop_front() else {
                return;
            };
            self.history_bytes = self.history_bytes.saturating_sub(weight(&oldest));
            self.forgotten = oldest.revision;
        }
    }
}

fn select(changes: &Changes, prefix: &[u8], from: Revision) -> Option<Changes> {
    if changes.revision < from {
        return None;
    }
    let events: Vec<Event> = changes
        .events
        .iter()
        .filter(|event| event.key().starts_with(prefix))
        .cloned()
        .collect();
    (!events.is_empty()).then_some(Changes {
        revision: changes.revision,
        events,
    })
}

fn weight(changes: &Changes) -> usize {
    let of = |event: &Event| match event {
        Event::Put(entry) => entry.key.len() + entry.value.len(),
        Event::Delete { key } => key.len(),
    };
    changes.events.iter().map(of).sum()
}
