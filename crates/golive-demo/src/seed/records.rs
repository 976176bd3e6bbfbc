//! What the platform keeps about itself: tokens, audit log, event store, import log.

use chrono::TimeDelta;
use serde_json::json;

use super::accounts::ACCOUNTS;
use super::edges;
use super::people::users_of;
use super::plan::{CLIENTS, DAYS, Plan, client_id, with_offset};
use super::random::Random;
use crate::entity::{audit_log, event_store, import_log, refresh_token, revoked_token};

const ACCOUNT_COUNT: i64 = ACCOUNTS.len() as i64;

/// Refresh tokens that have all run out; nobody knows what they were digests of.
pub(super) fn refresh_tokens(plan: &Plan) -> Vec<refresh_token::Model> {
    let mut random = plan.random("refresh_token");
    let rows = (1..=ACCOUNT_COUNT * 3).map(|id| {
        let issued_at = plan.moment(60, &mut random) - TimeDelta::days(30);
        refresh_token::Model {
            id,
            user_id: (id - 1) % ACCOUNT_COUNT + 1,
            token_digest: random.hexadecimal(64),
            family: identifier(&mut random),
            issued_at,
            expires_at: issued_at + TimeDelta::days(14),
            used_at: random.one_in(2).then(|| issued_at + TimeDelta::minutes(30)),
        }
    });
    rows.collect()
}

pub(super) fn revoked_tokens(plan: &Plan) -> Vec<revoked_token::Model> {
    let mut random = plan.random("revoked_token");
    let rows = (1..=plan.times(20)).map(|id| {
        let revoked_at = plan.moment(30, &mut random);
        revoked_token::Model {
            jti: identifier(&mut random),
            user_id: (id % 7 != 0).then(|| id % ACCOUNT_COUNT + 1),
            reason: (*random.pick(&["logout", "password_changed", "deactivated"])).to_owned(),
            revoked_at,
            expires_at: revoked_at + TimeDelta::minutes(30),
        }
    });
    rows.collect()
}

pub(super) fn audit_logs(plan: &Plan) -> impl Iterator<Item = audit_log::Model> {
    const ACTIONS: [&str; 5] = ["login", "login_failed", "create", "update", "deactivate"];
    let (plan, mut random) = (plan.clone(), plan.random("audit_log"));
    (1..=plan.times(500)).map(move |id| {
        let user_id = random.between(1, ACCOUNT_COUNT);
        let account = &ACCOUNTS[usize::try_from(user_id - 1).unwrap_or(0)];
        let is_known = !random.one_in(20);
        audit_log::Model {
            id,
            user_id: is_known.then_some(user_id),
            client_id: account.client_id.map(str::to_owned),
            username: if is_known { account.username.to_owned() } else { edges::text(&mut random) },
            action: (*random.pick(&ACTIONS)).to_owned(),
            entity: "user".to_owned(),
            entity_key: user_id.to_string(),
            details: random.one_in(2).then(|| json!({"before": null, "after": edges::text(&mut random)})),
            address: if random.one_in(3) { "2001:db8::17".to_owned() } else { format!("192.0.2.{user_id}") },
            request_id: (!random.one_in(4)).then(|| identifier(&mut random)),
            created_at: plan.moment(DAYS, &mut random),
        }
    })
}

/// One stream a tenant, numbered without gaps.
pub(super) fn events(plan: &Plan) -> impl Iterator<Item = event_store::Model> {
    const TYPES: [&str; 4] = ["entry.created", "entry.corrected", "order.released", "hold.released"];
    let (plan, mut random) = (plan.clone(), plan.random("event_store"));
    (1..=plan.times(2_000)).map(move |id| {
        let client = id % CLIENTS;
        let recorded_at = plan.moment(DAYS, &mut random);
        event_store::Model {
            id,
            client_id: (!random.one_in(50)).then(|| client_id(client)),
            user_id: random.one_in(2).then(|| *random.pick(&users_of(client))),
            stream: format!("tenant/{}", client_id(client)),
            sequence: (id - 1) / CLIENTS + 1,
            event_type: (*random.pick(&TYPES)).to_owned(),
            payload: json!({
                "units": random.count(-5, 900), "minutes": random.ratio() * 480.0, "big": 9_007_199_254_740_993_i64,
                "remark": edges::text(&mut random), "tags": ["näh", "🪡"], "empty": {}, "none": null
            }),
            occurred_at: with_offset(client, recorded_at - TimeDelta::milliseconds(1_250)),
            recorded_at,
        }
    })
}

pub(super) fn import_logs(plan: &Plan) -> impl Iterator<Item = import_log::Model> {
    let (plan, mut random) = (plan.clone(), plan.random("import_log"));
    (1..=plan.times(20)).map(move |id| {
        let client = id % CLIENTS;
        let rejected = if random.one_in(3) { random.count(1, 9) } else { 0 };
        import_log::Model {
            id,
            client_id: client_id(client),
            user_id: Some(*random.pick(&users_of(client))),
            file_name: format!("week {} – “final” (2).csv", random.between(1, 52)),
            file_digest: random.hexadecimal(64),
            rows_total: 1_000,
            rows_imported: 1_000 - rejected,
            rows_rejected: rejected,
            report: json!({"rejected": (0..rejected).map(|row| json!({"row": row + 2, "reason": "no such job"})).collect::<Vec<_>>()}),
            raw_head: random.one_in(2).then(|| b"\xef\xbb\xbfjob,shift,date;\r\n\0\x1a\\\"".to_vec()),
            is_complete: rejected == 0,
            created_at: plan.moment(DAYS, &mut random),
        }
    })
}

fn identifier(random: &mut Random) -> String {
    let digits = random.hexadecimal(32);
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}
