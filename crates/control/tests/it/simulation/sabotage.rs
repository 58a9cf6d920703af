//! Control broken on purpose, behind the back of the scheduler: the watch must see each of it.

use std::convert::Infallible;

use portcullis_control::world::Tx;
use portcullis_control::world::records::ecs::{DesiredStatus, LastStatus, Service, Task};

use portcullis_core::Clock as _;

use super::region::Region;
use super::watch::{daemons_are_everywhere, is_wanted};
use super::{DAEMON_GROUP, Size, key_of, role};

/// What is done to a region, and what the watch says of it.
pub const ALL: [(Sabotage, &str); 14] = [
    (Sabotage::TaskMoves, "moved"),
    (Sabotage::TaskComesBack, "came back"),
    (Sabotage::RoleNobodyPassed, "nobody may pass"),
    (Sabotage::TooMuchOnOne, "holds more than it has"),
    (Sabotage::PortTwice, "is taken"),
    (Sabotage::WrongReservation, "thought to hold something else"),
    (Sabotage::DaemonTwice, "has a daemon twice"),
    (Sabotage::StopsTooMany, "below"),
    (Sabotage::StartsTooMany, "above"),
    (Sabotage::StopsTheProtected, "is protected"),
    (Sabotage::AgentTakesAnothersTask, "runs on two hosts"),
    (Sabotage::WaitsBesideRoom, "waits although"),
    (Sabotage::DaemonVanishes, "have no daemon"),
    (Sabotage::AgentsStopWorking, "never come to what was wanted"),
];

/// What is done to a region.
#[derive(Debug, Clone, Copy)]
pub enum Sabotage {
    TaskMoves,
    TaskComesBack,
    RoleNobodyPassed,
    TooMuchOnOne,
    PortTwice,
    WrongReservation,
    DaemonTwice,
    StopsTooMany,
    StartsTooMany,
    StopsTheProtected,
    AgentTakesAnothersTask,
    WaitsBesideRoom,
    DaemonVanishes,
    AgentsStopWorking,
}

/// A region in which that happens once; panics where the watch sees it.
#[expect(clippy::too_many_lines, reason = "one arm for each way of breaking")]
pub async fn sabotaged(how: Sabotage) {
    let mut region = Region::open(0, Size { agents: 4, steps: 0 }).await;
    let before = region.view();
    let serving = |task: &&Task| is_wanted(task) && task.last == LastStatus::Running;
    let tasks: Vec<Task> = before
        .ecs
        .tasks
        .iter()
        .map(|(_, task)| Task::clone(task))
        .collect();
    let tasks: Vec<&Task> = tasks.iter().filter(serving).collect();
    let first = tasks.iter().find(|task| task.group == "service:s0").unwrap();
    let daemon = tasks.iter().find(|task| task.group == DAEMON_GROUP).unwrap();
    let other = tasks
        .iter()
        .map(|task| &task.container_instance)
        .find(|id| **id != first.container_instance);
    let stopped = |task: &Task| Task {
        desired: DesiredStatus::Stopped,
        ..task.clone()
    };
    match how {
        Sabotage::TaskMoves => {
            let container_instance = other.unwrap().clone();
            region
                .write(vec![Task {
                    container_instance,
                    ..(*first).clone()
                }])
                .await;
        }
        Sabotage::TaskComesBack => {
            let dead = Task {
                last: LastStatus::Stopped,
                ..stopped(first)
            };
            region.write(vec![dead]).await;
            region.look();
            region.write(vec![(*first).clone()]).await;
        }
        Sabotage::RoleNobodyPassed => {
            let task_role = Some(role("bad").parse().unwrap());
            region
                .write(vec![Task {
                    task_role,
                    ..(*first).clone()
                }])
                .await;
        }
        Sabotage::TooMuchOnOne => region.write(copies(first, 16)).await,
        Sabotage::PortTwice => {
            let family = super::setting::PORTS[0].0.to_owned();
            let standalone = Task {
                family,
                group: "x".to_owned(),
                started_by: None,
                ..(*first).clone()
            };
            region.write(copies(&standalone, 2)).await;
        }
        Sabotage::WrongReservation => {
            let mut task = (*first).clone();
            task.reservation.cpu -= 1;
            region.write(vec![task]).await;
        }
        Sabotage::DaemonTwice => region.write(copies(daemon, 1)).await,
        Sabotage::StopsTooMany => {
            let all = tasks.iter().filter(|task| task.group == first.group);
            region.write(all.map(|task| stopped(task)).collect()).await;
        }
        Sabotage::StartsTooMany => {
            let elsewhere = Task {
                container_instance: other.unwrap().clone(),
                ..(*first).clone()
            };
            region.write(copies(&elsewhere, 20)).await;
        }
        Sabotage::StopsTheProtected => {
            // Scaled in at the same time: not the percentages see it.
            let protected_until = Some(region.server.clock.now().plus_seconds(60));
            region
                .write(vec![Task {
                    protected_until,
                    ..(*first).clone()
                }])
                .await;
            let before = region.view();
            region.desire_nothing("s0").await;
            region
                .write(vec![Task {
                    protected_until,
                    ..stopped(first)
                }])
                .await;
            region.scheduled(&before);
        }
        Sabotage::AgentTakesAnothersTask => {
            let at = |id: &str| {
                region
                    .agents
                    .iter()
                    .position(|one| one.instance.arn.ends_with(id))
                    .unwrap()
            };
            let thief = at(other.unwrap());
            region.watch.starts(thief, first);
        }
        Sabotage::WaitsBesideRoom => region.write(vec![unplaced(first)]).await,
        Sabotage::DaemonVanishes => {
            let gone = Task {
                last: LastStatus::Stopped,
                ..stopped(daemon)
            };
            region.write(vec![gone]).await;
            daemons_are_everywhere(&region.view());
        }
        Sabotage::AgentsStopWorking => {
            region.agents.clear();
            region.patience = 20;
            let revision = region.revision("s0").await;
            region
                .update("s0", |request| request.task_definition = Some(revision))
                .await;
            region.calm().await;
        }
    }
    if matches!(
        how,
        Sabotage::StopsTooMany | Sabotage::StartsTooMany | Sabotage::WaitsBesideRoom
    ) {
        region.scheduled(&before);
    }
    region.look();
}

/// A task like this one that waits for room.
fn unplaced(task: &Task) -> Task {
    Task {
        id: format!("{:032x}", 1),
        container_instance: String::new(),
        last: LastStatus::Provisioning,
        family: super::SCALED.to_owned(),
        group: "x".to_owned(),
        started_by: None,
        capacity_provider: Some(super::PROVIDER.to_owned()),
        waits: Some(Box::default()),
        ..task.clone()
    }
}

/// As many more of a task.
fn copies(task: &Task, count: usize) -> Vec<Task> {
    let copy = |number: usize| Task {
        id: format!("{number:032x}"),
        ..task.clone()
    };
    (1..=count).map(copy).collect()
}

impl Region {
    async fn write(&self, tasks: Vec<Task>) {
        let put = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            tasks.into_iter().for_each(|task| tx.put(task));
            Ok(())
        };
        self.server.gate.world().write(put).await.unwrap();
    }

    async fn desire_nothing(&self, service: &str) {
        let key = key_of(service);
        let put = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            let found = Service::clone(tx.view().ecs.services.get(&key).unwrap());
            tx.put(Service { desired: 0, ..found });
            Ok(())
        };
        self.server.gate.world().write(put).await.unwrap();
    }
}
