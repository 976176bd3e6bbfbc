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

/// A run that came to its report.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PastRun {
    /// Its name, which is its folder's.
    pub run: String,
    /// What it came to.
    pub report: Report,
    /// When that was last written: a report that is judged anew is written anew.
    pub written: std::time::SystemTime,
}

/// The reports of the runs under `base`, the newest first, of the `most` newest folders. What has no report or a damaged one
/// is left out: nothing can be told of it.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn past_runs(base: &Path, most: usize) -> std::io::Result<Vec<PastRun>> {
    let entries = match std::fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let entry = entry?;
        // `latest` is a link to one of the others.
        if entry.file_type()?.is_dir() {
            runs.extend(entry.file_name().into_string().ok());
        }
    }
    // Names begin with the time.
    runs.sort_unstable_by(|a, b| b.cmp(a));
    runs.truncate(most);
    let past = |run: String| {
        let path = base.join(&run).join("report.json");
        let written = std::fs::metadata(&path).and_then(|about| about.modified()).ok()?;
        let report = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        Some(PastRun { run, report, written })
    };
    Ok(runs.into_iter().filter_map(past).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_runs_are_told_newest_first_and_without_what_has_no_report() {
        let base = tempfile::tempdir().unwrap();
        assert!(past_runs(&base.path().join("nowhere"), 9).unwrap().is_empty());
        let report = golive_gate::judge(&[], &[], &golive_gate::Policy::default(), Default::default());
        for run in ["20260101T1", "20260103T1", "20260102T1", "20260104T1"] {
            std::fs::create_dir(base.path().join(run)).unwrap();
            if run != "20260104T1" {
                write(&report, &base.path().join(run)).unwrap();
            }
        }
        std::os::unix::fs::symlink("20260103T1", base.path().join("latest")).unwrap();
        let names = |most| -> Vec<String> {
            past_runs(base.path(), most).unwrap().into_iter().map(|past| past.run).collect()
        };
        assert_eq!(names(9), ["20260103T1", "20260102T1", "20260101T1"]);
        assert_eq!(names(2), ["20260103T1"], "the newest folder counts, though it has no report");
    }
}
