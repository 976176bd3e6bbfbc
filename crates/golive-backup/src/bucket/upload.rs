//! A part on its way into a bucket: in pieces of one size, of which few are in memory. It appears when it is whole.
//!
//! A store keeps the pieces of an upload that was never ended, unseen and paid for, until somebody takes them back. So
//! that somebody can, whatever is begun stands in a [`Journal`] first.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use serde::{Deserialize, Serialize};

use super::{Bucket, Pending};

/// All of one size, which some stores insist on. A store takes 10,000 of them: 312 GiB.
const PIECE_BYTES: usize = 32 * 1024 * 1024;
const MOST_PIECES: usize = 10_000;
/// Pieces on their way while the next one fills.
const AT_ONCE: usize = 2;

/// What was begun and is not ended: an object that goes when all is done, and that whoever comes next works off.
#[derive(Clone)]
pub(crate) struct Journal {
    bucket: Bucket,
    name: String,
    begun: Arc<Mutex<Vec<Begun>>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Begun {
    object: String,
    upload: String,
}

impl Journal {
    /// A journal that nobody has begun yet: it also reserves the name for us.
    pub(crate) fn create(bucket: &Bucket, name: &str) -> io::Result<Self> {
        bucket.create(name, b"[]\n".to_vec())?;
        Ok(Self { bucket: bucket.clone(), name: name.to_owned(), begun: Arc::default() })
    }

    /// One that somebody left. What cannot be read of it is lost to it, as a torn line is.
    pub(crate) fn take_over(bucket: &Bucket, name: &str) -> io::Result<Self> {
        let begun = serde_json::from_slice(&bucket.read(name)?).unwrap_or_default();
        Ok(Self { bucket: bucket.clone(), name: name.to_owned(), begun: Arc::new(Mutex::new(begun)) })
    }

    fn note(&self, object: &str, upload: &str) -> io::Result<()> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push(Begun { object: object.to_owned(), upload: upload.to_owned() });
        let text = serde_json::to_vec(&*begun).map_err(io::Error::other)?;
        self.bucket.write(&self.name, text)
    }

    /// Takes back every upload that was begun and not ended.
    pub(crate) fn abort(&self) -> io::Result<()> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for Begun { object, upload } in begun {
            let (store, path) = (self.bucket.store.clone(), self.bucket.path(&object));
            let aborted =
                self.bucket.begin(async move { store.abort_multipart(&path, &upload).await }).wait();
            // One that was ended or taken back before is gone.
            aborted
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
        Ok(())
    }

    /// Nothing is open any more.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.bucket.remove(&self.name)
    }
}

/// A part being written. Dropped unfinished, nothing of it is seen, and its journal takes it back.
pub(crate) struct Upload {
    bucket: Bucket,
    name: String,
    journal: Journal,
    filling: Vec<u8>,
    upload: Option<String>,
    done: Vec<PartId>,
    coming: VecDeque<Pending<PartId>>,
}

impl Upload {
    pub(crate) fn new(journal: &Journal, name: &str) -> Self {
        Self {
            bucket: journal.bucket.clone(),
            name: name.to_owned(),
            journal: journal.clone(),
            filling: Vec::new(),
            upload: None,
            done: Vec::new(),
            coming: VecDeque::new(),
        }
    }

    fn begun(&mut self) -> io::Result<String> {
        if let Some(upload) = &self.upload {
            return Ok(upload.clone());
        }
        let (store, path) = (self.bucket.store.clone(), self.bucket.path(&self.name));
        let upload = self.bucket.begin(async move { store.create_multipart(&path).await }).wait()?;
        self.journal.note(&self.name, &upload)?;
        self.upload = Some(upload.clone());
        Ok(upload)
    }

    fn await_oldest(&mut self) -> io::Result<()> {
        if let Some(oldest) = self.coming.pop_front() {
            self.done.push(oldest.wait()?);
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let upload = self.begun()?;
        if self.coming.len() == AT_ONCE {
            self.await_oldest()?;
        }
        let index = self.done.len() + self.coming.len();
        if index == MOST_PIECES {
            return Err(io::Error::other("more than 312 GiB in one object, which no store takes"));
        }
        let piece = Bytes::from(std::mem::take(&mut self.filling));
        let (store, path) = (self.bucket.store.clone(), self.bucket.path(&self.name));
        let request = async move { store.put_part(&path, &upload, index, piece.into()).await };
        self.coming.push_back(self.bucket.begin(request));
        Ok(())
    }

    /// Sends what is left, lets the object appear, and returns its size as the store has it.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        if self.upload.is_none() {
            self.bucket.write(&self.name, std::mem::take(&mut self.filling))?;
            return self.bucket.size(&self.name);
        }
        if !self.filling.is_empty() {
            self.send()?;
        }
        while !self.coming.is_empty() {
            self.await_oldest()?;
        }
        let (store, path, upload) = (self.bucket.store.clone(), self.bucket.path(&self.name), self.begun()?);
        let pieces = std::mem::take(&mut self.done);
        let whole = async move { store.complete_multipart(&path, &upload, pieces).await };
        self.bucket.begin(whole).wait()?;
        self.bucket.size(&self.name)
    }
}

impl Write for Upload {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.filling.len() == PIECE_BYTES {
            self.send()?;
        }
        let taken = buffer.len().min(PIECE_BYTES - self.filling.len());
        self.filling.extend_from_slice(&buffer[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
