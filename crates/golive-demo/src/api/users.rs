//! The accounts and their administration. Which role needs a tenant is in `access`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, TransactionTrait,
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::access;
use super::audit::{self, Deed};
use super::auth::new_hash;
use super::caller::Caller;
use super::clients::taken;
use super::error::ApiError;
use super::extract::{Body, Id, code, text};
use super::state::App;
use crate::entity::enums::Role;
use crate::entity::{shift, user, user_shift};

fn view(user: &user::Model) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "full_name": user.full_name,
        "email": user.email,
        "role": user.role.to_value(),
        "client_id": user.client_id,
        "is_active": user.is_active,
        "must_change_password": user.must_change_password,
        "last_login_at": user.last_login_at,
    })
}

/// Every account, also those switched off and those of switched-off tenants: they are what an administrator must see.
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let rows = user::Entity::find().order_by_asc(user::Column::Username).all(&app.db).await?;
    let items: Vec<Value> = rows.iter().map(view).collect();
    Ok(Json(json!({ "items": items })))
}

/// An account to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    username: String,
    full_name: String,
    email: Option<String>,
    role: Role,
    client_id: Option<String>,
    /// The code of a shift of the tenant.
    shift: Option<String>,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Makes an account whose password must be changed at the first login.
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<NewUser>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let username = code(&input.username, "username", 64)?;
    let full_name = text(&input.full_name, "full_name", 120)?;
    let email =
        input.email.filter(|email| !email.is_empty()).map(|email| text(&email, "email", 254)).transpose()?;
    let client_id = tenant_for(&app, &caller, input.role, input.client_id.as_deref()).await?;
    let shift_id = find_shift(&app, client_id.as_deref(), input.shift.as_deref()).await?;
    let password_hash = new_hash(&app, input.password, &[&username, &full_name]).await?;
    let now = app.now();
    let row = user::ActiveModel {
        username: Set(username.clone()),
        password_hash: Set(password_hash),
        full_name: Set(full_name),
        email: Set(email),
        role: Set(input.role),
        client_id: Set(client_id.clone()),
        is_active: Set(true),
        must_change_password: Set(true),
        created_at: Set(now.naive_utc()),
        updated_at: Set(now.naive_utc()),
        last_login_at: Set(None),
        ..Default::default()
    };
    let transaction = app.db.begin().await?;
    let row = row
        .insert(&transaction)
        .await
        .map_err(|e| taken(e, "there is an account with this username or email"))?;
    if let Some(shift_id) = shift_id {
        assign(&transaction, row.id, shift_id, now.date_naive()).await?;
    }
    let mut deed = Deed::new("create", "user", row.id);
    deed = deed.with(json!({ "username": username, "role": row.role.to_value() }));
    deed.client_id = client_id.as_deref();
    audit::record(&app, &transaction, now, &caller.actor, deed).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(view(&row))))
}

/// The tenant of an account with this role: active, and there where the role needs one.
async fn tenant_for(
    app: &App,
    caller: &Caller,
    role: Role,
    client_id: Option<&str>,
) -> Result<Option<String>, ApiError> {
    match client_id.filter(|id| !id.is_empty()) {
        Some(id) => Ok(Some(caller.scope.client(&app.db, Some(id)).await?)),
        None if access::scope(role, None).is_some() => Ok(None),
        None => Err(ApiError::invalid("this role needs a client_id")),
    }
}

async fn find_shift(
    app: &App,
    client_id: Option<&str>,
    shift: Option<&str>,
) -> Result<Option<i64>, ApiError> {
    let Some(wanted) = shift.filter(|shift| !shift.is_empty()) else { return Ok(None) };
    let Some(client_id) = client_id else {
        return Err(ApiError::invalid("only an account of a tenant works a shift"));
    };
    let found = shift::Entity::find()
        .filter(shift::Column::ClientId.eq(client_id))
        .filter(shift::Column::Code.eq(wanted))
        .filter(shift::Column::IsActive.eq(true))
        .one(&app.db)
        .await?;
    Ok(Some(found.ok_or_else(|| ApiError::invalid("the tenant has no active shift of this code"))?.id))
}

