//! The keeper: one thread puts frozen events into segments, merges small segments, takes out what was removed, and lets go of what
//! is older than its group's retention.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::batch::Batch;
use crate::chores::Flush;
use crate::engine::{Engine, subtract};
use crate::group::{Group, Memtable, Removed};
use crate::group_file::GroupFile;
use crate::items::{Item, Items};
use crate::journal::sync_directory;
use crate::scan::{Picture, Scan, is_gone};
use crate::segment::{Index, Name, Opened, Place, Segment, SegmentWriter, failed};
use crate::{EventKey, LogsError, Order, StreamId, Streams};

/// Segments are not merged beyond this, before compression.
const SEGMENT_RAW_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What writes the events of a segment.
type Out<'a> = SegmentWriter<BufWriter<&'a mut dyn Write>>;

/// The keeper's end, however it comes: nobody may wait for it in vain.
struct End<'a>(&'a Engine);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.chores.stop();
    }
}

/// Does what is on the list until told to stop.
pub(crate) fn run(engine: &Engine) {
    let _end = End(engine);
    while let Some(chore) = engine.chores.next() {
        if let Some(flush) = chore.flush {
            let outcome = flush_all(engine, &flush);
            if let Err(error) = &outcome {
                tracing::error!(%error, "log events wait in the journal: they could not be put into segments");
            }
            engine.chores.flushed(outcome);
        }
        for directory in chore.directories {
            if let Err(error) = std::fs::remove_dir_all(&directory) {
                tracing::warn!(%error, directory = %directory.display(), "the directory of a removed log group is left for the next start");
            }
        }
        for group in engine.all_groups() {
            if engine.chores.is_stopped() {
                return;
            }
            if let Err(error) = tend(engine, &group) {
                tracing::warn!(%error, group = group.id.as_str(), "segments of a log group could not be written anew");
            }
        }
        engine.chores.done();
    }
}

/// Puts frozen events into segments. Those that are there already from a try before are left.
fn flush_all(engine: &Engine, flush: &Flush) -> Result<(), LogsError> {
    for group in &flush.groups {
        let state = group.read();
        let (frozen, removed) = (state.frozen.clone(), Arc::clone(&state.removed));
        drop(state);
        let Some(frozen) = frozen else { continue };
        let name = Name {
            first_journal: flush.journal,
            last_journal: flush.journal,
            generation: 0,
        };
        let fill = |out: &mut Out<'_>| fill_from_memory(&frozen, &removed, out);
        let written = write_segment(group, name, fill);
        let mut state = group.write();
        if state.is_gone {
            continue;
        }
        if let Some((segment, _)) = written? {
            engine.segment_bytes.fetch_add(segment.bytes, Ordering::Relaxed);
            state.segments.push(segment);
        }
        state.frozen = None;
    }
    if remove_journals(engine, flush) {
        forget_removals(engine, flush.last_sequence)?;
    }
    Ok(())
}

fn fill_from_memory(frozen: &Memtable, removed: &Removed, out: &mut Out<'_>) -> Result<(), LogsError> {
    for (stream, batches) in &frozen.streams {
        let last_removed = removed.get(stream).copied().unwrap_or(0);
        let mut rows: Vec<(EventKey, _, &[u8])> = Vec::new();
        let mut sealed: Vec<&Arc<Batch>> = Vec::new();
        for batch in batches {
            if batch.packed.is_sealed && !is_gone(removed, batch) {
                sealed.push(batch);
            }
            let events = batch.events();
            let kept = events.filter(|(key, _, _)| key.sequence > last_removed);
            rows.extend(kept.map(|(key, _, message)| (key, batch.ingestion_time, message)));
        }
        rows.sort_by_key(|(key, _, _)| *key);
        for (key, ingestion_time, message) in rows {
            let message = std::str::from_utf8(message).unwrap_or_default();
            out.push(stream, key, ingestion_time, message)
                .map_err(|error| failed(Path::new("segment"), &error))?;
        }
        sealed.sort_by_key(|batch| (batch.packed.oldest, batch.first_sequence));
        for batch in sealed {
            out.push_sealed(batch)
                .map_err(|error| failed(Path::new("segment"), &error))?;
        }
    }
    Ok(())
}

