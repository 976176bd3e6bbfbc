//! What every request counts, without threads waiting for each other's writes: each adds to a lane that few others use,
//! and readers add the lanes up.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// More threads than this share lanes, which costs them time and no count.
const LANES: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
}

/// The requests of a process.
#[derive(Default)]
pub(super) struct Lanes([Lane; LANES]);

/// On cache lines of its own; processors fetch two at once.
#[derive(Default)]
#[repr(align(128))]
struct Lane {
    /// Below zero where requests end on another thread than they began on.
    active: AtomicI64,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Lanes {
    /// Counts requests that begin, or less than none that end.
    pub(super) fn add_active(&self, change: i64) {
        self.own().active.fetch_add(change, Ordering::Relaxed);
    }

    /// Counts one answered request.
    pub(super) fn add_answered(&self, has_failed: bool) {
        let lane = self.own();
        lane.answered.fetch_add(1, Ordering::Relaxed);
        if has_failed {
            lane.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests being answered now.
    pub(super) fn active(&self) -> i64 {
        self.0.iter().map(|lane| lane.active.load(Ordering::Relaxed)).sum()
    }

    /// Requests answered so far, and how many of them failed.
    pub(super) fn answered(&self) -> (u64, u64) {
        let sum =
            |of: fn(&Lane) -> &AtomicU64| self.0.iter().map(|lane| of(lane).load(Ordering::Relaxed)).sum();
        (sum(|lane| &lane.answered), sum(|lane| &lane.failed))
    }

    fn own(&self) -> &Lane {
        // A thread that is ending counts in the first one.
        &self.0[OWN.try_with(|own| *own).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_count_and_a_request_may_end_on_another_one() {
        let lanes = Lanes::default();
        std::thread::scope(|scope| {
            for thread in 0..40 {
                let lanes = &lanes;
                scope.spawn(move || {
                    for request in 0..100 {
                        lanes.add_active(1);
                        lanes.add_answered(thread == 7 && request < 30);
                    }
                });
            }
        });
        assert_eq!((lanes.active(), lanes.answered()), (4000, (4000, 30)));
        (0..3999).for_each(|_| lanes.add_active(-1));
        assert_eq!(lanes.active(), 1);
    }
}
