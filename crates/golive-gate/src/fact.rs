//! A fact: one observed value, with where it came from and when.
//!
//! What must not be here: any opinion about the value. That is the criteria table's.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One observed value. Values are never secrets and never cells of somebody's data: they are counts, lengths, grades,
/// durations and yes/no answers, because they end up in a report that is handed around.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fact {
    /// What was observed, e.g. `migrate.tables_verified`.
    pub key: String,
    /// The value: boolean, number or string, as the criterion asks.
    pub value: serde_json::Value,
    /// Where it was seen, in words an auditor can follow: a request, a query, a file, a server.
    pub source: String,
    /// When it was seen.
    pub collected_at: DateTime<Utc>,
}

impl Fact {
    /// A fact with all it needs.
    pub fn new(
        key: impl Into<String>,
        value: impl Into<serde_json::Value>,
        source: impl Into<String>,
        collected_at: DateTime<Utc>,
    ) -> Self {
        Self { key: key.into(), value: value.into(), source: source.into(), collected_at }
    }
}
