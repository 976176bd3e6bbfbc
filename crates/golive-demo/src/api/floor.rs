//! The rules of a production entry, whether it comes alone or in a file: what it may say, and which job it counts for.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, JoinType,
    QueryFilter, QuerySelect, RelationTrait, SqlErr, TransactionTrait,
};

use crate::entity::enums::{JobStatus, WorkOrderStatus};
use crate::entity::{job, product, production_entry, production_line, shift, work_order};

/// What a tenant may enter against: its active products, lines and shifts by their codes.
#[derive(Debug)]
pub(crate) struct Catalog {
    products: HashMap<String, i64>,
    lines: HashMap<String, i64>,
    shifts: HashMap<String, (i64, Decimal)>,
}

impl Catalog {
    /// Reads it in three statements.
    pub(crate) async fn read(db: &DatabaseConnection, client_id: &str) -> Result<Self, DbErr> {
        let products: Vec<(String, i64)> = product::Entity::find()
            .select_only()
            .columns([product::Column::Code, product::Column::Id])
            .filter(product::Column::ClientId.eq(client_id))
            .filter(product::Column::IsActive.eq(true))
            .into_tuple()
            .all(db)
            .await?;
        let lines: Vec<(String, i64)> = production_line::Entity::find()
            .select_only()
            .columns([production_line::Column::Code, production_line::Column::Id])
            .filter(production_line::Column::ClientId.eq(client_id))
            .filter(production_line::Column::IsActive.eq(true))
            .into_tuple()
            .all(db)
            .await?;
        let shifts = shift::Entity::find()
            .filter(shift::Column::ClientId.eq(client_id))
            .filter(shift::Column::IsActive.eq(true))
            .all(db)
            .await?;
        let shifts = shifts.into_iter().map(|shift| {
            let minutes = planned_minutes(shift.starts_at, shift.ends_at, shift.break_minutes);
            (shift.code, (shift.id, minutes))
        });
        Ok(Self {
            products: products.into_iter().collect(),
            lines: lines.into_iter().collect(),
            shifts: shifts.collect(),
        })
    }
}

/// The working minutes of a shift; one that ends before it starts runs over midnight.
fn planned_minutes(starts_at: NaiveTime, ends_at: NaiveTime, break_minutes: i32) -> Decimal {
    let mut milliseconds = (ends_at - starts_at).num_milliseconds();
    if milliseconds <= 0 {
        milliseconds += 24 * 3_600_000;
    }
    // A shift that ends at the last microsecond of the day ends at midnight.
    let seconds = (milliseconds + 500) / 1000;
    (Decimal::from(seconds) / Decimal::from(60) - Decimal::from(break_minutes)).max(Decimal::ONE).round_dp(2)
}

/// What somebody wants to enter.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) product_code: String,
    pub(crate) line_code: String,
    pub(crate) shift_code: String,
    pub(crate) production_date: NaiveDate,
    pub(crate) units_produced: i64,
    pub(crate) defect_count: i64,
    pub(crate) run_minutes: Decimal,
    pub(crate) employees_assigned: Option<i64>,
    pub(crate) note: Option<String>,
}

/// An entry that keeps the rules.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) product_id: i64,
    pub(crate) line_id: i64,
    shift_id: i64,
    entry_date: NaiveDate,
    units_produced: i32,
    units_defective: i32,
    run_minutes: Decimal,
    planned_minutes: Decimal,
    operators_present: i32,
    note: Option<String>,
}

const MOST_UNITS: i64 = 1_000_000;
const MINUTES_OF_A_DAY: i64 = 1_440;
const MOST_EMPLOYEES: i64 = 10_000;
const LONGEST_NOTE: usize = 500;

