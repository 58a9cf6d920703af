//! Fetches on their way to the control plane. They wait in memory, at most [`WAITING_MAX`] of them, and those that wait
//! longer than a moment also in a file, so that an agent killed while the control plane is away loses none. The host's own
//! log has them all in any case.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Fetches that may wait. Beyond it the oldest are dropped, and counted.
const WAITING_MAX: usize = 8_192;
/// The file is written anew when it holds more lines than this.
const SAVED_LINES_MAX: usize = 2 * WAITING_MAX;

/// One request, as the control plane keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fetch {
    /// In milliseconds in the file.
    #[serde(with = "millis")]
    pub(crate) at: Timestamp,
    pub(crate) status: u16,
    pub(crate) source: String,
    pub(crate) path: String,
    pub(crate) user_agent: String,
    pub(crate) task_arn: Option<String>,
    pub(crate) event_type: Option<String>,
}

/// The next fetches to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shipment {
    /// The number of the first; the others follow one by one. Numbers grow over restarts.
    pub(crate) first: u64,
    pub(crate) fetches: Vec<Fetch>,
    /// How many were dropped since the last acknowledged shipment.
    pub(crate) dropped: u64,
}

/// What waits.
#[derive(Debug)]
pub(crate) struct Outbox {
    path: PathBuf,
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    fetches: VecDeque<Fetch>,
    /// The number of the first that waits.
    first: u64,
    dropped: u64,
    /// The number after the last that is in the file.
    saved_until: u64,
    saved_lines: usize,
}

impl Outbox {
    /// With what an earlier agent left. A file that cannot be read is no reason not to start.
    pub(crate) fn open(path: &Path, now: Timestamp) -> Self {
        let left = fs::read_to_string(path).unwrap_or_default();
        let fetches: VecDeque<Fetch> = left
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let surplus = fetches.len().saturating_sub(WAITING_MAX);
        let fetches: VecDeque<_> = fetches.into_iter().skip(surplus).collect();
        // What is sent again after a restart must not take the numbers of what comes now: a thousand a millisecond apart.
        let first = u64::try_from(now.as_millis())
            .unwrap_or_default()
            .saturating_mul(1_000);
        let waiting = Waiting {
            first,
            dropped: surplus as u64,
            saved_until: first + fetches.len() as u64,
            saved_lines: left.lines().count(),
            fetches,
        };
        Self {
            path: path.to_owned(),
            waiting: Mutex::new(waiting),
            news: Notify::new(),
        }
    }

    /// One more.
    pub(crate) fn add(&self, fetch: Fetch) {
        let mut waiting = self.waiting();
        if waiting.fetches.len() >= WAITING_MAX {
            waiting.fetches.pop_front();
            waiting.first += 1;
            waiting.dropped += 1;
        }
        waiting.fetches.push_back(fetch);
        drop(waiting);
        self.news.notify_one();
    }

    /// Returns when something was added.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// The first that wait, at most so many; nothing when none does.
    pub(crate) fn next(&self, limit: usize) -> Option<Shipment> {
        let waiting = self.waiting();
        (!waiting.fetches.is_empty()).then(|| Shipment {
            first: waiting.first,
            fetches: waiting.fetches.iter().take(limit).cloned().collect(),
            dropped: waiting.dropped,
        })
    }

    /// The control plane has this shipment for good.
    pub(crate) fn arrived(&self, shipment: &Shipment) {
        let mut waiting = self.waiting();
        let until = shipment.first + shipment.fetches.len() as u64;
        while waiting.first < until && waiting.fetches.pop_front().is_some() {
            waiting.first += 1;
        }
        waiting.dropped = waiting.dropped.saturating_sub(shipment.dropped);
        if waiting.fetches.is_empty() && waiting.saved_lines > 0 {
            waiting.saved_lines = 0;
            waiting.saved_until = waiting.first;
            drop(waiting);
            self.log_failure(write_all(&self.path, &[]));
        }
    }

