//! The limiter of one process, for the time that Redis is away or where there is none. It knows nothing of Redis.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;

use crate::limit::{Decision, DecisionSource};
use crate::quota::{OnOutage, Quota};

/// Addresses are free to an attacker, so the map has an end. Beyond it keys share the buckets below.
const MOST_KEYS: usize = 100_000;
const OVERFLOW_BUCKETS: u64 = 4096;
/// Keys that have their whole quota again are forgotten, at most so often: it looks at all of them.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const SWEEP_EVERY_WHEN_FULL: Duration = Duration::from_secs(1);

/// governor counts nanoseconds in 64 bits.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

type Keyed = governor::RateLimiter<u64, DashMapStateStore<u64>, DefaultClock, StateInformationMiddleware>;

#[derive(Debug)]
pub(crate) struct LocalLimiter {
    windows: Vec<LocalWindow>,
    source: DecisionSource,
    clock: DefaultClock,
    hasher: RandomState,
    start: Instant,
    /// Milliseconds since the start.
    swept_at: AtomicU64,
}

#[derive(Debug)]
struct LocalWindow {
    limiter: Keyed,
    burst: NonZeroU32,
    interval: Duration,
}

impl LocalLimiter {
    /// At the share that is allowed while Redis is away.
    pub(crate) fn new(quota: &Quota) -> Self {
        let share = match quota.on_outage() {
            OnOutage::Share(share) => share.get(),
            OnOutage::Deny => 1, // nobody asks
        };
        Self::with(quota, share, DecisionSource::Local)
    }

    /// The whole quota.
    pub(crate) fn alone(quota: &Quota) -> Self {
        Self::with(quota, 1, DecisionSource::Process)
    }

    fn with(quota: &Quota, share: u32, source: DecisionSource) -> Self {
        let windows = quota.windows().iter().map(|window| {
            let burst = NonZeroU32::new(window.burst.get() / share).unwrap_or(NonZeroU32::MIN);
            let interval = window.interval().saturating_mul(share).min(LONGEST_INTERVAL);
            let local =
                governor::Quota::with_period(interval).expect("an interval is never zero").allow_burst(burst);
            let limiter =
                governor::RateLimiter::dashmap(local).with_middleware::<StateInformationMiddleware>();
            LocalWindow { limiter, burst, interval }
        });
        Self {
            windows: windows.collect(),
            source,
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            start: Instant::now(),
            swept_at: AtomicU64::new(0),
        }
    }

    /// Takes from all windows. One that refuses does not give back what an earlier one took: stricter, not laxer.
    pub(crate) fn check(&self, key: &str, cost: NonZeroU32) -> Decision {
        let key = self.place(self.hasher.hash_one(key));
        let mut tightest: Option<Decision> = None;
        for (index, window) in self.windows.iter().enumerate() {
            let decision = self.check_window(index, window, key, cost);
            if !decision.allowed {
                return decision;
            }
            if tightest.is_none_or(|other| decision.remaining < other.remaining) {
                tightest = Some(decision);
            }
        }
        tightest.expect("a quota has a window")
    }

    fn check_window(&self, index: usize, window: &LocalWindow, key: u64, cost: NonZeroU32) -> Decision {
        let decide = |allowed, remaining, retry_after| Decision {
            allowed,
            window: index,
            limit: window.burst.get(),
            remaining,
            retry_after,
            reset: window.interval.saturating_mul(window.burst.get().saturating_sub(remaining)),
            source: self.source,
        };
        match window.limiter.check_key_n(&key, cost) {
            Ok(Ok(snapshot)) => decide(true, snapshot.remaining_burst_capacity(), Duration::ZERO),
            Ok(Err(not_until)) => decide(false, 0, not_until.wait_time_from(self.clock.now())),
            Err(_more_than_the_burst) => decide(false, 0, window.interval.saturating_mul(cost.get())),
        }
    }

    /// The key's own place, or when there are too many one that it shares with others.
    fn place(&self, hash: u64) -> u64 {
        let keys = self.windows.first().map_or(0, |window| window.limiter.len());
        let is_full = keys >= MOST_KEYS;
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let pause = if is_full { SWEEP_EVERY_WHEN_FULL } else { SWEEP_EVERY };
        let swept_at = self.swept_at.load(Ordering::Relaxed);
        let is_due = u128::from(now.saturating_sub(swept_at)) >= pause.as_millis();
        let is_ours = is_due
            && self.swept_at.compare_exchange(swept_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_ours {
            for window in &self.windows {
                window.limiter.retain_recent();
                window.limiter.shrink_to_fit();
            }
        }
        if is_full { hash % OVERFLOW_BUCKETS } else { hash }
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        self.windows[0].limiter.len()
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

    #[test]
    fn alone_it_allows_the_whole_quota_and_is_not_degraded() {
        let local = LocalLimiter::alone(&Quota::per_minute("test", 10).with_local_share(5));
        assert_eq!((0..20).filter(|_| local.check("a", NonZeroU32::MIN).allowed).count(), 10);
        assert!(!local.check("a", NonZeroU32::MIN).is_degraded());
    }

    #[test]
    fn a_stricter_share_and_the_tightest_window_decide() {
        let quota = Quota::per_minute("test", 100).and_per_hour(8).with_local_share(4);
        let local = LocalLimiter::new(&quota);
        let first = local.check("a", NonZeroU32::MIN);
        assert_eq!((first.allowed, first.window, first.limit, first.remaining), (true, 1, 2, 1));
        assert!(local.check("a", NonZeroU32::MIN).allowed);
        let third = local.check("a", NonZeroU32::MIN);
        assert!(!third.allowed && third.window == 1);
    }

    #[test]
    fn memory_has_an_end_however_many_keys_come() {
        let local = LocalLimiter::new(&Quota::per_minute("test", 4));
        for i in 0..MOST_KEYS + 50_000 {
            local.check(&format!("2001:db8::{i:x}"), NonZeroU32::MIN);
        }
        assert!(local.keys() <= MOST_KEYS + usize::try_from(OVERFLOW_BUCKETS).unwrap());
    }
}
