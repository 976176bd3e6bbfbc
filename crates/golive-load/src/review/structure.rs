//! The indexes of a database as they are, and what is wrong with them whatever is asked: twice there, begun by another,
//! read by nobody, missing where one table refers to another.
//!
//! What must not be here: statements of the application.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::{Finding, FindingKind, ReviewError, ReviewOptions};

/// One index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexColumns {
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) unique: bool,
    /// `BTREE`, `FULLTEXT` and so on.
    pub(crate) kind: String,
    /// In the order of the index; a prefix of a column is written `column(9)` and equals no whole column.
    pub(crate) columns: Vec<String>,
}

impl IndexColumns {
    pub(crate) fn begins_with(&self, column: &str) -> bool {
        self.kind == "BTREE" && self.columns.first().is_some_and(|first| first.eq_ignore_ascii_case(column))
    }

    /// Whether these columns, in this order, are its beginning.
    pub(crate) fn starts_with(&self, columns: &[String]) -> bool {
        self.kind == "BTREE"
            && self.columns.len() >= columns.len()
            && self.columns.iter().zip(columns).all(|(own, other)| own.eq_ignore_ascii_case(other))
    }
}

/// The one place where names are quoted.
pub(crate) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// All indexes of the database.
pub(crate) async fn indexes_of(
    connection: &mut MySqlConnection,
    database: &str,
) -> Result<Vec<IndexColumns>, ReviewError> {
    let failed = |source| ReviewError::Query { what: "the indexes of the database", source };
    let rows = sqlx::query(
        "SELECT CAST(table_name AS CHAR), CAST(index_name AS CHAR), CAST(non_unique AS CHAR), CAST(index_type AS CHAR), \
         CAST(IF(sub_part IS NULL, column_name, CONCAT(column_name, '(', sub_part, ')')) AS CHAR) \
         FROM information_schema.statistics WHERE table_schema = ? ORDER BY table_name, index_name, seq_in_index",
    )
    .bind(database)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let mut indexes: Vec<IndexColumns> = Vec::new();
    for row in &rows {
        let text = |at: usize| row.try_get_unchecked::<String, _>(at).map_err(failed);
        let (table, name, column) = (text(0)?, text(1)?, text(4)?);
        match indexes.last_mut().filter(|last| last.table == table && last.name == name) {
            Some(index) => index.columns.push(column),
            None => indexes.push(IndexColumns {
                table,
                name,
                unique: text(2)? == "0",
                kind: text(3)?,
                columns: vec![column],
            }),
        }
    }
    Ok(indexes)
}

/// What is wrong with them.
pub(crate) async fn findings(
    connection: &mut MySqlConnection,
    database: &str,
    options: &ReviewOptions,
    indexes: &[IndexColumns],
    notes: &mut Vec<String>,
) -> Result<Vec<Finding>, ReviewError> {
    let mut found = repeated(indexes);
    found.extend(references(connection, database, options, indexes).await?);
    found.extend(unused(connection, database, options, indexes, notes).await?);
    Ok(found)
}

/// Duplicates and beginnings of others. A unique index is never the lesser one: it is a rule, not only a path.
fn repeated(indexes: &[IndexColumns]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, index) in indexes.iter().enumerate().filter(|(_, index)| !index.unique) {
        let others = indexes.iter().enumerate().filter(|(other, o)| *other != at && o.table == index.table);
        let mut covering =
            others.filter(|(_, other)| other.kind == index.kind && other.starts_with(&index.columns));
        // Of two equal ones the later is told, the earlier kept.
        let same = covering
            .clone()
            .find(|(other, o)| o.columns.len() == index.columns.len() && (o.unique || *other < at));
        let longer = covering.find(|(_, other)| other.columns.len() > index.columns.len());
        let (kind, other, relation) = match (same, longer) {
            (Some((_, other)), _) => (FindingKind::DuplicateIndex, other, "has the same columns as"),
            (None, Some((_, other))) => (FindingKind::RedundantIndex, other, "is the beginning of"),
            (None, None) => continue,
        };
        found.push(about_index(kind, index, &format!("{relation} `{}`: drop it", other.name)));
    }
    found
}

/// Columns that look like references, of the same type as the key they seem to mean, without an index of their own.
/// InnoDB sees to declared foreign keys itself; what an application joins by without declaring it, nobody sees to.
async fn references(
    connection: &mut MySqlConnection,
    database: &str,
    options: &ReviewOptions,
    indexes: &[IndexColumns],
) -> Result<Vec<Finding>, ReviewError> {
    let failed = |source| ReviewError::Query { what: "the columns of the database", source };
    let rows = sqlx::query(
        "SELECT CAST(c.table_name AS CHAR), CAST(c.column_name AS CHAR), CAST(c.column_type AS CHAR), \
         CAST(COALESCE(t.table_rows, 0) AS CHAR) FROM information_schema.columns c JOIN information_schema.tables t \
         ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE' \
         WHERE c.table_schema = ? ORDER BY c.table_name, c.ordinal_position LIMIT 100000",
    )
    .bind(database)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let mut columns = Vec::new();
    for row in &rows {
        let text = |at: usize| row.try_get_unchecked::<String, _>(at).map_err(failed);
        columns.push(Column {
            table: text(0)?,
            name: text(1)?,
            kind: text(2)?,
            rows: text(3)?.parse().unwrap_or(0),
        });
    }
    Ok(unindexed_references(&columns, indexes, options.large_table_rows))
}

