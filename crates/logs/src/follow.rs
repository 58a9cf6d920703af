//! Live tail: events as they come in.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::{Event, GroupId, Pattern, StreamId, Streams};

/// Bytes that may wait for one follower; beyond them it misses events and is told so.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A group to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The group.
    pub group: GroupId,
    /// Which of its streams.
    pub streams: Streams,
}

/// An event that has just come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveEvent {
    /// The group.
    pub group: GroupId,
    /// The stream.
    pub stream: StreamId,
    /// The event.
    pub event: Event,
}

/// What came in since the last time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// The events that match, in the order they came in.
    pub events: Vec<LiveEvent>,
    /// Whether others were left out because they were not fetched fast enough (`sampled`).
    pub sampled: bool,
}

/// Events of one PutLogEvents, for all followers alike.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) group: GroupId,
    pub(crate) stream: StreamId,
    pub(crate) events: Vec<Event>,
    pub(crate) bytes: usize,
}

impl Arrived {
    pub(crate) fn new(group: &GroupId, stream: &StreamId, events: Vec<Event>) -> Self {
        let bytes = events.iter().map(Event::counted_bytes).sum();
        Self {
            group: group.clone(),
            stream: stream.clone(),
            events,
            bytes,
        }
    }
}

/// A reader of new events. Dropped, it costs nothing any more.
#[derive(Debug)]
pub struct Follower {
    arrivals: mpsc::UnboundedReceiver<Arc<Arrived>>,
    link: Arc<Link>,
    pattern: Pattern,
}

#[derive(Debug)]
struct Link {
    followed: Vec<Followed>,
    waiting_bytes: AtomicUsize,
    missed: AtomicBool,
}

impl Link {
    fn wants(&self, group: &GroupId, stream: &StreamId) -> bool {
        self.followed
            .iter()
            .any(|followed| followed.group == *group && followed.streams.contains(stream.as_str()))
    }
}

impl Follower {
    /// The next events that match; waits for them. `None` when the store is shut down.
    pub async fn next(&mut self) -> Option<Live> {
        loop {
            let arrived = self.arrivals.recv().await?;
            let mut live = Live::default();
            self.take(&arrived, &mut live);
            while let Ok(arrived) = self.arrivals.try_recv() {
                self.take(&arrived, &mut live);
            }
            live.sampled = self.link.missed.swap(false, Ordering::Relaxed);
            if !live.events.is_empty() || live.sampled {
                return Some(live);
            }
        }
    }

    fn take(&self, arrived: &Arrived, live: &mut Live) {
        self.link
            .waiting_bytes
            .fetch_sub(arrived.bytes, Ordering::Relaxed);
        let matching = arrived
            .events
            .iter()
            .filter(|event| self.pattern.matches(&event.message));
        live.events.extend(matching.map(|event| LiveEvent {
            group: arrived.group.clone(),
            stream: arrived.stream.clone(),
            event: event.clone(),
        }));
    }
}

type Sender = mpsc::UnboundedSender<Arc<Arrived>>;

/// All who follow.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    links: Mutex<Vec<(Sender, Arc<Link>)>>,
}

impl Followers {
    pub(crate) fn join(&self, followed: Vec<Followed>, pattern: Pattern) -> Follower {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let link = Arc::new(Link {
            followed,
            waiting_bytes: AtomicUsize::new(0),
            missed: AtomicBool::new(false),
        });
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(sender, _)| !sender.is_closed());
        links.push((sender, Arc::clone(&link)));
        Follower {
            arrivals,
            link,
            pattern,
        }
    }

    /// Tells those who want to know. The events are only put into form when somebody does.
    pub(crate) fn tell(&self, group: &GroupId, stream: &StreamId, events: impl FnOnce() -> Vec<Event>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(sender, _)| !sender.is_closed());
        let wanting = links.iter().filter(|(_, link)| link.wants(group, stream));
        let wanting: Vec<_> = wanting.collect();
        if wanting.is_empty() {
            return;
        }
        let arrived = Arc::new(Arrived::new(group, stream, events()));
        for (sender, link) in wanting {
            let waiting = link.waiting_bytes.load(Ordering::Relaxed);
            if waiting + arrived.bytes > WAITING_BYTES_MAX && waiting > 0 {
                link.missed.store(true, Ordering::Relaxed);
                continue;
            }
            link.waiting_bytes.fetch_add(arrived.bytes, Ordering::Relaxed);
            // A receiver that is gone is forgotten with the next events.
            drop(sender.send(Arc::clone(&arrived)));
        }
    }

    pub(crate) fn close(&self) {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
