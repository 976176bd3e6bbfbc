//! Where the files of one backup lie: a folder on a disk, or one in a remote place. Bytes in and out; what they mean is not
//! known here.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

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
                let file = File::options().write(true).create_new(true).open(folder.join(name))?;
                Ok(Stored::File(OnDisk { file, unsynced: 0, syncing: None }))
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
    File(OnDisk),
    Upload(Box<Upload>),
}

/// After so many bytes a file on a disk is made durable so far, beside whoever writes on: at the end there would otherwise
/// be all of it to wait for.
const SYNC_BYTES: usize = 32 * 1024 * 1024;

/// A file on a disk.
pub(crate) struct OnDisk {
    file: File,
    unsynced: usize,
    /// Only of a large file.
    syncing: Option<Syncing>,
}

/// A thread that makes a file durable whenever it is asked, and what became of it.
struct Syncing {
    ask: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Syncing {
    fn start(file: File) -> Self {
        let (ask, asked) = sync_channel(1);
        let thread = thread::spawn(move || asked.iter().try_for_each(|()| file.sync_data()));
        Self { ask, thread }
    }
}

impl OnDisk {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            if self.syncing.is_none() {
                self.syncing = Some(Syncing::start(self.file.try_clone()?));
            }
            // Asked already, or ended by an error that the end of the file will tell.
            let _ = self.syncing.as_ref().map(|syncing| syncing.ask.try_send(()));
        }
        Ok(written)
    }

    fn finish(self) -> io::Result<u64> {
        if let Some(Syncing { ask, thread }) = self.syncing {
            drop(ask);
            // The system tells an error once: what this thread was told, nobody else will be.
            thread.join().expect("making a file durable does not panic")?;
        }
        self.file.sync_all()?;
        Ok(self.file.metadata()?.len())
    }
}

impl Stored {
    /// Makes it durable; says how many bytes are there.
    pub(crate) fn finish(self) -> io::Result<u64> {
        match self {
            Self::File(file) => file.finish(),
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
            Self::File(file) => file.file.flush(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_durable_along_the_way_and_whole_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::from(folder.path());
        let mut stored = shelf.create("large").unwrap();
        let piece = vec![7; SYNC_BYTES / 4];
        (0..4).for_each(|_| stored.write_all(&piece).unwrap());
        assert!(matches!(&stored, Stored::File(file) if file.syncing.is_some() && file.unsynced == 0));
        stored.write_all(b"end").unwrap();
        assert_eq!(stored.finish().unwrap(), SYNC_BYTES as u64 + 3);
        assert!(shelf.create("large").is_err(), "nothing is written over");
    }

    #[test]
    fn what_could_not_be_made_durable_is_told_at_the_end() {
        // A pipe cannot be.
        let (_reader, writer) = io::pipe().unwrap();
        let syncing = Syncing::start(File::from(std::os::fd::OwnedFd::from(writer)));
        syncing.ask.send(()).unwrap();
        let file = tempfile::tempfile().unwrap();
        assert!(OnDisk { file, unsynced: 0, syncing: Some(syncing) }.finish().is_err());
    }
}
