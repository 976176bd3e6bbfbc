//! 4.1: a backup is taken, read back byte by byte, kept for 30 days, and due again every day.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use golive_backup::{
    BackupId, Depth, Expectations, HealthFinding, Key, Keys, Manifest, Progress, ProofLevel, RemoteOptions,
    Repository, Retention, ScheduleOptions, Server, plan_prune, render_cron, render_systemd, verify_backup,
};
use golive_sandbox::{ProcessSpec, run_to_end};
use secrecy::ExposeSecret;

use crate::context::Context;
use crate::run_dir::write_private;
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
        let repository = repository(context)?;
        let command = write_schedule(context)?;
        let newest = || newest(context, &repository).ok().map(|manifest| manifest.id);
        let before = newest();
        // What the schedule will run every day is what takes this backup: a schedule that was never run proves nothing.
        run_scheduled(context, &command).await?;
        let after = newest();
        if after.is_none() || after == before {
            return Err(StepError::Refused(
                "the scheduled command ended well, and left no new backup".to_owned(),
            ));
        }
        after.map(|id| context.keep_note(SCHEDULED, id.as_str())).transpose()?;
        let retention = retention(context);
        let candidates = repository.scan().doing("list the backups")?.candidates();
        let plan = plan_prune(&candidates, &retention, context.now());
        repository.prune(&plan, &retention, context.now()).doing("let go of old backups").map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let repository = repository(context)?;
        let newest = newest(context, &repository)?;
        let verified =
            verify_backup(&repository, &newest.id, Depth::Contents, context.now(), &Progress::silent())
                .await
                .doing("read the backup again")?;
        // What the gate reads is what a holder of the key has signed, and when.
        let signed = signed(&repository, &newest.id, ProofLevel::Contents)?;
        let mut seen = Witness::new(
            format!("the signed proof of backup {} in {}", newest.id.as_str(), folder(context).display()),
            signed.at,
        );
        let age = context.now() - newest.created_at;
        seen.saw("backup.age_hours", age.num_seconds() as f64 / 3600.0)
            .saw("backup.verified", signed.passed)
            .saw("backup.size_bytes", newest.stored_bytes())
            .saw("backup.rows", newest.database().map_or(0, golive_backup::DatabaseFacts::rows))
            .saw("backup.retention_days", retention(context).days);
        let health = repository.health(&database(&server(context)?)?, &Expectations::new(), context.now());
        let health = health.doing("judge the backups")?;
        let spoilt = |finding: &&HealthFinding| {
            matches!(
                finding,
                HealthFinding::Shrank { .. }
                    | HealthFinding::Broken { .. }
                    | HealthFinding::Future { .. }
                    | HealthFinding::Failed { .. }
            )
        };
        for finding in health.findings.iter().filter(spoilt) {
            seen.finds(finding.to_string());
        }
        for damage in &verified.damage {
            seen.finds(format!("{} {}", damage.part, damage.what));
        }
        let timer = schedule_folder(context).join(TIMER);
        let text = std::fs::read_to_string(&timer).doing(format!("read {}", timer.display()))?;
        let noted = context.kept_note(SCHEDULED)?.unwrap_or_default();
        let by_schedule = came_by_schedule(newest.id.as_str(), &noted);
        seen.source(format!("{}, whose command took backup {}", timer.display(), newest.id.as_str()));
        match installed(context, TIMER) {
            Ok(()) => seen.saw("backup.scheduled_daily", by_schedule && runs_daily(&text)),
            Err(why) => seen.could_not(why),
        };
        Ok(seen.done())
    }
}

/// The scheduled command took a backup once, and the newest is that one or a later one: days after the go-live it is one that
/// the schedule took by itself. Names begin with a number of fixed width, so they sort by age.
fn came_by_schedule(newest: &str, noted: &str) -> bool {
    !noted.is_empty() && newest >= noted
}

/// `OnCalendar=*-*-* HH:MM:SS` is every day; nothing narrower is.
fn runs_daily(timer: &str) -> bool {
    timer.lines().any(|line| {
        let when = line.trim().strip_prefix("OnCalendar=");
        when.is_some_and(|when| when == "daily" || when.starts_with("*-*-* "))
    })
}

/// A command of `golive backup` with all that a schedule must tell it.
pub(super) fn scheduled_command(context: &Context, what: &[&str]) -> Vec<String> {
    let config = context.config.path("golive.toml".as_ref());
    let (repository, key) = (folder(context), key_file(context));
    let mut words: Vec<String> = vec![program(), "backup".to_owned()];
    words.extend(what.iter().map(|word| (*word).to_owned()));
    for (option, path) in [("--config", config), ("--repository", repository), ("--key", key)] {
        words.extend([option.to_owned(), path.display().to_string()]);
    }
    words.extend(["--target".to_owned(), format!("env:{TARGET_VARIABLE}")]);
    words
}

/// Writes the schedule, and what its command needs, and returns the command.
fn write_schedule(context: &Context) -> Result<Vec<String>, StepError> {
    let words = scheduled_command(context, &["create", "--prove", "due"]);
    let mut options = ScheduleOptions::new(words.clone(), "golive");
    options.daily_at = context.config.backup.daily_at;
    options.environment_file = Some(environment_file(context));
    let url = context.target()?;
    let line = format!("{TARGET_VARIABLE}='{}'\n", url.expose_secret());
    write_private(&environment_file(context), line.as_bytes())
        .doing("write what the scheduled command needs")?;
    let units = render_systemd(&options);
    let folder = context.directory.folder("schedule").doing("make the folder of schedules")?;
    for (name, text) in [(SERVICE, units.service), (TIMER, units.timer), (CRON, render_cron(&options))] {
        std::fs::write(folder.join(name), text).doing(format!("write {name}"))?;
    }
    Ok(words)
}

