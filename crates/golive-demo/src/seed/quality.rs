//! Inspections and what follows from them: defects, holds, alerts and their history.

use super::edges;
use super::floor::client_of_entry;
use super::people::users_of;
use super::plan::{CLIENTS, DAYS, DEFECT_TYPES, EMPLOYEES, HOLD_REASONS, Plan, any_of, at, client_id};
use super::random::Random;
use crate::entity::{alert, alert_history, defect, hold_entry, quality_entry};

/// One production entry in so many is inspected.
const INSPECTED_EVERY: i64 = 20;

fn inspections(plan: &Plan) -> i64 {
    plan.production_entries() / INSPECTED_EVERY
}

/// The production entry that an inspection looked at.
fn entry_of(inspection_id: i64) -> i64 {
    (inspection_id - 1) * INSPECTED_EVERY + (inspection_id - 1) % CLIENTS + 1
}

/// Some defect of the tenant. The first defect of every inspection has the inspection's own number.
fn defect_of(plan: &Plan, client: i64, random: &mut Random) -> i64 {
    let start = random.between(1, inspections(plan) - CLIENTS);
    let own = (start..start + CLIENTS).find(|id| client_of_entry(entry_of(*id)) == client);
    own.expect("eight inspections in a row belong to eight tenants")
}

pub(super) fn quality_entries(plan: &Plan) -> impl Iterator<Item = quality_entry::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("quality_entry"));
    (1..=inspections(&plan)).map(move |id| {
        let client = client_of_entry(entry_of(id));
        let inspected = random.count(20, 500);
        let bad = random.count(0, inspected / 20);
        let scrapped = random.count(0, bad);
        let entry_date = plan.day(DAYS, &mut random);
        quality_entry::Model {
            id,
            client_id: client_id(client),
            production_entry_id: entry_of(id),
            inspector_id: (!random.one_in(6)).then(|| any_of(client, EMPLOYEES, &mut random)),
            entry_date,
            units_inspected: inspected,
            units_passed: inspected - bad,
            units_reworked: bad - scrapped,
            units_scrapped: scrapped,
            ppm: f64::from(bad) * 1.0e6 / f64::from(inspected),
            inspected_at: at(entry_date, &mut random),
        }
    })
}

pub(super) fn defects(plan: &Plan) -> impl Iterator<Item = defect::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("defect"));
    let inspections = inspections(&plan);
    (1..=inspections * 3 / 2).map(move |id| {
        let inspection = (id - 1) % inspections + 1;
        let client = client_of_entry(entry_of(inspection));
        defect::Model {
            id,
            quality_entry_id: inspection,
            defect_type_id: any_of(client, DEFECT_TYPES, &mut random),
            quantity: random.count(1, 9),
            is_critical: random.one_in(12),
            description: random.one_in(3).then(|| edges::remark(&mut random)),
            photo: random.one_in(30).then(|| random.bytes(200)),
        }
    })
}

pub(super) fn hold_entries(plan: &Plan) -> impl Iterator<Item = hold_entry::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("hold_entry"));
    (1..=plan.times(40)).map(move |id| {
        let client = id % CLIENTS;
        let held_at = plan.moment(DAYS, &mut random);
        let is_released = !random.one_in(4);
        hold_entry::Model {
            id,
            client_id: client_id(client),
            work_order_id: plan.work_order_of(client, &mut random),
            defect_id: (!random.one_in(3)).then(|| defect_of(&plan, client, &mut random)),
            reason_id: any_of(client, HOLD_REASONS, &mut random),
            approved_by: is_released.then(|| *random.pick(&users_of(client))),
            quantity: random.count(1, 800),
            held_at,
            released_at: is_released.then(|| at(held_at.date(), &mut random).max(held_at)),
            status: if is_released { "released" } else { "held" }.to_owned(),
        }
    })
}

pub(super) fn alerts(plan: &Plan) -> impl Iterator<Item = alert::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("alert"));
    (1..=plan.times(50)).map(move |id| {
        let client = id % CLIENTS;
        let has_threshold = random.one_in(2);
        alert::Model {
            id,
            client_id: client_id(client),
            threshold_id: has_threshold.then(|| random.between(1, 6)),
            defect_id: (!has_threshold).then(|| defect_of(&plan, client, &mut random)),
            severity: (*random.pick(&["info", "warning", "critical"])).to_owned(),
            title: format!("Line {} needs a look ⚠", random.between(1, 4)),
            body: edges::long_text(&mut random),
            value: has_threshold.then(|| edges::single(0.3, 0.99, &mut random)),
            status: (*random.pick(&["open", "acknowledged", "resolved"])).to_owned(),
            raised_at: plan.moment_of(client, DAYS, &mut random),
        }
    })
}

/// Two steps for every alert: raised, then taken up.
pub(super) fn alert_histories(plan: &Plan) -> impl Iterator<Item = alert_history::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("alert_history"));
    (0..plan.times(50) * 2).map(move |index| {
        let (alert_id, step) = (index / 2 + 1, index % 2);
        alert_history::Model {
            alert_id,
            step: i32::try_from(step + 1).unwrap_or(1),
            user_id: (step == 1).then(|| *random.pick(&users_of(alert_id % CLIENTS))),
            from_status: (step == 1).then(|| "open".to_owned()),
            to_status: if step == 0 { "open" } else { "acknowledged" }.to_owned(),
            comment: if step == 0 { String::new() } else { edges::remark(&mut random) },
            changed_at: plan.moment(DAYS, &mut random),
        }
    })
}
