//! The picture of all state, and the one way to change it.
//!
//! Readers take the published picture from one atomic pointer. Writers queue behind one lock, each working on the
//! picture its predecessor left; the store makes them last in that order, many to a disk write, and only then is
//! the new picture published and the caller answered.

pub mod changes;
pub mod compiled;
mod guesses;
mod image_notes;
pub mod managed;
pub mod marks;
mod neighbours;
pub mod records;
mod snapshot;
mod table;
mod tx;
mod uses;

use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_blobs::Blobs;
use portcullis_core::{AccountId, Clock, Random, Timestamp};
use portcullis_logs::Logs;
use portcullis_store::{Epoch, Pending, Store, StoreError, Txn, Vault, namespace};
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::agents::alarm::Alarms;
use crate::events::Bus;
use crate::telemetry::Telemetry;
use changes::Changed;
pub use guesses::MfaGuesses;
pub use image_notes::ImageNotes;
pub(crate) use image_notes::UNFINISHED_MAX;
pub use neighbours::Neighbours;
pub use snapshot::{Attachment, Snapshot, Usage, attachment_prefix};
pub use table::Table;
pub use tx::Tx;
pub use uses::{ActionName, Noted, Use, Uses};

/// Why a change did not happen.
#[derive(Debug, Error)]
pub enum WriteError<E> {
    /// The change itself was refused; nothing happened.
    #[error("{0}")]
    Refused(E),
    /// The store could not keep it; nothing happened.
    #[error("the store could not keep a change: {0}")]
    Store(#[from] StoreError),
}

/// All state of one account.
#[derive(Debug)]
pub struct World {
    account: AccountId,
    state: Arc<State>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    guesses: Arc<MfaGuesses>,
    uses: Arc<Uses>,
    telemetry: Arc<Telemetry>,
    alarms: Arc<Alarms>,
    blobs: Arc<Blobs>,
    logs: Arc<Logs>,
    images: Arc<ImageNotes>,
}

/// What outlives a caller who goes away in the middle of a change.
#[derive(Debug)]
struct State {
    published: ArcSwap<Snapshot>,
    /// Changes take turns. Those that wait leave their thread to other calls.
    writer: Mutex<Writer>,
    changed: watch::Sender<u64>,
    events: Arc<Bus>,
    store: Arc<dyn Store>,
}

/// A change on its way to the disk.
struct Committing {
    commit: Result<Pending, StoreError>,
    snapshot: Arc<Snapshot>,
    epoch: Epoch,
    at: Timestamp,
    changes: Vec<Changed>,
}

#[derive(Debug)]
struct Writer {
    /// What the next change builds on: published, or on its way to the disk.
    pending: Arc<Snapshot>,
    /// The stretch of the store's life that picture belongs to; a failed write ends it.
    epoch: Epoch,
}

impl World {
    /// Reads all state of a server's first account from the store.
    pub fn open(
        account: AccountId,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StoreError> {
        let neighbours = Arc::default();
        Ok(Self {
            state: State::open(account.clone(), store, neighbours, clock.now())?,
            account,
            vault,
            blobs: Arc::new(Blobs::in_memory(Arc::clone(&clock), Arc::clone(&random))),
            images: Arc::default(),
            logs: Arc::new(Logs::in_memory(
                Arc::clone(&clock),
                portcullis_logs::Options::default(),
            )),
            clock,
            random,
            guesses: Arc::default(),
            uses: Arc::default(),
            telemetry: Arc::default(),
            alarms: Arc::default(),
        })
    }

    /// Keeps the bytes of images and objects, and log events, elsewhere than in memory. For all accounts of a server alike.
    #[must_use]
    pub fn with_stores(mut self, blobs: Arc<Blobs>, logs: Arc<Logs>) -> Self {
        self.blobs = blobs;
        self.logs = logs;
        self
    }

    /// What is noted of images in memory.
    pub(crate) fn images(&self) -> &Arc<ImageNotes> {
        &self.images
    }

    /// The bytes of images and objects, of all accounts.
    pub fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }

    /// Log events, of all accounts.
    pub fn logs(&self) -> &Arc<Logs> {
        &self.logs
    }

    /// Reads all state of another account of this server, which lives under a prefix of its own in the same store.
    pub fn open_account(&self, account: AccountId) -> Result<Self, StoreError> {
        let store = namespace(Arc::clone(self.store()), format!("@{account}/"));
        let neighbours = Arc::clone(self.view().neighbours());
        Ok(Self {
            state: State::open(account.clone(), store, neighbours, self.clock.now())?,
            account,
            vault: Arc::clone(&self.vault),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            guesses: Arc::default(),
            uses: Arc::default(),
            telemetry: Arc::default(),
            alarms: Arc::default(),
            blobs: Arc::clone(&self.blobs),
            images: Arc::default(),
            logs: Arc::clone(&self.logs),
        })
    }

    /// Whose state it is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The published picture.
    pub fn view(&self) -> Arc<Snapshot> {
        self.state.published.load_full()
    }

    /// Tells of each newly published picture by its sequence number.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.state.changed.subscribe()
    }

