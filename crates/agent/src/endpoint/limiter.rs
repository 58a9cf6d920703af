//! One token bucket per caller address, over everything the task endpoint serves (agent.md 1.3). A connection looks its
//! bucket up once; a request takes its token with one atomic operation.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::RateLimit;

/// Addresses remembered; beyond it, those whose bucket is full again are dropped.
const CALLERS_MAX: usize = 4096;
const NANOS_A_SECOND: u64 = 1_000_000_000;

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: RateLimit,
    /// Nanoseconds in which a token comes.
    interval: u64,
    /// How far ahead of now a bucket may be emptied, in nanoseconds.
    ahead_max: u64,
    since: Instant,
    buckets: Mutex<HashMap<IpAddr, Arc<Bucket>>>,
}

/// A caller's tokens, as the time at which the bucket is full again: nanoseconds since the limiter began.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

impl Limiter {
    /// Values of zero fall back to both defaults, as the genuine agent's do.
    pub(crate) fn new(limit: RateLimit) -> Self {
        let limit = if limit.steady == 0 || limit.burst == 0 {
            RateLimit::default()
        } else {
            limit
        };
        let interval = NANOS_A_SECOND / u64::from(limit.steady);
        Self {
            limit,
            interval,
            ahead_max: interval.saturating_mul(u64::from(limit.burst) - 1),
            since: Instant::now(),
            buckets: Mutex::default(),
        }
    }

    /// `X-Rate-Limit-Limit`.
    pub(crate) fn steady_text(&self) -> String {
        format!("{}.00", self.limit.steady)
    }

    /// The bucket of a caller; none when too many others have one that is not full.
    pub(crate) fn bucket(&self, caller: IpAddr, now: Instant) -> Option<Arc<Bucket>> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(&caller) {
            return Some(Arc::clone(bucket));
        }
        if buckets.len() >= CALLERS_MAX {
            let now = self.nanos(now);
            // One that a connection holds must stay the caller's only one.
            buckets
                .retain(|_, bucket| bucket.0.load(Ordering::Relaxed) > now || Arc::strong_count(bucket) > 1);
            if buckets.len() >= CALLERS_MAX {
                return None;
            }
        }
        Some(Arc::clone(buckets.entry(caller).or_default()))
    }

    /// Takes a token at `now`; false means 429.
    pub(crate) fn allow(&self, bucket: &Bucket, now: Instant) -> bool {
        let now = self.nanos(now);
        let take = |full_at: u64| {
            let from = full_at.max(now);
            (from - now <= self.ahead_max).then(|| from.saturating_add(self.interval))
        };
        bucket
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    fn nanos(&self, now: Instant) -> u64 {
        let elapsed: Duration = now.saturating_duration_since(self.since);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([172, 17, 0, last])
    }

    fn allow(limiter: &Limiter, caller: IpAddr, now: Instant) -> bool {
        let bucket = limiter.bucket(caller, now);
        bucket.is_some_and(|bucket| limiter.allow(&bucket, now))
    }

    #[test]
    fn agent_1_3_burst_of_60_then_40_a_second_per_address() {
        let limiter = Limiter::new(RateLimit::default());
        let start = Instant::now();
        let allowed = |caller, now| (0..121).filter(|_| allow(&limiter, caller, now)).count();
        assert_eq!(allowed(ip(2), start), 60);
        assert!(
            allow(&limiter, ip(3), start),
            "another caller has a bucket of its own"
        );
        assert_eq!(allowed(ip(2), start + Duration::from_secs(1)), 40);
    }

    #[test]
    fn zero_falls_back_to_both_defaults() {
        let limiter = Limiter::new(RateLimit { steady: 0, burst: 5 });
        assert_eq!(
            (limiter.steady_text().as_str(), limiter.limit.burst),
            ("40.00", 60)
        );
    }

    #[test]
    fn the_table_of_callers_is_bounded() {
        let limiter = Limiter::new(RateLimit::default());
        let start = Instant::now();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..4096 {
            assert!(allow(&limiter, address(n), start));
        }
        assert!(!allow(&limiter, address(5000), start));
        assert!(allow(&limiter, address(5000), start + Duration::from_secs(2)));
        assert_eq!(limiter.buckets.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_bucket_in_use_is_never_replaced_by_a_full_one() {
        let limiter = Limiter::new(RateLimit::default());
        let start = Instant::now();
        let held = limiter.bucket(ip(2), start).unwrap();
        for n in 1..4096_u32 {
            assert!(allow(&limiter, IpAddr::from(n.to_be_bytes()), start));
        }
        let later = start + Duration::from_secs(2);
        assert!(allow(&limiter, ip(3), later));
        assert!(Arc::ptr_eq(&held, &limiter.bucket(ip(2), later).unwrap()));
    }

    proptest! {
        #[test]
        fn never_more_than_burst_plus_rate_times_time(gaps_ms in prop::collection::vec(0_u64..200, 1..300)) {
            let limiter = Limiter::new(RateLimit { steady: 10, burst: 5 });
            let start = Instant::now();
            let mut elapsed_ms = 0;
            let mut allowed = 0_u32;
            for gap in gaps_ms {
                elapsed_ms += gap;
                allowed += u32::from(allow(&limiter, ip(1), start + Duration::from_millis(elapsed_ms)));
                prop_assert!(f64::from(allowed) <= 5.0 + elapsed_ms as f64 / 100.0 + 1e-6);
            }
        }
    }
}