struct Column {
    table: String,
    name: String,
    kind: String,
    rows: u64,
}

fn unindexed_references(columns: &[Column], indexes: &[IndexColumns], large: u64) -> Vec<Finding> {
    let mut keys: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for index in indexes.iter().filter(|index| index.name == "PRIMARY" && index.columns.len() == 1) {
        let Some(key) = columns.iter().find(|c| c.table == index.table && c.name == index.columns[0]) else {
            continue;
        };
        let table = index.table.to_lowercase();
        let own = key.name.to_lowercase();
        let singular = table.strip_suffix('s').unwrap_or(&table);
        // `client_id` means client.id or clients.id, or a key that is itself called client_id.
        let names =
            if own == "id" { vec![format!("{table}_id"), format!("{singular}_id")] } else { vec![own] };
        for name in names {
            keys.entry(name).or_insert((&index.table, &key.kind));
        }
    }
    let mut found = Vec::new();
    for column in columns.iter().filter(|column| column.rows >= large) {
        let Some((owner, kind)) = keys.get(&column.name.to_lowercase()) else { continue };
        let indexed = indexes.iter().any(|i| i.table == column.table && i.begins_with(&column.name));
        if indexed || *owner == column.table || *kind != column.kind {
            continue;
        }
        let name: String = format!("ix_{}_{}", column.table, column.name).chars().take(64).collect();
        found.push(Finding {
            kind: FindingKind::MissingReferenceIndex,
            table: Some(column.table.clone()),
            rows: Some(column.rows),
            says: format!(
                "`{}` of `{}` seems to refer to `{owner}` and has no index: joins and deletions there read every row",
                column.name, column.table
            ),
            index: Some(format!("CREATE INDEX {} ON {} ({})", quote(&name), quote(&column.table), quote(&column.name))),
        });
    }
    found
}

/// Indexes without a single read since the server counts. Who does not count does not know.
async fn unused(
    connection: &mut MySqlConnection,
    database: &str,
    options: &ReviewOptions,
    indexes: &[IndexColumns],
    notes: &mut Vec<String>,
) -> Result<Vec<Finding>, ReviewError> {
    let failed = |source| ReviewError::Query { what: "the use of indexes", source };
    let row = sqlx::raw_sql(
        "SELECT CAST(@@userstat AS CHAR), CAST((SELECT variable_value FROM information_schema.global_status \
         WHERE variable_name = 'UPTIME') AS CHAR)",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let text = |at: usize| row.try_get_unchecked::<String, _>(at).unwrap_or_default();
    let up: u64 = text(1).parse().unwrap_or(0);
    if !matches!(text(0).as_str(), "1" | "ON") {
        notes.push("userstat is off: which indexes nothing uses is unknown".to_owned());
        return Ok(Vec::new());
    }
    if up < options.unused_after.as_secs() {
        notes.push(format!("the server counts since {up} s only: which indexes nothing uses is unknown"));
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT CAST(CONCAT(table_name, '/', index_name) AS CHAR) FROM information_schema.index_statistics \
         WHERE table_schema = ? AND rows_read > 0 UNION SELECT CAST(CONCAT(table_name, '/', constraint_name) AS CHAR) \
         FROM information_schema.referential_constraints WHERE constraint_schema = ?",
    )
    .bind(database)
    .bind(database)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let used: Vec<String> = rows.iter().filter_map(|row| row.try_get_unchecked(0).ok()).collect();
    let idle = indexes
        .iter()
        .filter(|index| !index.unique && !used.contains(&format!("{}/{}", index.table, index.name)));
    let says = format!(
        "was read by nothing in the {} hours that the server counts: drop it if that is a usual time",
        up / 3600
    );
    Ok(idle.map(|index| about_index(FindingKind::UnusedIndex, index, &says)).collect())
}

fn about_index(kind: FindingKind, index: &IndexColumns, says: &str) -> Finding {
    Finding {
        kind,
        table: Some(index.table.clone()),
        rows: None,
        says: format!("`{}` of `{}` {says}", index.name, index.table),
        index: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, unique: bool, columns: &[&str]) -> IndexColumns {
        IndexColumns {
            table: "t".to_owned(),
            name: name.to_owned(),
            unique,
            kind: "BTREE".to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        }
    }

    #[test]
    fn of_equal_indexes_one_is_kept_and_a_rule_is_never_redundant() {
        let kinds = |indexes: &[IndexColumns]| -> Vec<(FindingKind, bool)> {
            repeated(indexes).iter().map(|f| (f.kind, f.says.starts_with("`b`"))).collect()
        };
        assert_eq!(
            kinds(&[index("a", false, &["x"]), index("b", false, &["x"])]),
            [(FindingKind::DuplicateIndex, true)]
        );
        assert_eq!(
            kinds(&[index("a", false, &["x", "y"]), index("b", false, &["x"])]),
            [(FindingKind::RedundantIndex, true)]
        );
        assert_eq!(kinds(&[index("a", false, &["x", "y"]), index("b", true, &["x"])]), []);
        assert_eq!(kinds(&[index("a", false, &["y", "x"]), index("b", false, &["x"])]), []);
        assert_eq!(kinds(&[index("a", false, &["x"]), index("b", false, &["x(9)"])]), []);
    }
}
