//! Refuses commands at once while Redis keeps failing, so that an outage costs microseconds a request and not a
//! time-out each. Pure: the caller passes the time.

use std::sync::Mutex;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Breaker {
    failures_to_open: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Breaker {
    pub(crate) fn new(failures_to_open: u32, pause: Duration) -> Self {
        Self { failures_to_open: failures_to_open.max(1), pause, state: Mutex::new(State::default()) }
    }

    /// Whether a command may be sent. While open, one in each pause may: it is the probe.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.closed_until = Some(now + self.pause);
                true
            }
        }
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.lock();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.failures_to_open {
            state.closed_until = Some(now + self.pause);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_probes_once_a_pause_and_closes_on_success() {
        let breaker = Breaker::new(2, Duration::from_millis(100));
        let start = Instant::now();
        breaker.failed(start);
        assert!(breaker.admits(start));
        breaker.failed(start);
        assert!(!breaker.admits(start));
        let later = start + Duration::from_millis(100);
        assert!(breaker.admits(later), "the probe");
        assert!(!breaker.admits(later), "only one");
        breaker.succeeded();
        assert!(breaker.admits(later));
    }
}
