//! Creates the tables of inspections, defects, holds and alerts. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    blob, boolean, date, date_time, double, identity, integer, long_text, reference, single, tenant, text,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000007_quality"
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
    vec![quality_entry(), defect(), hold_entry(), alert(), alert_history()]
}

fn quality_entry() -> TableSpec {
    TableSpec::new(
        "quality_entry",
        [
            identity(),
            tenant(),
            reference("production_entry_id", "production_entry"),
            reference("inspector_id", "employee").nullable(),
            date("entry_date"),
            integer("units_inspected"),
            integer("units_passed"),
            integer("units_reworked").default_value(0),
            integer("units_scrapped").default_value(0),
            double("ppm"),
            date_time("inspected_at"),
        ],
    )
    .index(&["client_id", "entry_date"])
}

fn defect() -> TableSpec {
    TableSpec::new(
        "defect",
        [
            identity(),
            reference("quality_entry_id", "quality_entry"),
            reference("defect_type_id", "defect_type"),
            integer("quantity"),
            boolean("is_critical").default_value(false),
            long_text("description").nullable(),
            blob("photo").nullable(),
        ],
    )
}

fn hold_entry() -> TableSpec {
    TableSpec::new(
        "hold_entry",
        [
            identity(),
            tenant(),
            reference("work_order_id", "work_order"),
            reference("defect_id", "defect").nullable(),
            reference("reason_id", "hold_reason"),
            reference("approved_by", "user").nullable(),
            integer("quantity"),
            date_time("held_at"),
            date_time("released_at").nullable(),
            text("status", 20),
        ],
    )
    .index(&["client_id", "held_at"])
}

fn alert() -> TableSpec {
    TableSpec::new(
        "alert",
        [
            identity(),
            tenant(),
            reference("threshold_id", "kpi_threshold").nullable(),
            reference("defect_id", "defect").nullable(),
            text("severity", 20),
            text("title", 200),
            long_text("body"),
            single("value").nullable(),
            text("status", 20),
            date_time("raised_at"),
        ],
    )
    .index(&["client_id", "raised_at"])
}

fn alert_history() -> TableSpec {
    TableSpec::new(
        "alert_history",
        [
            reference("alert_id", "alert").primary(),
            integer("step").primary(),
            reference("user_id", "user").nullable(),
            text("from_status", 20).nullable(),
            text("to_status", 20),
            text("comment", 500),
            date_time("changed_at"),
        ],
    )
}
