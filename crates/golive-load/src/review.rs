//! Reviews the statements that cost most: how the server runs them, and which index is missing.
//!
//! It looks and changes nothing: SELECTs only, EXPLAIN only, in a read-only transaction, each with a time limit. What must
//! not be here or come out of here: a literal of a statement or a value of a row. Statements are shown with `?`.

mod advise;
mod collect;
mod examine;
mod fingerprint;
mod plan;
mod structure;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{Connection, Row};

pub(crate) use advise::{Wanted, wanted};
pub(crate) use collect::Candidate;
pub use collect::{Workload, collect_workload};
pub(crate) use examine::plan_of;
pub(crate) use fingerprint::tables;
pub(crate) use plan::{analyzed, nodes};
pub(crate) use structure::{indexes_of, quote};

/// What to review.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReviewOptions {
    /// How many statements, by total time.
    pub top: usize,
    /// A scan of fewer rows than this is no finding.
    pub large_table_rows: u64,
    /// A slow log file of this server, readable from here. Its last 64 MiB are read.
    pub slow_log_file: Option<PathBuf>,
    /// Statements to review when the server tells none, e.g. from the application's own traces.
    pub statements: Vec<String>,
    /// Time for one EXPLAIN.
    pub statement_timeout: Duration,
    /// Time for the whole review.
    pub timeout: Duration,
    /// An index that nothing has used is told of only when the server has been counting for so long.
    pub unused_after: Duration,
}

impl Default for ReviewOptions {
    fn default() -> Self {
        Self {
            top: 10,
            large_table_rows: 1000,
            slow_log_file: None,
            statements: Vec::new(),
            statement_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(120),
            unused_after: Duration::from_secs(24 * 3600),
        }
    }
}

/// Where the statements came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QuerySource {
    /// `performance_schema.events_statements_summary_by_digest`. In MariaDB it does not see prepared statements of the
    /// binary protocol, which is all that most drivers send.
    PerformanceSchema,
    /// The table `mysql.slow_log`.
    SlowLogTable,
    /// A slow log file.
    SlowLogFile,
    /// [`ReviewOptions::statements`].
    Given,
}

/// The result of a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueryReview {
    /// Where the statements came from.
    pub source: QuerySource,
    /// `SELECT version()`.
    pub server_version: String,
    /// Most costly first.
    pub queries: Vec<ReviewedQuery>,
    /// What is wrong with the tables' indexes, whatever is asked.
    pub structure: Vec<Finding>,
    /// What limits the result: a source that was off, stand-in values.
    pub notes: Vec<String>,
}

impl QueryReview {
    /// The distinct `CREATE INDEX` statements advised.
    #[must_use]
    pub fn indexes(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for index in self.queries.iter().flat_map(|q| &q.findings).filter_map(|f| f.index.as_deref()) {
            if !found.contains(&index) {
                found.push(index);
            }
        }
        found
    }
}

/// One statement, all executions that differ in literals only taken together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReviewedQuery {
    /// The statement with `?` for its literals.
    pub statement: String,
    /// How often it ran; `None` when the source does not say.
    pub executions: Option<u64>,
    /// How long it ran, in all.
    pub total_seconds: Option<f64>,
    /// Why it could not be explained.
    pub not_explained: Option<String>,
    /// What is wrong with its plan, or with how it is asked.
    pub findings: Vec<Finding>,
}

/// One thing that costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// Table concerned.
    pub table: Option<String>,
    /// Rows that the server expects to read for it.
    pub rows: Option<u64>,
    /// In words, with the next action.
    pub says: String,
    /// The statement that mends it.
    pub index: Option<String>,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// Every row of a large table is read.
    FullScan,
    /// A join compares every pair of rows.
    JoinWithoutIndex,
    /// The result is sorted after it was read.
    Filesort,
    /// The result goes through a temporary table.
    TemporaryTable,
    /// An index cannot be used because values of two types or collations are compared.
    ImplicitConversion,
    /// An index cannot be used because its column stands inside a function.
    FunctionOverIndex,
    /// The same statement again and again in one session: a SELECT inside a loop.
    QueryInLoop,
    /// Two indexes on the same columns.
    DuplicateIndex,
    /// An index that is the beginning of another.
    RedundantIndex,
    /// An index that nothing has read since the server counts.
    UnusedIndex,
    /// A column that looks like a reference to another table, without an index.
    MissingReferenceIndex,
}

