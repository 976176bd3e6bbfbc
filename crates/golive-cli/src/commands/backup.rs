//! `backup`: taken, read again, restored, compared, let go.
//!
//! Not here: what any of it does (golive-backup), and disposable servers (golive-sandbox).

mod disaster;
mod drill;
mod failure;
mod moment;
mod physical;
mod place;
mod redis;
mod schedule;
mod status;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use golive_backup::{
    BackupId, BackupOptions, Content, DatabaseFacts, Depth, Digests, EngineAdvice, Expectations, Manifest,
    Progress, Proof, ProofLevel, Repository, RestoreOptions, RestoreReport, Retention, Server, advise_engine,
    create_backup, plan_log_prune, plan_prune, proof_is_due, restore_backup, restore_state, verify_backup,
};
use serde_json::json;

use self::failure::ToFailure;
use self::place::{Place, absolute, open, open_to_write, places};
use crate::args::Global;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands, output};

/// What can be done with backups.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Take a backup of the target, compressed and encrypted while it streams.
    Create(CreateArgs),
    /// What is there, and what was proven of it.
    List(Place),
    /// Read a backup again, byte by byte and to the end of its dump.
    Verify(VerifyArgs),
    /// Print what would be deleted; delete it with --yes.
    Prune(PruneArgs),
    /// Restore into an empty database, or files into a folder; with --to or --before, recover to a moment.
    Restore(RestoreArgs),
    /// Write a systemd service and timer, a cron line and an archiver's service for daily backups; checked where systemd is.
    Schedule(schedule::ScheduleArgs),
    /// Whether the backups may be relied on: late, unproven, shrunk, failed? Exit code 10 when not.
    Status(status::StatusArgs),
    /// Restore the newest backup into a disposable server and compare every table; or rehearse a disaster.
    Drill(disaster::DrillArgs),
    /// Keep the binary log beside the backups, as it is written; reconnects by itself, until it is ended.
    ArchiveBinlog(moment::ArchiveArgs),
    /// Search the archived binary log for a change: who dropped that table, and when?
    FindEvent(moment::FindArgs),
    /// Take the rows of one transaction back on the living database, by flashback.
    Undo(moment::UndoArgs),
}

/// What `create` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    place: Place,
    /// The database: `env:NAME` or `file:PATH`; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// Take the files of the whole server on this machine instead of a dump of one database.
    #[arg(long)]
    physical: bool,
    /// Continue this physical backup instead of taking everything.
    #[arg(long, value_name = "BACKUP_ID", requires = "physical")]
    base: Option<BackupId>,
    /// Fetch the data of Redis instead: the address is `[redis] url` of golive.toml unless --redis-url is given.
    #[arg(long, conflicts_with_all = ["physical", "target"])]
    redis: bool,
    /// Redis: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "URL", requires = "redis")]
    redis_url: Option<String>,
    /// Take no more than so many stored mebibytes a second.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    rate_limit: Option<u32>,
    /// What the manifest's digests rest on: the dump's own text, counts and samples (`quick`), or every row as the server
    /// digests it (`sql`), which costs the server about ten times what the dump does.
    #[arg(long, value_enum, default_value_t = DigestBy::Quick, conflicts_with = "redis")]
    digest: DigestBy,
    /// Restore into a disposable server and compare afterwards: `due` does so daily below 20 GB of data, else weekly.
    #[arg(long, value_enum, default_value_t = ProveWhen::Never)]
    prove: ProveWhen,
    /// A restore must be done within this time: whether a dump or files suit that is said.
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    restore_within_minutes: u32,
}

/// When a backup is proven by a restore right after it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProveWhen {
    Never,
    Due,
    Always,
}

/// How the content of tables enters the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DigestBy {
    Quick,
    Sql,
}

impl CreateArgs {
    fn digests(&self) -> Digests {
        match self.digest {
            DigestBy::Quick => Digests::Quick,
            DigestBy::Sql => Digests::Sql,
        }
    }

    fn bytes_a_second(&self) -> Option<std::num::NonZeroU64> {
        self.rate_limit.and_then(|mebibytes| std::num::NonZeroU64::new(u64::from(mebibytes) << 20))
    }
}

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// Which; the newest unless given.
    id: Option<BackupId>,
    /// Open it too and read its dump to the end: what is done unless --bytes-only is given.
    #[arg(long, conflicts_with = "bytes_only")]
    deep: bool,
    /// Compare the stored bytes only, for which no key is needed.
    #[arg(long)]
    bytes_only: bool,
}

