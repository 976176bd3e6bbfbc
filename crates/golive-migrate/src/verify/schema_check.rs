//! Compares the schemas, from the catalogs of both sides and without the plan: engine, character set, keys, foreign
//! keys, the next numbers, and what is only in the target.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::layout::TargetSide;
use super::report::{SchemaDifference, VerifyError, VerifyOptions};
use crate::survey::{Catalog, CatalogTable};

/// Columns of each unique key, by table.
type UniqueKeys = BTreeMap<String, BTreeSet<Vec<String>>>;
/// The parent, with pairs of column and parent column.
type ForeignKey = (String, BTreeSet<(String, String)>);
/// Foreign keys, by table.
type ForeignKeys = BTreeMap<String, BTreeSet<ForeignKey>>;

pub(super) async fn check(
    conn: &mut Conn,
    catalog: &Catalog,
    target: &TargetSide,
    options: &VerifyOptions,
) -> Result<Vec<SchemaDifference>, VerifyError> {
    let mut found = tables(conn, catalog, target, options).await?;
    let unique = unique_keys(conn).await?;
    let foreign = foreign_keys(conn).await?;
    let next = next_numbers(conn).await?;
    for table in catalog.tables.iter().filter(|table| target.tables.contains_key(&table.name)) {
        keys(table, unique.get(&table.name), &mut found);
        references(table, catalog, foreign.get(&table.name), options, &mut found);
        if let Some(sequence) = table.sequence.filter(|sequence| *sequence > 0)
            && next.get(&table.name).is_some_and(|next| *next <= sequence.unsigned_abs())
        {
            found.push(SchemaDifference::new(&table.name, "the next number would be given twice"));
        }
    }
    Ok(found)
}

async fn tables(
    conn: &mut Conn,
    catalog: &Catalog,
    target: &TargetSide,
    options: &VerifyOptions,
) -> Result<Vec<SchemaDifference>, VerifyError> {
    let mut found = Vec::new();
    let facts: Vec<(String, Option<String>, Option<String>)> = conn
        .query(
            "SELECT TABLE_NAME, ENGINE, TABLE_COLLATION FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'",
        )
        .await?;
    for (name, engine, collation) in facts.iter().filter(|(name, ..)| target.tables.contains_key(name)) {
        if engine.as_deref() != Some("InnoDB") {
            found.push(SchemaDifference::new(name, "the engine is not InnoDB"));
        }
        if !collation.as_deref().is_some_and(|collation| collation.starts_with("utf8mb4_")) {
            found.push(SchemaDifference::new(name, "the character set is not utf8mb4"));
        }
        if !catalog.tables.iter().any(|table| table.name == *name) {
            found.push(SchemaDifference::new(name, "the table is only in the target"));
        }
    }
    for table in &catalog.tables {
        if !target.tables.contains_key(&table.name) && !options.exclude.contains(&table.name) {
            found.push(SchemaDifference::new(&table.name, "the table is missing"));
        }
    }
    Ok(found)
}

async fn unique_keys(conn: &mut Conn) -> Result<UniqueKeys, VerifyError> {
    let rows: Vec<(String, String, String)> = conn
        .query(
            "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 AND SUB_PART IS NULL \
             ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        )
        .await?;
    let mut indexes: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (table, index, column) in rows {
        indexes.entry((table, index)).or_default().push(column);
    }
    let mut keys = UniqueKeys::new();
    for ((table, _), columns) in indexes {
        keys.entry(table).or_default().insert(columns);
    }
    Ok(keys)
}

fn keys(table: &CatalogTable, present: Option<&BTreeSet<Vec<String>>>, found: &mut Vec<SchemaDifference>) {
    let missing = |columns: &Vec<String>| !present.is_some_and(|present| present.contains(columns));
    if !table.primary_key.is_empty() && missing(&table.primary_key) {
        found.push(SchemaDifference::new(&table.name, "the primary key is missing"));
    }
    for index in table.indexes.iter().filter(|index| index.unique && !index.partial && !index.primary) {
        let columns: Option<Vec<String>> = index.columns.iter().cloned().collect();
        if let Some(columns) = columns.filter(missing) {
            let what = format!("the unique key over {} is missing", columns.join(", "));
            found.push(SchemaDifference::new(&table.name, what));
        }
    }
}

async fn foreign_keys(conn: &mut Conn) -> Result<ForeignKeys, VerifyError> {
    let rows: Vec<(String, String, String, String, String)> = conn
        .query(
            "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
             FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE() \
             AND REFERENCED_TABLE_SCHEMA = DATABASE()",
        )
        .await?;
    let mut named: BTreeMap<(String, String), ForeignKey> = BTreeMap::new();
    for (table, name, column, parent, parent_column) in rows {
        let entry = named.entry((table, name)).or_insert_with(|| (parent, BTreeSet::new()));
        entry.1.insert((column, parent_column));
    }
    let mut keys = ForeignKeys::new();
    for ((table, _), key) in named {
        keys.entry(table).or_default().insert(key);
    }
    Ok(keys)
}

fn references(
    table: &CatalogTable,
    catalog: &Catalog,
    present: Option<&BTreeSet<ForeignKey>>,
    options: &VerifyOptions,
    found: &mut Vec<SchemaDifference>,
) {
    for key in &table.foreign_keys {
        let place = format!("{}.{}", table.name, key.columns.join(", "));
        // What SQLite itself cannot enforce is no loss: a parent without the table or without such a key.
        let parent = catalog.tables.iter().find(|parent| parent.name == key.parent);
        let enforceable = parent.is_some_and(|parent| parent.has_key(&key.parent_columns));
        let excluded =
            options.exclude.contains(&key.parent) || options.left_out_foreign_keys.contains(&place);
        if !enforceable || excluded {
            continue;
        }
        let pairs: BTreeSet<(String, String)> =
            key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
        if !present.is_some_and(|present| present.contains(&(key.parent.clone(), pairs))) {
            let what = format!("the foreign key {} to `{}` is missing", key.columns.join(", "), key.parent);
            found.push(SchemaDifference::new(&table.name, what));
        }
    }
}

async fn next_numbers(conn: &mut Conn) -> Result<BTreeMap<String, u64>, VerifyError> {
    let rows: Vec<(String, u64)> = conn
        .query(
            "SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND AUTO_INCREMENT IS NOT NULL",
        )
        .await?;
    Ok(rows.into_iter().collect())
}
