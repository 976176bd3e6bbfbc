//! Which backup and which transactions bring a database to a moment: decided by reading the archive, before anything
//! is touched. The plan prints in full, and [`super::replay`] makes no choices.
//!
//! A time is resolved here, in the order of the log: the last transaction stamped at or before it. The tool's own
//! `--stop-datetime` is in the time zone of its process, and stops at the first stamp that leaps.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::arrival::or_nothing;
use super::gtid::Gtid;
use super::source::{Source, SourceError};
use super::walk::Walk;
use crate::manifest::{BackupId, BinlogPosition, Manifest};
use crate::repository::{Repository, RepositoryError};

/// Where a recovery stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Target {
    /// After everything that is archived.
    Latest,
    /// After the last transaction stamped at or before this time.
    At(DateTime<Utc>),
    /// After this transaction.
    After(Gtid),
    /// Before this transaction.
    Before(Gtid),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => formatter.write_str("the end of the archive"),
            Self::At(at) => write!(formatter, "{}", at.format("%Y-%m-%dT%H:%M:%SZ")),
            Self::After(gtid) => write!(formatter, "transaction {gtid}, that one included"),
            Self::Before(gtid) => write!(formatter, "transaction {gtid}, that one left out"),
        }
    }
}

/// Transactions that the archive does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// The log before it.
    pub after: String,
    /// The log behind it.
    pub before: String,
    /// Where the log before it ends, as GTIDs.
    pub from: String,
    /// What the log behind it follows, as GTIDs.
    pub to: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} ends at {}, and {} begins after {}",
            self.after,
            or_nothing(&self.from),
            self.before,
            or_nothing(&self.to)
        )
    }
}

/// A log and what of it is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) source: Source,
    pub(crate) format_end: u64,
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// What a recovery will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecoveryPlan {
    /// The backup that is restored first.
    pub base: BackupId,
    /// The database.
    pub database: String,
    /// Where the recovery stops, as it was asked for.
    pub target: Target,
    /// Where the backup stands, as GTIDs.
    pub from: String,
    /// Where the database will stand, as GTIDs.
    pub to: String,
    /// Time stamp of the last transaction before the stop; the backup's own when there is none.
    pub data_as_of: DateTime<Utc>,
    /// Transactions to replay.
    pub transactions: u64,
    /// Transactions of other databases, passed over.
    pub others: u64,
    /// Changes of accounts and grants, passed over: accounts are not part of a backup.
    pub accounts: u64,
    /// Logs to read.
    pub logs: Vec<String>,
    /// Gaps that were explicitly allowed.
    pub gaps: Vec<Gap>,
    /// Places where time stamps go backwards, each a sentence. A stop by time may not mean there what it seems to.
    pub leaps: Vec<String>,
    #[serde(skip)]
    pub(crate) pieces: Vec<Piece>,
}

impl fmt::Display for RecoveryPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "recover {} to {}", self.database, self.target)?;
        writeln!(formatter, "  restore backup {}, which stands at {}", self.base, or_nothing(&self.from))?;
        writeln!(
            formatter,
            "  replay {} transactions up to {}, of {}",
            self.transactions,
            or_nothing(&self.to),
            self.data_as_of.format("%Y-%m-%dT%H:%M:%SZ")
        )?;
        writeln!(
            formatter,
            "  from {}",
            if self.logs.is_empty() { "no log".to_owned() } else { self.logs.join(", ") }
        )?;
        for (count, what) in
            [(self.others, "transactions of other databases"), (self.accounts, "changes of accounts")]
        {
            if count > 0 {
                writeln!(formatter, "  pass over {count} {what}")?;
            }
        }
        for gap in &self.gaps {
            writeln!(formatter, "  GAP, allowed: {gap}")?;
        }
        for leap in &self.leaps {
            writeln!(formatter, "  the clock leapt: {leap}")?;
        }
        Ok(())
    }
}

