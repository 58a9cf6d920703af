//! The journal: where events last before they are in segments. One file takes the appends of all groups, in frames; the frames of
//! many appends share one fsync. A frame holds whole appends and counts only with its checksum: there is no half append.
//!
//! ```text
//! file:   magic 8, number u64, last sequence before it u64, CRC-32 u32; frame*
//! frame:  magic 4, stored bytes u32, raw bytes u32, length of the file that had been synced u64, CRC-32 u32; LZ4 of records
//! record: group, stream, first sequence, ingestion time, packed events; or of sealed ones
//!         0, group, stream, first sequence, ingestion time, how many, oldest, newest, counted bytes, sealed events
//! ```

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_core::Timestamp;

use crate::batch::{Batch, Packed};
use crate::codec::{Reader, put_bytes, put_i64, put_u64};
use crate::segment::failed;
use crate::{LogsError, OpenError, StreamId};

const FILE_MAGIC: &[u8; 8] = b"PCLOGJ01";
const FILE_HEADER_BYTES: usize = 28;
const FRAME_MAGIC: [u8; 4] = *b"\xf1PLF";
const FRAME_HEADER_BYTES: usize = 24;
/// Stands before the group of an append that is sealed. No group has this number.
const SEALED: u64 = 0;
/// A frame is closed at this size; a single append may be longer.
const FRAME_RAW_BYTES: usize = 1024 * 1024;
/// No frame is longer.
const FRAME_RAW_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// Appends on their way into frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    open: Vec<u8>,
    closed: Vec<u8>,
}

impl Frames {
    /// Adds an append.
    pub(crate) fn push(&mut self, group: u64, batch: &Batch, synced: u64) {
        let open = &mut self.open;
        if batch.packed.is_sealed {
            put_u64(open, SEALED);
        }
        put_u64(open, group);
        put_bytes(open, batch.stream.as_str().as_bytes());
        if batch.packed.is_sealed {
            batch.put_sealed(open);
        } else {
            put_u64(open, batch.first_sequence);
            put_i64(open, batch.ingestion_time.as_millis());
            put_bytes(open, &batch.packed.bytes);
        }
        if self.open.len() >= FRAME_RAW_BYTES {
            self.close(synced);
        }
    }

    fn close(&mut self, synced: u64) {
        if self.open.is_empty() {
            return;
        }
        let stored = lz4_flex::block::compress(&self.open);
        // Neither can be longer than the frame, which is far below 4 GiB.
        let lengths = [stored.len(), self.open.len()].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
        let mut said = Vec::with_capacity(FRAME_HEADER_BYTES);
        for length in lengths {
            said.extend_from_slice(&length.to_le_bytes());
        }
        said.extend_from_slice(&synced.to_le_bytes());
        let checksum = frame_checksum(&said, &stored);
        self.closed.extend_from_slice(&FRAME_MAGIC);
        self.closed.extend_from_slice(&said);
        self.closed.extend_from_slice(&checksum.to_le_bytes());
        self.closed.extend_from_slice(&stored);
        self.open.clear();
    }
}

fn frame_checksum(said: &[u8], stored: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(said);
    hasher.update(stored);
    hasher.finalize()
}

/// The journal that is written.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Everything up to here lasts.
    synced: u64,
    /// After a failed fsync nothing more is written: what the kernel still holds is not to be trusted.
    pub(crate) is_broken: bool,
}

/// The journal's file.
pub(crate) fn file_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}.log"))
}

/// Makes the names in a directory last.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), LogsError> {
    let synced = File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(|error| failed(directory, &error))
}

impl Journal {
    /// A new journal in a directory.
    pub(crate) fn create(directory: &Path, number: u64, last_sequence: u64) -> Result<Self, LogsError> {
        let path = file_of(directory, number);
        let mut header = FILE_MAGIC.to_vec();
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&last_sequence.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        let mut file = file.map_err(|error| failed(&path, &error))?;
        let written = file.write_all(&header).and_then(|()| file.sync_all());
        if let Err(error) = written {
            drop(std::fs::remove_file(&path));
            return Err(failed(&path, &error));
        }
        sync_directory(directory)?;
        Ok(Self {
            path,
            file,
            synced: header.len() as u64,
            is_broken: false,
        })
    }

    /// Goes on in another file.
    #[cfg(test)]
    pub(crate) fn go_on_in(&mut self, file: File) {
        self.file = file;
    }

    /// Its length.
    pub(crate) fn bytes(&self) -> u64 {
        self.synced
    }

