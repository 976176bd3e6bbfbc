//! The journal in the target: a row for each migration, and a row for each statement of the run under way, written
//! before and after it. Beside it, sea-orm-migration's own table, kept in step. Reading and writing only; what the rows
//! mean is decided in `reconcile` and `evidence`.

use std::collections::BTreeMap;

use sea_orm::sqlx::{self, Row, mysql::MySqlRow};

use super::error::VersionedError;
use super::session::Session;
use super::statement::Kind;

/// What every table of ours begins with; none of them is part of anybody's schema.
pub(crate) const PREFIX: &str = "_golive_";

const CREATE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS `_golive_schema_migration` (\
     `name` VARCHAR(255) NOT NULL PRIMARY KEY, `checksum` CHAR(64) NULL, `state` VARCHAR(16) NOT NULL, \
     `direction` VARCHAR(8) NOT NULL, `statement` INT UNSIGNED NOT NULL DEFAULT 0, `statements` INT UNSIGNED NULL, \
     `baseline` TINYINT(1) NOT NULL DEFAULT 0, `started_at` DATETIME(6) NOT NULL, `finished_at` DATETIME(6) NULL, \
     `milliseconds` BIGINT UNSIGNED NULL, `tool_version` VARCHAR(32) NOT NULL, `error_code` INT NULL, \
     `schema_before` LONGTEXT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
    "CREATE TABLE IF NOT EXISTS `_golive_schema_statement` (\
     `name` VARCHAR(255) NOT NULL, `number` INT UNSIGNED NOT NULL, `digest` CHAR(64) NOT NULL, \
     `kind` VARCHAR(16) NOT NULL, `state` VARCHAR(16) NOT NULL, `objects_before` LONGTEXT NOT NULL, `started_at` DATETIME(6) NOT NULL, \
     `finished_at` DATETIME(6) NULL, `error_code` INT NULL, PRIMARY KEY (`name`, `number`)) \
     ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
];

/// Definitions by object, as digests; `None` where the object is not there.
pub(crate) type Definitions = BTreeMap<String, Option<String>>;

/// How far a migration is, as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Started,
    Failed,
    Applied,
    Reverted,
}

/// Which way a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// Applies.
    Up,
    /// Takes back.
    Down,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// The row of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) checksum: Option<String>,
    pub(crate) state: State,
    pub(crate) direction: Direction,
    /// The statement begun last, from 1; for a Rust migration the number of statements that changed something. 0 when
    /// nothing took effect.
    pub(crate) statement: u32,
    pub(crate) baseline: bool,
    pub(crate) finished_at: Option<String>,
    pub(crate) error_code: Option<u16>,
    pub(crate) schema_before: Option<Definitions>,
}

/// The row of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u32,
    pub(crate) digest: String,
    pub(crate) kind: Kind,
    pub(crate) state: MarkState,
    pub(crate) objects_before: Definitions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkState {
    Running,
    Failed,
    Done,
}

const READ: &str = "read the journal";
const WRITE: &str = "write the journal";

/// Whether a table of this name is there.
pub(crate) async fn has_table(session: &Session, name: &str) -> Result<bool, VersionedError> {
    let sql = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
    Ok(session.value::<i64>(READ, sql, &[name]).await? == Some(1))
}

/// Makes the journal, unless it is there.
pub(crate) async fn create(session: &Session) -> Result<(), VersionedError> {
    for statement in CREATE {
        session.run(statement).await.map_err(VersionedError::server(WRITE))?;
    }
    Ok(())
}

/// All rows; none where there is no journal.
pub(crate) async fn entries(session: &Session) -> Result<Vec<Entry>, VersionedError> {
    if !has_table(session, "_golive_schema_migration").await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT `name`, `checksum`, `state`, `direction`, CAST(`statement` AS CHAR), CAST(`baseline` AS CHAR), \
               CAST(`finished_at` AS CHAR), CAST(`error_code` AS CHAR), `schema_before` FROM `_golive_schema_migration` ORDER BY `name`";
    let rows = session.rows(sql, &[]).await.map_err(VersionedError::server(READ))?;
    rows.iter().map(entry).collect::<Result<_, _>>().map_err(VersionedError::server(READ))
}

fn entry(row: &MySqlRow) -> Result<Entry, sqlx::Error> {
    let text = |at: usize| row.try_get::<Option<String>, _>(at);
    let number = |at: usize| text(at).map(|text| text.and_then(|text| text.parse::<u32>().ok()));
    Ok(Entry {
        name: text(0)?.unwrap_or_default(),
        checksum: text(1)?,
        state: match text(2)?.as_deref() {
            Some("applied") => State::Applied,
            Some("reverted") => State::Reverted,
            Some("failed") => State::Failed,
            // What an unknown version wrote is not known to be good.
            _ => State::Started,
        },
        direction: if text(3)?.as_deref() == Some("down") { Direction::Down } else { Direction::Up },
        statement: number(4)?.unwrap_or(0),
        baseline: number(5)? == Some(1),
        finished_at: text(6)?,
        error_code: number(7)?.and_then(|code| u16::try_from(code).ok()),
        schema_before: text(8)?.and_then(|json| serde_json::from_str(&json).ok()),
    })
}

