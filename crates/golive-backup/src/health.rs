//! Whether the backups are such that one may rely on them: a pure judgement of what the repository holds, for alerts,
//! for metrics and for whoever asks. An unverified backup counts as none.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::binlog::ArchiveStatus;
use crate::manifest::{BackupId, Manifest};
use crate::repository::{Attempt, DamagedEntry, Proof, ProofLevel, Repository, RepositoryError, Scan};

/// How many backups before it one is compared with.
const COMPARED_WITH: usize = 7;

/// What is expected of the backups.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Expectations {
    /// The newest backup may be this old.
    pub oldest_backup: TimeDelta,
    /// The newest restore that was compared may be this old.
    pub oldest_proof: TimeDelta,
    /// The archive of the binary log may be behind by this much; `None` where none is kept.
    pub archive_lag: Option<TimeDelta>,
    /// Below this share of the median of the backups before it, a backup is suspicious.
    pub smallest_share: f64,
    /// Above this multiple of the median, too.
    pub largest_share: f64,
}

impl Expectations {
    /// A backup every 26 hours, a compared restore every 7 days, no archive; half to double the size.
    pub fn new() -> Self {
        Self {
            oldest_backup: TimeDelta::hours(26),
            oldest_proof: TimeDelta::days(7),
            archive_lag: None,
            smallest_share: 0.5,
            largest_share: 2.0,
        }
    }
}

impl Default for Expectations {
    fn default() -> Self {
        Self::new()
    }
}

/// Something about the backups that somebody should know now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthFinding {
    /// There is no backup of this database.
    None,
    /// The last attempt failed.
    Failed {
        /// When.
        at: DateTime<Utc>,
        /// Why, a sentence.
        why: String,
    },
    /// The newest backup is too old.
    Late {
        /// The backup.
        id: BackupId,
        /// Its age in hours.
        hours: i64,
    },
    /// The newest backup is dated in the future, so its age says nothing.
    Future {
        /// The backup.
        id: BackupId,
    },
    /// No restore of any backup was compared lately.
    Unverified {
        /// Hours since the last; `None` when there never was one.
        hours: Option<i64>,
    },
    /// The last look at a backup failed.
    Broken {
        /// The backup.
        id: BackupId,
        /// How deep the look was.
        level: ProofLevel,
        /// What was found.
        what: String,
    },
    /// An entry of the repository is no readable backup.
    Damaged {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The newest backup is far smaller than those before it.
    Shrank {
        /// The backup.
        id: BackupId,
        /// What shrank: bytes or rows.
        what: &'static str,
        /// The share of the median.
        share: f64,
    },
    /// The newest backup is far larger than those before it.
    Grew {
        /// The backup.
        id: BackupId,
        /// What grew: bytes or rows.
        what: &'static str,
        /// The multiple of the median.
        share: f64,
    },
    /// The archive of the binary log is behind, or was never complete.
    ArchiveBehind {
        /// By how many seconds; `None` when it was never complete.
        seconds: Option<i64>,
    },
}

impl HealthFinding {
    /// Whether the backups may not be relied on with it; otherwise it is a warning.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Grew { .. } | Self::Damaged { .. })
    }
}

