//! Production entries: one by one, and the list of them. Files are in `upload`, the rules in `floor`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, SqlErr,
    Statement, TransactionTrait,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::audit::{self, Deed};
use super::caller::Caller;
use super::error::ApiError;
use super::extract::{Body, Params, Period};
use super::floor::{self, Catalog, Draft, Pairs};
use super::state::App;
use crate::entity::production_entry;

/// What a line made in a shift.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEntry {
    client_id: Option<String>,
    product_code: String,
    line_code: String,
    shift_code: String,
    #[schema(value_type = String, format = "date")]
    production_date: NaiveDate,
    units_produced: i64,
    defect_count: i64,
    #[schema(value_type = f64)]
    run_minutes: Decimal,
    employees_assigned: i64,
    note: Option<String>,
}

/// Enters what a line made. With an `Idempotency-Key` the same entry sent twice counts once.
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(input): Body<NewEntry>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let client_id = caller.scope.client(&app.db, input.client_id.as_deref()).await?;
    let key = idempotency_key(&headers)?.map(|key| row_key(&key, 0));
    let now = app.now();
    let catalog = Catalog::read(&app.db, &client_id).await?;
    let draft = Draft {
        product_code: input.product_code,
        line_code: input.line_code,
        shift_code: input.shift_code,
        production_date: input.production_date,
        units_produced: input.units_produced,
        defect_count: input.defect_count,
        run_minutes: input.run_minutes,
        employees_assigned: Some(input.employees_assigned),
        note: input.note,
    };
    let accepted = floor::check(&draft, &catalog, now.date_naive()).map_err(ApiError::invalid)?;
    let pair = (accepted.product_id, accepted.line_id);
    let jobs = floor::standing_jobs(&app.db, &client_id, &Pairs::from([pair]), now).await?;
    let job_id = *jobs.get(&pair).ok_or_else(ApiError::internal)?;
    let transaction = app.db.begin().await?;
    let row = accepted.row(&client_id, job_id, caller.user.id, key.clone(), now);
    let row = match row.insert(&transaction).await {
        Ok(row) => row,
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            transaction.rollback().await?;
            let earlier = production_entry::Entity::find()
                .filter(production_entry::Column::ClientId.eq(&client_id))
                .filter(production_entry::Column::IdempotencyKey.eq(key))
                .one(&app.db)
                .await?;
            let earlier = earlier.ok_or_else(|| ApiError::from(error))?;
            return Ok((StatusCode::OK, Json(view(&earlier, &draft))));
        }
        Err(error) => return Err(error.into()),
    };
    audit::record(
        &app,
        &transaction,
        now,
        &caller.actor,
        Deed::new("create", "production_entry", row.id).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(view(&row, &draft))))
}

fn view(row: &production_entry::Model, draft: &Draft) -> Value {
    json!({
        "entry_id": row.id,
        "client_id": row.client_id,
        "production_date": row.entry_date,
        "product_code": draft.product_code,
        "line_code": draft.line_code,
        "shift_code": draft.shift_code,
        "units_produced": row.units_produced,
        "defect_count": row.units_defective,
        "created_at": row.created_at,
    })
}

/// What the sender calls this request, if anything.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=200).contains(&key.len()));
    let key =
        key.ok_or_else(|| ApiError::invalid("Idempotency-Key must have 1 to 200 printable characters"))?;
    Ok(Some(key.to_owned()))
}

/// The key of one row of a request: 64 hexadecimal digits, however long the sender's key is.
pub(crate) fn row_key(key: &str, row: usize) -> String {
    let digest = Sha256::digest(format!("{row}:{key}").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which entries to list.
#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    client_id: Option<String>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    page: Option<u64>,
}

#[derive(Debug, FromQueryResult, Serialize)]
struct Listed {
    entry_id: i64,
    client_id: String,
    production_date: NaiveDate,
    product_code: String,
    line_code: String,
    shift_code: String,
    units_produced: i32,
    defect_count: i32,
    run_minutes: f64,
    employees_assigned: i32,
    note: Option<String>,
}

const PAGE_ROWS: u64 = 100;
const LAST_PAGE: u64 = 1_000;

/// A page of entries, the latest first.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(listing): Params<Listing>,
) -> Result<Json<Value>, ApiError> {
    let period = Period { client_id: listing.client_id, from: listing.from, to: listing.to };
    let (first, end) = period.days(app.now().date_naive())?;
    let visible = caller.scope.clients(&app.db, period.client_id.as_deref()).await?;
    let page = listing.page.unwrap_or(1).clamp(1, LAST_PAGE);
    if visible.is_empty() {
        return Ok(Json(json!({ "items": [], "page": page, "page_rows": PAGE_ROWS })));
    }
    let sql = format!(
        "SELECT e.id AS entry_id, e.client_id AS client_id, e.entry_date AS production_date, p.code AS product_code, \
         l.code AS line_code, s.code AS shift_code, e.units_produced AS units_produced, \
         e.units_defective AS defect_count, CAST(e.run_minutes AS DOUBLE) AS run_minutes, \
         e.operators_present AS employees_assigned, e.note AS note FROM production_entry e \
         JOIN job j ON j.id = e.job_id JOIN work_order w ON w.id = j.work_order_id \
         JOIN product p ON p.id = w.product_id JOIN production_line l ON l.id = e.line_id \
         JOIN shift s ON s.id = e.shift_id \
         WHERE e.client_id IN ({}) AND e.entry_date >= ? AND e.entry_date < ? \
         ORDER BY e.entry_date DESC, e.id DESC LIMIT ? OFFSET ?",
        placeholders(visible.len())
    );
    let mut values: Vec<sea_orm::Value> = visible.into_iter().map(Into::into).collect();
    values.extend([first.into(), end.into(), PAGE_ROWS.into(), ((page - 1) * PAGE_ROWS).into()]);
    let statement = Statement::from_sql_and_values(app.db.get_database_backend(), sql, values);
    let rows = app.db.query_all_raw(statement).await?;
    let items = rows.iter().map(|row| Listed::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "items": items, "page": page, "page_rows": PAGE_ROWS })))
}

/// `?, ?, ?`.
pub(crate) fn placeholders(count: usize) -> String {
    vec!["?"; count].join(", ")
}
