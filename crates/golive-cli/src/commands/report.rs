//! `status` and `report`: where the newest run stands, and what it came to. Both only read.

pub(crate) mod bundle;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use golive::{RunStanding, RunState};
use golive_gate::{Report, Status, StepStatus};

use crate::args::{Form, Format, Global, ReportArgs};
use crate::board::end_text;
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};
use crate::{commands, output};

pub(crate) fn status(global: &Global) -> Result {
    if let Some(standing) = unfinished(global)? {
        return Ok(standing);
    }
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

/// A run that goes on or was cut off has no report; its journal tells how far it came.
fn unfinished(global: &Global) -> std::result::Result<Option<End>, Failure> {
    let config = commands::config_or_nothing(global)?;
    let base = commands::runs(global, &config);
    for (folder, verb) in [("runs", "run"), ("rehearsals", "rehearse")] {
        let Some(standing) = golive::run_standing(&base.join(folder)).map_err(Failure::reach)? else {
            continue;
        };
        let end = match standing.state {
            RunState::GoesOn => End::GoesOn,
            RunState::CutOff => End::NotReady,
            _ => return Ok(None),
        };
        let next = match standing.state {
            RunState::GoesOn => "it goes on; ask again later".to_owned(),
            _ => resume_command(global, verb),
        };
        let mut value = serde_json::to_value(&standing).expect("a standing is plain data");
        value["verb"] = verb.into();
        value["next"] = next.clone().into();
        show(global, &value, || standing_text(&standing, verb, &next));
        return Ok(Some(end));
    }
    Ok(None)
}

/// The command that goes on, with what told this one where the run is.
fn resume_command(global: &Global, verb: &str) -> String {
    let mut command = format!("golive {verb} --resume");
    if global.config != Path::new("golive.toml") {
        command.push_str(&format!(" --config {}", global.config.display()));
    }
    if let Some(directory) = &global.directory {
        command.push_str(&format!(" --directory {}", directory.display()));
    }
    command
}

fn standing_text(standing: &RunStanding, verb: &str, next: &str) -> String {
    let kind = if verb == "run" { "run" } else { "rehearsal" };
    let (state, mark) = match standing.state {
        RunState::GoesOn => ("goes on", "under way"),
        _ => ("was cut off", "cut off in it"),
    };
    let done = standing.steps.iter().filter(|step| step.ended.is_some()).count();
    let clock = |time: DateTime<Utc>| time.format("%F %T UTC").to_string();
    let mut text =
        format!("{kind} {} {state}: {done} of {} steps have ended", standing.run, standing.steps.len());
    if let (Some(from), Some(to)) = (standing.opened_at, standing.last_at) {
        text.push_str(&format!("\nbegun {}, last heard of {}", clock(from), clock(to)));
    }
    let mut waiting = Vec::new();
    for step in &standing.steps {
        match (&step.ended, step.under_way_since) {
            (Some(result), _) => text.push_str(&format!("\n{}", end_text(result))),
            (None, Some(since)) => {
                text.push_str(&format!(
                    "\n  ▸ {:<18} {mark}, since {}  {}",
                    step.id,
                    clock(since),
                    step.title
                ));
            }
            (None, None) => waiting.push(step.id),
        }
    }
    if !waiting.is_empty() {
        text.push_str(&format!("\n  · waiting: {}", waiting.join(", ")));
    }
    text.push_str(&format!("\nnext: {next}\n{}", standing.directory.display()));
    text
}

pub(crate) fn report(global: &Global, args: &ReportArgs) -> Result {
    if let Some(command) = &args.command {
        return bundle::run(global, command);
    }
    let (report, _) = newest(global)?;
    let form = if global.format == Format::Json { Form::Json } else { args.form };
    let text = match form {
        Form::Text => {
            let color = args.output.is_none() && output::is_colored(global);
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
