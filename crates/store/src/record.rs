//! How documents, leases and the revision stand in an engine's ordered bytes.
//!
//! | raw key | raw value |
//! |---|---|
//! | `r` | newest revision |
//! | `k` + key | create revision, mod revision, lease (0: none), value |
//! | `l` + lease | time to live in milliseconds |
//! | `i` + lease + key | nothing: the key lives under the lease |
//!
//! Numbers are 8 bytes, big-endian, so that they sort.

use std::sync::Arc;

use crate::engine::Snapshot;
use crate::{Entry, LeaseId, Revision, StoreError};

/// The raw key of the newest revision.
pub(crate) const REVISION_KEY: &[u8] = b"r";
/// What the raw keys of leases begin with.
pub(crate) const LEASES: &[u8] = b"l";
/// What the raw keys of leased keys begin with.
pub(crate) const ATTACHMENTS: &[u8] = b"i";

const NUMBER_BYTES: usize = size_of::<u64>();

/// A stored document without its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) create_revision: Revision,
    pub(crate) mod_revision: Revision,
    pub(crate) lease: Option<LeaseId>,
    pub(crate) value: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, StoreError> {
        let (create_revision, rest) = split_number(bytes)?;
        let (mod_revision, rest) = split_number(rest)?;
        let (lease, value) = split_number(rest)?;
        Ok(Self {
            create_revision: Revision(create_revision),
            mod_revision: Revision(mod_revision),
            lease: (lease != 0).then_some(LeaseId(lease)),
            value,
        })
    }

    pub(crate) fn encode(&self) -> Arc<[u8]> {
        let lease = self.lease.map_or(0, |lease| lease.0);
        let mut bytes = Vec::with_capacity(3 * NUMBER_BYTES + self.value.len());
        for number in [self.create_revision.0, self.mod_revision.0, lease] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(self.value);
        bytes.into()
    }

    pub(crate) fn entry(&self, key: &[u8]) -> Entry {
        Entry {
            key: key.into(),
            value: self.value.into(),
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            lease: self.lease,
        }
    }
}

pub(crate) fn document_key(key: &[u8]) -> Vec<u8> {
    [b"k", key].concat()
}

/// The key of a document, from its raw key.
pub(crate) fn document_name(raw: &[u8]) -> Option<&[u8]> {
    raw.strip_prefix(b"k")
}

pub(crate) fn lease_key(lease: LeaseId) -> Vec<u8> {
    [LEASES, &lease.0.to_be_bytes()].concat()
}

pub(crate) fn attachment_key(lease: LeaseId, key: &[u8]) -> Vec<u8> {
    [ATTACHMENTS, &lease.0.to_be_bytes(), key].concat()
}

/// The lease in a raw key of a lease or a leased key, and what follows it.
pub(crate) fn split_lease(raw: &[u8]) -> Result<(LeaseId, &[u8]), StoreError> {
    let (lease, rest) = split_number(raw.get(1..).unwrap_or_default())?;
    Ok((LeaseId(lease), rest))
}

pub(crate) fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    split_number(bytes).map(|(number, _)| number)
}

/// The newest revision in a picture.
pub(crate) fn revision(snapshot: &dyn Snapshot) -> Result<Revision, StoreError> {
    match snapshot.get(REVISION_KEY)? {
        Some(bytes) => number(&bytes).map(Revision),
        None => Ok(Revision(0)),
    }
}

fn split_number(bytes: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    bytes
        .split_first_chunk()
        .map(|(number, rest)| (u64::from_be_bytes(*number), rest))
        .ok_or_else(|| StoreError::Corrupt("a record is too short".to_owned()))
}
