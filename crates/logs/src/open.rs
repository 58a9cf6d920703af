//! Opening: what lies in a directory becomes the store again.
//!
//! | what | where |
//! |---|---|
//! | `LOCK` | locked by the process that works here |
//! | `journal/NUMBER.log` | appends that are in no segment yet; the newest is written |
//! | `groups/NUMBER/group.json` | a group: without it the rest of its directory is rubbish |
//! | `groups/NUMBER/FIRST-LAST.GENERATION.seg` | the group's events of some journals |

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::chores::Flush;
use crate::engine::Engine;
use crate::group::{Group, GroupState, Memtable};
use crate::group_file::GroupFile;
use crate::journal::{Record, recover};
use crate::segment::{Name, Opened, Place, Segment};
use crate::writer::Writer;
use crate::{LogsError, OpenError};

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

/// Makes the directory if need be, and sees to it that nobody else works in it as long as the file is held.
pub(crate) fn claim(directory: &Path) -> Result<File, OpenError> {
    for part in [
        directory.to_owned(),
        directory.join("groups"),
        directory.join("journal"),
    ] {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&part);
        made.map_err(io("create", &part))?;
    }
    let path = directory.join("LOCK");
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(io("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(OpenError::InUse {
            dir: directory.to_owned(),
        }),
        Err(error) => Err(io("lock", &path)(error.into())),
    }
}

/// Reads everything; the writer that goes on from there.
pub(crate) fn load(engine: &Arc<Engine>) -> Result<Writer, OpenError> {
    let mut writer = Writer::new(Arc::clone(engine));
    let (Some(groups), Some(journals)) = (engine.groups_directory(), engine.journals_directory()) else {
        return Ok(writer);
    };
    let mut by_number = HashMap::new();
    for directory in entries(&groups)? {
        let name = directory.file_name().and_then(|name| name.to_str());
        let Some(number) = name.and_then(|name| u64::from_str_radix(name, 16).ok()) else {
            continue;
        };
        writer.last_group = writer.last_group.max(number);
        if let Some(group) = load_group(engine, &directory, number, &mut writer.last_sequence)? {
            engine.add_group(&group);
            by_number.insert(number, group);
        }
    }
    replay(engine, &journals, &by_number, &mut writer)?;
    Ok(writer)
}

fn load_group(
    engine: &Engine,
    directory: &Path,
    number: u64,
    last_sequence: &mut u64,
) -> Result<Option<Arc<Group>>, OpenError> {
    let Some(file) = GroupFile::load(directory)? else {
        std::fs::remove_dir_all(directory).map_err(io("remove", directory))?;
        return Ok(None);
    };
    let mut state = GroupState {
        retention_days: file.retention_days,
        has_removed_events: !file.removed.is_empty(),
        removed: file.removed,
        ..GroupState::default()
    };
    for last in state.removed.values() {
        *last_sequence = (*last_sequence).max(*last);
    }
    for (name, path) in segment_files(directory)? {
        let place = Place::File(path.clone());
        let read = Opened::open(&place).and_then(|opened| opened.index());
        let (index, length) = read.map_err(|error| damaged(&path, error))?;
        for row in &index.streams {
            *last_sequence = (*last_sequence).max(row.last_sequence);
        }
        state.count_segment(&index);
        engine.segment_bytes.fetch_add(length, Ordering::Relaxed);
        let segment = Segment::new(name, place, &index, length);
        state.segments.push(Arc::new(segment));
    }
    let directory = Some(directory.to_owned());
    Ok(Some(Arc::new(Group::new(file.id, number, directory, state))))
}

fn damaged(path: &Path, error: LogsError) -> OpenError {
    let detail = match error {
        LogsError::Damaged { detail, .. } => detail,
        other => other.to_string(),
    };
    OpenError::Damaged {
        path: path.to_owned(),
        detail,
    }
}

/// The segments that count, in the order of their journals. What a crash left of others goes.
fn segment_files(directory: &Path) -> Result<Vec<(Name, PathBuf)>, OpenError> {
    let mut found = Vec::new();
    for path in entries(directory)? {
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        match Name::parse(file) {
            Some(name) => found.push((name, path)),
            None if file.ends_with(".new") => std::fs::remove_file(&path).map_err(io("remove", &path))?,
            None => {}
        }
    }
    found.sort_unstable();
    let names: Vec<Name> = found.iter().map(|(name, _)| *name).collect();
    let is_replaced = |name: &Name| names.iter().any(|other| other.replaces(name));
    let (replaced, kept): (Vec<_>, Vec<_>) = found.into_iter().partition(|(name, _)| is_replaced(name));
    for (_, path) in replaced {
        std::fs::remove_file(&path).map_err(io("remove", &path))?;
    }
    Ok(kept)
}

/// Takes up what the journals have and no segment has.
fn replay(
    engine: &Engine,
    directory: &Path,
    groups: &HashMap<u64, Arc<Group>>,
    writer: &mut Writer,
) -> Result<(), OpenError> {
    let mut frozen: HashMap<u64, Memtable> = HashMap::new();
    let mut bytes = 0;
    for (number, path) in journals(directory).map_err(io("list", directory))? {
        writer.last_journal = number;
        let (mut last_group, mut last_sequence) = (writer.last_group, writer.last_sequence);
        let base = recover(&path, |record: Record| {
            last_group = last_group.max(record.group);
            last_sequence = last_sequence.max(record.batch.last_sequence());
            if let Some(group) = groups.get(&record.group)
                && is_missing(group, number, &record)
            {
                let batch = Arc::new(record.batch);
                group.write().count(&batch);
                frozen.entry(record.group).or_default().push(batch);
            }
        })?;
        writer.last_group = last_group;
        writer.last_sequence = last_sequence.max(base.unwrap_or(0));
        bytes += std::fs::metadata(&path).map_err(io("look at", &path))?.len();
    }
    engine.journal_bytes.fetch_add(bytes, Ordering::Relaxed);
    let mut waiting = Vec::new();
    for (number, table) in frozen {
        if let Some(group) = groups.get(&number) {
            group.write().frozen = Some(Arc::new(table));
            waiting.push(Arc::clone(group));
        }
    }
    writer.begin_when_there_is_room();
    engine.chores.flush(Flush {
        groups: waiting,
        journal: writer.last_journal_but_current(),
        journal_bytes: bytes,
        last_sequence: writer.last_sequence,
    });
    Ok(())
}

/// Whether an append is neither in a segment nor removed.
fn is_missing(group: &Group, journal: u64, record: &Record) -> bool {
    let state = group.read();
    let is_kept = state
        .segments
        .iter()
        .any(|segment| segment.name.last_journal >= journal);
    let removed = state.removed.get(&record.batch.stream);
    !is_kept && removed.is_none_or(|last| record.batch.last_sequence() > *last)
}

/// The journals of a directory in their order.
pub(crate) fn journals(directory: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let number = name.strip_suffix(".log");
        if let Some(number) = number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let listed = std::fs::read_dir(directory).map_err(io("list", directory))?;
    let paths: Result<Vec<PathBuf>, std::io::Error> =
        listed.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(io("list", directory))
}
