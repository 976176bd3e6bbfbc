//! A table as data, and the statements that create and drop it on either database. Which tables there are, the
//! migrations say.

use sea_orm_migration::prelude::{
    Alias, DbErr, ForeignKey, ForeignKeyAction, Index, IndexCreateStatement, SchemaManager, Table,
    TableCreateStatement,
};
use sea_orm_migration::sea_orm::DbBackend;

use super::column::{Column, Kind};

/// A table with its keys.
#[derive(Clone, Debug)]
pub(super) struct TableSpec {
    name: &'static str,
    columns: Vec<Column>,
    uniques: Vec<&'static [&'static str]>,
    indexes: Vec<&'static [&'static str]>,
}

impl TableSpec {
    /// A table of these columns, in this order.
    pub(super) fn new(name: &'static str, columns: impl IntoIterator<Item = Column>) -> Self {
        Self { name, columns: columns.into_iter().collect(), uniques: Vec::new(), indexes: Vec::new() }
    }

    /// No two rows agree in all of these columns; NULL agrees with nothing.
    pub(super) fn unique(mut self, columns: &'static [&'static str]) -> Self {
        self.uniques.push(columns);
        self
    }

    /// Rows are looked up by these columns.
    pub(super) fn index(mut self, columns: &'static [&'static str]) -> Self {
        self.indexes.push(columns);
        self
    }

    fn create(&self, backend: DbBackend) -> TableCreateStatement {
        let mut table = Table::create();
        table.table(Alias::new(self.name)).if_not_exists();
        for column in &self.columns {
            table.col(column.definition(backend));
        }
        if let Some(mut key) = self.primary_key() {
            table.primary_key(&mut key);
        }
        for columns in &self.uniques {
            table.index(self.key("uq", columns).unique());
        }
        for column in &self.columns {
            let Some(parent) = column.references else { continue };
            table.foreign_key(
                ForeignKey::create()
                    .name(format!("fk_{}_{}", self.name, column.name))
                    .from(Alias::new(self.name), Alias::new(column.name))
                    .to(Alias::new(parent.table), Alias::new(parent.column))
                    .on_delete(ForeignKeyAction::Restrict)
                    .on_update(ForeignKeyAction::Restrict),
            );
        }
        if backend == DbBackend::MySql {
            for columns in &self.indexes {
                table.index(&mut self.key("ix", columns));
            }
            // Compares as SQLite does: every byte counts, trailing spaces too.
            table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_nopad_bin");
        }
        table
    }

    /// MariaDB takes its indexes with the table; SQLite wants a statement for each, and one for each foreign key,
    /// which MariaDB indexes by itself.
    fn separate_indexes(&self, backend: DbBackend) -> Vec<IndexCreateStatement> {
        if backend == DbBackend::MySql {
            return Vec::new();
        }
        let named = self.indexes.iter().map(|columns| columns.to_vec());
        let foreign =
            self.columns.iter().filter(|column| self.lacks_index(column)).map(|column| vec![column.name]);
        named
            .chain(foreign)
            .map(|columns| self.key("ix", &columns).table(Alias::new(self.name)).if_not_exists().to_owned())
            .collect()
    }

    fn lacks_index(&self, column: &Column) -> bool {
        let leads = |columns: &&&[&str]| columns.first() == Some(&column.name);
        let leads_primary = self.columns.iter().find(|c| c.is_primary).is_some_and(|c| c.name == column.name);
        column.references.is_some()
            && !leads_primary
            && !self.uniques.iter().chain(&self.indexes).any(|columns| leads(&columns))
    }

    fn primary_key(&self) -> Option<IndexCreateStatement> {
        let mut key = Index::create();
        let names: Vec<_> =
            self.columns.iter().filter(|c| c.is_primary && c.kind != Kind::Identity).collect();
        for column in &names {
            key.col(Alias::new(column.name));
        }
        (!names.is_empty()).then_some(key)
    }

    fn key(&self, prefix: &str, columns: &[&'static str]) -> IndexCreateStatement {
        let mut key = Index::create();
        key.name(format!("{prefix}_{}_{}", self.name, columns.join("_")));
        for column in columns {
            key.col(Alias::new(*column));
        }
        key
    }
}

/// Creates the tables in order. Each statement is skipped where its object exists, so that a migration which was
/// interrupted can be applied again: MariaDB cannot roll back a CREATE TABLE.
pub(super) async fn create_all(manager: &SchemaManager<'_>, tables: &[TableSpec]) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    for table in tables {
        manager.create_table(table.create(backend)).await?;
        for index in table.separate_indexes(backend) {
            manager.create_index(index).await?;
        }
    }
    Ok(())
}

/// Drops the tables, children first.
pub(super) async fn drop_all(manager: &SchemaManager<'_>, tables: &[TableSpec]) -> Result<(), DbErr> {
    for table in tables.iter().rev() {
        manager.drop_table(Table::drop().table(Alias::new(table.name)).if_exists().to_owned()).await?;
    }
    Ok(())
}
