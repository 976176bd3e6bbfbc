//! Writes the indexes that paid as a migration for sea-orm.
//!
//! What must not be here: applying it. Names come from the database, so they are written as Rust string literals.

use super::TriedIndex;

/// The source of a `sea-orm-migration` that creates `indexes` and takes them back. `name` is the migration's own, as
/// `m20260301_000001_indexes`; the file is called like it, with `.rs`.
///
/// Each index is created only where it is not there yet, so that a migration that was cut off can run again: MariaDB commits
/// each of them by itself.
#[must_use]
pub fn render_index_migration<'i>(name: &str, indexes: impl IntoIterator<Item = &'i TriedIndex>) -> String {
    let indexes: Vec<_> = indexes.into_iter().collect();
    let mut up = String::new();
    let mut down = String::new();
    for index in &indexes {
        for line in index.reason.lines() {
            up.push_str(&format!("        // {line}\n"));
        }
        up.push_str(&format!(
            "        if !manager.has_index({table:?}, {name:?}).await? {{\n            let index = Index::create()\n\
             \x20               .name({name:?})\n                .table(Alias::new({table:?}))\n{columns}                .to_owned();\n\
             \x20           manager.create_index(index).await?;\n        }}\n",
            table = index.table,
            name = index.name,
            columns = index
                .columns
                .iter()
                .map(|column| format!("                .col(Alias::new({column:?}))\n"))
                .collect::<String>(),
        ));
        down.push_str(&format!(
            "        if manager.has_index({table:?}, {name:?}).await? {{\n            let index = Index::drop()\n\
             \x20               .name({name:?})\n                .table(Alias::new({table:?}))\n                .to_owned();\n            manager.drop_index(index).await?;\n        }}\n",
            table = index.table,
            name = index.name,
        ));
    }
    format!(
        "//! Indexes that were tried on a copy of the data and paid.\n\nuse sea_orm_migration::prelude::*;\n\n\
         /// See the file.\n#[derive(Debug)]\npub struct Migration;\n\n\
         impl MigrationName for Migration {{\n    fn name(&self) -> &str {{\n        {name:?}\n    }}\n}}\n\n\
         #[async_trait::async_trait]\nimpl MigrationTrait for Migration {{\n\
         \x20   async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {{\n{up}        Ok(())\n    }}\n\n\
         \x20   async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {{\n{down}        Ok(())\n    }}\n}}\n"
    )
}
