//! What a verification says. Never a cell's value: keys and columns only.

use serde::Serialize;

use super::options::{Intentions, Method};

/// Whether target and source agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every row, every column and the schema agree.
    Match,
    /// What was sampled and the schema agree. Nothing is known of the rest, so this proves nothing.
    SampleMatch,
    /// Something differs.
    Mismatch,
}

/// The result of comparing source and target.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Whether they agree.
    pub verdict: Verdict,
    /// `rows`, `digests` or `sample`.
    pub method: &'static str,
    /// What was sampled, when it was a sample.
    pub sample: Option<Sampled>,
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
    /// Views that both sides have, compared by what they show.
    pub views: Vec<VerifiedTable>,
    /// Where the schema differs, and nobody is known to have intended it.
    pub schema: Vec<SchemaDifference>,
    /// Where the schema differs as the plan declared.
    pub intended: Vec<SchemaDifference>,
    /// The target's foreign keys, each with the rows whose parent is missing.
    pub foreign_keys: Vec<CheckedForeignKey>,
    /// Bytes that the server sent for all of this.
    pub bytes_from_target: u64,
    /// How long it took.
    pub seconds: f64,
}

/// What a sample covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sampled {
    /// The seed: with it the same ranges are chosen again.
    pub seed: u64,
    /// Rows that were compared.
    pub rows: u64,
    /// Rows of the source in all.
    pub of_rows: u64,
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
    /// Rows of the source that were compared: all of them, but for a sample.
    pub rows_compared: u64,
    /// Columns that were compared.
    pub columns: usize,
    /// Ranges of keys that were digested, and how many of them differed; 0 where rows were streamed.
    pub chunks: u64,
    /// Of them those that differed.
    pub chunks_differing: u64,
    /// Rows of the source that a policy set aside and that are there, unchanged.
    pub set_aside: u64,
    /// Mismatches in all; at least so many where digests or a table without key left some unnamed.
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
            rows_compared: 0,
            columns,
            chunks: 0,
            chunks_differing: 0,
            set_aside: 0,
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
        self.mismatch_count == 0 && self.rows_source == self.rows_target + self.set_aside
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

    /// Rows that lie aside and are not in the source so.
    pub(super) fn add_aside(&mut self, rows: u64, limit: usize) {
        let key = || "a row in `_golive_migrate_quarantine`".to_owned();
        self.add(limit, MismatchKind::SetAsideDiffers, key, None);
        self.mismatch_count += rows - 1;
    }

    /// Takes in what was found in a further range of the same table.
    pub(super) fn join(&mut self, part: Self, limit: usize) {
        self.rows_source += part.rows_source;
        self.rows_target += part.rows_target;
        self.rows_compared += part.rows_compared;
        self.chunks += part.chunks;
        self.chunks_differing += part.chunks_differing;
        self.set_aside += part.set_aside;
        self.mismatch_count += part.mismatch_count;
        self.mismatches.extend(part.mismatches);
        self.mismatches.truncate(limit);
    }
}

/// One cell or row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mismatch {
    /// How it differs.
    pub kind: MismatchKind,
    /// The row's key, as `column=value`; a range of keys where rows of it are only known to differ.
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
    /// A row that was set aside is not in the source as it lies there, or is in the target too.
    SetAsideDiffers,
}

/// What of a schema differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// A table is missing or only in the target.
    Table,
    /// A view is missing, only in the target, or has other columns.
    View,
    /// A column is missing or only in the target.
    Column,
    /// A column's type.
    Type,
    /// Whether a column takes NULL.
    Nullability,
    /// A column's default.
    Default,
    /// Whether a column is computed.
    Generated,
    /// A CHECK constraint.
    Check,
    /// The storage engine.
    Engine,
    /// A character set or collation.
    Collation,
    /// The primary key.
    PrimaryKey,
    /// A unique key.
    UniqueKey,
    /// An index.
    Index,
    /// A foreign key, its action, or rows without a parent.
    ForeignKey,
    /// Which column numbers new rows, or the number it would give next.
    NextNumber,
    /// A trigger.
    Trigger,
}

/// Whether a difference was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Intended {
    /// The plan declares it.
    Yes,
    /// No plan declares such a thing: somebody or something changed the target.
    No,
    /// A survey declares such things, but no plan was given and the target keeps none. It counts as a difference.
    Unknown,
}

/// One difference between the schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaDifference {
    /// The table or view.
    pub table: String,
    /// What differs.
    pub kind: Difference,
    /// What differs, in words.
    pub what: String,
    /// The finding by which a survey declares it, where there is one.
    pub finding: Option<&'static str>,
    /// Whether it was meant.
    pub intended: Intended,
    #[serde(skip)]
    candidates: Vec<(&'static str, String)>,
}

