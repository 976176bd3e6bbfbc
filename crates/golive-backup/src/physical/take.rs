//! Takes a physical backup. The tool blocks commits for a moment at its end, and in that moment its files become
//! consistent; it is held right there until the session that writes the digests has opened its own snapshot, so that
//! the manifest is of the very same moment. Whether it was is checked, and said.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;

use super::{COMPLETED, PHYSICAL_PART};
use crate::create::{Digests, chain, data_bytes, database_defaults_or_none};
use crate::digest;
use crate::exec::{self, Mask, Running, ToolError, Tools};
use crate::inventory::{self, InspectError, Inventory, ObjectKind};
use crate::manifest::{
    BackupId, BinlogPosition, Content, DatabaseFacts, Manifest, Part, PhysicalFacts, SnapshotMethod,
    TableFacts,
};
use crate::pipeline::{BUFFER_BYTES, Gathering, PartWriter};
use crate::progress::{Progress, Stage};
use crate::repository::{Attempt, Repository, RepositoryError, Staging};
use crate::server::{ConnectError, DefaultsFile, Server, Session};
use crate::snapshot::{begin, end, look_at_table};
use crate::witness::{self, Beside};

/// The tool says this when nobody can commit any more, and that when they can again.
const BLOCKED: &str = "Acquired locks for BACKUP STAGE BLOCK_COMMIT";
const UNBLOCKED: &str = "Finishing BACKUP STAGE BLOCK_COMMIT";
/// How long what the tool wrote before it was held may take to arrive.
const ARRIVAL: Duration = Duration::from_millis(30);
/// Opening the snapshot may hold commits up for so long.
const HOLD_LIMIT: Duration = Duration::from_secs(10);

/// What to back up and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PhysicalOptions {
    /// The backup to continue; `None` for a full one.
    pub base: Option<BackupId>,
    /// Where the programs are.
    pub tools: Tools,
    /// The whole backup must be done within this time.
    pub deadline: Duration,
    /// No more than so many stored bytes a second.
    pub bytes_a_second: Option<NonZeroU64>,
    /// What the proof will rest on.
    pub digests: Digests,
}

impl PhysicalOptions {
    /// A full one, within four hours, with quick digests.
    pub fn new() -> Self {
        Self {
            base: None,
            tools: Tools::new(),
            deadline: Duration::from_secs(4 * 60 * 60),
            bytes_a_second: None,
            digests: Digests::Quick,
        }
    }
}

impl Default for PhysicalOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Why there is no physical backup. Nothing of the attempt is left in the repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhysicalError {
    /// The server is out of reach.
    #[error("back up the server's files")]
    Connect(#[from] ConnectError),
    /// A database could not be looked at.
    #[error("look at the databases")]
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
    /// There is nothing to back up.
    #[error("back up the server's files: it holds no database but its own; check the address")]
    Empty,
    /// The tool failed.
    #[error(
        "copy the server's files; the account needs RELOAD, PROCESS and BINLOG MONITOR, and golive must run on the server's machine as a user that can read its data directory"
    )]
    Tool(#[from] ToolError),
    /// The tool ended with success but not at the end.
    #[error(
        "see `completed OK!` as the last word of the tool, although it reported success: the backup is cut off; try again"
    )]
    Truncated,
    /// What the tool wrote about the backup could not be understood.
    #[error(
        "read what the tool says about the backup: {what} is missing; use mariadb-backup of the server's own version"
    )]
    Unclear {
        /// What is missing.
        what: &'static str,
    },
    /// The base of an incremental one is no physical backup, or of another history.
    #[error("continue backup {base}: {reason}; take a full one")]
    Base {
        /// The base.
        base: BackupId,
        /// Why not.
        reason: &'static str,
    },
    /// Tables, views or routines changed meanwhile.
    #[error(
        "keep one schema through the backup of {database}: it changed meanwhile; back up when no migration runs"
    )]
    SchemaChanged {
        /// The database.
        database: String,
    },
    /// The part could not be written.
    #[error("write the files to the repository; check free space")]
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

