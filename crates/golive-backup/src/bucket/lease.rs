//! One writer at a time, on whatever machine: an object that only one can create, kept fresh while its holder lives,
//! and taken over when it is stale. How old it is the store's own clock says, for ours may be wrong.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use object_store::{Error, ObjectStore, PutMode, PutOptions, UpdateVersion};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::{Bucket, requests};

const NAME: &str = ".lock";
/// Written to be told the time.
const CLOCK: &str = ".clock";
const FRESHEN_EVERY: Duration = Duration::from_secs(60);
/// A lease as old as this is nobody's: its holder would have refreshed it several times.
const STALE: TimeDelta = TimeDelta::minutes(5);

/// The one writer's right to write. Given back when dropped.
pub(crate) struct Lease {
    bucket: Bucket,
    version: Arc<Mutex<Option<UpdateVersion>>>,
    freshening: AbortHandle,
}

impl Lease {
    /// Takes it; `None` when somebody has it.
    pub(crate) fn take(bucket: &Bucket) -> io::Result<Option<Self>> {
        let text = || format!("{}\n", uuid::Uuid::new_v4()).into_bytes();
        let taken = match bucket.put(NAME, text(), PutMode::Create) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let Some(stale) = stale(bucket)? else { return Ok(None) };
                match bucket.put(NAME, text(), PutMode::Update(stale)) {
                    // Another found it stale too, and was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                    taken => taken?,
                }
            }
            taken => taken?,
        };
        let version = Arc::new(Mutex::new(Some(UpdateVersion::from(taken))));
        let freshening = requests().spawn(keep_fresh(bucket.clone(), version.clone()));
        Ok(Some(Self { bucket: bucket.clone(), version, freshening: freshening.abort_handle() }))
    }

    /// Makes sure that it is ours still.
    pub(crate) fn confirm(&self) -> io::Result<()> {
        let (bucket, version) = (self.bucket.clone(), self.version.clone());
        if self.bucket.begin(async move { freshen(&bucket, &version).await }).wait()? {
            return Ok(());
        }
        Err(io::Error::other("the lock was taken over by another while this run stood still; run it again"))
    }
}

/// The version of the lease when it is stale; `None` when somebody holds it.
fn stale(bucket: &Bucket) -> io::Result<Option<UpdateVersion>> {
    let held = match bucket.look(NAME) {
        // Given back this moment: whoever asks again gets it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        held => held?,
    };
    bucket.write(CLOCK, Vec::new())?;
    let now = bucket.look(CLOCK)?.last_modified;
    let is_stale = now - held.last_modified > STALE;
    Ok(is_stale.then_some(UpdateVersion { e_tag: held.e_tag, version: held.version }))
}

/// Writes the lease again, if it is ours; whether it is. Two at once wait for each other.
async fn freshen(bucket: &Bucket, version: &Mutex<Option<UpdateVersion>>) -> object_store::Result<bool> {
    let mut version = version.lock().await;
    let Some(held) = version.clone() else { return Ok(false) };
    let text = Bytes::from(format!("{}\n", uuid::Uuid::new_v4()));
    let options = PutOptions { mode: PutMode::Update(held), ..PutOptions::default() };
    match bucket.store.put_opts(&bucket.path(NAME), text.into(), options).await {
        Ok(fresh) => *version = Some(fresh.into()),
        Err(Error::Precondition { .. } | Error::NotFound { .. }) => *version = None,
        Err(error) => return Err(error),
    }
    Ok(version.is_some())
}

async fn keep_fresh(bucket: Bucket, version: Arc<Mutex<Option<UpdateVersion>>>) {
    loop {
        tokio::time::sleep(FRESHEN_EVERY).await;
        // Out of reach: whether it is ours still is seen with the next look.
        if let Ok(false) = freshen(&bucket, &version).await {
            return;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.freshening.abort();
        // Only what is ours is given back; without an answer it becomes stale by itself.
        if self.confirm().is_ok()
            && let Err(error) = self.bucket.remove(NAME)
        {
            tracing::warn!(%error, "the lock of the bucket could not be given back; it ends by itself in five minutes");
        }
    }
}
