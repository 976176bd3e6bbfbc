//! Files and folders on the server, by name.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use russh_sftp::client::error::Error as Refusal;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};

use super::connection::{Connection, RENAME};
use super::failure::Failure;
use super::{FILE_MODE, FOLDER_MODE, Sftp, TEMPORARY};
use crate::remote::{Listed, Mode, Result, SMALL_BYTES};

/// Requests of one file on their way at a time. The line is filled while the answer to the first comes back.
const AT_ONCE: usize = 16;
/// Below a repository lie backups, below these their proofs; and room for a folder more.
const DEEPEST: usize = 4;
/// A repository has some thousand files.
const MOST_ENTRIES: usize = 2_000_000;
/// Whoever clears up under the lock may take away what a writer without one is about to rename.
const TRIES: usize = 3;
/// In the flags of a disk: nothing can be written.
const READ_ONLY: u64 = 1;

/// What is in a folder.
pub(super) struct Entry {
    pub(super) name: String,
    bytes: u64,
    is_folder: bool,
    is_file: bool,
}

impl Sftp {
    pub(in crate::remote) async fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = &self.path(name);
        let whole = self.ask(|connection| {
            Box::pin(async move {
                let bytes = size(&connection, path).await?;
                if bytes > SMALL_BYTES {
                    let said = format!("it holds {bytes} bytes, which no such file does");
                    return Err(Failure::Failed { path: path.clone(), said });
                }
                range(&connection, path, 0..bytes).await
            })
        });
        Ok(whole.await?.into())
    }

    pub(in crate::remote) async fn size(&self, name: &str) -> Result<u64> {
        let path = &self.path(name);
        Ok(self.ask(|connection| Box::pin(async move { size(&connection, path).await })).await?)
    }

    pub(in crate::remote) async fn range(&self, name: &str, wanted: Range<u64>) -> Result<Bytes> {
        let (path, wanted) = (&self.path(name), &wanted);
        let read =
            self.ask(|connection| Box::pin(async move { range(&connection, path, wanted.clone()).await }));
        Ok(read.await?)
    }

    /// Writes a small file under a name at which nothing half-written is ever seen.
    pub(in crate::remote) async fn put(&self, name: &str, bytes: Bytes, mode: Mode) -> Result<()> {
        let path = self.path(name);
        for _ in 1..TRIES {
            match self.put_once(name, &path, &bytes, mode).await {
                Err(Failure::NotFound { .. }) => {}
                done => return Ok(done?),
            }
        }
        Ok(self.put_once(name, &path, &bytes, mode).await?)
    }

    async fn put_once(&self, name: &str, path: &str, bytes: &Bytes, mode: Mode) -> Result<(), Failure> {
        // The first two can be done again without a difference; the third may have been done when its answer is lost.
        let temporary = &self.path(&format!("{TEMPORARY}/{}", uuid::Uuid::new_v4().simple()));
        let written = self.ask(|connection| {
            Box::pin(async move {
                connection.takes_files()?;
                self.make_folders(&connection, TEMPORARY).await?;
                if let Some((folder, _)) = name.rsplit_once('/') {
                    self.make_folders(&connection, folder).await?;
                }
                write_whole(&connection, temporary, bytes).await?;
                Ok(connection)
            })
        });
        let connection = written.await?;
        let renamed = match mode {
            Mode::Overwrite => replace(&connection, temporary, path).await,
            Mode::Create => rename(&connection, temporary, path).await,
        };
        if renamed.is_err() {
            let _ = connection.session.remove(temporary).await;
        }
        renamed
    }

    pub(in crate::remote) async fn remove(&self, name: &str) -> Result<()> {
        let path = &self.path(name);
        let removed = self.ask(|connection| {
            Box::pin(async move {
                connection.session.remove(path).await.map(drop).map_err(connection.meant(path))
            })
        });
        Ok(removed.await?)
    }

    /// Removes a folder with the folders below it; one that is gone is removed. A file in it is left, and told.
    pub(in crate::remote) async fn remove_folder(&self, name: &str) -> Result<()> {
        let path = &self.path(name);
        let removed = self.ask(|connection| Box::pin(async move { remove_folders(&connection, path).await }));
        Ok(removed.await?)
    }

    /// Removes what killed runs left under names that are never listed.
    pub(in crate::remote) async fn clear_temporary(&self) -> Result<()> {
        for one in self.list(TEMPORARY).await? {
            match self.remove(&one.name).await {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Every file below a folder; none when there is no such folder.
    pub(in crate::remote) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let listed = self.ask(|connection| Box::pin(async move { self.list_all(&connection, folder).await }));
        Ok(listed.await?)
    }

    async fn list_all(&self, connection: &Connection, folder: &str) -> Result<Vec<Listed>, Failure> {
        let mut listed = Vec::new();
        let mut folders = vec![(folder.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in entries(connection, &self.path(&folder)).await? {
                let name = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
                if entry.is_folder && depth < DEEPEST {
                    folders.push((name, depth + 1));
                } else if entry.is_file {
                    listed.push(Listed { name, bytes: entry.bytes });
                }
            }
            if listed.len() + folders.len() > MOST_ENTRIES {
                return Err(too_many(&self.path(&folder)));
            }
        }
        Ok(listed)
    }

    /// The folders in a folder; none when there is no such folder.
    pub(in crate::remote) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let path = &self.path(folder);
        let found = self.ask(|connection| Box::pin(async move { entries(&connection, path).await }));
        Ok(found.await?.into_iter().filter(|entry| entry.is_folder).map(|entry| entry.name).collect())
    }

    /// Makes a folder of the repository with all above it, up to what is there.
    pub(super) async fn make_folders(&self, connection: &Connection, folder: &str) -> Result<(), Failure> {
        let path = self.path(folder);
        let mut missing = Vec::new();
        let mut at = path.as_str();
        while !at.is_empty() && at != "/" {
            match size(connection, at).await {
                Err(Failure::NotFound { .. }) => missing.push(at),
                looked => {
                    looked?;
                    break;
                }
            }
            at = at.rsplit_once('/').map_or("", |(above, _)| above);
        }
        for path in missing.into_iter().rev() {
            let mut mode = FileAttributes::empty();
            mode.permissions = Some(FOLDER_MODE);
            let made = connection.session.mkdir(path, mode).await.map_err(connection.meant(path));
            // Another has made it meanwhile.
            if let Err(failure) = made
                && (failure.ends_connection() || size(connection, path).await.is_err())
            {
                return Err(explained(connection, path, failure).await);
            }
            sync_folder_of(connection, path).await?;
        }
        Ok(())
    }
}

fn too_many(path: &str) -> Failure {
    let said = format!("more than {MOST_ENTRIES} files, which no repository has");
    Failure::Failed { path: path.to_owned(), said }
}

/// The size of a file; of a folder something.
pub(super) async fn size(connection: &Connection, path: &str) -> Result<u64, Failure> {
    let looked = connection.session.stat(path).await.map_err(connection.meant(path))?;
    Ok(looked.attrs.size.unwrap_or(0))
}

/// When a file was changed, in seconds by the server's clock.
pub(super) async fn changed(connection: &Connection, path: &str) -> Result<u32, Failure> {
    let looked = connection.session.stat(path).await.map_err(connection.meant(path))?;
    looked.attrs.mtime.ok_or(Failure::Lacks { what: "times of files" })
}

async fn entries(connection: &Connection, path: &str) -> Result<Vec<Entry>, Failure> {
    let meant = connection.meant(path);
    let handle = match connection.session.opendir(path).await.map_err(&meant) {
        Err(Failure::NotFound { .. }) => return Ok(Vec::new()),
        opened => opened?.handle,
    };
    let mut entries = Vec::new();
    let read = loop {
        match connection.session.readdir(&handle).await {
            Ok(some) => entries.extend(some.files.into_iter().map(|file| Entry {
                bytes: file.attrs.size.unwrap_or(0),
                is_folder: file.attrs.is_dir(),
                is_file: file.attrs.is_regular(),
                name: file.filename,
            })),
            Err(Refusal::Status(status)) if status.status_code == StatusCode::Eof => break Ok(()),
            Err(refusal) => break Err(meant(refusal)),
        }
        if entries.len() > MOST_ENTRIES {
            break Err(too_many(path));
        }
    };
    let closed = connection.session.close(handle).await;
    read?;
    closed.map_err(&meant)?;
    // A name is one step, whatever the server says.
    entries.retain(|entry| !matches!(entry.name.as_str(), "" | "." | "..") && !entry.name.contains('/'));
    Ok(entries)
}

async fn range(connection: &Connection, path: &str, wanted: Range<u64>) -> Result<Bytes, Failure> {
    let meant = connection.meant(path);
    let opened = connection.session.open(path, OpenFlags::READ, FileAttributes::empty()).await;
    let handle = opened.map_err(&meant)?.handle;
    let mut read = BytesMut::with_capacity(usize::try_from(wanted.end - wanted.start).unwrap_or(0));
    let step = usize::try_from(connection.request_bytes).unwrap_or(usize::MAX);
    let pieces = wanted.clone().step_by(step).map(|from| {
        let until = (from + connection.request_bytes).min(wanted.end);
        read_piece(connection, path, &handle, from..until)
    });
    let mut pieces = futures_util::stream::iter(pieces).buffered(AT_ONCE);
    let whole = loop {
        match pieces.next().await {
            Some(Ok(piece)) => read.extend_from_slice(&piece),
            Some(Err(failure)) => break Err(failure),
            None => break Ok(()),
        }
    };
    drop(pieces);
    let closed = connection.session.close(handle).await;
    whole?;
    closed.map_err(&meant)?;
    Ok(read.freeze())
}

/// A server may give less than was asked for, and then has the rest.
async fn read_piece(
    connection: &Connection,
    path: &str,
    handle: &str,
    wanted: Range<u64>,
) -> Result<Vec<u8>, Failure> {
    let mut read = Vec::new();
    while (read.len() as u64) < wanted.end - wanted.start {
        let from = wanted.start + read.len() as u64;
        let bytes = u32::try_from(wanted.end - from).unwrap_or(u32::MAX);
        match connection.session.read(handle, from, bytes).await {
            Ok(some) if !some.data.is_empty() && some.data.len() as u64 <= u64::from(bytes) => {
                read.extend(some.data);
            }
            Err(Refusal::Status(status)) if status.status_code != StatusCode::Eof => {
                return Err(connection.meant(path)(Refusal::Status(status)));
            }
            Ok(_) | Err(Refusal::Status(_)) => {
                let said = "the file ends before its end".to_owned();
                return Err(Failure::Failed { path: path.to_owned(), said });
            }
            Err(refusal) => return Err(connection.meant(path)(refusal)),
        }
    }
    Ok(read)
}

/// Opens a file that nobody has made yet.
pub(super) async fn create(connection: &Connection, path: &str) -> Result<String, Failure> {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
    unless_taken(connection, path, || async {
        let mut mode = FileAttributes::empty();
        mode.permissions = Some(FILE_MODE);
        let opened = connection.session.open(path, flags, mode).await;
        opened.map(|opened| opened.handle).map_err(connection.meant(path))
    })
    .await
}

/// Writes bytes into an open file, several requests at once.
pub(super) async fn write_at(
    connection: &Connection,
    path: &str,
    handle: &str,
    at: u64,
    bytes: &Bytes,
) -> Result<(), Failure> {
    let step = usize::try_from(connection.request_bytes).unwrap_or(usize::MAX);
    let pieces = (0..bytes.len()).step_by(step).map(|from| {
        let piece = bytes[from..bytes.len().min(from + step)].to_vec();
        async move { connection.session.write(handle, at + from as u64, piece).await.map(drop) }
    });
    let written = futures_util::stream::iter(pieces).buffer_unordered(AT_ONCE).try_collect::<()>().await;
    match written.map_err(connection.meant(path)) {
        Ok(()) => Ok(()),
        Err(failure) => Err(explained(connection, path, failure).await),
    }
}

/// Makes durable what was written into an open file, and closes it.
pub(super) async fn sync(connection: &Connection, path: &str, handle: &str) -> Result<(), Failure> {
    let synced = connection.session.fsync(handle).await.map_err(connection.meant(path));
    let closed = connection.session.close(handle).await.map_err(connection.meant(path));
    match synced.and(closed) {
        Ok(_) => Ok(()),
        Err(failure) => Err(explained(connection, path, failure).await),
    }
}

/// Makes a name durable, where the server lets a folder be opened as OpenSSH does; elsewhere its file system sees to it.
pub(super) async fn sync_folder_of(connection: &Connection, path: &str) -> Result<(), Failure> {
    let folder = above(path);
    let opened = connection.session.open(folder, OpenFlags::READ, FileAttributes::empty()).await;
    match opened.map_err(connection.meant(folder)) {
        Ok(opened) => sync(connection, folder, &opened.handle).await,
        Err(failure) if failure.ends_connection() => Err(failure),
        Err(_) => Ok(()),
    }
}

/// The folder that a path is in.
fn above(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((above, _)) => above,
        None => ".",
    }
}

