//! The store as its users see it, over any engine.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_core::{Clock, Timestamp};

use crate::draft::Draft;
use crate::engine::{Engine, Snapshot};
use crate::ledger::{Ledger, Phase, Road};
use crate::queue::Queue;
use crate::record::{self, Record, document_key, document_name};
use crate::{
    Durability, Entry, Epoch, LeaseId, Page, Pending, Revision, Store, StoreError, Txn, Watch, writer,
};

/// The documents over one engine, and the thread that writes them.
pub(crate) struct Documents<E: Engine> {
    ledger: Arc<Ledger<E>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<E: Engine> Documents<E> {
    /// Over an engine whose writes wait for nothing: the callers' threads write.
    pub(crate) fn inline(engine: E, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let ledger = Ledger::new(engine, Road::Inline, clock)?;
        Ok(Self {
            ledger: Arc::new(ledger),
            writer: Mutex::new(None),
        })
    }

    /// Over an engine that waits for a disk: one thread writes for everybody, many writes at a time.
    pub(crate) fn with_writer(engine: E, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        let ledger = Arc::new(Ledger::new(engine, Road::Queue(Arc::clone(&queue)), clock)?);
        let writer = writer::start(Arc::clone(&ledger), queue)?;
        Ok(Self {
            ledger,
            writer: Mutex::new(Some(writer)),
        })
    }
}

impl<E: Engine> fmt::Debug for Documents<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Documents({:?} at revision {})",
            self.ledger.engine,
            self.revision()
        )
    }
}

impl<E: Engine> Drop for Documents<E> {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl<E: Engine> Store for Documents<E> {
    fn revision(&self) -> Revision {
        self.ledger.hub().revision()
    }

    fn epoch(&self) -> Epoch {
        Epoch(self.ledger.state().epoch)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let document = self.ledger.engine.snapshot()?.get(&document_key(key))?;
        document
            .map(|bytes| Record::decode(&bytes).map(|record| record.entry(key)))
            .transpose()
    }

    fn range(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        let snapshot = self.ledger.engine.snapshot()?;
        page(&*snapshot, prefix, after, limit)
    }

    fn commit(&self, txn: Txn) -> Result<Pending, StoreError> {
        txn.check()?;
        let mut state = self.ledger.state();
        state.ready()?;
        if txn.epoch.is_some_and(|epoch| epoch.0 != state.epoch) {
            return Err(StoreError::Superseded);
        }
        let durability = txn.durability;
        let (draft, succeeded) = self.ledger.decide(&state, txn)?;
        self.ledger.submit(&mut state, draft, succeeded, durability)
    }

    fn watch(&self, prefix: &[u8], from: Revision) -> Result<Watch, StoreError> {
        match self.ledger.state().phase {
            Phase::Closed => Err(StoreError::Closed),
            _ => self.ledger.hub().watch(prefix, from),
        }
    }

    fn grant_lease(&self, ttl: Duration) -> Result<(LeaseId, Pending), StoreError> {
        let mut state = self.ledger.state();
        state.ready()?;
        let mut draft = Draft::new(state.decided.next());
        let lease = LeaseId(draft.revision.0);
        draft.grant(lease, i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        self.ledger
            .submit(&mut state, draft, true, Durability::Synced)
            .map(|pending| (lease, pending))
    }

    fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        let mut state = self.ledger.state();
        state.ready()?;
        state.leases.keep_alive(lease, self.ledger.clock.now())
    }

    fn revoke_lease(&self, lease: LeaseId) -> Result<Pending, StoreError> {
        let mut state = self.ledger.state();
        state.ready()?;
        let draft = self.ledger.decide_end(&state, &[lease])?;
        self.ledger.submit(&mut state, draft, true, Durability::Synced)
    }

    fn expire_leases(&self, now: Timestamp) -> Result<Option<Pending>, StoreError> {
        let mut state = self.ledger.state();
        state.ready()?;
        let over = state.leases.expire(now);
        if over.is_empty() {
            return Ok(None);
        }
        let draft = self.ledger.decide_end(&state, &over)?;
        self.ledger
            .submit(&mut state, draft, true, Durability::Synced)
            .map(Some)
    }

    fn shutdown(&self) {
        self.ledger.close_entrance();
        // Held until the writer has ended, so that a second caller does not close the files under it.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer ended in a panic");
        }
        self.ledger.engine.close();
        self.ledger.hub().end_watches(&StoreError::Closed);
    }
}

fn page(
    snapshot: &dyn Snapshot,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Page, StoreError> {
    let mut page = Page {
        revision: record::revision(snapshot)?,
        entries: Vec::new(),
        more: false,
    };
    let from = match after.filter(|after| *after >= prefix) {
        Some(after) => [after, b"\0"].concat(),
        None => prefix.to_vec(),
    };
    snapshot.scan(&document_key(&from), &mut |raw, document| {
        let Some(key) = document_name(raw).filter(|key| key.starts_with(prefix)) else {
            return Ok(false);
        };
        if page.entries.len() >= limit {
            page.more = true;
            return Ok(false);
        }
        page.entries.push(Record::decode(document)?.entry(key));
        Ok(true)
    })?;
    Ok(page)
}
