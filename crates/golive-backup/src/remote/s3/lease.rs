//! The lease of a bucket: each writing of it names the version that it replaces, so that one alone can win.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{PutMode, UpdateVersion};
use tokio::sync::Mutex;

use super::S3;
use crate::remote::lease::STALE;
use crate::remote::{Mode, Result, StoreError};

/// The version that is ours; `None` when it was lost.
pub(in crate::remote) type Held = Arc<Mutex<Option<UpdateVersion>>>;

fn text() -> Bytes {
    Bytes::from(format!("{}\n", uuid::Uuid::new_v4()))
}

impl S3 {
    /// Takes the lease; `None` when somebody has it.
    pub(in crate::remote) async fn take_lease(&self, name: &str, clock: &str) -> Result<Option<Held>> {
        let taken = match self.put_as(name, text(), PutMode::Create).await {
            Err(StoreError::Overtaken(_)) => {
                let Some(stale) = self.stale(name, clock).await? else { return Ok(None) };
                match self.put_as(name, text(), PutMode::Update(stale)).await {
                    // Another found it stale too, and was faster.
                    Err(StoreError::Overtaken(_)) => return Ok(None),
                    taken => taken?,
                }
            }
            taken => taken?,
        };
        Ok(Some(Arc::new(Mutex::new(Some(taken.into())))))
    }

    /// The version of the lease when it is stale; `None` when somebody holds it.
    async fn stale(&self, name: &str, clock: &str) -> Result<Option<UpdateVersion>> {
        let held = match self.look(name).await {
            // Given back this moment: whoever asks again gets it.
            Err(StoreError::NotFound(_)) => return Ok(None),
            held => held?,
        };
        self.put(clock, Bytes::new(), Mode::Overwrite).await?;
        let now = self.look(clock).await?.last_modified;
        let is_stale = now - held.last_modified > STALE;
        Ok(is_stale.then_some(UpdateVersion { e_tag: held.e_tag, version: held.version }))
    }

    /// Writes the lease again, if it is ours; whether it is. Two at once wait for each other.
    pub(in crate::remote) async fn freshen_lease(&self, name: &str, held: &Held) -> Result<bool> {
        let mut version = held.lock().await;
        let Some(before) = version.clone() else { return Ok(false) };
        match self.put_as(name, text(), PutMode::Update(before)).await {
            Ok(fresh) => *version = Some(fresh.into()),
            Err(StoreError::Overtaken(_) | StoreError::NotFound(_)) => *version = None,
            Err(error) => return Err(error),
        }
        Ok(version.is_some())
    }
}
