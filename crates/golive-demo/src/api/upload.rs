//! Production entries from a CSV file: one transaction a file, batched inserts, and for every row what became of it and why.
//! The rules of a row are in `floor`.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, SqlErr,
    TransactionTrait,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::audit::{self, Deed};
use super::caller::Caller;
use super::error::ApiError;
use super::extract::{Params, too_large};
use super::floor::{self, Accepted, Catalog, Draft, Pairs};
use super::production::{idempotency_key, row_key};
use super::state::App;
use crate::entity::{client_config, import_log, production_entry};

/// Which tenant.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    client_id: Option<String>,
}

const LONGEST_FILE_BYTES: usize = 2 * 1024 * 1024;
const MOST_ROWS: usize = 5_000;
/// Rows an INSERT; with fifteen values each far below what either database binds.
const BATCH_ROWS: usize = 500;
const COLUMNS: [&str; 7] = [
    "production_date",
    "product_code",
    "line_code",
    "shift_code",
    "units_produced",
    "defect_count",
    "run_minutes",
];

/// Takes a file. Rows that break a rule are reported and left out; all others are there afterwards, or none.
pub(crate) async fn upload(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Params(target): Params<Target>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    require_csv(&headers)?;
    let key = idempotency_key(&headers)?;
    let client_id = caller.scope.client(&app.db, target.client_id.as_deref()).await?;
    let config = client_config::Entity::find_by_id(&client_id).one(&app.db).await?;
    if config.is_some_and(|config| !config.allows_csv_upload) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "uploads_off", "this tenant takes no uploads"));
    }
    let content = to_bytes(body, LONGEST_FILE_BYTES).await.map_err(|_| too_large())?;
    let file = File { digest: hexadecimal(&content), key, bytes: content };
    if let Some(earlier) = file.earlier(&app, &client_id).await? {
        return Ok(earlier);
    }
    let now = app.now();
    let catalog = Catalog::read(&app.db, &client_id).await?;
    let bytes = file.bytes.clone();
    let parsed = tokio::task::spawn_blocking(move || parse(&bytes, &catalog, now.date_naive()));
    let parsed = parsed.await.map_err(|cause| ApiError::internal().with_cause(cause))??;
    let pairs: Pairs = parsed.accepted.iter().map(|(_, row)| (row.product_id, row.line_id)).collect();
    let jobs = floor::standing_jobs(&app.db, &client_id, &pairs, now).await?;
    store(&app, &caller, &client_id, &file, &parsed, &jobs, now).await
}

fn require_csv(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_csv = ["text/csv", "application/csv", "application/vnd.ms-excel", "text/plain"].contains(&kind);
    let error =
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "csv_expected", "send the file as text/csv");
    if is_csv { Ok(()) } else { Err(error) }
}

struct File {
    digest: String,
    key: Option<String>,
    bytes: Bytes,
}

impl File {
    /// Under what the file is found again: its sender's key if there is one, else its content.
    fn identity(&self) -> String {
        self.key
            .as_ref()
            .map_or_else(|| self.digest.clone(), |key| hexadecimal(format!("key:{key}").as_bytes()))
    }

    /// What was answered to the same request before. Without a key the same file again is another one: two shifts may
    /// have made the same.
    async fn earlier(&self, app: &App, client_id: &str) -> Result<Option<Json<Value>>, ApiError> {
        if self.key.is_none() {
            return Ok(None);
        }
        let found = import_log::Entity::find()
            .filter(import_log::Column::ClientId.eq(client_id))
            .filter(import_log::Column::FileDigest.eq(self.identity()))
            .order_by_desc(import_log::Column::Id)
            .one(&app.db)
            .await?;
        let Some(found) = found else { return Ok(None) };
        if found.report.get("content").and_then(Value::as_str) != Some(&self.digest) {
            return Err(ApiError::conflict(
                "this Idempotency-Key was used for another file; choose a new one",
            ));
        }
        Ok(Some(answer(&found)))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a file holds, by the rows' numbers as a spreadsheet shows them: the header is row 1.
struct Parsed {
    accepted: Vec<(usize, Accepted)>,
    rejected: Vec<(usize, &'static str)>,
}

fn parse(bytes: &[u8], catalog: &Catalog, today: NaiveDate) -> Result<Parsed, ApiError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // Spreadsheets write semicolons where the comma is the decimal point.
    let delimiter = if first_line.contains(&b',') { b',' } else { b';' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text);
    let unreadable = |_| ApiError::invalid("the file is not readable as CSV");
    let header = reader.byte_headers().map_err(unreadable)?.clone();
    let places: Vec<Option<usize>> =
        COLUMNS.iter().map(|name| header.iter().position(|cell| cell == name.as_bytes())).collect();
    let missing: Vec<&str> =
        COLUMNS.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        return Err(ApiError::invalid(format!("the first row lacks the columns {}", missing.join(", "))));
    }
    let places: Vec<usize> = places.into_iter().flatten().collect();
    let mut parsed = Parsed { accepted: Vec::new(), rejected: Vec::new() };
    for (index, record) in reader.byte_records().enumerate() {
        if index >= MOST_ROWS {
            return Err(ApiError::invalid("a file may have at most 5000 rows; split it"));
        }
        let record = record.map_err(unreadable)?;
        let checked = draft(&record, &places).and_then(|draft| floor::check(&draft, catalog, today));
        match checked {
            Ok(row) => parsed.accepted.push((index + 2, row)),
            Err(reason) => parsed.rejected.push((index + 2, reason)),
        }
    }
    Ok(parsed)
}

fn draft(record: &csv::ByteRecord, places: &[usize]) -> Result<Draft, &'static str> {
    let mut cells = [""; COLUMNS.len()];
    for (cell, place) in cells.iter_mut().zip(places) {
        let bytes = record.get(*place).ok_or("the row has too few cells")?;
        *cell = std::str::from_utf8(bytes).map_err(|_| "the row is not UTF-8")?;
    }
    let [date, product, line, shift, units, defects, minutes] = cells;
    Ok(Draft {
        product_code: product.to_owned(),
        line_code: line.to_owned(),
        shift_code: shift.to_owned(),
        production_date: date.parse().map_err(|_| "production_date: write YYYY-MM-DD")?,
        units_produced: units.parse().map_err(|_| "units_produced: must be a whole number")?,
        defect_count: defects.parse().map_err(|_| "defect_count: must be a whole number")?,
        run_minutes: minutes
            .parse::<Decimal>()
            .map_err(|_| "run_minutes: must be a number such as 450 or 450.5")?,
        employees_assigned: None,
        note: None,
    })
}

