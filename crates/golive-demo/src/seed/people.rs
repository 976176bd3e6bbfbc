//! What a tenant is before it makes anything: preferences, shifts, products, reasons, people, lines, machines.

use chrono::NaiveTime;
use rust_decimal::Decimal;
use serde_json::json;

use super::accounts::ACCOUNTS;
use super::edges;
use super::plan::{
    CLIENTS, DEFECT_TYPES, DOWNTIME_REASONS, EMPLOYEES, HOLD_REASONS, LINES, PRODUCTS, Plan, SHIFTS, any_of,
    client_id, each_of, id_of,
};
use crate::entity::{
    client_config, defect_type, downtime_reason, employee, employee_skill, hold_reason, kpi_threshold,
    machine, product, production_line, saved_filter, shift, user_preference, user_shift,
};

const FIRST_NAMES: [&str; 12] = [
    "Ana", "Björn", "Chidi", "Dolores", "Émile", "Fatima", "Grace", "Hiroshi", "Ines", "Jürgen", "Kofi",
    "Łucja",
];
const LAST_NAMES: [&str; 11] = [
    "Nguyen",
    "O'Neill",
    "García",
    "Kowalski",
    "Smith-Jones",
    "Rossi",
    "Haddad",
    "Ito",
    "Mbeki",
    "Öztürk",
    "Lee",
];
/// Metrics that have thresholds, with the values at which they warn and alarm.
const METRICS: [(&str, f64, f64, &str); 6] = [
    ("efficiency", 0.85, 0.7, "below"),
    ("performance", 0.9, 0.75, "below"),
    ("quality", 0.98, 0.95, "below"),
    ("availability", 0.9, 0.8, "below"),
    ("oee", 0.65, 0.5, "below"),
    ("on_time_delivery", 0.95, 0.9, "below"),
];

/// A name for the person of this number.
pub(super) fn full_name(number: i64) -> String {
    let first = FIRST_NAMES[usize::try_from(number.rem_euclid(12)).unwrap_or(0)];
    let last = LAST_NAMES[usize::try_from((number / 12 + number).rem_euclid(11)).unwrap_or(0)];
    format!("{first} {last}")
}

/// The ids of the accounts of a tenant.
pub(super) fn users_of(client: i64) -> Vec<i64> {
    let key = client_id(client);
    let with_id = ACCOUNTS.iter().zip(1..);
    with_id.filter(|(a, _)| a.client_id == Some(key.as_str())).map(|(_, id)| id).collect()
}

/// Minutes a unit of this product takes at full speed, in ten-thousandths.
pub(super) fn ideal_cycle(product_id: i64) -> i64 {
    2_500 + product_id * 7_919 % 27_500
}

pub(super) fn client_configs(plan: &Plan) -> Vec<client_config::Model> {
    let mut random = plan.random("client_config");
    let rows = (0..CLIENTS).map(|client| client_config::Model {
        client_id: client_id(client),
        otd_grace_days: random.count(0, 2),
        default_cycle_minutes: edges::ten_thousandths(5_000, 20_000, &mut random),
        quality_target_ratio: 0.97 + random.ratio() / 50.0,
        oee_target_ratio: edges::single(0.6, 0.85, &mut random),
        working_days: "mon,tue,wed,thu,fri".to_owned(),
        allows_csv_upload: client != 6,
        dashboard_layout: json!({"tiles": ["oee", "quality", "otd"], "columns": 3, "title": "Übersicht 📈"}),
        notice: (client % 3 == 0).then(|| edges::long_text(&mut random)),
        updated_at: plan.moment(90, &mut random),
    });
    rows.collect()
}

pub(super) fn user_preferences(plan: &Plan) -> Vec<user_preference::Model> {
    let mut random = plan.random("user_preference");
    let mut rows = Vec::new();
    for (user_id, _) in (1..).zip(&ACCOUNTS) {
        for (key, value) in [
            ("language", json!("en")),
            ("theme", json!({"dark": user_id % 2 == 0, "accent": "#00aaff"})),
            ("page-size", json!(25 * (user_id % 4 + 1))),
            ("last note", json!(edges::text(&mut random))),
        ] {
            rows.push(user_preference::Model {
                user_id,
                key: key.to_owned(),
                value,
                updated_at: plan.moment(90, &mut random),
            });
        }
    }
    rows
}