    /// What happened to tasks, container instances and services.
    pub fn events(&self) -> &Arc<Bus> {
        &self.state.events
    }

    /// The store, for what the picture does not hold.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.state.store
    }

    /// The vault.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The randomness.
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.random
    }

    /// Wrong MFA codes, which outlive the refused changes they came with.
    pub fn guesses(&self) -> &Arc<MfaGuesses> {
        &self.guesses
    }

    /// What agents tell beside their tasks' states.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// When agents' operators were told of something last.
    pub(crate) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Who used what since it was last written down.
    pub fn uses(&self) -> &Arc<Uses> {
        &self.uses
    }

    /// Makes a change and waits until it lasts and is published. The function may look at everything, also at what
    /// others are about to publish; it runs under the writers' lock, so it must not wait for anything.
    pub async fn write<R, E>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<R, WriteError<E>> {
        let (result, committing) = {
            let mut writer = self.state.writer.lock().await;
            let mut tx = Tx::new(
                &writer.pending,
                self.clock.now(),
                self.random.as_ref(),
                &self.vault,
                &self.guesses,
            );
            let result = change(&mut tx).map_err(WriteError::Refused)?;
            let at = tx.now;
            let (snapshot, edits, changes) = tx.finish();
            let snapshot = Arc::new(snapshot);
            let commit = self.state.store.commit(Txn::of(edits).at(writer.epoch));
            if commit.is_ok() {
                writer.pending = Arc::clone(&snapshot);
            }
            let committing = Committing {
                commit,
                snapshot,
                epoch: writer.epoch,
                at,
                changes,
            };
            (result, committing)
        };
        // A caller who goes away while the disk writes must not keep the others from seeing the change.
        let settled = tokio::spawn(Arc::clone(&self.state).settle(committing));
        match settled.await {
            Ok(settled) => settled.map(|()| result).map_err(WriteError::Store),
            Err(_) => Err(WriteError::Store(StoreError::Closed)),
        }
    }
}

impl State {
    fn open(
        account: AccountId,
        store: Arc<dyn Store>,
        neighbours: Arc<Neighbours>,
        now: Timestamp,
    ) -> Result<Arc<Self>, StoreError> {
        let epoch = store.epoch();
        let mut snapshot = Snapshot::empty_among(Arc::clone(&neighbours), account.clone());
        records::load_all(&mut snapshot, store.as_ref())?;
        let snapshot = Arc::new(snapshot);
        let writer = Mutex::new(Writer {
            pending: Arc::clone(&snapshot),
            epoch,
        });
        let (changed, _) = watch::channel(0);
        let state = Arc::new(Self {
            published: ArcSwap::new(snapshot),
            writer,
            changed,
            events: Arc::new(Bus::new(account.clone(), now)),
            store,
        });
        neighbours.join(&account, &state);
        Ok(state)
    }

    /// Waits until a change lasts and publishes it; goes back to what lasts if it does not.
    async fn settle(self: Arc<Self>, committing: Committing) -> Result<(), StoreError> {
        let Committing {
            commit,
            snapshot,
            epoch,
            at,
            changes,
        } = committing;
        let sequence = snapshot.sequence;
        let kept = match commit {
            Ok(pending) => pending.await,
            // Its number is the next change's.
            Err(error) => {
                self.abandon(epoch, at).await;
                return Err(error);
            }
        };
        match kept {
            Ok(_) => {
                self.publish(Arc::clone(&snapshot));
                self.events.committed(&snapshot, at, &changes);
                Ok(())
            }
            Err(error) => {
                self.events.lost(sequence);
                self.abandon(epoch, at).await;
                Err(error)
            }
        }
    }

    /// Changes become durable in order but their callers may wake in any: never publish an older picture.
    fn publish(&self, snapshot: Arc<Snapshot>) {
        let sequence = snapshot.sequence;
        self.published.rcu(|current| {
            if current.sequence < sequence {
                Arc::clone(&snapshot)
            } else {
                Arc::clone(current)
            }
        });
        self.changed.send_if_modified(|seen| {
            let newer = *seen < sequence;
            if newer {
                *seen = sequence;
            }
            newer
        });
    }

    /// The store failed: what was built on the lost change is lost too, and whether the change itself survived only
    /// the store can tell. The picture is read anew; if even that fails, the next change tries again.
    async fn abandon(&self, epoch: Epoch, at: Timestamp) {
        let mut writer = self.writer.lock().await;
        let current = self.store.epoch();
        if writer.epoch != epoch || current == epoch {
            return;
        }
        let neighbours = Arc::clone(writer.pending.neighbours());
        let mut snapshot = Snapshot::empty_among(neighbours, writer.pending.account.clone());
        // Before the rows come in: to whoever follows changes, all of them are new.
        snapshot.sequence = writer.pending.sequence + 1;
        match records::load_all(&mut snapshot, self.store.as_ref()) {
            Ok(()) => {
                writer.pending = Arc::new(snapshot);
                writer.epoch = current;
                let before = self.published.load_full();
                self.publish(Arc::clone(&writer.pending));
                self.events.reloaded(&before, &writer.pending, at);
            }
            Err(error) => tracing::error!(%error, "the state could not be read after a failed write"),
        }
    }
}