/// The program that the schedule runs: this one, where this is the command; systemd wants its whole path.
fn program() -> String {
    let own =
        std::env::current_exe().ok().filter(|path| path.file_stem().is_some_and(|stem| stem == "golive"));
    own.map_or_else(|| "golive".to_owned(), |path| path.display().to_string())
}

/// Runs the scheduled command with nothing but what the schedule gives it.
async fn run_scheduled(context: &Context, command: &[String]) -> Result<(), StepError> {
    let (program, arguments) = command.split_first().expect("a command has a program");
    let spec = with_schedule_environment(context, ProcessSpec::new(program).arguments(arguments.to_vec()))?;
    let run = move || run_to_end(spec, BACKUP_WITHIN);
    let ended = tokio::task::spawn_blocking(run).await.expect("running a program does not panic");
    let ended = ended.doing("run the scheduled backup")?;
    if ended.status.success() {
        return Ok(());
    }
    let said = ended.errors.lines().last().unwrap_or_default().to_owned();
    Err(StepError::Refused(format!("the scheduled backup ended with {}: {said}", ended.status)))
}

/// What a schedule leaves a command of its environment: no more than the target's address and a search path.
pub(super) fn with_schedule_environment(
    context: &Context,
    spec: ProcessSpec,
) -> Result<ProcessSpec, StepError> {
    let url = context.target()?;
    let given = [(TARGET_VARIABLE, url.expose_secret()), ("PATH", SYSTEM_PATH)];
    Ok(spec.empty_environment().environment(given))
}

/// A rehearsal's machine is not the one that will run the schedule; elsewhere the unit, or where cron does the same its
/// line, must have been installed.
pub(super) fn installed(context: &Context, unit: &str) -> Result<(), String> {
    let unit_file = Path::new("/etc/systemd/system").join(unit);
    let is_by_cron = unit == TIMER && Path::new("/etc/cron.d/golive-backup").exists();
    if context.rehearsal.is_some() || is_by_cron || unit_file.exists() {
        return Ok(());
    }
    Err(format!(
        "{unit}, written into {}, is not installed on this machine",
        schedule_folder(context).display()
    ))
}

pub(super) fn environment_file(context: &Context) -> PathBuf {
    context.directory.secret_path("backup.env")
}

pub(super) fn schedule_folder(context: &Context) -> PathBuf {
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
        Some(folder) if remote(folder).is_some() => folder.clone(),
        Some(folder) => context.config.path(folder),
        None => context.directory.path("backups"),
    }
}

/// The repository, opened with the run's own key; the key is made once.
pub(crate) fn repository(context: &Context) -> Result<Repository, StepError> {
    context.directory.folder("secrets").doing("make the folder of secrets")?;
    let path = key_file(context);
    let _one_at_a_time = context.backup_key.lock().expect("no panic holds the backup key");
    if !path.exists() {
        Key::generate().write_new(&path).doing("keep the backup key")?;
    }
    let key = Key::read(&path).doing("read the backup key")?;
    let (place, keys) = (folder(context), Keys::with_identity(key));
    let Some(address) = remote(&place) else {
        return Repository::open_local(place, keys).doing("open the backup repository");
    };
    // The schedule gives its command no environment, so a login that is not in a file would serve only today.
    let options = RemoteOptions::parse(address, context.directory.path("binlog-spool"), &|_| None);
    Repository::open_remote(&options.doing("read where the backups lie")?, keys)
        .doing("open the backup repository")
}

/// The address, where backups lie on another machine.
fn remote(place: &Path) -> Option<&str> {
    place.to_str().filter(|text| RemoteOptions::is_address(text))
}

/// Where the key lies that opens the backups.
pub(crate) fn key_file(context: &Context) -> PathBuf {
    context.directory.secret_path("backup-key")
}

/// The last look at a backup at this depth that a holder of the key has signed.
pub(crate) fn signed(
    repository: &Repository,
    id: &BackupId,
    level: ProofLevel,
) -> Result<golive_backup::Proof, StepError> {
    let proofs = repository.proofs(id).doing("read the proofs of the backup")?;
    let last = proofs.into_iter().rev().find(|proof| proof.level == level);
    last.ok_or_else(|| StepError::unknown(format!("no proof of backup {id} at this depth bears a signature")))
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

/// Which backup the scheduled command took.
const SCHEDULED: &str = "scheduled-backup";
/// Where the scheduled command finds the database's address.
const TARGET_VARIABLE: &str = "GOLIVE_BACKUP_URL";
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const BACKUP_WITHIN: Duration = Duration::from_secs(6 * 3600);
const SERVICE: &str = "golive-backup.service";
const TIMER: &str = "golive-backup.timer";
const CRON: &str = "golive-backup.cron";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_backup_is_the_schedules_and_an_earlier_one_is_not() {
        let noted = "000012-20261122T021500Z";
        assert!(came_by_schedule(noted, noted));
        assert!(came_by_schedule("000013-20261123T021500Z", noted));
        assert!(!came_by_schedule("000011-20261121T021500Z", noted));
        assert!(!came_by_schedule(noted, ""));
    }

    #[test]
    fn only_every_day_counts_as_daily() {
        assert!(runs_daily("[Timer]\nOnCalendar=*-*-* 02:30:00\n"));
        assert!(!runs_daily("[Timer]\nOnCalendar=Mon *-*-* 02:30:00\n"));
        assert!(!runs_daily("[Timer]\n"));
    }
}
