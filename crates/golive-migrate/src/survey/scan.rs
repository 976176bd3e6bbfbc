//! The statements over the source's rows: a census per column, rows that break a CHECK.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::catalog::{CatalogColumn, CatalogTable};
use crate::core::census::{Census, Example, Exemplify};
use crate::core::conversion::Conversion;
use crate::core::declared::Declared;
use crate::core::types::TargetType;
use crate::ident;

/// How a column's values are looked at.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// What the column is meant to be.
    pub(crate) meaning: Declared,
    /// Conversions that policies ask for, in order, with the type that they convert to.
    pub(crate) conversions: Vec<(Conversion, TargetType)>,
}

impl Look {
    pub(super) fn new(column: &CatalogColumn, chosen: Option<TargetType>) -> Self {
        let meaning = chosen.map_or_else(|| meaning(column), Declared::of_target);
        Self { meaning, conversions: Vec::new() }
    }

    fn at(&self, census: &mut Census, value: ValueRef<'_>, example: Exemplify<'_>) {
        let mut seen = self.conversions.iter().filter_map(|(conversion, to)| conversion.apply(value, *to));
        match seen.next() {
            Some(converted) => {
                census.observe_converted(example);
                census.observe(self.meaning, converted.as_value(), example);
            }
            None => census.observe(self.meaning, value, example),
        }
    }
}

/// A piece of a table, by row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowRange {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Counts every column of a table or of a piece of it, each looked at as what it is meant to be.
pub(crate) fn census(
    connection: &Connection,
    table: &CatalogTable,
    looks: &[Look],
    range: Option<RowRange>,
    show_values: bool,
) -> Result<Vec<Census>> {
    let mut census: Vec<Census> = table.columns.iter().map(|_| Census::default()).collect();
    let rowid = if table.primary_key.is_empty() { table.rowid_name() } else { None };
    let names = table.column_names();
    let select = ident::sqlite_list(&names) + &rowid.map(|name| format!(", {name}")).unwrap_or_default();
    let piece = match (range, table.rowid_name()) {
        (Some(RowRange { first, last }), Some(rowid)) => format!(" WHERE {rowid} BETWEEN {first} AND {last}"),
        _ => String::new(),
    };
    let mut statement =
        connection.prepare(&format!("SELECT {select} FROM {}{piece}", ident::sqlite(&table.name)))?;
    let key_columns: Vec<(usize, &str)> = table
        .primary_key
        .iter()
        .filter_map(|key| names.iter().position(|name| name == key).map(|at| (at, key.as_str())))
        .chain(rowid.map(|name| (names.len(), name)))
        .collect();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (at, (census, look)) in census.iter_mut().zip(looks).enumerate() {
            let value = row.get_ref(at)?;
            let example = || Example {
                key: key_text(&key_columns, |at| row.get_ref(at).unwrap_or(ValueRef::Null)),
                value: show_values.then(|| value_text(value)),
            };
            look.at(census, value, &example);
        }
    }
    Ok(census)
}

/// What a column's declaration means. `WITHOUT ROWID` or not makes no difference.
pub(crate) fn meaning(column: &CatalogColumn) -> Declared {
    Declared::parse(&column.declared)
}

/// Writes a key as `column=value, column=value`; a blob as hexadecimal, a long text shortened.
pub(crate) fn key_text<'a>(columns: &[(usize, &str)], value: impl Fn(usize) -> ValueRef<'a>) -> String {
    let parts = columns.iter().map(|(at, name)| format!("{name}={}", value_text(value(*at))));
    parts.collect::<Vec<_>>().join(", ")
}

fn value_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) => real.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).chars().take(80).collect(),
        ValueRef::Blob(blob) => blob.iter().take(40).map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Rows that break a CHECK, which a source may hold when it was written with checks ignored.
pub(crate) fn breaking_rows(connection: &Connection, table: &CatalogTable, check: &str) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {} WHERE NOT ({check})", ident::sqlite(&table.name));
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}
