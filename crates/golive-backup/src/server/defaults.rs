//! The option file that a tool takes its login from: 0600 in a private folder. It is gone with the value; one that a killed
//! run left goes with the next.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

const PREFIX: &str = "golive-backup-";
const NAME: &str = "client.cnf";
/// Whoever clears up may take away what is not locked yet.
const TRIES: usize = 10;

/// The option file of one tool run.
pub(crate) struct DefaultsFile {
    path: PathBuf,
    /// Locked: one that nobody holds was left behind.
    _file: File,
    directory: TempDir,
}

impl DefaultsFile {
    pub(super) fn write(text: &SecretString) -> io::Result<Self> {
        Self::write_below(&std::env::temp_dir(), text)
    }

    fn write_below(base: &Path, text: &SecretString) -> io::Result<Self> {
        for _ in 0..TRIES {
            let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
            let path = directory.path().join(NAME);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            let is_held = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            if is_held || file.metadata()?.nlink() == 0 {
                continue;
            }
            file.write_all(text.expose_secret().as_bytes())?;
            clear(base, file.metadata()?.uid());
            return Ok(Self { path, _file: file, directory });
        }
        Err(io::Error::other("others take the option file away before it is written"))
    }

    /// The argument that must come first on a tool's command line. `--defaults-file` also keeps the invoking user's
    /// own option files out.
    pub(crate) fn argument(&self) -> String {
        format!("--defaults-file={}", self.path.display())
    }

    /// The private folder, for what the tool leaves of itself.
    pub(crate) fn folder(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes what killed runs of this user left.
fn clear(base: &Path, user: u32) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let folder = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir() && found.uid() == user);
        // Held until it is gone.
        let left = is_ours.then(|| File::open(folder.join(NAME)).ok()).flatten();
        if left.as_ref().is_some_and(|left| left.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_cleared_and_what_is_in_use_is_not() {
        let base = tempfile::tempdir().unwrap();
        let text = SecretString::from("[client]\n");
        let in_use = DefaultsFile::write_below(base.path(), &text).unwrap();
        // As a kill leaves it: the lock is gone with the process.
        let left = base.path().join("golive-backup-left");
        let (strange, empty) = (base.path().join("another"), base.path().join("golive-backup-empty"));
        for folder in [&left, &strange, &empty] {
            fs::create_dir(folder).unwrap();
        }
        for folder in [&left, &strange] {
            fs::write(folder.join(NAME), "password=\"hunter2\"").unwrap();
        }
        let next = DefaultsFile::write_below(base.path(), &text).unwrap();
        assert!(!left.exists(), "nobody holds it");
        for stays in [in_use.folder(), next.folder(), &strange, &empty] {
            assert!(stays.exists(), "{}", stays.display());
        }
        assert_eq!(fs::metadata(&next.path).unwrap().mode() & 0o777, 0o600);
        let folder = in_use.folder().to_owned();
        drop(in_use);
        assert!(!folder.exists());
    }
}
