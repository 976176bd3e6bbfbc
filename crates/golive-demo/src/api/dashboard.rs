//! The KPI dashboard: three set-based statements whatever the period, all sums made by the database. Where nothing was
//! entered a KPI is null; where the database fails the answer is an error; there are no defaults.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Statement};
use serde_json::{Value, json};

use super::caller::Caller;
use super::error::ApiError;
use super::extract::{Params, Period};
use super::production::placeholders;
use super::state::App;

/// A day as the database sums it up. Sums are cast: those of integers and decimals are DECIMAL on MariaDB.
#[derive(Debug, FromQueryResult)]
struct Day {
    entry_date: NaiveDate,
    entries: i64,
    units: f64,
    defects: f64,
    run: f64,
    planned: f64,
}

const DAYS: &str = "SELECT entry_date AS entry_date, COUNT(*) AS entries, CAST(SUM(units_produced) AS DOUBLE) AS units, \
     CAST(SUM(units_defective) AS DOUBLE) AS defects, CAST(SUM(run_minutes) AS DOUBLE) AS run, \
     CAST(SUM(planned_minutes) AS DOUBLE) AS planned FROM production_entry \
     WHERE client_id IN (CLIENTS) AND entry_date >= ? AND entry_date < ? GROUP BY entry_date ORDER BY entry_date";

/// Summed up by job first: a job has thousands of entries and one product. The tenants once more at the end, so that the
/// database starts from their work orders and not from everybody's.
const IDEAL: &str = "SELECT CAST(SUM(g.units * p.ideal_cycle_minutes) AS DOUBLE) AS number FROM \
     (SELECT job_id, SUM(units_produced) AS units FROM production_entry \
     WHERE client_id IN (CLIENTS) AND entry_date >= ? AND entry_date < ? GROUP BY job_id) g \
     JOIN job j ON j.id = g.job_id JOIN work_order w ON w.id = j.work_order_id JOIN product p ON p.id = w.product_id WHERE w.client_id IN (CLIENTS)";

const ON_TIME: &str = "SELECT CAST(SUM(CASE WHEN status = 'completed' AND DATE(completed_at) <= due_date \
     THEN 1 ELSE 0 END) AS DOUBLE) / COUNT(*) AS number FROM work_order \
     WHERE client_id IN (CLIENTS) AND due_date >= ? AND due_date < ? AND status <> 'canceled'";

/// The KPIs of a period and their daily trend.
pub(crate) async fn dashboard(
    State(app): State<App>,
    caller: Caller,
    Params(period): Params<Period>,
) -> Result<Json<Value>, ApiError> {
    let (first, end) = period.days(app.now().date_naive())?;
    let clients = caller.scope.clients(&app.db, period.client_id.as_deref()).await?;
    if clients.is_empty() {
        return Err(ApiError::not_found("client"));
    }
    let ask = Ask { app: &app, clients: &clients, first, end };
    let days = ask.rows(DAYS).await?;
    let days = days.iter().map(|row| Day::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let ideal = ask.number(IDEAL).await?;
    let on_time = ask.number(ON_TIME).await?;
    let sum = |of: fn(&Day) -> f64| days.iter().map(of).sum::<f64>();
    let (units, defects) = (sum(|day| day.units), sum(|day| day.defects));
    let (run, planned) = (sum(|day| day.run), sum(|day| day.planned));
    let availability = ratio(run, planned);
    let performance = ideal.and_then(|ideal| ratio(ideal, run));
    let quality = ratio(units - defects, units);
    let oee = match (availability, performance, quality) {
        (Some(availability), Some(performance), Some(quality)) => {
            rounded(availability * performance * quality)
        }
        _ => None,
    };
    Ok(Json(json!({
        "clients": clients,
        "from": first,
        "to": end.pred_opt(),
        "entries": days.iter().map(|day| day.entries).sum::<i64>(),
        "units_produced": units,
        "defect_count": defects,
        "efficiency": ideal.and_then(|ideal| ratio(ideal, planned)),
        "performance": performance,
        "quality": quality,
        "availability": availability,
        "oee": oee,
        "on_time_delivery": on_time.and_then(rounded),
        "trend": days.iter().map(trend_view).collect::<Vec<_>>(),
    })))
}

fn trend_view(day: &Day) -> Value {
    json!({
        "date": day.entry_date,
        "entries": day.entries,
        "units_produced": day.units,
        "defect_count": day.defects,
        "quality": ratio(day.units - day.defects, day.units),
        "availability": ratio(day.run, day.planned),
    })
}

/// The question that the three statements share.
struct Ask<'a> {
    app: &'a App,
    clients: &'a [String],
    first: NaiveDate,
    end: NaiveDate,
}

impl Ask<'_> {
    async fn rows(&self, sql: &str) -> Result<Vec<QueryResult>, ApiError> {
        let times = sql.matches("CLIENTS").count();
        let sql = sql.replace("CLIENTS", &placeholders(self.clients.len()));
        let mut values: Vec<sea_orm::Value> = self.clients.iter().map(|id| id.as_str().into()).collect();
        values.extend([self.first.into(), self.end.into()]);
        // Where a statement names the tenants again, it does so after the days.
        for _ in 1..times {
            values.extend(self.clients.iter().map(|id| sea_orm::Value::from(id.as_str())));
        }
        let db = &self.app.db;
        Ok(db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?)
    }

    async fn number(&self, sql: &str) -> Result<Option<f64>, ApiError> {
        match self.rows(sql).await?.first() {
            Some(row) => Ok(row.try_get("", "number")?),
            None => Ok(None),
        }
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    if whole > 0.0 { rounded(part / whole) } else { None }
}

/// Six digits: what the two databases sum up differs in the last bit.
fn rounded(number: f64) -> Option<f64> {
    number.is_finite().then(|| (number * 1e6).round() / 1e6)
}
