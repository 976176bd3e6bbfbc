//! Creates the tables of customer orders, work orders and jobs. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{date, date_time, decimal, identity, integer, long_text, reference, tenant, text};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000005_orders"
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
    vec![order(), work_order(), work_order_note(), job()]
}

fn order() -> TableSpec {
    TableSpec::new(
        "order",
        [
            identity(),
            tenant(),
            reference("product_id", "product"),
            reference("owner_id", "employee").nullable(),
            text("order_number", 40),
            text("customer_name", 160),
            integer("quantity"),
            decimal("unit_price", 10, 2),
            date_time("ordered_at"),
            date("promised_on"),
            text("status", 20),
            long_text("remarks").nullable(),
        ],
    )
    .unique(&["client_id", "order_number"])
    .index(&["client_id", "promised_on"])
}

fn work_order() -> TableSpec {
    TableSpec::new(
        "work_order",
        [
            identity(),
            tenant(),
            text("number", 40),
            reference("product_id", "product"),
            reference("line_id", "production_line"),
            reference("order_id", "order").nullable(),
            integer("planned_quantity"),
            integer("completed_quantity").default_value(0),
            text("status", 20),
            integer("priority"),
            date("planned_start"),
            date("due_date"),
            date_time("completed_at").nullable(),
            date_time("created_at"),
        ],
    )
    .unique(&["client_id", "number"])
    .index(&["client_id", "due_date"])
    .index(&["client_id", "status"])
}

fn work_order_note() -> TableSpec {
    TableSpec::new(
        "work_order_note",
        [
            identity(),
            reference("work_order_id", "work_order"),
            reference("user_id", "user").nullable(),
            long_text("body"),
            date_time("created_at").default_now(),
        ],
    )
}

fn job() -> TableSpec {
    TableSpec::new(
        "job",
        [
            identity(),
            reference("work_order_id", "work_order"),
            integer("sequence"),
            text("operation", 80),
            decimal("standard_minutes", 12, 4),
            text("status", 20),
            date_time("started_at").nullable(),
            date_time("finished_at").nullable(),
        ],
    )
    .unique(&["work_order_id", "sequence"])
}
