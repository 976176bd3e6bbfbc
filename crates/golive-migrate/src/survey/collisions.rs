//! Unique keys whose rows SQLite tells apart and the target does not: by its collation, or because two values become one.
//! Only the server knows its collations, so the keys are put into a temporary table there and grouped. Nothing else is written.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SurveyError;
use super::model::{DEFAULT_COLLATION, Survey, SurveyedColumn, SurveyedTable};
use super::sent::{self, KeyColumn, Reading};
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;
use crate::source::Source;

/// One unique key in which rows may collide.
struct Key {
    table: String,
    /// The index's name; `None` for the primary key.
    index: Option<String>,
    columns: Vec<KeyColumn>,
}

/// Adds a finding for each unique key in which rows collide.
pub(super) async fn find(source: &Source, conn: &mut Conn, survey: &mut Survey) -> Result<(), SurveyError> {
    // The default collation compares as SQLite does; only values that become others can collide then.
    let as_sqlite = survey.collation == DEFAULT_COLLATION;
    let keys: Vec<Key> = survey.tables.iter().flat_map(|table| keys(table, as_sqlite)).collect();
    for key in keys {
        let finding = match colliding(source, conn, &key, &survey.collation).await {
            Ok(0) => continue,
            Ok(count) => collision(&key, &survey.collation).rows(count, Vec::new()),
            Err(error) if sent::is_denied(&error) => unknown(&key),
            Err(error) => return Err(error),
        };
        let place = key.index.clone().unwrap_or_else(|| {
            key.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        });
        survey.findings.push(finding.table(&key.table).column(place));
    }
    Ok(())
}

fn keys(table: &SurveyedTable, as_sqlite: bool) -> Vec<Key> {
    let find = |name: &&String| table.columns.iter().find(|column| column.name == **name);
    let key = |index: Option<String>, names: Vec<&String>| {
        let columns: Vec<&SurveyedColumn> = names.iter().filter_map(find).collect();
        let may_collide =
            columns.iter().any(|column| becomes_another(column) || column.target.is_text() && !as_sqlite);
        let columns = columns.into_iter().map(KeyColumn::from);
        may_collide.then(|| Key { table: table.name.clone(), index, columns: columns.collect() })
    };
    // A key with a condition binds fewer rows than are compared here; MariaDB says so itself when it is built.
    let unique = table.indexes.iter().filter(|index| index.unique && index.helper.is_none());
    let unique = unique.filter_map(|index| {
        key(Some(index.name.clone()), index.columns.iter().map(|column| &column.name).collect())
    });
    key(None, table.primary_key.iter().collect()).into_iter().chain(unique).collect()
}

/// Whether values that SQLite tells apart may be stored as one: two spellings of a moment, 5 and '5', what a policy converts.
fn becomes_another(column: &SurveyedColumn) -> bool {
    let census = &column.census;
    let kinds = [census.integers + census.reals, census.texts, census.blobs];
    let mixed = kinds.iter().filter(|count| **count > 0).count() > 1;
    let spelled = matches!(
        column.target,
        TargetType::DateTime { .. }
            | TargetType::Timestamp { .. }
            | TargetType::Date
            | TargetType::Time { .. }
            | TargetType::Boolean
            | TargetType::Decimal { .. }
    ) && census.texts > 0;
    mixed || spelled || !column.conversions.is_empty()
}

fn collision(key: &Key, collation: &str) -> Finding {
    let what = format!(
        "values that SQLite tells apart are equal in MariaDB, as what they become and under {collation}"
    );
    let remedy = match key.index {
        Some(_) => {
            "use utf8mb4_nopad_bin, mend the rows, set the later ones aside by a policy, or accept: the key is then not unique"
        }
        None => "use utf8mb4_nopad_bin, or mend the rows in the source",
    };
    Finding::new(id(key), Severity::Blocks, what, remedy)
}

/// Without a primary key a table cannot be; a unique key may be left out.
fn id(key: &Key) -> &'static str {
    if key.index.is_some() { "MIG-UNIQUE-COLLISION" } else { "MIG-KEY-COLLISION" }
}

fn unknown(key: &Key) -> Finding {
    let what =
        format!("it is unknown whether values of `{}` collide: no temporary table could be made", key.table);
    Finding::new(
        id(key),
        Severity::Blocks,
        what,
        "GRANT CREATE TEMPORARY TABLES on the database, or use utf8mb4_nopad_bin",
    )
}

/// Rows that are equal to an earlier one.
async fn colliding(source: &Source, conn: &mut Conn, key: &Key, collation: &str) -> Result<u64, SurveyError> {
    let columns: Vec<String> =
        key.columns.iter().map(|one| format!("{} {}", ident::mariadb(&one.name), one.target)).collect();
    conn.query_drop("DROP TEMPORARY TABLE IF EXISTS `_golive_migrate_collision`").await?;
    conn.query_drop(format!(
        "CREATE TEMPORARY TABLE `_golive_migrate_collision` ({}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation}",
        columns.join(", ")
    ))
    .await?;
    let names: Vec<String> = key.columns.iter().map(|column| column.name.clone()).collect();
    let sql = format!("SELECT {} FROM {}", ident::sqlite_list(&names), ident::sqlite(&key.table));
    let reading = Reading { sql, key: key.columns.clone(), named_by: Vec::new() };
    sent::send(source, conn, "`_golive_migrate_collision`", reading, "").await?;
    let count: Option<u64> = conn
        .query_first(format!(
            "SELECT CAST(COALESCE(SUM(`n` - 1), 0) AS UNSIGNED) FROM \
             (SELECT COUNT(*) AS `n` FROM `_golive_migrate_collision` GROUP BY {} HAVING `n` > 1) `groups`",
            ident::mariadb_list(&names)
        ))
        .await?;
    conn.query_drop("DROP TEMPORARY TABLE `_golive_migrate_collision`").await?;
    Ok(count.unwrap_or(0))
}
