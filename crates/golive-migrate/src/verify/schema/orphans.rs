//! Foreign keys that are added without the server's checks are only as good as this: every reference is looked up.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::facts::{Facts, ForeignKeyFacts};
use crate::ident;
use crate::verify::report::CheckedForeignKey;

/// How many times more rows than different keys make it worth to look each key up only once.
const WORTH_DISTINCT: u64 = 8;

/// Counts the rows without a parent, foreign key by foreign key.
pub(crate) async fn orphans(
    conn: &mut Conn,
    facts: &Facts,
) -> Result<Vec<CheckedForeignKey>, mysql_async::Error> {
    let mut checked = Vec::new();
    for (table, keys) in &facts.foreign_keys {
        for key in keys {
            let orphans = count(conn, facts, table, key).await?;
            checked.push(CheckedForeignKey {
                table: table.clone(),
                columns: key.columns.clone(),
                parent: key.parent.clone(),
                orphans,
            });
        }
    }
    Ok(checked)
}

async fn count(
    conn: &mut Conn,
    facts: &Facts,
    table: &str,
    key: &ForeignKeyFacts,
) -> Result<u64, mysql_async::Error> {
    // A few parents of millions of rows: the index tells the different keys without reading the rows.
    let rows = facts.tables.get(table).map_or(0, |facts| facts.rows);
    let index = facts.indexes.get(table).into_iter().flatten().find(|index| index.columns == key.columns);
    if index.is_some_and(|index| index.cardinality.saturating_mul(WORTH_DISTINCT) < rows) {
        let distinct =
            format!("(SELECT DISTINCT {} FROM {})", ident::mariadb_list(&key.columns), ident::mariadb(table));
        if conn.query_first::<u64, _>(anti_join(&distinct, key)).await? == Some(0) {
            return Ok(0);
        }
    }
    Ok(conn.query_first(anti_join(&ident::mariadb(table), key)).await?.unwrap_or(0))
}

fn anti_join(child: &str, key: &ForeignKeyFacts) -> String {
    let pairs = key.columns.iter().zip(&key.parent_columns);
    let joined: Vec<String> = pairs
        .map(|(column, parent)| format!("p.{} = c.{}", ident::mariadb(parent), ident::mariadb(column)))
        .collect();
    let given: Vec<String> =
        key.columns.iter().map(|column| format!("c.{} IS NOT NULL", ident::mariadb(column))).collect();
    format!(
        "SELECT COUNT(*) FROM {child} c LEFT JOIN {} p ON {} WHERE {} AND p.{} IS NULL",
        ident::mariadb(&key.parent),
        joined.join(" AND "),
        given.join(" AND "),
        ident::mariadb(&key.parent_columns[0]),
    )
}
