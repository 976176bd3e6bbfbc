//! Where backups live: a directory a backup, published in one rename, with the proofs gathered later beside it.
//!
//! Nothing half-written is ever listed: a backup is written under `.partial-...`, made durable and renamed. One
//! writer at a time holds the lock file. What a backup holds is not known here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::manifest::{BackupId, Content, FORMAT, Manifest, Part};
use crate::sealing::Keys;

const MANIFEST: &str = "manifest.json";
const MANIFEST_DIGEST: &str = "manifest.blake3";
const PROOFS: &str = "proofs.jsonl";
/// Attempts that failed, beside the backups.
const ATTEMPTS: &str = "attempts.jsonl";
const LOCK: &str = ".lock";
const PARTIAL: &str = ".partial-";

/// A folder of backups and the keys that go with it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Repository {
    directory: PathBuf,
    keys: Arc<Keys>,
}

/// Why the repository could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// A file or directory could not be used.
    #[error("{doing} {path}")]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else is writing.
    #[error("lock {path}: another backup, prune or archiver is running there; try again when it is done")]
    Busy {
        /// The repository.
        path: PathBuf,
    },
    /// No such backup.
    #[error("find backup {id} in {path}; `golive backup list` shows what is there")]
    NotFound {
        /// The name asked for.
        id: BackupId,
        /// The repository.
        path: PathBuf,
    },
    /// The manifest is not what was written.
    #[error("trust the manifest {path}: {reason}; verify the disk, and use another backup")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody could ever read the backup.
    #[error("write a backup that nobody can open; configure at least one recipient (age1...)")]
    NoRecipients,
    /// The key to read is not here.
    #[error("open a backup without its key; give the key file that belongs to one of the recipients")]
    NoIdentity,
    /// A prune plan does not fit any more, or deletes suspiciously much.
    #[error("prune: {reason}")]
    PruneRefused {
        /// Why.
        reason: String,
    },
}

/// Something in the repository that is no readable backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DamagedEntry {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

/// What is in the repository.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Scan {
    /// Readable backups with the proofs gathered for them, oldest first.
    pub backups: Vec<(Manifest, Vec<Proof>)>,
    /// Entries that should be backups and are not.
    pub damaged: Vec<DamagedEntry>,
}

/// How deep a proof went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProofLevel {
    /// Every stored byte was read and matched its digest.
    Bytes,
    /// It was also decrypted and decompressed, and the plain bytes matched.
    Contents,
    /// It was restored, and the restored database equals the manifest.
    Restored,
}

/// An attempt to take a backup that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// When it began.
    pub at: DateTime<Utc>,
    /// The database.
    pub database: String,
    /// Why it failed, a sentence.
    pub why: String,
}

impl Attempt {
    /// A failed attempt.
    pub fn new(at: DateTime<Utc>, database: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at, database: database.into(), why: why.into() }
    }
}

/// One look at a backup after it was taken; appended, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proof {
    /// When.
    pub at: DateTime<Utc>,
    /// How deep.
    pub level: ProofLevel,
    /// Whether it held.
    pub passed: bool,
    /// What was found, a sentence.
    pub detail: String,
    /// What only a holder of the backup key can write: a keyed BLAKE3 over the above, the backup and its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signature: Option<String>,
}

impl Proof {
    /// A proof with its outcome.
    pub fn new(at: DateTime<Utc>, level: ProofLevel, passed: bool, detail: impl Into<String>) -> Self {
        Self { at, level, passed, detail: detail.into(), signature: None }
    }

    /// What is signed. A proof copied to another backup, or kept for a changed manifest, does not hold.
    fn signed_text(&self, id: &BackupId, manifest_digest: &str) -> Vec<u8> {
        let plain = Self { signature: None, ..self.clone() };
        let proof = serde_json::to_string(&plain).expect("a proof has only plain fields");
        format!("{id}\n{manifest_digest}\n{proof}").into_bytes()
    }
}

