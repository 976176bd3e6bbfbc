//! Brings binary logs here as they are written, and keeps them whole.
//!
//! `mariadb-binlog --raw --stop-never` does the transport. Alone it is not safe: started again it truncates the copy
//! it has, it never syncs, it does not reconnect, and it hangs when the network goes silent. So every connection gets
//! an empty folder; what arrives is read, checked and synced here; a log is put away when the next one has begun; and
//! a copy is given up only when a later connection brought the same bytes again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlConnection;

use super::archive::{ArchiveStatus, ArchivedLog, BinlogArchive};
use super::arrival::{Arrival, put_away_orphans};
use super::questions::{logs, position, settings};
use super::settings::{BinlogFinding, judge};
use crate::create::chain;
use crate::exec::{self, Mask, Running, ToolError};
use crate::repository::{Repository, RepositoryError};
use crate::server::{ConnectError, Server};

/// How often what arrived is read and synced, and the server asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// Nothing arrives for so long although the server went on: the connection is dead.
const STALLED: Duration = Duration::from_secs(30);

/// How to archive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// `mariadb-binlog`.
    pub program: PathBuf,
    /// End as soon as everything is here that the server had written at the beginning, instead of staying connected.
    pub catch_up: bool,
    /// The server id under which the archiver connects as a replica; two of one id drive each other away.
    pub replica_id: u32,
    /// The longest pause before connecting again.
    pub longest_pause: Duration,
    /// Reads the clock.
    pub clock: fn() -> DateTime<Utc>,
}

impl ArchiveOptions {
    /// Stays connected; the program from the search path.
    pub fn new(clock: fn() -> DateTime<Utc>) -> Self {
        Self {
            program: PathBuf::from("mariadb-binlog"),
            catch_up: false,
            replica_id: 4_294_901_001,
            longest_pause: Duration::from_secs(30),
            clock,
        }
    }
}

/// What happens while archiving.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ArchiveEvent {
    /// The settings of the server leave something to be desired.
    Findings(Vec<BinlogFinding>),
    /// Connected; the log named is what comes first.
    Connected {
        /// The log.
        from: String,
    },
    /// A closed log was put away.
    Archived(Box<ArchivedLog>),
    /// Transactions are missing in the archive, and will be for ever.
    Gap {
        /// What is missing, a sentence.
        what: String,
    },
    /// How the archive stands.
    Status(ArchiveStatus),
    /// The connection is lost.
    Disconnected {
        /// Why, a sentence.
        why: String,
        /// When it is tried again.
        again_in: Duration,
    },
}

