//! Puts a dump back, into an empty database only. Whether the result equals the snapshot is asked afterwards, by
//! another path: [`crate::compare`].

mod keys;
mod lanes;
mod split;

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::AssertSqlSafe;

use self::lanes::LoadError;
use crate::accounts::{self, ACCOUNTS_PART, Account, AccountsReport};
use crate::create::DUMP_PART;
use crate::exec::{self, Mask, ToolError, Tools};
use crate::identifier::quote;
use crate::manifest::{BackupId, DatabaseFacts, Manifest, Part};
use crate::pipeline::{BUFFER_BYTES, open_part};
use crate::progress::{Progress, Stage};
use crate::repository::{Repository, RepositoryError};
use crate::sealing::Key;
use crate::server::{ConnectError, Server, Session};
use crate::verify::check_part;

/// More sessions than this only wait for each other.
const SESSIONS_LIMIT: usize = 16;

/// How to restore.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Where the programs are.
    pub tools: Tools,
    /// The whole restore must be done within this time.
    pub deadline: Duration,
    /// Make the accounts of the backup that the server lacks; those that are there are never changed.
    pub accounts: bool,
    /// So many sessions take rows at once; at most 16.
    pub sessions: usize,
}

impl RestoreOptions {
    /// Eight hours, programs from the search path, as many sessions as there are processors here, 2 to 4.
    pub fn new() -> Self {
        // The server works as hard for each as for one alone, and is often on this machine.
        let sessions = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 4);
        Self { tools: Tools::new(), deadline: Duration::from_secs(8 * 60 * 60), accounts: false, sessions }
    }
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RestoreReport {
    /// Which backup.
    pub id: BackupId,
    /// Into which database.
    pub database: String,
    /// How long it took, the check of the stored bytes included.
    pub seconds: f64,
    /// Bytes of SQL replayed.
    pub bytes: u64,
    /// `VERSION()` of the target.
    pub server_version: String,
    /// Accounts that views, triggers, routines or events run as and that the target lacks: using those fails there.
    pub missing_definers: Vec<String>,
    /// What became of the accounts, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountsReport>,
}

/// Why a restore did not happen or did not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The target is out of reach.
    #[error("restore")]
    Connect(#[from] ConnectError),
    /// The repository, the manifest or the key.
    #[error("open the backup")]
    Repository(#[from] RepositoryError),
    /// It is a backup of something else.
    #[error("restore {id} into a database: it holds files, not a database; choose another backup")]
    NotADatabase {
        /// The backup.
        id: BackupId,
    },
    /// The stored bytes are damaged; nothing was changed.
    #[error("restore {id}: {part} {what}; nothing was changed, choose another backup")]
    Damaged {
        /// The backup.
        id: BackupId,
        /// The file.
        part: String,
        /// What is wrong.
        what: String,
    },
    /// There is something in the target; nothing was changed.
    #[error("restore into {database}: it is not empty, it holds {found}; create and name an empty database")]
    NotEmpty {
        /// The database.
        database: String,
        /// An object found there.
        found: String,
    },
    /// The accounts were asked for, and are not in the backup; nothing was changed.
    #[error(
        "restore the accounts of {id}: the account that took it could not read them; restore without them, or choose another backup"
    )]
    NoAccounts {
        /// The backup.
        id: BackupId,
    },
    /// The dump names its database; nothing was changed.
    #[error(
        "restore {id} under the name {database}: it can be restored as {own_name} only, on a server without it"
    )]
    OwnNameOnly {
        /// The backup.
        id: BackupId,
        /// The name asked for.
        database: String,
        /// The name it has.
        own_name: String,
    },
    /// A statement failed.
    #[error("{doing}")]
    Query {
        /// What was being done, as a verb.
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The client failed; the target is half-filled.
    #[error("replay the dump into {database}, which is now half-filled: drop it before trying again")]
    Tool {
        /// The database.
        database: String,
        /// What the client said.
        #[source]
        source: ToolError,
    },
    /// The dump could not be read to its end; the target is half-filled.
    #[error("read the dump for {database}, which is now half-filled: drop it before trying again")]
    Read {
        /// The database.
        database: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// It took too long; the target is half-filled.
    #[error(
        "finish the restore of {database} within {seconds} s; drop it, then try again with a longer deadline"
    )]
    Timeout {
        /// The database.
        database: String,
        /// The limit.
        seconds: u64,
    },
}

