//! Rows whose parent is missing, as the target will see it: it compares by its own collation, and not by the one that the
//! parent's key has in SQLite. What is done about them is for policies.
//!
//! The default collation compares byte by byte, which SQLite can do itself. Another collation, and what conversions make
//! of keys, only the server can judge: those keys are put into a temporary table there, and nothing else is written.

use std::collections::BTreeMap;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::SurveyError;
use super::catalog::CatalogTable;
use super::keys::along_a_key;
use super::model::{DEFAULT_COLLATION, SchemaOrigin, Survey, SurveyedForeignKey, SurveyedTable};
use super::scan::key_text;
use super::sent::{self, KeyColumn, Reading};
use crate::core::census::{EXAMPLES, Example, Tally};
use crate::finding::{Finding, Severity};
use crate::ident;
use crate::source::Source;

const ID: &str = "MIG-FK-ORPHAN";
const TABLE: &str = "`_golive_migrate_reference`";

/// Rows without a parent of the same bytes, by foreign key number; of each key that can be carried.
pub(super) fn exactly(
    connection: &Connection,
    table: &CatalogTable,
    tables: &[CatalogTable],
) -> rusqlite::Result<BTreeMap<i64, Tally>> {
    let named_by = row_name(&table.primary_key, table.rowid_name());
    let mut orphans = BTreeMap::new();
    for key in &table.foreign_keys {
        let Some(parent) = tables.iter().find(|one| one.name == key.parent) else { continue };
        let Some((columns, parent_columns)) = along_a_key(&key.columns, &key.parent_columns, parent) else {
            continue;
        };
        let collation = parent.key_collation(&parent_columns);
        let sql = anti_join(&table.name, &parent.name, &columns, &parent_columns, collation, &named_by);
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let names: Vec<(usize, &str)> =
            named_by.iter().enumerate().map(|(at, name)| (columns.len() + at, name.as_str())).collect();
        let mut tally = Tally::default();
        while let Some(row) = rows.next()? {
            tally.add(&|| Example {
                key: key_text(&names, |at| row.get_ref(at).unwrap_or(ValueRef::Null)),
                value: None,
            });
        }
        if tally.count > 0 {
            orphans.insert(key.id, tally);
        }
    }
    Ok(orphans)
}

/// The columns that name a row: its primary key, or its row number.
pub(super) fn row_name(primary_key: &[String], rowid: Option<&str>) -> Vec<String> {
    match rowid {
        Some(rowid) if primary_key.is_empty() => vec![rowid.to_owned()],
        _ => primary_key.to_vec(),
    }
}

/// The keys without a parent, and the names of their rows.
fn anti_join(
    table: &str,
    parent: &str,
    columns: &[String],
    parent_columns: &[String],
    collation: Option<&str>,
    named_by: &[String],
) -> String {
    let of = |alias: &str, name: &String| format!("{alias}.{}", ident::sqlite(name));
    let child = |name: &String| of("c", name);
    // Without an affinity of its own, as SQLite compares a reference: by that of the parent's column.
    let pair = |binary: &str, (column, parent): (&String, &String)| {
        format!("{}{binary} = +{}", of("p", parent), child(column))
    };
    let pairs = || columns.iter().zip(parent_columns);
    let known = |name: &str| ["NOCASE", "RTRIM"].iter().any(|one| name.eq_ignore_ascii_case(one));
    let mut same: Vec<String> = Vec::new();
    let mut parent = ident::sqlite(parent);
    if collation.is_none_or(known) {
        // The key's own index finds the few rows to compare.
        same.extend(pairs().map(|both| pair("", both)));
    } else {
        // But not in an order that only the application knows. SQLite makes itself an index, though of no table without
        // row numbers: hence of a query that it does not take for the table itself.
        parent = format!("(SELECT {} FROM {parent} LIMIT -1)", ident::sqlite_list(parent_columns));
    }
    if collation.is_some() {
        same.extend(pairs().map(|both| pair(" COLLATE BINARY", both)));
    }
    let selected: Vec<String> = columns.iter().chain(named_by).map(child).collect();
    let given: Vec<String> = columns.iter().map(|name| format!("{} IS NOT NULL", child(name))).collect();
    format!(
        "SELECT {} FROM {} c LEFT JOIN {} p ON {} WHERE {} AND {} IS NULL",
        selected.join(", "),
        ident::sqlite(table),
        parent,
        same.join(" AND "),
        given.join(" AND "),
        of("p", &parent_columns[0]),
    )
}

