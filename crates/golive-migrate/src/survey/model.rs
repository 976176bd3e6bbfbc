//! What a survey hands on: plain data, serializable, from which a plan is made. No I/O, no decision.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::core::census::Census;
use crate::core::conversion::Conversion;
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::policy::Policies;

/// The collation that compares as SQLite does: byte by byte, trailing spaces included.
pub const DEFAULT_COLLATION: &str = "utf8mb4_nopad_bin";

/// Who makes the tables in the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SchemaOrigin {
    /// golive, from the source's schema and data.
    #[default]
    Source,
    /// The application's own migrations, which ran before: rows go into the tables that are there, by name.
    Target,
}

/// What may be chosen before a survey.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SurveyOptions {
    /// The collation of every table. The default, `utf8mb4_nopad_bin`, keeps SQLite's meaning: `'a'`, `'A'` and
    /// `'a '` are three values in comparisons and in unique keys. Any other may make unique keys collide.
    pub collation: String,
    /// MariaDB types over what the survey would propose, by `table.column` or by the type that the source declares.
    pub column_types: BTreeMap<String, String>,
    /// Tables that stay behind.
    pub exclude: BTreeSet<String>,
    /// What was decided about findings.
    pub policies: Policies,
    /// Who makes the tables.
    pub schema: SchemaOrigin,
    /// Whether findings show the values of their examples, which may be anybody's data.
    pub show_values: bool,
    /// Cancelling it ends the survey, which changes nothing anyway.
    pub cancel: CancellationToken,
}

impl Default for SurveyOptions {
    fn default() -> Self {
        Self {
            collation: DEFAULT_COLLATION.to_owned(),
            column_types: BTreeMap::new(),
            exclude: BTreeSet::new(),
            policies: Policies::default(),
            schema: SchemaOrigin::default(),
            show_values: false,
            cancel: CancellationToken::new(),
        }
    }
}

/// What was found in a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Survey {
    /// Fingerprint of the source as it was surveyed.
    pub source_digest: String,
    /// The collation that was asked for.
    pub collation: String,
    /// Who makes the tables.
    pub schema: SchemaOrigin,
    /// What was decided before the survey.
    pub policies: Policies,
    /// The tables that will move, by name.
    pub tables: Vec<SurveyedTable>,
    /// The views that are carried.
    pub views: Vec<SurveyedView>,
    /// Everything that would go wrong, change or deserves to be known; the gravest first.
    pub findings: Vec<Finding>,
}

impl Survey {
    /// Whether anything stands in the way of a plan.
    pub fn blocks(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Blocks)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// One table of the source and what it becomes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SurveyedTable {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its columns, in order.
    pub columns: Vec<SurveyedColumn>,
    /// Its primary key's columns, in key order; may be empty.
    pub primary_key: Vec<String>,
    /// The column that numbers new rows, and the next number.
    pub auto_increment: Option<(String, u64)>,
    /// The name under which SQLite's row number can be read; `None` for WITHOUT ROWID tables.
    pub rowid_name: Option<String>,
    /// Unique keys and indexes that are carried.
    pub indexes: Vec<SurveyedIndex>,
    /// Foreign keys that are carried.
    pub foreign_keys: Vec<SurveyedForeignKey>,
    /// CHECK constraints that can be carried.
    pub checks: Vec<SurveyedCheck>,
    /// Whether it is a WITHOUT ROWID table.
    pub without_rowid: bool,
}

/// One CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SurveyedCheck {
    /// In MariaDB's words.
    pub clause: String,
    /// In SQLite's words.
    pub source: String,
    /// Rows that break it.
    pub breaking: u64,
    /// Whether those rows are set aside.
    pub quarantine: bool,
}

/// One view that is carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SurveyedView {
    /// Its name.
    pub name: String,
    /// The statement that makes it in MariaDB.
    pub create: String,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SurveyedColumn {
    /// Its name.
    pub name: String,
    /// Its type as the source declares it.
    pub declared: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The proposed MariaDB type.
    pub target: TargetType,
    /// The default in MariaDB's words.
    pub default: Option<String>,
    /// The expression of a generated column in MariaDB's words; such a column is computed, not copied.
    pub generated: Option<String>,
    /// Conversions that policies ask for; the first that applies to a value is made.
    pub conversions: Vec<Conversion>,
    /// Whether rows whose value does not fit are set aside.
    pub quarantine: bool,
    /// What the column holds.
    pub census: Census,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SurveyedIndex {
    /// Its name in MariaDB.
    pub name: String,
    /// Whether it is a unique key.
    pub unique: bool,
    /// Its columns, in order.
    pub columns: Vec<SurveyedIndexColumn>,
    /// The hidden column by which a unique key holds only where its condition does.
    pub helper: Option<SurveyedHelper>,
    /// Whether rows that collide in it are set aside, all but the first of each.
    pub quarantine: bool,
}

/// An invisible column that MariaDB computes, so that a unique key can have a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SurveyedHelper {
    /// Its name, which begins with `_golive`.
    pub name: String,
    /// Its expression: 1 where the key binds, NULL where it does not.
    pub expression: String,
}

/// One column of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SurveyedIndexColumn {
    /// Its name.
    pub name: String,
    /// Whether it is ordered downward.
    pub descending: bool,
    /// How many characters or bytes of a long column are indexed.
    pub prefix: Option<u32>,
}

/// One foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SurveyedForeignKey {
    /// Its name in MariaDB.
    pub name: String,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: String,
    /// The columns referred to, in the same order.
    pub parent_columns: Vec<String>,
    /// `RESTRICT`, `CASCADE`, `SET NULL` or `NO ACTION`.
    pub on_delete: String,
    /// Likewise for updates.
    pub on_update: String,
    /// Rows whose parent is missing.
    pub orphans: u64,
    /// Whether those rows are set aside.
    pub quarantine: bool,
}
