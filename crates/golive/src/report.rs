//! The report of a run: judged from the journal's facts, written in every form beside it.
//!
//! Not here: the judgement (golive-gate).

use std::path::{Path, PathBuf};

use golive_gate::{Report, StepResult};
use thiserror::Error;

use crate::context::Context;
use crate::run_dir::{RunDirectoryError, write_private};

/// Why the report could not be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteReportError {
    /// The folder.
    #[error("write the report")]
    File(#[source] RunDirectoryError),
    /// There is no report yet.
    #[error("read the report {path}: there is no run yet, or it goes on or was cut off: `golive status` says which", path = path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a report.
    #[error("understand the report {path}: it is damaged or of another version", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Judges what the steps have shown.
pub(crate) fn judge(context: &Context, results: Vec<StepResult>) -> Report {
    let facts: Vec<_> = results.iter().flat_map(|result| result.proof.clone()).collect();
    let now = context.now();
    let started = context.journal.opened_at().unwrap_or(now);
    let mut report = golive_gate::judge(&facts, &results, &context.config.gate, now);
    report.application.clone_from(&context.config.application.name);
    report.run_id = context.directory.run().to_owned();
    report.started_at = started;
    report
}

/// Writes the report as JSON, HTML, Markdown and JUnit.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<(), WriteReportError> {
    let forms = [
        ("report.json", golive_gate::to_json(report)),
        ("report.html", golive_gate::to_html(report)),
        ("report.md", golive_gate::to_markdown(report)),
        ("report.xml", golive_gate::to_junit(report)),
    ];
    for (name, text) in forms {
        write_private(&folder.join(name), text.as_bytes()).map_err(WriteReportError::File)?;
    }
    Ok(())
}

/// The report of the newest run under `base`.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn read_latest(base: &Path) -> Result<(Report, PathBuf), WriteReportError> {
    let folder = base.join("latest");
    let path = folder.join("report.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|source| WriteReportError::Missing { path: path.clone(), source })?;
    let report = serde_json::from_str(&text)
        .map_err(|source| WriteReportError::Damaged { path: path.clone(), source })?;
    Ok((report, std::fs::canonicalize(&folder).unwrap_or(folder)))
}