impl fmt::Display for HealthFinding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("there is no backup: take one with `golive backup create`"),
            Self::Failed { at, why } => {
                write!(formatter, "the attempt of {} failed: {why}", at.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::Late { id, hours } => {
                write!(formatter, "the newest backup {id} is {hours} h old: look at its schedule")
            }
            Self::Future { id } => {
                write!(formatter, "the newest backup {id} is dated in the future: check the clock")
            }
            Self::Unverified { hours: Some(hours) } => write!(
                formatter,
                "the last compared restore was {hours} h ago, so the backups count as none: run `golive backup drill`"
            ),
            Self::Unverified { hours: None } => formatter.write_str(
                "no restore was ever compared, so the backups count as none: run `golive backup drill`",
            ),
            Self::Broken { id, level: ProofLevel::Restored, what } => {
                write!(formatter, "backup {id} did not come back as it was: {what}")
            }
            Self::Broken { id, what, .. } => {
                write!(formatter, "backup {id} was found broken: {what}; take a new one and look at the disk")
            }
            Self::Damaged { name, reason } => {
                write!(formatter, "{name} in the repository is no backup: {reason}")
            }
            Self::Shrank { id, what, share } => write!(
                formatter,
                "backup {id} has {:.0} % of the usual {what}: is it the right database, and whole?",
                share * 100.0
            ),
            Self::Grew { id, what, share } => {
                write!(formatter, "backup {id} has {share:.1} times the usual {what}: expected?")
            }
            Self::ArchiveBehind { seconds: Some(seconds) } => {
                write!(
                    formatter,
                    "the archive of the binary log is {seconds} s behind: is the archiver running?"
                )
            }
            Self::ArchiveBehind { seconds: None } => formatter
                .write_str("the archive of the binary log was never complete: is the archiver running?"),
        }
    }
}

/// How the backups of one database stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The database.
    pub database: String,
    /// When this was judged.
    pub at: DateTime<Utc>,
    /// The newest backup.
    pub newest: Option<BackupId>,
    /// When it was taken.
    pub backed_up_at: Option<DateTime<Utc>>,
    /// When a restore was last compared and equal.
    pub verified_at: Option<DateTime<Utc>>,
    /// Bytes of the newest backup as stored.
    pub stored_bytes: u64,
    /// Seconds by which the archive of the binary log is behind; `None` when there is none or it was never complete.
    pub archive_lag_seconds: Option<f64>,
    /// What somebody should know.
    pub findings: Vec<HealthFinding>,
}

impl Health {
    /// Whether the backups may be relied on.
    pub fn is_good(&self) -> bool {
        !self.findings.iter().any(HealthFinding::is_failure)
    }

    /// The text for Prometheus, for the textfile collector of its node exporter.
    pub fn metrics(&self) -> String {
        let label = self.database.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let mut text = String::new();
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                text.push_str(&format!(
                    "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{database=\"{label}\"}} {value}\n"
                ));
            }
        };
        let seconds = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp() as f64);
        gauge(
            "golive_backup_last_success_timestamp_seconds",
            "When the newest backup was taken.",
            seconds(self.backed_up_at),
        );
        gauge(
            "golive_backup_verified_timestamp_seconds",
            "When a restore was last compared and equal.",
            seconds(self.verified_at),
        );
        gauge("golive_backup_stored_bytes", "Size of the newest backup.", Some(self.stored_bytes as f64));
        gauge(
            "golive_binlog_archive_lag_seconds",
            "Time since the archive of the binary log was complete.",
            self.archive_lag_seconds,
        );
        gauge(
            "golive_backup_good",
            "1 when the backups may be relied on.",
            Some(f64::from(u8::from(self.is_good()))),
        );
        text
    }
}

