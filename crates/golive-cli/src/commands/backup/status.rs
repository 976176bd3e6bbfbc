//! `backup status`: whether the backups may be relied on.

use std::path::PathBuf;

use chrono::TimeDelta;
use golive_backup::Expectations;

use super::failure::ToFailure;
use super::{Place, advice, open};
use crate::args::Global;
use crate::clock;
use crate::commands::support::{blocking, show};
use crate::exit::{End, Failure, Result};

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    place: Place,
    /// The database; the one in the newest backup unless given.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// The newest backup may be this old.
    #[arg(long, value_name = "HOURS", default_value_t = 26)]
    max_age_hours: u32,
    /// The newest compared restore may be this old.
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    max_unproven_days: u32,
    /// The archive of the binary log may be behind by this much; unless given, none is expected.
    #[arg(long, value_name = "SECONDS")]
    max_lag_seconds: Option<u32>,
    /// A restore must be done within this time: whether a dump or files suit that is said.
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    restore_within_minutes: u32,
    /// Also write metrics here, for the textfile collector of Prometheus' node exporter.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

pub(super) async fn run(global: &Global, args: &StatusArgs) -> Result {
    let repository = open(global, &args.place)?;
    let newest = || {
        let all = repository.list().map_err(ToFailure::failure)?;
        let dumped = all.iter().rev().filter_map(|manifest| manifest.database());
        let copied = all.iter().rev().filter_map(|manifest| manifest.physical());
        // Of a whole server only where there is no doubt which.
        let alone = copied.filter_map(|facts| match facts.databases.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        let name = dumped.chain(alone).map(|facts| facts.name.clone()).next();
        name.ok_or_else(|| {
            Failure::usage("choose a database: there is no backup of any yet, so give --database NAME")
        })
    };
    let database = args.database.clone().map_or_else(newest, Ok)?;
    let mut expected = Expectations::new();
    expected.oldest_backup = TimeDelta::hours(args.max_age_hours.into());
    expected.oldest_proof = TimeDelta::days(args.max_unproven_days.into());
    expected.archive_lag = args.max_lag_seconds.map(|seconds| TimeDelta::seconds(seconds.into()));
    let health = repository.health(&database, &expected, clock::now()).map_err(ToFailure::failure)?;
    let every = TimeDelta::hours(i64::from(args.max_age_hours)) - GRACE;
    let (reading, named) = (repository.clone(), database.clone());
    let loss = blocking(move || reading.possible_loss(&named, every, clock::now())).await;
    let loss = loss.map_err(ToFailure::failure)?;
    let all = repository.list().map_err(ToFailure::failure)?;
    let of_this = all.iter().rev().find(|manifest| manifest.database_named(&database).is_some());
    let advice = of_this.and_then(|manifest| advice(manifest, args.restore_within_minutes));
    if let Some(path) = &args.metrics {
        // Whole or not at all: the collector may read at any moment.
        let fresh = path.with_extension("partial");
        std::fs::write(&fresh, health.metrics()).map_err(Failure::reach)?;
        std::fs::rename(&fresh, path).map_err(Failure::reach)?;
    }
    let mut value = serde_json::to_value(&health).expect("a judgement is plain data");
    value["possible_loss"] = serde_json::to_value(&loss).expect("a loss is plain data");
    value["engine"] = serde_json::to_value(&advice).expect("advice is plain data");
    show(global, &value, || {
        let mut lines = vec![format!(
            "backups of {database}: {}",
            if health.is_good() { "good" } else { "NOT to be relied on" }
        )];
        lines.extend(health.findings.iter().map(|finding| format!("  {finding}")));
        lines.extend(
            loss.iter()
                .map(|loss| format!("  at most {:.0} s would be lost now, by {}", loss.seconds, loss.basis)),
        );
        lines.extend(advice.iter().map(|advice| format!("  {advice}")));
        lines.join("\n")
    });
    Ok(if health.is_good() { End::Ready } else { End::NotReady })
}

/// A backup may take so long, or begin so late, and still be the daily one.
const GRACE: TimeDelta = TimeDelta::hours(2);
