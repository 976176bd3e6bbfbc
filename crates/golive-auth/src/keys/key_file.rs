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
        Self::write(path, secret.expose_secret().as_bytes(), b"\n", false)
    }

    /// Writes a secret, in place of the file that may be there: readers see the old or the new one, never a part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(path: &Path, secret: &SecretString) -> Result<Self, WriteKeyFileError> {
        Self::write(path, secret.expose_secret().as_bytes(), b"\n", true)
    }

    /// [`KeyFile::create`] for a secret key.
    ///
    /// # Errors
    /// As [`KeyFile::create`].
    pub fn create_key(path: &Path, key: &SecretKey) -> Result<Self, WriteKeyFileError> {
        Self::write(path, key.dangerous_expose().as_bytes(), b"\n", false)
    }

    /// [`KeyFile::replace`] for a secret key.
    ///
    /// # Errors
    /// As [`KeyFile::replace`].
    pub fn replace_key(path: &Path, key: &SecretKey) -> Result<Self, WriteKeyFileError> {
        Self::write(path, key.dangerous_expose().as_bytes(), b"\n", true)
    }

    /// [`KeyFile::create`], sealed so that only the recipient can read it: `age --decrypt` opens it.
    ///
    /// # Errors
    /// As [`KeyFile::create`].
    #[cfg(feature = "age")]
    pub fn create_sealed(
        path: &Path,
        secret: &SecretString,
        recipient: &SecretRecipient,
    ) -> Result<Self, WriteKeyFileError> {
        let sealed = age::encrypt(&recipient.0, secret.expose_secret().as_bytes());
        let sealed = sealed.map_err(io::Error::other);
        let sealed = sealed.map_err(|source| WriteKeyFileError::Io { path: path.to_owned(), source })?;
        Self::write(path, &sealed, b"", false)
    }

    fn write(path: &Path, secret: &[u8], end: &[u8], replace: bool) -> Result<Self, WriteKeyFileError> {
        let failed = |source| WriteKeyFileError::Io { path: path.to_owned(), source };
        let name = path
            .file_name()
            .ok_or_else(|| WriteKeyFileError::NoFileName { path: path.to_owned() })?
            .to_string_lossy();
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let suffix = random::text(12, b"abcdefghijklmnopqrstuvwxyz0123456789");
        let temporary = directory.join(format!(".{name}.{}", suffix.as_str()));
        let published = write_private(&temporary, secret, end).and_then(|()| {
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

/// For whom a secret is sealed: a public key of age, `age1…`.
#[cfg(feature = "age")]
#[derive(Clone)]
pub struct SecretRecipient(age::x25519::Recipient);

/// The text is no public key of age.
#[cfg(feature = "age")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the recipient: it must be a public key of age, `age1…`, as `age-keygen` prints it")]
#[non_exhaustive]
pub struct RecipientError;

#[cfg(feature = "age")]
impl SecretRecipient {
    /// Reads `age1…`.
    ///
    /// # Errors
    /// When it is something else; a private key is refused too.
    pub fn parse(text: &str) -> Result<Self, RecipientError> {
        text.trim().parse().map(Self).map_err(|_| RecipientError)
    }
}

#[cfg(feature = "age")]
impl std::fmt::Debug for SecretRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretRecipient({})", self.0)
    }
}

fn write_private(path: &Path, secret: &[u8], end: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(secret)?;
    file.write_all(end)?;
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

    #[cfg(feature = "age")]
    #[test]
    fn a_sealed_secret_opens_for_its_recipient_only() {
        let directory = tempfile::tempdir().unwrap();
        let identity = age::x25519::Identity::generate();
        let recipient = SecretRecipient::parse(&identity.to_public().to_string()).unwrap();
        let path = directory.path().join("password.age");
        KeyFile::create_sealed(&path, &"violet harbor".into(), &recipient).unwrap();
        let sealed = fs::read(&path).unwrap();
        assert!(
            sealed.starts_with(b"age-encryption.org/v1") && !sealed.windows(6).any(|part| part == b"violet")
        );
        assert_eq!(age::decrypt(&identity, &sealed).unwrap(), b"violet harbor");
        assert!(age::decrypt(&age::x25519::Identity::generate(), &sealed).is_err());
        assert!(
            KeyFile::create_sealed(&path, &"other".into(), &recipient).is_err(),
            "never replaced unasked"
        );
        assert!(SecretRecipient::parse("age1nonsense").is_err());
    }
}
