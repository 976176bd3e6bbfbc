//! A part on its way into a bucket: in pieces of one size, of which few are in memory. It appears when it is whole.
//!
//! A store keeps the pieces of an upload that was never ended, unseen and paid for, until somebody takes them back. So
//! that somebody can, whatever is begun stands in a [`Journal`] first.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use object_store::multipart::PartId;

use super::S3;
use crate::remote::{Journal, Mode, Pending, Result, begin_within};

/// All of one size, which some stores insist on. A store takes 10,000 of them: 312 GiB.
pub(in crate::remote) const PIECE_BYTES: usize = 32 * 1024 * 1024;
const MOST_PIECES: usize = 10_000;
/// Pieces on their way while the next one fills.
const AT_ONCE: usize = 2;

/// A part being written. Dropped unfinished, nothing of it is seen, and its journal takes it back.
pub(in crate::remote) struct Upload {
    store: S3,
    /// As the journal has it.
    name: String,
    key: String,
    journal: Journal,
    upload: Option<String>,
    done: Vec<PartId>,
    coming: VecDeque<Pending<PartId>>,
}

impl Upload {
    pub(in crate::remote) fn new(store: &S3, journal: &Journal, name: &str) -> Self {
        Self {
            store: store.clone(),
            name: name.to_owned(),
            key: journal.remote().path(name),
            journal: journal.clone(),
            upload: None,
            done: Vec::new(),
            coming: VecDeque::new(),
        }
    }

    fn ask<T: Send + 'static, F: Future<Output = Result<T>> + Send + 'static>(
        &self,
        request: impl FnOnce(S3, String) -> F,
    ) -> Pending<T> {
        begin_within(self.store.limit(), request(self.store.clone(), self.key.clone()))
    }

    fn begun(&mut self) -> io::Result<String> {
        if let Some(upload) = &self.upload {
            return Ok(upload.clone());
        }
        let upload = self.ask(|store, key| async move { store.begin_upload(&key).await }).wait()?;
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

    pub(in crate::remote) fn send(&mut self, piece: Bytes) -> io::Result<()> {
        let upload = self.begun()?;
        if self.coming.len() == AT_ONCE {
            self.await_oldest()?;
        }
        let index = self.done.len() + self.coming.len();
        if index == MOST_PIECES {
            return Err(io::Error::other("more than 312 GiB in one object, which no store takes"));
        }
        let sent = self.ask(|store, key| async move { store.put_piece(&key, &upload, index, piece).await });
        self.coming.push_back(sent);
        Ok(())
    }

    /// Sends the last piece, lets the object appear, and returns its size as the store has it.
    pub(in crate::remote) fn finish(mut self, last: Bytes) -> io::Result<u64> {
        if self.upload.is_none() {
            self.ask(|store, key| async move { store.put(&key, last, Mode::Overwrite).await.map(drop) })
                .wait()?;
        } else {
            if !last.is_empty() {
                self.send(last)?;
            }
            while !self.coming.is_empty() {
                self.await_oldest()?;
            }
            let (upload, pieces) = (self.begun()?, std::mem::take(&mut self.done));
            self.ask(|store, key| async move { store.end_upload(&key, &upload, pieces).await }).wait()?;
        }
        self.ask(|store, key| async move { store.size(&key).await }).wait()
    }
}
