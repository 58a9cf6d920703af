//! The writer: one thread takes all appends, puts them into the journal, and answers when they last.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::batch::{Batch, Packed};
use crate::chores::Flush;
use crate::engine::{Engine, subtract};
use crate::group::{Group, GroupState};
use crate::group_file::{self, GroupFile};
use crate::journal::{Frames, Journal, sync_directory};
use crate::queue::{Append, Job, Reply};
use crate::segment::failed;
use crate::{Appended, GroupId, LogsError, StreamId};

/// The writer's own state.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) journal: Option<Journal>,
    pub(crate) last_journal: u64,
    pub(crate) last_sequence: u64,
    pub(crate) last_group: u64,
    /// Bytes in memory that are not frozen.
    active_bytes: usize,
    /// Bytes the current journal counts against the quota.
    journal_bytes: u64,
    /// Groups with events that are not frozen.
    dirty: Vec<Arc<Group>>,
    staged: Vec<Staged>,
    frames: Frames,
}

/// An append that will last with the next write.
#[derive(Debug)]
struct Staged {
    group: Arc<Group>,
    batch: Batch,
    /// Of a sealed batch the same in the clear.
    clear: Option<Packed>,
    reply: Reply<Appended>,
}

impl Writer {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            journal: None,
            last_journal: 0,
            last_sequence: 0,
            last_group: 0,
            active_bytes: 0,
            journal_bytes: 0,
            dirty: Vec::new(),
            staged: Vec::new(),
            frames: Frames::default(),
        }
    }

    /// Begins the first journal. Without room for it there is none before the first append.
    pub(crate) fn begin_when_there_is_room(&mut self) {
        if let Err(error) = self.begin_journal() {
            tracing::warn!(%error, "no journal for log events yet");
        }
    }

    /// The newest journal that nothing is written to any more.
    pub(crate) fn last_journal_but_current(&self) -> u64 {
        self.last_journal - u64::from(self.journal.is_some())
    }

    /// Does what comes until nothing will come any more.
    pub(crate) fn run(mut self) {
        let engine = Arc::clone(&self.engine);
        let _end = End(&engine);
        while let Some(jobs) = self.engine.queue.take() {
            for job in jobs {
                self.take(job);
            }
            self.commit();
        }
    }

    fn take(&mut self, job: Job) {
        if let Job::Append(append) = job {
            return self.stage(append);
        }
        // What was appended before is acknowledged before, and so goes along.
        self.commit();
        // Whoever asked may have gone away; what was asked for is done all the same.
        match job {
            Job::Append(_) => {}
            Job::RemoveStream(group, stream, reply) => drop(reply.send(self.remove_stream(&group, &stream))),
            Job::RemoveGroup(group, reply) => drop(reply.send(self.remove_group(&group))),
            Job::Retain(group, days, reply) => drop(reply.send(self.retain(&group, days))),
        }
    }

    fn stage(&mut self, append: Append) {
        match self.admit(&append.group) {
            Err(error) => drop(append.reply.send(Err(error))),
            Ok(group) => self.number(group, append),
        }
    }

    /// Makes sure that there is room, a journal, and the group.
    fn admit(&mut self, id: &GroupId) -> Result<Arc<Group>, LogsError> {
        self.keep_quota()?;
        let is_broken = self.journal.as_ref().is_some_and(|journal| journal.is_broken);
        if self.active_bytes >= self.engine.options.memory_bytes || is_broken {
            self.commit();
            self.rotate()?;
        }
        if self.journal.is_none() {
            self.begin_journal()?;
        }
        self.group(id)
    }

    /// Refuses what is beyond the quota. Retention may have something to give back, and a journal whose events were removed.
    fn keep_quota(&mut self) -> Result<(), LogsError> {
        let quota_bytes = self.engine.options.quota_bytes;
        if self.engine.stored_bytes() < quota_bytes {
            return Ok(());
        }
        if self.journal_bytes >= quota_bytes / 2 && self.active_bytes > 0 {
            self.commit();
            self.rotate()?;
            self.engine.chores.wait_for_flush()?;
        }
        if self.engine.stored_bytes() < quota_bytes {
            return Ok(());
        }
        self.engine.chores.ask();
        Err(LogsError::QuotaReached { quota_bytes })
    }

    fn number(&mut self, group: Arc<Group>, append: Append) {
        let batch = Batch {
            stream: append.stream,
            ingestion_time: self.engine.now(),
            first_sequence: self.last_sequence + 1,
            packed: append.packed,
        };
        self.last_sequence = batch.last_sequence();
        self.active_bytes += batch.memory_bytes();
        if let Some(journal) = &self.journal {
            self.frames.push(group.number, &batch, journal.bytes());
        }
        self.staged.push(Staged {
            group,
            batch,
            clear: append.clear,
            reply: append.reply,
        });
    }

    /// Makes what is staged last, shows it, and answers.
    fn commit(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let staged = std::mem::take(&mut self.staged);
        if let Err(error) = self.write(&staged) {
            tracing::error!(%error, "log events were not taken");
            let bytes: usize = staged.iter().map(|one| one.batch.memory_bytes()).sum();
            self.active_bytes = self.active_bytes.saturating_sub(bytes);
            for one in staged {
                drop(one.reply.send(Err(error.clone())));
            }
            return;
        }
        for one in staged {
            let appended = Appended {
                ingestion_time: one.batch.ingestion_time,
                first_sequence: one.batch.first_sequence,
            };
            self.show(&one.group, Arc::new(one.batch), one.clear);
            drop(one.reply.send(Ok(appended)));
        }
    }

    fn write(&mut self, staged: &[Staged]) -> Result<(), LogsError> {
        let added = match &mut self.journal {
            Some(journal) => {
                let before = journal.bytes();
                journal.write(&mut self.frames)?;
                journal.bytes() - before
            }
            None => staged.iter().map(|one| one.batch.memory_bytes() as u64).sum(),
        };
        self.journal_bytes += added;
        self.engine.journal_bytes.fetch_add(added, Ordering::Relaxed);
        Ok(())
    }

    fn show(&mut self, group: &Arc<Group>, batch: Arc<Batch>, clear: Option<Packed>) {
        let mut state = group.write();
        if state.active.is_empty() {
            self.dirty.push(Arc::clone(group));
        }
        state.count(&batch);
        state.active.push(Arc::clone(&batch));
        drop(state);
        let events = || {
            let in_clear = clear.map(|packed| Batch {
                stream: batch.stream.clone(),
                packed,
                ..*batch
            });
            // In the clear there is nothing that could not be opened.
            let items = in_clear
                .as_ref()
                .unwrap_or(&batch)
                .items(None)
                .unwrap_or_default();
            items.list.iter().map(|item| items.event(item)).collect()
        };
        self.engine.followers.tell(&group.id, &batch.stream, events);
    }

    /// Hands what is in memory to the keeper and begins a new journal.
    fn rotate(&mut self) -> Result<(), LogsError> {
        self.engine.chores.wait_for_flush()?;
        let journal = self.last_journal;
        self.begin_journal()?;
        let groups = std::mem::take(&mut self.dirty);
        for group in &groups {
            let mut state = group.write();
            let active = std::mem::take(&mut state.active);
            // A group whose streams were removed in between is listed twice.
            if !active.is_empty() {
                state.frozen = Some(Arc::new(active));
            }
        }
        self.engine.chores.flush(Flush {
            groups,
            journal,
            journal_bytes: std::mem::take(&mut self.journal_bytes),
            last_sequence: self.last_sequence,
        });
        self.active_bytes = 0;
        Ok(())
    }

    fn begin_journal(&mut self) -> Result<(), LogsError> {
        let number = self.last_journal + 1;
        if let Some(directory) = self.engine.journals_directory() {
            let journal = Journal::create(&directory, number, self.last_sequence)?;
            self.journal_bytes += journal.bytes();
            let bytes = &self.engine.journal_bytes;
            bytes.fetch_add(journal.bytes(), Ordering::Relaxed);
            self.journal = Some(journal);
        }
        self.last_journal = number;
        self.engine.journal.store(number, Ordering::Release);
        Ok(())
    }

    /// The group, made if need be.
    fn group(&mut self, id: &GroupId) -> Result<Arc<Group>, LogsError> {
        if let Some(group) = self.engine.group(id) {
            return Ok(group);
        }
        let number = self.last_group + 1;
        let state = GroupState::default();
        let directory = match self.engine.groups_directory() {
            None => None,
            Some(groups) => Some(make_group(&groups, number, &GroupFile::of(id, &state))?),
        };
        self.last_group = number;
        let group = Arc::new(Group::new(id.clone(), number, directory, state));
        self.engine.add_group(&group);
        Ok(group)
    }

    fn remove_stream(&self, id: &GroupId, stream: &StreamId) -> Result<(), LogsError> {
        let Some(group) = self.engine.group(id) else {
            return Ok(());
        };
        let mut state = group.write();
        if state.streams.get(stream).is_none() {
            return Ok(());
        }
        let mut removed = state.removed.as_ref().clone();
        removed.insert(stream.clone(), self.last_sequence);
        let mut file = GroupFile::of(id, &state);
        file.removed = Arc::new(removed);
        if let Some(directory) = &group.directory {
            file.save(directory)?;
        }
        state.removed = file.removed;
        state.active.streams.remove(stream);
        state.streams.remove(stream);
        state.has_removed_events = true;
        drop(state);
        self.engine.chores.ask();
        Ok(())
    }

    fn remove_group(&self, id: &GroupId) -> Result<(), LogsError> {
        let Some(group) = self.engine.group(id) else {
            return Ok(());
        };
        // Held while the file goes: the keeper writes it anew for a group that is not gone.
        let mut state = group.write();
        if let Some(directory) = &group.directory {
            let file = directory.join(group_file::NAME);
            std::fs::remove_file(&file).map_err(|error| failed(&file, &error))?;
            sync_directory(directory)?;
            self.engine.chores.remove(directory.clone());
        }
        self.engine.forget_group(id);
        let bytes: u64 = state.segments.drain(..).map(|segment| segment.bytes).sum();
        subtract(&self.engine.segment_bytes, bytes);
        *state = GroupState {
            is_gone: true,
            ..GroupState::default()
        };
        Ok(())
    }

    fn retain(&mut self, id: &GroupId, days: Option<u32>) -> Result<(), LogsError> {
        if days.is_none() && self.engine.group(id).is_none() {
            return Ok(());
        }
        let group = self.group(id)?;
        let mut state = group.write();
        let mut file = GroupFile::of(id, &state);
        file.retention_days = days;
        if let Some(directory) = &group.directory {
            file.save(directory)?;
        }
        state.retention_days = days;
        drop(state);
        self.engine.chores.ask();
        Ok(())
    }
}