async fn write_whole(connection: &Connection, path: &str, bytes: &Bytes) -> Result<(), Failure> {
    let handle = match create(connection, path).await {
        // Ours, of the first attempt.
        Err(Failure::Exists { .. }) => {
            connection.session.remove(path).await.map_err(connection.meant(path))?;
            create(connection, path).await?
        }
        created => created?,
    };
    let written = write_at(connection, path, &handle, 0, bytes).await;
    let synced = sync(connection, path, &handle).await;
    if written.is_err() || synced.is_err() {
        let _ = connection.session.remove(path).await;
    }
    written.and(synced)
}

/// Gives a file a name that nothing has: OpenSSH refuses it otherwise, at one moment.
pub(super) async fn rename(connection: &Connection, from: &str, to: &str) -> Result<(), Failure> {
    unless_taken(connection, to, || async {
        connection.session.rename(from, to).await.map(drop).map_err(connection.meant(from))
    })
    .await?;
    sync_folder_of(connection, to).await
}

/// Gives a file a name over what is there.
async fn replace(connection: &Connection, from: &str, to: &str) -> Result<(), Failure> {
    let mut names = Vec::new();
    for name in [from, to] {
        names.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
        names.extend(name.as_bytes());
    }
    let refusal = match connection.session.extended(RENAME, names).await {
        Ok(Packet::Status(status)) if status.status_code == StatusCode::Ok => {
            return sync_folder_of(connection, to).await;
        }
        Ok(Packet::Status(status)) => Refusal::Status(status),
        Ok(_) => Refusal::UnexpectedPacket,
        Err(refusal) => refusal,
    };
    let failure = connection.meant(from)(refusal);
    Err(explained(connection, to, failure).await)
}

