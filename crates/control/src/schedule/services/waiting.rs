//! Tasks that wait for room of their capacity provider: placed as soon as there is some, given up after a while (ecs.md 3).

use std::sync::Arc;

use super::pass::Next;
use crate::schedule::life_cycle;
use crate::services::ecs::tasks::{Tried, is_alike, try_again};
use crate::world::Tx;
use crate::world::records::ecs::{StopCode, Task};

/// Most tasks one pass moves: others of the account wait meanwhile.
const BATCH: usize = 50;

/// Passes over the waiting tasks of a cluster, those that wait longest first. `Err` when there was nothing to do: then nothing
/// is kept either.
pub(super) fn pass(tx: &mut Tx<'_>, cluster_key: &str) -> Result<Next, Next> {
    let mut moved = 0;
    // What finds no room leaves none for those like it.
    let mut without_room: Vec<(Arc<Task>, String)> = Vec::new();
    for task in tx.view().ecs.waiting_in(cluster_key) {
        if moved == BATCH {
            break;
        }
        let known = without_room.iter().find(|(other, _)| is_alike(other, &task));
        let tried = match known {
            Some((_, reason)) => Tried::NoRoom(reason.clone()),
            None => try_again(tx, &task),
        };
        moved += match tried {
            Tried::Placed => 1,
            Tried::Refused(reason) => fail(tx, &task, reason),
            Tried::NoRoom(reason) if tx.now >= task.waits_until() => {
                fail(tx, &task, format!("TaskFailedToStart: {reason}"))
            }
            Tried::NoRoom(reason) => {
                if known.is_none() {
                    without_room.push((task, reason));
                }
                0
            }
        };
    }
    let left = tx.view().ecs.waiting_in(cluster_key);
    let next = Next {
        // What was placed may be what others asked to be beside.
        wake_at: match moved {
            0 => left.iter().map(|task| task.waits_until()).min(),
            _ => Some(tx.now),
        },
        room: !left.is_empty(),
        hosts: !left.is_empty(),
        asks: false,
    };
    match moved {
        0 => Err(next),
        _ => Ok(next),
    }
}

fn fail(tx: &mut Tx<'_>, task: &Task, reason: String) -> usize {
    let mut task = task.clone();
    task.abandon(StopCode::TaskFailedToStart, reason, tx.now);
    life_cycle::keep(tx, task);
    1
}