/// Restores a backup into a database that is empty or does not exist yet. The stored bytes are checked first, so that
/// a damaged backup changes nothing.
///
/// Enabled events run as soon as they are restored, if the scheduler of the target is on: keep it off where the copy
/// is only looked at. Accounts are made only where [`RestoreOptions::accounts`] asks for it; see
/// [`RestoreReport::missing_definers`].
///
/// # Errors
/// When the target is not empty, or anything along the way fails; the message says whether the target was touched.
pub async fn restore_backup(
    repository: &Repository,
    id: &BackupId,
    target: &Server,
    database: &str,
    options: &RestoreOptions,
    progress: &Progress,
) -> Result<RestoreReport, RestoreError> {
    let work = restore(repository, id, target, database, options, progress);
    tokio::time::timeout(options.deadline, work).await.unwrap_or_else(|_| {
        Err(RestoreError::Timeout { database: database.to_owned(), seconds: options.deadline.as_secs() })
    })
}

async fn restore(
    repository: &Repository,
    id: &BackupId,
    target: &Server,
    database: &str,
    options: &RestoreOptions,
    progress: &Progress,
) -> Result<RestoreReport, RestoreError> {
    let began = Instant::now();
    let manifest = repository.find(id)?;
    let part = manifest.parts.iter().find(|part| part.name == DUMP_PART).cloned();
    let (Some(facts), Some(part)) = (manifest.database().cloned(), part) else {
        return Err(RestoreError::NotADatabase { id: id.clone() });
    };
    if facts.own_name_only && facts.name != database {
        return Err(RestoreError::OwnNameOnly {
            id: id.clone(),
            database: database.to_owned(),
            own_name: facts.name,
        });
    }
    let key = repository.keys().identity.clone().ok_or(RepositoryError::NoIdentity)?;
    let directory = repository.shelf(id);
    let accounts = match options.accounts {
        true => Some(open_accounts(repository, &manifest, &key, progress)?),
        false => None,
    };
    let (checked, reporting) = (part.clone(), progress.clone());
    let reader = tokio::task::spawn_blocking(move || {
        check_part(&directory, &checked, None, &manifest, &reporting)?;
        open_part(&directory, &checked.name, &key).map_err(|error| format!("cannot be opened: {error}"))
    })
    .await
    .expect("checking does not panic")
    .map_err(|what| RestoreError::Damaged { id: id.clone(), part: part.name.clone(), what })?;

    let mut session = target.connect().await?;
    prepare_database(&mut session, database, &facts).await?;
    replay(target, database, options, reader, (part.clone(), &facts), progress).await?;
    let accounts = match &accounts {
        Some(wanted) => {
            Some(accounts::restore(wanted, &mut session.connection).await.map_err(|source| {
                RestoreError::Query { doing: "look at the accounts of the target", source }
            })?)
        }
        None => None,
    };
    let missing_definers = missing_definers(&mut session, &facts.inventory.definers).await?;
    Ok(RestoreReport {
        id: id.clone(),
        database: database.to_owned(),
        seconds: began.elapsed().as_secs_f64(),
        bytes: part.plain_bytes,
        server_version: session.version,
        missing_definers,
        accounts,
    })
}

/// The accounts of a backup, each stored byte checked.
fn open_accounts(
    repository: &Repository,
    manifest: &Manifest,
    key: &Key,
    progress: &Progress,
) -> Result<Vec<Account>, RestoreError> {
    let id = &manifest.id;
    let part = manifest.parts.iter().find(|part| part.name == ACCOUNTS_PART);
    let part = part.ok_or_else(|| RestoreError::NoAccounts { id: id.clone() })?;
    let directory = repository.shelf(id);
    let opened = check_part(&directory, part, Some(key), manifest, progress)
        .and_then(|()| accounts::load(&directory, key, part).map_err(|error| error.to_string()));
    opened.map_err(|what| RestoreError::Damaged { id: id.clone(), part: part.name.clone(), what })
}

