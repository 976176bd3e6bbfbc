//! `backup drill`: a restore that is compared, or a disaster on disposable servers.

use std::path::PathBuf;

use golive::{
    Disaster, DisasterError, DisasterFailure, DisasterOptions, rehearse_disaster, render_disasters,
};
use serde_json::json;

use super::failure::ToFailure;
use super::{Place, absolute, drill, open, places};
use crate::args::Global;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// What `drill` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    place: Place,
    /// Rehearse a disaster with a copy of the data instead: dropped-table, server-loss, corruption, full-disk,
    /// network-partition or redis-loss. Again for more.
    #[arg(long, value_name = "DISASTER")]
    disaster: Vec<Disaster>,
    /// Write the page of the runbook here, with the commands that were run and what they took.
    #[arg(long, value_name = "FILE", requires = "disaster")]
    page: Option<PathBuf>,
}

const ENDED: &str = "finish the drill: it was ended, and its disposable servers are gone; run it again";

pub(super) async fn run(global: &Global, args: &DrillArgs) -> Result {
    if args.disaster.is_empty() {
        return support::unless_ended(ENDED, drill::run(global, &args.place)).await;
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
    let mut options =
        DisasterOptions::new(program, absolute(folder)?, absolute(key_file)?, id, database, clock::now);
    let meter = Meter::new(global, "rehearsing");
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    // Not cut off: a rehearsal takes away itself what it has made.
    options.cancel =
        support::cancel_when_ended("ending with the command that runs; a second Ctrl-C ends at once");
    for disaster in args.disaster.clone() {
        meter.say(format!("rehearsing {}", disaster.word()));
        let options = options.clone();
        let began = clock::now();
        match blocking(move || rehearse_disaster(&options, disaster)).await {
            Ok(report) => reports.push(report),
            Err(DisasterError::Ended) => {
                meter.clear();
                return Err(Failure::Busy(ENDED.into()));
            }
            // The others are rehearsed all the same, and the page tells of all of them.
            Err(error) => failures.push(DisasterFailure::new(disaster, began, &error)),
        }
    }
    meter.clear();
    let config = commands::config_or_nothing(global)?;
    let page = render_disasters(&config.application.name, &reports, &failures);
    if let Some(path) = &args.page {
        std::fs::write(path, &page).map_err(Failure::reach)?;
    }
    let lost_nothing = reports.iter().all(golive::DisasterReport::lost_nothing);
    show(global, &json!({ "reports": reports, "failed": failures, "lost_nothing": lost_nothing }), || page);
    if failures.iter().any(|failure| failure.is_finding) {
        return Ok(End::NotReady);
    }
    if let Some(unknown) = failures.first() {
        return Err(Failure::reach(format!("rehearse {}: {}", unknown.disaster.word(), unknown.said)));
    }
    // What was lost with a lost server is a measurement, and the gate's policy judges it.
    Ok(End::Ready)
}