/// `collation`: of the parent's key in SQLite.
pub(super) fn finding(parent: &str, collation: Option<&str>) -> Finding {
    let mut what = format!("refers to rows of `{parent}` that do not exist");
    let mut remedy =
        "delete the rows or add their parents in the source; or set them aside by a policy; or accept, and the foreign key is \
         left out"
            .to_owned();
    if let Some(collation) = collation {
        what.push_str(&format!(
            ", or only by COLLATE {}, by which their key compares in the source",
            collation.to_ascii_uppercase()
        ));
        remedy = format!(
            "spell the references as their parents are spelled, or choose a collation that finds them equal; {remedy}"
        );
    }
    Finding::new(ID, Severity::Blocks, what, remedy)
}

/// Judges anew what the source's bytes cannot say.
pub(super) async fn by_the_server(
    source: &Source,
    conn: &mut Conn,
    survey: &mut Survey,
) -> Result<(), SurveyError> {
    let mut judged = Vec::new();
    for table in &survey.tables {
        for (at, key) in table.foreign_keys.iter().enumerate() {
            let Some(asked) = Asked::new(survey, table, key) else { continue };
            let found = match asked.orphans(source, conn).await {
                Ok(tally) => Ok(tally),
                Err(error) if sent::is_denied(&error) => Err(()),
                Err(error) => return Err(error),
            };
            judged.push((table.name.clone(), at, found));
        }
    }
    for (table, at, found) in judged {
        let Some(table) = survey.tables.iter_mut().find(|one| one.name == table) else { continue };
        enter(&mut survey.findings, &table.name, &mut table.foreign_keys[at], found);
    }
    Ok(())
}

fn enter(findings: &mut Vec<Finding>, table: &str, key: &mut SurveyedForeignKey, found: Result<Tally, ()>) {
    let parent = format!("`{}`", key.parent);
    let place = |finding: Finding| finding.table(table).column(key.columns.join(", "));
    let is_it = |finding: &Finding| {
        let mut named: Vec<&str> = finding.column.iter().flat_map(|column| column.split(", ")).collect();
        let mut own: Vec<&str> = key.columns.iter().map(String::as_str).collect();
        named.sort_unstable();
        own.sort_unstable();
        finding.id == ID
            && finding.table.as_deref() == Some(table)
            && named == own
            && finding.what.contains(&parent)
    };
    let earlier = findings.iter().position(is_it).map(|at| findings.remove(at));
    match found {
        Ok(tally) if tally.count == 0 => key.orphans = 0,
        Ok(tally) => {
            key.orphans = tally.count;
            let finding = earlier.unwrap_or_else(|| place(finding(&key.parent, None)));
            findings.push(finding.rows(tally.count, tally.keys));
        }
        Err(()) => {
            let what = format!(
                "it is unknown whether all its parents are in {parent}: no temporary table could be made"
            );
            let remedy = "GRANT CREATE TEMPORARY TABLES on the database, or use utf8mb4_nopad_bin without conversions of keys";
            findings.push(place(Finding::new(ID, Severity::Blocks, what, remedy)));
        }
    }
}

/// A reference that the server is asked about.
struct Asked<'a> {
    survey: &'a Survey,
    table: &'a SurveyedTable,
    parent: &'a SurveyedTable,
    columns: Vec<KeyColumn>,
    parent_columns: Vec<KeyColumn>,
}

impl<'a> Asked<'a> {
    /// `None` where bytes say it all, or the two sides do not agree on a type, which is a finding of its own.
    fn new(survey: &'a Survey, table: &'a SurveyedTable, key: &SurveyedForeignKey) -> Option<Self> {
        let parent = survey.tables.iter().find(|one| one.name == key.parent)?;
        let columns = KeyColumn::of(table, &key.columns);
        let parent_columns = KeyColumn::of(parent, &key.parent_columns);
        let pairs = || columns.iter().zip(&parent_columns);
        let alike =
            columns.len() == parent_columns.len() && pairs().all(|(one, other)| one.target == other.target);
        let as_sqlite = survey.collation == DEFAULT_COLLATION && survey.schema == SchemaOrigin::Source;
        let collated = !as_sqlite && key.orphans > 0 && columns.iter().any(|column| column.target.is_text());
        let converted = pairs().any(|(one, other)| one.conversions != other.conversions)
            || key.orphans > 0 && columns.iter().any(|column| !column.conversions.is_empty());
        (alike && (collated || converted)).then_some(Self { survey, table, parent, columns, parent_columns })
    }

