//! What may be chosen before a verification, and what a plan intended, so that it is no difference.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::core::conversion::Conversion;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::stall;
use crate::survey::SchemaOrigin;

/// What may be chosen before a verification.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Tables that stayed behind by intention.
    pub exclude: BTreeSet<String>,
    /// Foreign keys that were left out by intention, as `table.column` (columns joined by `, `).
    pub left_out_foreign_keys: BTreeSet<String>,
    /// Differences of the schema that a plan declared. A target that golive verified before keeps them itself.
    pub intentions: Intentions,
    /// Mismatches named a table; more are only counted. 20.
    pub mismatches_per_table: usize,
    /// How rows are compared; all of them, one by one.
    pub method: Method,
    /// Connections to the target, and readers of the source, at once: 1 to 8; 2.
    pub connections: usize,
    /// How long the server may take to answer on another connection before the verification is given up; 5 minutes.
    pub stall_timeout: Duration,
    /// Cancelling it ends the verification without a verdict.
    pub cancel: CancellationToken,
}

/// How rows are compared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Method {
    /// Every row of both sides is streamed here and compared, cell by cell.
    #[default]
    Rows,
    /// The server computes a digest over every so many rows, and only ranges whose digests differ are streamed. For a
    /// target that is far away; it costs the server more than reading.
    Digests {
        /// Rows a digest covers.
        chunk_rows: u64,
    },
    /// Ranges of keys chosen at random are compared as by [`Method::Rows`], the others not at all. It never proves.
    Sample(Sample),
}

/// How much is sampled, and by which numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// How much.
    pub size: SampleSize,
    /// The same seed chooses the same ranges of the same source.
    pub seed: u64,
}

/// How much is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SampleSize {
    /// About so many rows of all tables together, and at least one range a table.
    Rows(u64),
    /// So much of every table.
    Percent(f64),
}

impl Sample {
    /// Such a sample.
    pub fn new(size: SampleSize, seed: u64) -> Self {
        Self { size, seed }
    }
}

impl Method {
    /// Digests over 10,000 rows each.
    pub const DIGESTS: Self = Self::Digests { chunk_rows: 10_000 };

    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Digests { .. } => "digests",
            Self::Sample(_) => "sample",
        }
    }
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            exclude: BTreeSet::new(),
            left_out_foreign_keys: BTreeSet::new(),
            intentions: Intentions::default(),
            mismatches_per_table: 20,
            method: Method::Rows,
            connections: 2,
            stall_timeout: stall::DEFAULT_TIMEOUT,
            cancel: CancellationToken::new(),
        }
    }
}

impl VerifyOptions {
    /// Expects what the plan intended: tables that stay behind, foreign keys left out because their finding was
    /// accepted, and everything else that it says it does not carry.
    pub fn for_plan(plan: &Plan) -> Self {
        let mut options = Self { intentions: Intentions::of_plan(plan), ..Self::default() };
        for finding in &plan.findings {
            match (finding.id, &finding.table) {
                ("MIG-EXCLUDED", Some(table)) => {
                    options.exclude.insert(table.clone());
                }
                ("MIG-FK-LENGTH" | "MIG-FK-ORPHAN" | "MIG-FK-TYPE", _)
                    if finding.policy != Some(Policy::Quarantine) =>
                {
                    options.left_out_foreign_keys.insert(finding.place());
                }
                _ => {}
            }
        }
        options
    }
}

/// What a plan declared that it does not carry or carries as something else: findings by `ID:table.column`, with how
/// often each occurs, and the types it gave to columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Intentions {
    /// Findings, by `ID:place`.
    pub findings: BTreeMap<String, u64>,
    /// The planned types, by `table.column`; empty without a plan.
    pub types: BTreeMap<String, String>,
    /// The planned collation.
    pub collation: Option<String>,
    /// What policies make of values on their way, by `table.column`.
    #[serde(default)]
    pub conversions: BTreeMap<String, Vec<Conversion>>,
    /// Whether the tables were made by the application's own migrations, whose word on keys, indexes and defaults counts.
    #[serde(default)]
    pub own_tables: bool,
}

impl Intentions {
    /// What this plan declares.
    pub fn of_plan(plan: &Plan) -> Self {
        let own_tables = plan.schema == SchemaOrigin::Target;
        let collation = (!own_tables).then(|| plan.collation.clone());
        let mut intentions = Self { collation, own_tables, ..Self::default() };
        // What rows are set aside for is carried: it explains nothing that is missing.
        for finding in plan.findings.iter().filter(|finding| finding.policy != Some(Policy::Quarantine)) {
            *intentions.findings.entry(finding.selector()).or_default() += 1;
        }
        for table in &plan.tables {
            for column in &table.columns {
                let place = format!("{}.{}", table.name, column.name);
                if !column.conversions.is_empty() {
                    intentions.conversions.insert(place.clone(), column.conversions.clone());
                }
                intentions.types.insert(place, column.target.to_string());
            }
        }
        intentions
    }

    /// Tables that stayed behind.
    pub(super) fn excluded(&self) -> impl Iterator<Item = String> + '_ {
        self.findings.keys().filter_map(|one| one.strip_prefix("MIG-EXCLUDED:").map(str::to_owned))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.types.is_empty()
    }
}
