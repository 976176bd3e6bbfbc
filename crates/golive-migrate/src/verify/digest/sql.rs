//! The server's half: statements that compute digests there, so that only sums cross the wire.
//!
//! Each cell becomes a text that is `N` for NULL and else says where it ends, so that no two rows make one text:
//! integers and decimals end in a comma, texts and blobs begin with their length, datetimes and dates have one length, and
//! a double is an equals sign and its eight bytes (as the `x` of a point, since MariaDB has no other way to show them).

use std::fmt::Write as _;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};

use super::{RowDigest, Sums};
use crate::ident;
use crate::verify::canonical::Kind;
use crate::verify::layout::{ComparedColumn, Layout};
use crate::verify::ranges::Range;

/// A merged subquery would hash each row once for every use of its hash.
pub(crate) async fn prepare_session(conn: &mut Conn) -> Result<(), mysql_async::Error> {
    conn.query_drop("SET SESSION optimizer_switch = 'derived_merge=off'").await
}

/// The SHA-1 of a row, in hexadecimal.
fn row_hash(layout: &Layout) -> String {
    let mut sql = String::from("SHA1(CONCAT('r'");
    for column in &layout.columns {
        let _ = write!(sql, ", {}", cell(column));
    }
    sql.push_str("))");
    sql
}

fn cell(column: &ComparedColumn) -> String {
    let name = ident::mariadb(&column.name);
    match column.form.kind {
        Kind::Integer | Kind::Boolean | Kind::Decimal => format!("IFNULL(CONCAT({name}, ','), 'N')"),
        Kind::Real => {
            format!("IFNULL(CONCAT('=', SUBSTR(ST_AsWKB(POINT(IF({name} = 0, 0, {name}), 0)), 6, 8)), 'N')")
        }
        Kind::DateTime => format!("IFNULL(CONCAT(CAST({name} AS DATETIME(6)), ''), 'N')"),
        Kind::Date => format!("IFNULL(CONCAT({name}, ''), 'N')"),
        Kind::Time => format!("IFNULL(CONCAT(CAST({name} AS TIME(6)), ''), 'N')"),
        Kind::Bytes => format!("IFNULL(CONCAT(LENGTH({name}), ':', {name}), 'N')"),
        Kind::Text | Kind::Other => {
            let text = format!("CAST(CONVERT({name} USING utf8mb4) AS BINARY)");
            format!("IFNULL(CONCAT(LENGTH({text}), ':', {text}), 'N')")
        }
    }
}

fn half(from: usize) -> String {
    format!("CAST(CONV(SUBSTR(h, {from}, 16), 16, 10) AS UNSIGNED)")
}

fn sums_of(from: &str) -> String {
    format!("COUNT(*), COALESCE(SUM({}), 0), COALESCE(SUM({}), 0) FROM ({from}) d", half(1), half(17))
}

fn hashes(layout: &Layout, range: &Range) -> (String, Vec<Value>) {
    let key: Vec<String> = layout.key.iter().map(|at| layout.columns[*at].target_key()).collect();
    let (condition, parameters) = range.target_condition(&key);
    let table = ident::mariadb(&layout.table);
    (format!("SELECT {} h FROM {table}{condition}", row_hash(layout)), parameters)
}

fn given(parameters: Vec<Value>) -> Params {
    if parameters.is_empty() { Params::Empty } else { Params::Positional(parameters) }
}

/// The sums over a range.
pub(crate) async fn sums(
    conn: &mut Conn,
    layout: &Layout,
    range: &Range,
) -> Result<Sums, mysql_async::Error> {
    let (from, parameters) = hashes(layout, range);
    let row: Option<(u64, String, String)> =
        conn.exec_first(format!("SELECT {}", sums_of(&from)), given(parameters)).await?;
    Ok(row.map(of_row).unwrap_or_default())
}

/// A number that does not parse is no sum of ours, and so equals none.
fn of_row((rows, high, low): (u64, String, String)) -> Sums {
    let number = |text: String| text.parse().unwrap_or(u128::MAX);
    Sums { rows, high: number(high), low: number(low) }
}

/// Sums by the first byte of the rows' digests, for tables without an order that both sides share.
pub(crate) async fn bucket_sums(conn: &mut Conn, layout: &Layout) -> Result<Vec<Sums>, mysql_async::Error> {
    let (from, _) = hashes(layout, &Range::default());
    let statement = format!("SELECT CONV(LEFT(h, 2), 16, 10), {} GROUP BY LEFT(h, 2)", sums_of(&from));
    let found: Vec<(String, u64, String, String)> = conn.exec(statement, ()).await?;
    let mut sums = vec![Sums::default(); 256];
    for (bucket, rows, high, low) in found {
        if let Some(sum) = bucket.parse::<usize>().ok().and_then(|at| sums.get_mut(at)) {
            *sum = of_row((rows, high, low));
        }
    }
    Ok(sums)
}

/// Tells key and digest of each row of a range.
pub(crate) async fn rows_of(
    conn: &mut Conn,
    layout: &Layout,
    range: &Range,
    tell: &mut (dyn FnMut(&[Value], RowDigest) + Send),
) -> Result<(), mysql_async::Error> {
    let key: Vec<String> = layout.key.iter().map(|at| layout.columns[*at].target_key()).collect();
    let names: Vec<String> = layout.key.iter().map(|at| ident::mariadb(&layout.columns[*at].name)).collect();
    let (condition, parameters) = range.target_condition(&key);
    let selected: Vec<String> = std::iter::once(row_hash(layout)).chain(names).collect();
    let statement =
        format!("SELECT {} FROM {}{condition}", selected.join(", "), ident::mariadb(&layout.table));
    let mut rows = conn.exec_iter(statement, given(parameters)).await?;
    while let Some(row) = rows.next().await? {
        let values = mysql_async::Row::unwrap(row);
        let (hash, key) = values.split_at(1.min(values.len()));
        let part = |at: usize| match hash {
            [Value::Bytes(text)] => std::str::from_utf8(text.get(at..at + 16)?)
                .ok()
                .and_then(|hex| u64::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        // A row too long for the server to hash equals none that was recorded.
        tell(key, (part(0).unwrap_or(0), part(16).unwrap_or(0)));
    }
    Ok(())
}