impl Repository {
    /// Opens a repository in a local directory, creating it (0700) where it is missing.
    ///
    /// # Errors
    /// When the directory cannot be created or read.
    pub fn open_local(directory: impl Into<PathBuf>, keys: Keys) -> Result<Self, RepositoryError> {
        let directory = directory.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(file_error("create the repository", &directory))?;
        Ok(Self { directory, keys: Arc::new(keys) })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn shared_keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    pub(crate) fn path(&self, id: &BackupId) -> PathBuf {
        self.directory.join(id.as_str())
    }

    /// Every readable backup, oldest first. Damaged ones are in [`Repository::scan`].
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Manifest>, RepositoryError> {
        Ok(self.scan()?.backups.into_iter().map(|(manifest, _)| manifest).collect())
    }

    /// Everything in the repository: backups with their proofs, and what is damaged.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn scan(&self) -> Result<Scan, RepositoryError> {
        let read = file_error("read the repository", &self.directory);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(&read)? {
            let name = entry.map_err(&read)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && name != crate::binlog::archive::FOLDER && name != ATTEMPTS {
                names.push(name);
            }
        }
        names.sort();
        let mut scan = Scan::default();
        for name in names {
            let found = name.parse::<BackupId>().map_err(|error| error.to_string()).and_then(|id| {
                let manifest = self.find(&id).map_err(|error| error.to_string())?;
                Ok((manifest, self.proofs(&id).map_err(|error| error.to_string())?))
            });
            match found {
                Ok(backup) => scan.backups.push(backup),
                Err(reason) => scan.damaged.push(DamagedEntry { name, reason }),
            }
        }
        Ok(scan)
    }

    /// The manifest of one backup, checked against its own digest.
    ///
    /// # Errors
    /// When there is no such backup, or its manifest is damaged.
    pub fn find(&self, id: &BackupId) -> Result<Manifest, RepositoryError> {
        let directory = self.path(id);
        if !directory.is_dir() {
            return Err(RepositoryError::NotFound { id: id.clone(), path: self.directory.clone() });
        }
        let path = directory.join(MANIFEST);
        let text = fs::read(&path).map_err(file_error("read the manifest", &path))?;
        let digest_path = directory.join(MANIFEST_DIGEST);
        let expected =
            fs::read_to_string(&digest_path).map_err(file_error("read the manifest digest", &digest_path))?;
        let damaged = |reason: String| RepositoryError::Manifest { path: path.clone(), reason };
        if expected.trim() != blake3::hash(&text).to_hex().as_str() {
            return Err(damaged("its digest differs".to_owned()));
        }
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if manifest.format > FORMAT {
            return Err(damaged(format!("format {} is of a newer golive", manifest.format)));
        }
        if manifest.id != *id {
            return Err(damaged(format!("it belongs to backup {}", manifest.id)));
        }
        Ok(manifest)
    }