/// Takes a physical backup of a server on this machine and publishes it. `now` names the backup.
///
/// # Errors
/// When anything along the way is not certain; then nothing is published, and the attempt is noted.
pub async fn create_physical(
    server: &Server,
    repository: &Repository,
    options: &PhysicalOptions,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Manifest, PhysicalError> {
    let taken = take(server, repository, options, now, progress).await;
    if let Err(error) = &taken
        && !matches!(error, PhysicalError::Repository(RepositoryError::Busy { .. }))
        && let Err(failed) = repository.note_failure(&Attempt::new(now, "", chain(error)))
    {
        tracing::warn!(%failed, "a failed attempt could not be noted");
    }
    taken
}

async fn take(
    server: &Server,
    repository: &Repository,
    options: &PhysicalOptions,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Manifest, PhysicalError> {
    let from_lsn = match &options.base {
        Some(base) => base_lsn(repository, base)?,
        None => 0,
    };
    let staging = repository.begin(now)?;
    let work = collect(server, repository, options, from_lsn, &staging, progress);
    let (part, facts) = tokio::time::timeout(options.deadline, work)
        .await
        .map_err(|_| PhysicalError::Timeout { seconds: options.deadline.as_secs() })??;
    Ok(staging.publish(vec![part], Content::Physical(Box::new(facts)))?)
}

fn base_lsn(repository: &Repository, base: &BackupId) -> Result<u64, PhysicalError> {
    let manifest = repository.find(base)?;
    let facts = manifest
        .physical()
        .ok_or(PhysicalError::Base { base: base.clone(), reason: "it is no physical backup" })?;
    Ok(facts.to_lsn)
}

async fn collect(
    server: &Server,
    repository: &Repository,
    options: &PhysicalOptions,
    from_lsn: u64,
    staging: &Staging,
    progress: &Progress,
) -> Result<(Part, PhysicalFacts), PhysicalError> {
    let looking = async {
        let mut session = server.connect().await?;
        let before = inventories(&mut session).await?;
        Ok::<_, PhysicalError>((session, before))
    };
    let asking = async { Ok(exec::version(&options.tools.physical).await?) };
    let (tool_version, (mut session, before)) = tokio::try_join!(asking, looking)?;
    if before.is_empty() {
        return Err(PhysicalError::Empty);
    }
    let mut copy = Copy::start(server, repository, options, from_lsn, staging, progress)?;
    let tables: usize = before.iter().map(|(_, inventory)| inventory.names(ObjectKind::Table).count()).sum();
    let mut readers = try_join_all((0..readers().min(tables.max(1))).map(|_| server.connect())).await?;
    let moment = copy.align(&mut readers).await?;
    // The end of the stream is compressed and made durable meanwhile.
    let how = (options.digests, staging.id.as_str());
    let (stored, looked) = tokio::try_join!(copy.finish(), digest_all(&mut readers, &before, how, progress))?;
    let (part, said) = stored;
    let exact = moment.exact
        && said.binlog.as_ref().zip(moment.binlog.as_ref()).is_none_or(|(tool, own)| same(tool, own));
    if said.from_lsn != from_lsn {
        return Err(PhysicalError::Unclear { what: "the log sequence number it was to begin at" });
    }
    let snapshot = if exact { SnapshotMethod::Locked } else { SnapshotMethod::Advisory };
    let mut databases = Vec::new();
    for ((name, inventory), (digest_method, tables)) in before.iter().zip(looked) {
        let (character_set, collation) = database_defaults_or_none(&mut session, name)
            .await
            .map_err(|source| PhysicalError::Query { doing: "read the defaults of the databases", source })?
            .ok_or_else(|| PhysicalError::SchemaChanged { database: name.clone() })?;
        let size = data_bytes(&mut session, name)
            .await
            .map_err(|source| PhysicalError::Query { doing: "read the sizes of the databases", source })?;
        databases.push(DatabaseFacts {
            name: name.clone(),
            character_set,
            collation,
            server_version: session.version.clone(),
            tool_version: tool_version.clone(),
            snapshot,
            lock_milliseconds: moment.held_milliseconds,
            binlog: said.binlog.clone(),
            inventory: inventory.clone(),
            digest_method: digest_method.to_owned(),
            tables,
            own_name_only: true,
            // The files hold them.
            accounts: None,
            data_bytes: Some(size),
            notes: Vec::new(),
        });
    }
    let after = inventories(&mut session).await?;
    if let Some((name, _)) = before.iter().find(|one| !after.contains(one)) {
        return Err(PhysicalError::SchemaChanged { database: name.clone() });
    }
    let facts = PhysicalFacts {
        server_version: session.version,
        tool_version,
        base: options.base.clone(),
        from_lsn,
        to_lsn: said.to_lsn,
        binlog: said.binlog,
        snapshot,
        lock_milliseconds: moment.held_milliseconds,
        databases,
    };
    Ok((part, facts))
}

/// A method, and what the server says of the tables of a database by it.
type Looked = (&'static str, Vec<TableFacts>);

/// How many sessions look at tables at once, each in the same snapshot: half of the processors, 2 to 8. The server is on this
/// machine, and the other half is for whom it serves.
fn readers() -> usize {
    (std::thread::available_parallelism().map_or(1, std::num::NonZero::get) / 2).clamp(2, 8)
}

/// The same of every database, in order. Whoever of the readers is free takes the next table.
async fn digest_all(
    readers: &mut [Session],
    databases: &[(String, Inventory)],
    how: (Digests, &str),
    progress: &Progress,
) -> Result<Vec<Looked>, PhysicalError> {
    let tables = databases.iter().flat_map(|(database, inventory)| {
        inventory.names(ObjectKind::Table).map(move |table| (database.as_str(), table))
    });
    let tables: Vec<(&str, &str)> = tables.collect();
    let next = AtomicUsize::new(0);
    let found = try_join_all(readers.iter_mut().map(|reader| async {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((database, table)) = tables.get(at) else { break };
            found.push((at, digest(reader, database, table, how, progress).await?));
        }
        end(&mut reader.connection).await?;
        Ok::<_, PhysicalError>(found)
    }));
    let mut found: Vec<(usize, TableFacts)> = found.await?.into_iter().flatten().collect();
    found.sort_by_key(|(at, _)| *at);
    let mut found = found.into_iter().map(|(_, facts)| facts);
    let method = match how.0 {
        Digests::Sql => digest::METHOD,
        Digests::Quick => witness::METHOD,
    };
    let mut of_database =
        |inventory: &Inventory| found.by_ref().take(inventory.names(ObjectKind::Table).count()).collect();
    Ok(databases.iter().map(|(_, inventory)| (method, of_database(inventory))).collect())
}

async fn digest(
    reader: &mut Session,
    database: &str,
    table: &str,
    (digests, seed): (Digests, &str),
    progress: &Progress,
) -> Result<TableFacts, PhysicalError> {
    let how = (digests, Beside::Files, seed);
    look_at_table(&mut reader.connection, database, table, how, progress).await.map_err(|error| {
        match error.is_schema_change() {
            true => PhysicalError::SchemaChanged { database: database.to_owned() },
            false => error.into(),
        }
    })
}

/// Whether nothing was committed between the readers' snapshots.
fn all_alike(positions: &[Option<BinlogPosition>]) -> bool {
    positions.windows(2).all(|two| two[0] == two[1])
}

fn same(tool: &BinlogPosition, own: &BinlogPosition) -> bool {
    (&tool.file, tool.position) == (&own.file, own.position)
}

async fn inventories(session: &mut Session) -> Result<Vec<(String, Inventory)>, PhysicalError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(SCHEMA_NAME AS CHAR) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN \
         ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY SCHEMA_NAME",
    )
    .fetch_all(&mut session.connection)
    .await
    .map_err(|source| PhysicalError::Query { doing: "list the databases", source })?;
    let mut found = Vec::new();
    for name in names {
        let inventory = inventory::read_inventory(&mut session.connection, &name).await?;
        found.push((name, inventory));
    }
    Ok(found)
}

