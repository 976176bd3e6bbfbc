//! The lease of a folder: a file that only one can create. What keeps two from holding it:
//!
//! - it is refreshed by writing into the file that was found to be ours, so a lost lease is never brought back;
//! - it is taken over by moving the stale file away and looking at what was moved, so that one alone can win, and one
//!   that was refreshed meanwhile is put back.

use std::sync::Arc;

use bytes::Bytes;
use russh_sftp::protocol::{FileAttributes, OpenFlags};

use super::connection::Connection;
use super::failure::Failure;
use super::files::{changed, create, rename, sync, write_at};
use super::{Sftp, TEMPORARY};
use crate::remote::lease::STALE;
use crate::remote::{Mode, Result};

/// What stands in the file while it is ours.
pub(in crate::remote) type Held = Arc<str>;

/// A lease is an identifier and a newline.
const MOST_BYTES: u32 = 256;

impl Sftp {
    /// Takes the lease; `None` when somebody has it.
    pub(in crate::remote) async fn take_lease(&self, name: &str, clock: &str) -> Result<Option<Held>> {
        let path = self.path(name);
        let prepared = self.ask(|connection| {
            Box::pin(async move {
                connection.takes_files()?;
                self.make_folders(&connection, "").await?;
                self.make_folders(&connection, TEMPORARY).await?;
                Ok(connection)
            })
        });
        let connection = prepared.await?;
        let held: Held = format!("{}\n", uuid::Uuid::new_v4()).into();
        match seize(&connection, &path, &held).await {
            Err(Failure::Exists { .. }) => {}
            seized => return Ok(seized.map(|()| Some(held))?),
        }
        if !self.move_stale_away(&connection, &path, clock).await? {
            return Ok(None);
        }
        match seize(&connection, &path, &held).await {
            // Another was faster.
            Err(Failure::Exists { .. }) => Ok(None),
            seized => Ok(seized.map(|()| Some(held))?),
        }
    }

    /// Moves the lease away when it is stale; whether it was. What was moved is cleared up under the lock.
    async fn move_stale_away(&self, connection: &Connection, path: &str, clock: &str) -> Result<bool> {
        let gone = |failure: &Failure| matches!(failure, Failure::NotFound { .. });
        let (seen, at) = match look(connection, path).await {
            // Given back this moment: whoever asks again gets it.
            Err(failure) if gone(&failure) => return Ok(false),
            seen => seen?,
        };
        self.put(clock, Bytes::from_static(b"\n"), Mode::Overwrite).await?;
        let now = changed(connection, &self.path(clock)).await?;
        if i64::from(now) - i64::from(at) <= STALE.num_seconds() {
            return Ok(false);
        }
        // Named for what it was, so that two who found the same one stale move it once.
        let aside = self.path(&format!("{TEMPORARY}/lock-{}", blake3::hash(seen.as_bytes()).to_hex()));
        match rename(connection, path, &aside).await {
            Err(Failure::Exists { .. }) => return Ok(false),
            Err(failure) if gone(&failure) => return Ok(false),
            moved => moved?,
        }
        if look(connection, &aside).await? == (seen, at) {
            return Ok(true);
        }
        // It lives, or is another's: both find it where it was. Where a third has come between, its holder is told when
        // it next confirms it.
        match rename(connection, &aside, path).await {
            Ok(()) | Err(Failure::Exists { .. }) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Writes the lease again, if it is ours; whether it is.
    pub(in crate::remote) async fn freshen_lease(&self, name: &str, held: &Held) -> Result<bool> {
        let path = &self.path(name);
        let fresh = self.ask(|connection| Box::pin(async move { freshen(&connection, path, held).await }));
        match fresh.await {
            Err(Failure::NotFound { .. }) => Ok(false),
            fresh => Ok(fresh?),
        }
    }
}

async fn seize(connection: &Connection, path: &str, held: &Held) -> Result<(), Failure> {
    let handle = create(connection, path).await?;
    let bytes = Bytes::copy_from_slice(held.as_bytes());
    let written = write_at(connection, path, &handle, 0, &bytes).await;
    let seized = written.and(sync(connection, path, &handle).await);
    if seized.is_err() {
        // It is ours: it was made here. An empty one would lock everybody out for five minutes.
        let _ = connection.session.remove(path).await;
    }
    seized
}

/// What stands in a lease, and when it was written.
async fn look(connection: &Connection, path: &str) -> Result<(String, u32), Failure> {
    let at = changed(connection, path).await?;
    let opened = connection.session.open(path, OpenFlags::READ, FileAttributes::empty()).await;
    let handle = opened.map_err(connection.meant(path))?.handle;
    let text = text(connection, path, &handle).await;
    let closed = connection.session.close(handle).await.map_err(connection.meant(path));
    closed.and(text.map(|text| (text, at)))
}

async fn text(connection: &Connection, path: &str, handle: &str) -> Result<String, Failure> {
    use russh_sftp::client::error::Error as Refusal;
    use russh_sftp::protocol::StatusCode;
    match connection.session.read(handle, 0, MOST_BYTES).await {
        Ok(read) => Ok(String::from_utf8_lossy(&read.data).into_owned()),
        // Made, and not written yet.
        Err(Refusal::Status(status)) if status.status_code == StatusCode::Eof => Ok(String::new()),
        Err(refusal) => Err(connection.meant(path)(refusal)),
    }
}

async fn freshen(connection: &Connection, path: &str, held: &Held) -> Result<bool, Failure> {
    // Whatever is moved meanwhile, this is one and the same file, and it is made by nobody here.
    let flags = OpenFlags::READ | OpenFlags::WRITE;
    let opened = connection.session.open(path, flags, FileAttributes::empty()).await;
    let handle = opened.map_err(connection.meant(path))?.handle;
    let bytes = Bytes::copy_from_slice(held.as_bytes());
    let written = match text(connection, path, &handle).await {
        Ok(text) if *text == **held => write_at(connection, path, &handle, 0, &bytes).await.map(|()| true),
        Ok(_) => Ok(false),
        Err(failure) => Err(failure),
    };
    connection.session.close(handle).await.map_err(connection.meant(path))?;
    // Whoever takes it over looks after moving it. So does this, after writing: one of both sees the other.
    Ok(written? && look(connection, path).await?.0 == **held)
}
