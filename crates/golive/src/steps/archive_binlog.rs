//! 4.1, 4.3: the binary log is archived as it is written, so that a lost server costs seconds and not a day.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use golive_backup::{ArchiveStatus, Repository, ScheduleOptions, render_archiver};
use golive_sandbox::{Process, ProcessSpec};

use super::backup::{
    environment_file, installed, repository, schedule_folder, scheduled_command, with_schedule_environment,
};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct ArchiveBinlog;

#[async_trait]
impl Step for ArchiveBinlog {
    fn about(&self) -> About {
        About::new("archive-binlog", 4, "Archive the binary log as it is written")
            .checklist(&["4.1", "4.3"])
            .after(&["backup"])
            .supplies(&["backup.binlog_lag_seconds"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let unit = schedule_folder(context).join(ARCHIVER);
        let runs = match context.rehearsal {
            Some(_) => "keep its command running until the rehearsal ends",
            None => "look whether it is installed, and how far it is behind",
        };
        Ok(Plan::lines(vec![format!("write {}", unit.display()), runs.to_owned()]))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let mut options = ScheduleOptions::new(command(context), "golive");
        options.environment_file = Some(environment_file(context));
        let unit = schedule_folder(context).join(ARCHIVER);
        std::fs::write(&unit, render_archiver(&options)).doing(format!("write {}", unit.display()))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        keep_archiving(context).await?;
        let repository = repository(context)?;
        let archive = repository.binlogs();
        let now = context.now();
        let mut seen = Witness::new(format!("the archive in {}", archive.directory().display()), now);
        if let Err(why) = installed(context, "golive-archiver.service") {
            seen.could_not(why);
        }
        match status(&repository)? {
            None => {
                seen.could_not("no binary log was ever archived here");
            }
            Some(ArchiveStatus { problem: Some(problem), .. }) => {
                seen.finds(problem);
            }
            Some(status) => match status.lag_seconds(now) {
                Some(lag) => {
                    seen.saw("backup.binlog_lag_seconds", lag);
                }
                None => {
                    seen.could_not("the archive was never complete");
                }
            },
        }
        Ok(seen.done())
    }
}

/// In a rehearsal, the command of the unit runs from here on, as the unit would; also where an earlier process of this run
/// took it with it. Waits until the archive is complete.
pub(super) async fn keep_archiving(context: &Context) -> Result<(), StepError> {
    if context.rehearsal.is_none() {
        return Ok(());
    }
    let mut archiver = context.archiver.lock().await;
    if archiver.as_ref().is_none_or(|running| !running.is_running()) {
        let command = command(context);
        let (program, arguments) = command.split_first().expect("a command has a program");
        let log = context.directory.folder("logs").doing("make the folder of logs")?.join("archiver.log");
        let spec = ProcessSpec::new(program).arguments(arguments.to_vec()).output(log);
        let spec = with_schedule_environment(context, spec)?;
        *archiver = Some(Process::start(spec).doing("start the archiver of the binary log")?);
    }
    let (repository, asked, began) = (repository(context)?, context.now(), Instant::now());
    while began.elapsed() < COMPLETE_WITHIN {
        let complete = status(&repository)?.and_then(|status| status.caught_up_at);
        if complete.is_some_and(|complete| complete >= asked) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(StepError::Refused(format!(
        "the binary log was not completely archived within {} s; logs/archiver.log of this run says why",
        COMPLETE_WITHIN.as_secs()
    )))
}

fn status(repository: &Repository) -> Result<Option<ArchiveStatus>, StepError> {
    repository.binlogs().status().doing("read how the archive of the binary log stands")
}

fn command(context: &Context) -> Vec<String> {
    scheduled_command(context, &["archive-binlog"])
}

const ARCHIVER: &str = "golive-archiver.service";
/// It reconnects by itself, at the latest after half a minute.
const COMPLETE_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(200);
