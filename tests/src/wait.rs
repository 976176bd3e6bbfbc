//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// Waits until `condition` gives something.
///
/// # Panics
/// When it does not within `limit`: says what was waited for.
pub fn wait_until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        std::thread::sleep(INTERVAL);
    }
}

/// A duration in seconds.
#[must_use]
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const INTERVAL: Duration = Duration::from_millis(5);
