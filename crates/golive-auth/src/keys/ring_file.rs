//! A key ring in one private file, shared by all instances of a machine or volume: read whole, replaced whole, changed
//! by one at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::key_file::{KeyFile, WriteKeyFileError};
use super::ring::{InvalidRingError, KeyRing};

/// The file of a [`KeyRing`], mode 0600.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRingFile {
    path: PathBuf,
}

/// Why a key ring cannot be read or changed. A file that could not be changed is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingFileError {
    /// It cannot be read.
    #[error("read the key ring {}: check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error("use the key ring {}: others can read it; `chmod 600` it, and rotate it if they may have", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// It is no ring.
    #[error("use the key ring {}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: InvalidRingError,
    },
    /// Somebody else changes it, for longer than is waited.
    #[error("change the key ring {}: another process is changing it; try again", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("change the key ring {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: WriteKeyFileError,
    },
}

impl KeyRingFile {
    /// The ring in this file. Nothing is read yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a ring to a new file.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(&self, ring: &KeyRing) -> Result<(), RingFileError> {
        let written = KeyFile::create(&self.path, &ring.to_secret_json());
        written.map(drop).map_err(|source| RingFileError::Write { path: self.path.clone(), source })
    }

    /// Reads the ring.
    ///
    /// # Errors
    /// When it cannot be read, is no ring, or others can read it too.
    pub fn load(&self) -> Result<KeyRing, RingFileError> {
        let failed = |source| RingFileError::Read { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
                return Err(RingFileError::NotPrivate { path: self.path.clone() });
            }
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(failed)?;
        KeyRing::from_secret_json(&text)
            .map_err(|source| RingFileError::Invalid { path: self.path.clone(), source })
    }

    /// Reads, changes and replaces the ring while no other process does: of two rotations at once, the second one sees
    /// what the first one did. Blocks for up to ten seconds.
    ///
    /// # Errors
    /// When it cannot be read or written, or somebody holds it.
    pub fn change<T>(&self, change: impl FnOnce(&mut KeyRing) -> T) -> Result<T, RingFileError> {
        let _lock = self.lock()?;
        let mut ring = self.load()?;
        let done = change(&mut ring);
        let text: SecretString = ring.to_secret_json();
        KeyFile::replace(&self.path, &text)
            .map_err(|source| RingFileError::Write { path: self.path.clone(), source })?;
        Ok(done)
    }

    /// A lock beside the file, because the file itself is replaced. The system ends it with the process.
    fn lock(&self) -> Result<File, RingFileError> {
        let failed = |source| RingFileError::Read { path: self.path.clone(), source };
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let path = self.path.with_file_name(format!(".{name}.lock"));
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(RingFileError::Locked { path: self.path.clone() });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    /// What changes when the file is replaced or edited.
    pub(super) fn identity(&self) -> io::Result<FileIdentity> {
        let found = fs::metadata(&self.path)?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&found);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(FileIdentity { inode, length: found.len(), modified: found.modified().ok() })
    }
}

/// See [`KeyRingFile::identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    inode: u64,
    length: u64,
    modified: Option<std::time::SystemTime>,
}

const MOST_BYTES: u64 = 1 << 20;
const LOCK_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::ring::Cutover;
    use super::super::signing_key::KeyAlgorithm;
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn no_rotation_is_lost_when_many_rotate_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = KeyRingFile::at(directory.path().join("ring.json"));
        file.create(&KeyRing::generate(KeyAlgorithm::Hs256, now())).unwrap();
        let rotated: Vec<(String, String)> = thread::scope(|scope| {
            let one = || {
                let overlap = Cutover::Overlap(Duration::from_secs(900));
                let rotated = file.change(|ring| ring.rotate(overlap, now())).unwrap();
                (rotated.previous, rotated.active)
            };
            let running: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let ring = file.load().unwrap();
        assert_eq!(ring.keys().len(), 9);
        for (previous, _) in &rotated {
            assert_eq!(rotated.iter().filter(|(other, _)| other == previous).count(), 1, "each saw the last");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused_and_a_broken_one_is_not_changed() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let file = KeyRingFile::at(directory.path().join("ring.json"));
        file.create(&KeyRing::generate(KeyAlgorithm::EdDsa, now())).unwrap();
        assert!(matches!(
            file.create(&KeyRing::generate(KeyAlgorithm::EdDsa, now())),
            Err(RingFileError::Write { source: WriteKeyFileError::Exists { .. }, .. })
        ));
        let mode = |mode| fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o640);
        assert!(matches!(file.load(), Err(RingFileError::NotPrivate { .. })));
        mode(0o600);
        file.load().unwrap();
        fs::write(file.path(), "{").unwrap();
        assert!(matches!(
            file.change(|ring| ring.rotate(Cutover::Immediate, now())),
            Err(RingFileError::Invalid { .. })
        ));
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "{");
    }
}
