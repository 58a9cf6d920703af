//! Leases: which keys live under which, and until when.
//!
//! Which leases there are and what lives under them is stored; until when they live is not, as in etcd: keeping a
//! lease alive costs no write, and opening a store gives every lease its whole time again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::Timestamp;

use crate::draft::LeaseStep;
use crate::engine::Snapshot;
use crate::record::{ATTACHMENTS, LEASES, number, split_lease};
use crate::{LeaseId, StoreError};

#[derive(Debug)]
struct Lease {
    ttl_ms: i64,
    deadline_ms: i64,
    /// Its end is decided; it may still be in the table because the write is not final or failed.
    expiring: bool,
    keys: BTreeSet<Arc<[u8]>>,
}

/// All leases, as decided.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    by_id: BTreeMap<LeaseId, Lease>,
}

impl Leases {
    /// The leases as they are stored, each with its whole time from `now`.
    pub(crate) fn load(snapshot: &dyn Snapshot, now: Timestamp) -> Result<Self, StoreError> {
        let mut leases = Self::default();
        snapshot.scan(LEASES, &mut |raw, ttl| {
            if !raw.starts_with(LEASES) {
                return Ok(false);
            }
            let ttl_ms = i64::try_from(number(ttl)?).unwrap_or(i64::MAX);
            leases.grant(split_lease(raw)?.0, ttl_ms, now);
            Ok(true)
        })?;
        snapshot.scan(ATTACHMENTS, &mut |raw, _| {
            if !raw.starts_with(ATTACHMENTS) {
                return Ok(false);
            }
            let (lease, key) = split_lease(raw)?;
            leases.attach(lease, key);
            Ok(true)
        })?;
        Ok(leases)
    }

    pub(crate) fn take(&mut self, step: &LeaseStep, now: Timestamp) {
        match step {
            LeaseStep::Grant { lease, ttl_ms } => self.grant(*lease, *ttl_ms, now),
            LeaseStep::Attach { lease, key } => self.attach(*lease, key),
            LeaseStep::Detach { lease, key } => self.detach(*lease, key),
            LeaseStep::End { lease } => {
                self.by_id.remove(lease);
            }
        }
    }

    fn grant(&mut self, id: LeaseId, ttl_ms: i64, now: Timestamp) {
        let deadline_ms = now.as_millis().saturating_add(ttl_ms);
        self.by_id.insert(
            id,
            Lease {
                ttl_ms,
                deadline_ms,
                expiring: false,
                keys: BTreeSet::new(),
            },
        );
    }

    pub(crate) fn keep_alive(&mut self, id: LeaseId, now: Timestamp) -> Result<(), StoreError> {
        let lease = self.by_id.get_mut(&id).filter(|lease| !lease.expiring);
        let lease = lease.ok_or(StoreError::NoSuchLease(id))?;
        lease.deadline_ms = now.as_millis().saturating_add(lease.ttl_ms);
        Ok(())
    }

    /// Fails unless keys can be put under the lease.
    pub(crate) fn check(&self, id: LeaseId) -> Result<(), StoreError> {
        match self.by_id.get(&id) {
            Some(lease) if !lease.expiring => Ok(()),
            _ => Err(StoreError::NoSuchLease(id)),
        }
    }

    /// The keys that end with the lease.
    pub(crate) fn keys(&self, id: LeaseId) -> Result<Vec<Arc<[u8]>>, StoreError> {
        let lease = self.by_id.get(&id).ok_or(StoreError::NoSuchLease(id))?;
        Ok(lease.keys.iter().cloned().collect())
    }

    /// The leases whose time is over; from now on they cannot be kept alive.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<LeaseId> {
        let over = self
            .by_id
            .iter_mut()
            .filter(|(_, lease)| lease.deadline_ms <= now.as_millis());
        over.map(|(id, lease)| {
            lease.expiring = true;
            *id
        })
        .collect()
    }

    fn attach(&mut self, id: LeaseId, key: &[u8]) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.insert(key.into());
        }
    }

    fn detach(&mut self, id: LeaseId, key: &[u8]) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.remove(key);
        }
    }
}
