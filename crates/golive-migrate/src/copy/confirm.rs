//! Confirms that the source is the one that was planned for, while its first rows are on their way: reading gigabytes for
//! their fingerprint would keep the server waiting. No chunk is committed before the answer is there.

use tokio::sync::watch;

use super::CopyError;
use crate::plan::Plan;
use crate::source::{Source, Watch, WatchError};

/// Whether the source is known to be the planned one.
pub(super) struct Confirmation {
    known: watch::Sender<bool>,
}

impl Confirmation {
    pub(super) fn new() -> Self {
        Self { known: watch::Sender::new(false) }
    }

    /// Takes the source's fingerprint, and lets the chunks go if it is the plan's.
    pub(super) async fn take(&self, source: &Source, plan: &Plan) -> Result<(), CopyError> {
        let reading = source.clone();
        let digest =
            tokio::task::spawn_blocking(move || reading.digest()).await?.map_err(CopyError::Fingerprint)?;
        if digest != plan.source_digest {
            return Err(CopyError::SourceChanged);
        }
        self.known.send_replace(true);
        Ok(())
    }

    /// Waits for the answer; a source that is another one ends the copy before.
    pub(super) async fn known(&self) {
        // The sender is ours, so waiting cannot fail.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }
}

/// Begins to watch the source. It must be watched before the snapshots are taken, and those before the fingerprint: so a
/// writer that slips in between is noticed.
pub(super) async fn watch(source: &Source) -> Result<Watch, CopyError> {
    let reading = source.clone();
    tokio::task::spawn_blocking(move || reading.watch()).await?.map_err(failure)
}

/// Asks at the end whether it is still the same.
pub(super) async fn expect_unchanged(watch: Watch, plan: &Plan) -> Result<(), CopyError> {
    let digest = plan.source_digest.clone();
    let unchanged = tokio::task::spawn_blocking(move || watch.is_unchanged(&digest)).await?;
    if unchanged.map_err(failure)? { Ok(()) } else { Err(CopyError::SourceChanged) }
}

fn failure(error: WatchError) -> CopyError {
    match error {
        WatchError::Sqlite(source) => CopyError::Source { table: "sqlite_schema".to_owned(), source },
        WatchError::File(source) => CopyError::Fingerprint(source),
    }
}
