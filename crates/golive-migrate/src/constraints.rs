//! After the rows: indexes by one statement a table, every reference proven by an anti-join, then the foreign keys.
//! Re-runnable: what exists already is left alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::ident;
use crate::journal::{self, Lock};
use crate::plan::{Plan, PlannedTable};
use crate::progress::{OnProgress, Phase, PhaseMeter};
use crate::set_aside;
use crate::stall;
use crate::survey::SurveyedView;
use crate::target::Target;

/// How long a cancelled statement may take to be rolled back before its connection is cut.
const GRACE: Duration = Duration::from_secs(60);

/// How constraints are added.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConstraintOptions {
    /// How long the server may take to answer on another connection before the work is given up; 5 minutes. One statement may
    /// take its hours.
    pub stall_timeout: Duration,
    /// Cancelling it ends the statement under way, which the server undoes as a whole; the next run goes on.
    pub cancel: CancellationToken,
}

impl Default for ConstraintOptions {
    fn default() -> Self {
        Self { stall_timeout: stall::DEFAULT_TIMEOUT, cancel: CancellationToken::new() }
    }
}

/// What was added.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConstraintReport {
    /// Indexes and unique keys that were added now.
    pub indexes_added: usize,
    /// Foreign keys that were added now.
    pub foreign_keys_added: usize,
    /// Foreign keys whose every reference was proven by an anti-join. They are added without the server checking them
    /// again, which would copy each table.
    pub foreign_keys_proven: usize,
    /// Rows that policies set aside: orphans, and rows that collide in a unique key.
    pub rows_set_aside: u64,
    /// Views that were made.
    pub views_made: usize,
    /// Views that MariaDB refused, with its error code; the verification then misses them.
    pub views_left_out: Vec<(String, u16)>,
    /// How long it took.
    pub seconds: f64,
}

/// Why not everything was added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// The copy has not ended.
    #[error("add constraints to {target}: its rows are not all in, run the copy to its end first")]
    NotCopied {
        /// The target.
        target: String,
    },
    /// The target belongs to another plan.
    #[error("add constraints to {target}: it was not built by this plan")]
    OtherRun {
        /// The target.
        target: String,
    },
    /// Another run is at work.
    #[error("work on {target}: another migration run holds it, wait for it to end")]
    AnotherRun {
        /// The target.
        target: String,
    },
    /// A policy sets aside more than a few rows.
    #[error("set aside rows of `{table}`: more than {limit} have no place, mend them in the source")]
    TooManySetAside {
        /// The table.
        table: String,
        /// How many may be.
        limit: u64,
    },
    /// A unique key collides, which it did not in the source.
    #[error(
        "make the unique keys of `{table}`: rows collide under the collation `{collation}`, survey again with utf8mb4_nopad_bin"
    )]
    Collision {
        /// The table.
        table: String,
        /// The collation of the plan.
        collation: String,
    },
    /// A reference has no parent.
    #[error(
        "add foreign key `{name}` to `{table}`: {count} rows refer to no row of `{parent}`; survey the source again"
    )]
    Orphans {
        /// The foreign key.
        name: String,
        /// The referring table.
        table: String,
        /// The table referred to.
        parent: String,
        /// How many.
        count: u64,
    },
    /// The server refused a statement.
    #[error("change table `{table}`")]
    Statement {
        /// The table.
        table: String,
        /// The server's reason; it names keys at the most.
        #[source]
        source: mysql_async::Error,
    },
    /// It was asked to end.
    #[error(
        "add all keys to {target}: it was cancelled; no statement is half done, and the next run goes on"
    )]
    Cancelled {
        /// The target.
        target: String,
    },
    /// The server went away.
    #[error("talk to the target; check that MariaDB is running and run again, what is done stays done")]
    Server(#[from] mysql_async::Error),
}

/// Adds indexes, proves references, adds foreign keys and sets the next numbers.
///
/// # Errors
/// When the rows are not all in, a reference has no parent, or the server refuses a statement.
pub async fn add_constraints(target: &Target, plan: &Plan) -> Result<ConstraintReport, ConstraintError> {
    add_constraints_with(target, plan, &ConstraintOptions::default(), &|_| {}).await
}

