//! Reads the schema of the SQLite source as it stands, without judging it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Result};

use crate::core::sqltext::{self, Token};

/// A table of the source.
#[derive(Debug, Clone)]
pub(crate) struct CatalogTable {
    pub(crate) name: String,
    pub(crate) columns: Vec<CatalogColumn>,
    /// Names, in key order.
    pub(crate) primary_key: Vec<String>,
    pub(crate) without_rowid: bool,
    pub(crate) strict: bool,
    /// The single `INTEGER PRIMARY KEY` column, which is the row's number.
    pub(crate) rowid_alias: Option<String>,
    pub(crate) indexes: Vec<CatalogIndex>,
    pub(crate) foreign_keys: Vec<CatalogForeignKey>,
    pub(crate) tokens: Vec<Token>,
    /// The highest number ever given, where `AUTOINCREMENT` keeps it.
    pub(crate) sequence: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogColumn {
    pub(crate) name: String,
    pub(crate) declared: String,
    pub(crate) not_null: bool,
    pub(crate) default: Option<String>,
    pub(crate) generated: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogIndex {
    pub(crate) name: String,
    pub(crate) unique: bool,
    /// Made by a `UNIQUE` or `PRIMARY KEY` in the table, not by `CREATE INDEX`.
    pub(crate) implicit: bool,
    pub(crate) primary: bool,
    /// `None` is an expression.
    pub(crate) columns: Vec<Option<String>>,
    pub(crate) descending: Vec<bool>,
    pub(crate) partial: bool,
    /// The first collation of its columns that does not compare byte by byte.
    pub(crate) collation: Option<String>,
    pub(crate) tokens: Vec<Token>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogForeignKey {
    pub(crate) id: i64,
    pub(crate) parent: String,
    pub(crate) columns: Vec<String>,
    /// Empty when the parent's primary key is meant.
    pub(crate) parent_columns: Vec<String>,
    pub(crate) on_update: String,
    pub(crate) on_delete: String,
}

/// A view, as its statement's tokens.
#[derive(Debug, Clone)]
pub(crate) struct CatalogView {
    pub(crate) name: String,
    pub(crate) tokens: Vec<Token>,
}

/// Everything in the source's schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    pub(crate) tables: Vec<CatalogTable>,
    pub(crate) views: Vec<CatalogView>,
    /// With the table each is on.
    pub(crate) triggers: Vec<(String, String)>,
    /// FTS, R-tree and other virtual tables.
    pub(crate) virtual_tables: Vec<String>,
    /// The application's own numbers in the file's header, where it has set them.
    pub(crate) numbers: Vec<(&'static str, i64)>,
}

impl CatalogTable {
    /// A name for the hidden row number that no column hides; `None` for tables without one.
    pub(crate) fn rowid_name(&self) -> Option<&'static str> {
        if self.without_rowid {
            return None;
        }
        ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|name| !self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// Whether these columns, in whichever order, are a key that another table may refer to.
    pub(crate) fn has_key(&self, columns: &[String]) -> bool {
        self.referable_keys()
            .any(|key| key.len() == columns.len() && key.iter().all(|part| columns.contains(part)))
    }

    /// The primary key and all full unique keys.
    pub(crate) fn referable_keys(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        let unique = self.indexes.iter().filter(|index| index.unique && !index.partial);
        let unique =
            unique.filter_map(|index| index.columns.iter().cloned().collect::<Option<Vec<String>>>());
        std::iter::once(self.primary_key.clone()).chain(unique)
    }

    /// By what the key over these columns compares, where that is not byte by byte.
    pub(crate) fn key_collation(&self, key: &[String]) -> Option<&str> {
        let of = |index: &CatalogIndex| index.columns.iter().flatten().eq(key.iter());
        self.indexes.iter().find(|index| index.unique && !index.partial && of(index))?.collation.as_deref()
    }

    pub(crate) fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// Reads the whole schema.
pub(crate) fn read(connection: &Connection) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    let mut list = connection.prepare(
        "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' ORDER BY name",
    )?;
    let entries: Vec<(String, String, bool, bool)> = list
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_>>()?;
    let sequences = sequences(connection)?;
    for (name, kind, without_rowid, strict) in entries {
        if name.to_ascii_lowercase().starts_with("sqlite_") {
            continue;
        }
        match kind.as_str() {
            "table" => {
                let mut table = table(connection, name, without_rowid)?;
                table.strict = strict;
                table.sequence = sequences.get(&table.name).copied();
                catalog.tables.push(table);
            }
            "view" => {
                let sql: Option<String> = connection.query_row(
                    "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?",
                    [&name],
                    |row| row.get(0),
                )?;
                let tokens = sql.as_deref().and_then(sqltext::tokenize).unwrap_or_default();
                catalog.views.push(CatalogView { name, tokens });
            }
            "virtual" => catalog.virtual_tables.push(name),
            // Shadow tables are the inside of virtual ones.
            _ => {}
        }
    }
    let mut triggers =
        connection.prepare("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1")?;
    catalog.triggers =
        triggers.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    for name in ["application_id", "user_version"] {
        let number: i64 = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        catalog.numbers.extend((number != 0).then_some((name, number)));
    }
    settle_names(&mut catalog);
    Ok(catalog)
}

fn table(connection: &Connection, name: String, without_rowid: bool) -> Result<CatalogTable> {
    let sql: Option<String> = connection.query_row(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?",
        [&name],
        |row| row.get(0),
    )?;
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid",
    )?;
    let mut keyed: Vec<(i64, String)> = Vec::new();
    let mut columns = Vec::new();
    let mut rows = statement.query([&name])?;
    while let Some(row) = rows.next()? {
        let hidden: i64 = row.get(5)?;
        let column = CatalogColumn {
            name: row.get(0)?,
            declared: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            not_null: row.get(2)?,
            default: row.get(3)?,
            generated: matches!(hidden, 2 | 3),
        };
        let position: i64 = row.get(4)?;
        if position > 0 {
            keyed.push((position, column.name.clone()));
        }
        if hidden != 1 {
            columns.push(column);
        }
    }
    keyed.sort();
    let primary_key: Vec<String> = keyed.into_iter().map(|(_, name)| name).collect();
    let indexes = indexes(connection, &name)?;
    let rowid_alias = match primary_key.as_slice() {
        // A table whose key is the row number has no index for it.
        [only] if !without_rowid && !indexes.iter().any(|index| index.primary) => Some(only.clone()),
        _ => None,
    };
    let foreign_keys = foreign_keys(connection, &name)?;
    let tokens = sql.as_deref().and_then(sqltext::tokenize).unwrap_or_default();
    Ok(CatalogTable {
        name,
        columns,
        primary_key,
        without_rowid,
        strict: false,
        rowid_alias,
        indexes,
        foreign_keys,
        tokens,
        sequence: None,
    })
}

fn indexes(connection: &Connection, table: &str) -> Result<Vec<CatalogIndex>> {
    let mut statement = connection
        .prepare("SELECT name, \"unique\", origin, partial FROM pragma_index_list(?) ORDER BY seq DESC")?;
    let listed: Vec<(String, bool, String, bool)> = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_>>()?;
    let mut indexes = Vec::with_capacity(listed.len());
    for (name, unique, origin, partial) in listed {
        let mut parts = connection
            .prepare("SELECT name, \"desc\", coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno")?;
        let (mut columns, mut descending, mut collation) = (Vec::new(), Vec::new(), None);
        let mut rows = parts.query([&name])?;
        while let Some(row) = rows.next()? {
            columns.push(row.get::<_, Option<String>>(0)?);
            descending.push(row.get(1)?);
            let named = row.get::<_, Option<String>>(2)?;
            collation = collation.or(named.filter(|name| !name.eq_ignore_ascii_case("binary")));
        }
        // A WITHOUT ROWID table's own key is listed, but has no entry.
        let sql: Option<Option<String>> = connection
            .query_row("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", [&name], |row| {
                row.get(0)
            })
            .optional()?;
        let tokens = sql.flatten().as_deref().and_then(sqltext::tokenize).unwrap_or_default();
        let (implicit, primary) = (origin != "c", origin == "pk");
        indexes.push(CatalogIndex {
            name,
            unique,
            implicit,
            primary,
            columns,
            descending,
            partial,
            collation,
            tokens,
        });
    }
    Ok(indexes)
}

fn foreign_keys(connection: &Connection, table: &str) -> Result<Vec<CatalogForeignKey>> {
    let mut statement = connection.prepare(
        "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list(?) ORDER BY id, seq",
    )?;
    let mut keys: Vec<CatalogForeignKey> = Vec::new();
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if keys.last().is_none_or(|last| last.id != id) {
            keys.push(CatalogForeignKey {
                id,
                parent: row.get(1)?,
                columns: Vec::new(),
                parent_columns: Vec::new(),
                on_update: row.get(4)?,
                on_delete: row.get(5)?,
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            key.parent_columns.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    Ok(keys)
}

fn sequences(connection: &Connection) -> Result<BTreeMap<String, i64>> {
    let kept: bool = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'",
        [],
        |row| row.get(0),
    )?;
    if !kept {
        return Ok(BTreeMap::new());
    }
    // It is an ordinary table that anybody may have written to; what is no number is no sequence.
    let mut statement = connection.prepare(
        "SELECT name, seq FROM sqlite_sequence WHERE typeof(seq) = 'integer' AND typeof(name) = 'text'",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// SQLite finds names without regard to case; everybody after us compares them exactly.
fn settle_names(catalog: &mut Catalog) {
    let known: BTreeMap<String, (String, Vec<String>, Vec<String>)> = catalog
        .tables
        .iter()
        .map(|table| {
            let entry = (table.name.clone(), table.column_names(), table.primary_key.clone());
            (table.name.to_lowercase(), entry)
        })
        .collect();
    let settle = |name: &mut String, columns: &[String]| {
        if let Some(real) = columns.iter().find(|column| column.eq_ignore_ascii_case(name)) {
            real.clone_into(name);
        }
    };
    for table in &mut catalog.tables {
        let own = table.column_names();
        for key in &mut table.foreign_keys {
            key.columns.iter_mut().for_each(|column| settle(column, &own));
            if let Some((parent, columns, primary)) = known.get(&key.parent.to_lowercase()) {
                key.parent.clone_from(parent);
                if key.parent_columns.is_empty() {
                    key.parent_columns.clone_from(primary);
                }
                key.parent_columns.iter_mut().for_each(|column| settle(column, columns));
            }
        }
        for index in &mut table.indexes {
            index.columns.iter_mut().flatten().for_each(|column| settle(column, &own));
        }
    }
}
