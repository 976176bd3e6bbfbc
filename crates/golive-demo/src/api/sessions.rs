//! Where sessions and revocations are kept. In production the database is the record of both, and Redis answers the check
//! that every request makes: emptied, it is filled again, and nobody is let in or logged out by its loss. What a token
//! is, golive-auth knows.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use golive_auth::{
    MemoryRefreshStore, MemoryRevocation, RefreshStore, Revocation, SqlRefreshStore, SqlRevocation,
    StoreUnavailable,
};
use golive_cache::{Cache, RevocationStore};
use sea_orm::DatabaseConnection;

/// The stores that requests ask.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    pub(crate) revocation: Arc<dyn Revocation>,
    pub(crate) families: Arc<dyn RefreshStore>,
    kept: Option<Kept>,
}

/// What outlives this process.
#[derive(Clone, Debug)]
struct Kept {
    store: RevocationStore,
    journal: SqlRevocation,
    families: SqlRefreshStore,
}

/// How often what is over is removed.
const PRUNING: Duration = Duration::from_secs(3600);

impl Sessions {
    /// Kept in the database and in Redis, or without Redis in this process.
    pub(crate) fn new(db: &DatabaseConnection, cache: Option<&Cache>, clock: fn() -> DateTime<Utc>) -> Self {
        let Some(cache) = cache else {
            let (revocation, families) = (MemoryRevocation::new(), MemoryRefreshStore::new());
            return Self { revocation: Arc::new(revocation), families: Arc::new(families), kept: None };
        };
        let journal = SqlRevocation::new(db.clone());
        let families = SqlRefreshStore::new(db.clone());
        let store = RevocationStore::new(cache.clone()).with_journal(Arc::new(journal.clone()), clock);
        Self {
            revocation: Arc::new(store.clone()),
            families: Arc::new(families.clone()),
            kept: Some(Kept { store, journal, families }),
        }
    }

    /// Opens the stores, where they are not of this process.
    pub(crate) async fn open(&self, now: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        match &self.kept {
            Some(kept) => kept.open(now).await,
            None => Ok(()),
        }
    }

    /// Removes what is over, for as long as the service runs.
    pub(crate) async fn prune(&self) {
        let Some(kept) = &self.kept else { return };
        loop {
            if let Err(error) = kept.prune().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "ended sessions were not removed");
            }
            tokio::time::sleep(PRUNING).await;
        }
    }
}

impl Kept {
    async fn open(&self, now: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        self.journal.create_table().await?;
        self.families.create_table().await?;
        let opened = self.store.prepare(now).await;
        opened.map(drop).map_err(|error| StoreUnavailable::new("revocation", error))
    }

    /// In portions, so that no statement holds many rows.
    async fn prune(&self) -> Result<(), StoreUnavailable> {
        while self.journal.prune().await? > 0 {}
        while self.families.prune().await? > 0 {}
        Ok(())
    }
}
