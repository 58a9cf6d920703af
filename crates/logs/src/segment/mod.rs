//! Segments: events of one group, sorted by stream and key, in compressed blocks with checksums; never changed once written.
//!
//! ```text
//! block*  index  trailer          block: LZ4 of about 32 KiB of events, or of sealed batches of events
//! trailer: offset of the index u64, its bytes u32, uncompressed u32, CRC-32 u32; CRC-32 of those u32; magic 8 bytes
//! ```

mod index;
mod write;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_core::Timestamp;

use crate::batch::Batch;
use crate::codec::Reader;
use crate::items::{Item, Items};
use crate::{EventKey, LogsError};
pub(crate) use index::{BlockEntry, Index};
pub(crate) use write::SegmentWriter;

/// A block is closed when its events take up this much. Small enough that a page costs little more than what it shows.
const BLOCK_RAW_BYTES: usize = 32 * 1024;
/// No block is longer: an event has at most 1 MiB.
const BLOCK_RAW_BYTES_MAX: u32 = 64 * 1024 * 1024;
const MAGIC: &[u8; 8] = b"PCLOGS01";
const TRAILER_BYTES: usize = 32;

/// Which journals' events a segment holds, and which writing of them it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) first_journal: u64,
    pub(crate) last_journal: u64,
    /// Grows when the same events are written anew, without removed ones.
    pub(crate) generation: u64,
}

impl Name {
    pub(crate) fn file(&self) -> String {
        format!(
            "{:016x}-{:016x}.{:08x}.seg",
            self.first_journal, self.last_journal, self.generation
        )
    }

    pub(crate) fn parse(file: &str) -> Option<Self> {
        let (first, rest) = file.strip_suffix(".seg")?.split_once('-')?;
        let (last, generation) = rest.split_once('.')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            first_journal: number(first)?,
            last_journal: number(last)?,
            generation: number(generation)?,
        })
    }

    /// Whether a crash left the other one behind when this one took its place.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        let covers = self.first_journal <= other.first_journal && other.last_journal <= self.last_journal;
        let same = self.first_journal == other.first_journal && self.last_journal == other.last_journal;
        covers && (!same || self.generation > other.generation)
    }
}

/// Where a segment's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

/// A segment. Its index is read when it is needed; the file goes with the last reader once it is obsolete.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: Name,
    pub(crate) place: Place,
    pub(crate) oldest: Timestamp,
    pub(crate) newest: Timestamp,
    /// Bytes in the place.
    pub(crate) bytes: u64,
    /// Bytes of the blocks before compression.
    pub(crate) raw_bytes: u64,
    obsolete: AtomicBool,
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Place::File(path) = &self.place
            && self.obsolete.load(Ordering::Relaxed)
        {
            // What cannot be removed now is found again when the directory is opened.
            drop(std::fs::remove_file(path));
        }
    }
}

impl Segment {
    pub(crate) fn new(name: Name, place: Place, index: &Index, bytes: u64) -> Self {
        let oldest = index.streams.iter().map(|row| row.summary.first_event).min();
        let newest = index.streams.iter().map(|row| row.summary.last_event).max();
        Self {
            name,
            place,
            oldest: oldest.unwrap_or_default(),
            newest: newest.unwrap_or_default(),
            bytes,
            raw_bytes: index.blocks.iter().map(|block| u64::from(block.raw_bytes)).sum(),
            obsolete: AtomicBool::new(false),
        }
    }

    /// Its file may go when nobody reads it any more.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }

    pub(crate) fn open(&self) -> Result<Opened, LogsError> {
        Opened::open(&self.place)
    }
}

/// A segment that is being read.
#[derive(Debug)]
pub(crate) struct Opened {
    path: PathBuf,
    source: Source,
}

#[derive(Debug)]
enum Source {
    File(File),
    Memory(Arc<[u8]>),
}

impl Opened {
    pub(crate) fn open(place: &Place) -> Result<Self, LogsError> {
        match place {
            Place::Memory(bytes) => Ok(Self {
                path: PathBuf::new(),
                source: Source::Memory(Arc::clone(bytes)),
            }),
            Place::File(path) => Ok(Self {
                path: path.clone(),
                source: Source::File(File::open(path).map_err(|error| failed(path, &error))?),
            }),
        }
    }

    fn len(&self) -> Result<u64, LogsError> {
        match &self.source {
            Source::Memory(bytes) => Ok(bytes.len() as u64),
            Source::File(file) => Ok(file.metadata().map_err(|error| failed(&self.path, &error))?.len()),
        }
    }

