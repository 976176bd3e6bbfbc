//! Creates the tables of people, lines and machines. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    blob, boolean, date, decimal, double, identity, integer, reference, single, tenant, text,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000004_people"
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
    vec![employee(), production_line(), machine(), employee_skill(), user_shift()]
}

fn employee() -> TableSpec {
    TableSpec::new(
        "employee",
        [
            identity(),
            tenant(),
            text("badge", 30),
            text("full_name", 120),
            reference("user_id", "user").nullable(),
            reference("supervisor_id", "employee").nullable(),
            decimal("hourly_rate", 10, 2),
            date("hired_on"),
            date("left_on").nullable(),
            boolean("is_active").default_value(true),
        ],
    )
    .unique(&["client_id", "badge"])
    .unique(&["user_id"])
}

fn production_line() -> TableSpec {
    TableSpec::new(
        "production_line",
        [
            identity(),
            tenant(),
            text("code", 20),
            text("line_name", 80),
            reference("leader_id", "employee").nullable(),
            integer("operators_planned"),
            date("opened_on"),
            boolean("is_active").default_value(true),
        ],
    )
    .unique(&["client_id", "code"])
}

fn machine() -> TableSpec {
    TableSpec::new(
        "machine",
        [
            identity(),
            reference("line_id", "production_line"),
            text("serial_number", 60).nullable(),
            text("machine_name", 80),
            single("power_kw"),
            double("calibration"),
            date("installed_on"),
            blob("firmware").nullable(),
        ],
    )
    .unique(&["serial_number"])
}

fn employee_skill() -> TableSpec {
    TableSpec::new(
        "employee_skill",
        [
            reference("employee_id", "employee").primary(),
            reference("product_id", "product").primary(),
            integer("level"),
            decimal("efficiency_factor", 12, 4),
            date("certified_on").nullable(),
        ],
    )
}

fn user_shift() -> TableSpec {
    TableSpec::new(
        "user_shift",
        [
            reference("user_id", "user").primary(),
            reference("shift_id", "shift").primary(),
            date("valid_from").primary(),
            date("valid_to").nullable(),
        ],
    )
}
