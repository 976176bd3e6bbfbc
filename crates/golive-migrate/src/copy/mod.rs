//! Moves the rows: one read snapshot, tables side by side, chunks in key order, each chunk and its journal row in one
//! transaction. It makes no choice: types and order are the plan's.

mod confirm;
mod reader;
mod worker;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::confirm::Confirmation;
pub(crate) use self::reader::ChunkEnd;
use self::worker::Worker;
use crate::journal::{self, Lock};
use crate::plan::Plan;
use crate::progress::{OnProgress, Phase, PhaseMeter, per_second};
use crate::source::Source;
use crate::stall::{self, Pulse};
use crate::target::Target;

/// How long a cancelled run may take to roll its chunks back and say goodbye. After it the connections are cut, and the
/// server rolls back by itself.
const GRACE: Duration = Duration::from_secs(15);

/// How rows are moved.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CopyOptions {
    /// Rows a transaction, at most; 50,000.
    pub chunk_rows: usize,
    /// Bytes a transaction, at most; 64 MiB.
    pub chunk_bytes: usize,
    /// Tables at once, 1 to 8; 2.
    pub tables_at_once: usize,
    /// How long the server may take for a step, or to answer at all, before the copy is given up; 5 minutes. What is in stays
    /// in, and the next run goes on.
    pub stall_timeout: Duration,
    /// Cancelling it ends the copy: chunks under way are rolled back, what is in stays in, and the next run goes on.
    pub cancel: CancellationToken,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            chunk_rows: 50_000,
            chunk_bytes: 64 << 20,
            tables_at_once: 2,
            stall_timeout: stall::DEFAULT_TIMEOUT,
            cancel: CancellationToken::new(),
        }
    }
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CopyReport {
    /// One entry a table, in the plan's order.
    pub tables: Vec<CopiedTable>,
    /// Rows moved by this run.
    pub rows: u64,
    /// Whether rows of an earlier run were found and kept.
    pub resumed: bool,
    /// `load data` or `insert`.
    pub method: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// Rows moved per second.
    pub rows_per_second: f64,
}

/// One table's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// Its rows in the target.
    pub rows: u64,
    /// Of them moved by this run.
    pub rows_now: u64,
    /// Its chunks.
    pub chunks: u64,
    /// Rows that a policy set aside.
    pub set_aside: u64,
}

/// Why not all rows were moved. Chunks that are in stay in; a run continues after them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The tables were not made by this plan.
    #[error(
        "copy into {target}: its tables were not made by this plan, make them first or start with an empty database"
    )]
    OtherRun {
        /// The target.
        target: String,
    },
    /// The source is not as it was surveyed.
    #[error(
        "copy the source: it changed since it was surveyed, stop the application and start anew with an empty database"
    )]
    SourceChanged,
    /// Another run is at work.
    #[error("work on {target}: another migration run holds it, wait for it to end")]
    AnotherRun {
        /// The target.
        target: String,
    },
    /// A value does not go into its column; the survey of this source would have told.
    #[error("copy `{table}`, row {key}: `{column}` {what}; survey the source again")]
    Misfit {
        /// The table.
        table: String,
        /// The row's key.
        key: String,
        /// The column.
        column: String,
        /// Why.
        what: &'static str,
    },
    /// The server refused or would have changed a row.
    #[error(
        "copy `{table}`, row {key}: the server {what} (code {code}); mend the row in the source or the plan's type"
    )]
    RowRefused {
        /// The table.
        table: String,
        /// The row's key.
        key: String,
        /// Why, without the value.
        what: &'static str,
        /// The server's error code; 0 when it only warned.
        code: u16,
    },
    /// A row needs a larger packet than the server takes, which holds for `INSERT` but not for `LOAD DATA`.
    #[error(
        "copy `{table}`, row {key}: it takes {bytes} bytes in one packet, the server takes {packet_bytes}; \
         SET GLOBAL max_allowed_packet higher, or SET GLOBAL local_infile = 1, which needs none"
    )]
    PacketTooSmall {
        /// The table.
        table: String,
        /// The row's key, or that of the first row of its statement.
        key: String,
        /// What it takes.
        bytes: u64,
        /// `max_allowed_packet`.
        packet_bytes: u64,
    },
    /// A policy sets aside more than a few rows.
    #[error(
        "set aside rows of `{table}`: more than {limit} do not fit, mend them in the source or choose a wider type"
    )]
    TooManySetAside {
        /// The table.
        table: String,
        /// How many may be.
        limit: u64,
    },
    /// The source could not be read.
    #[error("read `{table}` from the source")]
    Source {
        /// The table.
        table: String,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
    /// The source's file could not be read.
    #[error("fingerprint the source; check its permissions")]
    Fingerprint(#[source] std::io::Error),
    /// The server went away or refused a statement.
    #[error(
        "write `{table}` to the target; check that MariaDB is running and has room, then run again: what is done stays done"
    )]
    Server {
        /// The table, or the journal.
        table: String,
        /// The driver's reason.
        #[source]
        source: mysql_async::Error,
    },
    /// It was asked to end.
    #[error(
        "finish the copy into {target}: it was cancelled; no chunk is half done, and the next run goes on from there"
    )]
    Cancelled {
        /// The target.
        target: String,
    },
    /// The reading thread died.
    #[error("finish reading the source")]
    Worker(#[from] tokio::task::JoinError),
}

