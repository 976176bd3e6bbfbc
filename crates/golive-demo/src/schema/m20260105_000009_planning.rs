//! Creates the tables of capacity scenarios, their schedules and what is promised on them. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    blob, boolean, date, date_time, decimal, double, identity, integer, json, reference, reference_to,
    single, tenant, text,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000009_planning"
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
        capacity_scenario(),
        capacity_schedule(),
        capacity_schedule_item(),
        capacity_analysis(),
        capacity_commitment(),
    ]
}

fn capacity_scenario() -> TableSpec {
    TableSpec::new(
        "capacity_scenario",
        [
            identity(),
            tenant(),
            reference("parent_id", "capacity_scenario").nullable(),
            reference("created_by", "user").nullable(),
            text("scenario_name", 120),
            json("parameters"),
            json("results").nullable(),
            boolean("is_baseline").default_value(false),
            date_time("created_at"),
        ],
    )
    .index(&["client_id", "created_at"])
}

fn capacity_schedule() -> TableSpec {
    TableSpec::new(
        "capacity_schedule",
        [
            identity(),
            reference("scenario_id", "capacity_scenario"),
            reference_to("capacity_line_id", "capacity_line", "line_id"),
            date("starts_on"),
            date("ends_on"),
            text("status", 20),
            double("load_ratio"),
        ],
    )
    .unique(&["scenario_id", "capacity_line_id", "starts_on"])
}

fn capacity_schedule_item() -> TableSpec {
    TableSpec::new(
        "capacity_schedule_item",
        [
            identity(),
            reference("schedule_id", "capacity_schedule"),
            reference("work_order_id", "work_order"),
            integer("position"),
            integer("quantity"),
            decimal("minutes", 12, 4),
            date_time("starts_at"),
            date_time("ends_at"),
        ],
    )
    .unique(&["schedule_id", "position"])
}

fn capacity_analysis() -> TableSpec {
    TableSpec::new(
        "capacity_analysis",
        [
            reference("schedule_id", "capacity_schedule").primary(),
            date("work_date").primary(),
            decimal("required_minutes", 12, 4),
            decimal("available_minutes", 12, 4),
            double("utilization"),
            boolean("is_bottleneck"),
            json("detail"),
        ],
    )
}

fn capacity_commitment() -> TableSpec {
    TableSpec::new(
        "capacity_commitment",
        [
            identity(),
            reference("order_id", "order"),
            reference("schedule_item_id", "capacity_schedule_item").nullable(),
            date("committed_on"),
            integer("quantity"),
            single("confidence"),
            date_time("confirmed_at").nullable(),
            blob("signature").nullable(),
        ],
    )
}