/// Writes a segment of a group; it lasts when this returns. `None` when there was nothing to write.
fn write_segment(
    group: &Group,
    name: Name,
    fill: impl FnOnce(&mut Out<'_>) -> Result<(), LogsError>,
) -> Result<Option<(Arc<Segment>, Index)>, LogsError> {
    let Some(directory) = &group.directory else {
        let mut bytes = Vec::new();
        let (index, length) = write_to(&mut bytes, Path::new("memory"), fill)?;
        let place = Place::Memory(bytes.into());
        return Ok(made(name, place, index, length));
    };
    let unfinished = directory.join("segment.new");
    let path = directory.join(name.file());
    let written = write_file(&unfinished, &path, fill);
    match written {
        Ok((index, length)) => {
            sync_directory(directory)?;
            Ok(made(name, Place::File(path), index, length))
        }
        Err(error) => {
            // Gives the room back that a full disk may need.
            drop(std::fs::remove_file(&unfinished));
            Err(error)
        }
    }
}

fn made(name: Name, place: Place, index: Index, length: u64) -> Option<(Arc<Segment>, Index)> {
    let segment = Segment::new(name, place, &index, length);
    if index.streams.is_empty() {
        segment.retire();
        return None;
    }
    Some((Arc::new(segment), index))
}

fn write_file(
    unfinished: &Path,
    path: &Path,
    fill: impl FnOnce(&mut Out<'_>) -> Result<(), LogsError>,
) -> Result<(Index, u64), LogsError> {
    let wrong = |error: io::Error| failed(unfinished, &error);
    let mut file = File::create(unfinished).map_err(wrong)?;
    let written = write_to(&mut file, unfinished, fill)?;
    file.sync_all().map_err(wrong)?;
    std::fs::rename(unfinished, path).map_err(wrong)?;
    Ok(written)
}

fn write_to(
    out: &mut dyn Write,
    path: &Path,
    fill: impl FnOnce(&mut Out<'_>) -> Result<(), LogsError>,
) -> Result<(Index, u64), LogsError> {
    let mut writer = SegmentWriter::new(BufWriter::with_capacity(256 * 1024, out));
    fill(&mut writer)?;
    let (_, index, length) = writer.finish().map_err(|error| failed(path, &error))?;
    Ok((index, length))
}

/// Removes the journals whose events are in segments now; whether all of them are gone. One that stays is passed over by groups
/// that have a segment of it when the directory is opened.
fn remove_journals(engine: &Engine, flush: &Flush) -> bool {
    subtract(&engine.journal_bytes, flush.journal_bytes);
    let Some(directory) = engine.journals_directory() else {
        return true;
    };
    // The next journal knows the last number that was given; without one the old has to tell.
    if engine.journal.load(Ordering::Acquire) <= flush.journal {
        return false;
    }
    let Ok(journals) = crate::open::journals(&directory) else {
        return false;
    };
    let mut old = journals
        .into_iter()
        .filter(|(number, _)| *number <= flush.journal);
    let removed = old.all(|(_, path)| std::fs::remove_file(path).is_ok());
    removed && sync_directory(&directory).is_ok()
}

/// Which streams were removed need not be known any more when nothing of them is left anywhere.
fn forget_removals(engine: &Engine, last_sequence: u64) -> Result<(), LogsError> {
    for group in engine.all_groups() {
        let is_due = {
            let state = group.read();
            !state.has_removed_events && state.removed.values().any(|last| *last <= last_sequence)
        };
        if !is_due {
            continue;
        }
        let mut state = group.write();
        if state.has_removed_events || state.is_gone {
            continue;
        }
        let mut removed = state.removed.as_ref().clone();
        removed.retain(|_, last| *last > last_sequence);
        let mut file = GroupFile::of(&group.id, &state);
        file.removed = Arc::new(removed);
        if let Some(directory) = &group.directory {
            file.save(directory)?;
        }
        state.removed = file.removed;
    }
    Ok(())
}

/// Looks after the segments of a group.
fn tend(engine: &Engine, group: &Arc<Group>) -> Result<(), LogsError> {
    expire(engine, group);
    if group.read().has_removed_events {
        purge(engine, group)?;
    }
    while merge_last(engine, group)? {}
    Ok(())
}

/// Lets go of segments whose events are all older than the retention.
fn expire(engine: &Engine, group: &Group) {
    let Some(cutoff) = group.read().cutoff(engine.now()) else {
        return;
    };
    let is_old = |segment: &Arc<Segment>| segment.newest < cutoff;
    let old: Vec<Arc<Segment>> = group
        .read()
        .segments
        .iter()
        .filter(|one| is_old(one))
        .cloned()
        .collect();
    for segment in old {
        let index = segment
            .open()
            .and_then(|opened| engine.cache.of(&segment, &opened));
        let mut state = group.write();
        if state.is_gone {
            return;
        }
        state.segments.retain(|one| !Arc::ptr_eq(one, &segment));
        if let Ok(index) = index {
            state.uncount_segment(&index, cutoff);
        }
        subtract(&engine.segment_bytes, segment.bytes);
        segment.retire();
    }
}

/// Writes those segments anew that have events of removed streams.
fn purge(engine: &Engine, group: &Arc<Group>) -> Result<(), LogsError> {
    let (segments, removed) = {
        let mut state = group.write();
        if state.frozen.is_some() {
            // The flush that is due puts them into a segment, or leaves them out.
            return Ok(());
        }
        state.has_removed_events = false;
        (state.segments.clone(), Arc::clone(&state.removed))
    };
    for segment in segments {
        let outcome = purge_segment(engine, group, &segment, &removed);
        if let Err(error) = outcome {
            group.write().has_removed_events = true;
            return Err(error);
        }
    }
    Ok(())
}

fn purge_segment(
    engine: &Engine,
    group: &Arc<Group>,
    segment: &Arc<Segment>,
    removed: &Removed,
) -> Result<(), LogsError> {
    let index = engine.cache.of(segment, &segment.open()?)?;
    let is_concerned = index.streams.iter().any(|row| {
        // Removed and filled again: then there is a look at each event.
        removed.contains_key(&row.stream)
    });
    if !is_concerned {
        return Ok(());
    }
    let name = Name {
        generation: segment.name.generation + 1,
        ..segment.name
    };
    replace(engine, group, std::slice::from_ref(segment), name)
}

/// Merges the two newest segments while the older is not much bigger: a group has few segments, and each event is written few
/// times. Whether it did.
fn merge_last(engine: &Engine, group: &Arc<Group>) -> Result<bool, LogsError> {
    let pair = {
        let state = group.read();
        state.segments.last_chunk::<2>().cloned()
    };
    let Some([older, newer]) = pair else {
        return Ok(false);
    };
    let is_due = older.raw_bytes <= newer.raw_bytes.saturating_mul(2)
        && older.raw_bytes + newer.raw_bytes <= SEGMENT_RAW_BYTES_MAX;
    if !is_due || engine.chores.is_stopped() {
        return Ok(false);
    }
    let name = Name {
        first_journal: older.name.first_journal,
        last_journal: newer.name.last_journal,
        generation: 0,
    };
    replace(engine, group, &[older, newer], name)?;
    Ok(true)
}

/// Puts one segment in the place of some that stand next to each other.
fn replace(engine: &Engine, group: &Arc<Group>, old: &[Arc<Segment>], name: Name) -> Result<(), LogsError> {
    let removed = Arc::clone(&group.read().removed);
    let fill = |out: &mut Out<'_>| fill_from_segments(engine, old, &removed, out);
    let written = write_segment(group, name, fill)?.map(|(segment, _)| segment);
    let has_removals = !removed.is_empty();
    let bytes_before: u64 = old.iter().map(|segment| segment.bytes).sum();
    let mut state = group.write();
    if state.is_gone {
        return Ok(());
    }
    let is_old = |one: &Arc<Segment>| old.iter().any(|old| Arc::ptr_eq(one, old));
    let at = state.segments.iter().position(is_old).unwrap_or_default();
    state.segments.retain(|one| !is_old(one));
    let bytes_after = written.as_ref().map_or(0, |segment| segment.bytes);
    if let Some(segment) = written {
        state.segments.insert(at, segment);
    }
    engine.segment_bytes.fetch_add(bytes_after, Ordering::Relaxed);
    subtract(&engine.segment_bytes, bytes_before);
    drop(state);
    for segment in old {
        segment.retire();
    }
    if has_removals {
        recount(engine, group)?;
    }
    Ok(())
}

/// Counts a group's events anew.
fn recount(engine: &Engine, group: &Group) -> Result<(), LogsError> {
    // Only this thread changes the segments.
    let segments = group.read().segments.clone();
    let mut indexes = Vec::with_capacity(segments.len());
    for segment in &segments {
        indexes.push(engine.cache.of(segment, &segment.open()?)?);
    }
    let mut state = group.write();
    if !state.is_gone {
        state.recount(&indexes);
    }
    Ok(())
}

fn fill_from_segments(
    engine: &Engine,
    segments: &[Arc<Segment>],
    removed: &Removed,
    out: &mut Out<'_>,
) -> Result<(), LogsError> {
    let mut names: Vec<StreamId> = Vec::new();
    let mut opened = Vec::with_capacity(segments.len());
    for segment in segments {
        let source = segment.open()?;
        let index = engine.cache.of(segment, &source)?;
        names.extend(index.streams.iter().map(|row| row.stream.clone()));
        opened.push((source, index));
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        let streams = Streams::Named(vec![name.clone()]);
        let picture = Picture::of_segments(segments, Arc::clone(removed), streams);
        let mut outcome = Ok(());
        let write = |items: &Items, item: &Item| {
            outcome = out.push(&name, item.key, item.ingestion_time, items.message(item));
            outcome.is_ok()
        };
        Scan::new(&picture, engine, Order::OldestFirst).run(write)?;
        outcome.map_err(|error| failed(Path::new("segment"), &error))?;
        for (source, index) in &opened {
            fill_with_sealed(source, index, &name, removed, out)?;
        }
    }
    Ok(())
}

/// Takes the sealed batches of a stream over as they are.
fn fill_with_sealed(
    source: &Opened,
    index: &Index,
    stream: &StreamId,
    removed: &Removed,
    out: &mut Out<'_>,
) -> Result<(), LogsError> {
    let Some(number) = index.number_of(stream.as_str()) else {
        return Ok(());
    };
    let numbers = [(number, number)];
    let blocks = index.blocks_of((number, number)).iter();
    for entry in blocks.filter(|entry| entry.is_sealed) {
        for batch in source.sealed_block(index, entry, &numbers)? {
            if !is_gone(removed, &batch) {
                out.push_sealed(&batch)
                    .map_err(|error| failed(Path::new("segment"), &error))?;
            }
        }
    }
    Ok(())
}
