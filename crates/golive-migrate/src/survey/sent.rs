//! Keys on their way into a temporary table of the target: as its columns will hold them, conversions made. Which keys, and
//! what the server is asked about them, is for others.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};
use rusqlite::types::ValueRef;
use tokio::sync::mpsc::{self, Sender};

use super::SurveyError;
use super::model::{SurveyedColumn, SurveyedTable};
use super::scan::key_text;
use crate::core::conversion::{Conversion, Converted};
use crate::core::convert::write_value;
use crate::core::types::TargetType;
use crate::source::Source;

/// Keys sent at once.
const BATCH: usize = 500;
/// "Access denied" to the database, and to a table.
const DENIED: [u16; 2] = [1044, 1142];

/// A column of a key, and what its values become.
#[derive(Debug, Clone)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) target: TargetType,
    pub(super) conversions: Vec<Conversion>,
}

/// What is read of the source.
pub(super) struct Reading {
    /// The statement: the key's columns, then those that name the row.
    pub(super) sql: String,
    pub(super) key: Vec<KeyColumn>,
    /// The columns that name the row; where there are any, its name is sent behind the key.
    pub(super) named_by: Vec<String>,
}

impl KeyColumn {
    /// The columns of these names.
    pub(super) fn of(table: &SurveyedTable, names: &[String]) -> Vec<Self> {
        let find = |name: &String| table.columns.iter().find(|column| column.name == *name);
        names.iter().filter_map(find).map(Self::from).collect()
    }
}

impl From<&SurveyedColumn> for KeyColumn {
    fn from(column: &SurveyedColumn) -> Self {
        let (name, conversions) = (column.name.clone(), column.conversions.clone());
        Self { name, target: column.target, conversions }
    }
}

/// Whether the server refused because the user may not make temporary tables.
pub(super) fn is_denied(error: &SurveyError) -> bool {
    matches!(error, SurveyError::Target(mysql_async::Error::Server(error)) if DENIED.contains(&error.code))
}

/// Puts what is read into a temporary table, whose further columns are the same for all rows.
pub(super) async fn send(
    source: &Source,
    conn: &mut Conn,
    table: &str,
    reading: Reading,
    further: &str,
) -> Result<(), SurveyError> {
    let columns = reading.key.len() + usize::from(!reading.named_by.is_empty());
    let (sender, mut batches) = mpsc::channel(4);
    let from = source.clone();
    let thread = tokio::task::spawn_blocking(move || read(&from, &reading, &sender));
    while let Some(values) = batches.recv().await {
        let one = format!("({}{further})", vec!["?"; columns].join(","));
        let rows = vec![one; values.len() / columns].join(",");
        conn.exec_drop(format!("INSERT INTO {table} VALUES {rows}"), Params::Positional(values)).await?;
    }
    thread.await??;
    Ok(())
}

/// Hands on the keys without NULL, which neither collide nor refer; what does not fit has a finding of its own.
fn read(source: &Source, reading: &Reading, batches: &Sender<Vec<Value>>) -> rusqlite::Result<()> {
    let connection = source.connect()?;
    let mut statement = connection.prepare(&reading.sql)?;
    let mut rows = statement.query([])?;
    let named_by: Vec<(usize, &str)> = reading
        .named_by
        .iter()
        .enumerate()
        .map(|(at, name)| (reading.key.len() + at, name.as_str()))
        .collect();
    let columns = reading.key.len() + usize::from(!named_by.is_empty());
    let mut batch = Vec::with_capacity(BATCH * columns);
    while let Some(row) = rows.next()? {
        let start = batch.len();
        for (at, column) in reading.key.iter().enumerate() {
            let mut written = Vec::new();
            let value = row.get_ref(at).unwrap_or(ValueRef::Null);
            let converted = column.conversions.iter().find_map(|one| one.apply(value, column.target));
            let value = converted.as_ref().map_or(value, Converted::as_value);
            if !matches!(write_value(value, column.target, &mut written), Ok(true)) {
                break;
            }
            batch.push(Value::Bytes(written));
        }
        if batch.len() < start + reading.key.len() {
            batch.truncate(start);
            continue;
        }
        if !named_by.is_empty() {
            let name = key_text(&named_by, |at| row.get_ref(at).unwrap_or(ValueRef::Null));
            batch.push(Value::from(name.chars().take(255).collect::<String>()));
        }
        if batch.len() >= BATCH * columns && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    if !batch.is_empty() {
        let _ = batches.blocking_send(batch);
    }
    Ok(())
}