/// The same, telling progress, and to be cancelled.
///
/// # Errors
/// As [`add_constraints`], and [`ConstraintError::Cancelled`].
pub async fn add_constraints_with(
    target: &Target,
    plan: &Plan,
    options: &ConstraintOptions,
    progress: OnProgress<'_>,
) -> Result<ConstraintReport, ConstraintError> {
    let cancelled = || ConstraintError::Cancelled { target: target.display_name() };
    let lock = tokio::select! {
        biased;
        () = options.cancel.cancelled() => return Err(cancelled()),
        lock = stall::guarded(target, options.stall_timeout, |error| error, Lock::acquire(target)) => lock?,
    };
    let Some(lock) = lock else {
        return Err(ConstraintError::AnotherRun { target: target.display_name() });
    };
    let work = cancellable(target, plan, &options.cancel, progress);
    let result = stall::guarded(target, options.stall_timeout, ConstraintError::Server, work).await;
    lock.release().await;
    // A statement that was killed says so in the server's words.
    if result.is_err() && options.cancel.is_cancelled() { Err(cancelled()) } else { result }
}

/// Ends the statement under way when cancelled, from a second connection: the first one waits for it.
async fn cancellable(
    target: &Target,
    plan: &Plan,
    cancel: &CancellationToken,
    progress: OnProgress<'_>,
) -> Result<ConstraintReport, ConstraintError> {
    let conn = target.open().await?;
    let id = conn.id();
    let work = add_locked(conn, target, plan, cancel, progress);
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => return result,
        () = cancel.cancelled() => {}
    }
    let ended = tokio::time::timeout(GRACE, async {
        if let Ok(mut killer) = target.open().await {
            // Between two statements there is none to kill, and the next one is not begun.
            let _ = killer.query_drop(format!("KILL QUERY {id}")).await;
            let _ = killer.disconnect().await;
        }
        work.await
    });
    ended.await.unwrap_or_else(|_| Err(ConstraintError::Cancelled { target: target.display_name() }))
}

