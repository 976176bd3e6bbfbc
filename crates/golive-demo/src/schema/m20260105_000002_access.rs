//! Creates the tables of what belongs to a login: preferences, filters, tokens, the audit log. Only their shape: rows are seeded elsewhere.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager};

use super::column::{boolean, date_time, identity, json, reference, tenant, text};
use super::table::{TableSpec, create_all, drop_all};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20260105_000002_access"
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
    vec![user_preference(), saved_filter(), refresh_token(), revoked_token(), audit_log()]
}

fn user_preference() -> TableSpec {
    TableSpec::new(
        "user_preference",
        [
            reference("user_id", "user").primary(),
            text("key", 80).primary(),
            json("value"),
            date_time("updated_at"),
        ],
    )
}

fn saved_filter() -> TableSpec {
    TableSpec::new(
        "saved_filter",
        [
            identity(),
            reference("user_id", "user"),
            text("filter_name", 80),
            text("view_name", 40),
            json("filter"),
            boolean("is_default").default_value(false),
            date_time("created_at"),
        ],
    )
    .unique(&["user_id", "view_name", "filter_name"])
}

fn refresh_token() -> TableSpec {
    TableSpec::new(
        "refresh_token",
        [
            identity(),
            reference("user_id", "user"),
            text("token_digest", 64),
            text("family", 36),
            date_time("issued_at"),
            date_time("expires_at"),
            date_time("used_at").nullable(),
        ],
    )
    .unique(&["token_digest"])
    .index(&["user_id", "expires_at"])
    .index(&["family"])
}

fn revoked_token() -> TableSpec {
    TableSpec::new(
        "revoked_token",
        [
            text("jti", 64).primary(),
            reference("user_id", "user").nullable(),
            text("reason", 40),
            date_time("revoked_at"),
            date_time("expires_at"),
        ],
    )
    .index(&["expires_at"])
}

fn audit_log() -> TableSpec {
    TableSpec::new(
        "audit_log",
        [
            identity(),
            reference("user_id", "user").nullable(),
            tenant().nullable(),
            text("username", 64),
            text("action", 60),
            text("entity", 60),
            text("entity_key", 120),
            json("details").nullable(),
            text("address", 45),
            text("request_id", 36).nullable(),
            date_time("created_at"),
        ],
    )
    .index(&["client_id", "created_at"])
    .index(&["user_id", "created_at"])
}
