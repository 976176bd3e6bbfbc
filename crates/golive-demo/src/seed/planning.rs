//! Capacity planning: calendar, line capacities, standards, materials, stock, scenarios, schedules, commitments.

use chrono::{Datelike, Weekday};
use rust_decimal::Decimal;
use serde_json::json;

use super::edges;
use super::people::users_of;
use super::plan::{
    CLIENTS, COMPONENTS, LINES, PRODUCTS, Plan, any_of, at, client_id, each_of, id_of, with_offset,
};
use crate::entity::{
    bill_of_material, bom_component, capacity_analysis, capacity_calendar, capacity_commitment,
    capacity_line, capacity_scenario, capacity_schedule, capacity_schedule_item, capacity_standard,
    capacity_stock,
};

/// Scenarios of a tenant: the baseline and what was derived from it.
const SCENARIOS: i64 = 3;
/// Work orders in a schedule.
const ITEMS: i64 = 5;
const ANALYZED_DAYS: u32 = 7;
const CALENDAR_DAYS: u32 = 120;

pub(super) fn calendar(plan: &Plan) -> Vec<capacity_calendar::Model> {
    let mut rows = Vec::new();
    for client in 0..CLIENTS {
        for ahead in 0..CALENDAR_DAYS {
            let work_date = plan.days_ahead(ahead);
            let is_free = matches!(work_date.weekday(), Weekday::Sat | Weekday::Sun) || ahead == 40;
            rows.push(capacity_calendar::Model {
                client_id: client_id(client),
                work_date,
                is_working_day: !is_free,
                hours: Decimal::new(if is_free { 0 } else { 2_350 }, 2),
                holiday_name: (ahead == 40).then(|| "Founder's day".to_owned()),
            });
        }
    }
    rows
}

pub(super) fn lines(plan: &Plan) -> Vec<capacity_line::Model> {
    let mut random = plan.random("capacity_line");
    let rows = each_of(LINES).map(|(_, _, line_id)| capacity_line::Model {
        line_id,
        hours_per_day: edges::hundredths(1_600, 2_350, &mut random),
        efficiency_factor: edges::single(0.7, 0.98, &mut random),
        absence_factor: random.ratio() / 10.0,
        max_operators: random.count(10, 16),
        valid_from: plan.days_ago(365),
    });
    rows.collect()
}

pub(super) fn standards(plan: &Plan) -> Vec<capacity_standard::Model> {
    let mut random = plan.random("capacity_standard");
    let mut rows = Vec::new();
    for (_, _, product_id) in each_of(PRODUCTS) {
        for operation in ["Cutting", "Sewing", "Finishing & packing"] {
            rows.push(capacity_standard::Model {
                product_id,
                operation: operation.to_owned(),
                sam_minutes: edges::ten_thousandths(1_234, 123_456, &mut random),
                setup_minutes: edges::ten_thousandths(0, 450_000, &mut random),
                is_bottleneck: operation == "Sewing",
            });
        }
    }
    rows
}

pub(super) fn bills(plan: &Plan) -> Vec<bill_of_material::Model> {
    let versions =
        each_of(PRODUCTS).flat_map(|(_, _, product_id)| (1..=2).map(move |version| (product_id, version)));
    let rows = (1..).zip(versions).map(|(id, (product_id, version))| bill_of_material::Model {
        id,
        product_id,
        version,
        released_on: (version == 1).then(|| plan.days_ago(200)),
        is_current: version == 1,
    });
    rows.collect()
}

pub(super) fn components(plan: &Plan) -> Vec<bom_component::Model> {
    let mut random = plan.random("bom_component");
    let mut rows = Vec::new();
    for bom_id in 1..=CLIENTS * PRODUCTS * 2 {
        for position in 1..=COMPONENTS {
            rows.push(bom_component::Model {
                bom_id,
                position: i32::try_from(position).unwrap_or(1),
                component_code: component(position),
                component_name: format!("Component #{position} “{}”", random.hexadecimal(4)),
                quantity_per_unit: edges::ten_thousandths(1, 35_000, &mut random),
                waste_ratio: random.ratio() / 20.0,
                unit: "m".to_owned(),
            });
        }
    }
    rows
}

pub(super) fn stock(plan: &Plan) -> Vec<capacity_stock::Model> {
    let mut random = plan.random("capacity_stock");
    let rows = each_of(COMPONENTS).map(|(client, position, _)| capacity_stock::Model {
        client_id: client_id(client),
        component_code: component(position + 1),
        on_hand: edges::ten_thousandths(-2_345_678, 9_999_999, &mut random),
        reserved: edges::ten_thousandths(0, 9_999_999, &mut random),
        unit_cost: edges::hundredths(1, 99_999, &mut random),
        counted_at: (position != 2).then(|| plan.moment(60, &mut random)),
        bin: if position == 3 { String::new() } else { format!("A\\{position}") },
    });
    rows.collect()
}

