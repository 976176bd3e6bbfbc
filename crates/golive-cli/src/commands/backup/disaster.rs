//! `backup drill`: a restore that is compared, or a disaster on disposable servers.

use std::path::PathBuf;

use golive::{Disaster, DisasterError, DisasterOptions, rehearse_disaster, render_disasters};
use serde_json::json;

use super::failure::ToFailure;
use super::{Place, drill, open, places};
use crate::args::Global;
use crate::commands::support::{Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// What `drill` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    place: Place,
    /// Rehearse a disaster with a copy of the data instead: dropped-table, server-loss or corruption. Again for more.
    #[arg(long, value_name = "DISASTER")]
    disaster: Vec<Disaster>,
    /// Write the page of the runbook here, with the commands that were run and what they took.
    #[arg(long, value_name = "FILE", requires = "disaster")]
    page: Option<PathBuf>,
}

pub(super) async fn run(global: &Global, args: &DrillArgs) -> Result {
    if args.disaster.is_empty() {
        return drill::run(global, &args.place).await;
    }
    let repository = open(global, &args.place)?;
    let (folder, key_file) = places(global, &args.place)?;
    let all = repository.list().map_err(ToFailure::failure)?;
    let newest =
        all.iter().rev().find_map(|backup| Some((backup.id.clone(), backup.database()?.name.clone())));
    let (id, database) = newest
        .ok_or_else(|| Failure::usage("find a backup of a database: take one with `golive backup create`"))?;
    let program = std::env::current_exe().map_err(Failure::reach)?;
    // The commands run in a folder of their own.
    let absolute = |path: PathBuf| std::path::absolute(path).map_err(Failure::reach);
    let options =
        DisasterOptions::new(program, absolute(folder)?, absolute(key_file)?, id, database, clock::now);
    let meter = Meter::new(global, "rehearsing");
    let mut reports = Vec::new();
    for disaster in args.disaster.clone() {
        meter.say(format!("rehearsing {}", disaster.word()));
        let options = options.clone();
        let report = blocking(move || rehearse_disaster(&options, disaster)).await;
        match report {
            Ok(report) => reports.push(report),
            // It was tried, and the data did not come back: that is a finding.
            Err(error @ (DisasterError::Command { .. } | DisasterError::Unnoticed)) => {
                meter.clear();
                let said = golive::error_chain(&error);
                show(global, &json!({ "reports": reports, "failed": disaster, "said": said }), || {
                    format!("{}: the data did NOT come back: {said}", disaster.word())
                });
                return Ok(End::NotReady);
            }
            Err(error) => return Err(Failure::reach(error)),
        }
    }
    meter.clear();
    let config = commands::config_or_nothing(global)?;
    let page = render_disasters(&config.application.name, &reports);
    if let Some(path) = &args.page {
        std::fs::write(path, &page).map_err(Failure::reach)?;
    }
    let lost_nothing = reports.iter().all(golive::DisasterReport::lost_nothing);
    show(global, &json!({ "reports": reports, "lost_nothing": lost_nothing }), || page);
    // What was lost with a lost server is a measurement, and the gate's policy judges it.
    Ok(End::Ready)
}
