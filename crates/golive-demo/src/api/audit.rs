//! Who did what: writes the audit log and lists it. What happened is told by the callers; how the chain holds its links in
//! place, golive-auth knows.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, NaiveDateTime, Utc};
use golive_auth::{AuditEntry, AuditError};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, TransactionTrait,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;
use super::error::ApiError;
use super::extract::Params;
use super::state::{App, Platform};
use crate::entity::audit_log;

/// Who acts.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) user_id: Option<i64>,
    pub(crate) username: String,
    pub(crate) client_id: Option<String>,
    pub(crate) address: IpAddr,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Deed<'a> {
    pub(crate) action: &'static str,
    pub(crate) entity: &'static str,
    pub(crate) key: String,
    /// The tenant it was done to; the actor's own by default.
    pub(crate) client_id: Option<&'a str>,
    pub(crate) details: Option<Value>,
}

impl<'a> Deed<'a> {
    /// An action on an entity.
    pub(crate) fn new(action: &'static str, entity: &'static str, key: impl ToString) -> Self {
        Self { action, entity, key: key.to_string(), client_id: None, details: None }
    }

    /// The tenant it was done to.
    pub(crate) fn of(mut self, client_id: &'a str) -> Self {
        self.client_id = Some(client_id);
        self
    }

    /// More about it; no secrets.
    pub(crate) fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

/// Writes one row in the transaction that does the deed, and its link in the chain that tells when a row was changed.
/// Called last: whoever else records waits until the transaction ends.
pub(crate) async fn record(
    app: &Platform,
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    actor: &Actor,
    deed: Deed<'_>,
) -> Result<(), DbErr> {
    let request_id: Option<String> =
        golive_observe::current_request_id().map(|id| id.chars().take(36).collect());
    let key: String = deed.key.chars().take(120).collect();
    let mut entry = AuditEntry::new(&actor.username, deed.action, format!("{} {key}", deed.entity));
    entry.request_id.clone_from(&request_id);
    let row = audit_log::ActiveModel {
        user_id: Set(actor.user_id),
        client_id: Set(deed.client_id.map(str::to_owned).or_else(|| actor.client_id.clone())),
        username: Set(actor.username.clone()),
        action: Set(deed.action.to_owned()),
        entity: Set(deed.entity.to_owned()),
        entity_key: Set(key),
        details: Set(deed.details),
        address: Set(actor.address.to_string()),
        request_id: Set(request_id),
        created_at: Set(now.naive_utc()),
        ..Default::default()
    };
    audit_log::Entity::insert(row).exec_without_returning(transaction).await?;
    if let Some(trail) = &app.trail {
        trail.append_in(transaction, &entry, now).await.map_err(|error| match error {
            AuditError::Database(cause) => cause,
            other => DbErr::Custom(other.to_string()),
        })?;
    }
    Ok(())
}

/// The same for a deed that changes nothing in the database.
pub(crate) async fn record_alone(app: &Platform, actor: &Actor, deed: Deed<'_>) -> Result<(), DbErr> {
    let transaction = app.db.begin().await?;
    record(app, &transaction, app.now(), actor, deed).await?;
    transaction.commit().await
}

/// Which rows to list.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    client_id: Option<String>,
    limit: Option<u64>,
    since: Option<DateTime<Utc>>,
}

/// A row of the log.
#[derive(Debug, Serialize)]
struct Row {
    id: i64,
    at: NaiveDateTime,
    username: String,
    user_id: Option<i64>,
    client_id: Option<String>,
    action: String,
    entity: String,
    entity_key: String,
    details: Option<Value>,
    address: String,
    request_id: Option<String>,
}

/// The latest rows of the visible tenants and of the platform itself.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(which): Params<Which>,
) -> Result<Json<Value>, ApiError> {
    let visible = caller.scope.clients(&app.db, which.client_id.as_deref()).await?;
    let mut condition = Condition::any().add(audit_log::Column::ClientId.is_in(visible));
    if which.client_id.is_none() && caller.scope.is_everything() {
        condition = condition.add(audit_log::Column::ClientId.is_null());
    }
    let mut query = audit_log::Entity::find().filter(condition);
    if let Some(since) = which.since {
        query = query.filter(audit_log::Column::CreatedAt.gte(since.naive_utc()));
    }
    let limit = which.limit.unwrap_or(100).clamp(1, 1_000);
    let rows = query.order_by_desc(audit_log::Column::Id).limit(limit).all(&app.db).await?;
    let items: Vec<Row> = rows
        .into_iter()
        .map(|row| Row {
            id: row.id,
            at: row.created_at,
            username: row.username,
            user_id: row.user_id,
            client_id: row.client_id,
            action: row.action,
            entity: row.entity,
            entity_key: row.entity_key,
            details: row.details,
            address: row.address,
            request_id: row.request_id,
        })
        .collect();
    Ok(Json(serde_json::json!({ "items": items })))
}