/// What `prune` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    place: Place,
    /// Keep this many days; `[backup] retention_days` unless given.
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// Keep the last good one of each of so many days.
    #[arg(long, default_value_t = 0)]
    daily: usize,
    /// The same for weeks.
    #[arg(long, default_value_t = 0)]
    weekly: usize,
    /// The same for months.
    #[arg(long, default_value_t = 0)]
    monthly: usize,
    /// The same for years.
    #[arg(long, default_value_t = 0)]
    yearly: usize,
    /// Do what the plan says.
    #[arg(long)]
    yes: bool,
}

/// What `restore` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    place: Place,
    /// Which; the newest unless given.
    id: Option<BackupId>,
    /// An empty database to restore into: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "URL", required_unless_present = "into")]
    target: Option<String>,
    /// A new folder to restore files into, of a backup that holds files; of a physical one, the new data directory.
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    into: Option<PathBuf>,
    /// Also make the accounts and grants that the server lacks; those that are there are never changed.
    #[arg(long, conflicts_with = "into")]
    with_accounts: bool,
    #[command(flatten)]
    moment: moment::Moment,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Create(args) => {
            let left = "finish the backup: it was ended, and nothing half-written stays; see `golive backup list`, then take it again";
            support::unless_ended(left, create(global, &args)).await
        }
        Command::List(place) => list(global, &place),
        Command::Verify(args) => {
            let left = "read the backup to its end: it was ended, and nothing is recorded; verify again";
            support::unless_ended(left, verify(global, &args)).await
        }
        Command::Prune(args) => prune(global, &args),
        Command::Restore(args) => {
            let left = "finish the restore: it was ended, and the target may be half-filled; empty it before trying again";
            support::unless_ended(left, restore(global, &args)).await
        }
        Command::Schedule(args) => schedule::run(global, &args).await,
        Command::Status(args) => status::run(global, &args).await,
        Command::Drill(args) => disaster::run(global, &args).await,
        Command::ArchiveBinlog(args) => moment::archive(global, &args).await,
        Command::FindEvent(args) => moment::find(global, &args).await,
        Command::Undo(args) => moment::undo(global, &args).await,
    }
}

async fn create(global: &Global, args: &CreateArgs) -> Result {
    if args.redis {
        return redis::create(global, args).await;
    }
    let server = Server::parse(&support::target(global, args.target.as_deref())?).map_err(Failure::usage)?;
    if args.physical {
        return physical::create(global, args, &server).await;
    }
    let database = server.database().map(str::to_owned);
    let database = database
        .ok_or_else(|| Failure::usage("choose a database: append /DATABASE to the target's address"))?;
    let (_, key_file) = places(global, &args.place)?;
    let repository = open_to_write(global, &args.place)?;
    let folder = repository.directory();
    let meter = Meter::new(global, "taking a backup");
    let before = repository.latest(&database).map_err(ToFailure::failure)?;
    let mut options = BackupOptions::new(database);
    options.bytes_a_second = args.bytes_a_second();
    options.digests = args.digests();
    let progress = moving_towards(&meter, before.as_ref().map(plain_bytes));
    let manifest = create_backup(&server, &repository, &options, clock::now(), &progress).await;
    meter.clear();
    let manifest = manifest.map_err(ToFailure::failure)?;
    let advice = advice(&manifest, args.restore_within_minutes);
    let value = json!({ "repository": folder, "key": key_file, "backup": manifest, "engine": advice });
    show(global, &value, || {
        let facts = manifest.database();
        let rows = facts.map_or(0, DatabaseFacts::rows);
        let mut lines = vec![format!(
            "backup {} of {rows} rows, {} bytes stored in {} s\n{}",
            manifest.id,
            manifest.stored_bytes(),
            manifest.duration_seconds.round(),
            folder.join(manifest.id.as_str()).display()
        )];
        lines.extend(facts.into_iter().flat_map(|facts| &facts.notes).map(|note| format!("  {note}")));
        lines.extend(advice.iter().map(|advice| format!("  {advice}")));
        lines.join("\n")
    });
    prove_if_due(global, &repository, &manifest, args.prove).await
}

