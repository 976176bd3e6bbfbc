//! `backup archive-binlog`, `restore --to`, `find-event`, `undo`: the binary log as the operator meets it.
//!
//! Not here: what a plan or a replay is (golive-backup).

use chrono::{DateTime, Utc};
use golive_backup::{
    ArchiveEvent, ArchiveOptions, ChangeKind, Gtid, RecoverOptions, Search, Server, Target, Tools,
    archive_binlogs, find_changes, plan_recovery, recover, undo_transaction,
};
use serde_json::json;

use super::failure::ToFailure;
use super::{Place, RestoreArgs, about_accounts, accounts_end, moving, open};
use crate::args::Global;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, output};

/// What `archive-binlog` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ArchiveArgs {
    #[command(flatten)]
    place: Place,
    /// The server: `env:NAME` or `file:PATH`; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// End when everything is archived that the server has written by now, instead of staying connected.
    #[arg(long)]
    once: bool,
    /// The server id to connect with; two archivers of one server need two.
    #[arg(long, value_name = "ID")]
    replica_id: Option<u32>,
}

/// Where a recovery stops; without any of them the backup alone is restored.
#[derive(Debug, clap::Args)]
pub(crate) struct Moment {
    /// Recover to this time (2026-11-22T10:15:00Z), to after this transaction (0-1-42), or to the `latest`.
    #[arg(long, value_name = "TIME|GTID", conflicts_with_all = ["before", "into"])]
    pub(super) to: Option<String>,
    /// Recover to just before this transaction, as `find-event` shows it.
    #[arg(long, value_name = "GTID", conflicts_with = "into")]
    pub(super) before: Option<Gtid>,
    /// The database as it is called in the backups; the name in the target's address unless given.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Print what would be done; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Replay although transactions are missing in the archive. The value must be `lose-what-is-missing`.
    #[arg(long, value_name = "CONFIRMATION")]
    dangerous_allow_gap: Option<String>,
}

