//! Takes back the rows of one transaction, on the living database, by flashback: an INSERT becomes a DELETE, an UPDATE
//! is turned round. Only rows that still are as the transaction left them can be taken back; where a later change
//! stands in the way the server refuses, and nothing is changed.

use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::Row;

use super::gtid::Gtid;
use super::plan::{Piece, PlanError, damaged};
use super::reader::{Group, Looking};
use super::replay::{PipeError, pipe, write_piece};
use super::source::Source;
use super::statement::ChangeKind;
use crate::exec::{ToolError, Tools};
use crate::repository::{Repository, RepositoryError};
use crate::server::{ConnectError, Server};

/// Taking back must be done within this time.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UndoReport {
    /// The transaction.
    pub gtid: Gtid,
    /// The tables whose rows were taken back, with the kind of change that was made.
    pub tables: Vec<(String, ChangeKind)>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Why a transaction was not taken back. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// The server is out of reach.
    #[error("undo the transaction")]
    Connect(#[from] ConnectError),
    /// The archive could not be read.
    #[error("look for the transaction")]
    Plan(#[from] PlanError),
    /// The repository or the key.
    #[error("open the archive")]
    Repository(#[from] RepositoryError),
    /// It is not in the archive.
    #[error("find transaction {gtid} in the archive; `golive backup find-event` shows what is there")]
    NotFound {
        /// The transaction.
        gtid: Gtid,
    },
    /// It did something that rows do not describe.
    #[error(
        "undo transaction {gtid}: it holds {kind}, which no flashback takes back; recover to just before it instead"
    )]
    Structural {
        /// The transaction.
        gtid: Gtid,
        /// What it did.
        kind: ChangeKind,
    },
    /// It changed rows of another database.
    #[error("undo transaction {gtid} in {database}: it changed rows of {other}")]
    OtherDatabase {
        /// The transaction.
        gtid: Gtid,
        /// The database named.
        database: String,
        /// The one changed.
        other: String,
    },
    /// A table was altered since.
    #[error(
        "undo transaction {gtid}: {table} was changed in structure later, by {later}; recover to just before it instead"
    )]
    AlteredSince {
        /// The transaction.
        gtid: Gtid,
        /// The table.
        table: String,
        /// The later transaction.
        later: Gtid,
    },
    /// The log does not hold whole rows.
    #[error(
        "undo transaction {gtid}: binlog_row_image is {image}, so the log may not hold whole rows; recover to just before it instead"
    )]
    NotFullRows {
        /// The transaction.
        gtid: Gtid,
        /// The setting.
        image: String,
    },
    /// A statement failed.
    #[error("ask the server how it logs rows")]
    Query(#[source] sqlx::Error),
    /// A program failed: most likely a row is not as the transaction left it.
    #[error(
        "turn the rows of {gtid} back; most likely a later transaction changed one of them, and nothing was changed"
    )]
    Tool {
        /// The transaction.
        gtid: Gtid,
        /// What the program said.
        #[source]
        source: ToolError,
    },
    /// The log could not be read.
    #[error("read the transaction from the archive; nothing was changed")]
    Read(#[source] std::io::Error),
    /// It took too long.
    #[error("turn the rows of {gtid} back within an hour; look for what blocks it")]
    Timeout {
        /// The transaction.
        gtid: Gtid,
    },
}

/// Takes one transaction back on the server it was made on. The change back is logged as any other.
///
/// # Errors
/// When it cannot be taken back whole; then nothing was changed.
pub async fn undo_transaction(
    repository: &Repository,
    server: &Server,
    database: &str,
    gtid: Gtid,
    tools: &Tools,
) -> Result<UndoReport, UndoError> {
    let began = Instant::now();
    let (work, name) = (repository.clone(), database.to_owned());
    let found = tokio::task::spawn_blocking(move || look(&work, &name, gtid)).await;
    let (piece, tables) = found.expect("looking does not panic")?;
    let image = row_image(server).await?;
    if image != "FULL" {
        return Err(UndoError::NotFullRows { gtid, image });
    }
    let archive = repository.binlogs();
    let feed = move |stdin| write_piece(&archive, &piece, stdin);
    let flashback = ["--flashback".to_owned()];
    let turned = tokio::time::timeout(DEADLINE, pipe(server, tools, &flashback, false, feed)).await;
    turned.map_err(|_| UndoError::Timeout { gtid })?.map_err(|error| match error {
        PipeError::Tool(source) => UndoError::Tool { gtid, source },
        PipeError::Io(source) => UndoError::Read(source),
    })?;
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(UndoReport { gtid, tables, milliseconds })
}

async fn row_image(server: &Server) -> Result<String, UndoError> {
    let mut session = server.connect().await?;
    let row = sqlx::raw_sql("SELECT CAST(@@GLOBAL.binlog_row_image AS CHAR)")
        .fetch_one(&mut session.connection)
        .await
        .map_err(UndoError::Query)?;
    row.try_get_unchecked(0).map_err(UndoError::Query)
}

/// A change of structure, for the check that none came later.
struct Structural {
    gtid: Gtid,
    text: String,
}

/// Finds the transaction, and what stands in its way.
fn look(
    repository: &Repository,
    database: &str,
    gtid: Gtid,
) -> Result<(Piece, Vec<(String, ChangeKind)>), UndoError> {
    let archive = repository.binlogs();
    let looking = Looking { database: Some(database.to_owned()), table: None };
    let mut found: Option<(Source, Group)> = None;
    let mut later: Vec<Structural> = Vec::new();
    let mut format_end = 0;
    for source in Source::all(&archive)? {
        let mut here = None;
        let known = found.is_some();
        let summary = source
            .read(&archive, &looking, &mut |group| {
                if group.gtid == gtid {
                    here = Some(group);
                } else if known || here.is_some() {
                    let texts = group.changes.iter().filter_map(|change| change.text.clone());
                    later.extend(texts.map(|text| Structural { gtid: group.gtid, text }));
                }
            })
            .map_err(|error| damaged(&source, error))?;
        if let Some(group) = here {
            format_end = summary.format_end;
            found = Some((source, group));
        }
    }
    let (source, group) = found.ok_or(UndoError::NotFound { gtid })?;
    let tables = judge(&group, database, &later)?;
    Ok((Piece { source, format_end, ranges: vec![(group.start, group.end)] }, tables))
}

/// Whether the transaction can be taken back, and which tables it changed.
fn judge(
    group: &Group,
    database: &str,
    later: &[Structural],
) -> Result<Vec<(String, ChangeKind)>, UndoError> {
    let gtid = group.gtid;
    if let Some(other) = group.touches.other(database) {
        let (database, other) = (database.to_owned(), other.to_owned());
        return Err(UndoError::OtherDatabase { gtid, database, other });
    }
    let mut tables = Vec::new();
    for change in &group.changes {
        let Some(table) = &change.table else {
            return Err(UndoError::Structural { gtid, kind: change.kind });
        };
        if let Some(later) = later.iter().find(|later| super::statement::mentions(&later.text, table)) {
            return Err(UndoError::AlteredSince { gtid, table: table.clone(), later: later.gtid });
        }
        tables.push((table.clone(), change.kind));
    }
    if tables.is_empty() {
        return Err(UndoError::Structural { gtid, kind: ChangeKind::Other });
    }
    Ok(tables)
}
