//! A part on its way into a folder: in pieces, of which few are in memory.
//!
//! It lies under its own name from its first byte, which nothing believes before a manifest or a catalog names it. A
//! connection that is lost ends it: what the server had in memory only may be lost with it, and no one can tell.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Sftp;
use super::connection::Connection;
use super::failure::Failure;
use super::files::{create, size, sync, sync_folder_of, write_at};
use crate::remote::{Pending, Remote, Result, begin_within, requests};

/// Three of them are in memory.
pub(in crate::remote) const PIECE_BYTES: usize = 4 * 1024 * 1024;
/// Pieces on their way while the next one fills.
const AT_ONCE: usize = 2;

/// A part being written. Dropped unfinished, it is left to be removed by whoever works its journal off.
pub(in crate::remote) struct Upload {
    store: Sftp,
    limit: Duration,
    name: String,
    sent: u64,
    open: Option<Open>,
    coming: VecDeque<Pending<()>>,
}

/// A file open on the server.
#[derive(Clone)]
struct Open {
    connection: Arc<Connection>,
    handle: Arc<str>,
    path: Arc<str>,
}

impl Upload {
    pub(in crate::remote) fn new(store: &Sftp, remote: &Remote, name: &str) -> Self {
        Self {
            store: store.clone(),
            limit: remote.limit(),
            name: remote.path(name),
            sent: 0,
            open: None,
            coming: VecDeque::new(),
        }
    }

    fn open(&mut self) -> io::Result<Open> {
        if let Some(open) = &self.open {
            return Ok(open.clone());
        }
        let (store, name) = (self.store.clone(), self.name.clone());
        let open = begin_within(self.limit, async move { Ok(open(&store, &name).await?) }).wait()?;
        self.open = Some(open.clone());
        Ok(open)
    }

    fn await_oldest(&mut self) -> io::Result<()> {
        self.coming.pop_front().map_or(Ok(()), Pending::wait)
    }

    pub(in crate::remote) fn send(&mut self, piece: Bytes) -> io::Result<()> {
        let Open { connection, handle, path } = self.open()?;
        if self.coming.len() == AT_ONCE {
            self.await_oldest()?;
        }
        let at = self.sent;
        self.sent += piece.len() as u64;
        let written = async move { Ok(write_at(&connection, &path, &handle, at, &piece).await?) };
        self.coming.push_back(begin_within(self.limit, written));
        Ok(())
    }

    /// Sends the last piece, makes all of it durable, and returns its size as the server has it.
    pub(in crate::remote) fn finish(mut self, last: Bytes) -> io::Result<u64> {
        self.send(last)?;
        while !self.coming.is_empty() {
            self.await_oldest()?;
        }
        let Some(Open { connection, handle, path }) = self.open.take() else { return Ok(0) };
        let ended = async move {
            sync(&connection, &path, &handle).await?;
            sync_folder_of(&connection, &path).await?;
            Ok(size(&connection, &path).await?)
        };
        begin_within(self.limit, ended).wait()
    }
}

async fn open(store: &Sftp, name: &str) -> Result<Open, Failure> {
    let path = &store.path(name);
    let cleared = store.ask(|connection| {
        Box::pin(async move {
            connection.takes_files()?;
            if let Some((folder, _)) = name.rsplit_once('/') {
                store.make_folders(&connection, folder).await?;
            }
            // Of a run that was killed. Removed and not overwritten, so that whoever still writes it writes nothing.
            match connection.session.remove(path).await.map_err(connection.meant(path)) {
                Ok(_) | Err(Failure::NotFound { .. }) => Ok(connection),
                Err(failure) => Err(failure),
            }
        })
    });
    let connection = cleared.await?;
    let handle = create(&connection, path).await?.into();
    Ok(Open { connection, handle, path: path.as_str().into() })
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A server has few handles, and an archiver tries for days.
        if let Some(Open { connection, handle, .. }) = self.open.take() {
            requests().spawn(async move { connection.session.close(&*handle).await });
        }
    }
}
