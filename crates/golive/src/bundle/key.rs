//! The key that signs evidence: Ed25519, kept as a PEM file that openssl reads too. The public half goes to whoever is to believe it.
//!
//! Not here: keys of tokens (golive-auth) and of backups (golive-backup). Each key does one thing.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::run_dir::{RunDirectoryError, write_private};

/// Signs bundles of evidence.
pub struct EvidenceKey(Ed25519KeyPair);

/// The public half of a key: who signed. Shown as `ed25519:` and 44 letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signer([u8; 32]);

/// Why a key cannot sign.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvidenceKeyError {
    /// The file could not be read.
    #[error("read the evidence key {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others can read it, and sign with it.
    #[error("use the evidence key {path}: others can read it (mode {mode:04o}); run `chmod 600 {path}`", path = path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error(
        "use the evidence key {path}: it is no Ed25519 private key in PEM; `openssl genpkey -algorithm ed25519` makes one",
        path = path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A new key could not be kept.
    #[error("keep a new evidence key")]
    Keep(#[from] RunDirectoryError),
}

/// Why a text names no signer.
#[derive(Debug, Error)]
#[error(
    "understand the signer: it is `ed25519:` and 44 letters, or a public key in PEM, as `golive report key` prints it"
)]
#[non_exhaustive]
pub struct SignerError;

impl EvidenceKey {
    /// A new key from the randomness of the operating system.
    #[must_use]
    pub fn generate() -> Self {
        Self(
            Ed25519KeyPair::generate()
                .expect("the operating system has randomness; without it nothing here is safe"),
        )
    }

    /// Reads a key that nobody else can read.
    ///
    /// # Errors
    /// When there is none, it is no key, or others can read it.
    pub fn read(path: &Path) -> Result<Self, EvidenceKeyError> {
        let failed = |source| EvidenceKeyError::Read { path: path.to_owned(), source };
        let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(EvidenceKeyError::Permissions { path: path.to_owned(), mode });
        }
        let text = SecretString::from(std::fs::read_to_string(path).map_err(failed)?);
        let no_key = || EvidenceKeyError::NoKey { path: path.to_owned() };
        let der = of_pem(text.expose_secret(), PRIVATE).ok_or_else(no_key)?;
        Ed25519KeyPair::from_pkcs8(&der).map(Self).map_err(|_| no_key())
    }

    /// The key in this file; made, with a file that only its owner can read, where there is none.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when a new one cannot be kept.
    pub fn read_or_make(path: &Path) -> Result<Self, EvidenceKeyError> {
        match Self::read(path) {
            Err(EvidenceKeyError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let made = Self::generate();
                write_private(path, made.to_pem().expose_secret().as_bytes())?;
                Ok(made)
            }
            known => known,
        }
    }

    /// The public half.
    #[must_use]
    pub fn signer(&self) -> Signer {
        let bytes = self.0.public_key().as_ref();
        Signer(bytes.try_into().expect("an Ed25519 public key has 32 bytes"))
    }

    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.0.sign(text).as_ref().to_vec()
    }

    fn to_pem(&self) -> SecretString {
        let der: Pkcs8V1Der<'_> = self.0.as_der().expect("a key that exists can be written");
        SecretString::from(to_pem(der.as_ref(), PRIVATE))
    }
}

impl fmt::Debug for EvidenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceKey(secret of {})", self.signer())
    }
}

impl Signer {
    /// Whether the holder of the key signed this text.
    pub(super) fn signed(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(text, signature).is_ok()
    }

    /// As a public key in PEM, as openssl reads it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&[&SPKI[..], &self.0[..]].concat(), PUBLIC)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", STANDARD.encode(self.0))
    }
}

impl FromStr for Signer {
    type Err = SignerError;

    fn from_str(text: &str) -> Result<Self, SignerError> {
        let bytes = match text.trim().strip_prefix("ed25519:") {
            Some(letters) => STANDARD.decode(letters).ok(),
            None => of_pem(text, PUBLIC).and_then(|der| Some(der.strip_prefix(&SPKI[..])?.to_vec())),
        };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(SignerError)
    }
}

fn to_pem(der: &[u8], label: &str) -> String {
    // Both keys fit a line of 64 letters.
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn of_pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (inner, _) = rest.split_once(&format!("-----END {label}-----"))?;
    STANDARD.decode(inner.split_whitespace().collect::<String>()).ok()
}

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
