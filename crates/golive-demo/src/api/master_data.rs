//! What production is entered against: shifts, lines, products; and the shift of whoever asks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::NaiveTime;
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder,
    TransactionTrait,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Deed};
use super::caller::Caller;
use super::clients::taken;
use super::error::ApiError;
use super::extract::{Body, code, text};
use super::state::App;
use crate::entity::{product, production_line, shift, user_shift};

/// A shift to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShift {
    client_id: Option<String>,
    shift_code: String,
    shift_name: String,
    /// `06:00:00`.
    starts_at: String,
    /// Before `starts_at`: over midnight.
    ends_at: String,
    break_minutes: Option<i32>,
}

/// Makes a shift.
pub(crate) async fn create_shift(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<NewShift>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let client_id = caller.scope.client(&app.db, input.client_id.as_deref()).await?;
    let code = code(&input.shift_code, "shift_code", 20)?;
    let row = shift::ActiveModel {
        client_id: Set(client_id.clone()),
        code: Set(code.clone()),
        shift_name: Set(text(&input.shift_name, "shift_name", 80)?),
        starts_at: Set(time(&input.starts_at, "starts_at")?),
        ends_at: Set(time(&input.ends_at, "ends_at")?),
        break_minutes: Set(bounded(input.break_minutes.unwrap_or(0), "break_minutes", 480)?),
        is_active: Set(true),
        ..Default::default()
    };
    let transaction = app.db.begin().await?;
    let row = row.insert(&transaction).await.map_err(|e| taken(e, "the tenant has a shift of this code"))?;
    audit::record(
        &app,
        &transaction,
        app.now(),
        &caller.actor,
        Deed::new("create", "shift", &code).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(shift_view(&row))))
}

fn time(value: &str, field: &'static str) -> Result<NaiveTime, ApiError> {
    let parsed =
        NaiveTime::parse_from_str(value, "%H:%M:%S").or_else(|_| NaiveTime::parse_from_str(value, "%H:%M"));
    parsed.map_err(|_| ApiError::invalid(format!("{field} must be a time of day such as 06:00:00")))
}

fn bounded(value: i32, field: &'static str, most: i32) -> Result<i32, ApiError> {
    if (0..=most).contains(&value) {
        Ok(value)
    } else {
        Err(ApiError::invalid(format!("{field} must be 0 to {most}")))
    }
}

fn shift_view(row: &shift::Model) -> Value {
    json!({
        "shift_code": row.code,
        "shift_name": row.shift_name,
        "client_id": row.client_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "break_minutes": row.break_minutes,
    })
}

/// A line to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    client_id: Option<String>,
    line_code: String,
    line_name: String,
    operators_planned: Option<i32>,
}

/// Makes a line.
pub(crate) async fn create_line(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<NewLine>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let client_id = caller.scope.client(&app.db, input.client_id.as_deref()).await?;
    let code = code(&input.line_code, "line_code", 20)?;
    let now = app.now();
    let row = production_line::ActiveModel {
        client_id: Set(client_id.clone()),
        code: Set(code.clone()),
        line_name: Set(text(&input.line_name, "line_name", 80)?),
        leader_id: Set(None),
        operators_planned: Set(bounded(input.operators_planned.unwrap_or(8), "operators_planned", 1_000)?),
        opened_on: Set(now.date_naive()),
        is_active: Set(true),
        ..Default::default()
    };
    let transaction = app.db.begin().await?;
    let row = row.insert(&transaction).await.map_err(|e| taken(e, "the tenant has a line of this code"))?;
    audit::record(
        &app,
        &transaction,
        now,
        &caller.actor,
        Deed::new("create", "production_line", &code).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(line_view(&row))))
}

fn line_view(row: &production_line::Model) -> Value {
    json!({ "line_code": row.code, "line_name": row.line_name, "client_id": row.client_id })
}

/// A product to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    client_id: Option<String>,
    product_code: String,
    product_name: String,
    description: Option<String>,
    /// `piece` by default.
    unit: Option<String>,
    /// Minutes a unit at full speed; 3 by default.
    #[schema(value_type = Option<f64>)]
    ideal_cycle_minutes: Option<Decimal>,
    #[schema(value_type = Option<f64>)]
    unit_price: Option<Decimal>,
}

/// Makes a product.
pub(crate) async fn create_product(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<NewProduct>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let client_id = caller.scope.client(&app.db, input.client_id.as_deref()).await?;
    let code = code(&input.product_code, "product_code", 40)?;
    let now = app.now();
    let cycle = input.ideal_cycle_minutes.unwrap_or(Decimal::from(3)).round_dp(4);
    let price = input.unit_price.unwrap_or_default().round_dp(2);
    if cycle <= Decimal::ZERO
        || cycle > Decimal::from(10_000)
        || price < Decimal::ZERO
        || price > Decimal::from(1_000_000)
    {
        return Err(ApiError::invalid("ideal_cycle_minutes must be above 0, unit_price not below"));
    }
    let row = product::ActiveModel {
        client_id: Set(client_id.clone()),
        code: Set(code.clone()),
        product_name: Set(text(&input.product_name, "product_name", 160)?),
        description: Set(input.description),
        unit: Set(text(input.unit.as_deref().unwrap_or("piece"), "unit", 20)?),
        ideal_cycle_minutes: Set(cycle),
        unit_price: Set(price),
        weight_kg: Set(None),
        attributes: Set(None),
        is_active: Set(true),
        created_at: Set(now.naive_utc()),
        ..Default::default()
    };
    let transaction = app.db.begin().await?;
    let row =
        row.insert(&transaction).await.map_err(|e| taken(e, "the tenant has a product of this code"))?;
    audit::record(
        &app,
        &transaction,
        now,
        &caller.actor,
        Deed::new("create", "product", &code).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    let body =
        json!({ "product_code": row.code, "product_name": row.product_name, "client_id": row.client_id });
    Ok((StatusCode::CREATED, Json(body)))
}

/// The shift that the caller works today, and the lines of the tenant.
pub(crate) async fn my_shift(State(app): State<App>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let client_id = caller.scope.client(&app.db, None).await?;
    let today = app.now().date_naive();
    let assigned = user_shift::Entity::find()
        .find_also_related(shift::Entity)
        .filter(user_shift::Column::UserId.eq(caller.user.id))
        .filter(user_shift::Column::ValidFrom.lte(today))
        .filter(
            Condition::any()
                .add(user_shift::Column::ValidTo.is_null())
                .add(user_shift::Column::ValidTo.gte(today)),
        )
        .order_by_desc(user_shift::Column::ValidFrom)
        .one(&app.db)
        .await?;
    let shift = assigned.and_then(|(_, shift)| shift).filter(|shift| shift.client_id == client_id);
    let shift = shift.ok_or_else(|| ApiError::not_found("assigned shift; ask your administrator for one"))?;
    let lines = production_line::Entity::find()
        .filter(production_line::Column::ClientId.eq(&client_id))
        .filter(production_line::Column::IsActive.eq(true))
        .order_by_asc(production_line::Column::Code)
        .all(&app.db)
        .await?;
    let lines: Vec<Value> = lines.iter().map(line_view).collect();
    Ok(Json(json!({ "shift": shift_view(&shift), "lines": lines })))
}
