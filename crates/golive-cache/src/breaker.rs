//! Refuses commands at once while Redis keeps failing, so that an outage costs microseconds a request and not a
//! time-out each. It opens by counting; only the watchdog, which asks Redis on nobody's behalf, closes it: no request
//! is the probe. Pure.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Breaker {
    failures_to_open: u32,
    failures: AtomicU32,
    is_open: AtomicBool,
    opened: AtomicU64,
}

impl Breaker {
    pub(crate) fn new(failures_to_open: u32) -> Self {
        Self {
            failures_to_open: failures_to_open.max(1),
            failures: AtomicU32::new(0),
            is_open: AtomicBool::new(false),
            opened: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// How often it opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// A command was answered. An answer that comes late, to what was sent before it opened, does not close it.
    pub(crate) fn succeeded(&self) {
        // Without the look a store would bounce the cache line between cores for every command.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A command was not answered.
    pub(crate) fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= self.failures_to_open && !self.is_open.swap(true, Ordering::AcqRel) {
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The watchdog was answered.
    pub(crate) fn close(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.is_open.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_only_the_watchdog_closes_it() {
        let breaker = Breaker::new(2);
        breaker.failed();
        breaker.succeeded();
        breaker.failed();
        assert!(!breaker.is_open(), "not in a row");
        breaker.failed();
        assert!(breaker.is_open());
        breaker.succeeded();
        assert!(breaker.is_open(), "a late answer is no recovery");
        breaker.close();
        breaker.failed();
        assert!(!breaker.is_open());
        breaker.failed();
        assert_eq!((breaker.is_open(), breaker.opened()), (true, 2));
    }
}
