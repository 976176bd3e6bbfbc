//! What must be known of a database besides its dump: its defaults, the grants of the account that dumps it, its size, and
//! what an operator should know of it. Only reads.

use super::CreateBackupError;
use crate::inventory::Inventory;
use crate::manifest::SnapshotMethod;
use crate::server::Session;

pub(super) async fn database_defaults(
    session: &mut Session,
    database: &str,
) -> Result<(String, String), CreateBackupError> {
    database_defaults_or_none(session, database)
        .await
        .map_err(|source| CreateBackupError::Query { doing: "look for the database", source })?
        .ok_or_else(|| CreateBackupError::Empty { database: database.to_owned() })
}

/// Character set and collation of a database, if it is there.
pub(crate) async fn database_defaults_or_none(
    session: &mut Session,
    database: &str,
) -> Result<Option<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT CAST(DEFAULT_CHARACTER_SET_NAME AS CHAR), CAST(DEFAULT_COLLATION_NAME AS CHAR) \
         FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?",
    )
    .bind(database)
    .fetch_optional(&mut session.connection)
    .await
}

pub(super) async fn check_grants(session: &mut Session, database: &str) -> Result<(), CreateBackupError> {
    let grants: Vec<String> = sqlx::raw_sql("SHOW GRANTS")
        .fetch_all(&mut session.connection)
        .await
        .and_then(|rows| rows.iter().map(|row| sqlx::Row::try_get_unchecked(row, 0)).collect())
        .map_err(|source| CreateBackupError::Query { doing: "read the grants of the account", source })?;
    let missing = crate::grants::missing(&grants, database);
    if missing.is_empty() {
        return Ok(());
    }
    Err(CreateBackupError::MissingGrants { database: database.to_owned(), missing: missing.join(", ") })
}

/// Whether the tool will write `ALTER DATABASE` around a trigger, routine or event, which fixes the database's name.
pub(super) async fn was_made_elsewhere(
    session: &mut Session,
    database: &str,
    collation: &str,
) -> Result<bool, CreateBackupError> {
    let other: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT DATABASE_COLLATION AS c FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ? \
         UNION ALL SELECT DATABASE_COLLATION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? \
         UNION ALL SELECT DATABASE_COLLATION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?) AS made \
         WHERE c <> ?",
    )
    .bind(database)
    .bind(database)
    .bind(database)
    .bind(collation)
    .fetch_one(&mut session.connection)
    .await
    .map_err(|source| CreateBackupError::Query { doing: "read the collations of programs", source })?;
    Ok(other > 0)
}

/// Tables of engines that do not take part in a snapshot.
pub(super) async fn tables_outside_snapshot(
    session: &mut Session,
    database: &str,
) -> Result<Vec<String>, CreateBackupError> {
    sqlx::query_scalar(
        "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = ? AND TABLE_TYPE <> 'VIEW' AND COALESCE(ENGINE, '') <> 'InnoDB'",
    )
    .bind(database)
    .fetch_all(&mut session.connection)
    .await
    .map_err(|source| CreateBackupError::Query { doing: "read table engines", source })
}

pub(super) async fn notes(
    session: &mut Session,
    database: &str,
    inventory: &Inventory,
    method: SnapshotMethod,
) -> Result<Vec<String>, CreateBackupError> {
    let query = |source| CreateBackupError::Query { doing: "read table engines and column types", source };
    let mut notes = Vec::new();
    let outside: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(CONCAT(TABLE_NAME, ' (', ENGINE, ')') AS CHAR) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB' ORDER BY 1",
    )
    .bind(database)
    .fetch_all(&mut session.connection)
    .await
    .map_err(query)?;
    if !outside.is_empty() {
        notes.push(format!(
            "not transactional, so not part of the snapshot: {}; convert to InnoDB",
            outside.join(", ")
        ));
    }
    let single: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(CONCAT(TABLE_NAME, '.', COLUMN_NAME) AS CHAR) FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = ? AND DATA_TYPE = 'float' ORDER BY 1",
    )
    .bind(database)
    .fetch_all(&mut session.connection)
    .await
    .map_err(query)?;
    if !single.is_empty() {
        notes.push(format!(
            "FLOAT loses digits in any dump: {}; make it DOUBLE or DECIMAL",
            single.join(", ")
        ));
    }
    if !inventory.definers.is_empty() {
        notes.push(format!(
            "accounts that must exist where this is restored: {}",
            inventory.definers.join(", ")
        ));
    }
    if method == SnapshotMethod::Advisory {
        notes.push(
            "no lock could be had: digests may be of a slightly different moment than the dump".to_owned(),
        );
    }
    Ok(notes)
}

/// Bytes of tables and indexes, as the server estimates them.
pub(crate) async fn data_bytes(session: &mut Session, database: &str) -> Result<u64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS UNSIGNED) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = ?",
    )
    .bind(database)
    .fetch_one(&mut session.connection)
    .await
}