fn component(position: i64) -> String {
    format!("C-{position:03}")
}

pub(super) fn scenarios(plan: &Plan) -> Vec<capacity_scenario::Model> {
    let mut random = plan.random("capacity_scenario");
    let rows = each_of(SCENARIOS).map(|(client, position, id)| capacity_scenario::Model {
        id,
        client_id: client_id(client),
        parent_id: (position > 0).then_some(id - 1),
        created_by: users_of(client).first().copied(),
        scenario_name: ["Baseline", "Overtime +10 %", "Third shift 🌙"]
            [usize::try_from(position).unwrap_or(0)]
        .to_owned(),
        parameters: json!({
            "overtime_hours": position * 2, "absence": random.ratio(), "lines": [1, 2, 3],
            "label": "a \"quoted\" name", "nested": {"deep": [null, true, -0.5]}
        }),
        results: (position != 2).then(|| json!({"load": random.ratio(), "feasible": position == 0})),
        is_baseline: position == 0,
        created_at: plan.moment(60, &mut random),
    });
    rows.collect()
}

pub(super) fn schedules(plan: &Plan) -> Vec<capacity_schedule::Model> {
    let mut random = plan.random("capacity_schedule");
    let each = each_of(SCENARIOS).flat_map(|(client, _, id)| (0..LINES).map(move |line| (client, id, line)));
    let rows = (1..).zip(each).map(|(id, (client, scenario_id, line))| capacity_schedule::Model {
        id,
        scenario_id,
        capacity_line_id: id_of(client, LINES, line),
        starts_on: plan.today(),
        ends_on: plan.days_ahead(ANALYZED_DAYS),
        status: (*random.pick(&["draft", "released"])).to_owned(),
        load_ratio: random.ratio() * 1.3,
    });
    rows.collect()
}

fn client_of_schedule(schedule_id: i64) -> i64 {
    (schedule_id - 1) / (SCENARIOS * LINES)
}

fn schedule_count() -> i64 {
    CLIENTS * SCENARIOS * LINES
}

pub(super) fn items(plan: &Plan) -> Vec<capacity_schedule_item::Model> {
    let mut random = plan.random("capacity_schedule_item");
    let rows = (1..=schedule_count() * ITEMS).map(|id| {
        let (schedule_id, position) = ((id - 1) / ITEMS + 1, (id - 1) % ITEMS);
        let starts_at = at(plan.days_ahead(u32::try_from(position).unwrap_or(0)), &mut random);
        let minutes = random.between(100_000, 9_000_000);
        capacity_schedule_item::Model {
            id,
            schedule_id,
            work_order_id: plan.work_order_of(client_of_schedule(schedule_id), &mut random),
            position: i32::try_from(position + 1).unwrap_or(1),
            quantity: random.count(10, 2_000),
            minutes: Decimal::new(minutes, 4),
            starts_at,
            ends_at: starts_at + chrono::TimeDelta::microseconds(minutes * 6_000),
        }
    });
    rows.collect()
}

pub(super) fn analyses(plan: &Plan) -> Vec<capacity_analysis::Model> {
    let mut random = plan.random("capacity_analysis");
    let mut rows = Vec::new();
    for schedule_id in 1..=schedule_count() {
        for ahead in 0..ANALYZED_DAYS {
            let (required, available) = (random.between(1_000_000, 14_000_000), 12_345_678);
            rows.push(capacity_analysis::Model {
                schedule_id,
                work_date: plan.days_ahead(ahead),
                required_minutes: Decimal::new(required, 4),
                available_minutes: Decimal::new(available, 4),
                utilization: required as f64 / available as f64,
                is_bottleneck: required > available,
                detail: json!({"operators": random.count(4, 12), "note": edges::text(&mut random)}),
            });
        }
    }
    rows
}

pub(super) fn commitments(plan: &Plan) -> Vec<capacity_commitment::Model> {
    let mut random = plan.random("capacity_commitment");
    let each = plan.times(10);
    let promised = each_of(each).filter(|(_, position, _)| position % 2 == 0);
    let rows = (1..).zip(promised).map(|(id, (client, _, order_id))| {
        let confirmed = plan.moment(30, &mut random);
        capacity_commitment::Model {
            id,
            order_id,
            schedule_item_id: (!random.one_in(3))
                .then(|| any_of(client, SCENARIOS * LINES * ITEMS, &mut random)),
            committed_on: plan.day(30, &mut random),
            quantity: random.count(10, 5_000),
            confidence: edges::single(0.5, 1.0, &mut random),
            confirmed_at: (!random.one_in(4)).then(|| with_offset(client, confirmed)),
            signature: random.one_in(5).then(|| random.bytes(64)),
        }
    });
    rows.collect()
}