/// Restores what was just taken and compares it, where that is asked for.
async fn prove_if_due(
    global: &Global,
    repository: &Repository,
    manifest: &Manifest,
    when: ProveWhen,
) -> Result {
    let facts = match &manifest.content {
        Content::Database(facts) => std::slice::from_ref(&**facts),
        Content::Physical(facts) => facts.databases.as_slice(),
        _ => &[],
    };
    let bytes = facts.iter().filter_map(|facts| facts.data_bytes).sum();
    let due = || {
        if let Content::Redis(_) = manifest.content {
            return last_redis_proof(repository)
                .map(|last| proof_is_due(plain_bytes(manifest), last, clock::now()));
        }
        let first = facts.first().map(|facts| facts.name.as_str()).unwrap_or_default();
        let health = repository.health(first, &Expectations::new(), clock::now());
        health.map(|health| proof_is_due(bytes, health.verified_at, clock::now()))
    };
    let wanted = match when {
        ProveWhen::Never => false,
        ProveWhen::Always => true,
        ProveWhen::Due => due().map_err(ToFailure::failure)?,
    };
    if !wanted {
        return Ok(End::Ready);
    }
    let drilled = drill::prove(global, repository, manifest).await?;
    if !global.quiet {
        output::complain(&drill::text(manifest, &drilled));
    }
    Ok(if drilled.equal { End::Ready } else { End::NotReady })
}

/// When a backup of Redis was last restored and compared.
fn last_redis_proof(
    repository: &Repository,
) -> std::result::Result<Option<chrono::DateTime<chrono::Utc>>, golive_backup::RepositoryError> {
    let all = repository.scan()?.backups;
    let of_redis = all.iter().filter(|(manifest, _)| matches!(manifest.content, Content::Redis(_)));
    let proofs = of_redis.flat_map(|(_, proofs)| proofs);
    Ok(proofs.filter(|proof| proof.passed && proof.level == ProofLevel::Restored).map(|proof| proof.at).max())
}

fn plain_bytes(manifest: &Manifest) -> u64 {
    manifest.parts.iter().map(|part| part.plain_bytes).sum()
}

/// Dump or files, by the size that the server had.
fn advice(manifest: &Manifest, within_minutes: u32) -> Option<EngineAdvice> {
    let sizes: Vec<u64> = match &manifest.content {
        Content::Database(facts) => facts.data_bytes.into_iter().collect(),
        Content::Physical(facts) => facts.databases.iter().filter_map(|facts| facts.data_bytes).collect(),
        _ => Vec::new(),
    };
    let within = Duration::from_secs(60 * u64::from(within_minutes));
    (!sizes.is_empty()).then(|| advise_engine(sizes.iter().sum(), within))
}

fn list(global: &Global, place: &Place) -> Result {
    let repository = open(global, place)?;
    let scan = repository.scan().map_err(ToFailure::failure)?;
    let backups: Vec<_> = scan
        .backups
        .iter()
        .map(|(manifest, proofs)| {
            json!({
                "id": manifest.id, "created_at": manifest.created_at, "holds": holds(manifest),
                "stored_bytes": manifest.stored_bytes(), "rows": manifest.database().map(DatabaseFacts::rows), "proofs": proofs,
            })
        })
        .collect();
    show(
        global,
        &json!({ "repository": repository.directory(), "backups": backups, "damaged": scan.damaged }),
        || {
            let mut lines =
                vec![format!("{} backups in {}", scan.backups.len(), repository.directory().display())];
            lines.extend(scan.backups.iter().map(|(manifest, proofs)| line(manifest, proofs)));
            lines.extend(scan.damaged.iter().map(|entry| format!("  ✗ {}  {}", entry.name, entry.reason)));
            lines.join("\n")
        },
    );
    Ok(if scan.damaged.is_empty() { End::Ready } else { End::NotReady })
}

fn holds(manifest: &Manifest) -> String {
    match &manifest.content {
        Content::Database(facts) => format!("database {}", facts.name),
        Content::Redis(_) => "redis".to_owned(),
        Content::Physical(facts) => match &facts.base {
            Some(base) => format!("server, on {:06}", base.sequence()),
            None => "server".to_owned(),
        },
        _ => "files".to_owned(),
    }
}

