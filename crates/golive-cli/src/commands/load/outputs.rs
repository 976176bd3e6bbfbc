//! The files of a load report.
//!
//! Not here: what is in them.

use std::path::{Path, PathBuf};

use golive_load::LoadReport;

use crate::exit::Failure;

/// Where a report goes, beside the terminal.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Outputs {
    /// Write the report as a page with charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the thresholds as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the figures in Prometheus' text format, e.g. for a text-file collector.
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
    /// Write the report as JSON; it can be the baseline of a later run.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Outputs {
    /// Writes what was asked for; each file appears whole.
    pub(crate) fn write(&self, report: &LoadReport) -> Result<(), Failure> {
        let json = || serde_json::to_string_pretty(report).expect("reports are plain data");
        let put = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
            Some(path) => whole(path, &text()),
            None => Ok(()),
        };
        put(&self.html, &|| golive_load::to_html(report))?;
        put(&self.junit, &|| golive_load::to_junit(report))?;
        put(&self.prometheus, &|| golive_load::to_prometheus(report))?;
        put(&self.json, &json)
    }
}

/// A report that an earlier run wrote.
pub(super) fn read(path: &Path) -> Result<LoadReport, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::reach(format!("read the baseline {}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!(
            "read the baseline {}: it is no report of a load test ({error})",
            path.display()
        ))
    })
}

fn whole(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::reach(format!("write {}: {error}", path.display()));
    let part = path.with_extension("part");
    std::fs::write(&part, text).map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)
}