    /// Puts into the file what waits and is not there yet.
    pub(crate) fn save(&self) {
        let mut waiting = self.waiting();
        let until = waiting.first + waiting.fetches.len() as u64;
        let anew = waiting.saved_lines > SAVED_LINES_MAX;
        let from = if anew {
            waiting.first
        } else {
            waiting.saved_until.max(waiting.first)
        };
        if from >= until {
            return;
        }
        let skipped = usize::try_from(from - waiting.first).unwrap_or(usize::MAX);
        let fresh: Vec<Fetch> = waiting.fetches.iter().skip(skipped).cloned().collect();
        waiting.saved_until = until;
        waiting.saved_lines = if anew { 0 } else { waiting.saved_lines } + fresh.len();
        drop(waiting);
        self.log_failure(match anew {
            true => write_all(&self.path, &fresh),
            false => append(&self.path, &fresh),
        });
    }

    fn log_failure(&self, written: io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.path.display(), "fetches on their way to the control plane cannot be saved");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append(path: &Path, fetches: &[Fetch]) -> io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    write_lines(file, fetches)
}

fn write_all(path: &Path, fetches: &[Fetch]) -> io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    write_lines(file, fetches)
}

fn write_lines(mut file: File, fetches: &[Fetch]) -> io::Result<()> {
    let mut text = Vec::new();
    for fetch in fetches {
        serde_json::to_writer(&mut text, fetch)?;
        text.push(b'\n');
    }
    file.write_all(&text)
}

mod millis {
    use portcullis_core::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Ok(Timestamp::from_millis(i64::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(number: u64) -> Fetch {
        Fetch {
            at: Timestamp::from_millis(i64::try_from(number).unwrap()),
            status: 200,
            source: "172.17.0.2:1".into(),
            path: "/v2/credentials".into(),
            user_agent: "probe".into(),
            task_arn: Some("task".into()),
            event_type: Some("GetCredentials".into()),
        }
    }

    fn numbers(shipment: &Shipment) -> Vec<i64> {
        shipment
            .fetches
            .iter()
            .map(|fetch| fetch.at.as_millis())
            .collect()
    }

    #[test]
    fn fetches_wait_in_order_until_they_arrived() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox"), Timestamp::from_millis(5));
        assert_eq!(outbox.next(10), None);
        for number in 1..=5 {
            outbox.add(fetch(number));
        }
        let first = outbox.next(3).unwrap();
        assert_eq!((first.first, numbers(&first)), (5_000, vec![1, 2, 3]));
        assert_eq!(outbox.next(3).unwrap(), first, "until it has arrived");
        outbox.arrived(&first);
        outbox.arrived(&first);
        assert_eq!(numbers(&outbox.next(3).unwrap()), [4, 5]);
    }

    #[test]
    fn a_killed_agents_fetches_are_shipped_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let outbox = Outbox::open(&path, Timestamp::from_millis(5));
        outbox.add(fetch(1));
        outbox.save();
        outbox.add(fetch(2));
        outbox.save();
        outbox.save();
        drop(outbox);
        let next = Outbox::open(&path, Timestamp::from_millis(9));
        let shipment = next.next(10).unwrap();
        assert_eq!(numbers(&shipment), [1, 2]);
        next.arrived(&shipment);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(Outbox::open(&path, Timestamp::from_millis(10)).next(1), None);
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_dropped_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let outbox = Outbox::open(&path, Timestamp::from_millis(5));
        for round in 0..4 {
            for number in 0..WAITING_MAX as u64 {
                outbox.add(fetch(round * WAITING_MAX as u64 + number));
            }
            outbox.save();
        }
        let shipment = outbox.next(1).unwrap();
        assert_eq!(shipment.dropped, 3 * WAITING_MAX as u64);
        assert_eq!(numbers(&shipment), [3 * i64::try_from(WAITING_MAX).unwrap()]);
        assert!(fs::read_to_string(&path).unwrap().lines().count() <= SAVED_LINES_MAX + WAITING_MAX);
        outbox.arrived(&shipment);
        assert_eq!(outbox.next(1).unwrap().dropped, 0);
    }
}
