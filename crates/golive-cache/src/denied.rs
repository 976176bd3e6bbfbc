//! Who was denied a moment ago and until when: the answer to whoever goes on trying costs no round trip. It is exact,
//! because what others take in the meantime only makes the wait longer. Bounded.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limit::{Decision, DecisionSource};

/// About 100 bytes each.
const MOST: usize = 20_000;
/// Shorter waits are not worth the place.
const SHORTEST: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
pub(crate) struct Denied {
    hasher: RandomState,
    entries: Mutex<HashMap<u64, Entry>>,
}

#[derive(Debug)]
struct Entry {
    until: Instant,
    whole_at: Instant,
    cost: NonZeroU32,
    decision: Decision,
}

impl Denied {
    /// The denial, if this cost or a smaller one was denied until later than now.
    pub(crate) fn look(&self, key: &str, cost: NonZeroU32) -> Option<Decision> {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let entry = entries.get(&hash)?;
        if entry.until <= now {
            entries.remove(&hash);
            return None;
        }
        (cost >= entry.cost).then(|| Decision {
            retry_after: entry.until - now,
            reset: entry.whole_at.saturating_duration_since(now),
            source: DecisionSource::Remembered,
            ..entry.decision
        })
    }

    pub(crate) fn remember(&self, key: &str, cost: NonZeroU32, decision: &Decision) {
        if decision.retry_after < SHORTEST {
            return;
        }
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, entry| entry.until > now);
        }
        // Who finds no place is told by Redis each time.
        if entries.len() < MOST
            && let Some(until) = now.checked_add(decision.retry_after)
            && let Some(whole_at) = now.checked_add(decision.reset)
        {
            let entry = Entry { until, whole_at, cost, decision: *decision };
            entries.insert(self.hasher.hash_one(key), entry);
        }
    }

    pub(crate) fn forget(&self, key: &str) {
        let hash = self.hasher.hash_one(key);
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_for_the_cost_denied_and_dearer_ones_until_its_time_is_over() {
        let denied = Denied::default();
        let (one, three) = (NonZeroU32::MIN, NonZeroU32::new(3).unwrap());
        let decision = Decision {
            allowed: false,
            window: 0,
            limit: 10,
            remaining: 2,
            retry_after: Duration::from_secs(60),
            reset: Duration::from_secs(600),
            source: DecisionSource::Redis,
        };
        denied.remember("a", three, &decision);
        let seen = denied.look("a", three).unwrap();
        assert!(!seen.allowed && seen.source == DecisionSource::Remembered);
        assert!(seen.retry_after <= Duration::from_secs(60) && seen.remaining == 2);
        assert!(denied.look("a", one).is_none(), "less may pass");
        assert!(denied.look("b", three).is_none());
        denied.forget("a");
        assert!(denied.look("a", three).is_none());
        denied.remember("a", one, &Decision { retry_after: Duration::from_millis(2), ..decision });
        let begun = Instant::now();
        while denied.look("a", one).is_some() {
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
    }
}
