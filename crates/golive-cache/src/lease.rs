//! For how long a server that was seen to be the primary is trusted without being seen again. With it, no revocation that
//! was acknowledged after a failover can be missed by an instance that still talks to the former primary: that instance
//! trusts it for one lease at most, and an acknowledgement over a connection younger than a lease waits until it is one
//! lease old. Measured in this process's own clock; no two clocks are compared.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::options::CacheOptions;

const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(crate) struct Lease {
    start: Instant,
    length: Duration,
    /// Milliseconds since the start.
    over_at: AtomicU64,
    settled_at: AtomicU64,
}

impl Lease {
    pub(crate) fn new(options: &CacheOptions) -> Self {
        let looks = options.watchdog_interval.saturating_mul(options.watchdog_misses.max(1));
        let length = looks.saturating_add(options.command_timeout.saturating_mul(2)).min(LONGEST);
        Self { start: Instant::now(), length, over_at: AtomicU64::new(0), settled_at: AtomicU64::new(0) }
    }

    fn at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at(Instant::now()) >= self.over_at.load(Ordering::Acquire)
    }

    /// The server was the primary when the question was asked.
    pub(crate) fn renew(&self, asked: Instant) {
        self.over_at.store(self.at(asked + self.length), Ordering::Release);
    }

    /// The connection is new: others may be elsewhere.
    pub(crate) fn unsettle(&self) {
        self.settled_at.store(self.at(Instant::now() + self.length), Ordering::Release);
    }

    pub(crate) fn until_settled(&self) -> Option<Duration> {
        let left = self.settled_at.load(Ordering::Acquire).saturating_sub(self.at(Instant::now()));
        (left > 0).then(|| Duration::from_millis(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_by_itself_and_a_new_connection_is_settled_no_earlier() {
        let mut options = CacheOptions::new("redis://localhost".into());
        options.watchdog_interval = Duration::from_secs(600);
        let lease = Lease::new(&options);
        assert!(lease.is_over(), "nothing was seen yet");
        lease.renew(Instant::now());
        assert!(!lease.is_over());
        assert_eq!(lease.until_settled(), None);
        lease.unsettle();
        assert!(lease.until_settled().unwrap() > Duration::from_secs(1_700));
        lease.over_at.store(0, Ordering::Release);
        assert!(lease.is_over());
    }
}
