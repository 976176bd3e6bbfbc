//! Creates the tables of the event store and the import log. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    big_integer, blob, boolean, date_time, identity, integer, json, reference, tenant, text,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000010_events"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_all(manager, &tables()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &tables()).await
    }
}

fn tables() -> Vec<TableSpec> {
    vec![event_store(), import_log()]
}

fn event_store() -> TableSpec {
    TableSpec::new(
        "event_store",
        [
            identity(),
            tenant().nullable(),
            reference("user_id", "user").nullable(),
            text("stream", 80),
            big_integer("sequence"),
            text("event_type", 60),
            json("payload"),
            date_time("occurred_at"),
            date_time("recorded_at"),
        ],
    )
    .unique(&["stream", "sequence"])
    .index(&["client_id", "recorded_at"])
}

fn import_log() -> TableSpec {
    TableSpec::new(
        "import_log",
        [
            identity(),
            tenant(),
            reference("user_id", "user").nullable(),
            text("file_name", 255),
            text("file_digest", 64),
            integer("rows_total"),
            integer("rows_imported"),
            integer("rows_rejected"),
            json("report"),
            blob("raw_head").nullable(),
            boolean("is_complete"),
            date_time("created_at"),
        ],
    )
    .index(&["client_id", "created_at"])
}
