use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy;

use super::*;

fn part(base: u32, weight: u32) -> Part {
    Part { base, weight }
}

#[test]
fn bases_are_filled_first_and_weights_divide_the_rest() {
    let cases = [
        (vec![part(0, 1), part(0, 4)], 10, vec![2, 8]),
        (vec![part(2, 1), part(0, 1)], 10, vec![6, 4]),
        (vec![part(0, 1), part(5, 0)], 7, vec![2, 5]),
        (vec![part(3, 0)], 5, vec![3]),
        (vec![part(0, 0)], 2, vec![0]),
        (vec![part(0, 1), part(0, 1), part(0, 1)], 3, vec![1, 1, 1]),
        (vec![part(0, 1000), part(0, 1)], 10, vec![10, 0]),
        (Vec::new(), 3, Vec::new()),
    ];
    for (parts, count, expected) in cases {
        assert_eq!(divide(&parts, &[], count), expected, "{parts:?}");
    }
}

#[test]
fn tasks_that_are_there_count() {
    let parts = [part(1, 1), part(0, 3)];
    assert_eq!(divide(&parts, &[0, 0], 1), [1, 0], "the base");
    assert_eq!(divide(&parts, &[1, 0], 4), [1, 3]);
    assert_eq!(
        divide(&parts, &[5, 0], 4),
        [0, 4],
        "what one has too much of the others catch up on"
    );
}

/// The provider that leaves the least sum of squares between what each has and its exact share, in whole numbers.
fn naive(parts: &[Part], tasks: &[u32]) -> Option<usize> {
    if let Some(at) = (0..parts.len()).find(|at| tasks[*at] < parts[*at].base) {
        return Some(at);
    }
    let weights: i128 = parts.iter().map(|one| i128::from(one.weight)).sum();
    let beyond = |at: usize| i128::from(tasks[at]) - i128::from(parts[at].base);
    let counted: Vec<_> = (0..parts.len()).filter(|at| parts[*at].weight > 0).collect();
    let all: i128 = counted.iter().map(|at| beyond(*at)).sum::<i128>() + 1;
    let squares = |chosen: usize| {
        let error = |at: usize| {
            let has = beyond(at) + i128::from(at == chosen);
            has * weights - i128::from(parts[at].weight) * all
        };
        counted.iter().map(|at| error(*at) * error(*at)).sum::<i128>()
    };
    counted.iter().copied().min_by_key(|at| (squares(*at), *at))
}

fn any_part() -> impl Strategy<Value = Part> {
    (prop::option::weighted(0.2, 0..5_u32), 0..6_u32)
        .prop_map(|(base, weight)| part(base.unwrap_or_default(), weight))
}

proptest! {
    #[test]
    fn the_choice_is_the_one_the_naive_model_makes(
        rows in prop::collection::vec((any_part(), 0..20_u32), 0..6),
    ) {
        let (parts, tasks): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        prop_assert_eq!(next(&parts, &tasks), naive(&parts, &tasks));
    }

    /// After whole rounds the ratio is exact, whatever order they came in.
    #[test]
    fn whole_rounds_give_the_exact_ratio(
        weights in prop::collection::vec(0..6_u32, 1..6),
        rounds in 1..5_usize,
        first in any::<prop::sample::Index>(),
        base in 0..4_u32,
    ) {
        let mut parts: Vec<_> = weights.iter().map(|weight| part(0, *weight)).collect();
        let at = first.index(parts.len());
        parts[at].base = base;
        let sum: u32 = weights.iter().sum();
        let shares = divide(&parts, &[], base as usize + rounds * sum as usize);
        for (index, share) in shares.iter().enumerate() {
            let extra = if index == at { base as usize } else { 0 };
            prop_assert_eq!(*share, weights[index] as usize * rounds + extra);
        }
        prop_assert!(shares.iter().sum::<usize>() <= base as usize + rounds * sum as usize);
    }
}