fn line(manifest: &Manifest, proofs: &[Proof]) -> String {
    let proven = match proofs.last() {
        Some(proof) if proof.passed => {
            format!("{} {}", level(proof.level), proof.at.format("%Y-%m-%d %H:%M"))
        }
        Some(proof) => format!("FAILED: {}", proof.detail),
        None => "not proven yet".to_owned(),
    };
    format!("  {}  {:<24} {:>12} bytes  {proven}", manifest.id, holds(manifest), manifest.stored_bytes())
}

fn level(level: ProofLevel) -> &'static str {
    match level {
        ProofLevel::Bytes => "bytes read again",
        ProofLevel::Contents => "contents read again",
        _ => "restored and compared",
    }
}

async fn verify(global: &Global, args: &VerifyArgs) -> Result {
    let repository = open(global, &args.place)?;
    let id = which(&repository, args.id.clone())?;
    let depth = if args.bytes_only && !args.deep { Depth::Bytes } else { Depth::Contents };
    let meter = Meter::new(global, "reading the backup");
    let found = verify_backup(&repository, &id, depth, clock::now(), &moving(&meter)).await;
    meter.clear();
    let found = found.map_err(ToFailure::failure)?;
    show(global, &json!({ "passed": found.passed(), "verification": found }), || {
        let mut lines = vec![format!(
            "backup {id}: {} ({} bytes in {:.2} s)",
            if found.passed() { "intact" } else { "DAMAGED" },
            found.bytes,
            found.seconds
        )];
        lines.extend(found.damage.iter().map(|damage| format!("  {} {}", damage.part, damage.what)));
        lines.join("\n")
    });
    Ok(if found.passed() { End::Ready } else { End::NotReady })
}

fn prune(global: &Global, args: &PruneArgs) -> Result {
    let repository = open(global, &args.place)?;
    let config = commands::config_or_nothing(global)?;
    let mut retention = Retention::new();
    retention.days = args.days.unwrap_or(config.backup.retention_days);
    (retention.daily, retention.weekly) = (args.daily, args.weekly);
    (retention.monthly, retention.yearly) = (args.monthly, args.yearly);
    let scan = repository.scan().map_err(ToFailure::failure)?;
    let plan = plan_prune(&scan.candidates(), &retention, clock::now());
    let archive = repository.binlogs();
    let stay = scan.backups.into_iter().map(|(manifest, _)| manifest);
    let stay: Vec<Manifest> = stay.filter(|manifest| !plan.delete.contains(&manifest.id)).collect();
    let logs = plan_log_prune(&archive.logs().map_err(ToFailure::failure)?, &stay);
    let mut deleted = Vec::new();
    if args.yes {
        deleted = repository.prune(&plan, &retention, clock::now()).map_err(ToFailure::failure)?.deleted;
        archive.prune(&logs).map_err(ToFailure::failure)?;
    }
    let nothing = plan.delete.is_empty() && logs.is_empty();
    let names: Vec<&str> = logs.iter().map(|log| log.part.name.as_str()).collect();
    show(global, &json!({ "plan": plan, "logs": names, "deleted": deleted }), || {
        let before =
            names.iter().map(|name| format!("\ndelete  log {name}  older than every backup that stays"));
        let plan = format!("{plan}{}", before.collect::<String>());
        match (args.yes, nothing) {
            (true, _) => format!("{plan}\n{} backups and {} logs deleted", deleted.len(), names.len()),
            (false, true) => plan,
            (false, false) => format!("{plan}\nnothing was deleted: give --yes to do it"),
        }
    });
    Ok(End::Ready)
}