async fn add_locked(
    mut conn: Conn,
    target: &Target,
    plan: &Plan,
    cancel: &CancellationToken,
    progress: OnProgress<'_>,
) -> Result<ConstraintReport, ConstraintError> {
    let start = Instant::now();
    if journal::run(&mut conn).await?.is_none_or(|run| run.plan_digest != plan.digest) {
        return Err(ConstraintError::OtherRun { target: target.display_name() });
    }
    if !journal::is_copied(&mut conn).await? {
        return Err(ConstraintError::NotCopied { target: target.display_name() });
    }
    let go_on = || match cancel.is_cancelled() {
        true => Err(ConstraintError::Cancelled { target: target.display_name() }),
        false => Ok(()),
    };
    let indexes = pairs(&mut conn, INDEXES).await?;
    let mut report = ConstraintReport {
        indexes_added: 0,
        foreign_keys_added: 0,
        foreign_keys_proven: 0,
        rows_set_aside: 0,
        views_made: 0,
        views_left_out: Vec::new(),
        seconds: 0.0,
    };
    let meter = PhaseMeter::new(Phase::Constraints, plan.rows(), progress);
    for table in &plan.tables {
        go_on()?;
        let mut meter = meter.table(&table.name, table.rows, 0);
        for unique in &table.set_aside_unique {
            let moved = set_aside::collisions(&mut conn, table, unique).await?;
            report.rows_set_aside += too_many(table, moved)?;
        }
        report.indexes_added += add_indexes(&mut conn, table, &indexes, &plan.collation).await?;
        if let Some(statement) = table.set_next_number() {
            run(&mut conn, &table.name, &statement).await?;
        }
        meter.advance(table.rows, 0);
    }
    report.rows_set_aside += set_orphans_aside(&mut conn, plan).await?;
    for key in &plan.foreign_keys {
        go_on()?;
        let orphans: Option<u64> = conn.query_first(&key.orphans).await?;
        if let Some(count) = orphans.filter(|count| *count > 0) {
            let (name, table, parent) = (key.name.clone(), key.table.clone(), key.parent.clone());
            return Err(ConstraintError::Orphans { name, table, parent, count });
        }
        report.foreign_keys_proven += 1;
    }
    let present = pairs(&mut conn, FOREIGN_KEYS).await?;
    for table in &plan.tables {
        go_on()?;
        report.foreign_keys_added += add_foreign_keys(&mut conn, table, plan, &present).await?;
        run(&mut conn, &table.name, &format!("ANALYZE TABLE {}", ident::mariadb(&table.name))).await?;
    }
    (report.views_made, report.views_left_out) = make_views(&mut conn, plan).await?;
    journal::mark(&mut conn, "constrained_at").await?;
    let _ = conn.disconnect().await;
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Views may stand on others, so what is refused is tried again as long as any is made.
async fn make_views(conn: &mut Conn, plan: &Plan) -> Result<(usize, Vec<(String, u16)>), ConstraintError> {
    let mut waiting: Vec<&SurveyedView> = plan.views.iter().collect();
    loop {
        let before = waiting.len();
        let mut refused = Vec::new();
        let mut codes = Vec::new();
        for view in waiting {
            match conn.query_drop(&view.create).await {
                Ok(()) => {}
                Err(mysql_async::Error::Server(error)) => {
                    codes.push((view.name.clone(), error.code));
                    refused.push(view);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if refused.is_empty() || refused.len() == before {
            return Ok((plan.views.len() - refused.len(), codes));
        }
        waiting = refused;
    }
}

/// A row set aside may leave others without a parent, so this goes round until nothing moves.
async fn set_orphans_aside(conn: &mut Conn, plan: &Plan) -> Result<u64, ConstraintError> {
    let mut all = 0;
    loop {
        let before = all;
        for key in plan.foreign_keys.iter().filter(|key| key.quarantine) {
            let Some(table) = plan.tables.iter().find(|table| table.name == key.table) else { continue };
            let moved = set_aside::orphans(conn, table, key).await?;
            all += too_many(table, moved)?;
        }
        if all == before {
            return Ok(all);
        }
    }
}

fn too_many(table: &PlannedTable, moved: Option<u64>) -> Result<u64, ConstraintError> {
    let (table, limit) = (table.name.clone(), crate::quarantine::ROWS_AT_MOST);
    moved.ok_or(ConstraintError::TooManySetAside { table, limit })
}

const INDEXES: &str = "SELECT DISTINCT TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = DATABASE()";
const FOREIGN_KEYS: &str = "SELECT TABLE_NAME, CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS \
     WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_TYPE = 'FOREIGN KEY'";

/// All that a table misses, by one statement; they were proven before.
async fn add_foreign_keys(
    conn: &mut Conn,
    table: &PlannedTable,
    plan: &Plan,
    present: &BTreeSet<(String, String)>,
) -> Result<usize, ConstraintError> {
    let missing: Vec<&str> = plan
        .foreign_keys
        .iter()
        .filter(|key| key.table == table.name && !present.contains(&(table.name.clone(), key.name.clone())))
        .filter_map(|key| key.add.as_deref())
        .collect();
    if !missing.is_empty() {
        let statement = format!("ALTER TABLE {} {}", ident::mariadb(&table.name), missing.join(", "));
        let names = plan.foreign_keys.iter().filter(|key| key.table == table.name && key.add.is_some());
        let names = names.map(|key| key.name.as_str());
        match run(conn, &table.name, &statement).await {
            Err(ConstraintError::Statement { source: mysql_async::Error::Server(_), .. })
                if are_present(conn, FOREIGN_KEYS, &table.name, names).await? =>
            {
                return Ok(0);
            }
            other => other?,
        }
    }
    Ok(missing.len())
}

/// Whether a statement was refused because all it adds is there by now: the server goes on with what a run left under way that
/// was killed or gave up, and takes it as a whole or not at all.
async fn are_present<'a>(
    conn: &mut Conn,
    sql: &str,
    table: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<bool, mysql_async::Error> {
    let present = pairs(conn, sql).await?;
    let mut names = names;
    Ok(names.all(|name| present.contains(&(table.to_owned(), name.to_owned()))))
}

async fn add_indexes(
    conn: &mut Conn,
    table: &PlannedTable,
    present: &BTreeSet<(String, String)>,
    collation: &str,
) -> Result<usize, ConstraintError> {
    let missing: Vec<&str> = table
        .indexes
        .iter()
        .filter(|(name, _)| !present.contains(&(table.name.clone(), name.clone())))
        .map(|(_, clause)| clause.as_str())
        .collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let statement = format!("ALTER TABLE {} {}", ident::mariadb(&table.name), missing.join(", "));
    match run(conn, &table.name, &statement).await {
        // The server's own text would repeat the colliding value.
        Err(ConstraintError::Statement { source: mysql_async::Error::Server(error), .. })
            if error.code == 1062 =>
        {
            Err(ConstraintError::Collision { table: table.name.clone(), collation: collation.to_owned() })
        }
        Err(ConstraintError::Statement { source: mysql_async::Error::Server(_), .. })
            if are_present(
                conn,
                INDEXES,
                &table.name,
                table.indexes.iter().map(|(name, _)| name.as_str()),
            )
            .await? =>
        {
            Ok(0)
        }
        Err(other) => Err(other),
        Ok(()) => Ok(missing.len()),
    }
}

async fn run(conn: &mut Conn, table: &str, statement: &str) -> Result<(), ConstraintError> {
    conn.query_drop(statement)
        .await
        .map_err(|source| ConstraintError::Statement { table: table.to_owned(), source })
}

async fn pairs(conn: &mut Conn, sql: &str) -> Result<BTreeSet<(String, String)>, mysql_async::Error> {
    let rows: Vec<(String, String)> = conn.query(sql).await?;
    Ok(rows.into_iter().collect())
}
