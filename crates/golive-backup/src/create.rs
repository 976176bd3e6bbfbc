//! Takes a backup: `mariadb-dump` streamed through compression and encryption into the repository, beside it the
//! digests of the same snapshot. See [`crate::snapshot`] for how the two are aligned.

mod dump;
mod look;
mod replica;

use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use chrono::{DateTime, Utc};

pub(crate) use self::dump::{DigestRowsError, digest_rows, ends_with_marker};
use self::dump::{Dumped, Sums};
use self::look::{check_grants, database_defaults, notes, tables_outside_snapshot, was_made_elsewhere};
pub(crate) use self::look::{data_bytes, database_defaults_or_none};
use crate::accounts;
use crate::digest;
use crate::exec::{self, ToolError, Tools};
use crate::inventory::{self, InspectError, Inventory, ObjectKind};
use crate::manifest::{AccountFacts, Content, DatabaseFacts, Manifest, Part, SnapshotMethod, TableFacts};
use crate::progress::{Progress, Stage};
use crate::repository::{Attempt, Repository, RepositoryError, Staging};
use crate::rows;
use crate::server::{ConnectError, Server, Session};
use crate::snapshot::{Snapshot, SnapshotError, end, look_at_table};
use crate::witness::Beside;

pub(crate) const DUMP_PART: &str = "dump.sql.zst.age";
/// What `mariadb-dump` writes last, when it got that far.
pub(crate) const END_MARKER: &[u8] = b"-- Dump completed";
/// How long writes may be held up before the attempt is given up.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// How the content of tables enters the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Digests {
    /// Of a dump: digests of its text as it passes, and beside them what the server says of the number of rows and of
    /// some thousand rows a table. Of files: the latter alone, since InnoDB and the tool check every page.
    #[default]
    Quick,
    /// The server digests every row, by a path of its own: about ten times the work of the dump.
    Sql,
}

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
    /// What the proof will rest on.
    pub digests: Digests,
}

impl BackupOptions {
    /// Four hours, exact, quick digests, programs from the search path.
    pub fn new(database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            tools: Tools::new(),
            deadline: Duration::from_secs(4 * 60 * 60),
            exact: true,
            bytes_a_second: None,
            digests: Digests::Quick,
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
    /// The dump does not read as one.
    #[error("digest the rows of the dump")]
    Shape(#[source] io::Error),
    /// The tool left rows out, or a table.
    #[error(
        "find all rows in the dump: the server counts {counted} in table {table}, the dump has {dumped}; check that the tool is \
         MariaDB's and of the server's version, then try again"
    )]
    RowsDiffer {
        /// The table.
        table: String,
        /// Rows in the snapshot, by the server.
        counted: u64,
        /// Rows in the dump of the same snapshot.
        dumped: u64,
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

    let digests = digests(options, &before);
    let Taken { dumped, tables, snapshot, held } =
        dump_and_look(server, repository, options, (staging, digests, &before), progress).await?;
    let Dumped { part, complete, tables: sums } = dumped;
    if !complete {
        return Err(CreateBackupError::Truncated { tool: tool_version, bytes: part.plain_bytes });
    }
    let after = inventory::read_inventory(&mut session.connection, database).await?;
    if before != after {
        return Err(CreateBackupError::SchemaChanged { database: database.to_owned() });
    }
    // Released before the tool spoke: its snapshot may be younger.
    let method = if held >= LOCK_LIMIT { SnapshotMethod::Advisory } else { snapshot.method };
    let own_name_only = was_made_elsewhere(&mut session, database, &collation).await?;
    let mut notes = notes(&mut session, database, &before, method).await?;
    notes.extend(replica);
    let (digest_method, tables) = match digests {
        Digests::Sql => (digest::METHOD, tables),
        Digests::Quick => {
            let apart = tables_outside_snapshot(&mut session, database).await?;
            let apart =
                |table: &str| method != SnapshotMethod::Locked || apart.iter().any(|name| name == table);
            (rows::METHOD, unite(tables, &sums, apart, &mut notes)?)
        }
    };
    let mut parts = vec![part];
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
        digest_method: digest_method.to_owned(),
        tables,
        own_name_only,
        accounts,
        data_bytes: Some(size),
        notes,
    };
    Ok((parts, facts))
}

/// A dump, and what the server said of the same snapshot.
struct Taken {
    dumped: Dumped,
    tables: Vec<TableFacts>,
    snapshot: Snapshot,
    /// How long writes had to wait.
    held: Duration,
}

async fn dump_and_look(
    server: &Server,
    repository: &Repository,
    options: &BackupOptions,
    (staging, digests, inventory): (&Staging, Digests, &Inventory),
    progress: &Progress,
) -> Result<Taken, CreateBackupError> {
    progress.stage(Stage::Locking);
    let mut snapshot = Snapshot::open(server, options.exact).await?;
    let (dump, opened) = dump::start(server, repository, options, (staging, digests), progress)?;
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
    let names: Vec<String> = inventory.names(ObjectKind::Table).map(str::to_owned).collect();
    let how = (digests, staging.id.as_str());
    let look = look_at_tables(&mut snapshot, &options.database, &names, how, progress);
    let (dumped, tables) = match finished {
        Some(dumped) => (dumped, look.await?),
        None => tokio::try_join!(dump, look)?,
    };
    Ok(Taken { dumped, tables, snapshot, held })
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

/// A name with a newline in it would not read as one line of the dump: there the server does the work.
fn digests(options: &BackupOptions, inventory: &Inventory) -> Digests {
    let strange = inventory.objects.iter().any(|object| object.name.contains(char::is_control));
    if strange { Digests::Sql } else { options.digests }
}

async fn look_at_tables(
    snapshot: &mut Snapshot,
    database: &str,
    names: &[String],
    (digests, seed): (Digests, &str),
    progress: &Progress,
) -> Result<Vec<TableFacts>, CreateBackupError> {
    let mut facts = Vec::with_capacity(names.len());
    for name in names {
        let how = (digests, Beside::Dump, seed);
        let looked = look_at_table(&mut snapshot.reader, database, name, how, progress).await;
        facts.push(looked.map_err(|error| match error.is_schema_change() {
            true => CreateBackupError::SchemaChanged { database: database.to_owned() },
            false => error.into(),
        })?);
    }
    end(&mut snapshot.reader).await?;
    Ok(facts)
}

/// What the server said of each table, with the digest of its rows in the dump. Both must have the same rows, unless the
/// two `may_differ`: not of one snapshot.
fn unite(
    mut tables: Vec<TableFacts>,
    sums: &Sums,
    may_differ: impl Fn(&str) -> bool,
    notes: &mut Vec<String>,
) -> Result<Vec<TableFacts>, CreateBackupError> {
    for table in &mut tables {
        let sum = sums.get(&table.name).copied();
        let (dumped, counted) = (sum.unwrap_or_default().rows, table.rows);
        if sum.is_none() || (dumped != counted && !may_differ(&table.name)) {
            return Err(CreateBackupError::RowsDiffer { table: table.name.clone(), counted, dumped });
        }
        if dumped != counted {
            notes.push(format!(
                "table {} was written to meanwhile: {dumped} rows in the dump, {counted} a moment apart",
                table.name
            ));
            // What the server said is of another moment than the rows that will be restored.
            (table.sample, table.floats) = (None, None);
        }
        (table.rows, table.digest) = (dumped, sum.unwrap_or_default().digest());
    }
    Ok(tables)
}
