//! Creates the tables of what the floor enters: production, attendance, coverage, downtime. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    date, date_time, decimal, double, identity, integer, long_text, reference, tenant, text, time,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000006_floor"
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
    vec![production_entry(), attendance_entry(), coverage_entry(), downtime_entry()]
}

fn production_entry() -> TableSpec {
    TableSpec::new(
        "production_entry",
        [
            identity(),
            tenant(),
            reference("job_id", "job"),
            reference("line_id", "production_line"),
            reference("shift_id", "shift"),
            reference("entered_by", "user").nullable(),
            date("entry_date"),
            integer("units_produced"),
            integer("units_defective").default_value(0),
            decimal("run_minutes", 10, 2),
            decimal("planned_minutes", 10, 2),
            integer("operators_present"),
            decimal("cycle_minutes", 12, 4),
            text("note", 500).nullable(),
            text("idempotency_key", 64).nullable(),
            date_time("created_at"),
        ],
    )
    .unique(&["client_id", "idempotency_key"])
    .index(&["client_id", "entry_date"])
}

fn attendance_entry() -> TableSpec {
    TableSpec::new(
        "attendance_entry",
        [
            identity(),
            tenant(),
            reference("employee_id", "employee"),
            reference("shift_id", "shift"),
            date("entry_date"),
            text("status", 20),
            time("clock_in").nullable(),
            time("clock_out").nullable(),
            decimal("minutes_worked", 10, 2),
            decimal("minutes_absent", 10, 2),
        ],
    )
    .unique(&["employee_id", "entry_date", "shift_id"])
    .index(&["client_id", "entry_date"])
}

fn coverage_entry() -> TableSpec {
    TableSpec::new(
        "coverage_entry",
        [
            identity(),
            tenant(),
            reference("line_id", "production_line"),
            reference("shift_id", "shift"),
            date("entry_date"),
            integer("required"),
            integer("present"),
            double("coverage_ratio"),
        ],
    )
    .unique(&["line_id", "shift_id", "entry_date"])
    .index(&["client_id", "entry_date"])
}

fn downtime_entry() -> TableSpec {
    TableSpec::new(
        "downtime_entry",
        [
            identity(),
            tenant(),
            reference("line_id", "production_line"),
            reference("job_id", "job").nullable(),
            reference("reason_id", "downtime_reason"),
            date("entry_date"),
            date_time("started_at"),
            decimal("minutes", 10, 2),
            decimal("cost", 10, 2),
            long_text("remark").nullable(),
        ],
    )
    .index(&["client_id", "entry_date"])
}
