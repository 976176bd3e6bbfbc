//! Sessions and revocations in the application's own database, MariaDB or SQLite: for services without Redis, and as the
//! record that outlives it. Tokens are not known here.

mod families;
mod journal;
#[cfg(feature = "redis")]
mod redis_journal;

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};

pub use families::SqlRefreshStore;
pub use journal::SqlRevocation;

use crate::revocation::StoreUnavailable;

/// The statements that make the tables, for those who keep their schema in migrations; others call `create_table` of
/// [`SqlRefreshStore`] and [`SqlRevocation`].
pub fn session_schema(backend: DbBackend) -> [String; 2] {
    [families::schema(backend), journal::schema(backend)]
}

/// Milliseconds since 1970 by the database's clock, which all instances share.
fn clock(connection: &DatabaseConnection) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    }
}

/// Identifiers are compared byte by byte, whatever the database's own collation.
fn text(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::MySql => "VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        _ => "VARCHAR(190) COLLATE BINARY",
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX >> 12)
}

/// MariaDB's error 1213: nothing of the transaction was done.
pub(crate) fn is_deadlock(error: &DbErr) -> bool {
    error.to_string().contains("1213 (40001)")
}

/// Others change the same rows meanwhile: a statement that the server gave up is tried again.
async fn retry<T, F: Future<Output = Result<T, DbErr>>>(
    store: &'static str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreUnavailable> {
    for _ in 1..DEADLOCK_TRIES {
        match attempt().await {
            Err(error) if is_deadlock(&error) => tokio::time::sleep(DEADLOCK_PAUSE).await,
            ended => return ended.map_err(|error| StoreUnavailable::new(store, error)),
        }
    }
    attempt().await.map_err(|error| StoreUnavailable::new(store, error))
}

pub(crate) const DEADLOCK_TRIES: u32 = 6;
pub(crate) const DEADLOCK_PAUSE: Duration = Duration::from_millis(100);
