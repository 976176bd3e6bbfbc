//! How a backup appears, and how it goes: whole, at one moment.
//!
//! On a disk it is written under `.partial-...`, made durable and renamed. In a remote place, where a folder cannot be renamed, it
//! exists when its manifest does, which is written last; until then a journal beside it says what was begun. Whoever
//! takes the lock next clears what a killed run left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::home::{Home, JOURNALS, REMOVED};
use super::{MANIFEST, MANIFEST_DIGEST, Repository, RepositoryError, file_error};
use crate::manifest::{BackupId, Content, FORMAT, Manifest, Part};
use crate::remote::{Journal, Lease, Remote};
use crate::shelf::Shelf;

const LOCK: &str = ".lock";
const PARTIAL: &str = ".partial-";

impl Repository {
    /// Takes the one writer's lock.
    pub(crate) fn lock(&self) -> Result<Lock, RepositoryError> {
        let (remote, busy) = match self.home() {
            Home::Folder(folder) => return take_lock(folder),
            Home::Remote { remote, .. } => {
                (remote, RepositoryError::Busy { path: self.directory().to_owned() })
            }
        };
        let lease = Lease::take(remote).map_err(file_error("lock", self.directory()))?;
        lease.map(Lock::Lease).ok_or(busy)
    }

    /// Begins a backup: takes the lock, clears what a killed run left, chooses the name.
    pub(crate) fn begin(&self, now: DateTime<Utc>) -> Result<Staging, RepositoryError> {
        if self.keys().recipients.is_empty() {
            return Err(RepositoryError::NoRecipients);
        }
        let lock = self.lock()?;
        let names = match self.home() {
            Home::Folder(folder) => clear_folder(folder)?,
            Home::Remote { remote, .. } => clear_remote(remote)
                .and_then(|()| remote.folders())
                .map_err(file_error("clear", self.directory()))?,
        };
        let last =
            names.iter().filter_map(|name| name.parse::<BackupId>().ok()).map(|id| id.sequence()).max();
        let id = BackupId::new(last.unwrap_or(0) + 1, now);
        let form = match self.home() {
            Home::Folder(folder) => {
                let partial = folder.join(format!("{PARTIAL}{id}"));
                fs::DirBuilder::new().mode(0o700).create(&partial).map_err(file_error("create", &partial))?;
                Form::Folder { partial, target: folder.join(id.as_str()) }
            }
            Home::Remote { remote, .. } => {
                let name = format!("{JOURNALS}/{id}.json");
                let journal =
                    Journal::create(remote, &name).map_err(file_error("create", &remote.shown(&name)))?;
                Form::Remote { remote: remote.clone(), journal }
            }
        };
        let shelf = match &form {
            Form::Folder { partial, .. } => Shelf::Folder(partial.clone()),
            Form::Remote { journal, .. } => self.home().shelf(&id, Some(journal.clone())),
        };
        Ok(Staging {
            id,
            created_at: now,
            began: Instant::now(),
            recipients: self.keys().recipients.iter().map(ToString::to_string).collect(),
            shelf,
            form,
            published: false,
            lock,
        })
    }

    /// Removes a published backup; what makes it one goes first, so that it is never seen half-deleted.
    pub(crate) fn remove(&self, id: &BackupId, lock: &Lock) -> Result<(), RepositoryError> {
        match self.home() {
            Home::Folder(folder) => {
                let (published, doomed) =
                    (folder.join(id.as_str()), folder.join(format!("{PARTIAL}removed-{id}")));
                fs::rename(&published, &doomed).map_err(file_error("remove", &published))?;
                fs::remove_dir_all(&doomed).map_err(file_error("remove", &doomed))
            }
            Home::Remote { remote, .. } => {
                let remove = || {
                    lock.confirm()?;
                    let name = format!("{JOURNALS}/{REMOVED}{id}.json");
                    remote.write(&name, b"[]\n".to_vec())?;
                    empty(remote, id.as_str())?;
                    remote.remove(&name)
                };
                remove().map_err(file_error("remove", &self.shelf(id).shown("")))
            }
        }
    }
}

