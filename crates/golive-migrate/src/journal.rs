//! The journal in the target: which plan is being carried out, and which chunks are in. A chunk's row commits together
//! with its data, so a killed run continues exactly. Also the lock that keeps a second run away.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use crate::target::Target;

/// What every table of ours begins with.
pub(crate) const PREFIX: &str = "_golive_migrate_";
/// A lock freed by a killed run may take the server a moment to notice.
const LOCK_WAIT_SECONDS: u32 = 5;

/// How long a server may take to hear that we go.
const GOODBYE: Duration = Duration::from_secs(5);

const CREATE_RUN: &str = "CREATE TABLE IF NOT EXISTS `_golive_migrate_run` (\
    `id` TINYINT NOT NULL PRIMARY KEY, `plan_digest` CHAR(64) NOT NULL, `source_digest` CHAR(64) NOT NULL, \
    `tool_version` VARCHAR(32) NOT NULL, `started_at` DATETIME(6) NOT NULL, `copied_at` DATETIME(6) NULL, \
    `constrained_at` DATETIME(6) NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";
const CREATE_CHUNK: &str = "CREATE TABLE IF NOT EXISTS `_golive_migrate_chunk` (\
    `table_name` VARCHAR(64) NOT NULL, `chunk` BIGINT NOT NULL, `last_key` LONGTEXT NULL, \
    `row_count` BIGINT NOT NULL, `byte_count` BIGINT NOT NULL, `is_last` TINYINT(1) NOT NULL, \
    `finished_at` DATETIME(6) NOT NULL, PRIMARY KEY (`table_name`, `chunk`)) \
    ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";

/// The run that a target belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) plan_digest: String,
    pub(crate) source_digest: String,
}

/// How far a table is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableState {
    pub(crate) chunks: i64,
    pub(crate) rows: u64,
    pub(crate) last_key: Option<String>,
    pub(crate) done: bool,
}

/// Held while one run works on a target; it dies with its connection.
#[derive(Debug)]
pub(crate) struct Lock {
    conn: Conn,
}

impl Lock {
    /// `None` when another run holds it.
    pub(crate) async fn acquire(target: &Target) -> Result<Option<Self>, Error> {
        let mut conn = target.open().await?;
        let got: Option<Option<i64>> =
            conn.exec_first("SELECT GET_LOCK(?, ?)", (target.lock_name(), LOCK_WAIT_SECONDS)).await?;
        Ok((got.flatten() == Some(1)).then_some(Self { conn }))
    }

    pub(crate) async fn release(self) {
        // Closing the connection frees the lock; a failure to say goodbye changes nothing, and a stopped server hears none.
        let _ = tokio::time::timeout(GOODBYE, self.conn.disconnect()).await;
    }
}

/// Whether the target has a journal.
pub(crate) async fn exists(conn: &mut Conn) -> Result<bool, Error> {
    let found: Option<u64> = conn
        .query_first(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME IN ('_golive_migrate_run', '_golive_migrate_chunk')",
        )
        .await?;
    Ok(found == Some(2))
}

/// Tables and views in the target that are not ours, by name.
pub(crate) async fn foreign_tables(conn: &mut Conn) -> Result<Vec<String>, Error> {
    let names: Vec<String> = conn
        .query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME")
        .await?;
    Ok(names.into_iter().filter(|name| !name.starts_with(PREFIX)).collect())
}

/// The run that the target belongs to.
pub(crate) async fn run(conn: &mut Conn) -> Result<Option<Run>, Error> {
    if !exists(conn).await? {
        return Ok(None);
    }
    let row: Option<(String, String)> = conn
        .query_first("SELECT `plan_digest`, `source_digest` FROM `_golive_migrate_run` WHERE `id` = 1")
        .await?;
    Ok(row.map(|(plan_digest, source_digest)| Run { plan_digest, source_digest }))
}

/// Makes the journal and enters the run.
pub(crate) async fn begin(conn: &mut Conn, run: &Run) -> Result<(), Error> {
    conn.query_drop(CREATE_CHUNK).await?;
    crate::quarantine::create(conn).await?;
    conn.query_drop(CREATE_RUN).await?;
    conn.exec_drop(
        "INSERT INTO `_golive_migrate_run` VALUES (1, ?, ?, ?, UTC_TIMESTAMP(6), NULL, NULL)",
        (&run.plan_digest, &run.source_digest, env!("CARGO_PKG_VERSION")),
    )
    .await
}

/// Notes that a phase is through: `copied_at` or `constrained_at`.
pub(crate) async fn mark(conn: &mut Conn, phase: &'static str) -> Result<(), Error> {
    conn.query_drop(format!("UPDATE `_golive_migrate_run` SET `{phase}` = UTC_TIMESTAMP(6) WHERE `id` = 1"))
        .await
}

/// Whether all rows are in.
pub(crate) async fn is_copied(conn: &mut Conn) -> Result<bool, Error> {
    let done: Option<bool> =
        conn.query_first("SELECT `copied_at` IS NOT NULL FROM `_golive_migrate_run` WHERE `id` = 1").await?;
    Ok(done.unwrap_or(false))
}

/// How far a table is.
pub(crate) async fn table_state(conn: &mut Conn, table: &str) -> Result<TableState, Error> {
    let sums: Option<(i64, u64, bool)> = conn
        .exec_first(
            "SELECT COUNT(*), CAST(COALESCE(SUM(`row_count`), 0) AS UNSIGNED), COALESCE(MAX(`is_last`), 0) \
             FROM `_golive_migrate_chunk` WHERE `table_name` = ?",
            (table,),
        )
        .await?;
    let (chunks, rows, done) = sums.unwrap_or_default();
    let last_key: Option<Option<String>> = conn
        .exec_first(
            "SELECT `last_key` FROM `_golive_migrate_chunk` WHERE `table_name` = ? ORDER BY `chunk` DESC LIMIT 1",
            (table,),
        )
        .await?;
    Ok(TableState { chunks, rows, last_key: last_key.flatten(), done })
}

/// Takes a chunk's number inside its transaction. A transaction of a killed run that is still under way makes this wait,
/// and fail as a duplicate if that one commits after all.
pub(crate) async fn reserve(conn: &mut Conn, table: &str, chunk: i64) -> Result<(), Error> {
    conn.exec_drop(
        "INSERT INTO `_golive_migrate_chunk` VALUES (?, ?, NULL, 0, 0, 0, UTC_TIMESTAMP(6))",
        (table, chunk),
    )
    .await
}

/// Completes a chunk's row inside its transaction.
pub(crate) async fn complete(
    conn: &mut Conn,
    table: &str,
    chunk: i64,
    end: &crate::copy::ChunkEnd,
) -> Result<(), Error> {
    conn.exec_drop(
        "UPDATE `_golive_migrate_chunk` SET `last_key` = ?, `row_count` = ?, `byte_count` = ?, `is_last` = ?, \
         `finished_at` = UTC_TIMESTAMP(6) WHERE `table_name` = ? AND `chunk` = ?",
        (&end.last_key, end.rows, end.bytes, end.last, table, chunk),
    )
    .await
}
