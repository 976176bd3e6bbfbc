//! Makes SQLite files for tests out of statements.

use std::cmp::Ordering;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::runtime::Runtime;

/// Runs statements on an SQLite file, which is made if it is not there.
///
/// # Panics
/// When SQLite refuses them.
pub fn sqlite(path: &Path, statements: &str) {
    sqlite_raw(path, &format!("BEGIN; {statements}; COMMIT"));
}

/// The same without a transaction around them, for settings that can only be made outside of one.
///
/// # Panics
/// When SQLite refuses them.
pub fn sqlite_raw(path: &Path, statements: &str) {
    drop(Beside::open(path, statements));
}

/// A connection that stays open, with whatever transaction its statements began.
pub struct Beside {
    runtime: Runtime,
    connection: Option<SqliteConnection>,
}

impl Beside {
    /// Runs statements and keeps the connection.
    ///
    /// # Panics
    /// When SQLite refuses them.
    #[must_use]
    pub fn open(path: &Path, statements: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let work = async {
            // As applications have it: SQLite enforces no foreign key unless told to.
            let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
            let options = options.foreign_keys(false).pragma("synchronous", "OFF");
            let options = options.collation("unicase", application_s_own);
            let mut connection = options.connect().await?;
            sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        let connection = runtime.block_on(work).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { runtime, connection: Some(connection) }
    }
}

/// A collation that only the application knows, as flash-card programs and media players have them.
pub(crate) fn application_s_own(one: &str, other: &str) -> Ordering {
    one.to_lowercase().cmp(&other.to_lowercase())
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let closed = self.runtime.block_on(connection.close());
            assert!(closed.is_ok() || std::thread::panicking(), "the connection is ours alone");
        }
    }
}
