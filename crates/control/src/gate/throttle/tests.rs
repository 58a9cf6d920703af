use std::collections::BTreeSet;
use std::thread;

use portcullis_api::ecs;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn bucket(burst: u32, per_second: u32) -> Bucket {
    Bucket::full(limit("test", burst, per_second, &[]))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + millis)
}

/// A bucket as a textbook has it: thousandths of tokens that are counted up as time goes by.
struct Naive {
    limit: Limit,
    thousandths: u64,
    seen: i64,
}

impl Naive {
    fn take(&mut self, tokens: u32, now: i64) -> bool {
        let gone = u64::try_from(now - self.seen).unwrap();
        self.seen = now;
        let whole = u64::from(self.limit.burst) * 1_000;
        self.thousandths = whole.min(self.thousandths + gone * u64::from(self.limit.per_second));
        let wanted = u64::from(tokens) * 1_000;
        if self.thousandths < wanted {
            return false;
        }
        self.thousandths -= wanted;
        true
    }
}

proptest! {
    #[test]
    fn a_bucket_does_what_a_naive_one_does(
        burst in 1_u32..300,
        per_second in 1_u32..200,
        calls in prop::collection::vec((0_i64..3_000, 0_u32..12), 1..400),
    ) {
        let real = bucket(burst, per_second);
        let mut naive = Naive { limit: real.limit, thousandths: u64::from(burst) * 1_000, seen: 0 };
        let mut now = 0;
        for (pause, tokens) in calls {
            // Most calls come close after one another.
            now += if pause > 200 { pause } else { pause / 50 };
            prop_assert_eq!(real.take(tokens, at(now)), naive.take(tokens, now));
        }
    }
}

#[test]
fn a_burst_and_then_the_sustained_rate() {
    let bucket = bucket(20, 1);
    let taken = |now| (0..100).filter(|_| bucket.take(1, at(now))).count();
    assert_eq!(taken(0), 20);
    assert_eq!(taken(999), 0);
    assert_eq!(taken(1_000), 1);
    assert_eq!(taken(6_500), 5);
    assert_eq!(taken(1_000_000), 20);
}

#[test]
fn a_clock_that_is_turned_back_empties_a_bucket_at_most() {
    let bucket = bucket(20, 10);
    assert!(bucket.take(1, at(0)));
    assert!(!bucket.take(1, at(-3_600_000)));
    assert!(bucket.take(1, at(-3_600_000 + 100)));
    assert!(bucket.take(20, at(-3_600_000 + 2_100)));
}

#[test]
fn many_threads_take_no_more_than_there_is() {
    let bucket = bucket(1_000, 1);
    let taken: usize = thread::scope(|scope| {
        let takers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..1_000).filter(|_| bucket.take(1, at(0))).count()))
            .collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).sum()
    });
    assert_eq!(taken, 1_000);
}

#[test]
fn ecs_13_every_operation_of_a_bucket_exists_and_is_in_one_bucket_only() {
    let mut seen = BTreeSet::new();
    for operation in CALLS.iter().flat_map(|limit| limit.operations) {
        assert!(ecs::SERVICE.operations.contains(operation), "{operation}");
        assert!(seen.insert(operation), "{operation} twice");
    }
}

#[test]
fn ecs_13_what_counts_as_a_launch_on_fargate() {
    let strategy = |name: &str| json!([{ "capacityProvider": "mine" }, { "capacityProvider": name }]);
    let cases = [
        (json!({ "launchType": "FARGATE" }), Some(1)),
        (json!({ "launchType": "FARGATE", "count": 7 }), Some(7)),
        (
            json!({ "capacityProviderStrategy": strategy("FARGATE_SPOT"), "count": 2 }),
            Some(2),
        ),
        (json!({ "capacityProviderStrategy": strategy("other") }), None),
        (json!({ "launchType": "EC2", "count": 7 }), None),
        (json!({}), None),
    ];
    for (parameters, tasks) in cases {
        assert_eq!(fargate_tasks(&parameters), tasks, "{parameters}");
    }
}