pub(super) fn saved_filters(plan: &Plan) -> Vec<saved_filter::Model> {
    let mut random = plan.random("saved_filter");
    let rows = (1..).zip(&ACCOUNTS).map(|(user_id, account)| saved_filter::Model {
        id: user_id,
        user_id,
        filter_name: format!("My lines, \"{}\"", account.username),
        view_name: "production".to_owned(),
        filter: json!({"lines": [1, 2], "from": "2025-12-01", "text": edges::text(&mut random)}),
        is_default: user_id % 2 == 1,
        created_at: plan.moment(200, &mut random),
    });
    rows.collect()
}

pub(super) fn shifts(_: &Plan) -> Vec<shift::Model> {
    let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).expect("a time of day");
    let rows = each_of(SHIFTS).map(|(client, position, id)| {
        // The late shift ends at the last microsecond of the day, the night shift runs over midnight.
        let end_of_day = NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999).expect("a time of day");
        let (code, name, starts_at, ends_at) = match position {
            0 => ("EARLY", "Early shift", time(6, 0), time(14, 30)),
            1 => ("LATE", "Late shift", time(14, 30), end_of_day),
            _ => ("NIGHT", "Night shift 🌙", time(22, 0), time(6, 0)),
        };
        shift::Model {
            id,
            client_id: client_id(client),
            code: code.to_owned(),
            shift_name: name.to_owned(),
            starts_at,
            ends_at,
            break_minutes: 30,
            is_active: !(client == 5 && position == 2),
        }
    });
    rows.collect()
}

pub(super) fn products(plan: &Plan) -> Vec<product::Model> {
    const NAMES: [&str; 6] = ["T-shirt", "Polo shirt", "Cardigan", "Jeans 5\" hem", "Scarf", "Beanie 🧢"];
    let mut random = plan.random("product");
    let rows = each_of(PRODUCTS).map(|(client, position, id)| product::Model {
        id,
        client_id: client_id(client),
        code: format!("P-{:03}", position + 1),
        product_name: NAMES[usize::try_from(position).unwrap_or(0)].to_owned(),
        description: (position % 3 != 1).then(|| edges::long_text(&mut random)),
        unit: "piece".to_owned(),
        ideal_cycle_minutes: Decimal::new(ideal_cycle(id), 4),
        unit_price: edges::hundredths(199, 19_999, &mut random),
        weight_kg: (position != 5).then(|| edges::single(0.05, 1.4, &mut random)),
        attributes: (position % 2 == 0).then(|| json!({"sizes": ["S", "M", "L"], "colors": {"red": 1.10}})),
        is_active: position != 4,
        created_at: plan.moment(400, &mut random),
    });
    rows.collect()
}

pub(super) fn defect_types(_: &Plan) -> Vec<defect_type::Model> {
    const NAMES: [&str; 5] = ["Broken stitch", "Stain", "Wrong size", "Open seam", "Shade, “off” color"];
    let rows = each_of(DEFECT_TYPES).map(|(client, position, id)| defect_type::Model {
        id,
        client_id: client_id(client),
        code: format!("D{}", position + 1),
        defect_name: NAMES[usize::try_from(position).unwrap_or(0)].to_owned(),
        severity: i32::try_from(position % 3 + 1).unwrap_or(1),
        is_active: true,
    });
    rows.collect()
}

pub(super) fn hold_reasons(_: &Plan) -> Vec<hold_reason::Model> {
    const NAMES: [&str; 3] = ["Quality", "Material missing", "Customer's request"];
    let rows = each_of(HOLD_REASONS).map(|(client, position, id)| hold_reason::Model {
        id,
        client_id: client_id(client),
        code: format!("H{}", position + 1),
        reason_name: NAMES[usize::try_from(position).unwrap_or(0)].to_owned(),
        needs_approval: position != 1,
    });
    rows.collect()
}

pub(super) fn downtime_reasons(_: &Plan) -> Vec<downtime_reason::Model> {
    const NAMES: [&str; 5] = ["Breakdown", "Changeover", "No material", "Maintenance", "Power cut"];
    let rows = each_of(DOWNTIME_REASONS).map(|(client, position, id)| downtime_reason::Model {
        id,
        client_id: client_id(client),
        code: format!("S{}", position + 1),
        reason_name: NAMES[usize::try_from(position).unwrap_or(0)].to_owned(),
        is_planned: matches!(position, 1 | 3),
    });
    rows.collect()
}

