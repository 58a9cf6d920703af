//! The loop that makes and deletes the network interfaces of `awsvpc` tasks (ecs.md 9): EC2 is asked as ECS's service-linked
//! role, so that the role's policy decides, and histories show it.

mod step;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use portcullis_core::Timestamp;
use tokio::sync::watch;

use crate::gate::Gate;
use crate::gate::by_itself::{ByItselfError, ECS_INTERFACES, OwnSessions};
use crate::gate::caller::Caller;
use crate::server::ordered;
use crate::world::Snapshot;
use step::Outcome;

/// Longest time the loop sleeps, so that a clock that was set does not keep it from waking.
const SLEEP_MAX: Duration = Duration::from_secs(15);
/// How many tasks are dealt with at once: their changes go to the disk together.
const AT_ONCE: usize = 32;
/// After how many seconds something that failed is tried again; twice as many each time
const RETRY_SECONDS: i64 = 5;
/// until it is these.
const RETRY_SECONDS_MAX: i64 = 300;

/// Keeps the interfaces of an account's tasks as they shall be, until `stop` turns true.
pub async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut changes = gate.world().changes();
    let mut keeper = Keeper::default();
    loop {
        if keeper.round(&gate).await && !*stop.borrow() {
            continue;
        }
        let sleep = keeper.sleep(gate.world().clock().now());
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(sleep) => {}
            () = ordered(&mut stop) => return,
        }
    }
}

/// Does at once whatever can be done for the interfaces of an account's tasks now.
pub async fn settle(gate: &Gate) {
    Keeper::default().settle(gate).await;
}

/// What the loop knows from one look to the next. All of it can be found out anew: a fresh keeper looks at every task that
/// something is to be done for.
#[derive(Debug, Default)]
pub struct Keeper {
    /// The last change that was looked at.
    seen: Option<u64>,
    /// Tasks for which something failed, by key.
    retries: BTreeMap<String, Retry>,
    sessions: OwnSessions,
}

#[derive(Debug, Clone, Copy)]
struct Retry {
    at: Timestamp,
    wait_seconds: i64,
}

/// The sessions that EC2 is asked with, by region; or why there is none.
type Callers = BTreeMap<String, Result<Caller, ByItselfError>>;

impl Keeper {
    /// Goes on until there is nothing left to do now.
    pub async fn settle(&mut self, gate: &Gate) {
        while self.round(gate).await {}
    }

    /// Does once what there is to do; whether there was anything.
    async fn round(&mut self, gate: &Gate) -> bool {
        let view = gate.world().view();
        let keys = self.due(&view, gate.world().clock().now());
        if keys.is_empty() {
            return false;
        }
        let callers = self.callers(gate, &view, &keys).await;
        let callers = &callers;
        let steps = keys.into_iter().map(|key| async move {
            let outcome = step::step(gate, callers, &key).await;
            (key, outcome)
        });
        let outcomes: Vec<_> = stream::iter(steps).buffer_unordered(AT_ONCE).collect().await;
        for (key, outcome) in outcomes {
            self.note(gate.world().clock().now(), key, outcome);
        }
        true
    }

    /// When something is to be tried again though nothing happens.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.retries.values().map(|retry| retry.at).min()
    }

    fn sleep(&self, now: Timestamp) -> Duration {
        let until = self
            .wakes_at()
            .map(|at| at.as_millis().saturating_sub(now.as_millis()));
        let millis = until.and_then(|millis| u64::try_from(millis.max(0)).ok());
        millis.map_or(SLEEP_MAX, Duration::from_millis).min(SLEEP_MAX)
    }

    fn due(&mut self, view: &Snapshot, now: Timestamp) -> BTreeSet<String> {
        let marked = view.ecs.interface_work.since(self.seen);
        let mut keys: BTreeSet<String> = marked.map(str::to_owned).collect();
        self.seen = Some(view.sequence);
        let late = self.retries.iter().filter(|(_, retry)| retry.at <= now);
        keys.extend(late.map(|(key, _)| key.clone()));
        keys
    }

    /// A session for each region where EC2 will be asked.
    async fn callers(&mut self, gate: &Gate, view: &Snapshot, keys: &BTreeSet<String>) -> Callers {
        let mut callers = Callers::new();
        for task in keys.iter().filter_map(|key| view.ecs.tasks.get(key)) {
            if !step::asks_ec2(task) || callers.contains_key(task.region.as_str()) {
                continue;
            }
            let caller = self
                .sessions
                .caller(gate, ECS_INTERFACES, &task.region, &task.arn);
            callers.insert(task.region.to_string(), caller.await);
        }
        callers
    }

    fn note(&mut self, now: Timestamp, key: String, outcome: Outcome) {
        match outcome {
            Outcome::Done => drop(self.retries.remove(&key)),
            Outcome::Again => {
                let before = self.retries.get(&key).map(|retry| retry.wait_seconds * 2);
                let wait_seconds = before.unwrap_or(RETRY_SECONDS).min(RETRY_SECONDS_MAX);
                let at = now.plus_seconds(wait_seconds);
                self.retries.insert(key, Retry { at, wait_seconds });
            }
        }
    }
}
