//! A part on its way to another machine, in pieces of which few are in memory. How a piece gets there is in [`s3`] and
//! [`sftp`].

use std::io::{self, Write};

use bytes::Bytes;

use super::{Journal, Store, s3, sftp};

/// A part being written. Dropped unfinished, it is no backup's, and whoever works its journal off removes it.
pub(crate) struct Upload {
    filling: Vec<u8>,
    piece_bytes: usize,
    to: To,
}

enum To {
    S3(s3::Upload),
    Sftp(sftp::Upload),
}

impl Upload {
    pub(crate) fn new(journal: &Journal, name: &str) -> Self {
        let remote = journal.remote();
        let (piece_bytes, to) = match &remote.store {
            Store::S3(store) => (s3::PIECE_BYTES, To::S3(s3::Upload::new(store, journal, name))),
            Store::Sftp(store) => (sftp::PIECE_BYTES, To::Sftp(sftp::Upload::new(store, remote, name))),
        };
        Self { filling: Vec::new(), piece_bytes, to }
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.filling));
        match &mut self.to {
            To::S3(upload) => upload.send(piece),
            To::Sftp(upload) => upload.send(piece),
        }
    }

    /// Sends what is left, makes it durable, and returns its size as the store has it.
    pub(crate) fn finish(self) -> io::Result<u64> {
        let last = Bytes::from(self.filling);
        match self.to {
            To::S3(upload) => upload.finish(last),
            To::Sftp(upload) => upload.finish(last),
        }
    }
}

impl Write for Upload {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.filling.len() == self.piece_bytes {
            self.send()?;
        }
        let taken = buffer.len().min(self.piece_bytes - self.filling.len());
        self.filling.extend_from_slice(&buffer[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
