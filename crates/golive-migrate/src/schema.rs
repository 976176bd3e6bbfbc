//! Makes the tables of a plan in an empty target. Re-runnable: a run that was killed here continues, and a target that
//! belongs to anything else is refused.

use std::time::Instant;

use mysql_async::prelude::Queryable;
use serde::Serialize;

use crate::journal::{self, Lock, Run};
use crate::plan::Plan;
use crate::stall;
use crate::survey::SchemaOrigin;
use crate::target::Target;

/// What was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SchemaReport {
    /// Tables of the plan, all of which now exist.
    pub tables: usize,
    /// Whether an earlier run had begun.
    pub resumed: bool,
    /// How long it took.
    pub seconds: f64,
}

/// Why the tables were not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The target holds something already.
    #[error(
        "use {target}: it is not empty, table `{table}` exists; drop and create the database again, or name an empty one"
    )]
    NotEmpty {
        /// The target.
        target: String,
        /// A table found there.
        table: String,
    },
    /// The target belongs to a run of another plan or source.
    #[error(
        "continue in {target}: it was begun by another plan or from another state of the source; drop and create the \
             database again, then start anew"
    )]
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
    /// The server refused a statement.
    #[error("make table `{table}`")]
    Statement {
        /// The table.
        table: String,
        /// The server's reason.
        #[source]
        source: mysql_async::Error,
    },
    /// The server went away.
    #[error("talk to the target; check that MariaDB is running and run again, what is done stays done")]
    Server(#[from] mysql_async::Error),
}

/// Refuses a target that holds tables of somebody else, before anything is begun. One that a migration of ours was begun
/// in passes: it may be continued.
///
/// # Errors
/// [`SchemaError::NotEmpty`], which names a table; or the server does not answer.
pub async fn require_unused(target: &Target) -> Result<(), SchemaError> {
    let mut conn = target.open().await?;
    if journal::run(&mut conn).await?.is_none() {
        refuse_foreign_tables(target, &mut conn).await?;
    }
    let _ = conn.disconnect().await;
    Ok(())
}

/// Fingerprint of the source from which a migration of ours was begun in this target, if one was: by it a run that was
/// cut off finds the frozen copy that it worked from.
///
/// # Errors
/// When the server does not answer.
pub async fn begun_from(target: &Target) -> Result<Option<String>, SchemaError> {
    let mut conn = target.open().await?;
    let run = journal::run(&mut conn).await?;
    let _ = conn.disconnect().await;
    Ok(run.map(|run| run.source_digest))
}

async fn refuse_foreign_tables(target: &Target, conn: &mut mysql_async::Conn) -> Result<(), SchemaError> {
    match journal::foreign_tables(conn).await?.into_iter().next() {
        Some(table) => Err(SchemaError::NotEmpty { target: target.display_name(), table }),
        None => Ok(()),
    }
}

/// Makes the journal and every table of the plan.
///
/// # Errors
/// When the target is not empty, belongs to another run, or refuses a statement.
pub async fn create_schema(target: &Target, plan: &Plan) -> Result<SchemaReport, SchemaError> {
    let limit = stall::DEFAULT_TIMEOUT;
    let Some(lock) = stall::guarded(target, limit, |error| error, Lock::acquire(target)).await? else {
        return Err(SchemaError::AnotherRun { target: target.display_name() });
    };
    let result = stall::guarded(target, limit, SchemaError::from, create_locked(target, plan)).await;
    lock.release().await;
    result
}

async fn create_locked(target: &Target, plan: &Plan) -> Result<SchemaReport, SchemaError> {
    let start = Instant::now();
    let mut conn = target.open().await?;
    let wanted = Run { plan_digest: plan.digest.clone(), source_digest: plan.source_digest.clone() };
    let resumed = match journal::run(&mut conn).await? {
        Some(run) if run == wanted => true,
        Some(_) => return Err(SchemaError::OtherRun { target: target.display_name() }),
        None => {
            if plan.schema == SchemaOrigin::Source {
                refuse_foreign_tables(target, &mut conn).await?;
            }
            journal::begin(&mut conn, &wanted).await?;
            false
        }
    };
    crate::verify::keep_intentions(&mut conn, plan).await?;
    for table in &plan.tables {
        let Some(create) = &table.create else { continue };
        conn.query_drop(create)
            .await
            .map_err(|source| SchemaError::Statement { table: table.name.clone(), source })?;
    }
    let _ = conn.disconnect().await;
    Ok(SchemaReport { tables: plan.tables.len(), resumed, seconds: start.elapsed().as_secs_f64() })
}
