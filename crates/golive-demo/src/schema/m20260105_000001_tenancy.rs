//! Creates the tables of tenants and users. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{
    blob, boolean, date_time, decimal, double, identity, integer, json, long_text, single, tenant, text,
};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000001_tenancy"
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
    vec![client(), user(), client_config()]
}

fn client() -> TableSpec {
    TableSpec::new(
        "client",
        [
            text("client_id", 50).primary(),
            text("client_name", 120),
            text("contact_email", 254).nullable(),
            text("country", 2),
            text("timezone", 64),
            boolean("is_active").default_value(true),
            blob("logo").nullable(),
            json("settings"),
            date_time("created_at"),
            date_time("updated_at"),
        ],
    )
}

fn user() -> TableSpec {
    TableSpec::new(
        "user",
        [
            identity(),
            text("username", 64),
            text("password_hash", 255),
            text("full_name", 120),
            text("email", 254).nullable(),
            text("role", 20),
            tenant().nullable(),
            boolean("is_active").default_value(true),
            boolean("must_change_password").default_value(false),
            date_time("created_at"),
            date_time("updated_at"),
            date_time("last_login_at").nullable(),
        ],
    )
    .unique(&["username"])
    .unique(&["email"])
}

fn client_config() -> TableSpec {
    TableSpec::new(
        "client_config",
        [
            tenant().primary(),
            integer("otd_grace_days").default_value(0),
            decimal("default_cycle_minutes", 12, 4),
            double("quality_target_ratio"),
            single("oee_target_ratio"),
            text("working_days", 20),
            boolean("allows_csv_upload").default_value(true),
            json("dashboard_layout"),
            long_text("notice").nullable(),
            date_time("updated_at"),
        ],
    )
}
