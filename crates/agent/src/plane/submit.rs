//! SubmitTaskStateChange with its patience (agent.md 5.1): up to 298 refusals over about a day, and as long as nobody answers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_api::ecs;
use portcullis_api::ecs::SubmitTaskStateChangeRequest;
use portcullis_core::Random;
use tokio::sync::{Notify, Semaphore};

use super::backoff::Backoff;
use super::{CallError, ControlPlane};
use crate::task::manager::Submit;

const TRIES_MAX: usize = 298;
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// Calls at once.
const CALLS_MAX: usize = 10;

/// Sends state changes.
#[derive(Debug)]
pub(crate) struct Submitter {
    plane: ControlPlane,
    random: Arc<dyn Random>,
    slots: Semaphore,
    /// Told when the control plane is back: waiting changes are tried at once.
    wake: Arc<Notify>,
}

impl Submitter {
    /// To this control plane.
    pub(crate) fn new(plane: ControlPlane, random: Arc<dyn Random>, wake: Arc<Notify>) -> Self {
        Self {
            plane,
            random,
            slots: Semaphore::new(CALLS_MAX),
            wake,
        }
    }

    async fn persist(&self, change: SubmitTaskStateChangeRequest) {
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, 2.0);
        let mut refusals = 0;
        while refusals < TRIES_MAX {
            let woken = self.wake.notified();
            let result = {
                let _slot = self.slots.acquire().await;
                self.plane.call::<ecs::op::SubmitTaskStateChange>(&change).await
            };
            match result {
                Ok(_) => return,
                Err(CallError::Refused(error)) if error.code() == "InvalidParameterException" => {
                    tracing::error!(%error, task = change.task, "the control plane refuses a state change; dropped");
                    return;
                }
                Err(error) => {
                    // However long the network is cut: what was never heard is not given up.
                    refusals += usize::from(matches!(error, CallError::Refused(_)));
                    tracing::warn!(%error, task = change.task, "state change not sent; trying again");
                }
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(backoff.pause(self.random.as_ref())) => {}
            }
        }
        tracing::error!(task = change.task, "state change given up");
    }
}

impl Submit for Submitter {
    fn submit(&self, change: SubmitTaskStateChangeRequest) -> BoxFuture<'_, ()> {
        Box::pin(self.persist(change))
    }
}
