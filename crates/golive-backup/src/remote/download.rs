//! An object as a reader: in pieces, the next one on its way while one is read. A piece that is lost is asked for
//! again; what was read before is not.

use std::io::{self, Read};

use super::{Pending, Remote};

/// Two of them are in memory.
const PIECE_BYTES: u64 = 8 * 1024 * 1024;

/// An object being read from its beginning to its end.
pub(crate) struct Download {
    remote: Remote,
    name: String,
    bytes: u64,
    /// The first byte that was not asked for yet.
    asked: u64,
    coming: Option<Pending<bytes::Bytes>>,
    piece: bytes::Bytes,
}

impl Download {
    /// Looks how large the object is; its bytes are asked for with the first read.
    pub(crate) fn open(remote: &Remote, name: &str) -> io::Result<Self> {
        let bytes = remote.size(name)?;
        Ok(Self {
            remote: remote.clone(),
            name: name.to_owned(),
            bytes,
            asked: 0,
            coming: None,
            piece: bytes::Bytes::new(),
        })
    }

    fn ask(&mut self) {
        let end = (self.asked + PIECE_BYTES).min(self.bytes);
        if self.asked == end {
            return;
        }
        self.coming = Some(self.remote.range(&self.name, self.asked..end));
        self.asked = end;
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            if self.coming.is_none() {
                self.ask();
            }
            let Some(coming) = self.coming.take() else { return Ok(0) };
            self.piece = coming.wait()?;
            if self.piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.ask();
        }
        let read = self.piece.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.piece.split_to(read));
        Ok(read)
    }
}
