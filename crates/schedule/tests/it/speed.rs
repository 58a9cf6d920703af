//! A service of 5,000 tasks: the work grows with the tasks, not with their square.

use std::time::{Duration, Instant};

use portcullis_schedule::deployment::Status;

use super::world::{World, task};

/// A deployment half done, with `count` tasks of each kind.
fn half_done(count: u32) -> World {
    let mut world = World::new(count, 0, 200);
    for at in 0..count {
        world.add(
            0,
            at % 3,
            Status::Running(portcullis_schedule::deployment::Health::Unchecked),
        );
        world.add(
            1,
            at % 3,
            Status::Running(portcullis_schedule::deployment::Health::Unchecked),
        );
    }
    for (at, (_, task)) in world.tasks.iter_mut().enumerate() {
        task.instance = u32::try_from(at % 997).unwrap();
    }
    world.tasks.push((1, task(Status::Pending)));
    world
}

/// What this thread has worked since some moment, whatever else this machine does; the time since the beginning where the kernel
/// keeps no account of it.
fn worked(beginning: Instant) -> Duration {
    // The account is brought up to date when a thread makes room.
    std::thread::yield_now();
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = account.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.map_or_else(|| beginning.elapsed(), Duration::from_nanos)
}

fn time(count: u32) -> Duration {
    let mut world = half_done(count);
    world.update();
    let beginning = Instant::now();
    (0..5)
        .map(|_| {
            let start = worked(beginning);
            let plan = world.plan();
            let took = worked(beginning) - start;
            assert!(
                plan.stops.len() as u32 > count / 2,
                "there is work: {}",
                plan.stops.len()
            );
            took
        })
        .min()
        .unwrap()
}

#[test]
fn a_pass_over_ten_times_the_tasks_takes_about_ten_times_as_long() {
    let (small, large) = (time(1_000), time(10_000));
    assert!(large < small * 40, "{small:?}, then {large:?}");
}
