//! The report: what was judged, how, and from what. The shape of the JSON that `run`, `rehearse` and `gate` print.
//!
//! What must not be here: judging and rendering.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Figure, StepResult, Waiver};

/// Version of the report's JSON shape; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// The answer to "may we go live?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every criterion passed or is waived.
    Go,
    /// At least one criterion failed.
    NoGo,
    /// None failed, but at least one could not be judged.
    Inconclusive,
}

impl Verdict {
    /// The word of the JSON report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::NoGo => "no_go",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// How a criterion, or one piece of its evidence, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Proved.
    Pass,
    /// Proved not to be so.
    Fail,
    /// Not proved either way.
    Unknown,
    /// Let pass by a waiver; the result under it is in [`CriterionResult::underlying`].
    Waived,
}

impl Status {
    /// The word of the JSON report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Waived => "waived",
        }
    }
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// May we go live?
    pub verdict: Verdict,
    /// The application's name.
    pub application: String,
    /// The run that the report is about.
    pub run_id: String,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// When it was judged.
    pub finished_at: DateTime<Utc>,
    /// The steps as they went.
    pub steps: Vec<StepResult>,
    /// The thirteen.
    pub criteria: Vec<CriterionResult>,
    /// The numbers worth remembering.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// What deserves attention without deciding anything.
    pub warnings: Vec<String>,
}

impl Report {
    /// Says what the report is about; [`judge`](crate::judge) leaves this empty.
    #[must_use]
    pub fn of_run(
        mut self,
        application: impl Into<String>,
        run_id: impl Into<String>,
        started_at: DateTime<Utc>,
    ) -> Self {
        self.application = application.into();
        self.run_id = run_id.into();
        self.started_at = started_at;
        self
    }

    /// One criterion by its key.
    #[must_use]
    pub fn criterion(&self, key: &str) -> Option<&CriterionResult> {
        self.criteria.iter().find(|c| c.key == key)
    }

    /// How many criteria have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.criteria.iter().filter(|c| c.status == status).count()
    }
}

/// One criterion, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CriterionResult {
    /// 1 to 13.
    pub number: u8,
    /// Stable name.
    pub key: String,
    /// The checklist's line.
    pub title: String,
    /// How it stands.
    pub status: Status,
    /// What it would be without its waiver; only when waived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying: Option<Status>,
    /// The waiver in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
    /// What must be so.
    pub expected: String,
    /// What was found.
    pub actual: String,
    /// One entry a requirement.
    pub evidence: Vec<Evidence>,
}

impl CriterionResult {
    /// The status that the evidence alone gives.
    #[must_use]
    pub fn judged(&self) -> Status {
        self.underlying.unwrap_or(self.status)
    }
}

/// One requirement with what was found about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Key of the fact.
    pub fact: String,
    /// What must be so, in words.
    pub says: String,
    /// What the value must be.
    pub expected: String,
    /// What it is; `None` (JSON null) when nobody observed it.
    pub value: Option<Value>,
    /// Pass, fail or unknown.
    pub status: Status,
    /// Why it is unknown, or what went wrong in the step that was to show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it was seen.
    pub source: Option<String>,
    /// When it was seen.
    pub collected_at: Option<DateTime<Utc>>,
}