/// The writer's end, however it comes: nobody may wait for it in vain.
struct End<'a>(&'a Engine);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

/// Makes a group's directory; it lasts when this returns.
fn make_group(groups: &std::path::Path, number: u64, file: &GroupFile) -> Result<PathBuf, LogsError> {
    let directory = groups.join(format!("{number:016x}"));
    match std::fs::create_dir(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(failed(&directory, &error));
        }
        _ => {}
    }
    file.save(&directory)?;
    sync_directory(groups)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;
    use std::thread;

    use portcullis_core::FixedClock;

    use super::*;
    use crate::{InputEvent, Options};

    #[test]
    fn events_that_found_no_room_count_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["groups", "journal"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let clock = Arc::new(FixedClock::at(portcullis_core::Timestamp::from_millis(0)));
        let engine = Engine::new(Some(directory.path().to_owned()), Options::default(), clock);
        let mut writer = Writer::new(Arc::new(engine));
        writer.begin_when_there_is_room();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        writer.journal.as_mut().unwrap().go_on_in(full);
        let event = InputEvent {
            timestamp: portcullis_core::Timestamp::from_millis(0),
            message: "a message".to_owned(),
        };
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        writer.stage(Append {
            group: GroupId::new("111122223333", "eu-central-1", "/group"),
            stream: StreamId::new("stream"),
            packed: Packed::new(vec![event]).unwrap(),
            clear: None,
            reply,
        });
        assert!(writer.active_bytes > 0);
        writer.commit();
        assert_eq!(answer.try_recv().unwrap().unwrap_err(), LogsError::DiskFull);
        assert_eq!(writer.active_bytes, 0);
    }

    #[test]
    fn a_file_that_may_not_grow_is_a_full_disk() {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        for kind in [StorageFull, QuotaExceeded, FileTooLarge] {
            assert_eq!(
                failed(Path::new("journal"), &kind.into()),
                LogsError::DiskFull,
                "{kind}"
            );
        }
    }

    /// Whether a thread waits for something.
    fn is_asleep(thread: &Path) -> bool {
        let stat = std::fs::read_to_string(Path::new("/proc").join(thread).join("stat")).unwrap();
        // The state stands behind the name, which stands in brackets.
        stat.rsplit_once(") ").unwrap().1.starts_with('S')
    }

    /// The keeper writes the file of a group anew when removed streams need not be known any more.
    #[test]
    fn a_group_that_is_removed_while_its_file_is_written_anew_stays_removed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("groups")).unwrap();
        let clock = Arc::new(FixedClock::at(portcullis_core::Timestamp::from_millis(0)));
        let engine = Engine::new(Some(directory.path().to_owned()), Options::default(), clock);
        let mut writer = Writer::new(Arc::new(engine));
        let id = GroupId::new("111122223333", "eu-central-1", "/group");
        let group = writer.group(&id).unwrap();
        let directory = group.directory.as_ref().unwrap();
        let file = directory.join(group_file::NAME);
        let (begins, begun) = mpsc::channel();

        let state = group.write();
        thread::scope(|scope| {
            let remover = scope.spawn(|| {
                begins
                    .send(std::fs::read_link("/proc/thread-self").unwrap())
                    .unwrap();
                writer.remove_group(&id)
            });
            let thread = begun.recv().unwrap();
            while file.exists() && !is_asleep(&thread) {
                thread::yield_now();
            }
            GroupFile::of(&id, &state).save(directory).unwrap();
            drop(state);
            remover.join().unwrap().unwrap();
        });
        assert!(!file.exists());
    }
}
