//! What a verification says. Never a cell's value: keys and columns only.

use std::collections::BTreeSet;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::plan::Plan;

/// What may be chosen before a verification.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Tables that stayed behind by intention.
    pub exclude: BTreeSet<String>,
    /// Foreign keys that were left out by intention, as `table.column` (columns joined by `, `).
    pub left_out_foreign_keys: BTreeSet<String>,
    /// Mismatches named a table; more are only counted. 20.
    pub mismatches_per_table: usize,
    /// Cancelling it ends the verification without a verdict.
    pub cancel: CancellationToken,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            exclude: BTreeSet::new(),
            left_out_foreign_keys: BTreeSet::new(),
            mismatches_per_table: 20,
            cancel: CancellationToken::new(),
        }
    }
}

impl VerifyOptions {
    /// Expects what the plan intended: tables that stay behind, and foreign keys left out because their finding was
    /// accepted.
    pub fn for_plan(plan: &Plan) -> Self {
        let mut options = Self::default();
        for finding in &plan.findings {
            match (finding.id, &finding.table) {
                ("MIG-EXCLUDED", Some(table)) => {
                    options.exclude.insert(table.clone());
                }
                ("MIG-FK-ORPHAN" | "MIG-FK-TYPE", _) => {
                    options.left_out_foreign_keys.insert(finding.place());
                }
                _ => {}
            }
        }
        options
    }
}

/// Whether target and source agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every row, every column and the schema agree.
    Match,
    /// Something differs.
    Mismatch,
}

/// The result of comparing source and target.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Whether they agree.
    pub verdict: Verdict,
    /// `host:port/database`.
    pub target: String,
    /// Fingerprint of the source that was compared.
    pub source_digest: String,
    /// Digest of the plan by which the target was built, where its journal knows one.
    pub plan_digest: Option<String>,
    /// Whether the source's file changed between copy and verification.
    pub source_changed_since_copy: bool,
    /// Rows of the source that were compared.
    pub rows: u64,
    /// Cells that were compared.
    pub cells: u64,
    /// One entry a table.
    pub tables: Vec<VerifiedTable>,
    /// Where the schema differs.
    pub schema: Vec<SchemaDifference>,
    /// How long it took.
    pub seconds: f64,
}

/// One table's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifiedTable {
    /// Its name.
    pub name: String,
    /// Rows in the source.
    pub rows_source: u64,
    /// Rows in the target.
    pub rows_target: u64,
    /// Columns that were compared.
    pub columns: usize,
    /// Mismatches in all.
    pub mismatch_count: u64,
    /// The first of them.
    pub mismatches: Vec<Mismatch>,
}

impl VerifiedTable {
    pub(super) fn new(name: &str, columns: usize) -> Self {
        Self {
            name: name.to_owned(),
            rows_source: 0,
            rows_target: 0,
            columns,
            mismatch_count: 0,
            mismatches: Vec::new(),
        }
    }

    /// A table that the target does not have.
    pub(super) fn absent(name: &str, rows: u64) -> Self {
        Self { rows_source: rows, mismatch_count: rows, ..Self::new(name, 0) }
    }

    /// Whether both sides agree.
    pub fn is_equal(&self) -> bool {
        self.mismatch_count == 0 && self.rows_source == self.rows_target
    }

    pub(super) fn add(
        &mut self,
        limit: usize,
        kind: MismatchKind,
        key: impl FnOnce() -> String,
        column: Option<&str>,
    ) {
        self.mismatch_count += 1;
        if self.mismatches.len() < limit {
            self.mismatches.push(Mismatch { kind, key: key(), column: column.map(str::to_owned) });
        }
    }
}

/// One cell or row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mismatch {
    /// How it differs.
    pub kind: MismatchKind,
    /// The row's key, as `column=value`.
    pub key: String,
    /// The column, when a cell differs.
    pub column: Option<String>,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MismatchKind {
    /// A cell's content differs.
    Differs,
    /// The row is only in the source.
    MissingInTarget,
    /// The row is only in the target.
    OnlyInTarget,
}

/// One difference between the schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaDifference {
    /// The table.
    pub table: String,
    /// What differs.
    pub what: String,
}

impl SchemaDifference {
    pub(super) fn new(table: &str, what: impl Into<String>) -> Self {
        Self { table: table.to_owned(), what: what.into() }
    }
}

/// The proof that a switch needs: only a verification that matched can make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    target: String,
    source_digest: String,
    plan_digest: Option<String>,
}

impl Verification {
    /// The proof, when everything matched.
    pub fn verified(&self) -> Option<Verified> {
        (self.verdict == Verdict::Match).then(|| Verified {
            target: self.target.clone(),
            source_digest: self.source_digest.clone(),
            plan_digest: self.plan_digest.clone(),
        })
    }

    /// Mismatches of all tables.
    pub fn mismatch_count(&self) -> u64 {
        self.tables.iter().map(|table| table.mismatch_count).sum()
    }
}

impl Verified {
    /// `host:port/database`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Fingerprint of the source that matched.
    pub fn source_digest(&self) -> &str {
        &self.source_digest
    }

    /// Digest of the plan by which the target was built.
    pub fn plan_digest(&self) -> Option<&str> {
        self.plan_digest.as_deref()
    }

    #[cfg(test)]
    pub(crate) fn for_test(target: &str, source_digest: &str) -> Self {
        Self { target: target.to_owned(), source_digest: source_digest.to_owned(), plan_digest: None }
    }
}

/// Why a verification did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The source could not be read.
    #[error("read the source; check that it is on a healthy disk and not moved meanwhile")]
    Source(#[from] rusqlite::Error),
    /// The source's file could not be read.
    #[error("fingerprint the source; check its permissions")]
    Fingerprint(#[source] std::io::Error),
    /// The target could not be read.
    #[error("read the target; check that MariaDB is running and verify again")]
    Target(#[from] mysql_async::Error),
    /// The source was written to meanwhile.
    #[error(
        "verify against a source at rest: it was written to meanwhile, stop the application and verify again"
    )]
    SourceChanged,
    /// A reading thread died.
    #[error("finish reading the source")]
    Worker(#[from] tokio::task::JoinError),
}