/// First the defaults of all tenants, then what each has of its own.
pub(super) fn kpi_thresholds(plan: &Plan) -> Vec<kpi_threshold::Model> {
    let owners = std::iter::once(None).chain((0..CLIENTS).map(Some));
    let each = owners.flat_map(|owner| METRICS.iter().map(move |metric| (owner, metric)));
    let rows = (1..).zip(each).map(|(id, (owner, (metric, warning, critical, condition)))| {
        let shift = owner.map_or(0.0, |client| client as f64 / 300.0);
        kpi_threshold::Model {
            id,
            client_id: owner.map(client_id),
            metric: (*metric).to_owned(),
            warning_value: warning - shift,
            critical_value: critical - shift,
            condition: (*condition).to_owned(),
            effective_from: plan.days_ago(700),
            effective_to: (owner == Some(3)).then(|| plan.days_ahead(30)),
        }
    });
    rows.collect()
}

/// Eight people under each leader, the leaders under the first of them.
pub(super) fn employees(plan: &Plan) -> Vec<employee::Model> {
    let mut random = plan.random("employee");
    let rows = each_of(EMPLOYEES).map(|(client, position, id)| {
        let above = match position {
            0 => None,
            8 | 16 => Some(0),
            _ => Some(position / 8 * 8),
        };
        employee::Model {
            id,
            client_id: client_id(client),
            badge: format!("{:04}", position * 37 + 11),
            full_name: full_name(id),
            user_id: users_of(client).get(usize::try_from(position).unwrap_or(usize::MAX)).copied(),
            supervisor_id: above.map(|above| id_of(client, EMPLOYEES, above)),
            hourly_rate: edges::hundredths(850, 4_250, &mut random),
            hired_on: plan.day(4_000, &mut random),
            left_on: (position == 21).then(|| plan.day(100, &mut random)),
            is_active: position != 21,
        }
    });
    rows.collect()
}

pub(super) fn production_lines(plan: &Plan) -> Vec<production_line::Model> {
    let mut random = plan.random("production_line");
    let rows = each_of(LINES).map(|(client, position, id)| production_line::Model {
        id,
        client_id: client_id(client),
        code: format!("L{}", position + 1),
        line_name: format!("Line {} – {}", position + 1, ["cut", "sew", "knit", "pack"][id as usize % 4]),
        leader_id: (position != 3).then(|| id_of(client, EMPLOYEES, position * 8)),
        operators_planned: random.count(6, 12),
        opened_on: plan.day(5_000, &mut random),
        is_active: true,
    });
    rows.collect()
}

pub(super) fn machines(plan: &Plan) -> Vec<machine::Model> {
    let mut random = plan.random("machine");
    let rows = (1..=CLIENTS * LINES * 3).map(|id| machine::Model {
        id,
        line_id: (id - 1) / 3 + 1,
        serial_number: (id % 5 != 0).then(|| format!("SN-{}-{id}", random.hexadecimal(8))),
        machine_name: format!("Machine {id}"),
        power_kw: edges::single(0.25, 7.5, &mut random),
        calibration: edges::double(&mut random),
        installed_on: plan.day(6_000, &mut random),
        firmware: (id % 4 == 0).then(|| random.bytes(256)),
    });
    rows.collect()
}

pub(super) fn employee_skills(plan: &Plan) -> Vec<employee_skill::Model> {
    let mut random = plan.random("employee_skill");
    let mut rows = Vec::new();
    for (client, position, employee_id) in each_of(EMPLOYEES) {
        for skill in 0..=position % 3 {
            rows.push(employee_skill::Model {
                employee_id,
                product_id: id_of(client, PRODUCTS, position + skill),
                level: random.count(1, 5),
                efficiency_factor: edges::ten_thousandths(6_000, 13_000, &mut random),
                certified_on: (!random.one_in(3)).then(|| plan.day(900, &mut random)),
            });
        }
    }
    rows
}

pub(super) fn user_shifts(plan: &Plan) -> Vec<user_shift::Model> {
    let mut random = plan.random("user_shift");
    let mut rows = Vec::new();
    for client in 0..CLIENTS {
        for user_id in users_of(client) {
            let shift_id = any_of(client, SHIFTS, &mut random);
            let ended = user_shift::Model {
                user_id,
                shift_id,
                valid_from: plan.days_ago(300),
                valid_to: Some(plan.days_ago(101)),
            };
            rows.push(user_shift::Model { valid_from: plan.days_ago(100), valid_to: None, ..ended.clone() });
            rows.push(ended);
        }
    }
    rows
}
