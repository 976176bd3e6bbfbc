//! Takes a backup: `mariadb-dump` streamed through compression and encryption into the repository, beside it the
//! digests of the same snapshot. See [`crate::snapshot`] for how the two are aligned.

mod look;
mod replica;

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use self::look::{check_grants, database_defaults, notes, was_made_elsewhere};
pub(crate) use self::look::{data_bytes, database_defaults_or_none};
use crate::accounts;
use crate::digest;
use crate::exec::{self, Mask, ToolError, Tools};
use crate::inventory::{self, InspectError, ObjectKind};
use crate::manifest::{AccountFacts, Content, DatabaseFacts, Manifest, Part, SnapshotMethod, TableFacts};
use crate::pipeline::{BUFFER_BYTES, PartWriter};
use crate::progress::{Progress, Stage};
use crate::repository::{Attempt, Repository, RepositoryError, Staging};
use crate::server::{ConnectError, Server, Session};
use crate::snapshot::{Snapshot, SnapshotError};

pub(crate) const DUMP_PART: &str = "dump.sql.zst.age";
/// What `mariadb-dump` writes last, when it got that far.
pub(crate) const END_MARKER: &[u8] = b"-- Dump completed";
/// How far from the end the marker may stand.
const TAIL_BYTES: usize = 256;
/// How long writes may be held up before the attempt is given up.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// What to back up and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BackupOptions {
    /// The database.
    pub database: String,
    /// Where the programs are.
    pub tools: Tools,
    /// The whole backup must be done within this time.
    pub deadline: Duration,
    /// Insist on a manifest of exactly the dumped snapshot (needs RELOAD). When false and no lock can be had, the
    /// manifest is marked advisory.
    pub exact: bool,
    /// No more than so many stored bytes a second.
    pub bytes_a_second: Option<NonZeroU64>,
}

impl BackupOptions {
    /// Four hours, exact, programs from the search path.
    pub fn new(database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            tools: Tools::new(),
            deadline: Duration::from_secs(4 * 60 * 60),
            exact: true,
            bytes_a_second: None,
        }
    }
}

/// Why there is no backup. Nothing of the attempt is left in the repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateBackupError {
    /// The server is out of reach.
    #[error("back up the database")]
    Connect(#[from] ConnectError),
    /// The database could not be looked at.
    #[error("look at the database")]
    Inspect(#[from] InspectError),
    /// A statement failed.
    #[error("{doing}")]
    Query {
        /// What was being done, as a verb.
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// There is nothing to back up: the wrong server or name, or an account that sees nothing.
    #[error(
        "back up {database}: the database is missing or holds no table that this account may see; check the name, the \
         server and the grants"
    )]
    Empty {
        /// The database.
        database: String,
    },
    /// What is read is not what the application wrote lately.
    #[error("back up a replica that is up to date: {why}; mend replication, or back up the primary")]
    StaleReplica {
        /// What is wrong with it.
        why: String,
    },
    /// The account would silently produce a dump with holes.
    #[error(
        "back up {database} completely: the account lacks {missing}; run GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, \
         LOCK TABLES ON the database and SELECT ON mysql.proc"
    )]
    MissingGrants {
        /// The database.
        database: String,
        /// The grants, comma-separated.
        missing: String,
    },
    /// The lock that aligns dump and manifest could not be had.
    #[error(
        "lock the tables for the moment of the snapshot; grant RELOAD, end long-running statements, or allow an advisory manifest"
    )]
    Lock {
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// The tool failed.
    #[error("dump the database")]
    Tool(#[from] ToolError),
    /// The tool ended with success but not at the end.
    #[error(
        "see the end marker after {bytes} bytes of dump, although {tool} reported success: the dump is cut off; check \
         that the tool is MariaDB's and the connection stable, then try again"
    )]
    Truncated {
        /// The tool's version line.
        tool: String,
        /// Bytes received.
        bytes: u64,
    },
    /// Tables, views or routines changed while they were dumped.
    #[error(
        "keep one schema through the backup of {database}: it changed meanwhile; back up when no migration runs"
    )]
    SchemaChanged {
        /// The database.
        database: String,
    },
    /// The part could not be written.
    #[error("write the dump to the repository; check free space")]
    Write(#[source] io::Error),
    /// The repository could not be used.
    #[error("use the repository")]
    Repository(#[from] RepositoryError),
    /// It took too long.
    #[error("finish the backup within {seconds} s; give a longer deadline or look for what blocks it")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
}

impl From<SnapshotError> for CreateBackupError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Connect(source) => Self::Connect(source),
            SnapshotError::Query(source) => Self::Query { doing: "open the snapshot", source },
            SnapshotError::Lock(source) => Self::Lock { source },
        }
    }
}