/// Holds a draft against the rules. The reason names the field and never its value.
pub(crate) fn check(draft: &Draft, catalog: &Catalog, today: NaiveDate) -> Result<Accepted, &'static str> {
    let product_id =
        *catalog.products.get(&draft.product_code).ok_or("product_code: no such active product")?;
    let line_id = *catalog.lines.get(&draft.line_code).ok_or("line_code: no such active line")?;
    let (shift_id, planned) =
        *catalog.shifts.get(&draft.shift_code).ok_or("shift_code: no such active shift")?;
    // A plant east of here may already have tomorrow.
    let latest = today.checked_add_days(Days::new(1)).unwrap_or(today);
    let earliest = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or(NaiveDate::MIN);
    if draft.production_date > latest || draft.production_date < earliest {
        return Err("production_date: must not be in the future, nor before the year 2000");
    }
    if !(0..=MOST_UNITS).contains(&draft.units_produced) {
        return Err("units_produced: must be 0 to 1000000");
    }
    if !(0..=draft.units_produced).contains(&draft.defect_count) {
        return Err("defect_count: must be 0 to units_produced");
    }
    let run_minutes = draft.run_minutes.round_dp(2);
    if run_minutes <= Decimal::ZERO || run_minutes > Decimal::from(MINUTES_OF_A_DAY) {
        return Err("run_minutes: must be above 0 and at most 1440");
    }
    let employees = draft.employees_assigned.unwrap_or(1);
    if !(1..=MOST_EMPLOYEES).contains(&employees) {
        return Err("employees_assigned: must be 1 to 10000");
    }
    if draft.note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
        return Err("note: at most 500 characters");
    }
    let small = |number: i64| i32::try_from(number).map_err(|_| "a number is too large");
    Ok(Accepted {
        product_id,
        line_id,
        shift_id,
        entry_date: draft.production_date,
        units_produced: small(draft.units_produced)?,
        units_defective: small(draft.defect_count)?,
        run_minutes,
        planned_minutes: planned.max(run_minutes),
        operators_present: small(employees)?,
        note: draft.note.clone(),
    })
}

impl Accepted {
    /// The row of the fact table.
    pub(crate) fn row(
        &self,
        client_id: &str,
        job_id: i64,
        entered_by: i64,
        idempotency_key: Option<String>,
        now: DateTime<Utc>,
    ) -> production_entry::ActiveModel {
        let units = Decimal::from(self.units_produced.max(1));
        production_entry::ActiveModel {
            client_id: Set(client_id.to_owned()),
            job_id: Set(job_id),
            line_id: Set(self.line_id),
            shift_id: Set(self.shift_id),
            entered_by: Set(Some(entered_by)),
            entry_date: Set(self.entry_date),
            units_produced: Set(self.units_produced),
            units_defective: Set(self.units_defective),
            run_minutes: Set(self.run_minutes),
            planned_minutes: Set(self.planned_minutes),
            operators_present: Set(self.operators_present),
            cycle_minutes: Set((self.run_minutes / units).round_dp(4)),
            note: Set(self.note.clone()),
            idempotency_key: Set(idempotency_key),
            created_at: Set(now.naive_utc()),
            ..Default::default()
        }
    }
}

/// Products and the lines that make them.
pub(crate) type Pairs = BTreeSet<(i64, i64)>;