/// Clears what killed runs left, and names what is there.
fn clear_folder(folder: &Path) -> Result<Vec<String>, RepositoryError> {
    let read = file_error("read the repository", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(&read)? {
        let entry = entry.map_err(&read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PARTIAL) {
            // The lock is ours, so nobody writes there any more.
            fs::remove_dir_all(entry.path()).map_err(file_error("remove", &entry.path()))?;
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

/// Ends what killed runs have begun: backups that were not published go, and so do those that were being removed.
fn clear_remote(remote: &Remote) -> io::Result<()> {
    remote.clear_temporary()?;
    for journal in remote.list(JOURNALS)? {
        let open = Journal::take_over(remote, &journal.name)?;
        let name =
            journal.name.trim_start_matches(JOURNALS).trim_start_matches('/').trim_end_matches(".json");
        open.abort()?;
        if let Some(id) = name.strip_prefix(REMOVED) {
            empty(remote, id)?;
        } else if name.parse::<BackupId>().is_ok()
            && !remote.list(name)?.iter().any(|one| one.name == format!("{name}/{MANIFEST}"))
        {
            empty(remote, name)?;
        }
        open.close()?;
    }
    Ok(())
}

/// Removes every object of a backup, the manifest first.
fn empty(remote: &Remote, id: &str) -> io::Result<()> {
    remote.remove(&format!("{id}/{MANIFEST}"))?;
    for one in remote.list(id)? {
        remote.remove(&one.name)?;
    }
    remote.remove_folder(id)
}

/// Takes the lock of a directory, or says that somebody has it.
pub(crate) fn take_lock(directory: &Path) -> Result<Lock, RepositoryError> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(file_error("open the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock::File(Locked { file })),
        Err(fs::TryLockError::WouldBlock) => Err(RepositoryError::Busy { path: directory.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(file_error("lock", &path)(source)),
    }
}

/// The writer's lock.
pub(crate) enum Lock {
    File(#[expect(dead_code, reason = "held for its drop")] Locked),
    Lease(Lease),
}

impl Lock {
    /// Makes sure that it is ours still; the system takes no lock of a file away.
    fn confirm(&self) -> io::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Lease(lease) => lease.confirm(),
        }
    }
}

/// A locked file; the system releases it when the process ends, however it ends.
pub(crate) struct Locked {
    file: File,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing is not enough: a program that is being started at this moment holds the same file until it has begun.
        let _ = self.file.unlock();
    }
}

/// A backup being written. Dropped unpublished, it is removed.
pub(crate) struct Staging {
    pub(crate) id: BackupId,
    created_at: DateTime<Utc>,
    began: Instant,
    recipients: Vec<String>,
    shelf: Shelf,
    form: Form,
    published: bool,
    lock: Lock,
}

enum Form {
    Folder { partial: PathBuf, target: PathBuf },
    Remote { remote: Remote, journal: Journal },
}

impl Staging {
    /// Where its parts are written.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Writes the manifest, makes everything durable, and lets the backup appear.
    pub(crate) fn publish(mut self, parts: Vec<Part>, content: Content) -> Result<Manifest, RepositoryError> {
        let manifest = Manifest {
            format: FORMAT,
            id: self.id.clone(),
            created_at: self.created_at,
            duration_seconds: self.began.elapsed().as_secs_f64(),
            golive_version: env!("CARGO_PKG_VERSION").to_owned(),
            recipients: std::mem::take(&mut self.recipients),
            parts,
            content,
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has only plain fields");
        let digest = format!("{}\n", blake3::hash(&text).to_hex());
        match &self.form {
            Form::Folder { partial, target } => publish_folder(partial, target, &text, &digest)?,
            Form::Remote { remote, journal } => {
                publish_remote(remote, &manifest, &self.lock, text, digest)
                    .map_err(file_error("publish", &self.shelf.shown(MANIFEST)))?;
                // It is published. A journal that stays is cleared by whoever comes next.
                if let Err(error) = journal.close() {
                    tracing::warn!(%error, "the journal of a published backup could not be removed");
                }
            }
        }
        self.published = true;
        Ok(manifest)
    }
}

fn publish_folder(partial: &Path, target: &Path, text: &[u8], digest: &str) -> Result<(), RepositoryError> {
    for (name, bytes) in [(MANIFEST, text), (MANIFEST_DIGEST, digest.as_bytes())] {
        let path = partial.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(file_error("write", &path))?;
    }
    sync_directory(partial)?;
    fs::rename(partial, target).map_err(file_error("publish", target))?;
    sync_directory(target.parent().expect("a backup lies in the repository"))
}

/// The manifest is the last, and only of a backup whose every part is there in its full size.
fn publish_remote(
    remote: &Remote,
    manifest: &Manifest,
    lock: &Lock,
    text: Vec<u8>,
    digest: String,
) -> io::Result<()> {
    let id = &manifest.id;
    let listed = remote.list(id.as_str())?;
    for part in &manifest.parts {
        let stored = listed.iter().find(|one| one.name == format!("{id}/{}", part.name)).map(|one| one.bytes);
        if stored != Some(part.bytes) {
            let there = stored.map_or_else(|| "nothing".to_owned(), |bytes| format!("{bytes} bytes"));
            let what = format!("{}: {} bytes were sent, {there} arrived; try again", part.name, part.bytes);
            return Err(io::Error::other(what));
        }
    }
    remote.create(&format!("{id}/{MANIFEST_DIGEST}"), digest.into_bytes())?;
    // Whoever stood still so long that another took over must not publish any more.
    lock.confirm()?;
    remote.create(&format!("{id}/{MANIFEST}"), text)
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        let cleared = match &self.form {
            Form::Folder { partial, .. } => fs::remove_dir_all(partial),
            Form::Remote { remote, journal } => {
                journal.abort().and_then(|()| empty(remote, self.id.as_str())).and_then(|()| journal.close())
            }
        };
        if let Err(error) = cleared {
            tracing::warn!(backup = %self.id, %error, "an unfinished backup could not be removed; the next one removes it");
        }
    }
}

fn sync_directory(path: &Path) -> Result<(), RepositoryError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(file_error("make durable", path))
}
