//! Carries out a recovery plan: restores the backup, proves it, and replays exactly the transactions of the plan.
//!
//! What is fed to the tool is a binary log made of the wanted transactions alone, so neither positions nor times nor
//! filters are left to it. Both processes are owned and waited for: in a shell's pipe a failing `mariadb-binlog` would
//! end with success.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::Stdio;
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::archive::BinlogArchive;
use super::event::MAGIC;
use super::plan::{Piece, RecoveryPlan};
use crate::compare::{CompareError, Comparison, compare_restored};
use crate::exec::{self, Mask, ToolError, Tools};
use crate::inventory::ObjectKind;
use crate::manifest::{BackupId, Manifest};
use crate::pipeline::BUFFER_BYTES;
use crate::progress::{Progress, Stage};
use crate::repository::{Repository, RepositoryError};
use crate::restore::{RestoreError, RestoreOptions, RestoreReport, restore_backup};
use crate::server::{ConnectError, Server};

/// How to recover.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecoverOptions {
    /// How the backup is restored; its programs and its deadline, which holds for the replay too.
    pub restore: RestoreOptions,
    /// Compare the restored backup with its manifest before anything is replayed on it.
    pub prove_base: bool,
}

impl RecoverOptions {
    /// Proves the backup first.
    pub fn new() -> Self {
        Self { restore: RestoreOptions::new(), prove_base: true }
    }
}

impl Default for RecoverOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a recovery did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The backup it began with.
    pub base: BackupId,
    /// The database.
    pub database: String,
    /// How long it all took.
    pub seconds: f64,
    /// How long the replay took of that.
    pub replay_seconds: f64,
    /// Transactions replayed.
    pub transactions: u64,
    /// Where the database stands now, as GTIDs of the server it was recorded on.
    pub stands_at: String,
    /// Time stamp of the last transaction.
    pub data_as_of: DateTime<Utc>,
    /// The restore of the backup.
    pub restore: RestoreReport,
}

/// Why a recovery did not happen or did not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The target is out of reach.
    #[error("recover")]
    Connect(#[from] ConnectError),
    /// The repository, the manifest or the key.
    #[error("open the backup")]
    Repository(#[from] RepositoryError),
    /// The backup could not be restored.
    #[error("restore the backup to recover from")]
    Restore(#[from] RestoreError),
    /// The restored backup could not be compared.
    #[error("prove the restored backup")]
    Compare(#[from] CompareError),
    /// The restored backup is not what was dumped, so nothing was replayed on it.
    #[error(
        "prove the restored backup {base}: {difference}; drop the database and recover from another backup"
    )]
    BaseDiffers {
        /// The backup.
        base: BackupId,
        /// The first difference.
        difference: String,
    },
    /// Events of the backup would run between restore and replay; nothing was changed.
    #[error(
        "recover on a server whose event scheduler is on: the {events} events of the database would run on half-recovered \
         data; SET GLOBAL event_scheduler=OFF first"
    )]
    EventsRun {
        /// How many there are.
        events: usize,
    },
    /// The target logs, and refuses transactions older than its own; nothing was changed.
    #[error(
        "recover on a server that writes a binary log in gtid_strict_mode: it refuses the recorded transactions; SET GLOBAL \
         gtid_strict_mode=OFF for the recovery, or start the server with skip-log-bin"
    )]
    StrictTarget,
    /// A statement failed.
    #[error("{doing}")]
    Query {
        /// What was being done, as a verb.
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// A program failed; the database is half-recovered.
    #[error(
        "replay the binary log into {database}, which is now half-recovered: drop it before trying again"
    )]
    Tool {
        /// The database.
        database: String,
        /// What the program said.
        #[source]
        source: ToolError,
    },
    /// A log could not be read again; the database is half-recovered.
    #[error(
        "read the archived logs for {database}, which is now half-recovered: drop it before trying again"
    )]
    Read {
        /// The database.
        database: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// It took too long; the database is half-recovered.
    #[error(
        "finish the replay into {database} within {seconds} s; drop it, then try again with a longer deadline"
    )]
    Timeout {
        /// The database.
        database: String,
        /// The limit.
        seconds: u64,
    },
}