/// Creates the database, or insists that it is empty and gives it the defaults of the original.
async fn prepare_database(
    session: &mut Session,
    database: &str,
    facts: &DatabaseFacts,
) -> Result<(), RestoreError> {
    let query = |doing| move |source| RestoreError::Query { doing, source };
    let found: Option<String> = sqlx::query_scalar(
        "SELECT CAST(CONCAT('table ', TABLE_NAME) AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? \
         UNION ALL SELECT CAST(CONCAT('routine ', ROUTINE_NAME) AS CHAR) FROM information_schema.ROUTINES \
         WHERE ROUTINE_SCHEMA = ? \
         UNION ALL SELECT CAST(CONCAT('event ', EVENT_NAME) AS CHAR) FROM information_schema.EVENTS \
         WHERE EVENT_SCHEMA = ? LIMIT 1",
    )
    .bind(database)
    .bind(database)
    .bind(database)
    .fetch_optional(&mut session.connection)
    .await
    .map_err(query("look whether the target is empty"))?;
    if let Some(found) = found {
        return Err(RestoreError::NotEmpty { database: database.to_owned(), found });
    }
    let exists: Option<String> = sqlx::query_scalar(
        "SELECT CAST(SCHEMA_NAME AS CHAR) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?",
    )
    .bind(database)
    .fetch_optional(&mut session.connection)
    .await
    .map_err(query("look for the target"))?;
    let verb = if exists.is_some() { "ALTER" } else { "CREATE" };
    let statement = format!(
        "{verb} DATABASE {} CHARACTER SET {} COLLATE {}",
        quote(database),
        quote(&facts.character_set),
        quote(&facts.collation)
    );
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut session.connection)
        .await
        .map_err(query("prepare the target database; the account needs CREATE and ALTER on it"))?;
    Ok(())
}

async fn replay(
    target: &Server,
    database: &str,
    options: &RestoreOptions,
    reader: impl Read + Send + 'static,
    (part, facts): (Part, &DatabaseFacts),
    progress: &Progress,
) -> Result<(), RestoreError> {
    let read_error = |source| RestoreError::Read { database: database.to_owned(), source };
    let tool_error = |source| RestoreError::Tool { database: database.to_owned(), source };
    // A name with a newline in it would not read as one line of the dump; one session takes the text as it is.
    let strange = facts.inventory.objects.iter().any(|object| object.name.contains(char::is_control));
    let lanes = if strange { 0 } else { options.sessions.clamp(1, SESSIONS_LIMIT) };
    if lanes > 0 {
        let what = (part, facts.tables.clone());
        let loaded = lanes::load(target, database, &options.tools, lanes, reader, what, progress).await;
        return loaded.map_err(|error| match error {
            LoadError::Tool(source) => tool_error(source),
            LoadError::Io(source) => read_error(source),
        });
    }
    let defaults = target.defaults_file().map_err(read_error)?;
    let arguments =
        [&defaults.argument(), "--default-character-set=utf8mb4", "--binary-mode", "--batch", "--", database]
            .map(str::to_owned);
    let mut running =
        exec::start(&options.tools.client, &arguments, Stdio::piped(), Stdio::null()).map_err(tool_error)?;
    let stdin = running.child.stdin.take().expect("stdin was asked for as a pipe");
    let stdin = File::from(stdin.into_owned_fd().map_err(read_error)?);
    let progress = progress.clone();
    let feeding = tokio::task::spawn_blocking(move || feed(reader, stdin, &part, &progress));
    let fed = feeding.await.expect("feeding does not panic");
    // The client's own words come first: when it dies, the pipe merely breaks.
    running.finish(Mask::QuotedValues).await.map_err(tool_error)?;
    fed.map_err(read_error)
}

/// Feeds a program with a part, and checks that the bytes are those that were packed.
pub(crate) fn feed(
    mut reader: impl Read,
    mut stdin: File,
    part: &Part,
    progress: &Progress,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        stdin.write_all(&buffer[..read])?;
        hasher.update(&buffer[..read]);
        bytes += read as u64;
        progress.bytes(Stage::Restoring, bytes, Some(part.plain_bytes));
    }
    if (bytes, hasher.finalize().to_hex().as_str()) != (part.plain_bytes, part.plain_blake3.as_str()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the unpacked dump differs from what was packed",
        ));
    }
    Ok(())
}

async fn missing_definers(session: &mut Session, definers: &[String]) -> Result<Vec<String>, RestoreError> {
    let mut missing = Vec::new();
    for definer in definers {
        let (user, host) = definer.rsplit_once('@').unwrap_or((definer, "%"));
        let known: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT 1 FROM mysql.user WHERE User = ? AND Host = ?")
                .bind(user)
                .bind(host)
                .fetch_optional(&mut session.connection)
                .await;
        match known {
            Ok(Some(_)) => {}
            Ok(None) => missing.push(definer.clone()),
            Err(error) => {
                tracing::warn!(%error, "the accounts of the target may not be read; definers stay unchecked");
                break;
            }
        }
    }
    Ok(missing)
}