/// The statements of the run under way, or of the last.
pub(crate) async fn marks(session: &Session, name: &str) -> Result<Vec<Mark>, VersionedError> {
    let sql = "SELECT CAST(`number` AS CHAR), `digest`, `state`, `objects_before`, `kind` FROM `_golive_schema_statement` \
               WHERE `name` = ? ORDER BY `number`";
    if !has_table(session, "_golive_schema_statement").await? {
        return Ok(Vec::new());
    }
    let rows = session.rows(sql, &[name]).await.map_err(VersionedError::server(READ))?;
    let mark = |row: &MySqlRow| -> Result<Mark, sqlx::Error> {
        let objects: String = row.try_get(3)?;
        Ok(Mark {
            number: row.try_get::<String, _>(0)?.parse().unwrap_or(0),
            digest: row.try_get(1)?,
            kind: Kind::from_name(&row.try_get::<String, _>(4)?),
            state: match row.try_get::<String, _>(2)?.as_str() {
                "done" => MarkState::Done,
                "failed" => MarkState::Failed,
                _ => MarkState::Running,
            },
            objects_before: serde_json::from_str(&objects).unwrap_or_default(),
        })
    };
    rows.iter().map(mark).collect::<Result<_, _>>().map_err(VersionedError::server(READ))
}

/// The names in sea-orm-migration's table; `None` where there is no such table.
pub(crate) async fn books(session: &Session, table: &str) -> Result<Option<Vec<String>>, VersionedError> {
    if !has_table(session, table).await? {
        return Ok(None);
    }
    let sql = format!("SELECT `version` FROM {} ORDER BY `version`", crate::ident::mariadb(table));
    let rows = session.rows(&sql, &[]).await.map_err(VersionedError::server(READ))?;
    rows.iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map(Some)
        .map_err(VersionedError::server(READ))
}

/// Begins a migration: its row says that it is under way, and what the schema was before.
pub(crate) async fn begin(
    session: &Session,
    name: &str,
    checksum: Option<&str>,
    direction: Direction,
    statements: Option<usize>,
    before: &Definitions,
) -> Result<(), VersionedError> {
    write(session, "DELETE FROM `_golive_schema_statement` WHERE `name` = ?", &[Some(name)]).await?;
    let before = serde_json::to_string(before).unwrap_or_default();
    let statements = statements.map(|count| count.to_string());
    write(
        session,
        "INSERT INTO `_golive_schema_migration` (`name`, `checksum`, `direction`, `statements`, `schema_before`, `tool_version`, \
         `state`, `started_at`) VALUES (?, ?, ?, ?, ?, ?, 'started', UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE \
         `checksum` = IF(VALUES(`direction`) = 'up', VALUES(`checksum`), `checksum`), `direction` = VALUES(`direction`), \
         `statements` = VALUES(`statements`), `schema_before` = VALUES(`schema_before`), `tool_version` = VALUES(`tool_version`), \
         `state` = 'started', `statement` = 0, `started_at` = UTC_TIMESTAMP(6), `finished_at` = NULL, `milliseconds` = NULL, \
         `error_code` = NULL",
        &[
            Some(name),
            checksum,
            Some(&direction.to_string()),
            statements.as_deref(),
            Some(&before),
            Some(env!("CARGO_PKG_VERSION")),
        ],
    )
    .await
}

/// Goes on with a migration that was begun; its text may have been mended.
pub(crate) async fn go_on(
    session: &Session,
    name: &str,
    checksum: Option<&str>,
) -> Result<(), VersionedError> {
    let sql = "UPDATE `_golive_schema_migration` SET `state` = 'started', `error_code` = NULL, \
               `checksum` = IF(`direction` = 'up', ?, `checksum`) WHERE `name` = ?";
    write(session, sql, &[checksum, Some(name)]).await
}

/// Notes that a migration is applied or taken back; both books at once.
pub(crate) async fn finish(
    session: &Session,
    name: &str,
    direction: Direction,
    books: Option<&str>,
) -> Result<(), VersionedError> {
    let state = if direction == Direction::Up { "applied" } else { "reverted" };
    together(session, async {
        write(
            session,
            "UPDATE `_golive_schema_migration` SET `state` = ?, `finished_at` = UTC_TIMESTAMP(6), `error_code` = NULL, \
             `milliseconds` = TIMESTAMPDIFF(MICROSECOND, `started_at`, UTC_TIMESTAMP(6)) DIV 1000 WHERE `name` = ?",
            &[Some(state), Some(name)],
        )
        .await?;
        note_in_books(session, name, direction, books).await
    })
    .await
}