/// Takes a backup of one database and publishes it. `now` names the backup.
///
/// # Errors
/// When anything along the way is not certain; then nothing is published, and the attempt is noted.
pub async fn create_backup(
    server: &Server,
    repository: &Repository,
    options: &BackupOptions,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Manifest, CreateBackupError> {
    let taken = take(server, repository, options, now, progress).await;
    if let Err(error) = &taken
        && !matches!(error, CreateBackupError::Repository(RepositoryError::Busy { .. }))
        && let Err(failed) = repository.note_failure(&Attempt::new(now, &options.database, chain(error)))
    {
        tracing::warn!(%failed, "a failed attempt could not be noted");
    }
    taken
}

/// An error with its causes, a sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text
}

async fn take(
    server: &Server,
    repository: &Repository,
    options: &BackupOptions,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Manifest, CreateBackupError> {
    let staging = repository.begin(now)?;
    let work = collect(server, repository, options, &staging, progress);
    let (parts, facts) = tokio::time::timeout(options.deadline, work)
        .await
        .map_err(|_| CreateBackupError::Timeout { seconds: options.deadline.as_secs() })??;
    Ok(staging.publish(parts, Content::Database(Box::new(facts)))?)
}

async fn collect(
    server: &Server,
    repository: &Repository,
    options: &BackupOptions,
    staging: &Staging,
    progress: &Progress,
) -> Result<(Vec<Part>, DatabaseFacts), CreateBackupError> {
    let database = options.database.as_str();
    let tool_version = exec::version(&options.tools.dump).await?;
    let mut session = server.connect().await?;
    let (character_set, collation) = database_defaults(&mut session, database).await?;
    let before = inventory::read_inventory(&mut session.connection, database).await?;
    if before.count(ObjectKind::Table) == 0 {
        return Err(CreateBackupError::Empty { database: database.to_owned() });
    }
    check_grants(&mut session, database).await?;
    let replica = replica::look(&mut session).await?;

    progress.stage(Stage::Locking);
    let mut snapshot = Snapshot::open(server, options.exact).await?;
    let (dump, opened) = start_dump(server, repository, options, staging, progress)?;
    tokio::pin!(dump);
    // Writes go on as soon as the tool has its snapshot, whether the signal says so or the tool is already done.
    let finished = tokio::select! {
        done = &mut dump => Some(done?),
        _ = tokio::time::timeout(LOCK_LIMIT, opened) => None,
    };
    let held = snapshot
        .unlock()
        .await
        .map_err(|source| CreateBackupError::Query { doing: "release the lock", source })?;
    let names: Vec<String> = before.names(ObjectKind::Table).map(str::to_owned).collect();
    let (dumped, tables) = match finished {
        Some(dumped) => (dumped, digest_tables(&mut snapshot, database, &names, progress).await?),
        None => tokio::try_join!(dump, digest_tables(&mut snapshot, database, &names, progress))?,
    };
    if !dumped.complete {
        return Err(CreateBackupError::Truncated { tool: tool_version, bytes: dumped.part.plain_bytes });
    }
    let after = inventory::read_inventory(&mut session.connection, database).await?;
    if before != after {
        return Err(CreateBackupError::SchemaChanged { database: database.to_owned() });
    }
    let mut method = snapshot.method;
    if held >= LOCK_LIMIT {
        // Released before the tool spoke: its snapshot may be younger.
        method = SnapshotMethod::Advisory;
    }
    let own_name_only = was_made_elsewhere(&mut session, database, &collation).await?;
    let mut notes = notes(&mut session, database, &before, method).await?;
    notes.extend(replica);
    let mut parts = vec![dumped.part];
    let accounts = read_accounts(&mut session, repository, staging, &mut notes).await?;
    let accounts = accounts.map(|(part, facts)| {
        parts.push(part);
        facts
    });
    let size = data_bytes(&mut session, database)
        .await
        .map_err(|source| CreateBackupError::Query { doing: "read the size of the tables", source })?;
    let facts = DatabaseFacts {
        name: database.to_owned(),
        character_set,
        collation,
        server_version: session.version,
        tool_version,
        snapshot: method,
        lock_milliseconds: u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
        binlog: snapshot.binlog,
        inventory: before,
        digest_method: digest::METHOD.to_owned(),
        tables,
        own_name_only,
        accounts,
        data_bytes: Some(size),
        notes,
    };
    Ok((parts, facts))
}

/// The accounts with the part they are sealed in; none, and a note, when the account of the backup may not see them.
async fn read_accounts(
    session: &mut Session,
    repository: &Repository,
    staging: &Staging,
    notes: &mut Vec<String>,
) -> Result<Option<(Part, Vec<AccountFacts>)>, CreateBackupError> {
    let found = match accounts::read_accounts(&mut session.connection).await {
        Ok(found) => found,
        Err(sqlx::Error::Database(refused)) => {
            notes.push(format!(
                "accounts and grants are not in this backup: GRANT SELECT ON mysql.* to the account that takes it ({refused})"
            ));
            return Ok(None);
        }
        Err(source) => return Err(CreateBackupError::Query { doing: "read the accounts", source }),
    };
    if !found.dead.is_empty() {
        notes.push(format!("in the table of accounts, but unknown to the server: {}", found.dead.join(", ")));
    }
    let part = accounts::store(&found.accounts, staging.shelf(), &repository.keys().recipients)
        .map_err(CreateBackupError::Write)?;
    Ok(Some((part, found.accounts.iter().map(accounts::Account::facts).collect())))
}

async fn digest_tables(
    snapshot: &mut Snapshot,
    database: &str,
    names: &[String],
    progress: &Progress,
) -> Result<Vec<TableFacts>, CreateBackupError> {
    Ok(inventory::read_tables(&mut snapshot.reader, database, names, progress, Stage::Digesting).await?)
}

/// What came out of the tool.
struct Dumped {
    part: Part,
    complete: bool,
}

/// Starts the tool and the thread that stores what it says; the receiver fires when its snapshot is open.
fn start_dump(
    server: &Server,
    repository: &Repository,
    options: &BackupOptions,
    staging: &Staging,
    progress: &Progress,
) -> Result<
    (impl Future<Output = Result<Dumped, CreateBackupError>> + use<>, oneshot::Receiver<()>),
    CreateBackupError,
> {
    let defaults = server.defaults_file().map_err(CreateBackupError::Write)?;
    let recipients = &repository.keys().recipients;
    let writer = PartWriter::create_paced(staging.shelf(), DUMP_PART, recipients, options.bytes_a_second)
        .map_err(CreateBackupError::Write)?;
    let mut running = exec::start(
        &options.tools.dump,
        &dump_arguments(&defaults.argument(), &options.database),
        Stdio::null(),
        Stdio::piped(),
    )?;
    let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
    let stdout = File::from(stdout.into_owned_fd().map_err(CreateBackupError::Write)?);
    let (signal, opened) = oneshot::channel();
    let progress = progress.clone();
    let storing = tokio::task::spawn_blocking(move || store(stdout, writer, signal, &progress));
    let finish = async move {
        let stored = storing.await.expect("storing does not panic");
        // The tool's own words come first: when it dies, the pipe merely ends.
        running.finish(Mask::Nothing).await?;
        drop(defaults);
        stored.map_err(CreateBackupError::Write)
    };
    Ok((finish, opened))
}

fn dump_arguments(defaults: &str, database: &str) -> Vec<String> {
    [
        defaults,
        "--single-transaction",
        "--quick",
        "--skip-lock-tables",
        "--routines",
        "--triggers",
        "--events",
        "--hex-blob",
        "--no-tablespaces",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
        "--comments",
        "--dump-date",
        "--",
        database,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Copies the dump into the part, fires the signal at the first table, and looks at the end.
fn store(
    mut stdout: impl Read,
    mut writer: PartWriter,
    signal: oneshot::Sender<()>,
    progress: &Progress,
) -> io::Result<Dumped> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut tail = Vec::with_capacity(2 * TAIL_BYTES);
    let mut head = Some((Vec::new(), signal));
    loop {
        let read = stdout.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        let seen = &buffer[..read];
        writer.write_all(seen)?;
        tail.extend_from_slice(&seen[read.saturating_sub(TAIL_BYTES)..]);
        let surplus = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..surplus);
        if let Some((mut beginning, signal)) = head.take() {
            beginning.extend_from_slice(seen);
            if shows_a_table(&beginning) {
                // Nobody listens any more when the time limit was faster.
                let _ = signal.send(());
            } else {
                head = Some((beginning, signal));
            }
        }
        progress.bytes(Stage::Dumping, writer.plain_bytes(), None);
    }
    let complete = ends_with_marker(&tail);
    Ok(Dumped { part: writer.finish()?, complete })
}

/// The tool writes these comments only after its transaction is open.
fn shows_a_table(beginning: &[u8]) -> bool {
    ["\n-- Table structure for", "\n-- Temporary table structure for", "\n-- Sequence structure for"]
        .iter()
        .any(|mark| beginning.windows(mark.len()).any(|window| window == mark.as_bytes()))
}

/// Whether the last line is the end marker.
pub(crate) fn ends_with_marker(tail: &[u8]) -> bool {
    let trimmed = tail.trim_ascii_end();
    let line = trimmed.iter().rposition(|byte| *byte == b'\n').map_or(trimmed, |end| &trimmed[end + 1..]);
    line.starts_with(END_MARKER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_last_line_that_is_the_marker_counts() {
        assert!(ends_with_marker(b"x\n-- Dump completed on 2026-11-22 10:00:00\n"));
        assert!(!ends_with_marker(b"-- Dump completed on 2026-11-22\nINSERT INTO"));
        assert!(!ends_with_marker(b"INSERT INTO a VALUES ('-- Dump completed"));
        assert!(!ends_with_marker(b""));
    }
}