impl CopyError {
    pub(crate) fn server(table: &str) -> impl Fn(mysql_async::Error) -> Self + '_ {
        move |source| Self::Server { table: table.to_owned(), source }
    }
}

/// Moves all rows of the plan, or what is left of them after an earlier run.
///
/// # Errors
/// When source or target fail, or a row cannot be moved unchanged; running again continues after the last chunk.
pub async fn copy(
    source: &Source,
    target: &Target,
    plan: &Plan,
    options: &CopyOptions,
    progress: OnProgress<'_>,
) -> Result<CopyReport, CopyError> {
    let cancelled = || CopyError::Cancelled { target: target.display_name() };
    let limit = options.stall_timeout;
    let lock = tokio::select! {
        biased;
        () = options.cancel.cancelled() => return Err(cancelled()),
        lock = stall::guarded(target, limit, |error| error, Lock::acquire(target)) => {
            lock.map_err(CopyError::server("the journal"))?
        }
    };
    let Some(lock) = lock else {
        return Err(CopyError::AnotherRun { target: target.display_name() });
    };
    let work = copy_locked(source, target, plan, options, progress);
    let result = tokio::select! {
        result = stall::guarded(target, limit, CopyError::server("all tables"), work) => result,
        () = grace_after(&options.cancel) => Err(cancelled()),
    };
    lock.release().await;
    result
}

async fn copy_locked(
    source: &Source,
    target: &Target,
    plan: &Plan,
    options: &CopyOptions,
    progress: OnProgress<'_>,
) -> Result<CopyReport, CopyError> {
    let start = Instant::now();
    let server = CopyError::server("the journal");
    let mut conn = target.open().await.map_err(&server)?;
    let run = journal::run(&mut conn).await.map_err(&server)?;
    let ours =
        run.is_some_and(|run| run.plan_digest == plan.digest && run.source_digest == plan.source_digest);
    if !ours {
        return Err(CopyError::OtherRun { target: target.display_name() });
    }
    let watch = confirm::watch(source).await?;
    let workers = options.tables_at_once.clamp(1, 8).min(plan.tables.len().max(1));
    let reading = source.clone();
    let snapshots = tokio::task::spawn_blocking(move || reading.snapshots(workers)).await?;
    let snapshots =
        snapshots.map_err(|source| CopyError::Source { table: "sqlite_schema".to_owned(), source })?;
    let mut copied = move_rows(source, target, plan, options, progress, snapshots).await?;
    confirm::expect_unchanged(watch, plan).await?;
    journal::mark(&mut conn, "copied_at").await.map_err(&server)?;
    let _ = conn.disconnect().await;

    copied.sort_by_key(|(place, _)| *place);
    let tables: Vec<CopiedTable> = copied.into_iter().map(|(_, table)| table).collect();
    let rows = tables.iter().map(|table| table.rows_now).sum();
    let elapsed = start.elapsed();
    Ok(CopyReport {
        resumed: tables.iter().any(|table| table.rows > table.rows_now),
        rows,
        method: if target.server().local_infile { "load data" } else { "insert" },
        seconds: elapsed.as_secs_f64(),
        rows_per_second: per_second(rows, elapsed),
        tables,
    })
}

/// One worker a snapshot. When one fails, or the source is not the planned one, the others end as if cancelled, each with
/// its chunk rolled back.
async fn move_rows(
    source: &Source,
    target: &Target,
    plan: &Plan,
    options: &CopyOptions,
    progress: OnProgress<'_>,
    snapshots: Vec<rusqlite::Connection>,
) -> Result<Vec<(usize, CopiedTable)>, CopyError> {
    // The largest first: it is under way while the fingerprint is taken, and the small ones fit beside it.
    let mut places: Vec<usize> = (0..plan.tables.len()).collect();
    places.sort_by_key(|place| Reverse(plan.tables[*place].rows));
    let queue: Mutex<VecDeque<usize>> = Mutex::new(places.into());
    let meter = PhaseMeter::new(Phase::Copy, plan.rows(), progress);
    let stop = options.cancel.child_token();
    let confirmation = Confirmation::new();
    let first_failure = Mutex::new(None);
    let fail = |failure: CopyError| {
        stop.cancel();
        first_failure.lock().expect("no holder of this lock can panic").get_or_insert(failure);
    };
    let work = join_all(snapshots.into_iter().map(async |snapshot| {
        let pulse = Arc::new(Pulse::new());
        let worker = Worker::new(target, options, &meter, &stop, &confirmation, &pulse);
        let work = worker.run(snapshot, plan, &queue);
        match pulse.guarded(options.stall_timeout, CopyError::server("a table"), work).await {
            Ok(copied) => copied,
            Err(failure) => {
                fail(failure);
                Vec::new()
            }
        }
    }));
    let confirm = async {
        tokio::select! {
            confirmed = confirmation.take(source, plan) => confirmed.unwrap_or_else(&fail),
            () = stop.cancelled() => {}
        }
    };
    let work = async { tokio::join!(work, confirm).0 };
    let copied = tokio::select! {
        copied = work => copied.into_iter().flatten().collect(),
        () = grace_after(&stop) => Vec::new(),
    };
    match first_failure.into_inner().expect("no holder of this lock can panic") {
        Some(failure) => Err(failure),
        None if stop.is_cancelled() => Err(CopyError::Cancelled { target: target.display_name() }),
        None => Ok(copied),
    }
}

async fn grace_after(cancel: &CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