    fn read(&self, offset: u64, bytes: usize) -> Result<Vec<u8>, LogsError> {
        let mut buffer = vec![0; bytes];
        match &self.source {
            Source::File(file) => file
                .read_exact_at(&mut buffer, offset)
                .map_err(|error| failed(&self.path, &error))?,
            Source::Memory(all) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let slice = all.get(from..from.saturating_add(bytes));
                buffer.copy_from_slice(slice.ok_or_else(|| self.damaged("it is too short"))?);
            }
        }
        Ok(buffer)
    }

    fn damaged(&self, detail: &str) -> LogsError {
        LogsError::Damaged {
            path: self.path.clone(),
            detail: detail.to_owned(),
        }
    }

    /// The index, and the length of all.
    pub(crate) fn index(&self) -> Result<(Index, u64), LogsError> {
        let len = self.len()?;
        let start = len
            .checked_sub(TRAILER_BYTES as u64)
            .ok_or_else(|| self.damaged("it is too short"))?;
        let trailer = self.read(start, TRAILER_BYTES)?;
        let found = read_trailer(&trailer).ok_or_else(|| self.damaged("its end is not as it was written"))?;
        let (offset, stored, raw, checksum) = found;
        if offset.saturating_add(u64::from(stored)) != start {
            return Err(self.damaged("its index is not where it should be"));
        }
        let stored = self.read(offset, stored as usize)?;
        if crc32fast::hash(&stored) != checksum {
            return Err(self.damaged("the checksum of its index is wrong"));
        }
        let bytes = lz4_flex::block::decompress(&stored, raw as usize);
        let index = bytes.ok().and_then(|bytes| Index::decode(&bytes));
        Ok((
            index.ok_or_else(|| self.damaged("its index cannot be read"))?,
            len,
        ))
    }

    /// The events of a block that belong to some streams.
    pub(crate) fn block(
        &self,
        index: &Index,
        entry: &BlockEntry,
        numbers: &[(u32, u32)],
    ) -> Result<Items, LogsError> {
        let raw = self.raw(entry)?;
        items_of(raw, index, numbers).ok_or_else(|| self.damaged("a block cannot be read"))
    }

    /// The batches of a sealed block that belong to some streams.
    pub(crate) fn sealed_block(
        &self,
        index: &Index,
        entry: &BlockEntry,
        numbers: &[(u32, u32)],
    ) -> Result<Vec<Batch>, LogsError> {
        let raw = self.raw(entry)?;
        batches_of(&raw, index, numbers).ok_or_else(|| self.damaged("a block cannot be read"))
    }

    /// A block as it was before compression.
    fn raw(&self, entry: &BlockEntry) -> Result<Vec<u8>, LogsError> {
        let stored = self.read(entry.offset, entry.stored_bytes as usize)?;
        if crc32fast::hash(&stored) != entry.checksum || entry.raw_bytes > BLOCK_RAW_BYTES_MAX {
            return Err(self.damaged("the checksum of a block is wrong"));
        }
        lz4_flex::block::decompress(&stored, entry.raw_bytes as usize)
            .map_err(|_| self.damaged("a block cannot be read"))
    }
}

fn read_trailer(bytes: &[u8]) -> Option<(u64, u32, u32, u32)> {
    let mut reader = Reader::new(bytes);
    let found = (
        reader.fixed_u64()?,
        reader.fixed_u32()?,
        reader.fixed_u32()?,
        reader.fixed_u32()?,
    );
    let checksum = reader.fixed_u32()?;
    let said = bytes.get(..20)?;
    (checksum == crc32fast::hash(said) && reader.take(8)? == MAGIC).then_some(found)
}

/// Takes the events of some streams out of a block.
fn items_of(raw: Vec<u8>, index: &Index, numbers: &[(u32, u32)]) -> Option<Items> {
    let mut items = Items::default();
    let mut reader = Reader::new(&raw);
    let (mut stream, mut time, mut sequence, mut ingested) = (0_u32, 0_i64, 0_u64, 0_i64);
    let mut wanted = None;
    while !reader.is_empty() {
        stream = stream.checked_add(reader.u32()?)?;
        time = time.wrapping_add(reader.i64()?);
        sequence = sequence.wrapping_add_signed(reader.i64()?);
        ingested = ingested.wrapping_add(reader.i64()?);
        let message = reader.bytes()?;
        let is_wanted = match wanted {
            Some((of, is_wanted)) if of == stream => is_wanted,
            _ => {
                let is_wanted = is_among(numbers, stream);
                if is_wanted {
                    let row = index.streams.get(stream as usize)?;
                    items.streams.push((stream, row.stream.clone()));
                }
                wanted = Some((stream, is_wanted));
                is_wanted
            }
        };
        if is_wanted {
            let end = raw.len() - reader.left();
            items.list.push(Item {
                key: EventKey {
                    timestamp: Timestamp::from_millis(time),
                    sequence,
                },
                ingestion_time: Timestamp::from_millis(ingested),
                stream,
                start: end - message.len(),
                end,
            });
        }
    }
    items.bytes = raw;
    Some(items)
}

fn is_among(numbers: &[(u32, u32)], stream: u32) -> bool {
    numbers
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&stream))
}

/// Takes the batches of some streams out of a sealed block.
fn batches_of(raw: &[u8], index: &Index, numbers: &[(u32, u32)]) -> Option<Vec<Batch>> {
    let mut batches = Vec::new();
    let mut reader = Reader::new(raw);
    let mut stream = 0_u32;
    while !reader.is_empty() {
        stream = stream.checked_add(reader.u32()?)?;
        let row = index.streams.get(stream as usize)?;
        let batch = Batch::read_sealed(row.stream.clone(), &mut reader)?;
        if is_among(numbers, stream) {
            batches.push(batch);
        }
    }
    Some(batches)
}

/// A failure of the file system, in the store's words.
pub(crate) fn failed(path: &Path, error: &io::Error) -> LogsError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            LogsError::DiskFull
        }
        io::ErrorKind::UnexpectedEof => LogsError::Damaged {
            path: path.to_owned(),
            detail: "it is too short".to_owned(),
        },
        _ => LogsError::Disk(format!("{}: {error}", path.display())),
    }
}
