//! The numbers that people remember of a go-live, picked from the facts.
//!
//! What must not be here: judgement. A figure that nobody measured is left out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One number with its name and unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// Key of the fact that it comes from.
    pub fact: String,
    /// What it is, for people.
    pub label: String,
    /// The number or word.
    pub value: Value,
    /// Unit, empty when it has none.
    pub unit: String,
}

/// Picks the figures that were measured, in the table's order.
pub(crate) fn pick<'a>(newest: impl Fn(&str) -> Option<&'a Value>) -> Vec<Figure> {
    FIGURES
        .iter()
        .filter_map(|&(fact, label, unit)| {
            let value = newest(fact)?;
            if !(value.is_number() || value.is_string()) {
                return None;
            }
            Some(Figure {
                fact: fact.to_owned(),
                label: label.to_owned(),
                value: value.clone(),
                unit: unit.to_owned(),
            })
        })
        .collect()
}

const FIGURES: &[(&str, &str, &str)] = &[
    ("migrate.tables_verified", "tables verified", ""),
    ("migrate.rows_verified", "rows verified", ""),
    ("migrate.cells_verified", "cells verified", ""),
    ("migrate.rows_per_second", "copy speed", "rows/s"),
    ("tls.grade", "TLS grade", ""),
    ("load.dashboard_p95_ms", "dashboard p95", "ms"),
    ("load.dashboard_p99_ms", "dashboard p99", "ms"),
    ("load.entry_p95_ms", "entry p95", "ms"),
    ("load.upload_p95_ms", "upload p95", "ms"),
    ("load.requests", "requests under load", ""),
    ("load.requests_per_second", "throughput", "req/s"),
    ("load.error_rate", "error rate", ""),
    ("recovery.rto_seconds", "time to recover", "s"),
    ("recovery.rpo_seconds", "data lost at most", "s"),
    ("backup.age_hours", "newest backup", "h old"),
    ("backup.size_bytes", "backup size", "bytes"),
    ("backup.retention_days", "backups kept", "days"),
    ("ci.checks", "CI checks", ""),
    ("secret.length", "secret key", "chars"),
];