/// A copy that is going on.
struct Copy {
    running: Running,
    lines: mpsc::UnboundedReceiver<String>,
    storing: tokio::task::JoinHandle<io::Result<Part>>,
    /// In its folder the tool leaves notes of itself.
    defaults: DefaultsFile,
    last: String,
}

/// The moment of which both are.
struct Moment {
    exact: bool,
    held_milliseconds: u64,
    binlog: Option<BinlogPosition>,
}

/// What the tool says about its backup.
struct Said {
    from_lsn: u64,
    to_lsn: u64,
    binlog: Option<BinlogPosition>,
}

impl Copy {
    fn start(
        server: &Server,
        repository: &Repository,
        options: &PhysicalOptions,
        from_lsn: u64,
        staging: &Staging,
        progress: &Progress,
    ) -> Result<Self, PhysicalError> {
        // It opens the file when it likes.
        let defaults = server.defaults_file().map_err(PhysicalError::Write)?;
        let notes = defaults.folder();
        let mut arguments = vec![
            defaults.argument(),
            "--backup".to_owned(),
            "--stream=mbstream".to_owned(),
            format!("--target-dir={}", notes.join("tmp").display()),
            format!("--extra-lsndir={}", notes.display()),
        ];
        if options.base.is_some() {
            arguments.push(format!("--incremental-lsn={from_lsn}"));
        }
        let recipients = &repository.keys().recipients;
        let writer =
            PartWriter::create_paced(staging.shelf(), PHYSICAL_PART, recipients, options.bytes_a_second)
                .map_err(PhysicalError::Write)?;
        let (sender, lines) = mpsc::unbounded_channel();
        let mut running = exec::start_watched(
            &options.tools.physical,
            &arguments,
            Stdio::null(),
            Stdio::piped(),
            Some(sender),
        )?;
        running.signal_without_us("CONT")?;
        let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
        let stdout = Gathering::new(stdout.into_owned_fd().map_err(PhysicalError::Write)?);
        let progress = progress.clone();
        let storing = tokio::task::spawn_blocking(move || store(stdout, writer, &progress));
        Ok(Self { running, lines, storing, defaults, last: String::new() })
    }

