//! Writes a secret to a file that only its owner can read, all or nothing. What the secret is, is not known here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::secret_key::SecretKey;
use crate::random;

/// A file with mode 0600 that holds one secret and a newline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFile {
    /// Where it is.
    pub path: PathBuf,
}

/// Why it was not written. Nothing is left half-written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteKeyFileError {
    /// There is one already.
    #[error("write {}: it exists; move it away first, or say to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The path names no file.
    #[error("write {}: name a file in a directory", path.display())]
    NoFileName {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("write {}: check the directory and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl KeyFile {
    /// Writes a secret to a new file.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path, secret: &SecretString) -> Result<Self, WriteKeyFileError> {
        Self::write(path, secret.expose_secret(), false)
    }

    /// Writes a secret, in place of the file that may be there: readers see the old or the new one, never a part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(path: &Path, secret: &SecretString) -> Result<Self, WriteKeyFileError> {
        Self::write(path, secret.expose_secret(), true)
    }

    /// [`KeyFile::create`] for a secret key.
    ///
    /// # Errors
    /// As [`KeyFile::create`].
    pub fn create_key(path: &Path, key: &SecretKey) -> Result<Self, WriteKeyFileError> {
        Self::write(path, key.dangerous_expose(), false)
    }

    /// [`KeyFile::replace`] for a secret key.
    ///
    /// # Errors
    /// As [`KeyFile::replace`].
    pub fn replace_key(path: &Path, key: &SecretKey) -> Result<Self, WriteKeyFileError> {
        Self::write(path, key.dangerous_expose(), true)
    }

    fn write(path: &Path, secret: &str, replace: bool) -> Result<Self, WriteKeyFileError> {
        let failed = |source| WriteKeyFileError::Io { path: path.to_owned(), source };
        let name = path
            .file_name()
            .ok_or_else(|| WriteKeyFileError::NoFileName { path: path.to_owned() })?
            .to_string_lossy();
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let suffix = random::text(12, b"abcdefghijklmnopqrstuvwxyz0123456789");
        let temporary = directory.join(format!(".{name}.{}", suffix.as_str()));
        let published = write_private(&temporary, secret).and_then(|()| {
            if replace {
                fs::rename(&temporary, path)
            } else {
                // A hard link fails where a rename would replace.
                fs::hard_link(&temporary, path)
            }
        });
        // After a rename there is nothing to remove; after a failure the secret must not stay behind.
        let _removed = fs::remove_file(&temporary);
        match published {
            Ok(()) => {}
            Err(e) if !replace && e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(WriteKeyFileError::Exists { path: path.to_owned() });
            }
            Err(e) => return Err(failed(e)),
        }
        File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed)?;
        Ok(Self { path: path.to_owned() })
    }
}

fn write_private(path: &Path, secret: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_whole_and_never_replaced_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = SecretKey::generate();
        let file = KeyFile::create_key(&path, &key).unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap().trim_end(), key.dangerous_expose());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let refused = KeyFile::create(&path, &"other".into()).unwrap_err();
        assert!(matches!(refused, WriteKeyFileError::Exists { .. }));
        assert_eq!(fs::read_to_string(&path).unwrap().trim_end(), key.dangerous_expose());
        KeyFile::replace(&path, &"other".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "other\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file left");
    }
}
