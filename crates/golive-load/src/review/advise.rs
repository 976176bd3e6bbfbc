//! Which index a table access lacks: equality columns first, the tenant's foremost, then one range or the sort order.
//!
//! What must not be here: creating it. The statement is advice; proving it belongs on a staging server.

use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::ReviewError;
use super::plan::Node;

/// The `CREATE INDEX` that would serve this access; `None` when there is nothing to index or it is there already.
pub(crate) async fn index_for(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
    node: &Node,
    order: &[String],
) -> Result<Option<String>, ReviewError> {
    let indexable = indexable_columns(connection, database, table).await?;
    let columns = columns(node, order, &indexable);
    if columns.is_empty() {
        return Ok(None);
    }
    let existing = existing_indexes(connection, database, table).await?;
    if existing.iter().any(|index| starts_with(index, &columns)) {
        return Ok(None);
    }
    Ok(Some(create_index(table, &columns)))
}

fn columns(node: &Node, order: &[String], indexable: &[String]) -> Vec<String> {
    let known = |column: &&String| indexable.iter().any(|name| name.eq_ignore_ascii_case(column));
    let mut columns: Vec<String> = node.equal.iter().filter(known).cloned().collect();
    columns.sort_by_key(|column| !is_tenant(column));
    let mut tail: Vec<_> = node.range.iter().filter(known).take(1).cloned().collect();
    if tail.is_empty() && order.iter().all(|column| known(&column)) {
        tail = order.to_vec();
    }
    for column in tail {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns.truncate(MAX_COLUMNS);
    columns
}

fn is_tenant(column: &str) -> bool {
    let column = column.to_lowercase();
    ["client", "tenant", "company", "organization", "account"].iter().any(|word| column.contains(word))
}

fn starts_with(index: &[String], columns: &[String]) -> bool {
    index.len() >= columns.len() && index.iter().zip(columns).all(|(i, c)| i.eq_ignore_ascii_case(c))
}

fn create_index(table: &str, columns: &[String]) -> String {
    let name: String = format!("ix_{table}_{}", columns.join("_")).chars().take(MAX_NAME_CHARS).collect();
    let columns: Vec<_> = columns.iter().map(|column| quote(column)).collect();
    format!("CREATE INDEX {} ON {} ({})", quote(&name), quote(table), columns.join(", "))
}

/// The one place where names are quoted.
fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Columns that an index takes whole.
async fn indexable_columns(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> Result<Vec<String>, ReviewError> {
    let rows = sqlx::query(
        "SELECT CAST(column_name AS CHAR) FROM information_schema.columns WHERE table_schema = ? AND table_name = ? \
         AND data_type NOT IN ('tinytext','text','mediumtext','longtext','tinyblob','blob','mediumblob','longblob','json')",
    )
    .bind(database)
    .bind(table)
    .fetch_all(connection)
    .await
    .map_err(|source| ReviewError::Query { what: "the columns of a table", source })?;
    rows.iter()
        .map(|row| row.try_get_unchecked(0))
        .collect::<Result<_, _>>()
        .map_err(|source| ReviewError::Query { what: "the columns of a table", source })
}

async fn existing_indexes(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> Result<Vec<Vec<String>>, ReviewError> {
    let failed = |source| ReviewError::Query { what: "the indexes of a table", source };
    let rows = sqlx::query(
        "SELECT CAST(index_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.statistics \
         WHERE table_schema = ? AND table_name = ? ORDER BY index_name, seq_in_index",
    )
    .bind(database)
    .bind(table)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let mut indexes: Vec<(String, Vec<String>)> = Vec::new();
    for row in &rows {
        let name: String = row.try_get_unchecked(0).map_err(failed)?;
        let column: String = row.try_get_unchecked(1).map_err(failed)?;
        match indexes.last_mut().filter(|(last, _)| *last == name) {
            Some((_, columns)) => columns.push(column),
            None => indexes.push((name, vec![column])),
        }
    }
    Ok(indexes.into_iter().map(|(_, columns)| columns).collect())
}

/// More columns seldom pay for the writes that they cost.
const MAX_COLUMNS: usize = 4;
/// MariaDB's limit on the length of a name.
const MAX_NAME_CHARS: usize = 64;
