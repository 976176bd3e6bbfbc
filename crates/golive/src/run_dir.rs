//! The folder of a run: journal, lock, private files, logs, report. Whatever holds a secret is 0600 in a 0700 folder.
//!
//! Not here: what the files mean.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Why a run's folder could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunDirectoryError {
    /// Another run is at work.
    #[error("take the lock {path}: another run holds it; wait for it to end", path = path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// There is no earlier run to take up.
    #[error("find a run to resume in {path}; start one without `--resume`", path = path.display())]
    NothingToResume {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("use {path}; check its permissions and free space", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A run's folder, locked for as long as the value lives; the lock dies with the process.
#[derive(Debug)]
pub struct RunDirectory {
    root: PathBuf,
    _lock: Option<File>,
}

impl RunDirectory {
    /// A new run's folder under `base`.
    ///
    /// # Errors
    /// When another run holds the lock, or the folder cannot be made.
    pub fn create(base: &Path, run: &str) -> Result<Self, RunDirectoryError> {
        let lock = take_lock(base)?;
        let root = base.join(run);
        make_private(&root)?;
        let latest = base.join("latest");
        let fail = |source| RunDirectoryError::File { path: latest.clone(), source };
        let fresh = base.join(format!(".latest-{}", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        std::os::unix::fs::symlink(run, &fresh).map_err(fail)?;
        std::fs::rename(&fresh, &latest).map_err(fail)?;
        Ok(Self { root, _lock: Some(lock) })
    }

    /// Where a run's folder would be; nothing is made, so that a plan can name it and leave nothing behind.
    #[must_use]
    pub fn imagined(base: &Path, run: &str) -> Self {
        Self { root: base.join(run), _lock: None }
    }

    /// The folder of the newest run under `base`.
    ///
    /// # Errors
    /// When there is none, or another run holds the lock.
    pub fn latest(base: &Path) -> Result<Self, RunDirectoryError> {
        let nothing = || RunDirectoryError::NothingToResume { path: base.to_owned() };
        let root = std::fs::canonicalize(base.join("latest")).map_err(|_| nothing())?;
        let lock = take_lock(base)?;
        Ok(Self { root, _lock: Some(lock) })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of the run.
    #[must_use]
    pub fn run(&self) -> &str {
        self.root.file_name().and_then(|name| name.to_str()).unwrap_or("run")
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A private subfolder, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf, RunDirectoryError> {
        let path = self.path(name);
        make_private(&path)?;
        Ok(path)
    }

    /// Where a secret of this name lies.
    #[must_use]
    pub fn secret_path(&self, name: &str) -> PathBuf {
        self.root.join("secrets").join(name)
    }

    /// Keeps a secret: 0600, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_secret(&self, name: &str, secret: &SecretString) -> Result<(), RunDirectoryError> {
        self.folder("secrets")?;
        write_private(&self.secret_path(name), secret.expose_secret().as_bytes())
    }

    /// Keeps a word that a later look needs and that is no secret.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_note(&self, name: &str, text: &str) -> Result<(), RunDirectoryError> {
        let folder = self.folder("notes")?;
        write_private(&folder.join(name), text.as_bytes())
    }

    /// A word kept earlier.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn note(&self, name: &str) -> Result<Option<String>, RunDirectoryError> {
        read_if_there(&self.path("notes").join(name))
    }

    /// Lets go of a secret that is of no more use; one that is not there is gone already.
    pub fn forget_secret(&self, name: &str) {
        let _ = std::fs::remove_file(self.secret_path(name));
    }

    /// A secret kept earlier.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<SecretString>, RunDirectoryError> {
        Ok(read_if_there(&self.secret_path(name))?.map(SecretString::from))
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), RunDirectoryError> {
    // Steps run beside each other: each writer has a partial file of its own.
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".partial-{}-{writer}", std::process::id()));
    let partial = PathBuf::from(partial);
    let write = || {
        let _ = std::fs::remove_file(&partial);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)?;
        match path.parent() {
            // A bare name lies in the working directory.
            Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|source| RunDirectoryError::File { path: path.to_owned(), source })
}

fn read_if_there(path: &Path) -> Result<Option<String>, RunDirectoryError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunDirectoryError::File { path: path.to_owned(), source }),
    }
}

fn make_private(path: &Path) -> Result<(), RunDirectoryError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| RunDirectoryError::File { path: path.to_owned(), source })
}

fn take_lock(base: &Path) -> Result<File, RunDirectoryError> {
    make_private(base)?;
    let path = base.join("lock");
    let fail = |source| RunDirectoryError::File { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunDirectoryError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(fail(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn two_runs_do_not_share_a_folder_and_secrets_are_private() {
        let base = tempfile::tempdir().unwrap();
        let first = RunDirectory::create(base.path(), "one").unwrap();
        assert!(matches!(RunDirectory::create(base.path(), "two"), Err(RunDirectoryError::Locked { .. })));
        first.keep_secret("key", &SecretString::from("s3cret")).unwrap();
        let mode = std::fs::metadata(first.secret_path("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(first);
        let again = RunDirectory::latest(base.path()).unwrap();
        assert_eq!(again.run(), "one");
        assert_eq!(again.secret("key").unwrap().unwrap().expose_secret(), "s3cret");
        assert!(again.secret("other").unwrap().is_none());
    }
}
