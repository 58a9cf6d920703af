//! One token bucket per caller address, over everything the task endpoint serves (agent.md 1.3).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::RateLimit;

/// Addresses remembered; beyond it, those whose bucket is full again are dropped.
const CALLERS_MAX: usize = 4096;

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: RateLimit,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Limiter {
    /// Values of zero fall back to both defaults, as the genuine agent's do.
    pub(crate) fn new(limit: RateLimit) -> Self {
        let limit = if limit.steady == 0 || limit.burst == 0 {
            RateLimit::default()
        } else {
            limit
        };
        Self {
            limit,
            buckets: Mutex::default(),
        }
    }

    /// `X-Rate-Limit-Limit`.
    pub(crate) fn steady_text(&self) -> String {
        format!("{}.00", self.limit.steady)
    }

    /// Takes a token for a request of `caller` at `now`; false means 429.
    pub(crate) fn allow(&self, caller: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(&caller) {
            let full = f64::from(self.limit.burst);
            buckets.retain(|_, bucket| self.level(*bucket, now) < full);
            if buckets.len() >= CALLERS_MAX {
                return false;
            }
        }
        let fresh = Bucket {
            tokens: f64::from(self.limit.burst),
            filled_at: now,
        };
        let bucket = buckets.entry(caller).or_insert(fresh);
        let level = self.level(*bucket, now);
        let allowed = level >= 1.0;
        *bucket = Bucket {
            tokens: if allowed { level - 1.0 } else { level },
            filled_at: now,
        };
        allowed
    }

    fn level(&self, bucket: Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        (bucket.tokens + elapsed * f64::from(self.limit.steady)).min(f64::from(self.limit.burst))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([172, 17, 0, last])
    }

    #[test]
    fn agent_1_3_burst_of_60_then_40_a_second_per_address() {
        let limiter = Limiter::new(RateLimit::default());
        let start = Instant::now();
        assert_eq!((0..121).filter(|_| limiter.allow(ip(2), start)).count(), 60);
        assert!(
            limiter.allow(ip(3), start),
            "another caller has a bucket of its own"
        );
        let later = start + Duration::from_secs(1);
        assert_eq!((0..121).filter(|_| limiter.allow(ip(2), later)).count(), 40);
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
            assert!(limiter.allow(address(n), start));
        }
        assert!(!limiter.allow(address(5000), start));
        assert!(limiter.allow(address(5000), start + Duration::from_secs(2)));
        assert_eq!(limiter.buckets.lock().unwrap().len(), 1);
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
                allowed += u32::from(limiter.allow(ip(1), start + Duration::from_millis(elapsed_ms)));
                prop_assert!(f64::from(allowed) <= 5.0 + elapsed_ms as f64 / 100.0 + 1e-6);
            }
        }
    }
}