/// From today on the account works this shift and no other.
async fn assign(
    db: &impl ConnectionTrait,
    user_id: i64,
    shift_id: i64,
    today: NaiveDate,
) -> Result<(), ApiError> {
    user_shift::Entity::delete_many()
        .filter(user_shift::Column::UserId.eq(user_id))
        .filter(user_shift::Column::ValidFrom.gte(today))
        .exec(db)
        .await?;
    user_shift::Entity::update_many()
        .col_expr(user_shift::Column::ValidTo, sea_orm::sea_query::Expr::value(today.pred_opt()))
        .filter(user_shift::Column::UserId.eq(user_id))
        .filter(user_shift::Column::ValidTo.is_null())
        .exec(db)
        .await?;
    let row = user_shift::ActiveModel {
        user_id: Set(user_id),
        shift_id: Set(shift_id),
        valid_from: Set(today),
        valid_to: Set(None),
    };
    user_shift::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// What changes about an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    full_name: Option<String>,
    role: Option<Role>,
    /// An empty text takes the account out of its tenant.
    client_id: Option<String>,
    shift: Option<String>,
    is_active: Option<bool>,
    /// A new first password, to be changed at the next login.
    #[schema(value_type = Option<String>, format = "password")]
    password: Option<SecretString>,
}

/// Changes an account. Another role, tenant, state or password ends its sessions and its cached permissions.
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Id(user_id): Id<i64>,
    Body(input): Body<UserChange>,
) -> Result<Json<Value>, ApiError> {
    let row =
        user::Entity::find_by_id(user_id).one(&app.db).await?.ok_or_else(|| ApiError::not_found("user"))?;
    let role = input.role.unwrap_or(row.role);
    let client_id = match &input.client_id {
        Some(id) => tenant_for(&app, &caller, role, Some(id)).await?,
        None if input.role.is_some() => tenant_for(&app, &caller, role, row.client_id.as_deref()).await?,
        None => row.client_id.clone(),
    };
    let is_active = input.is_active.unwrap_or(row.is_active);
    let stops_administering = row.role == Role::Admin && row.is_active && (!is_active || role != Role::Admin);
    if stops_administering && active_admins(&app).await? <= 1 {
        return Err(ApiError::conflict("this is the last active administrator; make another one first"));
    }
    let shift_id = find_shift(&app, client_id.as_deref(), input.shift.as_deref()).await?;
    let now = app.now();
    let mut change = user::ActiveModel {
        id: Set(user_id),
        role: Set(role),
        client_id: Set(client_id.clone()),
        is_active: Set(is_active),
        updated_at: Set(now.naive_utc()),
        ..Default::default()
    };
    if let Some(name) = &input.full_name {
        change.full_name = Set(text(name, "full_name", 120)?);
    }
    let is_reset = input.password.is_some();
    if let Some(password) = input.password {
        change.password_hash = Set(new_hash(&app, password, &[&row.username, &row.full_name]).await?);
        change.must_change_password = Set(true);
    }
    if is_reset || role != row.role || client_id != row.client_id || is_active != row.is_active {
        end_sessions(&app, user_id, now).await?;
    }
    let action = match (row.is_active, is_active) {
        (true, false) => "deactivate",
        (false, true) => "activate",
        _ => "update",
    };
    let transaction = app.db.begin().await?;
    let changed = change.update(&transaction).await?;
    if let Some(shift_id) = shift_id {
        assign(&transaction, user_id, shift_id, now.date_naive()).await?;
    }
    let mut deed = Deed::new(action, "user", user_id);
    deed =
        deed.with(json!({ "username": row.username, "role": role.to_value(), "password_reset": is_reset }));
    deed.client_id = client_id.as_deref();
    audit::record(&app, &transaction, now, &caller.actor, deed).await?;
    transaction.commit().await?;
    // Once more: somebody may have asked between the first time and the commit.
    app.lookups.drop_permissions(user_id).await?;
    Ok(Json(view(&changed)))
}

async fn end_sessions(app: &App, user_id: i64, now: DateTime<Utc>) -> Result<(), ApiError> {
    app.sessions.revocation.revoke_user_before(&user_id.to_string(), now).await?;
    app.lookups.drop_permissions(user_id).await
}

async fn active_admins(app: &App) -> Result<u64, ApiError> {
    let admins = user::Entity::find()
        .filter(user::Column::Role.eq(Role::Admin))
        .filter(user::Column::IsActive.eq(true))
        .count(&app.db)
        .await?;
    Ok(admins)
}
