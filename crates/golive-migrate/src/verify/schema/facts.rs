//! What the target's `information_schema` says of tables, indexes, foreign keys, CHECKs and triggers.

use std::collections::BTreeMap;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::checks::Rendering;
use crate::verify::layout::OURS;

/// The target's schema, beside its columns.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(super) tables: BTreeMap<String, TableFacts>,
    pub(super) indexes: BTreeMap<String, Vec<IndexFacts>>,
    pub(super) foreign_keys: BTreeMap<String, Vec<ForeignKeyFacts>>,
    /// Clauses, by table, without those that the server made of a JSON type.
    pub(super) checks: BTreeMap<String, Vec<String>>,
    /// The source's CHECKs in the server's words, by table.
    pub(super) renderings: BTreeMap<String, Vec<Rendering>>,
    pub(super) triggers: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
pub(super) struct TableFacts {
    pub(super) engine: Option<String>,
    pub(super) collation: Option<String>,
    pub(super) next_number: Option<u64>,
    pub(super) rows: u64,
}

#[derive(Debug, Default)]
pub(super) struct IndexFacts {
    pub(super) name: String,
    pub(super) unique: bool,
    pub(super) columns: Vec<String>,
    /// Whether only the head of a column is indexed.
    pub(super) prefixed: bool,
    /// How many different keys the server believes it has.
    pub(super) cardinality: u64,
}

#[derive(Debug, Default, Clone)]
pub(super) struct ForeignKeyFacts {
    pub(super) columns: Vec<String>,
    pub(super) parent: String,
    pub(super) parent_columns: Vec<String>,
    pub(super) on_delete: String,
    pub(super) on_update: String,
}

impl Facts {
    pub(super) async fn read(conn: &mut Conn) -> Result<Self, mysql_async::Error> {
        let mut facts = Self::default();
        facts.read_tables(conn).await?;
        facts.read_indexes(conn).await?;
        facts.read_foreign_keys(conn).await?;
        facts.read_rest(conn).await?;
        Ok(facts)
    }

    async fn read_tables(&mut self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        type Row = (String, Option<String>, Option<String>, Option<u64>, Option<u64>);
        let rows: Vec<Row> = conn
            .query(
                "SELECT TABLE_NAME, ENGINE, TABLE_COLLATION, AUTO_INCREMENT, TABLE_ROWS FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'",
            )
            .await?;
        for (name, engine, collation, next_number, rows) in rows {
            let facts = TableFacts { engine, collation, next_number, rows: rows.unwrap_or(0) };
            self.tables.insert(name, facts);
        }
        Ok(())
    }

    async fn read_indexes(&mut self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        type Row = (String, String, i64, String, Option<u64>, Option<u64>);
        let rows: Vec<Row> = conn
            .query(
                "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, CARDINALITY \
                 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() \
                 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
            )
            .await?;
        for (table, name, non_unique, column, sub_part, cardinality) in rows {
            let indexes = self.indexes.entry(table).or_default();
            if indexes.last().is_none_or(|last| last.name != name) {
                indexes.push(IndexFacts { name, unique: non_unique == 0, ..IndexFacts::default() });
            }
            if let Some(index) = indexes.last_mut() {
                index.columns.push(column);
                index.prefixed |= sub_part.is_some();
                index.cardinality = cardinality.unwrap_or(u64::MAX);
            }
        }
        Ok(())
    }

    async fn read_foreign_keys(&mut self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        type Row = (String, String, String, String, String, String, String);
        let rows: Vec<Row> = conn
            .query(
                "SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, \
                 k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE FROM information_schema.KEY_COLUMN_USAGE k \
                 JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA \
                 AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME \
                 WHERE k.TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_SCHEMA = DATABASE() \
                 ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
            )
            .await?;
        let mut named: BTreeMap<(String, String), ForeignKeyFacts> = BTreeMap::new();
        for (table, name, column, parent, parent_column, on_delete, on_update) in rows {
            let key = named.entry((table, name)).or_default();
            key.columns.push(column);
            key.parent_columns.push(parent_column);
            (key.parent, key.on_delete, key.on_update) = (parent, on_delete, on_update);
        }
        for ((table, _), key) in named {
            self.foreign_keys.entry(table).or_default().push(key);
        }
        Ok(())
    }

    async fn read_rest(&mut self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        let checks: Vec<(String, String, String)> = conn
            .query(
                "SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
                 WHERE CONSTRAINT_SCHEMA = DATABASE()",
            )
            .await?;
        for (table, name, clause) in checks {
            // So the server writes down the JSON type of a column, under the column's name.
            let of_json = format!("json_valid({})", crate::ident::mariadb(&name));
            if !clause.eq_ignore_ascii_case(&of_json) {
                self.checks.entry(table).or_default().push(clause);
            }
        }
        let triggers: Vec<(String, String)> = conn
            .query(
                "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS \
                 WHERE TRIGGER_SCHEMA = DATABASE()",
            )
            .await?;
        for (table, name) in triggers {
            if !name.starts_with(OURS) {
                self.triggers.entry(table).or_default().push(name);
            }
        }
        Ok(())
    }
}
