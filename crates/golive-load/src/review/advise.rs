//! Which indexes a table access lacks: equality columns first, the tenant's foremost, then one range or the sort order, and
//! perhaps whatever else is read, so that the table itself is not.
//!
//! What must not be here: creating them. The statements are advice; proving them is done in `prove`, on a copy.

use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::fingerprint::{self, Token};
use super::plan::Node;
use super::structure::{IndexColumns, quote};
use super::{Candidate, ReviewError};

/// An index worth trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
}

impl Wanted {
    /// The name it gets where it stays.
    pub(crate) fn name(&self) -> String {
        format!("ix_{}_{}", self.table, self.columns.join("_")).chars().take(MAX_NAME_CHARS).collect()
    }

    /// `CREATE INDEX …` under `name`.
    pub(crate) fn create(&self, name: &str) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| quote(column)).collect();
        format!("CREATE INDEX {} ON {} ({})", quote(name), quote(&self.table), columns.join(", "))
    }
}

/// The `CREATE INDEX` that would serve this access; `None` when there is nothing to index or it is there already.
pub(crate) async fn index_for(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
    node: &Node,
    order: &[String],
    existing: &[IndexColumns],
) -> Result<Option<String>, ReviewError> {
    let indexable = indexable_columns(connection, database, table).await?;
    let columns = columns(node, order, &indexable);
    let there =
        existing.iter().any(|index| index.table.eq_ignore_ascii_case(table) && index.starts_with(&columns));
    if columns.is_empty() || there {
        return Ok(None);
    }
    let wanted = Wanted { table: table.to_owned(), columns };
    Ok(Some(wanted.create(&wanted.name())))
}

/// All indexes worth trying for one statement: by its filter, by its order, and covering.
pub(crate) async fn wanted(
    connection: &mut MySqlConnection,
    database: &str,
    candidate: &Candidate,
    nodes: &[Node],
    existing: &[IndexColumns],
) -> Result<Vec<Wanted>, ReviewError> {
    let statement = &candidate.fingerprint;
    let tables = fingerprint::tables(statement);
    let order = order(statement, nodes);
    let mut found: Vec<Wanted> = Vec::new();
    for node in nodes {
        let Some(table) = tables.get(&node.table.to_lowercase()) else { continue };
        let indexable = indexable_columns(connection, database, table).await?;
        let mut without_range = node.clone();
        without_range.range.clear();
        let mut tries = vec![columns(node, &order, &indexable)];
        if !node.range.is_empty() && !order.is_empty() {
            tries.push(columns(&without_range, &order, &indexable));
        }
        tries.extend(covering(statement, &tables, &node.table, &tries[0], &indexable));
        for columns in tries.into_iter().filter(|columns| !columns.is_empty()) {
            let there = existing
                .iter()
                .any(|index| index.table.eq_ignore_ascii_case(table) && index.starts_with(&columns));
            let wanted = Wanted { table: table.clone(), columns };
            if !there && !found.contains(&wanted) {
                found.push(wanted);
            }
        }
    }
    Ok(found)
}

/// The ORDER BY columns that an index can serve: of one table, and only when the server sorts now.
pub(crate) fn order(statement: &str, nodes: &[Node]) -> Vec<String> {
    let sorted = nodes.iter().any(|node| node.filesort);
    if sorted && fingerprint::tables(statement).len() == 1 {
        fingerprint::order_by(statement)
    } else {
        Vec::new()
    }
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

/// `base` and whatever else of the table the statement names, when that is little; `None` when it reads everything.
fn covering(
    statement: &str,
    tables: &std::collections::BTreeMap<String, String>,
    alias: &str,
    base: &[String],
    indexable: &[String],
) -> Option<Vec<String>> {
    let tokens = fingerprint::tokens(statement);
    let everything = tokens.windows(2).any(|pair| {
        pair[1].is("*")
            && (pair[0].is("SELECT") || pair[0].is("DISTINCT") || pair[0].is(",") || pair[0].is("."))
    });
    if base.is_empty() || everything {
        return None;
    }
    let named = |at: usize, column: &str| {
        let Some(name) = tokens[at].name() else { return false };
        let owner = at.checked_sub(2).filter(|_| tokens[at - 1].is(".")).and_then(|at| tokens[at].name());
        let ours =
            owner.map_or(tables.len() == 1, |owner| owner.eq_ignore_ascii_case(alias) || tables.len() == 1);
        let call = tokens.get(at + 1).is_some_and(|next: &Token| next.is("("));
        ours && !call && name.eq_ignore_ascii_case(column)
    };
    let mut columns = base.to_vec();
    for column in indexable {
        let used = (0..tokens.len()).any(|at| named(at, column));
        if used && !columns.iter().any(|own| own.eq_ignore_ascii_case(column)) {
            columns.push(column.clone());
        }
    }
    let added = columns.len() - base.len();
    (1..=MAX_COVERING).contains(&added).then_some(columns)
}

fn is_tenant(column: &str) -> bool {
    let column = column.to_lowercase();
    ["client", "tenant", "company", "organization", "account"].iter().any(|word| column.contains(word))
}

/// Columns that an index takes whole.
async fn indexable_columns(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> Result<Vec<String>, ReviewError> {
    let rows = sqlx::query(
        "SELECT CAST(column_name AS CHAR) FROM information_schema.columns WHERE table_schema = ? AND table_name = ? \
         AND data_type NOT IN ('tinytext','text','mediumtext','longtext','tinyblob','blob','mediumblob','longblob','json') \
         ORDER BY ordinal_position",
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

/// More columns seldom pay for the writes that they cost.
const MAX_COLUMNS: usize = 4;
/// More than these beside the filter are a copy of the table; whether so many pay for their writes is measured.
const MAX_COVERING: usize = 6;
/// MariaDB's limit on the length of a name.
const MAX_NAME_CHARS: usize = 64;