    async fn orphans(&self, source: &Source, conn: &mut Conn) -> Result<Tally, SurveyError> {
        let mut columns = Vec::new();
        for (at, column) in self.parent_columns.iter().enumerate() {
            let collation = self.collation(conn, &column.name).await?;
            let collation = collation.filter(|_| column.target.is_text());
            let collation = collation.map(|name| format!(" COLLATE {name}")).unwrap_or_default();
            columns.push(format!("c{at} {}{collation}", column.target));
        }
        conn.query_drop(format!("DROP TEMPORARY TABLE IF EXISTS {TABLE}")).await?;
        conn.query_drop(format!(
            "CREATE TEMPORARY TABLE {TABLE} ({}, named VARCHAR(255) COLLATE utf8mb4_bin, parent TINYINT) ENGINE=InnoDB \
             DEFAULT CHARSET=utf8mb4",
            columns.join(", ")
        ))
        .await?;
        sent::send(source, conn, TABLE, self.children(), ",0").await?;
        sent::send(source, conn, TABLE, self.parents(), ",NULL,1").await?;
        let key: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
        let alone = format!(
            "(SELECT COUNT(*) AS n, MIN(named) AS named FROM {TABLE} GROUP BY {} HAVING MAX(parent) = 0) alone",
            key.join(", ")
        );
        let count: Option<u64> =
            conn.query_first(format!("SELECT CAST(COALESCE(SUM(n), 0) AS UNSIGNED) FROM {alone}")).await?;
        let keys = conn.query(format!("SELECT named FROM {alone} ORDER BY 1 LIMIT {EXAMPLES}")).await?;
        conn.query_drop(format!("DROP TEMPORARY TABLE {TABLE}")).await?;
        Ok(Tally { count: count.unwrap_or(0), keys, values: Vec::new() })
    }

    /// Rows whose parent only the server can tell.
    fn children(&self) -> Reading {
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let named_by = row_name(&self.table.primary_key, self.table.rowid_name.as_deref());
        let converted =
            self.columns.iter().chain(&self.parent_columns).any(|column| !column.conversions.is_empty());
        let sql = if converted {
            let selected = ident::sqlite_list(names.iter().chain(&named_by));
            format!("SELECT {selected} FROM {}", ident::sqlite(&self.table.name))
        } else {
            let parent: Vec<String> = self.parent_columns.iter().map(|column| column.name.clone()).collect();
            // By no index: the catalog, which knows its order, is not at hand.
            anti_join(&self.table.name, &self.parent.name, &names, &parent, Some(""), &named_by)
        };
        Reading { sql, key: self.columns.clone(), named_by }
    }

    fn parents(&self) -> Reading {
        let names = self.parent_columns.iter().map(|column| &column.name);
        let sql = format!("SELECT {} FROM {}", ident::sqlite_list(names), ident::sqlite(&self.parent.name));
        Reading { sql, key: self.parent_columns.clone(), named_by: Vec::new() }
    }

    /// Of the parent's column: as planned, or as the application's migrations made it.
    async fn collation(&self, conn: &mut Conn, column: &str) -> Result<Option<String>, SurveyError> {
        if self.survey.schema == SchemaOrigin::Source {
            return Ok(Some(self.survey.collation.clone()));
        }
        let sql = "SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME = ? AND COLUMN_NAME = ?";
        let found: Option<Option<String>> = conn.exec_first(sql, (&self.parent.name, column)).await?;
        Ok(found.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_sought_by_an_index_whatever_its_order() {
        let connection = Connection::open_in_memory().unwrap();
        connection.create_collation("theirs", |one: &str, other: &str| one.cmp(other)).unwrap();
        for (collation, rest) in
            [(None, ""), (Some("NOCASE"), ""), (Some("theirs"), ""), (Some("theirs"), "WITHOUT ROWID")]
        {
            let of = collation.map(|name| format!("COLLATE {name}")).unwrap_or_default();
            let made = format!(
                "DROP TABLE IF EXISTS c; DROP TABLE IF EXISTS p; CREATE TABLE p (k TEXT PRIMARY KEY {of} NOT NULL) {rest}; \
                 CREATE TABLE c (id INTEGER PRIMARY KEY, k TEXT)"
            );
            connection.execute_batch(&made).unwrap();
            let key = ["k".to_owned()];
            let sql = anti_join("c", "p", &key, &key, collation, &["id".to_owned()]);
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> =
                plan.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            assert!(steps.iter().any(|step| step.starts_with("SEARCH p")), "{made}: {steps:?}");
        }
    }
}
