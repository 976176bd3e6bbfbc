//! What the archiver asks the server: its logs, how far they are, and its settings.

use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

use super::archiver::ArchiveError;
use super::settings::{BinlogFinding, BinlogSettings};
use crate::server::Session;

/// A question to the server must be answered within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

async fn ask(
    connection: &mut MySqlConnection,
    statement: &'static str,
    doing: &'static str,
) -> Result<Vec<sqlx::mysql::MySqlRow>, ArchiveError> {
    let query = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection);
    tokio::time::timeout(ANSWER_WITHIN, query)
        .await
        .map_err(|_| ArchiveError::Stalled { seconds: ANSWER_WITHIN.as_secs() })?
        .map_err(|source| ArchiveError::Query { doing, source })
}

pub(super) async fn logs(connection: &mut MySqlConnection) -> Result<Vec<String>, ArchiveError> {
    let doing = "list the binary logs of the server";
    let rows = ask(connection, "SHOW BINARY LOGS", doing).await?;
    let names = rows.iter().map(|row| row.try_get_unchecked(0)).collect::<Result<_, _>>();
    names.map_err(|source| ArchiveError::Query { doing, source })
}

pub(super) async fn position(connection: &mut MySqlConnection) -> Result<(String, u64), ArchiveError> {
    let doing = "ask how far the binary log is";
    let rows = ask(connection, "SHOW MASTER STATUS", doing).await?;
    let read = |row: &sqlx::mysql::MySqlRow| {
        Ok((row.try_get_unchecked::<String, _>(0)?, row.try_get_unchecked::<u64, _>(1)?))
    };
    rows.first()
        .ok_or(ArchiveError::Unsuitable { finding: BinlogFinding::Off })
        .and_then(|row| read(row).map_err(|source| ArchiveError::Query { doing, source }))
}

pub(super) async fn settings(session: &mut Session) -> Result<BinlogSettings, ArchiveError> {
    let doing = "read the settings of the binary log";
    let rows = ask(
        &mut session.connection,
        "SELECT CAST(CONCAT_WS(',', @@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_checksum, @@sync_binlog, \
         @@innodb_flush_log_at_trx_commit, @@binlog_expire_logs_seconds, @@log_bin_compress) AS CHAR)",
        doing,
    )
    .await?;
    let text: String = rows
        .first()
        .ok_or(sqlx::Error::RowNotFound)
        .and_then(|row| row.try_get_unchecked(0))
        .map_err(|source| ArchiveError::Query { doing, source })?;
    let rows = ask(&mut session.connection, "SHOW MASTER STATUS", doing).await?;
    let column =
        |index| rows.first().and_then(|row| row.try_get_unchecked::<Option<String>, _>(index).ok().flatten());
    let filter = [column(2), column(3)].into_iter().flatten().filter(|names| !names.is_empty()).collect();
    let mut values = text.split(',');
    let mut next = || values.next().unwrap_or_default().to_owned();
    Ok(BinlogSettings {
        on: is_on(&next()),
        format: next(),
        row_image: next(),
        checksum: next(),
        sync: next().parse().unwrap_or(0),
        flush_at_commit: next().parse().unwrap_or(0),
        expire_seconds: next().parse().unwrap_or(0),
        compress: is_on(&next()),
        filter,
    })
}

fn is_on(value: &str) -> bool {
    matches!(value, "1" | "ON")
}
