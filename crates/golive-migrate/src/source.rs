//! The SQLite file we come from: opened read-only, checked, fingerprinted. Nothing here writes to it, and nothing here
//! knows MariaDB.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// How long a busy source is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A readable, intact SQLite database.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    wal: bool,
}

/// What others do with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Activity {
    /// Somebody is in a write transaction now, or holds the file locked.
    pub writing: bool,
    /// The file is in write-ahead-log mode, where a writer may work beside readers.
    pub wal: bool,
    /// Size of the write-ahead log. One that is not empty means that an application has the file open, or that it ended
    /// without closing it.
    pub wal_bytes: u64,
}

impl Activity {
    /// Whether the file may change under a reader, so that a copy of it should be frozen first.
    pub fn is_live(&self) -> bool {
        self.writing || self.wal_bytes > 0
    }
}

/// Why a source cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenSourceError {
    /// There is no such file.
    #[error("find the SQLite file {path}: check the path")]
    Missing {
        /// The path that was given.
        path: PathBuf,
    },
    /// It is a folder, a socket or another thing that is no file.
    #[error("open {path}: it is not a regular file, name the SQLite file itself")]
    NotAFile {
        /// The path that was given.
        path: PathBuf,
    },
    /// The operating system refuses to read it.
    #[error("read {path}: check its permissions")]
    Unreadable {
        /// The path that was given.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
    /// It holds something else.
    #[error(
        "open {path}: it is not an SQLite 3 database, check that the path names the application's database"
    )]
    NotSqlite {
        /// The path that was given.
        path: PathBuf,
    },
    /// Its pages look random, as those of an encrypted database.
    #[error(
        "open {path}: it seems encrypted (SQLCipher or alike), export a plain copy with the application's key \
         and migrate that"
    )]
    Encrypted {
        /// The path that was given.
        path: PathBuf,
    },
    /// The integrity check found damage.
    #[error(
        "trust {path}: its integrity check reports `{detail}`, recover it with `sqlite3 FILE .recover` first"
    )]
    Corrupt {
        /// The path that was given.
        path: PathBuf,
        /// The first line of the check.
        detail: String,
    },
    /// Another process holds it exclusively.
    #[error("read {path}: another process holds it locked, stop the application and try again")]
    Locked {
        /// The path that was given.
        path: PathBuf,
    },
    /// Another process is in a write transaction.
    #[error("take {path} as it is: it is being written to right now, stop the application and try again")]
    BeingWritten {
        /// The path that was given.
        path: PathBuf,
    },
    /// A writer died and its journal was not rolled back.
    #[error(
        "read {path}: a writer died and left a journal beside it, open it once with its application or `sqlite3` \
         so that the journal is rolled back"
    )]
    Interrupted {
        /// The path that was given.
        path: PathBuf,
    },
    /// SQLite could not read it for another reason.
    #[error("read {path} through SQLite")]
    Sqlite {
        /// The path that was given.
        path: PathBuf,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
}

impl Source {
    /// Opens the file read-only and runs SQLite's `quick_check` over it. A writer is refused unless the file is in
    /// write-ahead-log mode; there the survey's finding `MIG-SOURCE-WRITER` tells of it.
    ///
    /// # Errors
    /// Each way in which the file cannot be a source has its own variant with the next action.
    pub fn open(path: &Path) -> Result<Self, OpenSourceError> {
        inspect_file(path)?;
        match refuse_writer(path) {
            // In write-ahead-log mode a reader keeps its own state beside the writer.
            Err(OpenSourceError::BeingWritten { .. }) if header_says_wal(path)? => {}
            verdict => verdict?,
        }
        let source = Self { path: path.to_owned(), wal: false };
        let explain = |error| source.explain(error);
        let connection = source.connect().map_err(explain)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(explain)?;
        if let Some(damage) = damage(&connection).map_err(explain)? {
            return Err(OpenSourceError::Corrupt { path: path.to_owned(), detail: one_line(&damage) });
        }
        Ok(Self { wal: mode.eq_ignore_ascii_case("wal"), ..source })
    }

    /// Whether somebody writes to the file, or may at any moment. It changes nothing.
    ///
    /// # Errors
    /// When there is no such file, or it is no SQLite database.
    pub fn activity(path: &Path) -> Result<Activity, OpenSourceError> {
        inspect_file(path)?;
        let writing = matches!(
            refuse_writer(path),
            Err(OpenSourceError::BeingWritten { .. } | OpenSourceError::Locked { .. })
        );
        let wal_bytes = beside(path, "-wal").metadata().map_or(0, |wal| wal.len());
        Ok(Activity { writing, wal: header_says_wal(path)?, wal_bytes })
    }

