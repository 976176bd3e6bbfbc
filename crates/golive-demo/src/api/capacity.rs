//! Capacity analysis: what the open work orders of a period ask of each line against what the line can do. Two
//! statements and one stored result, whatever the number of lines.

use axum::Json;
use axum::extract::State;
use chrono::{Datelike, NaiveDate, Weekday};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, FromQueryResult, Statement, TransactionTrait,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Deed};
use super::caller::Caller;
use super::error::ApiError;
use super::extract::{Body, Period};
use super::state::App;
use crate::entity::capacity_scenario;

/// What to analyze; the next days from `from` to `to`, both included.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    client_id: Option<String>,
    #[schema(value_type = Option<String>, format = "date")]
    from: Option<NaiveDate>,
    #[schema(value_type = Option<String>, format = "date")]
    to: Option<NaiveDate>,
}

#[derive(Debug, FromQueryResult)]
struct Line {
    line_code: String,
    demand: Option<f64>,
    hours: Option<f64>,
    efficiency: Option<f64>,
    absence: Option<f64>,
}

const LINES: &str = "SELECT l.code AS line_code, d.demand AS demand, CAST(c.hours_per_day AS DOUBLE) AS hours, \
     CAST(c.efficiency_factor AS DOUBLE) AS efficiency, CAST(c.absence_factor AS DOUBLE) AS absence \
     FROM production_line l LEFT JOIN capacity_line c ON c.line_id = l.id LEFT JOIN \
     (SELECT w.line_id AS line_id, \
     CAST(SUM((w.planned_quantity - w.completed_quantity) * p.ideal_cycle_minutes) AS DOUBLE) AS demand \
     FROM work_order w JOIN product p ON p.id = w.product_id \
     WHERE w.client_id = ? AND w.due_date >= ? AND w.due_date < ? \
     AND w.status IN ('planned', 'released', 'running') AND w.planned_quantity > w.completed_quantity \
     GROUP BY w.line_id) d ON d.line_id = l.id \
     WHERE l.client_id = ? AND l.is_active = ? ORDER BY l.code";

const WORKING_DAYS: &str = "SELECT COUNT(*) AS known, CAST(SUM(CASE WHEN is_working_day THEN 1 ELSE 0 END) AS DOUBLE) \
     AS working FROM capacity_calendar WHERE client_id = ? AND work_date >= ? AND work_date < ?";

/// What a line can do where nobody has said: an eight-hour day.
const DEFAULT_HOURS: f64 = 8.0;

/// Analyzes and stores the result.
pub(crate) async fn analyze(
    State(app): State<App>,
    caller: Caller,
    Body(question): Body<Question>,
) -> Result<Json<Value>, ApiError> {
    let client_id = caller.scope.client(&app.db, question.client_id.as_deref()).await?;
    let period = Period { client_id: None, from: question.from, to: question.to };
    let now = app.now();
    let (first, end) = period.days(now.date_naive())?;
    let working_days = working_days(&app, &client_id, first, end).await?;
    let lines: Vec<Value> =
        read_lines(&app, &client_id, first, end).await?.iter().map(|line| view(line, working_days)).collect();
    let row = capacity_scenario::ActiveModel {
        client_id: Set(client_id.clone()),
        parent_id: Set(None),
        created_by: Set(Some(caller.user.id)),
        scenario_name: Set(format!("Analysis {first} to {}", end.pred_opt().unwrap_or(end))),
        parameters: Set(json!({ "from": first, "until": end, "working_days": working_days })),
        results: Set(Some(json!({ "lines": lines }))),
        is_baseline: Set(false),
        created_at: Set(now.naive_utc()),
        ..Default::default()
    };
    let transaction = app.db.begin().await?;
    let row = row.insert(&transaction).await?;
    audit::record(
        &app,
        &transaction,
        now,
        &caller.actor,
        Deed::new("analyze", "capacity_scenario", row.id).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    Ok(Json(json!({ "analysis_id": row.id, "working_days": working_days, "lines": lines })))
}

fn view(line: &Line, working_days: f64) -> Value {
    let daily = line.hours.unwrap_or(DEFAULT_HOURS) * 60.0;
    let share = line.efficiency.unwrap_or(1.0) * (1.0 - line.absence.unwrap_or(0.0));
    let (demand, capacity) = (line.demand.unwrap_or(0.0), working_days * daily * share);
    let utilization = (capacity > 0.0).then(|| to_digits(demand / capacity, 1e6));
    json!({
        "line_code": line.line_code,
        "demand_minutes": to_digits(demand, 1e4),
        "capacity_minutes": to_digits(capacity, 1e4),
        "utilization": utilization,
    })
}

fn to_digits(number: f64, scale: f64) -> f64 {
    (number * scale).round() / scale
}

async fn read_lines(
    app: &App,
    client_id: &str,
    first: NaiveDate,
    end: NaiveDate,
) -> Result<Vec<Line>, ApiError> {
    let values = [client_id.into(), first.into(), end.into(), client_id.into(), true.into()];
    let statement = Statement::from_sql_and_values(app.db.get_database_backend(), LINES, values);
    let rows = app.db.query_all_raw(statement).await?;
    Ok(rows.iter().map(|row| Line::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// The working days of the tenant's calendar; Monday to Friday where it has none for the period.
async fn working_days(app: &App, client_id: &str, first: NaiveDate, end: NaiveDate) -> Result<f64, ApiError> {
    let values = [client_id.into(), first.into(), end.into()];
    let statement = Statement::from_sql_and_values(app.db.get_database_backend(), WORKING_DAYS, values);
    if let Some(row) = app.db.query_one_raw(statement).await?
        && row.try_get::<i64>("", "known")? > 0
    {
        return Ok(row.try_get::<Option<f64>>("", "working")?.unwrap_or(0.0));
    }
    let weekdays = first.iter_days().take_while(|day| *day < end);
    let working = weekdays.filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)).count();
    Ok(f64::from(u32::try_from(working).unwrap_or(0)))
}
