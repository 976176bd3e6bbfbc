//! Sets rows aside that are in the target already: those whose parent is missing, and those that collide in a unique key.
//! Each batch leaves its table and enters the side table in one transaction. Whether a policy asks for it, the plan says.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Row, Value};

use crate::ident;
use crate::plan::{PlannedColumn, PlannedForeignKey, PlannedTable};
use crate::quarantine::{self, SetAside};

/// Rows a transaction.
const BATCH: usize = 500;

/// Sets aside the rows whose parent is missing; says how many there were, or `None` when they are too many.
pub(crate) async fn orphans(
    conn: &mut Conn,
    table: &PlannedTable,
    key: &PlannedForeignKey,
) -> Result<Option<u64>, Error> {
    let columns: Vec<&PlannedColumn> = table.copied().collect();
    let names: Vec<String> =
        columns.iter().map(|column| format!("c.{}", ident::mariadb(&column.name))).collect();
    let sql = key.orphans.replacen("COUNT(*)", &names.join(", "), 1) + &format!(" LIMIT {BATCH}");
    batches(conn, table, &columns, &sql, &format!("MIG-FK-ORPHAN: {}", key.name)).await
}

/// Sets aside the rows that collide under the table's collation, all but the first by primary key.
pub(crate) async fn collisions(
    conn: &mut Conn,
    table: &PlannedTable,
    unique: &[String],
) -> Result<Option<u64>, Error> {
    let columns: Vec<&PlannedColumn> = table.copied().collect();
    let names: Vec<String> = columns.iter().map(|column| ident::mariadb(&column.name)).collect();
    let order = if table.primary_key.is_empty() { unique } else { &table.primary_key };
    let given: Vec<String> =
        unique.iter().map(|name| format!("{} IS NOT NULL", ident::mariadb(name))).collect();
    let sql = format!(
        "SELECT {names} FROM (SELECT {names}, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS `_golive_place` \
         FROM {} WHERE {}) placed WHERE `_golive_place` > 1 LIMIT {BATCH}",
        ident::mariadb_list(unique),
        ident::mariadb_list(order),
        ident::mariadb(&table.name),
        given.join(" AND "),
        names = names.join(", "),
    );
    batches(conn, table, &columns, &sql, &format!("MIG-UNIQUE-COLLISION: {}", unique.join(", "))).await
}

async fn batches(
    conn: &mut Conn,
    table: &PlannedTable,
    columns: &[&PlannedColumn],
    sql: &str,
    reason: &str,
) -> Result<Option<u64>, Error> {
    let mut moved = 0;
    loop {
        let rows: Vec<Row> = conn.exec(sql, ()).await?;
        if rows.is_empty() {
            return Ok(Some(moved));
        }
        moved += rows.len() as u64;
        conn.query_drop("START TRANSACTION").await?;
        match one_batch(conn, table, columns, &rows, reason).await {
            Ok(true) => conn.query_drop("COMMIT").await?,
            Ok(false) => {
                conn.query_drop("ROLLBACK").await?;
                return Ok(None);
            }
            Err(error) => {
                // Best effort: the server rolls back by itself when the connection is gone.
                let _ = conn.query_drop("ROLLBACK").await;
                return Err(error);
            }
        }
    }
}

/// `false` when there are too many.
async fn one_batch(
    conn: &mut Conn,
    table: &PlannedTable,
    columns: &[&PlannedColumn],
    rows: &[Row],
    reason: &str,
) -> Result<bool, Error> {
    for row in rows {
        let aside = SetAside {
            key: quarantine::target_key(row, columns, table),
            reason: reason.chars().take(255).collect(),
            content: quarantine::of_target(row, columns),
        };
        quarantine::enter(conn, &table.name, &[aside]).await?;
        delete(conn, table, columns, row).await?;
    }
    Ok(quarantine::count(conn, &table.name).await? <= quarantine::ROWS_AT_MOST)
}

/// By its primary key, or by all it holds where there is none.
async fn delete(
    conn: &mut Conn,
    table: &PlannedTable,
    columns: &[&PlannedColumn],
    row: &Row,
) -> Result<(), Error> {
    let keyed =
        |column: &PlannedColumn| table.primary_key.is_empty() || table.primary_key.contains(&column.name);
    let mut conditions = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    for (at, column) in columns.iter().enumerate().filter(|(_, column)| keyed(column)) {
        conditions.push(format!("{} <=> ?", ident::mariadb(&column.name)));
        values.push(row.as_ref(at).cloned().unwrap_or(Value::NULL));
    }
    let sql =
        format!("DELETE FROM {} WHERE {} LIMIT 1", ident::mariadb(&table.name), conditions.join(" AND "));
    conn.exec_drop(sql, Params::Positional(values)).await?;
    if conn.affected_rows() == 1 {
        return Ok(());
    }
    Err(Error::Other(format!("a row of `{}` to be set aside could not be found again", table.name).into()))
}
