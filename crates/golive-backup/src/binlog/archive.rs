//! Where archived binary logs lie: closed ones compressed and encrypted as everything in the repository, with one line
//! each in a catalog; the one that is being written in a spool. How they come here is [`super::archiver`]'s business.
//!
//! A log is named by the time it was begun and the server that wrote it, for a server that was reset begins to count
//! anew. The spool holds plain bytes, in a directory that nobody else can enter, until its log is closed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::gtid::{Gtid, GtidState};
use super::reader::{Ending, LogReader, Looking, Summary};
use crate::manifest::Part;
use crate::pipeline::{BUFFER_BYTES, PartReader, PartWriter, open_part};
use crate::remote::{Journal, Remote, is_out_of_reach};
use crate::repository::{
    Home, JOURNALS, Lock, Repository, RepositoryError, append_line, file_error, take_lock,
};
use crate::sealing::Keys;
use crate::shelf::Shelf;

/// The folder of the repository in which binary logs lie.
pub(crate) const FOLDER: &str = "binlog";
const CATALOG: &str = "catalog.jsonl";
const STATUS: &str = "status.json";
const LOGS: &str = "logs";
const SPOOL: &str = "spool";

/// A closed binary log in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArchivedLog {
    /// Its name on the server.
    pub name: String,
    /// `server_id` of the server that wrote it.
    pub server: u32,
    /// When the server began it.
    pub begun_at: DateTime<Utc>,
    /// When it was archived.
    pub archived_at: DateTime<Utc>,
    /// The stored file with its digests.
    pub part: Part,
    /// Transactions in it.
    pub transactions: u64,
    /// Time of its first transaction.
    pub first_at: Option<DateTime<Utc>>,
    /// Time of its last transaction.
    pub last_at: Option<DateTime<Utc>>,
    /// How often the time stamps in it go backwards.
    pub leaps: usize,
    /// The log that follows, when the server closed it in order.
    pub next: Option<String>,
    pub(crate) starts: GtidState,
    pub(crate) ends: GtidState,
}

impl ArchivedLog {
    /// The transactions that it follows, last of each domain first written by each server.
    pub fn starts(&self) -> Vec<Gtid> {
        self.starts.clone().into()
    }

    /// The transactions after which it ends.
    pub fn ends(&self) -> Vec<Gtid> {
        self.ends.clone().into()
    }
}

/// A line of the catalog that takes a log out of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LetGo {
    let_go: String,
}

/// How the archive stands; written again with every look at the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArchiveStatus {
    /// When the server was last looked at.
    pub at: DateTime<Utc>,
    /// When the archive last held everything that the server had committed.
    pub caught_up_at: Option<DateTime<Utc>>,
    /// The log that the server writes.
    pub server_file: String,
    /// How far.
    pub server_position: u64,
    /// The log that arrives.
    pub file: String,
    /// How far it has arrived, on disk.
    pub position: u64,
    /// What is wrong, a sentence; `None` when all is well.
    pub problem: Option<String>,
}

impl ArchiveStatus {
    /// Seconds of commits that would be lost if the server vanished now: the time since the archive was complete.
    /// `None` when it never was.
    pub fn lag_seconds(&self, now: DateTime<Utc>) -> Option<f64> {
        let since = now - self.caught_up_at?;
        Some(since.num_milliseconds().max(0) as f64 / 1000.0)
    }
}

/// The binary logs of a repository. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BinlogArchive {
    /// Of a remote place only the spool and the status are here.
    directory: PathBuf,
    remote: Option<Remote>,
    keys: Arc<Keys>,
}

/// The newest log, as far as it has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) summary: Summary,
}

impl Repository {
    /// The binary logs that are kept beside the backups.
    pub fn binlogs(&self) -> BinlogArchive {
        let (directory, remote) = match self.home() {
            Home::Folder(folder) => (folder.join(FOLDER), None),
            Home::Remote { remote, spool } => (spool.clone(), Some(remote.below(FOLDER))),
        };
        BinlogArchive { directory, remote, keys: self.shared_keys() }
    }
}

