//! The limiter of one process, for the time that Redis is away. It knows nothing of Redis.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;

use crate::limit::{Decision, DecisionSource, Quota};

/// Addresses are free to an attacker, so the map has an end; beyond it all share one bucket.
const MOST_KEYS: usize = 100_000;
const OVERFLOW_KEY: &str = "\u{0}overflow";

#[derive(Debug)]
pub(crate) struct LocalLimiter {
    limiter:
        governor::RateLimiter<String, DashMapStateStore<String>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    burst: NonZeroU32,
    interval: Duration,
}

impl LocalLimiter {
    pub(crate) fn new(quota: &Quota) -> Self {
        let share = quota.local_share.get();
        let burst = NonZeroU32::new(quota.burst.get() / share).unwrap_or(NonZeroU32::MIN);
        let interval = quota.interval().saturating_mul(share);
        let local =
            governor::Quota::with_period(interval).expect("an interval is never zero").allow_burst(burst);
        let limiter = governor::RateLimiter::dashmap(local).with_middleware::<StateInformationMiddleware>();
        Self { limiter, clock: DefaultClock::default(), burst, interval }
    }

    pub(crate) fn check(&self, key: &str, cost: NonZeroU32) -> Decision {
        let key = self.admit(key);
        let decide = |allowed, remaining, retry_after| Decision {
            allowed,
            limit: self.burst.get(),
            remaining,
            retry_after,
            reset: self.interval.saturating_mul(self.burst.get().saturating_sub(remaining)),
            source: DecisionSource::Local,
        };
        match self.limiter.check_key_n(&key, cost) {
            Ok(Ok(snapshot)) => decide(true, snapshot.remaining_burst_capacity(), Duration::ZERO),
            Ok(Err(not_until)) => decide(false, 0, not_until.wait_time_from(self.clock.now())),
            Err(_more_than_the_burst) => decide(false, 0, self.interval.saturating_mul(cost.get())),
        }
    }

    fn admit(&self, key: &str) -> String {
        if self.limiter.len() >= MOST_KEYS {
            self.limiter.retain_recent();
            if self.limiter.len() >= MOST_KEYS {
                return OVERFLOW_KEY.to_owned();
            }
        }
        key.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_only_its_share() {
        let local = LocalLimiter::new(&Quota::per_minute("test", 10));
        let passed = (0..10).filter(|_| local.check("a", NonZeroU32::MIN).allowed).count();
        assert_eq!(passed, 5);
        let refused = local.check("a", NonZeroU32::MIN);
        assert!(!refused.allowed && refused.retry_after > Duration::ZERO && refused.is_degraded());
        assert!(local.check("b", NonZeroU32::MIN).allowed, "keys do not share");
    }
}
