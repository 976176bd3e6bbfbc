//! The side table of rows that a policy sets aside: each whole, with its key and the reason, in the transaction that keeps
//! it out of its own table. No decision which row: that is the copy's (values, checks) and the constraints' (references,
//! unique keys).

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Row, Value};
use rusqlite::types::ValueRef;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::core::hex;
use crate::core::types::TargetType;
use crate::plan::{PlannedColumn, PlannedTable};
use crate::target::Target;

/// Rows that may be set aside of one table; more means that the policy was not meant.
pub(crate) const ROWS_AT_MOST: u64 = 100_000;
/// Bytes that one row set aside may have, as JSON.
pub(crate) const ROW_BYTES_AT_MOST: usize = 8 << 20;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS `_golive_migrate_quarantine` (\
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, `table_name` VARCHAR(64) NOT NULL, `row_key` LONGTEXT NOT NULL, \
    `reason` VARCHAR(255) NOT NULL, `content` JSON NOT NULL, `set_aside_at` DATETIME(6) NOT NULL, \
    KEY `by_table` (`table_name`, `id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";
const EXISTS: &str = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
    AND TABLE_NAME = '_golive_migrate_quarantine'";

/// A row on its way to the side table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAside {
    pub(crate) key: String,
    /// A finding's id and what it names; or the column, and why its value does not fit.
    pub(crate) reason: String,
    pub(crate) content: String,
}

/// A cell set aside, as the source had it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KeptCell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// The cells of a row set aside, by column.
pub(crate) type KeptRow = BTreeMap<String, KeptCell>;

impl KeptCell {
    pub(crate) fn as_value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(blob) => ValueRef::Blob(blob),
        }
    }
}

/// Rows of one table that were set aside for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QuarantinedRows {
    /// The table they stay out of.
    pub table: String,
    /// A finding's id and what it names; or the column, and why its value does not fit.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Up to three of their keys.
    pub keys: Vec<String>,
}

/// What was set aside in a target, by table and reason. Empty where nothing was, or where no migration of ours was begun.
///
/// The rows themselves lie in the table `_golive_migrate_quarantine`, column `content`, as JSON objects: numbers and texts
/// as they are, a real as `{"real": "1.5"}`, bytes as `{"blob": "00ff"}`, a text that is no UTF-8 as `{"text": "ff"}`.
///
/// # Errors
/// When the target does not answer.
pub async fn quarantined(target: &Target) -> Result<Vec<QuarantinedRows>, Error> {
    let mut conn = target.open().await?;
    let found: Option<u64> = conn.query_first(EXISTS).await?;
    if found == Some(0) {
        return Ok(Vec::new());
    }
    let groups: Vec<(String, String, u64)> = conn
        .query(
            "SELECT `table_name`, `reason`, COUNT(*) FROM `_golive_migrate_quarantine` \
             GROUP BY `table_name`, `reason` ORDER BY `table_name`, `reason`",
        )
        .await?;
    let mut rows = Vec::with_capacity(groups.len());
    for (table, reason, count) in groups {
        let keys: Vec<String> = conn
            .exec(
                "SELECT `row_key` FROM `_golive_migrate_quarantine` WHERE `table_name` = ? AND `reason` = ? \
                 ORDER BY `id` LIMIT 3",
                (&table, &reason),
            )
            .await?;
        rows.push(QuarantinedRows { table, reason, count, keys });
    }
    let _ = conn.disconnect().await;
    Ok(rows)
}

pub(crate) async fn create(conn: &mut Conn) -> Result<(), Error> {
    conn.query_drop(CREATE).await
}

/// Enters rows, inside the transaction that is open.
pub(crate) async fn enter(conn: &mut Conn, table: &str, rows: &[SetAside]) -> Result<(), Error> {
    for row in rows {
        conn.exec_drop(
            "INSERT INTO `_golive_migrate_quarantine` (`table_name`, `row_key`, `reason`, `content`, `set_aside_at`) \
             VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6))",
            (table, &row.key, &row.reason, &row.content),
        )
        .await?;
    }
    Ok(())
}

/// How many rows of a table lie there.
pub(crate) async fn count(conn: &mut Conn, table: &str) -> Result<u64, Error> {
    let sql = "SELECT COUNT(*) FROM `_golive_migrate_quarantine` WHERE `table_name` = ?";
    Ok(conn.exec_first(sql, (table,)).await?.unwrap_or(0))
}

/// The rows of a table that lie there, as the source had them: cells by column. Empty where there is no side table.
pub(crate) async fn rows(conn: &mut Conn, table: &str) -> Result<Vec<KeptRow>, Error> {
    let found: Option<u64> = conn.query_first(EXISTS).await?;
    if found == Some(0) {
        return Ok(Vec::new());
    }
    let contents: Vec<String> = conn
        .exec(
            "SELECT `content` FROM `_golive_migrate_quarantine` WHERE `table_name` = ? ORDER BY `id` LIMIT ?",
            (table, ROWS_AT_MOST + 1),
        )
        .await?;
    Ok(contents.iter().map(|content| read(content)).collect())
}

/// Writes a source's row.
pub(crate) fn of_source<'a>(cells: impl Iterator<Item = (&'a str, ValueRef<'a>)>) -> String {
    let object: Map<String, Json> = cells.map(|(name, value)| (name.to_owned(), cell(value))).collect();
    Json::Object(object).to_string()
}

/// Writes a target's row that had come in already, as a source would hold it.
pub(crate) fn of_target(row: &Row, columns: &[&PlannedColumn]) -> String {
    let mut object = Map::new();
    for (at, column) in columns.iter().enumerate() {
        let value = row.as_ref(at).unwrap_or(&Value::NULL);
        object.insert(column.name.clone(), target_cell(value, column.target));
    }
    Json::Object(object).to_string()
}

/// The key of a target's row, for people.
pub(crate) fn target_key(row: &Row, columns: &[&PlannedColumn], table: &PlannedTable) -> String {
    let parts = columns.iter().enumerate().filter(|(_, column)| table.primary_key.contains(&column.name));
    let parts = parts.map(|(at, column)| {
        let value = row.as_ref(at).map(|value| value.as_sql(true)).unwrap_or_default();
        format!("{}={}", column.name, value.trim_matches('\'').chars().take(80).collect::<String>())
    });
    let key = parts.collect::<Vec<_>>().join(", ");
    if key.is_empty() { "a row without key".to_owned() } else { key }
}

fn cell(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(integer) => json!(integer),
        // As text: what reads it need not round a binary fraction as we do.
        ValueRef::Real(real) => json!({ "real": format!("{real:?}") }),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => json!(text),
            Err(_) => json!({ "text": hex::encode(text) }),
        },
        ValueRef::Blob(blob) => json!({ "blob": hex::encode(blob) }),
    }
}

fn target_cell(value: &Value, target: TargetType) -> Json {
    match value {
        Value::NULL => Json::Null,
        Value::Int(integer) => json!(integer),
        Value::UInt(integer) => json!(integer),
        Value::Float(real) => cell(ValueRef::Real(f64::from(*real))),
        Value::Double(real) => cell(ValueRef::Real(*real)),
        Value::Bytes(bytes) if target.is_text() || matches!(target, TargetType::Decimal { .. }) => {
            cell(ValueRef::Text(bytes))
        }
        Value::Bytes(bytes) => cell(ValueRef::Blob(bytes)),
        Value::Date(year, month, day, 0, 0, 0, 0) if target == TargetType::Date => {
            json!(format!("{year:04}-{month:02}-{day:02}"))
        }
        Value::Date(..) | Value::Time(..) => json!(value.as_sql(true).trim_matches('\'')),
    }
}

fn read(content: &str) -> KeptRow {
    let object: Map<String, Json> = serde_json::from_str(content).unwrap_or_default();
    object.into_iter().map(|(name, cell)| (name, read_cell(&cell))).collect()
}

fn read_cell(cell: &Json) -> KeptCell {
    let part = |name: &str| cell.get(name).and_then(Json::as_str);
    if let Some(integer) = cell.as_i64() {
        KeptCell::Integer(integer)
    } else if let Some(text) = cell.as_str() {
        KeptCell::Text(text.as_bytes().to_vec())
    } else if let Some(real) = part("real") {
        real.parse().map_or(KeptCell::Null, KeptCell::Real)
    } else if let Some(bytes) = part("blob") {
        KeptCell::Blob(hex::decode(bytes))
    } else if let Some(bytes) = part("text") {
        KeptCell::Text(hex::decode(bytes))
    } else {
        KeptCell::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_set_aside_reads_back_as_it_was() {
        let cells = [
            ("n", ValueRef::Null),
            ("i", ValueRef::Integer(i64::MIN)),
            ("r", ValueRef::Real(0.1 + 0.2)),
            ("t", ValueRef::Text("a\0\"é".as_bytes())),
            ("b", ValueRef::Blob(&[0, 255])),
            ("x", ValueRef::Text(&[0xff])),
        ];
        let back = read(&of_source(cells.into_iter()));
        assert_eq!(back["n"], KeptCell::Null);
        assert_eq!(back["i"], KeptCell::Integer(i64::MIN));
        assert_eq!(back["r"], KeptCell::Real(0.1 + 0.2));
        assert_eq!(back["t"], KeptCell::Text("a\0\"é".as_bytes().to_vec()));
        assert_eq!(back["b"], KeptCell::Blob(vec![0, 255]));
        assert_eq!(back["x"], KeptCell::Text(vec![255]));
    }
}
