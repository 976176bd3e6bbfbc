//! Makes SQLite files for tests out of statements.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// Runs statements on an SQLite file, which is made if it is not there.
///
/// # Panics
/// When SQLite refuses them.
pub fn sqlite(path: &Path, statements: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let work = async {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.foreign_keys(false).connect().await?;
        let whole = format!("BEGIN; {statements}; COMMIT");
        sqlx::raw_sql(AssertSqlSafe(whole)).execute(&mut connection).await?;
        connection.close().await
    };
    let done: Result<(), sqlx::Error> = runtime.expect("a runtime can be made").block_on(work);
    done.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
