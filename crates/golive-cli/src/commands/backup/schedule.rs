//! `backup schedule`: the files that make daily backups happen, and what systemd says of them.
//!
//! Not here: their text (golive-backup), and installing them.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveTime;
use golive_backup::{ScheduleOptions, render_archiver, render_cron, render_systemd};
use golive_sandbox::{ProcessSpec, run_to_end};
use serde_json::json;

use super::{Place, absolute, places};
use crate::args::Global;
use crate::commands;
use crate::commands::support::{blocking, show};
use crate::exit::{End, Failure, Result};

/// What `schedule` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleArgs {
    #[command(flatten)]
    place: Place,
    /// Write the files into this folder; printed unless given.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The account it runs as.
    #[arg(long, default_value = "golive")]
    user: String,
    /// The time of day, UTC; `[backup] daily_at` unless given.
    #[arg(long, value_name = "HH:MM", value_parser = time)]
    at: Option<NaiveTime>,
    /// A file (0600) with `GOLIVE_BACKUP_URL=mysql://...`, which the command reads.
    #[arg(long, value_name = "FILE", default_value = "/etc/golive/backup.env")]
    environment_file: PathBuf,
    /// Take the files of the server instead of a dump.
    #[arg(long)]
    physical: bool,
}

fn time(text: &str) -> std::result::Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| "write it as 02:15".to_owned())
}

const SERVICE: &str = "golive-backup.service";
const ARCHIVER: &str = "golive-archiver.service";

pub(super) async fn run(global: &Global, args: &ScheduleArgs) -> Result {
    let config = commands::config_or_nothing(global)?;
    let program = std::env::current_exe().map_err(Failure::reach)?.display().to_string();
    let (repository, key) = places(global, &args.place)?;
    let (repository, key) = (absolute(repository)?, absolute(key)?);
    let command = |words: &[&str]| {
        let mut all = vec![program.clone(), "backup".to_owned()];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.extend(["--target".to_owned(), "env:GOLIVE_BACKUP_URL".to_owned()]);
        for (option, path) in [("--repository", &repository), ("--key", &key)] {
            all.extend([option.to_owned(), path.display().to_string()]);
        }
        all
    };
    let create: &[&str] = match args.physical {
        true => &["create", "--physical", "--prove", "due"],
        false => &["create", "--prove", "due"],
    };
    let mut options = ScheduleOptions::new(command(create), &args.user);
    options.daily_at = args.at.unwrap_or(config.backup.daily_at);
    options.environment_file = Some(args.environment_file.clone());
    let mut archiver = options.clone();
    archiver.command = command(&["archive-binlog"]);
    let units = render_systemd(&options);
    let files = [
        (SERVICE, units.service),
        ("golive-backup.timer", units.timer),
        (ARCHIVER, render_archiver(&archiver)),
        ("golive-backup.cron", render_cron(&options)),
    ];
    let checked = check(&files).await?;
    if let Some(into) = &args.into {
        std::fs::create_dir_all(into).map_err(Failure::reach)?;
        for (name, text) in &files {
            std::fs::write(into.join(name), text).map_err(Failure::reach)?;
        }
    }
    let texts: serde_json::Map<_, _> =
        files.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
    show(global, &json!({ "files": texts, "into": args.into, "systemd": checked }), || {
        let mut lines: Vec<String> = match &args.into {
            Some(into) => files.iter().map(|(name, _)| into.join(name).display().to_string()).collect(),
            None => files.iter().map(|(name, text)| format!("# {name}\n{text}")).collect(),
        };
        lines.push(match &checked {
            None => "not checked: there is no systemd-analyze on this machine".to_owned(),
            Some(complaints) if complaints.is_empty() => "systemd-analyze finds nothing wrong".to_owned(),
            Some(complaints) => format!("systemd-analyze says:\n{}", complaints.join("\n")),
        });
        lines.join("\n")
    });
    Ok(if checked.is_some_and(|complaints| !complaints.is_empty()) { End::NotReady } else { End::Ready })
}

/// What systemd itself says of the units; `None` where it is not.
async fn check(files: &[(&str, String)]) -> std::result::Result<Option<Vec<String>>, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::reach)?;
    let mut names = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| !name.ends_with(".cron")) {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map_err(Failure::reach)?;
        names.push(path);
    }
    let spec = ProcessSpec::new("systemd-analyze").argument("verify").arguments(names);
    let Ok(ended) = blocking(move || run_to_end(spec, Duration::from_secs(60))).await else {
        return Ok(None);
    };
    // It also speaks of whatever else is wrong on the machine.
    let ours = ended.errors.lines().filter(|line| line.contains("golive-"));
    Ok(Some(ours.map(str::to_owned).collect()))
}
