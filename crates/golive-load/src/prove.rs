//! Tries indexes on a disposable copy of the data and keeps what paid.
//!
//! Each candidate is created unseen (`IGNORED`), shown and hidden in turn while the statements run, judged by rows and pages
//! before time, weighed against what it costs on writing, and dropped. MariaDB has no hypothetical indexes; an ignored one is
//! the nearest thing that is true (manual, "Ignored Indexes"). What must not be here: a production server.

mod judge;
mod migration;
mod trial;

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::Connection;
use sqlx::mysql::MySqlConnection;

use crate::review::{self, Candidate, ReviewError, Wanted, Workload};

pub use migration::render_index_migration;
use trial::Trial;

/// The written confirmation that indexes and tables may be made and dropped in one database, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DisposableCopy {
    database: String,
}

impl DisposableCopy {
    /// Confirms that `database` is a copy that nobody depends on.
    #[must_use]
    pub fn dangerous_indexes_may_be_made_in(database: impl Into<String>) -> Self {
        Self { database: database.into() }
    }
}

/// How to try.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProveOptions {
    /// How often each state is measured, hidden and shown in turn.
    pub rounds: u32,
    /// No more candidates than this are created.
    pub max_candidates: usize,
    /// A statement that reads fewer rows than this needs no index.
    pub worthwhile_rows: u64,
    /// Rows written to learn what an index costs on writing.
    pub write_rows: u32,
    /// Time for one execution.
    pub statement_timeout: Duration,
    /// Time for all.
    pub timeout: Duration,
}

impl Default for ProveOptions {
    fn default() -> Self {
        Self {
            rounds: 5,
            max_candidates: 12,
            worthwhile_rows: 1000,
            write_rows: 20_000,
            statement_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(1800),
        }
    }
}

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IndexProof {
    /// `SELECT version()` of the copy.
    pub server_version: String,
    /// One entry a candidate, what paid first.
    pub tried: Vec<TriedIndex>,
    /// Leftovers of a trial that was cut off, dropped at the start.
    pub swept: Vec<String>,
    /// What limits the result.
    pub notes: Vec<String>,
}

impl IndexProof {
    /// The indexes that paid.
    pub fn recommended(&self) -> impl Iterator<Item = &TriedIndex> {
        self.tried.iter().filter(|index| index.verdict == IndexVerdict::Paid)
    }
}

/// One candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TriedIndex {
    /// Table.
    pub table: String,
    /// Columns in their order.
    pub columns: Vec<String>,
    /// The name it should get.
    pub name: String,
    /// The statement that creates it.
    pub create: String,
    /// Whether it paid.
    pub verdict: IndexVerdict,
    /// Why, with the figures.
    pub reason: String,
    /// Bytes on disk, where the account may read them.
    pub size_bytes: Option<u64>,
    /// Time of writing rows with it, as a factor of the time without it; `None` when it was not measured.
    pub write_factor: Option<f64>,
    /// How the statements that read this table fared.
    pub queries: Vec<TriedQuery>,
}

/// What came of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexVerdict {
    /// Some statement got much cheaper and none got dearer.
    Paid,
    /// Nothing got much cheaper, or what did is served by another index that paid.
    NotWorth,
    /// Some statement got dearer.
    Harmful,
    /// It could not be created or measured.
    Unknown,
}

/// One statement without and with the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TriedQuery {
    /// The statement with `?` for its literals.
    pub statement: String,
    /// How often it ran where it was recorded.
    pub executions: Option<u64>,
    /// Without; `None` when it took longer than the limit.
    pub before: Option<QueryCost>,
    /// With; `None` when it took longer than the limit.
    pub after: Option<QueryCost>,
}

/// What one statement costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueryCost {
    /// Rows read, over all tables.
    pub rows_examined: u64,
    /// Pages touched, where the server counts them.
    pub pages_accessed: Option<u64>,
    /// Median time.
    pub median_ms: f64,
    /// The fastest.
    pub fastest_ms: f64,
    /// The slowest.
    pub slowest_ms: f64,
}

/// Why nothing could be proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// Nobody confirmed this database.
    #[error("try indexes in `{database}`: confirm by that name that it is a copy that nobody depends on")]
    NotConfirmed {
        /// The database of the address.
        database: String,
    },
    /// Somebody else tries indexes there.
    #[error("try indexes in `{database}`: another trial goes on there; wait until it has ended")]
    Busy {
        /// The database of the address.
        database: String,
    },
    /// The copy could not be reached or asked.
    #[error("ask the copy")]
    Ask {
        /// Why.
        #[from]
        source: ReviewError,
    },
    /// A leftover could not be dropped.
    #[error("drop `{name}` from the copy; drop it by hand, or throw the copy away")]
    Sweep {
        /// Index or table.
        name: String,
        /// From the driver.
        #[source]
        source: sqlx::Error,
    },
    /// It took too long; what it made is dropped at the next start.
    #[error("try all indexes within {seconds} s; raise the limit or lower the number of statements")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
}

