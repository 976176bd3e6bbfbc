//! How two tables lie beside each other: which columns are compared, as what, in which order rows come, and the
//! statements that read them.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};
use rusqlite::types::{Value as SourceValue, ValueRef};

use super::canonical::{self, Form, Kind};
use super::converted;
use super::options::{Intentions, Method, VerifyOptions};
use super::ranges::Range;
use super::report::{Difference, SchemaDifference};
use crate::core::conversion::Conversion;
use crate::core::types::TargetType;
use crate::ident;
use crate::survey::CatalogTable;

/// What every table and column of ours begins with: the journal, what a plan set aside, what it computes.
pub(super) const OURS: &str = "_golive_";

/// A column of the target, as its schema says.
#[derive(Debug, Clone)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) column_type: String,
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
    /// Digits after the point.
    pub(super) scale: usize,
    pub(super) nullable: bool,
    pub(super) default: Option<String>,
    pub(super) generated: bool,
    pub(super) auto_increment: bool,
}

/// Columns of the target's tables and views that are not ours, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetSide {
    pub(super) tables: BTreeMap<String, Vec<TargetColumn>>,
    pub(super) views: BTreeMap<String, Vec<TargetColumn>>,
    pub(super) primary_keys: BTreeMap<String, Vec<String>>,
}

/// One column that is compared.
#[derive(Debug, Clone)]
pub(super) struct ComparedColumn {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) scale: usize,
    collation: Option<String>,
    /// What a policy makes of the source's values, and of which type the column was planned.
    conversions: Vec<Conversion>,
    planned: Option<TargetType>,
}

/// What is compared of a table.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) table: String,
    pub(super) columns: Vec<ComparedColumn>,
    /// Places in `columns` of the key's parts; empty for a table without one.
    pub(super) key: Vec<usize>,
    /// The name of SQLite's row number, for tables without a key.
    pub(super) rowid_name: Option<String>,
    /// Whether both sides can read a range of keys by an index that sorts alike.
    pub(super) splittable: bool,
}

impl TargetColumn {
    /// Computed by the server for a key that SQLite has and MariaDB does not know.
    pub(super) fn is_ours(&self) -> bool {
        self.generated && self.name.starts_with(OURS)
    }
}

type ColumnRow = (
    (String, String, String, String, String),
    (Option<String>, Option<String>, Option<u64>, String),
    (Option<String>, String, Option<String>),
);

/// The target's tables and columns.
pub(super) async fn target_side(conn: &mut Conn) -> Result<TargetSide, mysql_async::Error> {
    let rows: Vec<mysql_async::Row> = conn
        .query(
            "SELECT c.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.CHARACTER_SET_NAME, \
             c.COLLATION_NAME, c.NUMERIC_SCALE, c.IS_NULLABLE, c.COLUMN_DEFAULT, c.EXTRA, c.GENERATION_EXPRESSION FROM information_schema.COLUMNS c \
             JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) WHERE c.TABLE_SCHEMA = DATABASE() \
             AND t.TABLE_TYPE IN ('BASE TABLE', 'VIEW') ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
        )
        .await?;
    let mut side = TargetSide::default();
    for row in rows {
        let ((table, table_type, name, data_type, column_type), texts, rest) = column_row(row);
        let (charset, collation, scale, nullable) = texts;
        let (default, extra, expression) = rest;
        if table.starts_with(OURS) {
            continue;
        }
        let column = TargetColumn {
            kind: Kind::of(&data_type, &column_type),
            name,
            column_type,
            charset,
            collation,
            scale: usize::try_from(scale.unwrap_or(0)).unwrap_or_default(),
            nullable: nullable == "YES",
            default,
            generated: expression.is_some_and(|expression| !expression.is_empty()),
            auto_increment: extra.contains("auto_increment"),
        };
        let side = if table_type == "VIEW" { &mut side.views } else { &mut side.tables };
        side.entry(table).or_default().push(column);
    }
    let keys: Vec<(String, String)> = conn
        .query(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() \
             AND INDEX_NAME = 'PRIMARY' AND SUB_PART IS NULL ORDER BY TABLE_NAME, SEQ_IN_INDEX",
        )
        .await?;
    for (table, column) in keys {
        side.primary_keys.entry(table).or_default().push(column);
    }
    Ok(side)
}