/// Recovers a database on a server that does not have it, as a plan says.
///
/// The recovered transactions keep the GTIDs they had; a target that writes a binary log of its own does not log them.
///
/// # Errors
/// When the target is not empty or anything fails; the message says whether it was touched.
pub async fn recover(
    repository: &Repository,
    plan: &RecoveryPlan,
    target: &Server,
    options: &RecoverOptions,
    progress: &Progress,
) -> Result<RecoveryReport, RecoverError> {
    let began = Instant::now();
    let manifest = repository.find(&plan.base)?;
    let logs_itself = look_at(target, &manifest).await?;
    let restore =
        restore_backup(repository, &plan.base, target, &plan.database, &options.restore, progress).await?;
    if options.prove_base {
        let compared = compare_restored(&manifest, target, &plan.database, progress).await?;
        refuse_difference(plan, &compared)?;
    }
    let replaying = Instant::now();
    let archive = repository.binlogs();
    let work = replay(&archive, plan, target, &options.restore.tools, logs_itself, progress);
    let deadline = options.restore.deadline;
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
        Err(RecoverError::Timeout { database: plan.database.clone(), seconds: deadline.as_secs() })
    })?;
    Ok(RecoveryReport {
        base: plan.base.clone(),
        database: plan.database.clone(),
        seconds: began.elapsed().as_secs_f64(),
        replay_seconds: replaying.elapsed().as_secs_f64(),
        transactions: plan.transactions,
        stands_at: plan.to.clone(),
        data_as_of: plan.data_as_of,
        restore,
    })
}

/// Digits of FLOAT columns are lost in any dump, and are no reason against a recovery.
fn refuse_difference(plan: &RecoveryPlan, compared: &Comparison) -> Result<(), RecoverError> {
    match compared.differences.first() {
        Some(difference) if compared.exact && !compared.equal_but_for_float_digits() => {
            Err(RecoverError::BaseDiffers { base: plan.base.clone(), difference: difference.to_string() })
        }
        _ => Ok(()),
    }
}

/// Whether the target writes a binary log; refused where events would run, or recorded transactions are refused.
async fn look_at(target: &Server, manifest: &Manifest) -> Result<bool, RecoverError> {
    let mut session = target.connect().await?;
    let (log, strict, scheduler): (i64, i64, String) = sqlx::query_as(
        "SELECT CAST(IF(@@log_bin, 1, 0) AS SIGNED), CAST(IF(@@gtid_strict_mode, 1, 0) AS SIGNED), \
         CAST(@@event_scheduler AS CHAR)",
    )
    .fetch_one(&mut session.connection)
    .await
    .map_err(|source| RecoverError::Query { doing: "read the settings of the target", source })?;
    if log == 1 && strict == 1 {
        return Err(RecoverError::StrictTarget);
    }
    let events = manifest.database().map_or(0, |facts| facts.inventory.count(ObjectKind::Event));
    if events > 0 && scheduler == "ON" {
        return Err(RecoverError::EventsRun { events });
    }
    Ok(log == 1)
}

async fn replay(
    archive: &BinlogArchive,
    plan: &RecoveryPlan,
    target: &Server,
    tools: &Tools,
    logs_itself: bool,
    progress: &Progress,
) -> Result<(), RecoverError> {
    if plan.pieces.is_empty() {
        return Ok(());
    }
    let read_error = |source| RecoverError::Read { database: plan.database.clone(), source };
    let tool_error = |source| RecoverError::Tool { database: plan.database.clone(), source };
    let (archive, pieces, progress) = (archive.clone(), plan.pieces.clone(), progress.clone());
    let feed = move |stdin: File| write_log(&archive, &pieces, stdin, &progress);
    pipe(target, tools, &[], logs_itself, feed).await.map_err(|error| match error {
        PipeError::Tool(source) => tool_error(source),
        PipeError::Io(source) => read_error(source),
    })
}

