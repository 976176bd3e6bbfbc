//! 4.1: a backup is taken, read back byte by byte, kept for 30 days, and due again every day.

use std::path::PathBuf;

use async_trait::async_trait;
use golive_backup::{
    BackupOptions, Depth, Key, Keys, Manifest, Progress, Repository, Retention, ScheduleOptions, Server,
    create_backup, plan_prune, render_cron, render_systemd, verify_backup,
};

use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct TakeBackup;

#[async_trait]
impl Step for TakeBackup {
    fn about(&self) -> About {
        About::new("backup", 4, "Take a backup, read it back, schedule it daily")
            .checklist(&["4.1"])
            .after(&["verify"])
            .once_ended(&["credentials"])
            .supplies(&[
                "backup.age_hours",
                "backup.verified",
                "backup.scheduled_daily",
                "backup.retention_days",
            ])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let server = server(context)?;
        Ok(Plan::lines(vec![
            format!("dump {} compressed and encrypted into {}", server.label(), folder(context).display()),
            "read every byte of it again".to_owned(),
            format!("write systemd and cron schedules into {}", schedule_folder(context).display()),
            format!(
                "let go of backups older than {} days, never of the last good one",
                context.config.backup.retention_days
            ),
        ]))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let (server, repository) = (server(context)?, repository(context)?);
        let database = database(&server)?;
        let progress = Progress::silent();
        create_backup(&server, &repository, &BackupOptions::new(database), context.now(), &progress)
            .await
            .doing("take a backup")?;
        write_schedule(context)?;
        let retention = retention(context);
        let candidates = repository.scan().doing("list the backups")?.candidates();
        let plan = plan_prune(&candidates, &retention, context.now());
        repository.prune(&plan, &retention, context.now()).doing("let go of old backups").map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let repository = repository(context)?;
        let newest = newest(context, &repository)?;
        let mut seen = Witness::new(
            format!("backup {} in {}", newest.id.as_str(), folder(context).display()),
            context.now(),
        );
        let verified =
            verify_backup(&repository, &newest.id, Depth::Contents, context.now(), &Progress::silent())
                .await
                .doing("read the backup again")?;
        let age = context.now() - newest.created_at;
        seen.saw("backup.age_hours", age.num_seconds().max(0) as f64 / 3600.0)
            .saw("backup.verified", verified.passed())
            .saw("backup.size_bytes", newest.stored_bytes())
            .saw("backup.rows", newest.database().map_or(0, golive_backup::DatabaseFacts::rows))
            .saw("backup.retention_days", retention(context).days);
        for damage in &verified.damage {
            seen.finds(format!("{} {}", damage.part, damage.what));
        }
        let timer = schedule_folder(context).join(TIMER);
        let text = std::fs::read_to_string(&timer).doing(format!("read {}", timer.display()))?;
        seen.source(timer.display().to_string()).saw("backup.scheduled_daily", runs_daily(&text));
        Ok(seen.done())
    }
}

/// `OnCalendar=*-*-* HH:MM:SS` is every day; nothing narrower is.
fn runs_daily(timer: &str) -> bool {
    timer.lines().any(|line| {
        let when = line.trim().strip_prefix("OnCalendar=");
        when.is_some_and(|when| when == "daily" || when.starts_with("*-*-* "))
    })
}

fn write_schedule(context: &Context) -> Result<(), StepError> {
    let config = context.config.path("golive.toml".as_ref());
    let (repository, key) = (folder(context), key_file(context));
    let mut words: Vec<String> = ["golive", "backup", "create"].map(str::to_owned).to_vec();
    for (option, path) in [("--config", config), ("--repository", repository), ("--key", key)] {
        words.extend([option.to_owned(), path.display().to_string()]);
    }
    let mut options = ScheduleOptions::new(words, "golive");
    options.environment_file = Some(super::environment::environment_file(context));
    let units = render_systemd(&options);
    let folder = context.directory.folder("schedule").doing("make the folder of schedules")?;
    for (name, text) in [(SERVICE, units.service), (TIMER, units.timer), (CRON, render_cron(&options))] {
        std::fs::write(folder.join(name), text).doing(format!("write {name}"))?;
    }
    Ok(())
}

fn schedule_folder(context: &Context) -> PathBuf {
    context.directory.path("schedule")
}

fn retention(context: &Context) -> Retention {
    let mut retention = Retention::new();
    retention.days = context.config.backup.retention_days;
    retention
}

/// Where backups lie.
pub(crate) fn folder(context: &Context) -> PathBuf {
    match &context.config.backup.directory {
        Some(folder) => context.config.path(folder),
        None => context.directory.path("backups"),
    }
}

/// The repository, opened with the run's own key; the key is made once.
pub(crate) fn repository(context: &Context) -> Result<Repository, StepError> {
    context.directory.folder("secrets").doing("make the folder of secrets")?;
    let path = key_file(context);
    if !path.exists() {
        Key::generate().write_new(&path).doing("keep the backup key")?;
    }
    let key = Key::read(&path).doing("read the backup key")?;
    Repository::open_local(folder(context), Keys::with_identity(key)).doing("open the backup repository")
}

/// Where the key lies that opens the backups.
pub(crate) fn key_file(context: &Context) -> PathBuf {
    context.directory.secret_path("backup-key")
}

/// The newest backup of the database.
pub(crate) fn newest(context: &Context, repository: &Repository) -> Result<Manifest, StepError> {
    let server = server(context)?;
    let newest = repository.latest(&database(&server)?).doing("look for the newest backup")?;
    newest.ok_or_else(|| StepError::unknown("there is no backup yet"))
}

pub(crate) fn server(context: &Context) -> Result<Server, StepError> {
    Server::parse(&context.target()?).doing("read the target's address")
}

pub(crate) fn database(server: &Server) -> Result<String, StepError> {
    let name = server.database().map(str::to_owned);
    name.ok_or_else(|| StepError::unknown("the target's address names no database"))
}

const SERVICE: &str = "golive-backup.service";
const TIMER: &str = "golive-backup.timer";
const CRON: &str = "golive-backup.cron";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_every_day_counts_as_daily() {
        assert!(runs_daily("[Timer]\nOnCalendar=*-*-* 02:30:00\n"));
        assert!(!runs_daily("[Timer]\nOnCalendar=Mon *-*-* 02:30:00\n"));
        assert!(!runs_daily("[Timer]\n"));
    }
}