/// Why nothing can be archived.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The server is out of reach.
    #[error("archive the binary log")]
    Connect(#[from] ConnectError),
    /// A question failed.
    #[error("{doing}; the account needs REPLICATION SLAVE and BINLOG MONITOR")]
    Query {
        /// What was being asked, as a verb.
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The server writes no log from which anything could be recovered.
    #[error("archive the binary log: {finding}")]
    Unsuitable {
        /// What is wrong.
        finding: BinlogFinding,
    },
    /// The repository or the spool.
    #[error("keep the binary log")]
    Repository(#[from] RepositoryError),
    /// The tool could not be started, or ended.
    #[error("stay connected to the server")]
    Tool(#[from] ToolError),
    /// What arrived is no binary log.
    #[error("read the log {name} that arrived: {reason}; it will be fetched again")]
    Damaged {
        /// The log.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The tool went away without a complaint.
    #[error("stay connected to the server: the tool ended")]
    Ended,
    /// Silence.
    #[error("hear from the server within {seconds} s although it went on writing; look at the network")]
    Stalled {
        /// The limit.
        seconds: u64,
    },
}

/// Archives until `until` is done, or, with [`ArchiveOptions::catch_up`], until everything is here. Reconnects by
/// itself.
///
/// # Errors
/// When another archiver holds the archive, or the server writes no usable log; when catching up also whatever goes
/// wrong. A lost connection is an event and tried again.
pub async fn archive_binlogs(
    server: &Server,
    repository: &Repository,
    options: &ArchiveOptions,
    until: impl Future<Output = ()>,
    report: &(dyn Fn(&ArchiveEvent) + Sync),
) -> Result<(), ArchiveError> {
    let archive = repository.binlogs();
    let _lock = archive.begin()?;
    tokio::pin!(until);
    let mut pause = Duration::from_secs(1);
    loop {
        let began = Instant::now();
        let work = session(server, &archive, options, report);
        let ended = tokio::select! {
            ended = work => ended,
            () = &mut until => return Ok(()),
        };
        let error = match ended {
            Ok(()) => return Ok(()),
            Err(error) if options.catch_up || is_final(&error) => return Err(error),
            Err(error) => error,
        };
        if began.elapsed() > options.longest_pause {
            pause = Duration::from_secs(1);
        }
        report(&ArchiveEvent::Disconnected { why: chain(&error), again_in: pause });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut until => return Ok(()),
        }
        pause = (pause * 2).min(options.longest_pause);
    }
}

fn is_final(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::Unsuitable { .. })
        || matches!(error, ArchiveError::Repository(RepositoryError::NoRecipients))
}

/// One connection, from the first log to fetch until it breaks.
async fn session(
    server: &Server,
    archive: &BinlogArchive,
    options: &ArchiveOptions,
    report: &(dyn Fn(&ArchiveEvent) + Sync),
) -> Result<(), ArchiveError> {
    let mut questions = server.connect().await?;
    let findings = judge(&settings(&mut questions).await?);
    if let Some(finding) = findings.iter().find(|finding| finding.is_fatal()) {
        return Err(ArchiveError::Unsuitable { finding: finding.clone() });
    }
    if !findings.is_empty() {
        report(&ArchiveEvent::Findings(findings));
    }
    let goal = position(&mut questions.connection).await?;
    let there = logs(&mut questions.connection).await?;
    put_away_orphans(archive, &there, (options.clock)())?;
    let logs = archive.logs()?;
    let from = first_to_fetch(archive, logs.last(), &there)?;
    let spool = archive.new_spool()?;
    let defaults = server.defaults_file().map_err(|source| RepositoryError::File {
        doing: "write the option file into",
        path: spool.clone(),
        source,
    })?;
    let running = start(options, &defaults.argument(), &spool, &from)?;
    report(&ArchiveEvent::Connected { from });
    let mut arrival = Arrival::new(archive, spool, logs.last().cloned());
    follow(&mut arrival, running, &mut questions.connection, options, &goal, report).await
}

fn start(options: &ArchiveOptions, defaults: &str, spool: &Path, from: &str) -> Result<Running, ToolError> {
    let arguments = [
        defaults.to_owned(),
        "--read-from-remote-server".to_owned(),
        "--raw".to_owned(),
        "--stop-never".to_owned(),
        format!("--stop-never-slave-server-id={}", options.replica_id),
        format!("--result-file={}/", spool.display()),
        "--".to_owned(),
        from.to_owned(),
    ];
    let mut running = exec::start(&options.program, &arguments, Stdio::null(), Stdio::null())?;
    // By itself it would fetch the log for ever.
    running.signal_without_us("TERM")?;
    Ok(running)
}

/// Reads, checks and syncs what arrives until the tool ends, the server falls silent, or all is here.
async fn follow(
    arrival: &mut Arrival,
    mut running: Running,
    questions: &mut MySqlConnection,
    options: &ArchiveOptions,
    goal: &(String, u64),
    report: &(dyn Fn(&ArchiveEvent) + Sync),
) -> Result<(), ArchiveError> {
    let mut caught_up_at = None;
    let mut moved = Instant::now();
    loop {
        let looked_at = (options.clock)();
        let (file, position) = position(questions).await?;
        let ended = tokio::time::timeout(LOOK_EVERY, running.child.wait()).await.is_ok();
        if arrival.look(options.clock, report)? {
            moved = Instant::now();
        }
        let (own_file, own_position) = arrival.reached();
        let complete = is_past(&own_file, own_position, &file, position);
        if complete {
            // What was there when it was asked is here now.
            caught_up_at = Some(looked_at);
            moved = Instant::now();
        }
        let status = ArchiveStatus {
            at: looked_at,
            caught_up_at: caught_up_at.or(arrival.archive.status()?.and_then(|status| status.caught_up_at)),
            server_file: file,
            server_position: position,
            file: own_file.clone(),
            position: own_position,
            problem: None,
        };
        arrival.archive.write_status(&status)?;
        report(&ArchiveEvent::Status(status));
        if options.catch_up && is_past(&own_file, own_position, &goal.0, goal.1) {
            return Ok(());
        }
        if ended {
            running.finish(Mask::Nothing).await?;
            return Err(ArchiveError::Ended);
        }
        if moved.elapsed() > STALLED {
            return Err(ArchiveError::Stalled { seconds: STALLED.as_secs() });
        }
    }
}

/// Which log must come first: the one behind the last that is archived, else the oldest that the server has.
fn first_to_fetch(
    archive: &BinlogArchive,
    last: Option<&ArchivedLog>,
    there: &[String],
) -> Result<String, ArchiveError> {
    let oldest = there.first().cloned().unwrap_or_default();
    // A log of the same name that is archived already is from before the server was reset, unless it is the same.
    let next = last.and_then(|last| match &last.next {
        Some(next) => Some(next.clone()),
        None => there.iter().skip_while(|name| **name != last.name).nth(1).cloned(),
    });
    let wanted = next.filter(|next| there.contains(next));
    if wanted.is_none() && last.is_some() {
        tracing::warn!(%oldest, folder = %archive.directory().display(), "the next binary log is not on the server any more");
    }
    Ok(wanted.unwrap_or(oldest))
}

/// Whether a place in the logs is at or behind another; the numbers at the ends of names decide.
fn is_past(file: &str, position: u64, goal_file: &str, goal_position: u64) -> bool {
    match number(file).cmp(&number(goal_file)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => position >= goal_position,
        std::cmp::Ordering::Greater => true,
    }
}

fn number(file: &str) -> u64 {
    file.rsplit('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