async fn remove_folders(connection: &Connection, path: &str) -> Result<(), Failure> {
    let mut found = vec![path.to_owned()];
    let mut looked = 0;
    while let Some(folder) = found.get(looked).cloned().filter(|_| looked < MOST_ENTRIES) {
        let below = entries(connection, &folder).await?.into_iter().filter(|entry| entry.is_folder);
        found.extend(below.map(|entry| format!("{folder}/{}", entry.name)));
        looked += 1;
    }
    for folder in found.into_iter().rev() {
        match connection.session.rmdir(&folder).await.map_err(connection.meant(&folder)) {
            Ok(_) | Err(Failure::NotFound { .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Does what is refused where a name is taken, for which the protocol has no word: that is looked at afterwards. What
/// took it may be gone by then, so what is refused for no reason to be found is tried again.
async fn unless_taken<T, F: Future<Output = Result<T, Failure>>>(
    connection: &Connection,
    path: &str,
    attempt: impl Fn() -> F,
) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        let failure = match attempt().await {
            Err(failure @ Failure::Failed { .. }) => failure,
            ended => return ended,
        };
        if connection.session.lstat(path).await.is_ok() {
            return Err(Failure::Exists { path: path.to_owned() });
        }
        match explained(connection, path, failure).await {
            Failure::Failed { .. } if tries < TRIES => tries += 1,
            explained => return Err(explained),
        }
    }
}

/// Finds the reason that the protocol has no word for: whether the disk is full, or only read.
async fn explained(connection: &Connection, path: &str, failure: Failure) -> Failure {
    if !matches!(failure, Failure::Failed { .. }) {
        return failure;
    }
    let path = path.to_owned();
    if !connection.has_statvfs {
        return failure;
    }
    match connection.session.statvfs(above(&path)).await {
        Ok(disk) if disk.flags & READ_ONLY != 0 => Failure::Forbidden { path },
        Ok(disk) if disk.blocks_avail == 0 || (disk.inodes > 0 && disk.inodes_avail == 0) => {
            Failure::Full { path }
        }
        _ => failure,
    }
}