    /// For freezing: a source that may be written to, and whose integrity is checked in the copy.
    pub(crate) fn unchecked(path: &Path) -> Result<Self, OpenSourceError> {
        inspect_file(path)?;
        Ok(Self { path: path.to_owned(), wal: header_says_wal(path)? })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is in write-ahead-log mode, where a writer may work beside readers.
    pub fn is_wal(&self) -> bool {
        self.wal
    }

    /// BLAKE3 of the file's bytes and of its write-ahead log: the fingerprint by which a changed source is noticed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest(&self) -> std::io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        hash_file(&self.path, &mut hasher)?;
        let wal = beside(&self.path, "-wal");
        if wal.exists() && wal.metadata()?.len() > 0 {
            hasher.update(b"wal");
            hash_file(&wal, &mut hasher)?;
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Begins to watch for changes; see [`Watch`].
    pub(crate) fn watch(&self) -> Result<Watch, WatchError> {
        let connection = self.connect()?;
        let version = data_version(&connection)?;
        Ok(Watch { source: self.clone(), connection, version, stamps: self.stamps()? })
    }

    /// The database and its write-ahead log, as [`digest`](Self::digest) reads them.
    fn stamps(&self) -> std::io::Result<[Option<Stamp>; 2]> {
        let log = match Stamp::of(&beside(&self.path, "-wal")) {
            Ok(stamp) => (stamp.length > 0).then_some(stamp),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok([Some(Stamp::of(&self.path)?), log])
    }

    /// A read-only connection.
    pub(crate) fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.collation_needed(stand_in)?;
        // In KiB: a scan needs little, and memory stays bounded whatever the file's size.
        connection.pragma_update(None, "cache_size", -8192)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// `count` connections that see one and the same state, however busy a writer is beside them.
    pub(crate) fn snapshots(&self, count: usize) -> rusqlite::Result<Vec<Connection>> {
        const ATTEMPTS: usize = 50;
        let watch = self.connect()?;
        for attempt in 1..=ATTEMPTS {
            let before = data_version(&watch)?;
            let mut connections = Vec::with_capacity(count);
            for _ in 0..count {
                let connection = self.connect()?;
                connection.execute_batch("BEGIN")?;
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
                connections.push(connection);
            }
            // No commit between the first and the last BEGIN: all of them see the same state.
            if data_version(&watch)? == before {
                return Ok(connections);
            }
            tracing::debug!(attempt, "the source was written to while snapshots were taken");
        }
        Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("the source is written to without pause".to_owned()),
        ))
    }

    fn explain(&self, error: rusqlite::Error) -> OpenSourceError {
        let path = self.path.clone();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => not_sqlite(&path),
            Some(ErrorCode::DatabaseCorrupt) => {
                OpenSourceError::Corrupt { path, detail: one_line(&error.to_string()) }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenSourceError::Locked { path },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if beside(&path, "-journal").exists() => {
                OpenSourceError::Interrupted { path }
            }
            _ => OpenSourceError::Sqlite { path, source: error },
        }
    }
}

/// Tells whether the source is still what it was, without reading gigabytes a second time.
///
/// A commit through SQLite changes the data version. A file that was written past SQLite, or put in the source's place,
/// has another inode, length or time of change; only then do the bytes decide.
#[derive(Debug)]
pub(crate) struct Watch {
    source: Source,
    connection: Connection,
    version: i64,
    stamps: [Option<Stamp>; 2],
}

/// Why the source could not be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    /// SQLite could not look.
    #[error("ask the source for its version")]
    Sqlite(#[from] rusqlite::Error),
    /// The file could not be looked at.
    #[error("look at the source's file")]
    File(#[from] std::io::Error),
}

impl Watch {
    /// Whether nothing changed since the watch began. `digest` was taken since then.
    pub(crate) fn is_unchanged(&self, digest: &str) -> Result<bool, WatchError> {
        if data_version(&self.connection)? != self.version {
            return Ok(false);
        }
        Ok(self.source.stamps()? == self.stamps || self.source.digest()? == digest)
    }
}

/// What the file system knows of a file's identity and changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds of the last write, and of the last change of any kind, which no program can set back.
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Changes whenever another connection commits to the file.
pub(crate) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}

fn inspect_file(path: &Path) -> Result<(), OpenSourceError> {
    let unreadable = |source| OpenSourceError::Unreadable { path: path.to_owned(), source };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(OpenSourceError::Missing { path: path.to_owned() });
        }
        Err(error) => return Err(unreadable(error)),
    };
    if !metadata.is_file() {
        return Err(OpenSourceError::NotAFile { path: path.to_owned() });
    }
    let mut head = [0_u8; 16];
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    match file.read_exact(&mut head) {
        Ok(()) if &head == MAGIC => Ok(()),
        Ok(()) => Err(not_sqlite(path)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(OpenSourceError::NotSqlite { path: path.to_owned() })
        }
        Err(error) => Err(unreadable(error)),
    }
}

