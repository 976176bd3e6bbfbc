//! Progress as a value: the caller decides how it looks. Nothing is printed here.

use std::fmt;
use std::sync::Arc;

/// What a long operation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Waiting for the lock that aligns the snapshots.
    Locking,
    /// Streaming the dump into the repository; bytes of plain SQL.
    Dumping,
    /// Reading tables of the snapshot to write their digests; bytes stay 0.
    Digesting,
    /// Reading stored bytes again.
    Verifying,
    /// Feeding the dump to the target; bytes of plain SQL.
    Restoring,
    /// Reading tables of the restored database.
    Comparing,
    /// Feeding the binary log to the target; bytes of log.
    Replaying,
}

/// One report of progress.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressEvent {
    /// What is being done.
    pub stage: Stage,
    /// Bytes done so far in this stage.
    pub bytes: u64,
    /// Bytes expected in this stage, where known.
    pub total_bytes: Option<u64>,
    /// The table, where the stage goes table by table.
    pub table: Option<String>,
}

/// Where progress goes: a callback, called from any thread, that must return quickly.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&ProgressEvent) + Send + Sync>);

impl Progress {
    /// Reports to a callback.
    pub fn new(report: impl Fn(&ProgressEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    /// Reports to nobody.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.bytes(stage, 0, None);
    }

    pub(crate) fn bytes(&self, stage: Stage, bytes: u64, total_bytes: Option<u64>) {
        (self.0)(&ProgressEvent { stage, bytes, total_bytes, table: None });
    }

    pub(crate) fn table(&self, stage: Stage, table: &str) {
        (self.0)(&ProgressEvent { stage, bytes: 0, total_bytes: None, table: Some(table.to_owned()) });
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::silent()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Progress")
    }
}