/// The job that production without a work order counts for: each product on each line has one standing order, made when
/// it is first needed. Runs outside of the caller's transaction, so that two callers who need the same one both find it.
pub(crate) async fn standing_jobs(
    db: &DatabaseConnection,
    client_id: &str,
    pairs: &Pairs,
    now: DateTime<Utc>,
) -> Result<HashMap<(i64, i64), i64>, DbErr> {
    let mut jobs = find_standing(db, client_id, pairs).await?;
    for pair in pairs {
        if jobs.contains_key(pair) {
            continue;
        }
        match make_standing(db, client_id, *pair, now).await {
            Ok(job_id) => {
                jobs.insert(*pair, job_id);
            }
            // Somebody made it at the same moment.
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                jobs.extend(find_standing(db, client_id, &Pairs::from([*pair])).await?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(jobs)
}

fn standing_number((product_id, line_id): (i64, i64)) -> String {
    format!("FLOOR-{product_id}-{line_id}")
}

async fn find_standing(
    db: &DatabaseConnection,
    client_id: &str,
    pairs: &Pairs,
) -> Result<HashMap<(i64, i64), i64>, DbErr> {
    let numbers = pairs.iter().map(|pair| standing_number(*pair));
    let found: Vec<(i64, i64, i64)> = job::Entity::find()
        .select_only()
        .column(work_order::Column::ProductId)
        .column(work_order::Column::LineId)
        .column(job::Column::Id)
        .join(JoinType::InnerJoin, job::Relation::WorkOrder.def())
        .filter(work_order::Column::ClientId.eq(client_id))
        .filter(work_order::Column::Number.is_in(numbers))
        .filter(job::Column::Sequence.eq(1))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(|(product, line, job)| ((product, line), job)).collect())
}

async fn make_standing(
    db: &DatabaseConnection,
    client_id: &str,
    pair: (i64, i64),
    now: DateTime<Utc>,
) -> Result<i64, DbErr> {
    // Due on a day that no report asks for.
    let never = NaiveDate::from_ymd_opt(2099, 12, 31).unwrap_or(NaiveDate::MAX);
    let transaction = db.begin().await?;
    let order = work_order::ActiveModel {
        client_id: Set(client_id.to_owned()),
        number: Set(standing_number(pair)),
        product_id: Set(pair.0),
        line_id: Set(pair.1),
        order_id: Set(None),
        planned_quantity: Set(0),
        completed_quantity: Set(0),
        status: Set(WorkOrderStatus::Running),
        priority: Set(0),
        planned_start: Set(now.date_naive()),
        due_date: Set(never),
        completed_at: Set(None),
        created_at: Set(now.naive_utc()),
        ..Default::default()
    };
    let order = order.insert(&transaction).await?;
    let job = job::ActiveModel {
        work_order_id: Set(order.id),
        sequence: Set(1),
        operation: Set("Production".to_owned()),
        standard_minutes: Set(Decimal::ONE),
        status: Set(JobStatus::Running),
        started_at: Set(Some(now.naive_utc())),
        finished_at: Set(None),
        ..Default::default()
    };
    let job = job.insert(&transaction).await?;
    transaction.commit().await?;
    Ok(job.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        Catalog {
            products: HashMap::from([("P".to_owned(), 1)]),
            lines: HashMap::from([("L".to_owned(), 2)]),
            shifts: HashMap::from([("S".to_owned(), (3, Decimal::from(450)))]),
        }
    }

    fn draft(today: NaiveDate) -> Draft {
        Draft {
            product_code: "P".to_owned(),
            line_code: "L".to_owned(),
            shift_code: "S".to_owned(),
            production_date: today,
            units_produced: 100,
            defect_count: 2,
            run_minutes: Decimal::from(460),
            employees_assigned: None,
            note: None,
        }
    }

    #[test]
    fn a_draft_breaks_one_rule_at_a_time() {
        let today = NaiveDate::from_ymd_opt(2026, 2, 3).unwrap();
        let accepted = check(&draft(today), &catalog(), today).unwrap();
        assert_eq!(accepted.planned_minutes, Decimal::from(460), "never less than what it ran");
        type Break = fn(&mut Draft);
        let broken: [(&str, Break); 9] = [
            ("product_code", |d| d.product_code = "p".to_owned()),
            ("line_code", |d| d.line_code.clear()),
            ("shift_code", |d| d.shift_code = "X".to_owned()),
            ("production_date", |d| d.production_date = d.production_date + Days::new(2)),
            ("units_produced", |d| d.units_produced = -1),
            ("defect_count", |d| d.defect_count = 101),
            ("run_minutes", |d| d.run_minutes = Decimal::ZERO),
            ("employees_assigned", |d| d.employees_assigned = Some(0)),
            ("note", |d| d.note = Some("x".repeat(501))),
        ];
        for (field, break_it) in broken {
            let mut wrong = draft(today);
            break_it(&mut wrong);
            assert!(check(&wrong, &catalog(), today).unwrap_err().starts_with(field), "{field}");
        }
    }

    #[test]
    fn a_shift_over_midnight_has_its_minutes() {
        let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
        assert_eq!(planned_minutes(time(22, 0), time(6, 0), 30), Decimal::from(450));
        let end_of_day = NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999).unwrap();
        assert_eq!(planned_minutes(time(14, 30), end_of_day, 30), Decimal::from(540));
    }
}
