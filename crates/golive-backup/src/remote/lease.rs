//! One writer at a time, on whatever machine: an object that only one can create, kept fresh while its holder lives,
//! and taken over when it is stale. How old it is the store's own clock says, for ours may be wrong.

use std::io;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::AbortHandle;

use super::{Remote, Result, Store, of_store, requests, s3, sftp};

pub(super) const NAME: &str = ".lock";
/// Written to be told the time.
pub(super) const CLOCK: &str = ".clock";
const FRESHEN_EVERY: Duration = Duration::from_secs(60);
/// A lease as old as this is nobody's: its holder would have refreshed it several times.
pub(super) const STALE: TimeDelta = TimeDelta::minutes(5);

/// The one writer's right to write. Given back when dropped.
pub(crate) struct Lease {
    remote: Remote,
    held: Held,
    freshening: AbortHandle,
}

/// How a store knows a lease again.
#[derive(Clone)]
pub(super) enum Held {
    S3(s3::Held),
    Sftp(sftp::Held),
}

impl Lease {
    /// Takes it; `None` when somebody has it.
    pub(crate) fn take(remote: &Remote) -> io::Result<Option<Self>> {
        let (store, name, clock) = (remote.store.clone(), remote.path(NAME), remote.path(CLOCK));
        let taken = remote
            .begin(async move {
                Ok(match &store {
                    Store::S3(store) => store.take_lease(&name, &clock).await?.map(Held::S3),
                    Store::Sftp(store) => store.take_lease(&name, &clock).await?.map(Held::Sftp),
                })
            })
            .wait()?;
        let Some(held) = taken else { return Ok(None) };
        let freshening = requests().spawn(keep_fresh(remote.clone(), held.clone())).abort_handle();
        Ok(Some(Self { remote: remote.clone(), held, freshening }))
    }

    /// Makes sure that it is ours still.
    pub(crate) fn confirm(&self) -> io::Result<()> {
        let (remote, held) = (self.remote.clone(), self.held.clone());
        if self.remote.begin(async move { freshen(&remote, &held).await }).wait()? {
            return Ok(());
        }
        Err(io::Error::other("the lock was taken over by another while this run stood still; run it again"))
    }
}

/// Writes the lease again, if it is ours; whether it is.
async fn freshen(remote: &Remote, held: &Held) -> Result<bool> {
    match (&remote.store, held) {
        (Store::S3(store), Held::S3(held)) => store.freshen_lease(&remote.path(NAME), held).await,
        (Store::Sftp(store), Held::Sftp(held)) => store.freshen_lease(&remote.path(NAME), held).await,
        _ => unreachable!("a lease is of the store that gave it"),
    }
}

async fn keep_fresh(remote: Remote, held: Held) {
    loop {
        tokio::time::sleep(FRESHEN_EVERY).await;
        // Out of reach: whether it is ours still is seen with the next look.
        if let Ok(Ok(false)) = tokio::time::timeout(remote.limit(), freshen(&remote, &held)).await {
            return;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.freshening.abort();
        // Only what is ours is given back; without an answer it becomes stale by itself.
        let (store, name) = (self.remote.store.clone(), self.remote.path(NAME));
        let give_back = async move { of_store!(&store, one => one.remove(&name).await) };
        if self.confirm().is_ok()
            && let Err(error) = self.remote.begin(give_back).wait()
        {
            tracing::warn!(%error, "the lock of the repository could not be given back; it ends by itself in five minutes");
        }
    }
}
