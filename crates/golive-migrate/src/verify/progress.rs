//! Tells how far the comparison of a table is, over all of its ranges, and ends it when it was cancelled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::report::VerifyError;
use crate::progress::{OnProgress, Phase, Progress};

/// How often progress is told.
const TELL_EVERY_MILLIS: u64 = 250;

/// Counts one table.
pub(super) struct Counter {
    table: String,
    total: u64,
    start: Instant,
    rows: AtomicU64,
    told_millis: AtomicU64,
}

impl Counter {
    pub(super) fn new(table: &str, total: u64) -> Self {
        let (rows, told_millis) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { table: table.to_owned(), total, start: Instant::now(), rows, told_millis }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

/// Who is told, of which table.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) counter: &'a Counter,
    pub(super) progress: OnProgress<'a>,
    pub(super) cancel: &'a CancellationToken,
}

impl Teller<'_> {
    /// Called before every block of rows: whether to go on at all.
    pub(super) fn take_up(&self) -> Result<(), VerifyError> {
        if self.cancel.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
        let now = u64::try_from(self.counter.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let told = self.counter.told_millis.load(Ordering::Relaxed);
        if now.saturating_sub(told) >= TELL_EVERY_MILLIS {
            self.counter.told_millis.store(now, Ordering::Relaxed);
            self.tell();
        }
        Ok(())
    }

    pub(super) fn add(&self, rows: u64) {
        self.counter.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn tell(&self) {
        let rows = self.counter.rows.load(Ordering::Relaxed).min(self.counter.total);
        let elapsed: Duration = self.counter.start.elapsed();
        let (table, total) = (&self.counter.table, self.counter.total);
        (self.progress)(Progress::of_table(Phase::Verify, table, rows, total, elapsed));
    }
}