/// Judges the backups of a database, alone or with its whole server. Touches nothing.
pub fn judge_health(
    scan: &Scan,
    attempts: &[Attempt],
    archive: Option<&ArchiveStatus>,
    database: &str,
    expected: &Expectations,
    now: DateTime<Utc>,
) -> Health {
    let backups: Vec<&(Manifest, Vec<Proof>)> =
        scan.backups.iter().filter(|(manifest, _)| manifest.database_named(database).is_some()).collect();
    let newest = backups.last().map(|(manifest, _)| manifest);
    let lag = archive.and_then(|status| status.lag_seconds(now));
    let mut findings: Vec<HealthFinding> = scan.damaged.iter().map(damaged).collect();
    let verified_at = backups
        .iter()
        .flat_map(|(_, proofs)| proofs)
        .filter(|proof| proof.passed && proof.level == ProofLevel::Restored && proof.at <= now)
        .map(|proof| proof.at)
        .max();
    match newest {
        None => findings.push(HealthFinding::None),
        Some(newest) => {
            let age = now - newest.created_at;
            if age < -TimeDelta::minutes(5) {
                findings.push(HealthFinding::Future { id: newest.id.clone() });
            } else if age > expected.oldest_backup {
                findings.push(HealthFinding::Late { id: newest.id.clone(), hours: age.num_hours() });
            }
            let since = verified_at.map(|at| now - at);
            if since.is_none_or(|since| since > expected.oldest_proof) {
                findings.push(HealthFinding::Unverified { hours: since.map(|since| since.num_hours()) });
            }
            findings.extend(unlike_the_others(&backups, database, expected));
        }
    }
    let after = newest.map(|newest| newest.created_at);
    // An attempt at the whole server names no database.
    let last = attempts.iter().rev().find(|attempt| [database, ""].contains(&attempt.database.as_str()));
    findings.extend(
        last.filter(|last| after.is_none_or(|after| last.at > after))
            .map(|last| HealthFinding::Failed { at: last.at, why: last.why.clone() }),
    );
    findings.extend(backups.iter().filter_map(|(manifest, proofs)| broken(manifest, proofs)));
    if let Some(longest) = expected.archive_lag
        && lag.is_none_or(|lag| lag > longest.num_milliseconds() as f64 / 1000.0)
    {
        findings.push(HealthFinding::ArchiveBehind { seconds: lag.map(|lag| lag as i64) });
    }
    Health {
        database: database.to_owned(),
        at: now,
        newest: newest.map(|newest| newest.id.clone()),
        backed_up_at: after,
        verified_at,
        stored_bytes: newest.map_or(0, Manifest::stored_bytes),
        archive_lag_seconds: lag,
        findings,
    }
}

fn damaged(entry: &DamagedEntry) -> HealthFinding {
    HealthFinding::Damaged { name: entry.name.clone(), reason: entry.reason.clone() }
}

fn broken(manifest: &Manifest, proofs: &[Proof]) -> Option<HealthFinding> {
    let last = proofs.last().filter(|proof| !proof.passed)?;
    Some(HealthFinding::Broken { id: manifest.id.clone(), level: last.level, what: last.detail.clone() })
}

/// A size of a backup.
type Measure<'a> = &'a dyn Fn(&Manifest) -> u64;

/// Compares the newest with the median of those of its kind before it.
fn unlike_the_others(
    backups: &[&(Manifest, Vec<Proof>)],
    database: &str,
    expected: &Expectations,
) -> Vec<HealthFinding> {
    let Some(((newest, _), before)) = backups.split_last() else { return Vec::new() };
    // A dump, the files of a server, and what changed in them since: none says anything about another's size.
    let kind = |manifest: &Manifest| manifest.physical().map(|facts| facts.base.is_some());
    let alike = before.iter().rev().map(|(manifest, _)| manifest).filter(|other| kind(other) == kind(newest));
    let before: Vec<&Manifest> = alike.take(COMPARED_WITH).collect();
    let rows = |manifest: &Manifest| {
        manifest.database_named(database).map_or(0, crate::manifest::DatabaseFacts::rows)
    };
    let measures: [(&'static str, Measure<'_>); 2] = [("bytes", &Manifest::stored_bytes), ("rows", &rows)];
    let mut findings = Vec::new();
    for (what, measure) in measures {
        let mut usual: Vec<u64> = before.iter().map(|manifest| measure(manifest)).collect();
        usual.sort_unstable();
        let Some(&median) = usual.get(usual.len() / 2).filter(|median| **median > 0) else { continue };
        let share = measure(newest) as f64 / median as f64;
        let id = newest.id.clone();
        if share < expected.smallest_share {
            findings.push(HealthFinding::Shrank { id, what, share });
        } else if share > expected.largest_share {
            findings.push(HealthFinding::Grew { id, what, share });
        }
    }
    findings
}

impl Repository {
    /// How the backups of a database stand.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn health(
        &self,
        database: &str,
        expected: &Expectations,
        now: DateTime<Utc>,
    ) -> Result<Health, RepositoryError> {
        let archive = self.binlogs().status()?;
        Ok(judge_health(&self.scan()?, &self.attempts()?, archive.as_ref(), database, expected, now))
    }
}

#[cfg(test)]
mod tests;
