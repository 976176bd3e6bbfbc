//! Asks both databases for their tables, columns and rows.

use std::collections::BTreeMap;

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Error, Row as _};

use super::meaning;

/// The plain tables of the source.
pub(super) async fn tables(sqlite: &mut SqliteConnection) -> Result<Vec<String>, Error> {
    let list = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1";
    sqlx::query_scalar(list).fetch_all(sqlite).await
}

pub(super) async fn columns(sqlite: &mut SqliteConnection, table: &str) -> Result<Vec<String>, Error> {
    let list = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid";
    sqlx::query_scalar(list).bind(table).fetch_all(sqlite).await
}

/// The data types of a table's columns in the target.
pub(super) async fn kinds(
    maria: &mut MySqlConnection,
    table: &str,
) -> Result<BTreeMap<String, String>, Error> {
    let list = "SELECT CAST(COLUMN_NAME AS CHAR) AS n, CAST(DATA_TYPE AS CHAR) AS t FROM information_schema.COLUMNS \
                WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? COLLATE utf8mb4_bin";
    let rows = sqlx::query(list).bind(table).fetch_all(maria).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

pub(super) async fn source_rows(
    sqlite: &mut SqliteConnection,
    table: &str,
    columns: &[String],
    kinds: &[String],
) -> Result<Vec<String>, Error> {
    let parts: Vec<String> = columns
        .iter()
        .map(|column| format!("\"{}\"", column.replace('"', "\"\"")))
        .flat_map(|column| [format!("typeof({column})"), column])
        .collect();
    let select = format!("SELECT {} FROM \"{}\"", parts.join(", "), table.replace('"', "\"\""));
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(sqlite).await?;
    rows.iter().map(|row| source_row(row, kinds)).collect()
}

fn source_row(row: &SqliteRow, kinds: &[String]) -> Result<String, Error> {
    let mut meanings = Vec::with_capacity(kinds.len());
    for (at, kind) in kinds.iter().enumerate() {
        let class: String = row.try_get(at * 2)?;
        let place = at * 2 + 1;
        meanings.push(match class.as_str() {
            "null" => "NULL".to_owned(),
            "integer" => meaning::of_integer(row.try_get_unchecked(place)?, kind),
            "real" => meaning::of_real(row.try_get_unchecked(place)?, kind),
            "text" => meaning::of_text(&row.try_get_unchecked::<Vec<u8>, _>(place)?, kind),
            _ => meaning::of_blob(&row.try_get_unchecked::<Vec<u8>, _>(place)?),
        });
    }
    Ok(meanings.join(" | "))
}

pub(super) async fn target_rows(
    maria: &mut MySqlConnection,
    table: &str,
    columns: &[String],
    kinds: &[String],
) -> Result<Vec<String>, Error> {
    let parts: Vec<String> = columns
        .iter()
        .zip(kinds)
        .map(|(column, kind)| {
            let column = format!("`{}`", column.replace('`', "``"));
            match kind.as_str() {
                "double" | "longblob" | "varbinary" | "binary" => column,
                // As text, whatever a driver makes of the type.
                "bigint" | "int" | "mediumint" | "smallint" | "tinyint" | "decimal" | "datetime"
                | "timestamp" | "date" | "time" => format!("CAST(CAST({column} AS CHAR) AS BINARY)"),
                _ => format!("CAST({column} AS BINARY)"),
            }
        })
        .collect();
    let select = format!("SELECT {} FROM `{}`", parts.join(", "), table.replace('`', "``"));
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(maria).await?;
    rows.iter().map(|row| target_row(row, kinds)).collect()
}

fn target_row(row: &MySqlRow, kinds: &[String]) -> Result<String, Error> {
    let mut meanings = Vec::with_capacity(kinds.len());
    for (at, kind) in kinds.iter().enumerate() {
        let meaning = match kind.as_str() {
            "bigint" | "int" | "mediumint" | "smallint" | "tinyint" => {
                row.try_get_unchecked::<Option<Vec<u8>>, _>(at)?.map(|text| meaning::of_digits(&text))
            }
            "double" => {
                row.try_get_unchecked::<Option<f64>, _>(at)?.map(|number| meaning::of_real(number, "double"))
            }
            "longblob" | "varbinary" | "binary" => {
                row.try_get_unchecked::<Option<Vec<u8>>, _>(at)?.map(|bytes| meaning::of_blob(&bytes))
            }
            _ => row.try_get_unchecked::<Option<Vec<u8>>, _>(at)?.map(|text| meaning::of_text(&text, kind)),
        };
        meanings.push(meaning.unwrap_or_else(|| "NULL".to_owned()));
    }
    Ok(meanings.join(" | "))
}