/// Why a log did not arrive in a server.
pub(super) enum PipeError {
    Tool(ToolError),
    Io(io::Error),
}

/// A binary log, written by `feed`, through `mariadb-binlog` into the client.
pub(super) async fn pipe(
    target: &Server,
    tools: &Tools,
    more: &[String],
    logs_itself: bool,
    feed: impl FnOnce(File) -> io::Result<()> + Send + 'static,
) -> Result<(), PipeError> {
    let defaults = target.defaults_file().map_err(PipeError::Io)?;
    let mut arguments = vec!["--no-defaults".to_owned(), "--verify-binlog-checksum".to_owned()];
    arguments.extend(more.iter().cloned());
    arguments.push("-".to_owned());
    let mut decoder =
        exec::start(&tools.binlog, &arguments, Stdio::piped(), Stdio::piped()).map_err(PipeError::Tool)?;
    let stdin = decoder.child.stdin.take().expect("stdin was asked for as a pipe");
    let stdin = File::from(stdin.into_owned_fd().map_err(PipeError::Io)?);
    let stdout = decoder.child.stdout.take().expect("stdout was asked for as a pipe");
    let stdout = stdout.into_owned_fd().map_err(PipeError::Io)?;
    let mut arguments = vec![
        defaults.argument(),
        "--default-character-set=utf8mb4".to_owned(),
        "--binary-mode".to_owned(),
        "--batch".to_owned(),
        "--max-allowed-packet=1G".to_owned(),
    ];
    if logs_itself {
        arguments.push("--init-command=SET SESSION sql_log_bin = 0".to_owned());
    }
    let client = exec::start(&tools.client, &arguments, Stdio::from(stdout), Stdio::null())
        .map_err(PipeError::Tool)?;
    let feeding = tokio::task::spawn_blocking(move || feed(stdin));
    let (client, decoder) =
        tokio::join!(client.finish(Mask::QuotedValues), decoder.finish(Mask::QuotedValues));
    let fed = feeding.await.expect("feeding does not panic");
    // Who died first has the reason: a dead client breaks the decoder's pipe, a dead decoder ours.
    client.map_err(PipeError::Tool)?;
    decoder.map_err(PipeError::Tool)?;
    fed.map_err(PipeError::Io)
}

/// Writes one binary log made of the wanted transactions of all.
fn write_log(
    archive: &BinlogArchive,
    pieces: &[Piece],
    mut stdin: File,
    progress: &Progress,
) -> io::Result<()> {
    let total = pieces.iter().flat_map(|piece| &piece.ranges).map(|(start, end)| end - start).sum();
    let mut written = 0;
    stdin.write_all(&MAGIC)?;
    for piece in pieces {
        let mut source = piece.source.open(archive).map_err(io::Error::other)?;
        let mut at = 0;
        let head = [(MAGIC.len() as u64, piece.format_end)];
        for &(start, end) in head.iter().chain(&piece.ranges) {
            copy(&mut source.by_ref().take(start - at), &mut io::sink(), start - at, |_| {})?;
            copy(&mut source.by_ref().take(end - start), &mut stdin, end - start, |bytes| {
                written += bytes;
                progress.bytes(Stage::Replaying, written, Some(total));
            })?;
            at = end;
        }
    }
    Ok(())
}

/// Copies exactly so many bytes.
fn copy(
    source: &mut impl Read,
    target: &mut impl Write,
    wanted: u64,
    mut seen: impl FnMut(u64),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left = wanted;
    while left > 0 {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        target.write_all(&buffer[..read])?;
        left -= read as u64;
        seen(read as u64);
    }
    Ok(())
}

/// Writes the log of one transaction, for [`super::undo`].
pub(super) fn write_piece(archive: &BinlogArchive, piece: &Piece, stdin: File) -> io::Result<()> {
    write_log(archive, std::slice::from_ref(piece), stdin, &Progress::silent())
}
