//! The `aws-chunked` encoding: chunks with their size and perhaps their signature before them, and perhaps headers after the
//! last. Read as the bytes come, whatever pieces they come in; what is kept is never more than a line.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::s3::ChunkVerifier;

/// Longest line before a chunk: its size, its signature.
const LINE_BYTES_MAX: usize = 1_024;
/// Most headers after the last chunk.
const TRAILERS_MAX: usize = 16;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Why a body in chunks is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// It is not in that form.
    #[error("the body is no sequence of chunks")]
    Malformed,
    /// A signature is not that of its chunk.
    #[error("the signature of a chunk is not right")]
    Mismatch,
    /// It ended before its last chunk.
    #[error("the body ends before its last chunk")]
    Incomplete,
}

/// A body on its way.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    line: Vec<u8>,
    verifier: Option<ChunkVerifier>,
    has_trailer: bool,
    digest: Sha256,
    signature: String,
    trailers: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a chunk.
    Size,
    /// In a chunk, with so many bytes to come.
    Data(u64),
    /// After the bytes of a chunk: the end of its line.
    DataEnd,
    /// After the last chunk.
    Trailer,
    /// After the end.
    Done,
}

impl Chunked {
    /// A body whose chunks are signed when there is a verifier, and followed by headers if it says so.
    pub fn new(verifier: Option<ChunkVerifier>, has_trailer: bool) -> Self {
        Self {
            state: State::Size,
            line: Vec::new(),
            verifier,
            has_trailer,
            digest: Sha256::new(),
            signature: String::new(),
            trailers: Vec::new(),
        }
    }

    /// Reads the next bytes; `take` gets those of chunks, whose signature is verified only at their end.
    pub fn push(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), ChunkError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.state {
                State::Data(left) => self.data(rest, left, take)?,
                State::Done => after_the_end(rest)?,
                State::Size | State::DataEnd | State::Trailer => self.read_line(rest)?,
            };
        }
        Ok(())
    }

    /// The headers after the last chunk, names in lower case.
    pub fn finish(self) -> Result<Vec<(String, String)>, ChunkError> {
        match self.state {
            State::Done => Ok(self.trailers),
            _ => Err(ChunkError::Incomplete),
        }
    }

    fn data<'b>(
        &mut self,
        bytes: &'b [u8],
        left: u64,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<&'b [u8], ChunkError> {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (data, rest) = bytes.split_at_checked(length).ok_or(ChunkError::Malformed)?;
        if self.verifier.is_some() {
            self.digest.update(data);
        }
        take(data);
        self.state = match left - u64::try_from(length).unwrap_or(left) {
            0 => State::DataEnd,
            left => State::Data(left),
        };
        Ok(rest)
    }

    fn read_line<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], ChunkError> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, rest) = match end {
            Some(end) => bytes.split_at_checked(end + 1).ok_or(ChunkError::Malformed)?,
            None => (bytes, b"".as_slice()),
        };
        self.line.extend_from_slice(part);
        if self.line.len() > LINE_BYTES_MAX {
            return Err(ChunkError::Malformed);
        }
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8(line).map_err(|_| ChunkError::Malformed)?;
            self.line_read(line.trim_end_matches(['\r', '\n']))?;
        }
        Ok(rest)
    }

    fn line_read(&mut self, line: &str) -> Result<(), ChunkError> {
        match self.state {
            State::Size => self.chunk_begins(line),
            State::DataEnd if line.is_empty() => {
                self.verify_chunk()?;
                self.state = State::Size;
                Ok(())
            }
            State::Trailer => self.trailer(line),
            State::DataEnd | State::Data(_) | State::Done => Err(ChunkError::Malformed),
        }
    }

    fn chunk_begins(&mut self, line: &str) -> Result<(), ChunkError> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let plain = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| plain);
        let size = size.ok_or(ChunkError::Malformed)?;
        let signature = extension.trim().strip_prefix("chunk-signature=");
        signature.unwrap_or_default().clone_into(&mut self.signature);
        self.state = match size {
            0 => {
                self.verify_chunk()?;
                State::Trailer
            }
            size => State::Data(size),
        };
        Ok(())
    }

    fn verify_chunk(&mut self) -> Result<(), ChunkError> {
        let Some(verifier) = &mut self.verifier else {
            return Ok(());
        };
        let digest = std::mem::take(&mut self.digest).finalize();
        let verified = verifier.verify_chunk(&digest, &self.signature);
        verified.map_err(|_| ChunkError::Mismatch)
    }

    fn trailer(&mut self, line: &str) -> Result<(), ChunkError> {
        if line.is_empty() {
            // AWS's own example has an empty line between the headers and their signature.
            let is_signed = |(name, _): &(String, String)| name == TRAILER_SIGNATURE;
            let awaits = self.has_trailer && self.verifier.is_some() && !self.trailers.is_empty();
            return match awaits && !self.trailers.iter().any(is_signed) {
                true => Ok(()),
                false => self.end(),
            };
        }
        let (name, value) = line.split_once(':').ok_or(ChunkError::Malformed)?;
        if !self.has_trailer || self.trailers.len() >= TRAILERS_MAX {
            return Err(ChunkError::Malformed);
        }
        let trailer = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        self.trailers.push(trailer);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ChunkError> {
        let signature = self
            .trailers
            .iter()
            .position(|(name, _)| name == TRAILER_SIGNATURE);
        let signature = signature.map(|index| self.trailers.remove(index).1);
        if let Some(verifier) = self.verifier.as_mut().filter(|_| self.has_trailer) {
            let line = |(name, value): &(String, String)| format!("{name}:{value}\n");
            let lines: String = self.trailers.iter().map(line).collect();
            let signature = signature.ok_or(ChunkError::Mismatch)?;
            let verified = verifier.verify_trailer(&lines, &signature);
            verified.map_err(|_| ChunkError::Mismatch)?;
        }
        self.state = State::Done;
        Ok(())
    }
}

fn after_the_end(bytes: &[u8]) -> Result<&[u8], ChunkError> {
    let is_end = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
    if is_end {
        Ok(b"")
    } else {
        Err(ChunkError::Malformed)
    }
}