    /// Waits for the moment at which nobody commits, and opens the readers' snapshots in it.
    async fn align(&mut self, readers: &mut [Session]) -> Result<Moment, PhysicalError> {
        let mut blocked = false;
        while let Some(line) = self.lines.recv().await {
            blocked = line.contains(BLOCKED);
            self.last = line;
            if blocked {
                break;
            }
        }
        let began = Instant::now();
        let held = blocked && self.running.hold(true).is_ok();
        let opening = try_join_all(readers.iter_mut().map(|reader| begin(&mut reader.connection)));
        let opened = tokio::time::timeout(HOLD_LIMIT, opening).await;
        if held {
            tokio::time::sleep(ARRIVAL).await;
        }
        let mut exact = held;
        while let Ok(line) = self.lines.try_recv() {
            exact &= !line.contains(UNBLOCKED);
            self.last = line;
        }
        if held {
            self.running.hold(false).map_err(PhysicalError::Write)?;
        }
        let held_milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let opened = opened.map_err(|_| PhysicalError::Timeout { seconds: HOLD_LIMIT.as_secs() })?;
        let positions = opened
            .map_err(|source| PhysicalError::Query { doing: "open the snapshots of the digests", source })?;
        let exact = exact && all_alike(&positions);
        Ok(Moment { exact, held_milliseconds, binlog: positions.into_iter().next().flatten() })
    }

    async fn finish(mut self) -> Result<(Part, Said), PhysicalError> {
        while let Some(line) = self.lines.recv().await {
            self.last = line;
        }
        let stored = self.storing.await.expect("storing does not panic");
        // The tool's own words come first: when it dies, the pipe merely ends.
        self.running.finish(Mask::Nothing).await?;
        if !self.last.ends_with(COMPLETED) {
            return Err(PhysicalError::Truncated);
        }
        let said = read_notes(self.defaults.folder())?;
        Ok((stored.map_err(PhysicalError::Write)?, said))
    }
}

fn store(mut stdout: Gathering<File>, mut writer: PartWriter, progress: &Progress) -> io::Result<Part> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = stdout.fill(&mut buffer)?;
        if read == 0 {
            return writer.finish();
        }
        writer.write_all(&buffer[..read])?;
        progress.bytes(Stage::Dumping, writer.plain_bytes(), None);
    }
}

/// Newer tools call their notes otherwise.
fn read_notes(folder: &Path) -> Result<Said, PhysicalError> {
    let read = |names: [&str; 2]| names.iter().find_map(|name| fs::read_to_string(folder.join(name)).ok());
    let checkpoints = read(["xtrabackup_checkpoints", "mariadb_backup_checkpoints"])
        .ok_or(PhysicalError::Unclear { what: "its list of checkpoints" })?;
    let info = read(["xtrabackup_info", "mariadb_backup_info"])
        .ok_or(PhysicalError::Unclear { what: "its description" })?;
    let number = |name: &'static str| {
        let value = value(&checkpoints, name).and_then(|text| text.parse().ok());
        value.ok_or(PhysicalError::Unclear { what: name })
    };
    let binlog = value(&info, "binlog_pos").and_then(|text| parse_position(&text));
    Ok(Said { from_lsn: number("from_lsn")?, to_lsn: number("to_lsn")?, binlog })
}

fn value(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(" = ")?;
        (key == name).then(|| value.trim().to_owned())
    })
}

/// `filename 'binlog.000001', position '1161', GTID of the last change '0-1-5'`
fn parse_position(text: &str) -> Option<BinlogPosition> {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    Some(BinlogPosition {
        file: quoted.next()?.to_owned(),
        position: quoted.next()?.parse().ok()?,
        gtid: quoted.next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_between_which_something_was_committed_are_not_of_one_moment() {
        let at = |position| {
            parse_position(&format!(
                "filename 'binlog.000001', position '{position}', GTID of the last change '0-1-5'"
            ))
        };
        assert!(
            all_alike(&[at(1161), at(1161), at(1161)]) && all_alike(&[None, None]) && all_alike(&[at(1)])
        );
        assert!(!all_alike(&[at(1161), at(1161), at(1300)]) && !all_alike(&[at(1300), at(1161)]));
        assert!(!all_alike(&[None, at(1161)]), "one of them does not know");
    }

    #[test]
    fn the_position_is_read_with_and_without_a_gtid() {
        let position =
            parse_position("filename 'binlog.000001', position '1161', GTID of the last change '0-1-5'");
        let position = position.unwrap();
        assert_eq!(
            (position.file.as_str(), position.position, position.gtid.as_str()),
            ("binlog.000001", 1161, "0-1-5")
        );
        assert_eq!(parse_position("filename 'b.1', position '4'").unwrap().gtid, "");
        assert!(parse_position("").is_none());
    }
}
