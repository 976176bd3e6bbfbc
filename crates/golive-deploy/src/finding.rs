//! What an audit says: one finding is one place that is not ready, with the way out.
//!
//! No rule lives here, and no text: texts stand in `explain.rs`, decisions in the audits.

use serde::{Deserialize, Serialize};

use crate::explain::rule;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing; readiness does not depend on it.
    Note,
    /// Not how production should look; the gate wants none.
    Warning,
    /// Production must not start like this.
    Error,
}

impl Severity {
    /// The word printed to operators: `error`, `warning` or `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is not as production needs it. It never carries a value of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Stable identity: `CFG-…` for configuration, `DEP-…` for deployment files.
    pub id: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The file it stands in, if it stands in one.
    pub file: Option<String>,
    /// The line in that file, counted from 1.
    pub line: Option<u32>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// A finding of an application's own rule; use an identity of your own, such as `APP-001`.
    pub fn new(
        id: impl Into<String>,
        severity: Severity,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            severity,
            file: None,
            line: None,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The same finding, at a place.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32) -> Self {
        self.file = Some(file.into());
        self.line = (line > 0).then_some(line);
        self
    }

    /// A finding of one of our rules: severity and remedy come from its text.
    pub(crate) fn of(id: &'static str, message: impl Into<String>) -> Self {
        let rule = rule(id);
        Self::new(id, rule.severity, message, rule.remedy)
    }
}

/// The heaviest severity among findings; `None` when there are none.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

/// Puts findings in the order in which an operator reads them: by file, line, weight, identity.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (&a.file, a.line, std::cmp::Reverse(a.severity), &a.id).cmp(&(
            &b.file,
            b.line,
            std::cmp::Reverse(b.severity),
            &b.id,
        ))
    });
}
