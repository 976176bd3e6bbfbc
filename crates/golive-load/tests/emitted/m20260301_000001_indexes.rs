//! Indexes that were tried on a copy of the data and paid.

use sea_orm_migration::prelude::*;

/// See the file.
#[derive(Debug)]
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260301_000001_indexes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_index("entries", "ix_entries_client_id_production_date").await? {
            let index = Index::create()
                .name("ix_entries_client_id_production_date")
                .table(Alias::new("entries"))
                .col(Alias::new("client_id"))
                .col(Alias::new("production_date"))
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_index("entries", "ix_entries_client_id_production_date").await? {
            let index = Index::drop()
                .name("ix_entries_client_id_production_date")
                .table(Alias::new("entries"))
                .to_owned();
            manager.drop_index(index).await?;
        }
        Ok(())
    }
}
