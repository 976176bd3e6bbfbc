//! The tenants: the selector that everybody sees, and their administration.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, SqlErr, TransactionTrait,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Deed};
use super::caller::Caller;
use super::error::ApiError;
use super::extract::{Body, Id, code, text};
use super::state::App;
use crate::entity::{client, client_config};

/// The active tenants that the caller may choose from.
pub(crate) async fn selector(State(app): State<App>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let visible = caller.scope.clients(&app.db, None).await?;
    let rows: Vec<(String, String)> = client::Entity::find()
        .select_only()
        .columns([client::Column::ClientId, client::Column::ClientName])
        .filter(client::Column::ClientId.is_in(visible))
        .order_by_asc(client::Column::ClientId)
        .into_tuple()
        .all(&app.db)
        .await?;
    let items: Vec<Value> =
        rows.iter().map(|(id, name)| json!({ "client_id": id, "client_name": name })).collect();
    Ok(Json(json!({ "items": items })))
}

/// Every tenant with its state, for whoever administers them.
pub(crate) async fn all(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let rows: Vec<(String, String, bool)> = client::Entity::find()
        .select_only()
        .columns([client::Column::ClientId, client::Column::ClientName, client::Column::IsActive])
        .order_by_asc(client::Column::ClientId)
        .into_tuple()
        .all(&app.db)
        .await?;
    let items: Vec<Value> = rows
        .iter()
        .map(|(id, name, is_active)| json!({ "client_id": id, "client_name": name, "is_active": is_active }))
        .collect();
    Ok(Json(json!({ "items": items })))
}

/// A tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClient {
    client_id: String,
    client_name: String,
    /// Two letters; `US` by default.
    country: Option<String>,
    /// An IANA name; `UTC` by default.
    timezone: Option<String>,
    contact_email: Option<String>,
}

/// Makes a tenant with a configuration of its own.
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<NewClient>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let client_id = code(&input.client_id, "client_id", 50)?;
    let client_name = text(&input.client_name, "client_name", 120)?;
    let country = code(input.country.as_deref().unwrap_or("US"), "country", 2)?;
    let timezone = text(input.timezone.as_deref().unwrap_or("UTC"), "timezone", 64)?;
    let contact_email = input.contact_email.map(|email| text(&email, "contact_email", 254)).transpose()?;
    let now = app.now();
    let row = client::ActiveModel {
        client_id: Set(client_id.clone()),
        client_name: Set(client_name.clone()),
        contact_email: Set(contact_email),
        country: Set(country),
        timezone: Set(timezone),
        is_active: Set(true),
        logo: Set(None),
        settings: Set(json!({})),
        created_at: Set(now.naive_utc()),
        updated_at: Set(now.naive_utc()),
    };
    let config = client_config::ActiveModel {
        client_id: Set(client_id.clone()),
        otd_grace_days: Set(0),
        default_cycle_minutes: Set(rust_decimal::Decimal::ONE),
        quality_target_ratio: Set(0.98),
        oee_target_ratio: Set(0.75),
        working_days: Set("mon,tue,wed,thu,fri".to_owned()),
        allows_csv_upload: Set(true),
        dashboard_layout: Set(json!({ "tiles": ["oee", "quality", "otd"] })),
        notice: Set(None),
        updated_at: Set(now.naive_utc()),
    };
    let transaction = app.db.begin().await?;
    client::Entity::insert(row)
        .exec_without_returning(&transaction)
        .await
        .map_err(|e| taken(e, "there is a client with this client_id"))?;
    client_config::Entity::insert(config).exec_without_returning(&transaction).await?;
    audit::record(
        &app,
        &transaction,
        now,
        &caller.actor,
        Deed::new("create", "client", &client_id).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    let body = json!({ "client_id": client_id, "client_name": client_name, "is_active": true });
    Ok((StatusCode::CREATED, Json(body)))
}

/// What changes about a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientChange {
    client_name: Option<String>,
    is_active: Option<bool>,
}

/// Renames a tenant or switches it on or off. Off, its people's tokens die and its data is invisible.
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Id(client_id): Id<String>,
    Body(input): Body<ClientChange>,
) -> Result<Json<Value>, ApiError> {
    let row = client::Entity::find_by_id(&client_id).one(&app.db).await?;
    let row = row.filter(|row| row.client_id == client_id).ok_or_else(|| ApiError::not_found("client"))?;
    let now = app.now();
    let mut change = client::ActiveModel {
        client_id: Set(client_id.clone()),
        updated_at: Set(now.naive_utc()),
        ..Default::default()
    };
    if let Some(name) = &input.client_name {
        change.client_name = Set(text(name, "client_name", 120)?);
    }
    if let Some(is_active) = input.is_active {
        change.is_active = Set(is_active);
    }
    let action = match input.is_active {
        Some(false) if row.is_active => {
            app.sessions.revocation.revoke_tenant_before(&client_id, now).await?;
            "deactivate"
        }
        Some(true) if !row.is_active => "activate",
        _ => "update",
    };
    let transaction = app.db.begin().await?;
    let row = change.update(&transaction).await?;
    audit::record(
        &app,
        &transaction,
        now,
        &caller.actor,
        Deed::new(action, "client", &client_id).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    Ok(Json(
        json!({ "client_id": row.client_id, "client_name": row.client_name, "is_active": row.is_active }),
    ))
}

/// A unique value that is taken is the caller's business; everything else is the database's.
pub(crate) fn taken(error: DbErr, message: &'static str) -> ApiError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => ApiError::conflict(message),
        _ => error.into(),
    }
}
