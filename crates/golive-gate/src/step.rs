//! What the flow tells about each of its steps.
//!
//! What must not be here: how a step works or in which order steps run.

use serde::{Deserialize, Serialize};

use crate::Fact;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// Applied and proved.
    Passed,
    /// Applied or tried, and it did not hold.
    Failed,
    /// Could not be looked at.
    Unknown,
    /// Left out on purpose; the reason says why.
    Skipped,
    /// Only planned: a dry run.
    Planned,
}

impl StepStatus {
    /// The word of the JSON report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Planned => "planned",
        }
    }
}

/// One step of the go-live as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepResult {
    /// Stable identifier, e.g. `migrate.copy`.
    pub id: String,
    /// Phase of the checklist, 0 to 6.
    pub phase: u8,
    /// One line for people.
    pub title: String,
    /// The checklist sections that it serves.
    #[serde(default)]
    pub checklist: Vec<String>,
    /// How it ended.
    pub status: StepStatus,
    /// Wall-clock seconds.
    #[serde(default)]
    pub seconds: f64,
    /// What it was going to do, a line each.
    #[serde(default)]
    pub plan: Vec<String>,
    /// What it observed afterwards.
    #[serde(default)]
    pub proof: Vec<Fact>,
    /// Keys of the facts that this step is there to prove, known before it runs; a missing fact is traced to its step
    /// through these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supplies: Vec<String>,
    /// Why it could not be done, whole chain in one line.
    #[serde(default)]
    pub error: Option<String>,
    /// Why it failed, is unknown or was skipped, when that is no error.
    #[serde(default)]
    pub reason: Option<String>,
}

impl StepResult {
    /// A step with nothing but its name and its end.
    pub fn new(id: impl Into<String>, phase: u8, title: impl Into<String>, status: StepStatus) -> Self {
        Self {
            id: id.into(),
            phase,
            title: title.into(),
            checklist: Vec::new(),
            status,
            seconds: 0.0,
            plan: Vec::new(),
            proof: Vec::new(),
            supplies: Vec::new(),
            error: None,
            reason: None,
        }
    }
}

/// The checklist's name of a phase.
#[must_use]
pub fn phase_title(phase: u8) -> &'static str {
    match phase {
        0 => "Credentials",
        1 => "MariaDB",
        2 => "Redis",
        3 => "Observability",
        4 => "Backup and recovery",
        5 => "Deployment",
        6 => "Performance",
        _ => "Gate",
    }
}
