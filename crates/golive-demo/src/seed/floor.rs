//! What is ordered and what the floor enters: orders, work orders, jobs, production, attendance, coverage, downtime.

use chrono::{Days, NaiveTime};
use rust_decimal::Decimal;

use super::edges;
use super::people::{ideal_cycle, users_of};
use super::plan::{
    CLIENTS, DAYS, DOWNTIME_REASONS, EMPLOYEES, JOBS, LINES, PRODUCTS, Plan, SHIFTS, any_of, at, client_id,
    each_of, id_of,
};
use super::random::Random;
use crate::entity::enums::{AttendanceStatus, JobStatus, OrderStatus, WorkOrderStatus};
use crate::entity::{
    attendance_entry, coverage_entry, downtime_entry, job, order, production_entry, work_order,
    work_order_note,
};

/// The tenant of a production entry.
pub(super) fn client_of_entry(entry_id: i64) -> i64 {
    (entry_id - 1) % CLIENTS
}

pub(super) fn orders(plan: &Plan) -> impl Iterator<Item = order::Model> {
    const STATES: [OrderStatus; 5] = [
        OrderStatus::Open,
        OrderStatus::Planned,
        OrderStatus::Confirmed,
        OrderStatus::Shipped,
        OrderStatus::Canceled,
    ];
    let (plan, mut random) = (plan.clone(), plan.random("order"));
    each_of(plan.times(10)).map(move |(client, position, id)| order::Model {
        id,
        client_id: client_id(client),
        product_id: id_of(client, PRODUCTS, position),
        owner_id: (!random.one_in(5)).then(|| any_of(client, EMPLOYEES, &mut random)),
        order_number: format!("SO-{:06}", position + 1),
        customer_name: format!("Customer {} & Sons", random.between(1, 60)),
        quantity: random.count(50, 20_000),
        unit_price: edges::hundredths(500, 25_000, &mut random),
        ordered_at: plan.moment_of(client, DAYS, &mut random),
        promised_on: plan.days_ahead(90) - Days::new(random.bits() % 400),
        status: *random.pick(&STATES),
        remarks: random.one_in(3).then(|| edges::long_text(&mut random)),
    })
}

pub(super) fn work_orders(plan: &Plan) -> impl Iterator<Item = work_order::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("work_order"));
    each_of(plan.work_orders()).map(move |(client, position, id)| {
        let due_date = plan.days_ahead(60) - Days::new(random.bits() % 400);
        let planned_quantity = random.count(100, 5_000);
        let status = match (due_date < plan.today(), random.between(0, 9)) {
            (true, 0) => WorkOrderStatus::OnHold,
            (true, 1) => WorkOrderStatus::Canceled,
            (true, _) => WorkOrderStatus::Completed,
            (false, 0..=3) => WorkOrderStatus::Planned,
            (false, 4..=6) => WorkOrderStatus::Released,
            (false, _) => WorkOrderStatus::Running,
        };
        let is_completed = status == WorkOrderStatus::Completed;
        let finished_on = due_date - Days::new(4) + Days::new(random.bits() % 6);
        work_order::Model {
            id,
            client_id: client_id(client),
            number: format!("WO-{:06}", position + 1),
            product_id: product_of_work_order(client, id),
            line_id: line_of_work_order(client, id),
            order_id: (!random.one_in(6)).then(|| id_of(client, plan.times(10), position / 2)),
            planned_quantity,
            completed_quantity: if is_completed { planned_quantity } else { planned_quantity / 3 },
            status,
            priority: random.count(-1, 9),
            planned_start: due_date - Days::new(14),
            due_date,
            completed_at: is_completed.then(|| at(finished_on.min(plan.today()), &mut random)),
            created_at: at(due_date - Days::new(40), &mut random),
        }
    })
}

pub(super) fn work_order_notes(plan: &Plan) -> impl Iterator<Item = work_order_note::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("work_order_note"));
    (1..=plan.times(60)).map(move |id| {
        let client = id % CLIENTS;
        work_order_note::Model {
            id,
            work_order_id: plan.work_order_of(client, &mut random),
            user_id: (!random.one_in(4)).then(|| *random.pick(&users_of(client))),
            body: edges::long_text(&mut random),
            created_at: plan.moment(DAYS, &mut random),
        }
    })
}

pub(super) fn jobs(plan: &Plan) -> impl Iterator<Item = job::Model> {
    const OPERATIONS: [&str; 3] = ["Cutting", "Sewing", "Finishing & packing"];
    let (plan, mut random) = (plan.clone(), plan.random("job"));
    (1..=CLIENTS * plan.work_orders() * JOBS).map(move |id| {
        let (step, started_at) = ((id - 1) % JOBS, plan.moment(DAYS, &mut random));
        let status =
            *random.pick(&[JobStatus::Waiting, JobStatus::Running, JobStatus::Done, JobStatus::Done]);
        job::Model {
            id,
            work_order_id: (id - 1) / JOBS + 1,
            sequence: i32::try_from(step + 1).unwrap_or(1),
            operation: OPERATIONS[usize::try_from(step).unwrap_or(0)].to_owned(),
            standard_minutes: edges::ten_thousandths(1_234, 98_765, &mut random),
            status,
            started_at: (status != JobStatus::Waiting).then_some(started_at),
            finished_at: (status == JobStatus::Done).then(|| started_at + Days::new(random.bits() % 9)),
        }
    })
}

