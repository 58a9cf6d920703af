//! The loop that makes services true: it looks at every service that something happened to, and starts and stops tasks
//! as the deployment machine says (ecs.md 11).

mod daemons;
mod network;
mod pass;
mod picture;
mod rollout;
mod rooms;
mod texts;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Timestamp;
use tokio::sync::watch;

use crate::gate::Gate;
use crate::server::ordered;
use crate::world::records::ecs::{Daemon, SchedulingStrategy, Stirred, cluster_of_waiting};
use crate::world::{Snapshot, Tx, WriteError};
pub(crate) use daemons::daemons_first;
use network::{Answers, Sessions};
use pass::Next;
pub(crate) use picture::breaker_of;

/// Longest time the loop sleeps, so that a clock that was set does not keep it from waking.
const SLEEP_MAX: Duration = Duration::from_secs(15);
/// After how many seconds a service is tried again whose pass the store could not keep.
const RETRY_SECONDS: i64 = 5;

/// Keeps the services of an account as they shall be, until `stop` turns true.
pub async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut changes = gate.world().changes();
    let mut keeper = Keeper::default();
    loop {
        // Between two rounds the order to stop is heard.
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

/// Does at once whatever can be done for the services of an account now.
pub async fn settle(gate: &Gate) {
    Keeper::default().settle(gate).await;
}

/// What the loop knows from one look to the next. All of it can be found out anew: a fresh keeper looks at every
/// service once.
#[derive(Debug, Default)]
pub struct Keeper {
    /// The last change that was looked at.
    seen: Option<u64>,
    /// When to look at services again, by service and in order.
    wakes: BTreeMap<String, Timestamp>,
    alarms: BTreeSet<(Timestamp, String)>,
    /// Services that wait for room, by key: those of a cluster stand together.
    want_room: BTreeSet<String>,
    /// Services that any other set of instances concerns.
    want_hosts: BTreeSet<String>,
    sessions: Sessions,
}

impl Keeper {
    /// Passes over services until there is nothing left to do now.
    pub async fn settle(&mut self, gate: &Gate) {
        while self.round(gate).await {}
    }

    /// Passes once over every service there is a reason to look at; whether there was any.
    pub async fn round(&mut self, gate: &Gate) -> bool {
        let view = gate.world().view();
        let work = self.work(&view, gate.world().clock().now());
        let has_work = !work.is_empty();
        let mut work: Vec<_> = work.into_iter().map(|key| (turn(&view, &key), key)).collect();
        work.sort();
        for (_, key) in work {
            self.look(gate, key).await;
        }
        has_work
    }

    /// When something is to be done though nothing happens.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(at, _)| *at)
    }

    fn sleep(&self, now: Timestamp) -> Duration {
        let until = self
            .wakes_at()
            .map(|at| at.as_millis().saturating_sub(now.as_millis()));
        let millis = until.and_then(|millis| u64::try_from(millis.max(0)).ok());
        millis.map_or(SLEEP_MAX, Duration::from_millis).min(SLEEP_MAX)
    }

    /// The services to look at: what happened since the last look, and whose time has come.
    fn work(&mut self, view: &Snapshot, now: Timestamp) -> BTreeSet<String> {
        let mut work = BTreeSet::new();
        for stirred in view.ecs.restless.since(self.seen) {
            match stirred {
                Stirred::Service(key) => drop(work.insert(key.to_owned())),
                Stirred::Room(cluster) => work.extend(of_cluster(&self.want_room, cluster)),
                Stirred::Hosts(cluster) => work.extend(of_cluster(&self.want_hosts, cluster)),
            }
        }
        self.seen = Some(view.sequence);
        while let Some((at, key)) = self.alarms.first().cloned() {
            if at > now {
                break;
            }
            self.forget_alarm(&key);
            work.insert(key);
        }
        work
    }

    async fn look(&mut self, gate: &Gate, key: String) {
        let mut passed = pass_over(gate, &key, None).await;
        if let Err(WriteError::Refused(Next { asks: true, .. })) = passed {
            let service = gate.world().view().ecs.services.get(&key).cloned();
            let answers = match &service {
                Some(service) => self.sessions.ask(gate, service).await,
                None => Answers::new(),
            };
            passed = pass_over(gate, &key, Some(answers)).await;
        }
        let next = match passed {
            Ok(next) | Err(WriteError::Refused(next)) => next,
            Err(WriteError::Store(error)) => {
                tracing::error!(%error, service = key, "what a service needs could not be kept; it is tried again");
                Next {
                    wake_at: Some(gate.world().clock().now().plus_seconds(RETRY_SECONDS)),
                    ..Next::default()
                }
            }
        };
        self.note(key, next);
    }

    fn note(&mut self, key: String, next: Next) {
        self.forget_alarm(&key);
        if let Some(at) = next.wake_at {
            self.wakes.insert(key.clone(), at);
            self.alarms.insert((at, key.clone()));
        }
        keep_if(&mut self.want_room, &key, next.room);
        keep_if(&mut self.want_hosts, &key, next.hosts);
    }

    fn forget_alarm(&mut self, key: &str) {
        if let Some(at) = self.wakes.remove(key) {
            self.alarms.remove(&(at, key.to_owned()));
        }
    }
}

/// Daemons and DAEMON services come first: their tasks are placed before others (ecs.md 11); then what waits for room.
fn turn(view: &Snapshot, key: &str) -> u8 {
    match (is_daemon(view, key), cluster_of_waiting(key)) {
        (true, _) => 0,
        (false, Some(_)) => 1,
        (false, None) => 2,
    }
}

/// Whether this is a daemon or a DAEMON service, by the key the scheduler knows it by.
fn is_daemon(view: &Snapshot, key: &str) -> bool {
    let service = view.ecs.services.get(key);
    Daemon::key_of_owner(key).is_some()
        || service.is_some_and(|service| service.strategy == SchedulingStrategy::Daemon)
}

async fn pass_over(gate: &Gate, key: &str, answers: Option<Answers>) -> Result<Next, WriteError<Next>> {
    gate.world()
        .write(
            |tx: &mut Tx<'_>| match (cluster_of_waiting(key), Daemon::key_of_owner(key)) {
                (Some(cluster), _) => waiting::pass(tx, cluster),
                (None, Some(_)) => daemons::pass(tx, key),
                (None, None) => pass::pass(tx, key, answers),
            },
        )
        .await
}

fn keep_if(set: &mut BTreeSet<String>, key: &str, wanted: bool) {
    if wanted {
        set.insert(key.to_owned());
    } else {
        set.remove(key);
    }
}

/// The services of a cluster in a set.
fn of_cluster(set: &BTreeSet<String>, cluster: &str) -> Vec<String> {
    let prefix = format!("{cluster}/");
    let rows = set
        .range(prefix.clone()..)
        .take_while(|key| key.starts_with(&prefix));
    rows.cloned().collect()
}
