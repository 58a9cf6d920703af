//! What the store of log events is told after a change: to forget the events of what was removed, and how long to keep others.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use portcullis_logs::{LogsError, StreamId};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::gate::Gate;
use crate::server::ordered;
use crate::world::World;
use crate::world::records::Record as _;
use crate::world::records::logs::{Errand, What, stored_group};

/// How long an errand rests when the store could not do it.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs the errands of an account as they come, until `stop` turns true.
pub(crate) async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let world = gate.world();
    let mut changes = world.changes();
    let mut pauses = Pauses::default();
    loop {
        changes.mark_unchanged();
        let now = Instant::now();
        let due = pauses.settle(world, now, |errand| perform(world, errand)).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(due.unwrap_or(now)), if due.is_some() => {}
            () = ordered(&mut stop) => return,
        }
    }
}

/// Until when errands rest that could not be done, by their key.
#[derive(Debug, Default)]
struct Pauses(HashMap<String, Instant>);

impl Pauses {
    /// Runs the errands that are there and do not rest, each whatever became of the others; says when the next one is due.
    async fn settle<F: Future<Output = Result<(), LogsError>>>(
        &mut self,
        world: &World,
        now: Instant,
        perform: impl Fn(Errand) -> F,
    ) -> Option<Instant> {
        let view = world.view();
        let errands = &view.logs.errands;
        self.0.retain(|key, _| errands.get(key).is_some());
        let mut failed = None;
        for (key, errand) in errands.iter() {
            if self.0.get(key).is_some_and(|until| *until > now) {
                continue;
            }
            match perform(Errand::clone(errand)).await {
                Ok(()) if tick_off(world, errand).await => {
                    self.0.remove(key);
                    continue;
                }
                Ok(()) => {}
                Err(error) => failed = Some(error),
            }
            self.0.insert(key.to_owned(), now + PAUSE);
        }
        // Once for all of them: they mostly fail alike.
        if let Some(error) = failed {
            tracing::warn!(%error, "the store of log events could not follow a change; it is tried again");
        }
        self.0.values().min().copied()
    }
}

/// Notes that an errand is done, unless another one took its place meanwhile: another retention. Says whether it could.
async fn tick_off(world: &World, errand: &Errand) -> bool {
    let done = world.write::<_, Infallible>(|tx| {
        let present = tx.view().logs.errands.get(&errand.key());
        if present.is_some_and(|present| present.what == errand.what) {
            tx.delete::<Errand>(&errand.key());
        }
        Ok(())
    });
    let done = done.await.inspect_err(|error| {
        tracing::warn!(%error, "that an errand is done could not be noted; it is done again");
    });
    done.is_ok()
}

async fn perform(world: &World, errand: Errand) -> Result<(), LogsError> {
    let group = stored_group(world.account(), &errand.region, &errand.group_id);
    match &errand.what {
        What::ForgetGroup => world.logs().remove_group(&group).await,
        What::ForgetStream(stream) => world.logs().remove_stream(&group, &StreamId::new(stream)).await,
        What::Retain(days) => world.logs().retain(&group, *days).await,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use portcullis_core::{FixedClock, SeededRandom, Timestamp};

    use super::*;

    fn errand(group: &str) -> Errand {
        Errand {
            region: "us-east-1".parse().unwrap(),
            group_id: group.to_owned(),
            what: What::ForgetGroup,
        }
    }

    async fn world(groups: &[&str]) -> World {
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(0)));
        let random = Arc::new(SeededRandom::new(1));
        let opened = portcullis_store::open_in_memory(clock.clone(), random.clone()).unwrap();
        let account = "123456789012".parse().unwrap();
        let world = World::open(account, opened.store, opened.vault, clock, random).unwrap();
        let written = world.write::<_, Infallible>(|tx| {
            groups.iter().for_each(|group| tx.put(errand(group)));
            Ok(())
        });
        written.await.unwrap();
        world
    }

    #[tokio::test]
    async fn an_errand_that_fails_holds_up_no_other_and_rests_before_it_is_tried_again() {
        let world = world(&["bad", "good", "worse"]).await;
        let tried = RefCell::new(Vec::new());
        let perform = |errand: Errand| {
            let fails = errand.group_id != "good";
            tried.borrow_mut().push(errand.group_id);
            async move { if fails { Err(LogsError::Busy) } else { Ok(()) } }
        };
        let mut pauses = Pauses::default();
        let now = Instant::now();
        let due = pauses.settle(&world, now, perform).await;
        assert_eq!(tried.take(), ["bad", "good", "worse"]);
        assert_eq!(due, Some(now + PAUSE));
        let left: Vec<_> = world
            .view()
            .logs
            .errands
            .iter()
            .map(|(key, _)| key.to_owned())
            .collect();
        assert_eq!(left, ["bad/forget", "worse/forget"]);
        // Any other change of the account comes here: those that rest are left alone.
        assert_eq!(pauses.settle(&world, now, perform).await, due);
        assert_eq!(tried.take(), Vec::<String>::new());
        let later = now + PAUSE;
        assert_eq!(pauses.settle(&world, later, |_| async { Ok(()) }).await, None);
        assert!(world.view().logs.errands.is_empty());
    }
}