/// Tries every index that could serve `workload` in the database of `copy`, and drops it again.
///
/// # Errors
/// When the copy is not confirmed or cannot be used. A candidate that cannot be tried is part of the result.
pub async fn prove_indexes(
    copy: &SecretString,
    confirmed: &DisposableCopy,
    workload: &Workload,
    options: &ProveOptions,
) -> Result<IndexProof, ProveError> {
    let (connect, database) = review::address(copy)?;
    if confirmed.database != database {
        return Err(ProveError::NotConfirmed { database });
    }
    let work = async {
        let connection = MySqlConnection::connect_with(&connect)
            .await
            .map_err(|source| ReviewError::Connect { source })?;
        let mut trial = Trial::begin(connection, database, options).await?;
        let proof = prove(&mut trial, workload).await;
        // What was made is dropped, whatever came of it; the first failure is told.
        let swept = trial.sweep().await;
        let proof = proof?;
        swept?;
        let _ = trial.connection.close().await;
        Ok(proof)
    };
    let seconds = options.timeout.as_secs();
    tokio::time::timeout(options.timeout, work).await.map_err(|_| ProveError::Timeout { seconds })?
}

async fn prove(trial: &mut Trial<'_>, workload: &Workload) -> Result<IndexProof, ProveError> {
    let server_version = review::ask(&mut trial.connection, "the version", "SELECT version()").await?;
    let swept = std::mem::take(&mut trial.swept);
    let mut notes = workload.notes.clone();
    if workload.candidates.iter().any(|candidate| candidate.stand_ins) {
        notes.push(
            "some statements were tried with stand-in values: give literal ones for a true measure"
                .to_owned(),
        );
    }
    let (mut wanted, unexplained) = candidates(trial, &workload.candidates).await?;
    notes.extend(unexplained);
    if wanted.len() > trial.options.max_candidates {
        notes.push(format!("{} of {} candidates were tried", trial.options.max_candidates, wanted.len()));
        wanted.truncate(trial.options.max_candidates);
    }
    let mut tried = Vec::new();
    for index in &wanted {
        tried.push(trial.alone(index, &workload.candidates).await?);
    }
    judge::rank(&mut tried);
    let tried = together(trial, tried, &workload.candidates).await?;
    Ok(IndexProof { server_version, tried, swept, notes })
}

/// The indexes worth trying for any of the statements, and which statements could not be explained.
async fn candidates(
    trial: &mut Trial<'_>,
    statements: &[Candidate],
) -> Result<(Vec<Wanted>, Vec<String>), ProveError> {
    let existing = review::indexes_of(&mut trial.connection, &trial.database).await?;
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for statement in statements {
        let timeout = trial.options.statement_timeout;
        match review::plan_of(&mut trial.connection, "EXPLAIN", &statement.sample, timeout).await {
            Ok(plan) => {
                let nodes = review::nodes(&plan);
                let wanted =
                    review::wanted(&mut trial.connection, &trial.database, statement, &nodes, &existing)
                        .await?;
                for index in wanted {
                    if !found.contains(&index) {
                        found.push(index);
                    }
                }
            }
            Err(reason) => notes.push(format!("`{}` was not tried: {reason}", statement.fingerprint)),
        }
    }
    Ok((found, notes))
}

/// What paid alone is tried once more beside what has already paid: two indexes for one statement do not both pay. One that
/// still pays and begins with another takes its place.
async fn together(
    trial: &mut Trial<'_>,
    tried: Vec<TriedIndex>,
    statements: &[Candidate],
) -> Result<Vec<TriedIndex>, ProveError> {
    let mut kept: Vec<(TriedIndex, String)> = Vec::new();
    let mut rest = Vec::new();
    for mut index in tried {
        if index.verdict != IndexVerdict::Paid {
            rest.push(index);
            continue;
        }
        if kept.iter().any(|(other, _)| other.table == index.table) {
            let wanted = Wanted { table: index.table.clone(), columns: index.columns.clone() };
            let again = trial.alone(&wanted, statements).await?;
            if again.verdict != IndexVerdict::Paid {
                index.verdict = IndexVerdict::NotWorth;
                index.reason =
                    format!("pays alone, and not beside what was taken before it: {}", again.reason);
                rest.push(index);
                continue;
            }
        }
        let begins =
            |other: &TriedIndex| other.table == index.table && index.columns.starts_with(&other.columns);
        if let Some(at) = kept.iter().position(|(other, _)| begins(other)) {
            let (mut shorter, name) = kept.remove(at);
            trial.drop_index(&shorter.table, &name).await?;
            shorter.verdict = IndexVerdict::NotWorth;
            shorter.reason = format!("pays, and `{}`, which begins with it, pays more", index.name);
            rest.push(shorter);
        }
        let name = trial.keep(&index).await?;
        kept.push((index, name));
    }
    Ok(kept.into_iter().map(|(index, _)| index).chain(rest).collect())
}