impl BinlogArchive {
    /// Where it is; of an archive in a remote place, where its spool and its status are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Every closed log, in the order in which they were archived.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn logs(&self) -> Result<Vec<ArchivedLog>, RepositoryError> {
        let reading = file_error("read the catalog of binary logs", &self.shown(CATALOG));
        let text = match &self.remote {
            Some(remote) => cataloged(remote).map_err(reading)?,
            None => match fs::read_to_string(self.directory.join(CATALOG)) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(source) => return Err(reading(source)),
            },
        };
        let mut logs: Vec<ArchivedLog> = Vec::new();
        for line in text.lines() {
            if let Ok(log) = serde_json::from_str::<ArchivedLog>(line) {
                logs.retain(|other| other.part.name != log.part.name);
                logs.push(log);
            } else if let Ok(let_go) = serde_json::from_str::<LetGo>(line) {
                logs.retain(|other| other.part.name != let_go.let_go);
            }
            // A line that a power cut has torn is passed over: the log is missing in the chain then, and the chain
            // says so.
        }
        Ok(logs)
    }

    /// Lets go of closed logs, as [`plan_log_prune`](super::plan_log_prune) named them. The archiver may be at work.
    ///
    /// # Errors
    /// When the catalog cannot be written or a file not be removed.
    pub fn prune(&self, logs: &[ArchivedLog]) -> Result<(), RepositoryError> {
        for log in logs {
            if let Some(remote) = &self.remote {
                // Out of the catalog first: what it names is there.
                for name in [entry(&log.part.name), format!("{LOGS}/{}", log.part.name)] {
                    remote.remove(&name).map_err(file_error("remove", &remote.shown(&name)))?;
                }
                continue;
            }
            let line = serde_json::to_string(&LetGo { let_go: log.part.name.clone() });
            append_line(&self.directory.join(CATALOG), &line.expect("a name is plain"))?;
            let path = self.directory.join(LOGS).join(&log.part.name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(file_error("remove", &path)(source));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How the archive stood when the server was last looked at; `None` when it never was.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn status(&self) -> Result<Option<ArchiveStatus>, RepositoryError> {
        let path = self.directory.join(STATUS);
        let reading = || file_error("read the status of the archive", &path);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| reading()(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(reading()(source)),
        }
    }

    /// Makes the folders and takes the one archiver's lock.
    pub(crate) fn begin(&self) -> Result<Lock, RepositoryError> {
        if self.keys.recipients.is_empty() {
            return Err(RepositoryError::NoRecipients);
        }
        for folder in [self.directory.clone(), self.directory.join(LOGS), self.directory.join(SPOOL)] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(file_error("create", &folder))?;
        }
        take_lock(&self.directory)
    }

    pub(crate) fn write_status(&self, status: &ArchiveStatus) -> Result<(), RepositoryError> {
        let path = self.directory.join(STATUS);
        let fresh = path.with_extension("json.partial");
        let text = serde_json::to_vec_pretty(status).expect("a status has only plain fields");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).map_err(file_error("write", &path))
    }

    /// The folders of the spool, oldest first.
    pub(crate) fn spools(&self) -> Result<Vec<PathBuf>, RepositoryError> {
        names(&self.directory.join(SPOOL))
    }

    /// A new folder for what one connection brings: the tool truncates what it finds, so it never finds anything.
    pub(crate) fn new_spool(&self) -> Result<PathBuf, RepositoryError> {
        let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u64>().ok();
        let last = self.spools()?.iter().filter_map(number).max().unwrap_or(0);
        let path = self.directory.join(SPOOL).join(format!("{:08}", last + 1));
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(file_error("create", &path))?;
        Ok(path)
    }

    /// Puts a closed log away: sealed, durable, in the catalog. Killed anywhere, it can be done again.
    pub(crate) fn seal(
        &self,
        path: &Path,
        name: &str,
        summary: &Summary,
        now: DateTime<Utc>,
    ) -> Result<ArchivedLog, RepositoryError> {
        let begun_at = time(summary.created);
        let stored = format!("{}-{}-{name}.zst.age", begun_at.format("%Y%m%dT%H%M%SZ"), summary.server);
        let part = self.put_away(path, &stored).map_err(file_error("archive", path))?;
        let next = match &summary.ending {
            Ending::Rotate(next) => Some(next.clone()),
            _ => None,
        };
        let log = ArchivedLog {
            name: name.to_owned(),
            server: summary.server,
            begun_at,
            archived_at: now,
            part,
            transactions: summary.transactions,
            first_at: summary.first_time.map(time),
            last_at: summary.last_time.map(time),
            leaps: summary.leaps.len(),
            next,
            starts: summary.starts.clone(),
            ends: summary.ends.clone(),
        };
        self.note(&log)?;
        Ok(log)
    }

    /// Seals a file under a name at which nothing half-written is ever seen.
    fn put_away(&self, path: &Path, stored: &str) -> io::Result<Part> {
        let Some(remote) = &self.remote else {
            let logs = self.directory.join(LOGS);
            let partial = format!(".partial-{stored}");
            let _ = fs::remove_file(logs.join(&partial));
            let part = self.copy(path, &Shelf::Folder(logs.clone()), &partial)?;
            fs::rename(logs.join(&partial), logs.join(stored))?;
            File::open(&logs)?.sync_all()?;
            return Ok(Part { name: stored.to_owned(), ..part });
        };
        let name = format!("{JOURNALS}/{stored}.json");
        let journal = match Journal::create(remote, &name) {
            // A run that was killed left it; the lock of the spool is ours.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let left = Journal::take_over(remote, &name)?;
                left.abort()?;
                left
            }
            created => created?,
        };
        let shelf =
            Shelf::Remote { remote: remote.clone(), folder: LOGS.to_owned(), journal: Some(journal.clone()) };
        let part = self.copy(path, &shelf, stored)?;
        journal.close()?;
        Ok(part)
    }

    fn copy(&self, path: &Path, shelf: &Shelf, name: &str) -> io::Result<Part> {
        let mut writer = PartWriter::create(shelf, name, &self.keys.recipients)?;
        let mut source = File::open(path)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match source.read(&mut buffer)? {
                0 => return writer.finish(),
                read => writer.write_all(&buffer[..read])?,
            }
        }
    }

    fn note(&self, log: &ArchivedLog) -> Result<(), RepositoryError> {
        let line = serde_json::to_string(log).expect("a log has only plain fields");
        if let Some(remote) = &self.remote {
            let name = entry(&log.part.name);
            return remote.write(&name, line.into_bytes()).map_err(file_error("write", &remote.shown(&name)));
        }
        append_line(&self.directory.join(CATALOG), &line)
    }

    /// What may be shown of a name.
    fn shown(&self, name: &str) -> PathBuf {
        self.remote.as_ref().map_or_else(|| self.directory.join(name), |remote| remote.shown(name))
    }

    /// Where the closed logs are read.
    fn shelf(&self) -> Shelf {
        match &self.remote {
            Some(remote) => Shelf::Remote { remote: remote.clone(), folder: LOGS.to_owned(), journal: None },
            None => Shelf::Folder(self.directory.join(LOGS)),
        }
    }

    /// Opens a closed log to be read.
    pub(crate) fn open(&self, log: &ArchivedLog) -> Result<PartReader, RepositoryError> {
        let key = self.keys.identity.as_ref().ok_or(RepositoryError::NoIdentity)?;
        let shelf = self.shelf();
        let shown = shelf.shown(&log.part.name);
        open_part(&shelf, &log.part.name, key).map_err(file_error("open the binary log", &shown))
    }

    /// Reads every stored byte of every closed log again, and names the logs that are not what was archived.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the store is out of reach.
    pub fn verify(&self) -> Result<Vec<(String, String)>, RepositoryError> {
        let shelf = self.shelf();
        let mut damaged = Vec::new();
        for log in self.logs()? {
            let name = &log.part.name;
            let what = match crate::pipeline::hash_file(&shelf, name, |_| {}) {
                Err(source) if is_out_of_reach(&source) => {
                    return Err(file_error("read", &shelf.shown(name))(source));
                }
                Err(error) => format!("cannot be read: {error}"),
                Ok((bytes, digest)) if (bytes, &digest) == (log.part.bytes, &log.part.blake3) => continue,
                Ok(_) => "is not what was archived: its BLAKE3 differs".to_owned(),
            };
            damaged.push((name.clone(), what));
        }
        Ok(damaged)
    }

    /// The logs that are not closed yet, the furthest copy of each, in order. After a reconnection there can be the
    /// copy of the lost connection beside the one that is growing.
    pub(crate) fn tails(&self) -> Result<Vec<Tail>, RepositoryError> {
        let mut tails: Vec<Tail> = Vec::new();
        for spool in self.spools()? {
            for path in names(&spool)? {
                let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                    continue;
                };
                let Ok(Some(summary)) = summarize(&path) else { continue };
                let known = tails
                    .iter_mut()
                    .find(|tail| (&tail.name, tail.summary.created) == (&name, summary.created));
                match known {
                    Some(tail) if tail.summary.settled_to >= summary.settled_to => {}
                    Some(tail) => *tail = Tail { path, name, summary },
                    None => tails.push(Tail { path, name, summary }),
                }
            }
        }
        Ok(tails)
    }
}