/// Why there is no plan. Nothing was touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The repository, the manifest or the key.
    #[error("plan the recovery")]
    Repository(#[from] RepositoryError),
    /// No backup from which the target could be reached.
    #[error(
        "reach {target} from a backup of {database}: none was complete before it and has its place in the binary log; \
         `golive backup list` shows them"
    )]
    NoBase {
        /// The database.
        database: String,
        /// Where to.
        target: String,
    },
    /// The place of the backup is not in the archive.
    #[error(
        "find the place of backup {base} in the archive: {file} at {position} ({gtid}) is not there; was the archiver \
         started before the backup?"
    )]
    NotCovered {
        /// The backup.
        base: BackupId,
        /// The log.
        file: String,
        /// The place in it.
        position: u64,
        /// The same as GTIDs.
        gtid: String,
    },
    /// Transactions are missing between the backup and the target.
    #[error(
        "recover without what is missing in the archive: {gap}; allow the gap only if losing it is better than stopping before it"
    )]
    Gap {
        /// What is missing.
        gap: Gap,
    },
    /// The archive ends before the time asked for.
    #[error(
        "recover to {target}: the archive is complete up to {reaches} only; ask for an earlier time, or for the latest"
    )]
    NotReached {
        /// Where to.
        target: String,
        /// How far the archive reaches.
        reaches: String,
    },
    /// The transaction is not in the archive.
    #[error(
        "find transaction {gtid} behind the backups in the archive; `golive backup find-event` shows what is there"
    )]
    NoSuchTransaction {
        /// The transaction.
        gtid: Gtid,
    },
    /// One transaction changed this database and another, or cannot be done without another.
    #[error(
        "replay transaction {gtid}: it is about {database} and about {other}; recover both on one server from a physical backup, \
         or stop before it"
    )]
    Straddles {
        /// The transaction.
        gtid: Gtid,
        /// The database.
        database: String,
        /// The other one.
        other: String,
    },
    /// A statement is compressed.
    #[error("look into transaction {gtid}: log_bin_compress was on, so its database cannot be told")]
    Unreadable {
        /// The transaction.
        gtid: Gtid,
    },
    /// A stored log is damaged.
    #[error("read the archived log {name}: {reason}")]
    Damaged {
        /// The log.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Plans a recovery of a database. Reads every log between the backup and the target once; blocks while it does.
///
/// # Errors
/// When the target cannot be reached with certainty. A gap is refused unless `allow_gaps`.
pub fn plan_recovery(
    repository: &Repository,
    database: &str,
    target: Target,
    base: Option<&BackupId>,
    allow_gaps: bool,
) -> Result<RecoveryPlan, PlanError> {
    let archive = repository.binlogs();
    let sources = Source::all(&archive)?;
    let no_base = || PlanError::NoBase { database: database.to_owned(), target: target.to_string() };
    let mut candidates = candidates(repository, database, target, base)?;
    candidates.reverse();
    let mut last = no_base();
    for (manifest, position) in &candidates {
        let walk = Walk::new(&archive, manifest, position, database, target);
        match walk.plan(&sources, allow_gaps) {
            // It may lie before this backup: an older one is tried.
            Err(error @ PlanError::NoSuchTransaction { .. }) => last = error,
            other => return other,
        }
    }
    Err(last)
}

/// The backups from which the target may be reached, oldest first.
fn candidates(
    repository: &Repository,
    database: &str,
    target: Target,
    base: Option<&BackupId>,
) -> Result<Vec<(Manifest, BinlogPosition)>, RepositoryError> {
    let mut found = Vec::new();
    for manifest in repository.list()? {
        let Some(facts) = manifest.database().filter(|facts| facts.name == database) else { continue };
        let Some(position) = facts.binlog.clone() else { continue };
        let in_time = match target {
            // Its snapshot was opened at some moment while it was taken.
            Target::At(at) => taken_by(&manifest) <= at,
            _ => true,
        };
        if in_time && base.is_none_or(|base| *base == manifest.id) {
            found.push((manifest, position));
        }
    }
    Ok(found)
}

fn taken_by(manifest: &Manifest) -> DateTime<Utc> {
    manifest.created_at + TimeDelta::milliseconds((manifest.duration_seconds * 1000.0) as i64 + 1000)
}

pub(crate) fn damaged(source: &Source, error: SourceError) -> PlanError {
    match error {
        SourceError::Repository(error) => error.into(),
        error => PlanError::Damaged { name: source.name().to_owned(), reason: error.to_string() },
    }
}
