//! Lets the dashboard read its sums from an index alone. The index it had before is a prefix of this one and goes.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{Alias, DbErr, Index, MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260201_000011_dashboard_index"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, &NARROW, &COVERING).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, &COVERING, &NARROW).await
    }
}

const TABLE: &str = "production_entry";

struct Named {
    name: &'static str,
    columns: &'static [&'static str],
}

const NARROW: Named =
    Named { name: "ix_production_entry_client_id_entry_date", columns: &["client_id", "entry_date"] };
const COVERING: Named = Named {
    name: "ix_production_entry_dashboard",
    columns: &[
        "client_id",
        "entry_date",
        "job_id",
        "units_produced",
        "units_defective",
        "run_minutes",
        "planned_minutes",
    ],
};

/// Each step is skipped where it was made: MariaDB cannot roll it back.
async fn replace(manager: &SchemaManager<'_>, old: &Named, new: &Named) -> Result<(), DbErr> {
    if !manager.has_index(TABLE, new.name).await? {
        let mut index = Index::create();
        index.name(new.name).table(Alias::new(TABLE));
        for column in new.columns {
            index.col(Alias::new(*column));
        }
        manager.create_index(index).await?;
    }
    if manager.has_index(TABLE, old.name).await? {
        manager.drop_index(Index::drop().name(old.name).table(Alias::new(TABLE)).to_owned()).await?;
    }
    Ok(())
}
