//! Which of several tasks are stopped (ecs.md 10, scale-in).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::picture::{ScaleIn, Task};

/// The first `count` of `candidates` (positions in `tasks`) to stop. `counted` are the tasks that balance is judged by.
pub(super) fn choose(
    tasks: &[Task],
    candidates: &[usize],
    counted: &[usize],
    scale_in: ScaleIn,
    count: usize,
) -> Vec<usize> {
    if count == 0 || candidates.is_empty() {
        return Vec::new();
    }
    if count >= candidates.len() {
        return candidates.to_vec();
    }
    match scale_in {
        ScaleIn::Spread => spread(tasks, candidates, counted, count),
        ScaleIn::Binpack => binpack(tasks, candidates, count),
    }
}

/// Where most is left afterwards; an instance once chosen has even more left, so its other tasks follow.
fn binpack(tasks: &[Task], candidates: &[usize], count: usize) -> Vec<usize> {
    let mut order: Vec<_> = candidates
        .iter()
        .filter_map(|&at| {
            tasks
                .get(at)
                .map(|task| (Reverse(task.room), task.instance, Reverse(at)))
        })
        .collect();
    order.sort_unstable();
    order
        .into_iter()
        .take(count)
        .map(|(.., Reverse(at))| at)
        .collect()
}

/// The tasks of one zone.
#[derive(Default)]
struct Zone {
    counted: usize,
    instances: BTreeMap<u32, Instance>,
    /// Instances that have candidates, the fullest last.
    by_count: BTreeSet<(usize, Reverse<u32>)>,
}

/// The tasks of one instance.
#[derive(Default)]
struct Instance {
    counted: usize,
    candidates: Vec<usize>,
}

/// The zone with most tasks, there the instance with most tasks, there the task that came last; again and again.
fn spread(tasks: &[Task], candidates: &[usize], counted: &[usize], count: usize) -> Vec<usize> {
    let mut zones: BTreeMap<u32, Zone> = BTreeMap::new();
    for task in counted.iter().filter_map(|&at| tasks.get(at)) {
        let zone = zones.entry(task.zone).or_default();
        zone.counted += 1;
        zone.instances.entry(task.instance).or_default().counted += 1;
    }
    for &at in candidates {
        let Some(task) = tasks.get(at) else { continue };
        let zone = zones.entry(task.zone).or_default();
        zone.instances
            .entry(task.instance)
            .or_default()
            .candidates
            .push(at);
    }
    for zone in zones.values_mut() {
        zone.by_count = zone
            .instances
            .iter()
            .filter(|(_, instance)| !instance.candidates.is_empty())
            .map(|(&number, instance)| (instance.counted, Reverse(number)))
            .collect();
    }
    std::iter::from_fn(|| take_one(&mut zones)).take(count).collect()
}

fn take_one(zones: &mut BTreeMap<u32, Zone>) -> Option<usize> {
    let (_, zone) = zones
        .iter_mut()
        .filter(|(_, zone)| !zone.by_count.is_empty())
        .max_by_key(|(number, zone)| (zone.counted, Reverse(**number)))?;
    let (_, Reverse(number)) = zone.by_count.pop_last()?;
    let instance = zone.instances.get_mut(&number)?;
    let at = instance.candidates.pop()?;
    zone.counted = zone.counted.saturating_sub(1);
    instance.counted = instance.counted.saturating_sub(1);
    if !instance.candidates.is_empty() {
        zone.by_count.insert((instance.counted, Reverse(number)));
    }
    Some(at)
}