/// Enters a migration as applied without having run it.
pub(crate) async fn baseline(
    session: &Session,
    name: &str,
    checksum: Option<&str>,
    books: Option<&str>,
) -> Result<(), VersionedError> {
    together(session, async {
        write(
            session,
            "INSERT INTO `_golive_schema_migration` (`name`, `checksum`, `direction`, `tool_version`, `state`, `baseline`, `started_at`, \
             `finished_at`) VALUES (?, ?, 'up', ?, 'applied', 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE \
             `checksum` = VALUES(`checksum`), `direction` = 'up', `state` = 'applied', `baseline` = 1, `error_code` = NULL, \
             `finished_at` = UTC_TIMESTAMP(6)",
            &[Some(name), checksum, Some(env!("CARGO_PKG_VERSION"))],
        )
        .await?;
        note_in_books(session, name, Direction::Up, books).await
    })
    .await
}

/// Forgets that a migration was begun or applied; both books at once.
pub(crate) async fn forget(session: &Session, name: &str, books: Option<&str>) -> Result<(), VersionedError> {
    together(session, async {
        write(
            session,
            "UPDATE `_golive_schema_migration` SET `state` = 'reverted', `error_code` = NULL WHERE `name` = ?",
            &[Some(name)],
        )
        .await?;
        write(session, "DELETE FROM `_golive_schema_statement` WHERE `name` = ?", &[Some(name)]).await?;
        note_in_books(session, name, Direction::Down, books).await
    })
    .await
}

/// Takes the checksum of an edited file that the operator accepted.
pub(crate) async fn take_checksum(
    session: &Session,
    name: &str,
    checksum: Option<&str>,
) -> Result<(), VersionedError> {
    let sql = "UPDATE `_golive_schema_migration` SET `checksum` = ? WHERE `name` = ?";
    write(session, sql, &[checksum, Some(name)]).await
}

/// Notes that a migration stopped, and at which statement.
pub(crate) async fn fail(
    session: &Session,
    name: &str,
    statement: u32,
    code: Option<u16>,
) -> Result<(), VersionedError> {
    let (statement, code) = (statement.to_string(), code.map(|code| code.to_string()));
    let sql = "UPDATE `_golive_schema_migration` SET `state` = 'failed', `statement` = ?, `error_code` = ? WHERE `name` = ?";
    write(session, sql, &[Some(&statement), code.as_deref(), Some(name)]).await
}

/// Notes a statement before it is run.
pub(crate) async fn mark_running(
    session: &Session,
    name: &str,
    number: u32,
    digest: &str,
    kind: Kind,
    before: &Definitions,
) -> Result<(), VersionedError> {
    let (number, before) = (number.to_string(), serde_json::to_string(before).unwrap_or_default());
    write(
        session,
        "REPLACE INTO `_golive_schema_statement` (`name`, `number`, `digest`, `kind`, `state`, `objects_before`, `started_at`) \
         VALUES (?, ?, ?, ?, 'running', ?, UTC_TIMESTAMP(6))",
        &[Some(name), Some(&number), Some(digest), Some(kind.name()), Some(&before)],
    )
    .await?;
    let sql = "UPDATE `_golive_schema_migration` SET `statement` = ? WHERE `name` = ?";
    write(session, sql, &[Some(&number), Some(name)]).await
}

/// Notes a statement after it was run.
pub(crate) async fn mark(
    session: &Session,
    name: &str,
    number: u32,
    state: MarkState,
    code: Option<u16>,
) -> Result<(), VersionedError> {
    let state = match state {
        MarkState::Done => "done",
        MarkState::Failed => "failed",
        MarkState::Running => "running",
    };
    let (number, code) = (number.to_string(), code.map(|code| code.to_string()));
    write(
        session,
        "UPDATE `_golive_schema_statement` SET `state` = ?, `error_code` = ?, `finished_at` = UTC_TIMESTAMP(6) \
         WHERE `name` = ? AND `number` = ?",
        &[Some(state), code.as_deref(), Some(name), Some(&number)],
    )
    .await
}

async fn note_in_books(
    session: &Session,
    name: &str,
    direction: Direction,
    books: Option<&str>,
) -> Result<(), VersionedError> {
    let Some(table) = books.map(crate::ident::mariadb) else { return Ok(()) };
    let name = crate::ident::mariadb_literal(name);
    let sql = match direction {
        Direction::Up => {
            format!("INSERT IGNORE INTO {table} (`version`, `applied_at`) VALUES ({name}, UNIX_TIMESTAMP())")
        }
        Direction::Down => format!("DELETE FROM {table} WHERE `version` = {name}"),
    };
    session.run(&sql).await.map(drop).map_err(VersionedError::server(WRITE))
}

/// Several writes as one; a failure in between leaves none of them.
async fn together(
    session: &Session,
    writes: impl Future<Output = Result<(), VersionedError>>,
) -> Result<(), VersionedError> {
    session.run("START TRANSACTION").await.map_err(VersionedError::server(WRITE))?;
    let done = writes.await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = session.run(end).await.map(drop).map_err(VersionedError::server(WRITE));
    done.and(ended)
}

async fn write(session: &Session, sql: &'static str, values: &[Option<&str>]) -> Result<(), VersionedError> {
    session.run_with(sql, values).await.map(drop).map_err(VersionedError::server(WRITE))
}
