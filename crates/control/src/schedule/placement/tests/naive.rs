//! The plain, slow model: every instance is looked at for every task, every strategy is a pass of its own.

use std::collections::BTreeMap;

use super::super::{Candidate, Demand, FAILURES_MAX, Reason, Strategy};

/// Where tasks go, and why the others go nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// For each task placed its candidate, by index.
    pub(super) placed: Vec<usize>,
    /// For each task not placed each candidate, by index, and what speaks against it.
    pub(super) failures: Vec<(usize, Reason)>,
}

/// Places up to `count` tasks one after the other; `pick` chooses one of so many equally good instances.
pub(super) fn place(
    demand: &Demand<'_>,
    candidates: &mut [Candidate<'_>],
    count: usize,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Placement {
    let mut placement = Placement::default();
    for task in 0..count {
        let verdicts: Vec<_> = candidates
            .iter()
            .map(|candidate| candidate.refuses(demand))
            .collect();
        let fitting: Vec<usize> = (0..)
            .zip(&verdicts)
            .filter(|(_, no)| no.is_none())
            .map(|(at, _)| at)
            .collect();
        if fitting.is_empty() {
            let each = (0..)
                .zip(verdicts)
                .filter_map(|(at, no)| Some((at, no?)))
                .collect::<Vec<_>>();
            let all = (task..count).flat_map(|_| each.iter().copied());
            placement.failures.extend(all.take(FAILURES_MAX));
            break;
        }
        let best = best_of(demand, candidates, fitting);
        let chosen = best
            .get(pick(best.len()))
            .or(best.first())
            .copied()
            .unwrap_or_default();
        if let Some(candidate) = candidates.get_mut(chosen) {
            candidate.take(demand);
        }
        placement.placed.push(chosen);
    }
    placement
}

/// The candidates that every strategy in turn finds best. Without strategies those with the fewest tasks: AWS
/// documents no default for RunTask.
fn best_of(demand: &Demand<'_>, candidates: &[Candidate<'_>], mut fitting: Vec<usize>) -> Vec<usize> {
    if demand.strategies.is_empty() {
        keep_least(&mut fitting, |at| {
            candidates.get(at).map(|candidate| candidate.remaining.tasks())
        });
    }
    for strategy in &demand.strategies {
        match strategy {
            Strategy::Random => {}
            Strategy::SpreadInstances => {
                keep_least(&mut fitting, |at| {
                    candidates.get(at).map(|candidate| i64::from(candidate.in_group))
                });
            }
            Strategy::SpreadAttribute(name) => {
                let in_group = count_by_value(candidates, name);
                keep_least(&mut fitting, |at| {
                    candidates
                        .get(at)
                        .and_then(|candidate| in_group.get(value_of(candidate, name)).copied())
                });
            }
            Strategy::BinpackCpu => {
                keep_least(&mut fitting, |at| {
                    candidates.get(at).map(|candidate| candidate.remaining.cpu)
                });
            }
            Strategy::BinpackMemory => {
                keep_least(&mut fitting, |at| {
                    candidates.get(at).map(|candidate| candidate.remaining.memory)
                });
            }
        }
    }
    fitting
}

fn keep_least(indexes: &mut Vec<usize>, measure: impl Fn(usize) -> Option<i64>) {
    let least = indexes.iter().filter_map(|at| measure(*at)).min();
    indexes.retain(|at| measure(*at) == least);
}

/// How many tasks of the group run on the instances of each value of an attribute.
fn count_by_value<'a>(candidates: &'a [Candidate<'_>], attribute: &str) -> BTreeMap<&'a str, i64> {
    let mut counts = BTreeMap::new();
    for candidate in candidates {
        *counts.entry(value_of(candidate, attribute)).or_default() += i64::from(candidate.in_group);
    }
    counts
}

fn value_of<'a>(candidate: &'a Candidate<'_>, attribute: &str) -> &'a str {
    let value = candidate.instance.attributes.get(attribute);
    value.and_then(Option::as_deref).unwrap_or_default()
}
