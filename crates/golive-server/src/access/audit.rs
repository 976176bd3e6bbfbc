//! The trail of who came in and what they did: a file of its own beside the runs, whose entries hold each other in place.
//!
//! Not here: how a trail is kept (golive-auth).

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use golive_auth::{AuditEntry, AuditError, AuditTrail, AuditVerdict};
use sea_orm::SqlxSqliteConnector;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use thiserror::Error;

/// Why the trail could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenAuditError {
    /// The file could not be made.
    #[error("make the file of the audit trail {path}; check its folder's permissions", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is no database.
    #[error("open the audit trail {path}; if it is damaged, keep it and let another be made by moving it away", path = path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Its tables could not be made.
    #[error(transparent)]
    Trail(#[from] AuditError),
}

pub(crate) struct Audit {
    trail: AuditTrail,
}

impl Audit {
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenAuditError> {
        let file = |source| OpenAuditError::File { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(file)?;
        }
        // Made here, so that it is private from its first moment.
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(file)?;
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(8));
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(|source| OpenAuditError::Database { path: path.to_owned(), source })?;
        let trail = AuditTrail::new(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool));
        trail.create_tables().await?;
        Ok(Self { trail })
    }

    /// Records it; what cannot be recorded is not to be done.
    pub(crate) async fn record(
        &self,
        actor: &str,
        action: &str,
        target: &str,
        now: DateTime<Utc>,
    ) -> Result<(), AuditError> {
        let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(120).collect::<String>();
        let entry = AuditEntry::new(short(actor), action, short(target));
        self.trail.append(&entry, now).await.map(drop)
    }

    /// Whether it is whole.
    pub(crate) async fn verify(&self) -> Result<AuditVerdict, AuditError> {
        self.trail.verify(None).await
    }
}