/// Why a review could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// Not a `mysql://` address with a database.
    #[error("read the database address: use mysql://user:password@host:port/database")]
    Url,
    /// No connection.
    #[error("connect to the database server; check that it runs and that the account may log in")]
    Connect {
        /// From the driver.
        #[source]
        source: sqlx::Error,
    },
    /// One of the review's own questions was not answered.
    #[error("read {what} from the server")]
    Query {
        /// What was asked for.
        what: &'static str,
        /// From the driver.
        #[source]
        source: sqlx::Error,
    },
    /// The slow log file is not readable.
    #[error("read the slow log {path}; check its path and permissions")]
    SlowLog {
        /// The file.
        path: String,
        /// From the system.
        #[source]
        source: std::io::Error,
    },
    /// The review took too long.
    #[error("finish the review within {seconds} s; raise the timeout or lower the number of statements")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// No source has a statement.
    #[error(
        "find a SELECT to review ({}): turn on performance_schema, or the slow log with log_output=TABLE, or name statements",
        notes.join("; ")
    )]
    NothingToReview {
        /// Why each source had none.
        notes: Vec<String>,
    },
}

/// Reviews the most costly SELECTs of the database in `url`.
///
/// The statements come from the first of these that has any: `performance_schema` digests, the slow log table, the slow
/// log file, the statements given.
///
/// # Errors
/// When the server cannot be reached or asked, or no source has a statement. A statement that cannot be explained is part
/// of the result.
pub async fn review_queries(url: &SecretString, options: &ReviewOptions) -> Result<QueryReview, ReviewError> {
    let (connect, database) = address(url)?;
    let seconds = options.timeout.as_secs();
    tokio::time::timeout(options.timeout, review(connect, &database, options))
        .await
        .map_err(|_| ReviewError::Timeout { seconds })?
}

/// Where to connect, and the database there.
pub(crate) fn address(url: &SecretString) -> Result<(MySqlConnectOptions, String), ReviewError> {
    let connect = MySqlConnectOptions::from_str(url.expose_secret()).map_err(|_| ReviewError::Url)?;
    let database = connect.get_database().filter(|name| !name.is_empty()).ok_or(ReviewError::Url)?.to_owned();
    Ok((connect, database))
}

async fn review(
    connect: MySqlConnectOptions,
    database: &str,
    options: &ReviewOptions,
) -> Result<QueryReview, ReviewError> {
    let mut connection =
        MySqlConnection::connect_with(&connect).await.map_err(|source| ReviewError::Connect { source })?;
    let server_version = ask(&mut connection, "the version", "SELECT version()").await?;
    let (source, candidates, mut notes) = collect::collect(&mut connection, database, options).await?;
    if candidates.iter().any(|candidate| candidate.stand_ins) {
        notes.push(
            "explained with stand-in values, as digests hold none: estimates of rows may be off".to_owned(),
        );
    }
    run(&mut connection, "a read-only transaction", "START TRANSACTION READ ONLY").await?;
    let indexes = structure::indexes_of(&mut connection, database).await?;
    let notes_on_keys = examine::ask_for_notes(&mut connection).await;
    if !notes_on_keys {
        notes.push(
            "this server does not say which keys a comparison cannot use: implicit conversions are unknown"
                .to_owned(),
        );
    }
    let mut queries = Vec::new();
    for candidate in candidates {
        queries.push(examine::review_one(&mut connection, database, options, &indexes, candidate).await?);
    }
    let structure = structure::findings(&mut connection, database, options, &indexes, &mut notes).await?;
    run(&mut connection, "the end of the transaction", "ROLLBACK").await?;
    // The result stands, whether or not the server says good-bye.
    let _ = connection.close().await;
    Ok(QueryReview { source, server_version, queries, structure, notes })
}

pub(crate) async fn ask(
    connection: &mut MySqlConnection,
    what: &'static str,
    statement: &'static str,
) -> Result<String, ReviewError> {
    let row = sqlx::raw_sql(statement)
        .fetch_one(connection)
        .await
        .map_err(|source| ReviewError::Query { what, source })?;
    row.try_get_unchecked(0).map_err(|source| ReviewError::Query { what, source })
}

pub(crate) async fn run(
    connection: &mut MySqlConnection,
    what: &'static str,
    statement: &'static str,
) -> Result<(), ReviewError> {
    sqlx::raw_sql(statement)
        .execute(connection)
        .await
        .map_err(|source| ReviewError::Query { what, source })?;
    Ok(())
}
