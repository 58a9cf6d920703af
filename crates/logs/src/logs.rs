//! The store's public door.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use portcullis_core::Clock;
use tokio::sync::{Semaphore, oneshot};

use crate::batch::Packed;
use crate::engine::Engine;
use crate::queue::{Append, Job, Reply};
use crate::sealing::{Opener, Seal};
use crate::writer::Writer;
use crate::{
    Appended, Filter, Filtered, Followed, Follower, GroupId, InputEvent, LastEvent, LogsError, OpenError,
    Order, Page, Pattern, Read, StreamId, StreamSummary, keeper, open, pages,
};

/// Reads that are under way at once; others wait. Each may hold some blocks of many streams.
const READS_MAX: usize = 8;

/// How much the store may take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Most bytes on disk (in memory, for a store in memory), as they are stored: compressed.
    pub quota_bytes: u64,
    /// Bytes of events that are kept in memory until they go into a segment. Twice as much may be in use.
    pub memory_bytes: usize,
    /// Bytes of events that one read has open at a time, and one batch or block beyond.
    pub walk_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quota_bytes: 10 * 1024 * 1024 * 1024,
            memory_bytes: 32 * 1024 * 1024,
            walk_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The log events of a server, of all its accounts. Clones are the same store; it is closed with the last of them.
#[derive(Debug, Clone)]
pub struct Logs {
    shared: Arc<Shared>,
    opener: Option<Opener>,
}

#[derive(Debug)]
struct Shared {
    engine: Arc<Engine>,
    reads: Semaphore,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: Option<File>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.engine.queue.close();
        self.engine.chores.stop();
        self.engine.followers.close();
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A thread that panicked has nothing left to say.
            drop(thread.join());
        }
    }
}

impl Logs {
    /// A store that ends with the process.
    pub fn in_memory(clock: Arc<dyn Clock>, options: Options) -> Self {
        let engine = Arc::new(Engine::new(None, options, clock));
        let writer = Writer::new(Arc::clone(&engine));
        Self::start(engine, writer, None)
    }

    /// The store in a directory, which is made if need be and belongs to this process alone. An append that a crash broke off is
    /// not there; one that was acknowledged is.
    pub fn in_directory(
        directory: &Path,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let lock = open::claim(directory)?;
        let engine = Arc::new(Engine::new(Some(directory.to_owned()), options, clock));
        let writer = open::load(&engine)?;
        Ok(Self::start(engine, writer, Some(lock)))
    }

    fn start(engine: Arc<Engine>, writer: Writer, lock: Option<File>) -> Self {
        let kept = Arc::clone(&engine);
        let builder = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let threads = [
            builder("logs-writer").spawn(move || writer.run()),
            builder("logs-keeper").spawn(move || keeper::run(&kept)),
        ];
        if threads.iter().any(Result::is_err) {
            // A machine that can start no thread: nothing is taken, and said so.
            engine.queue.close();
            engine.chores.stop();
        }
        Self {
            shared: Arc::new(Shared {
                engine,
                reads: Semaphore::new(READS_MAX),
                threads: Mutex::new(threads.into_iter().flatten().collect()),
                _lock: lock,
            }),
            opener: None,
        }
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    /// Appends events to a stream, all or none of them; ready when they last. Group and stream are made by their first event.
    /// Events of a call are kept by their time, those of one time in the order given. What was given away is done even when
    /// nobody waits for it.
    pub fn append(
        &self,
        group: &GroupId,
        stream: &StreamId,
        events: Vec<InputEvent>,
    ) -> impl Future<Output = Result<Appended, LogsError>> + Send + use<> {
        self.append_sealed(group, stream, events, None)
    }

    /// The same of events that are sealed before they go anywhere, if there is something to seal them with. They are sealed
    /// before this returns.
    pub fn append_sealed(
        &self,
        group: &GroupId,
        stream: &StreamId,
        events: Vec<InputEvent>,
        seal: Option<&Seal<'_>>,
    ) -> impl Future<Output = Result<Appended, LogsError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let nothing = Appended {
            ingestion_time: self.engine().now(),
            first_sequence: 0,
        };
        let pushed = Packed::new(events).map(|clear| {
            let (packed, clear) = match seal {
                None => (clear, None),
                Some(seal) => (clear.sealed(seal)?, Some(clear)),
            };
            self.engine().queue.push(Job::Append(Append {
                group: group.clone(),
                stream: stream.clone(),
                packed,
                clear,
                reply,
            }))
        });
        async move {
            match pushed {
                None => Ok(nothing),
                Some(Err(error)) => Err(error),
                Some(Ok(())) => answer.await.unwrap_or(Err(LogsError::Closed)),
            }
        }
    }