/// What `find-event` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct FindArgs {
    #[command(flatten)]
    place: Place,
    /// Only changes of this database.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Only changes of this table.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Only this kind: create, alter, drop, truncate, rename, insert, update, delete, account, other.
    #[arg(long)]
    kind: Option<ChangeKind>,
    /// Not before this time.
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Not after this time.
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// The newest so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `undo` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct UndoArgs {
    #[command(flatten)]
    place: Place,
    /// The transaction to take back, as `find-event` shows it.
    gtid: Gtid,
    /// The database it was made in: `env:NAME` or `file:PATH`; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// Do it; without, only what would be done is printed.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn archive(global: &Global, args: &ArchiveArgs) -> Result {
    let server = Server::parse(&support::target(global, args.target.as_deref())?).map_err(Failure::usage)?;
    let repository = super::open_to_write(global, &args.place)?;
    let mut options = ArchiveOptions::new(clock::now);
    options.catch_up = args.once;
    if let Some(id) = args.replica_id {
        options.replica_id = id;
    }
    let meter = Meter::new(global, "archiving the binary log");
    let cancel = support::cancel_when_ended("ending; what has arrived is kept");
    let quiet = global.quiet;
    let moving = meter.clone();
    let report = move |event: &ArchiveEvent| say(event, &moving, quiet);
    let ended = archive_binlogs(&server, &repository, &options, cancel.cancelled_owned(), &report).await;
    meter.clear();
    ended.map_err(ToFailure::failure)?;
    let archive = repository.binlogs();
    let (logs, status) =
        (archive.logs().map_err(ToFailure::failure)?, archive.status().map_err(ToFailure::failure)?);
    let value = json!({ "archive": archive.directory(), "logs": logs.len(), "status": status });
    show(global, &value, || {
        let reaches = status.as_ref().and_then(|status| status.caught_up_at);
        let reaches = reaches.map_or("never".to_owned(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        format!("{} closed logs in {}; complete up to {reaches}", logs.len(), archive.directory().display())
    });
    Ok(End::Ready)
}

fn say(event: &ArchiveEvent, meter: &Meter, quiet: bool) {
    let line = match event {
        ArchiveEvent::Status(status) => {
            return meter
                .say(format!("{} at {} of {}", status.file, status.position, status.server_position));
        }
        ArchiveEvent::Findings(findings) => {
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        ArchiveEvent::Connected { from } => format!("connected; from {from} on"),
        ArchiveEvent::Archived(log) => {
            format!("{} archived: {} transactions, {} bytes", log.name, log.transactions, log.part.bytes)
        }
        ArchiveEvent::Gap { what } => format!("GAP: {what}; take a new backup now"),
        ArchiveEvent::Disconnected { why, again_in } => {
            format!("disconnected: {why}; again in {} s", again_in.as_secs())
        }
        _ => return,
    };
    // A gap is said even to whoever wants quiet.
    if !quiet || matches!(event, ArchiveEvent::Gap { .. }) {
        output::complain(&line);
    }
}

/// A restore to a moment.
pub(super) async fn restore(global: &Global, args: &RestoreArgs) -> Result {
    let (base, moment) = (args.id.clone(), &args.moment);
    let repository = open(global, &args.place)?;
    let server = Server::parse(&support::target(global, args.target.as_deref())?).map_err(Failure::usage)?;
    let database = moment.database.clone().or_else(|| server.database().map(str::to_owned));
    let database = database.ok_or_else(|| {
        Failure::usage("choose a database: give --database NAME, or append /DATABASE to the target's address")
    })?;
    let target = target(moment)?;
    let allow_gaps = match moment.dangerous_allow_gap.as_deref() {
        None => false,
        Some("lose-what-is-missing") => true,
        Some(_) => {
            return Err(Failure::usage("allow a gap: the confirmation is `lose-what-is-missing`"));
        }
    };
    let meter = Meter::new(global, "reading the archive");
    let reading = repository.clone();
    let plan = blocking(move || plan_recovery(&reading, &database, target, base.as_ref(), allow_gaps)).await;
    let plan = plan.map_err(ToFailure::failure)?;
    if moment.dry_run {
        meter.clear();
        show(global, &json!({ "plan": plan }), || format!("{plan}nothing was changed"));
        return Ok(End::Ready);
    }
    let mut options = RecoverOptions::new();
    options.restore.accounts = args.with_accounts;
    let report = recover(&repository, &plan, &server, &options, &moving(&meter)).await;
    meter.clear();
    let report = report.map_err(ToFailure::failure)?;
    show(global, &json!({ "plan": plan, "recovery": report }), || {
        format!(
            "{plan}done in {:.2} s ({:.2} s of it the replay): {} stands at {}, as of {}{}",
            report.seconds,
            report.replay_seconds,
            report.database,
            report.stands_at,
            report.data_as_of.format("%Y-%m-%dT%H:%M:%SZ"),
            about_accounts(&report.restore)
        )
    });
    Ok(accounts_end(&report.restore))
}

fn target(moment: &Moment) -> std::result::Result<Target, Failure> {
    if let Some(gtid) = moment.before {
        return Ok(Target::Before(gtid));
    }
    let text = moment.to.as_deref().unwrap_or("latest");
    if text == "latest" {
        return Ok(Target::Latest);
    }
    if let Ok(gtid) = text.parse() {
        return Ok(Target::After(gtid));
    }
    // With its zone, always: the same words mean another moment elsewhere.
    DateTime::parse_from_rfc3339(text).map(|at| Target::At(at.with_timezone(&Utc))).map_err(|_| {
        Failure::usage(format!(
            "read {text:?} as a moment: write a time with its zone (2026-11-22T10:15:00Z), a GTID (0-1-42), or latest"
        ))
    })
}

pub(super) async fn find(global: &Global, args: &FindArgs) -> Result {
    let repository = open(global, &args.place)?;
    let mut search = Search::new();
    search.database.clone_from(&args.database);
    search.table.clone_from(&args.table);
    search.kind = args.kind;
    search.since = args.since;
    search.until = args.until;
    search.limit = args.limit;
    let found = blocking(move || find_changes(&repository, &search)).await.map_err(ToFailure::failure)?;
    show(global, &json!({ "changes": found }), || {
        let mut lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        lines.push(match found.last() {
            None => "nothing in the archive fits".to_owned(),
            Some(last) => format!(
                "to recover to just before the last of them: golive backup restore --before {} --target env:NAME",
                last.gtid
            ),
        });
        lines.join("\n")
    });
    Ok(if found.is_empty() { End::NotReady } else { End::Ready })
}

pub(super) async fn undo(global: &Global, args: &UndoArgs) -> Result {
    let repository = open(global, &args.place)?;
    let server = Server::parse(&support::target(global, args.target.as_deref())?).map_err(Failure::usage)?;
    let database = server.database().map(str::to_owned);
    let database = database
        .ok_or_else(|| Failure::usage("choose a database: append /DATABASE to the target's address"))?;
    if !args.yes {
        let reading = repository.clone();
        let gtid = args.gtid;
        let mut search = Search::new();
        search.limit = 0;
        let found = blocking(move || find_changes(&reading, &search)).await;
        let found: Vec<_> =
            found.map_err(ToFailure::failure)?.into_iter().filter(|change| change.gtid == gtid).collect();
        show(global, &json!({ "changes": found, "undone": false }), || {
            let mut lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.push("nothing was changed: give --yes to take this transaction back".to_owned());
            lines.join("\n")
        });
        return Ok(if found.is_empty() { End::NotReady } else { End::Ready });
    }
    let report = undo_transaction(&repository, &server, &database, args.gtid, &Tools::new()).await;
    let report = report.map_err(ToFailure::failure)?;
    show(global, &json!({ "undone": true, "report": report }), || {
        let tables: Vec<String> =
            report.tables.iter().map(|(table, kind)| format!("{kind} of {table}")).collect();
        format!("{} taken back in {} ms: {}", report.gtid, report.milliseconds, tables.join(", "))
    });
    Ok(End::Ready)
}
