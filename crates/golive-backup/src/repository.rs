//! Where backups live: a folder a backup, with the proofs gathered later in it, on a disk or in a bucket.
//!
//! Nothing half-written is ever listed: see [`staging`]. One writer at a time holds the lock. What a backup holds is
//! not known here.

mod home;
mod staging;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub(crate) use self::home::{Home, JOURNALS, Texts, append_line};
pub(crate) use self::staging::{Lock, Staging, take_lock};
use crate::manifest::{BackupId, FORMAT, Manifest};
use crate::remote::{BucketError, BucketOptions, Remote, RemoteError, RemoteOptions};
use crate::sealing::Keys;
use crate::shelf::Shelf;

const MANIFEST: &str = "manifest.json";
const MANIFEST_DIGEST: &str = "manifest.blake3";
const PROOFS: &str = "proofs.jsonl";
/// Attempts that failed, beside the backups.
const ATTEMPTS: &str = "attempts.jsonl";

/// A place of backups and the keys that go with it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Repository {
    home: Home,
    /// Where it is, as it may be shown.
    place: PathBuf,
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
        Ok(Self { home: Home::Folder(directory.clone()), place: directory, keys: Arc::new(keys) })
    }

    /// Opens a repository in a bucket that speaks S3. Nothing is asked of it yet, so a wrong address or login shows
    /// with the first use.
    ///
    /// # Errors
    /// When no client can be made of the options.
    pub fn open_bucket(options: &BucketOptions, keys: Keys) -> Result<Self, BucketError> {
        let home = Home::Remote { remote: Remote::bucket(options)?, spool: options.spool.clone() };
        Ok(Self { home, place: PathBuf::from(options.label()), keys: Arc::new(keys) })
    }

    /// Opens a repository on another machine, of whatever kind. Nothing is asked of it yet, so a wrong address or login
    /// shows with the first use.
    ///
    /// # Errors
    /// When no client can be made of the options.
    pub fn open_remote(options: &RemoteOptions, keys: Keys) -> Result<Self, RemoteError> {
        let remote = match options {
            RemoteOptions::Bucket(options) => Remote::bucket(options)?,
            RemoteOptions::Sftp(options) => Remote::sftp(options),
        };
        let home = Home::Remote { remote, spool: options.spool().to_owned() };
        Ok(Self { home, place: PathBuf::from(options.label()), keys: Arc::new(keys) })
    }

    /// Where it is: the directory, or the address without what it says of the login, as `s3://BUCKET/PREFIX` or
    /// `sftp://USER@HOST/PATH`.
    pub fn directory(&self) -> &Path {
        &self.place
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn shared_keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    /// Where the files of a backup are read.
    pub(crate) fn shelf(&self, id: &BackupId) -> Shelf {
        self.home.shelf(id, None)
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
    /// When the repository cannot be read.
    pub fn scan(&self) -> Result<Scan, RepositoryError> {
        let mut scan = Scan::default();
        for (name, texts) in self.home.all().map_err(file_error("read the repository", &self.place))? {
            let found = name.parse::<BackupId>().map_err(|error| error.to_string()).and_then(|id| {
                let texts = texts.map_err(|error| error.to_string())?;
                let manifest = self.judge(&id, &texts).map_err(|error| error.to_string())?;
                Ok((manifest, self.believed(&id, &texts)))
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
        self.judge(id, &self.texts(id)?)
    }

    fn texts(&self, id: &BackupId) -> Result<Texts, RepositoryError> {
        match self.home.texts(id) {
            Ok(Some(texts)) => Ok(texts),
            Ok(None) => Err(RepositoryError::NotFound { id: id.clone(), path: self.place.clone() }),
            Err(source) => Err(file_error("read the manifest", &self.shelf(id).shown(MANIFEST))(source)),
        }
    }

    fn judge(&self, id: &BackupId, texts: &Texts) -> Result<Manifest, RepositoryError> {
        let path = self.shelf(id).shown(MANIFEST);
        let damaged = |reason: String| RepositoryError::Manifest { path: path.clone(), reason };
        if texts.digest.trim() != blake3::hash(&texts.manifest).to_hex().as_str() {
            return Err(damaged("its digest differs".to_owned()));
        }
        let manifest: Manifest =
            serde_json::from_slice(&texts.manifest).map_err(|error| damaged(error.to_string()))?;
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
        match self.home.texts(id) {
            Ok(Some(texts)) => Ok(self.believed(id, &texts)),
            Ok(None) => Ok(Vec::new()),
            Err(source) => Err(file_error("read the proofs", &self.shelf(id).shown(PROOFS))(source)),
        }
    }

    fn believed(&self, id: &BackupId, texts: &Texts) -> Vec<Proof> {
        let proofs = texts.proofs.iter().filter_map(|line| serde_json::from_str::<Proof>(line).ok());
        let Some(key) = &self.keys.identity else { return proofs.collect() };
        let digest = texts.digest.trim();
        proofs
            .filter(|proof| {
                let needs_none = !proof.passed || proof.level == ProofLevel::Bytes;
                let signature = proof.signature.as_deref().and_then(|text| blake3::Hash::from_hex(text).ok());
                // Comparing digests takes the same time wherever they differ.
                needs_none || signature == Some(key.sign(&proof.signed_text(id, digest)))
            })
            .collect()
    }

    /// The attempts that failed, in order.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn attempts(&self) -> Result<Vec<Attempt>, RepositoryError> {
        let lines = self.home.notes(ATTEMPTS);
        let lines = lines.map_err(file_error("read the failed attempts", &self.home.shown(ATTEMPTS)))?;
        Ok(lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Notes an attempt that failed, so that whoever looks later knows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_failure(&self, attempt: &Attempt) -> Result<(), RepositoryError> {
        let line = serde_json::to_string(attempt).expect("an attempt has only plain fields");
        self.home.note(ATTEMPTS, attempt.at, &line).map_err(file_error("write", &self.home.shown(ATTEMPTS)))
    }

    /// Appends a proof, durably. A passed comparison of a restored copy is recorded by whoever made it.
    ///
    /// # Errors
    /// When there is no such backup or the proof cannot be written.
    pub fn record(&self, id: &BackupId, proof: &Proof) -> Result<(), RepositoryError> {
        let mut proof = proof.clone();
        let texts = self.texts(id)?;
        if let Some(key) = &self.keys.identity {
            let text = proof.signed_text(id, texts.digest.trim());
            proof.signature = Some(key.sign(&text).to_hex().to_string());
        }
        let line = serde_json::to_string(&proof).expect("a proof has only plain fields");
        let name = format!("{id}/{PROOFS}");
        self.home.note(&name, proof.at, &line).map_err(file_error("write", &self.home.shown(&name)))
    }
}

pub(crate) fn file_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> RepositoryError + use<> {
    let path = path.to_owned();
    move |source| RepositoryError::File { doing, path: path.clone(), source }
}