    /// The newest backup of a database, by sequence.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn latest(&self, database: &str) -> Result<Option<Manifest>, RepositoryError> {
        let newest_first = self.list()?.into_iter().rev();
        Ok(newest_first
            .into_iter()
            .find(|manifest| manifest.database().is_some_and(|facts| facts.name == database)))
    }

    /// The proofs gathered for a backup, in order. A torn last line, as a power cut leaves it, is passed over. Where the
    /// key is here, one that says that the contents are good and that no holder of the key signed is passed over too;
    /// one that says that something is wrong always counts.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn proofs(&self, id: &BackupId) -> Result<Vec<Proof>, RepositoryError> {
        let path = self.path(id).join(PROOFS);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(file_error("read the proofs", &path)(source)),
        };
        let lines: Vec<String> = BufReader::new(file)
            .lines()
            .collect::<io::Result<_>>()
            .map_err(file_error("read the proofs", &path))?;
        let proofs = lines.iter().filter_map(|line| serde_json::from_str::<Proof>(line).ok());
        let Some(key) = &self.keys.identity else { return Ok(proofs.collect()) };
        let digest = self.manifest_digest(id)?;
        Ok(proofs
            .filter(|proof| {
                let needs_none = !proof.passed || proof.level == ProofLevel::Bytes;
                let signature = proof.signature.as_deref().and_then(|text| blake3::Hash::from_hex(text).ok());
                // Comparing digests takes the same time wherever they differ.
                needs_none || signature == Some(key.sign(&proof.signed_text(id, &digest)))
            })
            .collect())
    }

    fn manifest_digest(&self, id: &BackupId) -> Result<String, RepositoryError> {
        let path = self.path(id).join(MANIFEST_DIGEST);
        fs::read_to_string(&path)
            .map(|text| text.trim().to_owned())
            .map_err(file_error("read the manifest digest", &path))
    }

    /// The attempts that failed, in order.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn attempts(&self) -> Result<Vec<Attempt>, RepositoryError> {
        let path = self.directory.join(ATTEMPTS);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(file_error("read the failed attempts", &path)(source)),
        }
    }

    /// Notes an attempt that failed, so that whoever looks later knows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_failure(&self, attempt: &Attempt) -> Result<(), RepositoryError> {
        let line = serde_json::to_string(attempt).expect("an attempt has only plain fields");
        append_line(&self.directory.join(ATTEMPTS), &line)
    }

    /// Appends a proof, durably. A passed comparison of a restored copy is recorded by whoever made it.
    ///
    /// # Errors
    /// When there is no such backup or the file cannot be written.
    pub fn record(&self, id: &BackupId, proof: &Proof) -> Result<(), RepositoryError> {
        if !self.path(id).is_dir() {
            return Err(RepositoryError::NotFound { id: id.clone(), path: self.directory.clone() });
        }
        let mut proof = proof.clone();
        if let Some(key) = &self.keys.identity {
            proof.signature =
                Some(key.sign(&proof.signed_text(id, &self.manifest_digest(id)?)).to_hex().to_string());
        }
        let line = serde_json::to_string(&proof).expect("a proof has only plain fields");
        append_line(&self.path(id).join(PROOFS), &line)
    }

    /// Takes the one writer's lock.
    pub(crate) fn lock(&self) -> Result<Lock, RepositoryError> {
        take_lock(&self.directory)
    }

    /// Begins a backup: takes the lock, clears what a killed run left, chooses the name.
    pub(crate) fn begin(&self, now: DateTime<Utc>) -> Result<Staging, RepositoryError> {
        if self.keys.recipients.is_empty() {
            return Err(RepositoryError::NoRecipients);
        }
        let lock = self.lock()?;
        let read = file_error("read the repository", &self.directory);
        let mut last = 0;
        for entry in fs::read_dir(&self.directory).map_err(&read)? {
            let entry = entry.map_err(&read)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(PARTIAL) {
                // The lock is ours, so nobody writes there any more.
                fs::remove_dir_all(entry.path()).map_err(file_error("remove", &entry.path()))?;
            } else if let Ok(id) = name.parse::<BackupId>() {
                last = last.max(id.sequence());
            }
        }
        let id = BackupId::new(last + 1, now);
        let partial = self.directory.join(format!("{PARTIAL}{id}"));
        fs::DirBuilder::new().mode(0o700).create(&partial).map_err(file_error("create", &partial))?;
        Ok(Staging {
            id,
            created_at: now,
            began: Instant::now(),
            recipients: self.keys.recipients.iter().map(ToString::to_string).collect(),
            partial,
            target: self.path(&BackupId::new(last + 1, now)),
            published: false,
            _lock: lock,
        })
    }

    /// Removes a published backup; the rename first, so that it is never seen half-deleted.
    pub(crate) fn remove(&self, id: &BackupId, _lock: &Lock) -> Result<(), RepositoryError> {
        let doomed = self.directory.join(format!("{PARTIAL}removed-{id}"));
        fs::rename(self.path(id), &doomed).map_err(file_error("remove", &self.path(id)))?;
        fs::remove_dir_all(&doomed).map_err(file_error("remove", &doomed))
    }
}

/// Appends a line, durably. The newline before it ends a line that a power cut may have torn.
pub(crate) fn append_line(path: &Path, line: &str) -> Result<(), RepositoryError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| file.sync_all()))
        .map_err(file_error("write", path))
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
        Ok(()) => Ok(Lock { file }),
        Err(fs::TryLockError::WouldBlock) => Err(RepositoryError::Busy { path: directory.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(file_error("lock", &path)(source)),
    }
}

/// The writer's lock; the system releases it when the process ends, however it ends.
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
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
    partial: PathBuf,
    target: PathBuf,
    published: bool,
    _lock: Lock,
}

impl Staging {
    pub(crate) fn directory(&self) -> &Path {
        &self.partial
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
        for (name, bytes) in [(MANIFEST, text.as_slice()), (MANIFEST_DIGEST, digest.as_bytes())] {
            let path = self.partial.join(name);
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
                .map_err(file_error("write", &path))?;
        }
        sync_directory(&self.partial)?;
        fs::rename(&self.partial, &self.target).map_err(file_error("publish", &self.target))?;
        self.published = true;
        sync_directory(self.target.parent().expect("a backup lies in the repository"))?;
        Ok(manifest)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_dir_all(&self.partial)
        {
            tracing::warn!(path = %self.partial.display(), %error, "an unfinished backup could not be removed");
        }
    }
}

fn sync_directory(path: &Path) -> Result<(), RepositoryError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(file_error("make durable", path))
}

pub(crate) fn file_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> RepositoryError {
    let path = path.to_owned();
    move |source| RepositoryError::File { doing, path: path.clone(), source }
}