/// More cells than the driver's tuples take.
fn column_row(mut row: mysql_async::Row) -> ColumnRow {
    let mut text = |at: usize| row.take::<Option<String>, _>(at).flatten();
    let first = [0, 1, 2, 3, 4].map(|at| text(at).unwrap_or_default());
    let (charset, collation, nullable) = (text(5), text(6), text(8).unwrap_or_default());
    let rest = (text(9), text(10).unwrap_or_default(), text(11));
    let mut number = |at: usize| row.take::<Option<u64>, _>(at).flatten();
    let [table, kind, name, data_type, column_type] = first;
    ((table, kind, name, data_type, column_type), (charset, collation, number(7), nullable), rest)
}

impl Layout {
    /// Lays a table beside its partner. Digests need long content as it is.
    pub(super) fn new(
        table: &CatalogTable,
        side: &TargetSide,
        target: &[TargetColumn],
        options: &VerifyOptions,
        schema: &mut Vec<SchemaDifference>,
    ) -> Self {
        let whole = matches!(options.method, Method::Digests { .. });
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            match target.iter().find(|one| one.name.eq_ignore_ascii_case(&column.name)) {
                Some(found) => {
                    let brief = !whole && !table.primary_key.contains(&column.name);
                    let compared = ComparedColumn::new(&column.name, found, brief);
                    columns.push(compared.intended(&table.name, &options.intentions));
                }
                None => {
                    let what = format!("column `{}` is missing", column.name);
                    schema.push(SchemaDifference::new(&table.name, Difference::Column, what));
                }
            }
        }
        for column in target.iter().filter(|column| !column.is_ours()) {
            if !table.columns.iter().any(|one| one.name.eq_ignore_ascii_case(&column.name)) {
                let what = format!("column `{}` is only in the target", column.name);
                schema.push(SchemaDifference::new(&table.name, Difference::Column, what));
            }
        }
        let key: Option<Vec<usize>> = table
            .primary_key
            .iter()
            .map(|part| columns.iter().position(|column| column.name == *part))
            .collect();
        let takes_null = |at: &usize| {
            target.iter().any(|one| one.nullable && one.name.eq_ignore_ascii_case(&columns[*at].name))
        };
        // Rows whose key is NULL have no place that both sides agree on.
        let key = key.filter(|key| !key.iter().any(takes_null)).unwrap_or_default();
        let there = side.primary_keys.get(&table.name);
        let same_key = there.is_some_and(|there| {
            there.len() == key.len()
                && there.iter().zip(&key).all(|(name, at)| name.eq_ignore_ascii_case(&columns[*at].name))
        });
        let splittable = !key.is_empty() && same_key && key.iter().all(|at| columns[*at].sorts_alike());
        let rowid_name = table.rowid_name().map(str::to_owned);
        Self { table: table.name.clone(), columns, key, rowid_name, splittable }
    }

    /// A view's columns, in its own order; views have no key.
    pub(super) fn of_view(name: &str, columns: &[String], target: &[TargetColumn]) -> Option<Self> {
        let columns: Option<Vec<ComparedColumn>> = columns
            .iter()
            .map(|name| {
                let found = target.iter().find(|one| one.name.eq_ignore_ascii_case(name))?;
                Some(ComparedColumn::new(name, found, true))
            })
            .collect();
        let columns = columns.filter(|columns| columns.len() == target.len())?;
        Some(Self { table: name.to_owned(), columns, key: Vec::new(), rowid_name: None, splittable: false })
    }

    /// Only the target's side of a table, for columns and a key that were recorded; `None` where one is gone.
    pub(super) fn of_target(
        table: &str,
        names: &[String],
        key: &[String],
        target: &[TargetColumn],
    ) -> Option<Self> {
        let columns: Option<Vec<ComparedColumn>> = names
            .iter()
            .map(|name| {
                let found = target.iter().find(|one| one.name.eq_ignore_ascii_case(name))?;
                Some(ComparedColumn::new(name, found, false))
            })
            .collect();
        let columns = columns?;
        let key: Option<Vec<usize>> =
            key.iter().map(|part| columns.iter().position(|column| column.name == *part)).collect();
        Some(Self { table: table.to_owned(), columns, key: key?, rowid_name: None, splittable: true })
    }

    /// Reads the source, in key order when `ordered`; the row number comes last where there is one.
    pub(super) fn source_sql(&self, ordered: bool, range: &Range) -> (String, Vec<SourceValue>) {
        let order: Vec<String> = self.key.iter().map(|at| self.source_key(*at)).collect();
        let rowid = self.rowid_name.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
        let (condition, parameters) = range.source_condition(&order);
        let sql = format!(
            "SELECT {}{rowid} FROM {}{condition}{}",
            if self.columns.is_empty() { "NULL".to_owned() } else { ident::sqlite_list(&self.names()) },
            ident::sqlite(&self.table),
            order_by(ordered, &order)
        );
        (sql, parameters)
    }

    /// Reads the target likewise.
    pub(super) fn target_sql(&self, ordered: bool, range: &Range) -> (String, Vec<Value>) {
        let order: Vec<String> = self.key.iter().map(|at| self.columns[*at].target_key()).collect();
        let (condition, parameters) = range.target_condition(&order);
        let sql = format!(
            "SELECT {} FROM {}{condition}{}",
            if self.columns.is_empty() { "NULL".to_owned() } else { ident::mariadb_list(&self.names()) },
            ident::mariadb(&self.table),
            order_by(ordered, &order)
        );
        (sql, parameters)
    }

    /// A key's part as SQLite sorts it here: byte by byte, whatever the column's own collation.
    pub(super) fn source_key(&self, at: usize) -> String {
        format!("{} COLLATE BINARY", ident::sqlite(&self.columns[at].name))
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

impl ComparedColumn {
    fn new(name: &str, target: &TargetColumn, brief: bool) -> Self {
        Self {
            name: name.to_owned(),
            form: Form { kind: target.kind, brief },
            scale: target.scale,
            collation: target.collation.clone(),
            conversions: Vec::new(),
            planned: None,
        }
    }

    /// Takes up what the plan does to the values on their way.
    fn intended(mut self, table: &str, intentions: &Intentions) -> Self {
        let place = format!("{table}.{}", self.name);
        self.conversions = intentions.conversions.get(&place).cloned().unwrap_or_default();
        self.planned = intentions.types.get(&place).and_then(|planned| TargetType::parse(planned));
        self
    }

    /// Appends a source's cell in canonical form.
    pub(super) fn source(&self, value: ValueRef<'_>, out: &mut Vec<u8>) {
        if self.conversions.is_empty() {
            canonical::source(value, self.form, out);
        } else {
            converted::source(value, self.form, &self.conversions, self.planned, out);
        }
    }

    /// Whether the server's index has the order of the canonical form.
    fn sorts_alike(&self) -> bool {
        self.form.kind != Kind::Other && self.is_exact() && self.conversions.is_empty()
    }

    fn is_exact(&self) -> bool {
        self.collation.as_deref().is_none_or(|collation| collation.ends_with("_nopad_bin"))
    }

    pub(super) fn target_key(&self) -> String {
        let name = ident::mariadb(&self.name);
        if self.is_exact() { name } else { format!("{name} COLLATE utf8mb4_nopad_bin") }
    }
}

fn order_by(ordered: bool, order: &[String]) -> String {
    if ordered && !order.is_empty() { format!(" ORDER BY {}", order.join(", ")) } else { String::new() }
}
