//! Refusals and policies as bytes.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use portcullis_store::{VALUE_BYTES_MAX, Vault};
use serde::Serialize;

use super::case::{Case, Dossier};
use super::details::Kept;

/// Largest form of one document, in bytes.
const BYTES_MAX: usize = VALUE_BYTES_MAX / 2;
/// Largest plain form read back, in bytes.
const PLAIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What is smaller is not packed: to begin packing costs more than all the rest.
const PACKED_FROM: usize = 4 * 1024;

const PURPOSE: &str = "authorization-policies";

/// What the first byte says of the others.
const CASE: u8 = 0;
const PACKED_CASE: u8 = 1;
const KEPT: u8 = 2;

/// A refusal as it lies on the shelf.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    /// Its authorization id.
    pub(super) id: String,
    /// The refusal itself.
    pub(super) bytes: Vec<u8>,
    /// The policies it needs.
    pub(super) file: Option<Arc<File>>,
}

/// The policies of a caller as bytes, named by what they say.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: FileName,
    plain: Vec<u8>,
}

/// Follows from what the policies say; nobody without the vault can tell from it what that is.
pub(super) type FileName = [u8; 16];

/// What a sheet holds.
pub(super) enum Content {
    /// To be decided again.
    Case(Box<Case>),
    /// What was too heavy for that.
    Kept(Box<Kept>),
}

impl File {
    /// `None` when they are too heavy.
    pub(super) fn of(dossier: &Dossier<'_>, vault: &Vault) -> Option<Self> {
        let plain = serde_json::to_vec(dossier).ok()?;
        let hash = vault.derive(PURPOSE, &plain);
        let name = hash.first_chunk().copied()?;
        (plain.len() <= BYTES_MAX).then_some(Self { name, plain })
    }

    /// The bytes to store.
    pub(super) fn pack(&self) -> Option<Vec<u8>> {
        deflate(&self.plain)
    }

    /// The text that [`pack`](Self::pack) packed.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
        inflate(bytes)
    }
}

/// A refusal to be decided again; `None` when it is too heavy.
pub(super) fn of_case(case: &Case) -> Option<Vec<u8>> {
    let mut bytes = vec![CASE];
    serde_json::to_writer(&mut bytes, case).ok()?;
    if bytes.len() >= PACKED_FROM {
        bytes = [vec![PACKED_CASE], deflate(bytes.get(1..)?)?].concat();
    }
    (bytes.len() <= BYTES_MAX).then_some(bytes)
}

/// A refusal in words; `None` when it is too heavy even without policies and statements.
pub(super) fn of_kept(kept: &Kept) -> Option<Vec<u8>> {
    let packed = kept.lightest(deflate_json)?;
    (packed.len() < BYTES_MAX).then(|| [vec![KEPT], packed].concat())
}

/// What [`of_case`] or [`of_kept`] made.
pub(super) fn read(bytes: &[u8]) -> Option<Content> {
    let (kind, rest) = bytes.split_first()?;
    let case = |plain: &[u8]| Some(Content::Case(serde_json::from_slice(plain).ok()?));
    match *kind {
        CASE => case(rest),
        PACKED_CASE => case(&inflate(rest)?),
        KEPT => Some(Content::Kept(serde_json::from_slice(&inflate(rest)?).ok()?)),
        _ => None,
    }
}

fn deflate(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

fn deflate_json(value: &impl Serialize) -> Option<Vec<u8>> {
    deflate(&serde_json::to_vec(value).ok()?)
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes).take(PLAIN_BYTES_MAX);
    decoder.read_to_end(&mut plain).ok()?;
    Some(plain)
}
