//! Keys and the encryption around stored parts: X25519 in the age format (age-encryption.org/v1), so that the `age`
//! tool alone can open a backup on the day nothing else is left. Where keys are kept is the operator's decision.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::stream::{StreamReader, StreamWriter};
use secrecy::{ExposeSecret, SecretString};

/// The secret half of a backup key: whoever holds it can read the backups.
#[derive(Clone)]
pub struct Key(age::x25519::Identity);

/// The public half of a backup key (`age1...`): encrypts, cannot read. It may stand in a configuration file.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key file could not be read or written.
    #[error("use the backup key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others can read the key file.
    #[error(
        "use the backup key file {path}: other users can read it (mode {mode:04o}); run `chmod 600 {path}`"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No key in the text.
    #[error("find a line AGE-SECRET-KEY-1... in the backup key; `age-keygen` writes such a file")]
    NoKey,
    /// Not a public key.
    #[error("read the recipient: it must be a public key age1...")]
    NotARecipient,
}

impl Key {
    /// A new key from the randomness of the operating system.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads a key from text in the format of `age-keygen`.
    ///
    /// # Errors
    /// When no line of the text is a key.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        text.expose_secret()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .find_map(|line| age::x25519::Identity::from_str(line).ok())
            .map(Self)
            .ok_or(KeyError::NoKey)
    }

    /// Reads a key file that nobody else can read.
    ///
    /// # Errors
    /// When the file is missing, readable to others, or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let file_error = |source| KeyError::File { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(file_error)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Permissions { path: path.to_owned(), mode });
        }
        Self::parse(&SecretString::from(fs::read_to_string(path).map_err(file_error)?))
    }

    /// Writes the key to a new 0600 file; an existing file is never replaced, for backups may depend on it.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let file_error = |source| KeyError::File { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(file_error)?;
        let secret = self.0.to_string();
        let text =
            SecretString::from(format!("# public key: {}\n{}\n", self.recipient(), secret.expose_secret()));
        file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all()).map_err(file_error)
    }

    /// A digest that only a holder of this key can make.
    pub(crate) fn sign(&self, text: &[u8]) -> blake3::Hash {
        let key =
            blake3::derive_key("golive-backup 2026 proofs", self.0.to_string().expose_secret().as_bytes());
        blake3::keyed_hash(&key, text)
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key(secret of {})", self.recipient())
    }
}

impl FromStr for Recipient {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        age::x25519::Recipient::from_str(text.trim()).map(Self).map_err(|_| KeyError::NotARecipient)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Recipient({self})")
    }
}

/// Who can read what is written, and the key to read with where this process holds it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Keys {
    /// Everybody who can open new backups: the operator, and an escrow kept elsewhere.
    pub recipients: Vec<Recipient>,
    /// The key for verifying contents and restoring; taking backups does not need it.
    pub identity: Option<Key>,
}

impl Keys {
    /// Keys that can write backups for one recipient and read none.
    pub fn new(recipient: Recipient) -> Self {
        Self { recipients: vec![recipient], identity: None }
    }

    /// Keys that can write and read.
    pub fn with_identity(key: Key) -> Self {
        Self { recipients: vec![key.recipient()], identity: Some(key) }
    }
}

/// Encrypts for every recipient.
pub(crate) fn seal<W: Write>(recipients: &[Recipient], output: W) -> io::Result<StreamWriter<W>> {
    let recipients = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
    age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(output)
}

/// Opens what [`seal`] wrote.
pub(crate) fn open<R: Read>(key: &Key, input: R) -> Result<StreamReader<R>, age::DecryptError> {
    age::Decryptor::new(input)?.decrypt(std::iter::once(&key.0 as &dyn age::Identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_survives_and_must_be_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup.key");
        let key = Key::generate();
        key.write_new(&path).unwrap();
        assert_eq!(Key::read(&path).unwrap().recipient().to_string(), key.recipient().to_string());
        assert!(matches!(key.write_new(&path), Err(KeyError::File { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Key::read(&path), Err(KeyError::Permissions { mode: 0o640, .. })));
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = Key::generate();
        assert!(!format!("{key:?} {:?}", Keys::with_identity(key.clone())).contains("AGE-SECRET"));
    }
}
