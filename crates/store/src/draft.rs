//! Deciding: what a transaction would change, worked out on paper before anything is touched.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::{Engine, Snapshot, Write};
use crate::record::{Record, attachment_key, document_key, lease_key};
use crate::{Change, Compare, Event, LeaseId, Revision, StoreError};

/// Writes decided but not yet final, over the engine's final picture.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    by_key: HashMap<Arc<[u8]>, Decided>,
}

/// The newest decided write of a raw key.
#[derive(Debug)]
struct Decided {
    job: u64,
    value: Option<Arc<[u8]>>,
}

impl Overlay {
    /// Notes the writes of job `number`.
    pub(crate) fn add(&mut self, number: u64, writes: &[Write]) {
        for (key, value) in writes {
            self.by_key.insert(
                Arc::clone(key),
                Decided {
                    job: number,
                    value: value.clone(),
                },
            );
        }
    }

    /// The writes of job `number` are final: the engine shows them.
    pub(crate) fn settle(&mut self, number: u64, writes: &[Write]) {
        for (key, _) in writes {
            if self.by_key.get(key).is_some_and(|decided| decided.job == number) {
                self.by_key.remove(key);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.by_key.clear();
    }
}

/// The state every new transaction is decided on: the overlay, and the engine's picture below it.
pub(crate) struct Ground<'a> {
    overlay: &'a Overlay,
    engine: &'a dyn Engine,
    snapshot: Option<Box<dyn Snapshot + 'a>>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(overlay: &'a Overlay, engine: &'a dyn Engine) -> Self {
        Self {
            overlay,
            engine,
            snapshot: None,
        }
    }

    /// The raw document of a key.
    fn document(&mut self, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        let raw = document_key(key);
        if let Some(decided) = self.overlay.by_key.get(raw.as_slice()) {
            return Ok(decided.value.clone());
        }
        let snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => self.engine.snapshot()?,
        };
        self.snapshot.insert(snapshot).get(&raw)
    }

    pub(crate) fn holds(&mut self, compare: &Compare) -> Result<bool, StoreError> {
        let document = self.document(compare.key())?;
        let Some(record) = document.as_deref().map(Record::decode).transpose()? else {
            return Ok(matches!(compare, Compare::Absent(_)));
        };
        Ok(match compare {
            Compare::Absent(_) => false,
            Compare::Present(_) => true,
            Compare::ModRevision(_, at) => record.mod_revision == *at,
            Compare::CreateRevision(_, at) => record.create_revision == *at,
            Compare::Value(_, value) => record.value == value.as_slice(),
        })
    }
}

/// What becomes of a lease when the draft is applied.
#[derive(Debug)]
pub(crate) enum LeaseStep {
    Grant { lease: LeaseId, ttl_ms: i64 },
    Attach { lease: LeaseId, key: Vec<u8> },
    Detach { lease: LeaseId, key: Vec<u8> },
    End { lease: LeaseId },
}

/// The effect of a transaction, not yet applied.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) revision: Revision,
    pub(crate) writes: Vec<Write>,
    pub(crate) events: Vec<Event>,
    pub(crate) lease_steps: Vec<LeaseStep>,
}

impl Draft {
    /// An empty draft whose changes will have this revision.
    pub(crate) fn new(revision: Revision) -> Self {
        Self {
            revision,
            writes: Vec::new(),
            events: Vec::new(),
            lease_steps: Vec::new(),
        }
    }

    /// How much of the queue it takes up.
    pub(crate) fn bytes(&self) -> usize {
        self.writes
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, |value| value.len()))
            .sum()
    }

    pub(crate) fn change(&mut self, ground: &mut Ground<'_>, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Put { key, value, lease } => self.put(ground, &key, &value, lease),
            Change::Delete { key } => self.delete(ground, &key),
        }
    }

    fn put(
        &mut self,
        ground: &mut Ground<'_>,
        key: &[u8],
        value: &[u8],
        lease: Option<LeaseId>,
    ) -> Result<(), StoreError> {
        let before = ground.document(key)?;
        let before = before.as_deref().map(Record::decode).transpose()?;
        let create_revision = before.map_or(self.revision, |before| before.create_revision);
        let record = Record {
            create_revision,
            mod_revision: self.revision,
            lease,
            value,
        };
        self.write(document_key(key), Some(record.encode()));
        self.move_lease(key, before.and_then(|before| before.lease), lease);
        self.events.push(Event::Put(record.entry(key)));
        Ok(())
    }

    pub(crate) fn delete(&mut self, ground: &mut Ground<'_>, key: &[u8]) -> Result<(), StoreError> {
        let Some(before) = ground.document(key)? else {
            return Ok(());
        };
        self.write(document_key(key), None);
        self.move_lease(key, Record::decode(&before)?.lease, None);
        self.events.push(Event::Delete { key: key.into() });
        Ok(())
    }

    pub(crate) fn grant(&mut self, lease: LeaseId, ttl_ms: i64) {
        self.write(
            lease_key(lease),
            Some(Arc::from(ttl_ms.unsigned_abs().to_be_bytes().as_slice())),
        );
        self.lease_steps.push(LeaseStep::Grant { lease, ttl_ms });
    }

    pub(crate) fn end_lease(&mut self, lease: LeaseId) {
        self.write(lease_key(lease), None);
        self.lease_steps.push(LeaseStep::End { lease });
    }

    fn move_lease(&mut self, key: &[u8], from: Option<LeaseId>, to: Option<LeaseId>) {
        if from == to {
            return;
        }
        if let Some(lease) = from {
            self.write(attachment_key(lease, key), None);
            self.lease_steps.push(LeaseStep::Detach {
                lease,
                key: key.to_vec(),
            });
        }
        if let Some(lease) = to {
            self.write(attachment_key(lease, key), Some(Arc::default()));
            self.lease_steps.push(LeaseStep::Attach {
                lease,
                key: key.to_vec(),
            });
        }
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Arc<[u8]>>) {
        self.writes.push((key.into(), value));
    }
}
