//! What one connection of the archiver brings: read, checked, synced, and put away when it is closed.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::archive::{ArchivedLog, BinlogArchive, names, summarize};
use super::archiver::{ArchiveError, ArchiveEvent};
use super::event::EventError;
use super::reader::{Ending, LogReader, Looking, Summary};
use crate::pipeline::BUFFER_BYTES;
use crate::repository::RepositoryError;

/// What one connection has brought so far.
pub(super) struct Arrival {
    pub(super) archive: BinlogArchive,
    spool: PathBuf,
    before: Option<ArchivedLog>,
    growing: Option<Growing>,
}

/// The log that is arriving.
struct Growing {
    name: String,
    path: PathBuf,
    file: File,
    reader: LogReader,
    /// What former connections brought of it.
    copies: Vec<PathBuf>,
}

impl Arrival {
    pub(super) fn new(archive: &BinlogArchive, spool: PathBuf, before: Option<ArchivedLog>) -> Self {
        Self { archive: archive.clone(), spool, before, growing: None }
    }

    /// How far the newest log is here, checked and on disk.
    pub(super) fn reached(&self) -> (String, u64) {
        let growing = self.growing.as_ref();
        growing.map(|log| (log.name.clone(), log.reader.complete_to())).unwrap_or_default()
    }

    /// Takes in what came since the last look; says whether anything did.
    pub(super) fn look(
        &mut self,
        clock: fn() -> DateTime<Utc>,
        report: &(dyn Fn(&ArchiveEvent) + Sync),
    ) -> Result<bool, ArchiveError> {
        let mut moved = false;
        let mut paths = names(&self.spool)?.into_iter().peekable();
        while let Some(path) = paths.next() {
            if self.growing.as_ref().is_none_or(|log| log.path != path) {
                self.growing = Some(Growing::open(&self.archive, path)?);
            }
            moved |= self.growing.as_mut().expect("it was just opened").take()?;
            self.supersede(clock())?;
            if paths.peek().is_some() {
                let log = self.growing.take().expect("it is there");
                self.put_away(log, clock(), report)?;
            }
        }
        Ok(moved)
    }

    /// The next log has begun, so this one is closed.
    fn put_away(
        &mut self,
        log: Growing,
        now: DateTime<Utc>,
        report: &(dyn Fn(&ArchiveEvent) + Sync),
    ) -> Result<(), ArchiveError> {
        let damaged =
            |reason: &str| ArchiveError::Damaged { name: log.name.clone(), reason: reason.to_owned() };
        let summary = log.reader.summary().ok_or_else(|| damaged("it is empty"))?;
        if log.reader.is_torn() && summary.ending != Ending::Open {
            return Err(damaged("it goes on behind its end"));
        }
        if let Some(what) = self.before.as_ref().and_then(|before| gap(before, &log.name, summary)) {
            report(&ArchiveEvent::Gap { what });
        }
        let archived = self.archive.seal(&log.path, &log.name, summary, now)?;
        remove(&log.path)?;
        self.before = Some(archived.clone());
        report(&ArchiveEvent::Archived(Box::new(archived)));
        Ok(())
    }

    /// Gives up the copies of former connections that this one has caught up with. One that says something else is of
    /// another history, of a server that was reset: it is put away as it is.
    fn supersede(&mut self, now: DateTime<Utc>) -> Result<(), ArchiveError> {
        let Some(log) = self.growing.as_mut() else { return Ok(()) };
        let here = log.reader.complete_to();
        let mut left = Vec::new();
        for copy in std::mem::take(&mut log.copies) {
            if fs::metadata(&copy).map_err(using(&copy))?.len() > here {
                left.push(copy);
                continue;
            }
            if !is_prefix(&copy, &log.path).map_err(using(&copy))?
                && let Ok(Some(summary)) = summarize(&copy)
            {
                self.archive.seal(&copy, &log.name, &summary, now)?;
            }
            remove(&copy)?;
            if let Some(folder) = copy.parent() {
                // It goes when it is empty.
                let _ = fs::remove_dir(folder);
            }
        }
        log.copies = left;
        Ok(())
    }
}

impl Growing {
    fn open(archive: &BinlogArchive, path: PathBuf) -> Result<Self, ArchiveError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file = File::open(&path).map_err(using(&path))?;
        let copies = archive.spools()?.into_iter().map(|spool| spool.join(&name));
        let copies = copies.filter(|copy| *copy != path && copy.exists()).collect();
        Ok(Self { name, path, file, reader: LogReader::new(Looking::default()), copies })
    }

    /// Reads on to the end, and syncs when there was something.
    fn take(&mut self) -> Result<bool, ArchiveError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut any = false;
        loop {
            let read = self.file.read(&mut buffer).map_err(using(&self.path))?;
            if read == 0 {
                break;
            }
            any = true;
            self.reader.feed(&buffer[..read], &mut |_| Ok::<(), EventError>(())).map_err(|error| {
                ArchiveError::Damaged { name: self.name.clone(), reason: error.to_string() }
            })?;
        }
        if any {
            self.file.sync_data().map_err(using(&self.path))?;
        }
        Ok(any)
    }
}

fn using(path: &Path) -> impl Fn(std::io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| RepositoryError::File { doing: "use the spooled log", path: path.clone(), source }.into()
}

fn remove(path: &Path) -> Result<(), ArchiveError> {
    fs::remove_file(path).map_err(using(path))
}

/// What a former connection brought of logs that the server has no more: it is all there is.
pub(super) fn put_away_orphans(
    archive: &BinlogArchive,
    there: &[String],
    now: DateTime<Utc>,
) -> Result<(), ArchiveError> {
    for tail in archive.tails()?.into_iter().filter(|tail| !there.contains(&tail.name)) {
        archive.seal(&tail.path, &tail.name, &tail.summary, now)?;
        remove(&tail.path)?;
    }
    for spool in archive.spools()? {
        // Those that are empty go.
        let _ = fs::remove_dir(&spool);
    }
    Ok(())
}

/// Whether the first file is the beginning of the second.
fn is_prefix(first: &Path, second: &Path) -> std::io::Result<bool> {
    let (mut first, mut second) = (File::open(first)?, File::open(second)?);
    if first.metadata()?.len() > second.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let read = first.read(&mut one)?;
        if read == 0 {
            return Ok(true);
        }
        second.read_exact(&mut other[..read])?;
        if one[..read] != other[..read] {
            return Ok(false);
        }
    }
}

/// What is missing between two logs that should follow each other, if anything is.
pub(crate) fn gap(before: &ArchivedLog, name: &str, summary: &Summary) -> Option<String> {
    if before.ends == summary.starts {
        return None;
    }
    Some(format!(
        "{} ends at {}, and {name} begins after {}: what is between them is not in the archive",
        before.name,
        or_nothing(&before.ends.position()),
        or_nothing(&summary.starts.position())
    ))
}

pub(crate) fn or_nothing(position: &str) -> &str {
    if position.is_empty() { "nothing" } else { position }
}