/// Writes everything in one transaction. A second request with the same key that overtook this one wins.
async fn store(
    app: &App,
    caller: &Caller,
    client_id: &str,
    file: &File,
    parsed: &Parsed,
    jobs: &HashMap<(i64, i64), i64>,
    now: DateTime<Utc>,
) -> Result<Json<Value>, ApiError> {
    let mut rows = Vec::with_capacity(parsed.accepted.len());
    for (number, accepted) in &parsed.accepted {
        let job_id = jobs.get(&(accepted.product_id, accepted.line_id)).ok_or_else(ApiError::internal)?;
        let key = file.key.as_ref().map(|key| row_key(key, *number));
        rows.push(accepted.row(client_id, *job_id, caller.user.id, key, now));
    }
    let transaction = app.db.begin().await?;
    while !rows.is_empty() {
        let batch = rows.split_off(rows.len().saturating_sub(BATCH_ROWS));
        let inserted =
            production_entry::Entity::insert_many(batch).exec_without_returning(&transaction).await;
        match inserted {
            Ok(_) => {}
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                transaction.rollback().await?;
                return file
                    .earlier(app, client_id)
                    .await?
                    .ok_or_else(|| ApiError::conflict("this Idempotency-Key was used for another request"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let log = log_row(caller, client_id, file, parsed, now).insert(&transaction).await?;
    let summary = json!({ "accepted": parsed.accepted.len(), "rejected": parsed.rejected.len() });
    audit::record(
        app,
        &transaction,
        now,
        &caller.actor,
        Deed::new("upload", "import_log", log.id).of(client_id).with(summary),
    )
    .await?;
    transaction.commit().await?;
    Ok(answer(&log))
}

fn log_row(
    caller: &Caller,
    client_id: &str,
    file: &File,
    parsed: &Parsed,
    now: DateTime<Utc>,
) -> import_log::ActiveModel {
    let count = |rows: usize| i32::try_from(rows).unwrap_or(i32::MAX);
    let rejected: Vec<Value> = parsed
        .rejected
        .iter()
        .map(|(row, reason)| json!({ "row": row, "status": "rejected", "reason": reason }))
        .collect();
    import_log::ActiveModel {
        client_id: Set(client_id.to_owned()),
        user_id: Set(Some(caller.user.id)),
        file_name: Set("upload.csv".to_owned()),
        file_digest: Set(file.identity()),
        rows_total: Set(count(parsed.accepted.len() + parsed.rejected.len())),
        rows_imported: Set(count(parsed.accepted.len())),
        rows_rejected: Set(count(parsed.rejected.len())),
        report: Set(json!({ "content": file.digest, "rejected": rejected })),
        raw_head: Set(Some(file.bytes.iter().take(200).copied().collect())),
        is_complete: Set(parsed.rejected.is_empty()),
        created_at: Set(now.naive_utc()),
        ..Default::default()
    }
}

/// Every row of the file with what became of it; the log keeps only those that were rejected.
fn rows(log: &import_log::Model) -> Vec<Value> {
    let rejected = log.report.get("rejected").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut rejected: BTreeMap<i64, Value> =
        rejected.into_iter().filter_map(|row| Some((row.get("row")?.as_i64()?, row))).collect();
    let numbers = FIRST_ROW..FIRST_ROW + i64::from(log.rows_total);
    numbers
        .map(|row| rejected.remove(&row).unwrap_or_else(|| json!({ "row": row, "status": "accepted" })))
        .collect()
}

/// The header is row 1, as a spreadsheet counts.
const FIRST_ROW: i64 = 2;

fn answer(log: &import_log::Model) -> Json<Value> {
    Json(json!({
        "upload_id": log.id,
        "accepted": log.rows_imported,
        "rejected": log.rows_rejected,
        "rows": rows(log),
    }))
}
