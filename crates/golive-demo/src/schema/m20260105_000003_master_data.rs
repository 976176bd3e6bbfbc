//! Creates the tables of shifts, products, reasons and thresholds. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    boolean, date, date_time, decimal, double, identity, integer, json, long_text, single, tenant, text, time,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000003_master_data"
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
    vec![shift(), product(), defect_type(), hold_reason(), downtime_reason(), kpi_threshold()]
}

fn shift() -> TableSpec {
    TableSpec::new(
        "shift",
        [
            identity(),
            tenant(),
            text("code", 20),
            text("shift_name", 80),
            time("starts_at"),
            time("ends_at"),
            integer("break_minutes").default_value(0),
            boolean("is_active").default_value(true),
        ],
    )
    .unique(&["client_id", "code"])
}

fn product() -> TableSpec {
    TableSpec::new(
        "product",
        [
            identity(),
            tenant(),
            text("code", 40),
            text("product_name", 160),
            long_text("description").nullable(),
            text("unit", 20),
            decimal("ideal_cycle_minutes", 12, 4),
            decimal("unit_price", 10, 2),
            single("weight_kg").nullable(),
            json("attributes").nullable(),
            boolean("is_active").default_value(true),
            date_time("created_at"),
        ],
    )
    .unique(&["client_id", "code"])
}

fn defect_type() -> TableSpec {
    TableSpec::new(
        "defect_type",
        [
            identity(),
            tenant(),
            text("code", 20),
            text("defect_name", 120),
            integer("severity"),
            boolean("is_active").default_value(true),
        ],
    )
    .unique(&["client_id", "code"])
}

fn hold_reason() -> TableSpec {
    TableSpec::new(
        "hold_reason",
        [
            identity(),
            tenant(),
            text("code", 20),
            text("reason_name", 120),
            boolean("needs_approval").default_value(true),
        ],
    )
    .unique(&["client_id", "code"])
}

fn downtime_reason() -> TableSpec {
    TableSpec::new(
        "downtime_reason",
        [
            identity(),
            tenant(),
            text("code", 20),
            text("reason_name", 120),
            boolean("is_planned").default_value(false),
        ],
    )
    .unique(&["client_id", "code"])
}

fn kpi_threshold() -> TableSpec {
    TableSpec::new(
        "kpi_threshold",
        [
            identity(),
            tenant().nullable(),
            text("metric", 40),
            double("warning_value"),
            double("critical_value"),
            text("condition", 20),
            date("effective_from"),
            date("effective_to").nullable(),
        ],
    )
    .unique(&["client_id", "metric", "effective_from"])
}
