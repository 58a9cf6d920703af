//! Capacity provider strategies: how tasks are divided among providers (ecs.md 3). A pure function of numbers.

#[cfg(test)]
mod tests;

/// A provider's part in a strategy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Tasks that go to it before weights count.
    pub base: u32,
    /// Its share of all others, relative to the other weights.
    pub weight: u32,
}

/// Which provider the next task goes to, by the tasks each has already: first where a base is not reached, then
/// where the tasks beyond the bases come nearest to the ratio of the weights. `None` when nothing has a weight.
pub fn next(parts: &[Part], tasks: &[u32]) -> Option<usize> {
    let has = |at: usize| i64::from(tasks.get(at).copied().unwrap_or_default());
    let short = |(at, part): (usize, &Part)| (has(at) < i64::from(part.base)).then_some(at);
    if let Some(at) = parts.iter().enumerate().find_map(short) {
        return Some(at);
    }
    let weights: i64 = parts.iter().map(|part| i64::from(part.weight)).sum();
    let beyond = |at: usize, part: &Part| has(at) - i64::from(part.base);
    let all: i64 = (0..)
        .zip(parts)
        .filter(|(_, part)| part.weight > 0)
        .map(|(at, part)| beyond(at, part))
        .sum();
    // What it lacks of its share of one task more, in parts of the sum of weights.
    let lacks = |at: usize, part: &Part| i64::from(part.weight) * (all + 1) - beyond(at, part) * weights;
    let with_weight = (0..).zip(parts).filter(|(_, part)| part.weight > 0);
    let best = with_weight.min_by_key(|(at, part)| (-lacks(*at, part), *at));
    best.map(|(at, _)| at)
}

/// How many of `count` further tasks go to each provider.
pub fn divide(parts: &[Part], tasks: &[u32], count: usize) -> Vec<usize> {
    let mut now = tasks.to_vec();
    now.resize(parts.len(), 0);
    let mut further = vec![0; parts.len()];
    for _ in 0..count {
        let Some(at) = next(parts, &now) else { break };
        if let (Some(now), Some(further)) = (now.get_mut(at), further.get_mut(at)) {
            *now = now.saturating_add(1);
            *further += 1;
        }
    }
    further
}
