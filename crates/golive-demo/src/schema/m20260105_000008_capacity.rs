//! Creates the tables of what capacity planning starts from. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    boolean, date, date_time, decimal, double, identity, integer, reference, single, tenant, text,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000008_capacity"
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
    vec![
        capacity_calendar(),
        capacity_line(),
        capacity_standard(),
        bill_of_material(),
        bom_component(),
        capacity_stock(),
    ]
}

fn capacity_calendar() -> TableSpec {
    TableSpec::new(
        "capacity_calendar",
        [
            tenant().primary(),
            date("work_date").primary(),
            boolean("is_working_day"),
            decimal("hours", 10, 2),
            text("holiday_name", 80).nullable(),
        ],
    )
}

fn capacity_line() -> TableSpec {
    TableSpec::new(
        "capacity_line",
        [
            reference("line_id", "production_line").primary(),
            decimal("hours_per_day", 10, 2),
            single("efficiency_factor"),
            double("absence_factor"),
            integer("max_operators"),
            date("valid_from"),
        ],
    )
}

fn capacity_standard() -> TableSpec {
    TableSpec::new(
        "capacity_standard",
        [
            reference("product_id", "product").primary(),
            text("operation", 80).primary(),
            decimal("sam_minutes", 12, 4),
            decimal("setup_minutes", 12, 4),
            boolean("is_bottleneck").default_value(false),
        ],
    )
}

fn bill_of_material() -> TableSpec {
    TableSpec::new(
        "bill_of_material",
        [
            identity(),
            reference("product_id", "product"),
            integer("version"),
            date("released_on").nullable(),
            boolean("is_current"),
        ],
    )
    .unique(&["product_id", "version"])
}

fn bom_component() -> TableSpec {
    TableSpec::new(
        "bom_component",
        [
            reference("bom_id", "bill_of_material").primary(),
            integer("position").primary(),
            text("component_code", 40),
            text("component_name", 160),
            decimal("quantity_per_unit", 12, 4),
            double("waste_ratio"),
            text("unit", 20),
        ],
    )
}

fn capacity_stock() -> TableSpec {
    TableSpec::new(
        "capacity_stock",
        [
            tenant().primary(),
            text("component_code", 40).primary(),
            decimal("on_hand", 12, 4),
            decimal("reserved", 12, 4),
            decimal("unit_cost", 10, 2),
            date_time("counted_at").nullable(),
            text("bin", 20),
        ],
    )
}
