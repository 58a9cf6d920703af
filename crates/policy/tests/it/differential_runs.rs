//! Two million generated cases, in parts that run side by side.

use portcullis_policy::{Outcome, PolicyType};

use crate::differential::{Tally, check, run};
use crate::generate::{self, Dice};

/// Cases of one part.
const CASES: u64 = 250_000;

fn part(seed: u64) {
    println!("seed {seed}");
    let tally = run(seed, CASES).unwrap_or_else(|difference| panic!("{difference}"));
    println!("{} cases\n{}", tally.cases(), tally.lines());
    is_diverse(&tally);
}

/// A generator that never allows, or never reaches a set, proves nothing.
fn is_diverse(tally: &Tally) {
    assert!(tally.cases() >= CASES);
    let allowed = tally.share(|(outcome, _)| outcome == Outcome::Allow);
    assert!((35_000..=65_000).contains(&allowed), "{}", tally.lines());
    for by in [
        PolicyType::ServiceControl,
        PolicyType::ResourceControl,
        PolicyType::Endpoint,
        PolicyType::Resource,
        PolicyType::RoleTrust,
        PolicyType::Boundary,
        PolicyType::Session,
        PolicyType::Identity,
    ] {
        for outcome in [Outcome::ExplicitDeny, Outcome::ImplicitDeny] {
            let share = tally.share(|answer| answer == (outcome, Some(by)));
            assert!(share >= 50, "{outcome:?} by {by:?}: {share} of 100,000");
        }
    }
}

/// Bytes are dice too, for fuzzers: whatever they are, there is a world.
#[test]
fn any_bytes_make_a_world() {
    for byte in 0..=u8::MAX {
        let world = generate::world(&mut Dice::bytes(&[byte; 400]));
        check(&world).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

/// More statements than fit into one block of the compiled form.
#[test]
fn policies_of_thousands_of_statements() {
    for seed in 0..24 {
        let mut dice = Dice::seed(seed);
        let statements = [1_020, 1_030, 2_100][dice.below(3)];
        let mut world = generate::world(&mut dice);
        let target = world.questions[0].clone();
        world.policies.identity = vec![generate::large_policy(&mut dice, &target, statements)];
        check(&world).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

#[test]
fn part_1_of_8() {
    part(1);
}

#[test]
fn part_2_of_8() {
    part(2);
}

#[test]
fn part_3_of_8() {
    part(3);
}

#[test]
fn part_4_of_8() {
    part(4);
}

#[test]
fn part_5_of_8() {
    part(5);
}

#[test]
fn part_6_of_8() {
    part(6);
}

#[test]
fn part_7_of_8() {
    part(7);
}

#[test]
fn part_8_of_8() {
    part(8);
}
