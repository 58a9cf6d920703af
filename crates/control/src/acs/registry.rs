//! The live ACS sessions: one for each container instance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

use super::admission::Proofs;
use super::firewall::Firewalls;
use super::outbox::Outbox;

/// All instances that have had a session.
#[derive(Debug, Default)]
pub(super) struct Registry {
    slots: Mutex<HashMap<String, Slot>>,
    /// What security groups come to.
    pub firewalls: Firewalls,
    /// What opened connections before.
    pub proofs: Proofs,
}

#[derive(Debug, Default)]
struct Slot {
    /// Ends the session that holds the outbox, by being dropped.
    fence: Option<oneshot::Sender<()>>,
    outbox: Arc<tokio::sync::Mutex<Outbox>>,
    /// Tells the session that holds the outbox that somebody waits for its place.
    wanted: Arc<Notify>,
}

/// The right to speak with an instance's agent. Only one exists at a time, because only one can hold the outbox.
#[derive(Debug)]
pub(super) struct Turn {
    /// What the agent was sent.
    pub outbox: OwnedMutexGuard<Outbox>,
    fence: oneshot::Receiver<()>,
    wanted: Arc<Notify>,
    /// Whether a session that was alive had to go for it.
    pub replaces: bool,
}

impl Registry {
    /// Ends the session there is, waits until it is over, and takes its place; `None` when yet another session took
    /// over meanwhile.
    pub async fn take_over(&self, instance: &str, caller: &str) -> Option<Turn> {
        let (sender, mut fence) = oneshot::channel();
        let (outbox, wanted, replaces) = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = slots.entry(instance.to_owned()).or_default();
            let is_live = slot.fence.replace(sender).is_some_and(|old| !old.is_closed());
            if is_live {
                tracing::warn!(
                    instance,
                    caller,
                    "a second ACS session of a container instance ends the first"
                );
            }
            (Arc::clone(&slot.outbox), Arc::clone(&slot.wanted), is_live)
        };
        tokio::select! {
            biased;
            _ = &mut fence => None,
            outbox = outbox.lock_owned() => Some(Turn { outbox, fence, wanted, replaces }),
        }
    }

    /// Takes the place of a session that is over, waiting a little for its end; `None` while there is a live one. That one
    /// is told to look whether its agent is still there: only its own connection can say so, never that somebody waits.
    pub async fn take_vacant(&self, instance: &str, patience: Duration) -> Option<Turn> {
        let (sender, fence) = oneshot::channel();
        let (outbox, wanted) = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = slots.entry(instance.to_owned()).or_default();
            (Arc::clone(&slot.outbox), Arc::clone(&slot.wanted))
        };
        let outbox = match Arc::clone(&outbox).try_lock_owned() {
            Ok(vacant) => vacant,
            Err(_) => {
                wanted.notify_one();
                timeout(patience, outbox.lock_owned()).await.ok()?
            }
        };
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(instance.to_owned()).or_default().fence = Some(sender);
        Some(Turn {
            outbox,
            fence,
            wanted,
            replaces: false,
        })
    }

    /// Forgets an instance that is gone.
    pub fn forget(&self, instance: &str) {
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(instance);
        self.proofs.forget(instance);
    }
}

impl Turn {
    /// Whether somebody else wants to take over.
    pub fn is_fenced(&mut self) -> bool {
        !matches!(self.fence.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    /// Tells that somebody waits for the session's place.
    pub fn wanted(&self) -> Arc<Notify> {
        Arc::clone(&self.wanted)
    }

    /// The outbox, and what resolves when somebody else takes over.
    pub fn parts(&mut self) -> (&mut Outbox, &mut oneshot::Receiver<()>) {
        (&mut self.outbox, &mut self.fence)
    }
}