/// For a collation that only the application has, without which SQLite reads nothing: byte by byte. Its order is not that of
/// the application's indexes, so nothing may be sought in one of those.
fn stand_in(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.create_collation(name, |one: &str, other: &str| one.as_bytes().cmp(other.as_bytes()))
}

/// What SQLite's `quick_check` finds first, if anything.
fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let unordered = tables_in_order_of_the_application(connection)?;
    // One finding is enough to refuse a file, but under a stand-in every row may seem out of order.
    let most = if unordered.is_empty() { 1 } else { i32::MAX };
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({most})"))?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let line: String = row.get(0)?;
        let order = line.strip_prefix("row not in PRIMARY KEY order for ");
        if line != "ok" && !order.is_some_and(|table| unordered.iter().any(|one| one == table)) {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

/// `WITHOUT ROWID` tables whose rows lie in the order of a collation that only the application has.
fn tables_in_order_of_the_application(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT DISTINCT t.name FROM pragma_table_list t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) x \
         WHERE t.schema = 'main' AND t.wr AND i.origin = 'pk' AND x.key \
         AND upper(x.coll) NOT IN ('BINARY', 'NOCASE', 'RTRIM')",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Whether a table's rows lie in an order that only the application knows.
pub(crate) fn is_in_order_of_the_application(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    Ok(tables_in_order_of_the_application(connection)?.iter().any(|one| one == table))
}

/// Tells an encrypted database from any other file: whole pages, and bytes as even as random ones.
fn not_sqlite(path: &Path) -> OpenSourceError {
    let path = path.to_owned();
    let mut page = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(4096).read_to_end(&mut page));
    let whole_pages = path.metadata().is_ok_and(|metadata| metadata.len() % 512 == 0);
    if read.is_ok() && whole_pages && looks_random(&page) {
        OpenSourceError::Encrypted { path }
    } else {
        OpenSourceError::NotSqlite { path }
    }
}

fn looks_random(page: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    for byte in page {
        counts[usize::from(*byte)] += 1;
    }
    let length = page.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / length;
            -share * share.log2()
        })
        .sum();
    // 4096 random bytes measure about 7.95 bits; text, archives' headers and pages of rows stay well below.
    page.len() >= 1024 && entropy > 7.7
}

/// Tries to become the writer, and gives it up at once. Where the file itself is read-only nobody is a writer.
fn refuse_writer(path: &Path) -> Result<(), OpenSourceError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(connection) = Connection::open_with_flags(path, flags) else { return Ok(()) };
    let probe = || {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")
    };
    match probe() {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            let readable = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).is_ok();
            let path = path.to_owned();
            Err(if readable {
                OpenSourceError::BeingWritten { path }
            } else {
                OpenSourceError::Locked { path }
            })
        }
        // Whatever else is wrong is told better by the read-only connection.
        _ => Ok(()),
    }
}

/// The file format version: 2 is write-ahead log.
fn header_says_wal(path: &Path) -> Result<bool, OpenSourceError> {
    let mut head = [0_u8; 20];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.map_err(|source| OpenSourceError::Unreadable { path: path.to_owned(), source })?;
    Ok(head[18] == 2 || head[19] == 2)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn hash_file(path: &Path, hasher: &mut blake3::Hasher) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        hasher.update(&buffer[..read]);
    }
}

fn one_line(text: &str) -> String {
    text.lines().find(|line| !line.starts_with("***")).unwrap_or(text).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (tempfile::TempDir, Source) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sqlite");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
            .unwrap();
        let source = Source::open(&path).unwrap();
        (directory, source)
    }

    #[test]
    fn a_commit_a_replaced_file_and_bytes_written_past_sqlite_are_noticed() {
        let changes: [fn(&Path); 3] = [
            |path| Connection::open(path).unwrap().execute_batch("UPDATE t SET a = 2").unwrap(),
            |path| {
                let other = path.with_extension("other");
                Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
                std::fs::rename(other, path).unwrap();
            },
            |path| {
                let mut bytes = std::fs::read(path).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                std::fs::write(path, bytes).unwrap();
            },
        ];
        for change in changes {
            let (_directory, source) = made();
            let watch = source.watch().unwrap();
            let digest = source.digest().unwrap();
            assert!(watch.is_unchanged(&digest).unwrap());
            change(source.path());
            assert!(!watch.is_unchanged(&digest).unwrap());
        }
    }

    #[test]
    fn a_touched_file_is_no_change() {
        let (_directory, source) = made();
        let watch = source.watch().unwrap();
        let digest = source.digest().unwrap();
        let bytes = std::fs::read(source.path()).unwrap();
        std::fs::write(source.path(), bytes).unwrap();
        assert!(watch.is_unchanged(&digest).unwrap());
    }
}
