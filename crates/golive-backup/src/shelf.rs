//! Where the files of one backup lie: a folder on a disk, or one in a remote place. Bytes in and out; what they mean is not
//! known here.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::remote::{Download, Journal, Remote, Upload};

/// The place of one backup's files.
#[derive(Clone)]
pub(crate) enum Shelf {
    /// A directory.
    Folder(PathBuf),
    /// A folder of a remote place; with the journal of what is begun there when it is written to.
    Remote {
        /// The repository's.
        remote: Remote,
        /// The folder of the backup in it.
        folder: String,
        /// `None` when it is only read.
        journal: Option<Journal>,
    },
}

impl Shelf {
    /// A file that is not there yet. In a bucket it appears when it is finished.
    pub(crate) fn create(&self, name: &str) -> io::Result<Stored> {
        match self {
            Self::Folder(folder) => {
                File::options().write(true).create_new(true).open(folder.join(name)).map(Stored::File)
            }
            Self::Remote { journal: Some(journal), folder, .. } => {
                Ok(Stored::Upload(Box::new(Upload::new(journal, &format!("{folder}/{name}")))))
            }
            Self::Remote { .. } => Err(io::Error::other("this folder of the remote place is only read")),
        }
    }

    pub(crate) fn open(&self, name: &str) -> io::Result<Reading> {
        match self {
            Self::Folder(folder) => File::open(folder.join(name)).map(Reading::File),
            Self::Remote { remote, folder, .. } => Download::open(remote, &format!("{folder}/{name}"))
                .map(|download| Reading::Download(Box::new(download))),
        }
    }

    /// What may be shown of a file here.
    pub(crate) fn shown(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Remote { remote, folder, .. } => remote.shown(&format!("{folder}/{name}")),
        }
    }
}

impl From<&Path> for Shelf {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

/// A file being written.
pub(crate) enum Stored {
    File(File),
    Upload(Box<Upload>),
}

impl Stored {
    /// Makes it durable; says how many bytes are there.
    pub(crate) fn finish(self) -> io::Result<u64> {
        match self {
            Self::File(file) => {
                file.sync_all()?;
                Ok(file.metadata()?.len())
            }
            Self::Upload(upload) => upload.finish(),
        }
    }
}

impl Write for Stored {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(buffer),
            Self::Upload(upload) => upload.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Upload(upload) => upload.flush(),
        }
    }
}

/// A file being read.
pub(crate) enum Reading {
    File(File),
    Download(Box<Download>),
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Download(download) => download.read(buffer),
        }
    }
}