    /// Writes the frames; they last when this returns. After a failure nothing of them is left.
    pub(crate) fn write(&mut self, frames: &mut Frames) -> Result<(), LogsError> {
        frames.close(self.synced);
        let bytes = std::mem::take(&mut frames.closed);
        let written = self.file.write_all(&bytes);
        if let Err(error) = written {
            self.take_back();
            return Err(failed(&self.path, &error));
        }
        if let Err(error) = self.file.sync_data() {
            self.take_back();
            self.is_broken = true;
            return Err(failed(&self.path, &error));
        }
        self.synced += bytes.len() as u64;
        Ok(())
    }

    /// Cuts off what was not acknowledged.
    fn take_back(&mut self) {
        let cut = self.file.set_len(self.synced);
        let back = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.synced)));
        self.is_broken |= back.is_err();
    }
}

/// An append as the journal has it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) group: u64,
    pub(crate) batch: Batch,
}

/// Reads a journal through and cuts off what a crash left at its end. The last sequence before it; `None` when not even its
/// header was finished, and so nothing acknowledged.
pub(crate) fn recover(path: &Path, mut each: impl FnMut(Record)) -> Result<Option<u64>, OpenError> {
    let io = |action| {
        move |source| OpenError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let damaged = |detail: &str| OpenError::Damaged {
        path: path.to_owned(),
        detail: detail.to_owned(),
    };
    let mut bytes = Vec::new();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(io("open"))?;
    file.read_to_end(&mut bytes).map_err(io("read"))?;
    let Some(last_sequence) = read_header(&bytes) else {
        if bytes.len() > FILE_HEADER_BYTES {
            return Err(damaged("it does not begin as a journal"));
        }
        return Ok(None);
    };
    let mut at = FILE_HEADER_BYTES;
    while let Some(frame) = Frame::at(&bytes, at) {
        let raw = lz4_flex::block::decompress(frame.stored, frame.raw_bytes)
            .map_err(|_| damaged("a frame cannot be read"))?;
        read_records(&raw, &mut each).ok_or_else(|| damaged("a frame cannot be read"))?;
        at = frame.end;
    }
    if at < bytes.len() {
        if was_acknowledged(&bytes, at) {
            return Err(damaged("the checksum of a frame is wrong"));
        }
        let cut = file.set_len(at as u64).and_then(|()| file.sync_all());
        cut.map_err(io("cut off the unfinished end of"))?;
    }
    Ok(Some(last_sequence))
}

fn read_header(bytes: &[u8]) -> Option<u64> {
    let header = bytes.get(..FILE_HEADER_BYTES)?;
    let (said, checksum) = header.split_at_checked(FILE_HEADER_BYTES - 4)?;
    let mut reader = Reader::new(said);
    let is_ours = reader.take(8)? == FILE_MAGIC && checksum == crc32fast::hash(said).to_le_bytes();
    reader.fixed_u64()?;
    reader.fixed_u64().filter(|_| is_ours)
}

/// Whether bytes from `at` on had been synced: a later frame, whole, says so.
fn was_acknowledged(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let candidates = rest
        .windows(FRAME_MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == FRAME_MAGIC);
    candidates
        .filter_map(|(offset, _)| Frame::at(bytes, at + offset))
        .any(|frame| frame.synced > at as u64)
}

struct Frame<'a> {
    stored: &'a [u8],
    raw_bytes: usize,
    synced: u64,
    end: usize,
}

impl<'a> Frame<'a> {
    /// The frame that begins there, if it is whole.
    fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let rest = bytes.get(at..)?;
        let mut reader = Reader::new(rest);
        if reader.take(4)? != FRAME_MAGIC {
            return None;
        }
        let said = rest.get(4..FRAME_HEADER_BYTES - 4)?;
        let (stored_bytes, raw_bytes) = (reader.fixed_u32()?, reader.fixed_u32()?);
        let (synced, checksum) = (reader.fixed_u64()?, reader.fixed_u32()?);
        let stored = reader.take(stored_bytes as usize)?;
        (raw_bytes <= FRAME_RAW_BYTES_MAX && frame_checksum(said, stored) == checksum).then_some(Self {
            stored,
            raw_bytes: raw_bytes as usize,
            synced,
            end: at + FRAME_HEADER_BYTES + stored.len(),
        })
    }
}

fn read_records(raw: &[u8], each: &mut impl FnMut(Record)) -> Option<()> {
    let mut reader = Reader::new(raw);
    while !reader.is_empty() {
        let number = reader.u64()?;
        let is_sealed = number == SEALED;
        let group = if is_sealed { reader.u64()? } else { number };
        let stream = StreamId::new(reader.text()?);
        let batch = match is_sealed {
            true => Batch::read_sealed(stream, &mut reader)?,
            false => Batch {
                stream,
                first_sequence: reader.u64()?,
                ingestion_time: Timestamp::from_millis(reader.i64()?),
                packed: Packed::read(reader.bytes()?)?,
            },
        };
        each(Record { group, batch });
    }
    Some(())
}