pub(super) fn production_entries(plan: &Plan) -> impl Iterator<Item = production_entry::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("production_entry"));
    let users: Vec<_> = (0..CLIENTS).map(users_of).collect();
    (1..=plan.production_entries()).map(move |id| {
        let client = client_of_entry(id);
        let job_id = plan.job_of(client, &mut random);
        production_entry(&plan, id, job_id, &users[usize::try_from(client).unwrap_or(0)], &mut random)
    })
}

fn production_entry(
    plan: &Plan,
    id: i64,
    job_id: i64,
    users: &[i64],
    random: &mut Random,
) -> production_entry::Model {
    let client = client_of_entry(id);
    let work_order = (job_id - 1) / JOBS + 1;
    // In hundredths of a minute: eight hours, less what was lost.
    let run = 48_000 - random.between(0, 9_000);
    // Per mille of full speed, and of bad units.
    let (speed, bad) = (random.between(720, 1_010), random.between(0, 45));
    let units = (run * 100 * speed / 1_000 / ideal_cycle(product_of_work_order(client, work_order))).max(1);
    let entry_date = plan.day(DAYS, random);
    production_entry::Model {
        id,
        client_id: client_id(client),
        job_id,
        line_id: line_of_work_order(client, work_order),
        shift_id: any_of(client, SHIFTS, random),
        entered_by: (!random.one_in(10)).then(|| *random.pick(users)),
        entry_date,
        units_produced: i32::try_from(units).unwrap_or(i32::MAX),
        units_defective: i32::try_from(units * bad / 1_000).unwrap_or(0),
        run_minutes: Decimal::new(run, 2),
        planned_minutes: Decimal::new(48_000, 2),
        operators_present: random.count(4, 12),
        cycle_minutes: Decimal::new(run * 100 / units, 4),
        note: random.one_in(25).then(|| edges::remark(random)),
        idempotency_key: random.one_in(10).then(|| format!("upload-{id}")),
        created_at: at(entry_date, random),
    }
}

pub(super) fn attendance_entries(plan: &Plan) -> impl Iterator<Item = attendance_entry::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("attendance_entry"));
    let days = (0..plan.recorded_days()).flat_map(|day| each_of(EMPLOYEES).map(move |each| (day, each)));
    (1..).zip(days).map(move |(id, (day, (client, position, employee_id)))| {
        let status = match random.between(0, 19) {
            0 => AttendanceStatus::Absent,
            1 => AttendanceStatus::OnLeave,
            2 | 3 => AttendanceStatus::Late,
            _ => AttendanceStatus::Present,
        };
        let came = matches!(status, AttendanceStatus::Present | AttendanceStatus::Late);
        let worked = if came { random.between(40_000, 48_000) } else { 0 };
        attendance_entry::Model {
            id,
            client_id: client_id(client),
            employee_id,
            shift_id: id_of(client, SHIFTS, position),
            entry_date: plan.days_ago(day),
            status,
            clock_in: came.then(|| clock(6, &mut random)),
            clock_out: came.then(|| clock(14, &mut random)),
            minutes_worked: Decimal::new(worked, 2),
            minutes_absent: Decimal::new(48_000 - worked, 2),
        }
    })
}

pub(super) fn coverage_entries(plan: &Plan) -> impl Iterator<Item = coverage_entry::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("coverage_entry"));
    let days = (0..plan.recorded_days()).flat_map(|day| {
        each_of(LINES)
            .flat_map(move |(client, _, line)| (0..SHIFTS).map(move |shift| (day, client, line, shift)))
    });
    (1..).zip(days).map(move |(id, (day, client, line_id, shift))| {
        let required = random.count(6, 12);
        let present = random.count(4, required + 1);
        coverage_entry::Model {
            id,
            client_id: client_id(client),
            line_id,
            shift_id: id_of(client, SHIFTS, shift),
            entry_date: plan.days_ago(day),
            required,
            present,
            coverage_ratio: f64::from(present) / f64::from(required),
        }
    })
}

pub(super) fn downtime_entries(plan: &Plan) -> impl Iterator<Item = downtime_entry::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("downtime_entry"));
    (1..=plan.times(400)).map(move |id| {
        let client = id % CLIENTS;
        let started_at = plan.moment_of(client, DAYS, &mut random);
        downtime_entry::Model {
            id,
            client_id: client_id(client),
            line_id: any_of(client, LINES, &mut random),
            job_id: (!random.one_in(3)).then(|| plan.job_of(client, &mut random)),
            reason_id: any_of(client, DOWNTIME_REASONS, &mut random),
            entry_date: started_at.date_naive(),
            started_at,
            minutes: edges::hundredths(50, 24_000, &mut random),
            cost: edges::hundredths(-50_000, 1_000_000, &mut random),
            remark: (!random.one_in(3)).then(|| edges::remark(&mut random)),
        }
    })
}

fn product_of_work_order(client: i64, work_order_id: i64) -> i64 {
    id_of(client, PRODUCTS, work_order_id)
}

fn line_of_work_order(client: i64, work_order_id: i64) -> i64 {
    id_of(client, LINES, work_order_id)
}

fn clock(hour: u32, random: &mut Random) -> NaiveTime {
    let minute = u32::try_from(random.between(0, 59)).unwrap_or(0);
    let micro = if random.one_in(3) { 0 } else { u32::try_from(random.between(1, 999_999)).unwrap_or(1) };
    NaiveTime::from_hms_micro_opt(hour, minute, minute / 2, micro).expect("a time of day")
}