/// The object of a log in the catalog of a remote place.
fn entry(stored: &str) -> String {
    format!("{CATALOG}/{stored}.json")
}

/// A line for each log; their names begin with the time at which they were begun.
fn cataloged(remote: &Remote) -> io::Result<String> {
    let names = remote.list(CATALOG)?.into_iter().map(|one| one.name).collect();
    let lines: Vec<String> = remote
        .read_all(names)?
        .into_iter()
        .map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    Ok(lines.join("\n"))
}

/// What a spooled log says of itself; `None` when it says nothing yet.
pub(crate) fn summarize(path: &Path) -> io::Result<Option<Summary>> {
    let mut reader = LogReader::new(Looking::default());
    let mut file = File::open(path)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(reader.summary().cloned());
        }
        reader
            .feed(&buffer[..read], &mut |_| Ok::<(), super::event::EventError>(()))
            .map_err(io::Error::other)?;
    }
}

/// The entries of a folder in the order of the numbers at their ends.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, RepositoryError> {
    let reading = file_error("read", folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(reading(source)),
    };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>().map_err(&reading)?;
    // By length first: after binlog.999999 comes binlog.1000000.
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    Ok(paths)
}

pub(crate) fn time(seconds: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(i64::from(seconds), 0).expect("32 bits of seconds are a time")
}
