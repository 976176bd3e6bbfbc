//! The logs of an archive in the order in which a recovery reads them: the closed ones, then what is still arriving.

use std::fs::File;
use std::io::{self, Read};

use super::archive::{ArchivedLog, BinlogArchive, Tail};
use super::event::EventError;
use super::reader::{Group, LogReader, Looking, Summary};
use crate::pipeline::{BUFFER_BYTES, PartReader};
use crate::repository::RepositoryError;

/// A log to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Closed(Box<ArchivedLog>),
    /// Still arriving; read as far as it was settled when it was looked at.
    Arriving(Box<Tail>),
}

/// Why a log could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("open the log")]
    Repository(#[from] RepositoryError),
    #[error("read the log")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Event(#[from] EventError),
    #[error("its content is not what was archived")]
    Changed,
    #[error("it is empty")]
    Empty,
}

/// An opened log.
pub(crate) enum Opened {
    Closed(Box<PartReader>),
    Arriving(io::Take<File>),
    /// Arriving when it was looked at, and closed since.
    ClosedSince(io::Take<Box<PartReader>>),
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Closed(reader) => reader.read(buffer),
            Self::Arriving(reader) => reader.read(buffer),
            Self::ClosedSince(reader) => reader.read(buffer),
        }
    }
}

/// The archiver goes on meanwhile: what was in the spool may be closed, or be in the spool of the next connection.
fn open_tail(archive: &BinlogArchive, tail: &Tail) -> Result<Opened, RepositoryError> {
    let settled_to = tail.summary.settled_to;
    let failed = match File::open(&tail.path) {
        Ok(file) => return Ok(Opened::Arriving(file.take(settled_to))),
        Err(error) => error,
    };
    let same = |other: &Tail| {
        (&other.name, other.summary.created) == (&tail.name, tail.summary.created)
            && other.summary.settled_to >= settled_to
    };
    if let Some(moved) = archive.tails()?.iter().find(|other| same(other))
        && let Ok(file) = File::open(&moved.path)
    {
        return Ok(Opened::Arriving(file.take(settled_to)));
    }
    match archive.logs()?.iter().find(|log| is_of(log, tail)) {
        Some(log) => Ok(Opened::ClosedSince(Box::new(archive.open(log)?).take(settled_to))),
        None => Err(crate::repository::file_error("open the spooled log", &tail.path)(failed)),
    }
}

fn is_of(log: &ArchivedLog, tail: &Tail) -> bool {
    log.name == tail.name && log.begun_at.timestamp() == i64::from(tail.summary.created)
}

impl Source {
    /// Every log of an archive, in order.
    pub(crate) fn all(archive: &BinlogArchive) -> Result<Vec<Self>, RepositoryError> {
        // In this order: a log that is closed in between is seen twice, and never not at all.
        let mut tails = archive.tails()?;
        let closed = archive.logs()?;
        tails.retain(|tail| !closed.iter().any(|log| is_of(log, tail)));
        let closed = closed.into_iter().map(|log| Self::Closed(Box::new(log)));
        Ok(closed.chain(tails.into_iter().map(|tail| Self::Arriving(Box::new(tail)))).collect())
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Closed(log) => &log.name,
            Self::Arriving(tail) => &tail.name,
        }
    }

    pub(crate) fn open(&self, archive: &BinlogArchive) -> Result<Opened, RepositoryError> {
        match self {
            Self::Closed(log) => archive.open(log).map(|reader| Opened::Closed(Box::new(reader))),
            Self::Arriving(tail) => open_tail(archive, tail),
        }
    }

    /// Reads it to its end, checks that it is what was archived, and reports every transaction.
    pub(crate) fn read(
        &self,
        archive: &BinlogArchive,
        looking: &Looking,
        seen: &mut dyn FnMut(Group),
    ) -> Result<Summary, SourceError> {
        let mut opened = self.open(archive)?;
        let mut reader = LogReader::new(looking.clone());
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = opened.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            reader.feed(&buffer[..read], &mut |group| {
                seen(group);
                Ok::<(), EventError>(())
            })?;
        }
        if let (Self::Closed(log), Opened::Closed(reader)) = (self, &opened)
            && (reader.count(), reader.digest()) != (log.part.plain_bytes, log.part.plain_blake3.clone())
        {
            return Err(SourceError::Changed);
        }
        reader.summary().cloned().ok_or(SourceError::Empty)
    }
}