    /// The same store for a reader who can open sealed events. Without one they are [`LogsError::Sealed`].
    #[must_use]
    pub fn opened_by(&self, opener: Opener) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            opener: Some(opener),
        }
    }

    /// A page of one stream (GetLogEvents). A stream that nothing was appended to is empty.
    pub async fn read(&self, read: Read) -> Result<Page, LogsError> {
        self.reading(move |engine, opener| pages::read(engine, &read, opener))
            .await
    }

    /// A page of several streams (FilterLogEvents).
    pub async fn filter(&self, filter: Filter) -> Result<Filtered, LogsError> {
        self.reading(move |engine, opener| pages::filter(engine, &filter, opener))
            .await
    }

    /// Reading waits for the disk, and so leaves the thread it was asked on.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine, Option<&Opener>) -> Result<T, LogsError> + Send + 'static,
    ) -> Result<T, LogsError> {
        let _turn = self.shared.reads.acquire().await.map_err(|_| LogsError::Closed)?;
        let (engine, opener) = (Arc::clone(self.engine()), self.opener.clone());
        let read = tokio::task::spawn_blocking(move || read(&engine, opener.as_ref())).await;
        read.map_err(|_| LogsError::Closed)?
    }

    /// Events as they come in from now on (StartLiveTail).
    pub fn follow(&self, groups: Vec<Followed>, pattern: Pattern) -> Follower {
        self.engine().followers.join(groups, pattern)
    }

    /// Removes all events of a stream that were acknowledged so far; it lasts. What is appended afterwards stays. The room they
    /// took is given back soon after.
    pub async fn remove_stream(&self, group: &GroupId, stream: &StreamId) -> Result<(), LogsError> {
        self.order(|reply| Job::RemoveStream(group.clone(), stream.clone(), reply))
            .await
    }

    /// Removes all events of a group, and its retention; it lasts.
    pub async fn remove_group(&self, group: &GroupId) -> Result<(), LogsError> {
        self.order(|reply| Job::RemoveGroup(group.clone(), reply)).await
    }

    /// How long a group's events are kept, counted from their own time; `None` keeps them for good. It lasts.
    pub async fn retain(&self, group: &GroupId, days: Option<u32>) -> Result<(), LogsError> {
        self.order(|reply| Job::Retain(group.clone(), days, reply)).await
    }

    async fn order(&self, job: impl FnOnce(Reply<()>) -> Job) -> Result<(), LogsError> {
        let (reply, answer) = oneshot::channel();
        self.engine().queue.push(job(reply))?;
        answer.await.unwrap_or(Err(LogsError::Closed))
    }

    /// What a stream holds; `None` when it holds nothing that is shown.
    pub fn stream(&self, group: &GroupId, stream: &StreamId) -> Option<StreamSummary> {
        let group = self.engine().group(group)?;
        let state = group.read();
        let oldest = state.oldest(self.engine().now());
        let mut summary = *state.streams.get(stream)?;
        summary.first_event = summary.first_event.max(oldest);
        (summary.last_event >= oldest).then_some(summary)
    }

    /// The next streams of a group in the order of their last events, `limit` of them at most. Streams that hold nothing that is
    /// shown are in no place.
    pub fn by_last_event(
        &self,
        group: &GroupId,
        after: Option<&LastEvent>,
        order: Order,
        limit: usize,
    ) -> Vec<LastEvent> {
        let Some(group) = self.engine().group(group) else {
            return Vec::new();
        };
        let state = group.read();
        let oldest = state.oldest(self.engine().now());
        state.streams.by_last_event(oldest, after, order, limit)
    }

    /// Bytes of a group's events before compression, as PutLogEvents counts them (`storedBytes`).
    pub fn group_bytes(&self, group: &GroupId) -> u64 {
        let Some(group) = self.engine().group(group) else {
            return 0;
        };
        group.read().streams.stored_bytes()
    }

    /// Bytes in use against the quota.
    pub fn stored_bytes(&self) -> u64 {
        self.engine().stored_bytes()
    }

    /// Waits until what was removed or is too old has given its room back, as far as that is possible now. It waits for the disk.
    pub fn settle(&self) {
        self.engine().chores.settle();
    }
}