async fn restore(global: &Global, args: &RestoreArgs) -> Result {
    if args.moment.to.is_some() || args.moment.before.is_some() {
        return moment::restore(global, args).await;
    }
    let repository = open(global, &args.place)?;
    let id = which(&repository, args.id.clone())?;
    if let Some(into) = args.into.clone() {
        match repository.find(&id).map_err(ToFailure::failure)?.content {
            Content::Physical(_) => return physical::restore(global, &repository, &id, &into).await,
            Content::Redis(_) => return redis::restore(global, repository, id, into).await,
            _ => {}
        }
        let files = blocking(move || restore_state(&repository, &id, &into)).await.map_err(Failure::reach)?;
        show(global, &json!({ "files": files }), || {
            files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join("\n")
        });
        return Ok(End::Ready);
    }
    let server = Server::parse(&support::target(global, args.target.as_deref())?).map_err(Failure::usage)?;
    let database = server.database().map(str::to_owned);
    let database = database
        .ok_or_else(|| Failure::usage("choose a database: append /DATABASE to the target's address"))?;
    let meter = Meter::new(global, "restoring");
    let mut options = RestoreOptions::new();
    options.accounts = args.with_accounts;
    let report = restore_backup(&repository, &id, &server, &database, &options, &moving(&meter)).await;
    meter.clear();
    let report = report.map_err(ToFailure::failure)?;
    show(global, &report, || {
        let done = format!("backup {} is in {} after {:.2} s", report.id, report.database, report.seconds);
        format!("{done}{}", about_accounts(&report))
    });
    Ok(accounts_end(&report))
}

/// What an operator should know of accounts after a restore.
fn about_accounts(report: &RestoreReport) -> String {
    let mut text = String::new();
    if let Some(accounts) = &report.accounts {
        text.push_str(&format!("\n{accounts}"));
    }
    if !report.missing_definers.is_empty() {
        let missing = report.missing_definers.join(", ");
        text.push_str(&format!(
            "\nthese accounts are missing on the server, so what they define fails: {missing}"
        ));
    }
    text
}

/// An account that was asked for and could not be made is one that cannot log in.
fn accounts_end(report: &RestoreReport) -> End {
    match &report.accounts {
        Some(accounts) if !accounts.failed.is_empty() => End::NotReady,
        _ => End::Ready,
    }
}

fn which(repository: &Repository, id: Option<BackupId>) -> std::result::Result<BackupId, Failure> {
    if let Some(id) = id {
        return Ok(id);
    }
    let all = repository.list().map_err(ToFailure::failure)?;
    let newest = all.into_iter().map(|manifest| manifest.id).max_by_key(BackupId::sequence);
    newest.ok_or_else(|| {
        Failure::usage("find a backup: there is none yet, take one with `golive backup create`")
    })
}

fn moving(meter: &Meter) -> Progress {
    moving_towards(meter, None)
}

/// Bytes, rate and time left; `expected` stands in where a stage does not know its own end, as the size of the last one.
fn moving_towards(meter: &Meter, expected: Option<u64>) -> Progress {
    let meter = meter.clone();
    let began = Mutex::new(None);
    Progress::new(move |event| {
        let stage = format!("{:?}", event.stage).to_lowercase();
        let table = event.table.as_deref().map(|table| format!(" {table}")).unwrap_or_default();
        let seconds = {
            let mut began = began.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match *began {
                Some((known, since)) if known == event.stage => Instant::elapsed(&since).as_secs_f64(),
                _ => {
                    *began = Some((event.stage, Instant::now()));
                    0.0
                }
            }
        };
        meter.say(format!("{stage}{table}{}", pace(event.bytes, event.total_bytes.or(expected), seconds)));
    })
}

/// What a moving line says of so many bytes after so many seconds.
fn pace(bytes: u64, total: Option<u64>, seconds: f64) -> String {
    if bytes == 0 {
        return String::new();
    }
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    let of = total.filter(|total| *total >= bytes).map(|total| format!(" of {}", megabytes(total)));
    let mut text = format!(" {}{} MB", megabytes(bytes), of.unwrap_or_default());
    if seconds >= 1.0 {
        let rate = bytes as f64 / seconds;
        text.push_str(&format!(", {:.1} MB/s", rate / 1e6));
        if let Some(left) = total.and_then(|total| total.checked_sub(bytes)) {
            text.push_str(&format!(", {:.0} s left", left as f64 / rate));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::pace;

    #[test]
    fn a_line_says_how_much_how_fast_and_how_long_still() {
        assert_eq!(pace(0, Some(10), 2.0), "");
        assert_eq!(pace(50_000_000, Some(200_000_000), 2.0), " 50.0 of 200.0 MB, 25.0 MB/s, 6 s left");
        // Larger than the one before: nobody knows how much is left.
        assert_eq!(pace(50_000_000, Some(40_000_000), 2.0), " 50.0 MB, 25.0 MB/s");
        assert_eq!(pace(5_000_000, None, 0.2), " 5.0 MB");
    }
}
