//! `status` and `report`: what the newest run came to. Both only read.

use std::path::PathBuf;

use golive_gate::{Report, Status, StepStatus};

use crate::args::{Form, Format, Global, ReportArgs};
use crate::exit::{Failure, Result};
use crate::{commands, output};

pub(crate) fn status(global: &Global) -> Result {
    let (report, folder) = newest(global)?;
    match global.format {
        Format::Json => output::print(&golive_gate::to_json(&report)),
        Format::Text => {
            let ended = |status| report.steps.iter().filter(|step| step.status == status).count();
            output::print(&format!(
                "{} · run {} · {}\nsteps: {} passed, {} failed, {} unknown\ncriteria: {} passed, {} failed, {} unknown\n{}",
                report.application,
                report.run_id,
                report.verdict.as_str(),
                ended(StepStatus::Passed),
                ended(StepStatus::Failed),
                ended(StepStatus::Unknown),
                report.count(Status::Pass),
                report.count(Status::Fail),
                report.count(Status::Unknown),
                folder.display()
            ));
        }
    }
    Ok(super::flow::end(global, &report))
}

pub(crate) fn report(global: &Global, args: &ReportArgs) -> Result {
    let (report, _) = newest(global)?;
    let form = if global.format == Format::Json { Form::Json } else { args.form };
    let text = match form {
        Form::Text => {
            let color = !global.no_color && args.output.is_none() && output::is_terminal();
            golive_gate::to_text(&report, output::width(), color)
        }
        Form::Html => golive_gate::to_html(&report),
        Form::Json => golive_gate::to_json(&report),
        Form::Junit => golive_gate::to_junit(&report),
        Form::Markdown => golive_gate::to_markdown(&report),
    };
    match &args.output {
        Some(path) => golive::write_private(path, text.as_bytes()).map_err(Failure::reach)?,
        None => output::print(&text),
    }
    Ok(super::flow::end(global, &report))
}

/// The newest report, of a production run if there is one, else of a rehearsal.
fn newest(global: &Global) -> std::result::Result<(Report, PathBuf), Failure> {
    let config = commands::config_or_nothing(global)?;
    let base = commands::runs(global, &config);
    golive::read_latest(&base.join("runs"))
        .or_else(|_| golive::read_latest(&base.join("rehearsals")))
        .map_err(Failure::reach)
}
