//! How two tables lie beside each other: which columns are compared, as what, and in which order rows come.

use std::collections::BTreeMap;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rusqlite::Connection;

use super::canonical::Kind;
use super::report::{SchemaDifference, VerifyError};
use crate::ident;
use crate::journal;
use crate::source::Source;
use crate::survey::{Catalog, CatalogTable, read_catalog};

/// A column of the target, as its schema says.
#[derive(Debug, Clone)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) collation: Option<String>,
}

/// The target's tables that are not ours.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetSide {
    pub(super) tables: BTreeMap<String, Vec<TargetColumn>>,
}

/// One column that is compared.
#[derive(Debug, Clone)]
pub(super) struct ComparedColumn {
    pub(super) name: String,
    pub(super) kind: Kind,
    collation: Option<String>,
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
}

/// The source's schema, and a connection that holds one state of it.
pub(super) fn source_side(source: &Source) -> Result<(Catalog, Connection), VerifyError> {
    let snapshot = source.snapshots(1)?.pop().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok((read_catalog(&snapshot)?, snapshot))
}

/// The target's tables and columns.
pub(super) async fn target_side(conn: &mut Conn) -> Result<TargetSide, VerifyError> {
    let rows: Vec<(String, String, String, String, Option<String>)> = conn
        .query(
            "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.COLLATION_NAME \
             FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) \
             WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' \
             ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
        )
        .await?;
    let mut side = TargetSide::default();
    for (table, name, data_type, column_type, collation) in rows {
        if !table.starts_with(journal::PREFIX) {
            let kind = Kind::of(&data_type, &column_type);
            side.tables.entry(table).or_default().push(TargetColumn { name, kind, collation });
        }
    }
    Ok(side)
}

impl Layout {
    pub(super) fn new(
        table: &CatalogTable,
        target: &[TargetColumn],
        schema: &mut Vec<SchemaDifference>,
    ) -> Self {
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            match target.iter().find(|one| one.name.eq_ignore_ascii_case(&column.name)) {
                Some(found) => columns.push(ComparedColumn {
                    name: column.name.clone(),
                    kind: found.kind,
                    collation: found.collation.clone(),
                }),
                None => {
                    schema.push(SchemaDifference::new(
                        &table.name,
                        format!("column `{}` is missing", column.name),
                    ));
                }
            }
        }
        for column in target {
            if !table.columns.iter().any(|one| one.name.eq_ignore_ascii_case(&column.name)) {
                let what = format!("column `{}` is only in the target", column.name);
                schema.push(SchemaDifference::new(&table.name, what));
            }
        }
        let key: Option<Vec<usize>> = table
            .primary_key
            .iter()
            .map(|part| columns.iter().position(|column| column.name == *part))
            .collect();
        Self {
            table: table.name.clone(),
            columns,
            key: key.unwrap_or_default(),
            rowid_name: table.rowid_name().map(str::to_owned),
        }
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Reads the source, in key order when `ordered`; the row number comes last where there is one.
    pub(super) fn source_sql(&self, ordered: bool) -> String {
        let order: Vec<String> = self
            .key
            .iter()
            .map(|at| format!("{} COLLATE BINARY", ident::sqlite(&self.columns[*at].name)))
            .collect();
        let rowid = self.rowid_name.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
        let order = if ordered && !order.is_empty() {
            format!(" ORDER BY {}", order.join(", "))
        } else {
            String::new()
        };
        format!(
            "SELECT {}{rowid} FROM {}{order}",
            ident::sqlite_list(&self.names()),
            ident::sqlite(&self.table)
        )
    }

    /// Reads the target likewise.
    pub(super) fn target_sql(&self, ordered: bool) -> String {
        let order: Vec<String> = self
            .key
            .iter()
            .map(|at| {
                let column = &self.columns[*at];
                let name = ident::mariadb(&column.name);
                let exact =
                    column.collation.as_deref().is_none_or(|collation| collation.ends_with("_nopad_bin"));
                if exact { name } else { format!("{name} COLLATE utf8mb4_nopad_bin") }
            })
            .collect();
        let order = if ordered && !order.is_empty() {
            format!(" ORDER BY {}", order.join(", "))
        } else {
            String::new()
        };
        format!("SELECT {} FROM {}{order}", ident::mariadb_list(&self.names()), ident::mariadb(&self.table))
    }
}
