//! How much would be lost if the server vanished now: measured from the archive of the binary log where there is one that
//! can be replayed, else what lies between two backups. Only reads.

use std::fmt;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::binlog::{ArchiveStatus, PlanError, Target, plan_recovery};
use crate::repository::{Repository, RepositoryError};

/// What a loss was measured by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "basis", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossBasis {
    /// The archive of the binary log, every log of it read: everything committed before is in it.
    Archive {
        /// The backup from which a replay begins.
        base: String,
        /// Up to when everything is there.
        complete_up_to: DateTime<Utc>,
    },
    /// Backups alone; everything since the newest is lost.
    Backups {
        /// Why the archive does not count, a sentence; `None` when there is none.
        archive: Option<String>,
    },
}

impl fmt::Display for LossBasis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive { base, complete_up_to } => write!(
                formatter,
                "backup {base} and the archived binary log, complete up to {}",
                complete_up_to.format("%Y-%m-%dT%H:%M:%SZ")
            ),
            Self::Backups { archive: None } => formatter
                .write_str("backups without archived binary logs: `golive backup archive-binlog` keeps them"),
            Self::Backups { archive: Some(why) } => {
                write!(formatter, "backups alone, since the archived binary log does not count: {why}")
            }
        }
    }
}

/// What would be lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PossibleLoss {
    /// Seconds of commits (RPO).
    pub seconds: f64,
    /// By what that was measured.
    #[serde(flatten)]
    pub basis: LossBasis,
}

impl Repository {
    /// How much of a database would be lost if its server vanished now; `None` when there is no backup of it. Backups
    /// are taken `every` so often: without an archive that much is lost on a bad day, whatever the hour is now. Reads the
    /// archived logs since the newest backup; blocks while it does.
    ///
    /// # Errors
    /// When the repository cannot be read. An archive that cannot be replayed is no error: it does not count.
    pub fn possible_loss(
        &self,
        database: &str,
        every: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Option<PossibleLoss>, RepositoryError> {
        let backups = self.list()?;
        let taken = backups
            .iter()
            .filter(|manifest| manifest.database_named(database).is_some() && manifest.created_at <= now);
        let Some(newest) = taken.map(|manifest| manifest.created_at).max() else { return Ok(None) };
        let between_backups = seconds((now - newest).max(every));
        let archive = match self.binlogs().status()? {
            None => None,
            Some(status) => Some(self.complete_up_to(&status, database)?),
        };
        let basis = match archive {
            Some(Ok((base, complete_up_to))) => {
                let lag = seconds(now - complete_up_to);
                // An archiver that stopped long ago is worth no more than the backups are.
                if lag <= between_backups {
                    let basis = LossBasis::Archive { base, complete_up_to };
                    return Ok(Some(PossibleLoss { seconds: lag, basis }));
                }
                LossBasis::Backups { archive: Some(format!("it was last complete {lag:.0} s ago")) }
            }
            Some(Err(why)) => LossBasis::Backups { archive: Some(why) },
            None => LossBasis::Backups { archive: None },
        };
        Ok(Some(PossibleLoss { seconds: between_backups, basis }))
    }

    /// Up to when the archive holds everything, and from which backup on; or why it cannot be said.
    fn complete_up_to(
        &self,
        status: &ArchiveStatus,
        database: &str,
    ) -> Result<Result<(String, DateTime<Utc>), String>, RepositoryError> {
        if let Some(problem) = &status.problem {
            return Ok(Err(problem.clone()));
        }
        let Some(complete_up_to) = status.caught_up_at else {
            return Ok(Err("it was never complete".to_owned()));
        };
        // The status is what the archiver said; what it speaks of must still be there.
        let archive = self.binlogs();
        let closed = archive.logs()?.iter().any(|log| log.name == status.file);
        let arrived = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len()) >= status.position;
        let there =
            closed || archive.tails()?.iter().any(|tail| tail.name == status.file && arrived(&tail.path));
        if !there {
            return Ok(Err(format!("{} is not there as far as it had arrived", status.file)));
        }
        match plan_recovery(self, database, Target::Latest, None, false) {
            Ok(plan) => Ok(Ok((plan.base.to_string(), complete_up_to))),
            Err(PlanError::Repository(error)) => Err(error),
            Err(error) => Ok(Err(crate::create::chain(&error))),
        }
    }
}

fn seconds(span: TimeDelta) -> f64 {
    span.num_milliseconds().max(0) as f64 / 1000.0
}
