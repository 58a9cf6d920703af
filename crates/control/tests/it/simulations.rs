//! Simulated regions: twenty seeds of them.

use crate::simulation::sabotage::{ALL, sabotaged};
use crate::simulation::{Size, run};

/// Small enough for an unoptimised build.
const SMALL: Size = Size {
    agents: 12,
    steps: 80,
};

async fn seeds(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        println!("seed {seed}: {:?}", run(seed, SMALL).await);
    }
}

#[tokio::test]
async fn t14_seeds_0_to_4() {
    seeds(0..4).await;
}

#[tokio::test]
async fn t14_seeds_4_to_8() {
    seeds(4..8).await;
}

#[tokio::test]
async fn t14_seeds_8_to_12() {
    seeds(8..12).await;
}

#[tokio::test]
async fn t14_seeds_12_to_16() {
    seeds(12..16).await;
}

#[tokio::test]
async fn t14_seeds_16_to_20() {
    seeds(16..20).await;
}

#[tokio::test]
async fn t14_a_seed_is_reproducible() {
    assert_eq!(run(7, SMALL).await, run(7, SMALL).await);
}

#[tokio::test]
async fn t14_what_is_broken_on_purpose_is_seen() {
    for (how, says) in ALL {
        let panicked = tokio::spawn(sabotaged(how))
            .await
            .expect_err("it is seen")
            .into_panic();
        let said = panicked.downcast::<String>().unwrap();
        assert!(said.contains(says), "{how:?}: {said}");
    }
}