impl SchemaDifference {
    pub(super) fn new(table: &str, kind: Difference, what: impl Into<String>) -> Self {
        Self {
            table: table.to_owned(),
            kind,
            what: what.into(),
            finding: None,
            intended: Intended::No,
            candidates: Vec::new(),
        }
    }

    /// A survey declares it under one of these ids, at `table.part`, or at the table.
    pub(super) fn declared(self, findings: &[&'static str], part: Option<&str>) -> Self {
        self.declared_at(findings, &[part])
    }

    /// Likewise, at any of these parts.
    pub(super) fn declared_at(mut self, findings: &[&'static str], parts: &[Option<&str>]) -> Self {
        let place = |part: &Option<&str>| {
            part.map_or_else(|| self.table.clone(), |part| format!("{}.{part}", self.table))
        };
        let places: Vec<String> = parts.iter().map(place).collect();
        self.finding = findings.first().copied();
        self.candidates = findings
            .iter()
            .flat_map(|id| places.iter().map(move |place| (*id, format!("{id}:{place}"))))
            .collect();
        self
    }

    /// Settles whether it was meant; each declaration covers as many differences as it was made for.
    pub(super) fn settle(&mut self, intentions: &mut Intentions) {
        let lost =
            matches!(self.kind, Difference::Table | Difference::Column) && self.what.ends_with("is missing");
        if intentions.own_tables && !lost {
            self.intended = Intended::Yes;
            return;
        }
        if self.candidates.is_empty() {
            return;
        }
        let planned = !intentions.is_empty();
        for (id, candidate) in &self.candidates {
            if let Some(left) = intentions.findings.get_mut(candidate).filter(|left| **left > 0) {
                *left -= 1;
                self.finding = Some(id);
                self.intended = Intended::Yes;
                return;
            }
        }
        self.intended = if planned { Intended::No } else { Intended::Unknown };
    }
}

/// A foreign key of the target, proven by an anti-join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckedForeignKey {
    /// The referring table.
    pub table: String,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: String,
    /// Rows whose parent is missing.
    pub orphans: u64,
}

/// The proof that a switch needs: only a verification of everything that matched can make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    target: String,
    source_digest: String,
    plan_digest: Option<String>,
    rows: u64,
}

impl Verification {
    /// The proof, when everything was compared and matched. A sample never gives one.
    ///
    /// ```
    /// # fn demo(verification: &golive_migrate::Verification) {
    /// if verification.verdict == golive_migrate::Verdict::SampleMatch {
    ///     assert!(verification.verified().is_none());
    /// }
    /// # }
    /// ```
    pub fn verified(&self) -> Option<Verified> {
        (self.verdict == Verdict::Match && self.sample.is_none()).then(|| Verified {
            target: self.target.clone(),
            source_digest: self.source_digest.clone(),
            plan_digest: self.plan_digest.clone(),
            rows: self.rows,
        })
    }

    /// Mismatches of all tables and views.
    pub fn mismatch_count(&self) -> u64 {
        self.tables.iter().chain(&self.views).map(|table| table.mismatch_count).sum()
    }

    /// The verdict that follows from everything else.
    pub(super) fn judge(&self, method: Method) -> Verdict {
        let content = self.tables.iter().chain(&self.views).all(VerifiedTable::is_equal);
        match method {
            _ if !content || !self.schema.is_empty() => Verdict::Mismatch,
            Method::Sample(_) => Verdict::SampleMatch,
            _ => Verdict::Match,
        }
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

    /// Rows that were compared.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    #[cfg(test)]
    pub(crate) fn for_test(target: &str, source_digest: &str) -> Self {
        Self {
            target: target.to_owned(),
            source_digest: source_digest.to_owned(),
            plan_digest: None,
            rows: 0,
        }
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
    /// The target keeps no recorded state.
    #[error(
        "compare {target} with what was recorded at cut-over: nothing was recorded there, which `golive migrate switch` does; verify against the source"
    )]
    NothingRecorded {
        /// The target.
        target: String,
    },
    /// A recorded state cannot be read.
    #[error("read the state recorded in {target}: {what}")]
    Recorded {
        /// The target.
        target: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It was cancelled.
    #[error("finish the verification: it was cancelled, verify again")]
    Cancelled,
    /// A reading thread died.
    #[error("finish reading the source")]
    Worker(#[from] tokio::task::JoinError),
}
