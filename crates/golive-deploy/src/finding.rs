//! What an audit says: one finding is one place that is not ready, with the way out.
//!
//! No rule lives here, and no text: texts stand in `explain.rs`, decisions in the audits.

use serde::{Deserialize, Serialize};

use crate::explain::rule;
use crate::suppress::Suppression;

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
    /// What of the line it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The line, unless it might hold a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Why it is not counted, when it is not. It stays in every report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<Suppression>,
    /// The text to underline; its first word unless a rule says otherwise.
    #[serde(skip)]
    pub(crate) token: Option<String>,
}

/// A part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Span {
    /// Its first character, counted from 1.
    pub column: u32,
    /// How many characters.
    pub length: u32,
}

impl Span {
    pub(crate) const fn new(column: u32, length: u32) -> Self {
        Self { column, length }
    }
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
            span: None,
            excerpt: None,
            message: message.into(),
            remedy: remedy.into(),
            suppression: None,
            token: None,
        }
    }

    /// The same finding, at a place.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32) -> Self {
        self.file = Some(file.into());
        self.line = (line > 0).then_some(line);
        self
    }

    /// The same finding, about this part of its line.
    pub(crate) fn about(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Whether it counts: nobody has taken it upon himself.
    pub const fn counts(&self) -> bool {
        self.suppression.is_none()
    }

    /// A finding of one of our rules: severity and remedy come from its text.
    pub(crate) fn of(id: &'static str, message: impl Into<String>) -> Self {
        let rule = rule(id);
        Self::new(id, rule.severity, message, rule.remedy)
    }
}

/// The heaviest severity among findings that count; `None` when there are none.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().filter(|finding| finding.counts()).map(|finding| finding.severity).max()
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
