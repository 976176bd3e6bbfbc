//! The application's secret key. A weak one cannot be built. Where it is kept is not known here.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random;

/// A secret key that passed [`SecretKey::parse`]. Wiped on drop, never in `Debug`.
#[derive(Clone)]
pub struct SecretKey {
    text: SecretString,
}

/// Why a key is not accepted. Never shows the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeakKeyError {
    /// Too short.
    #[error(
        "accept a secret key of {length} characters: at least {SHORTEST} are needed; make one with `golive secret generate`"
    )]
    TooShort {
        /// Its length.
        length: usize,
    },
    /// Longer than any tool takes.
    #[error("accept a secret key of {length} characters: at most {LONGEST} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// White space or control characters: often a newline that came along from a file.
    #[error("accept a secret key with white space or unprintable characters: remove them, or make a new one")]
    Unprintable,
    /// Too little variety to be random.
    #[error(
        "accept a secret key with about {bits} bits of variety: it was not made by a random generator; use `golive secret generate`"
    )]
    LowEntropy {
        /// The estimate.
        bits: u32,
    },
    /// A unit that repeats.
    #[error("accept a secret key that repeats itself: make one with `golive secret generate`")]
    Repeats,
    /// Contains a text that only placeholders contain.
    #[error(
        "accept a secret key that contains `{text}`, as published examples do: make one with `golive secret generate`"
    )]
    KnownInsecure {
        /// The placeholder text.
        text: &'static str,
    },
    /// Stands in a file that others can read.
    #[error("accept a secret key that stands in {}: make one with `golive secret generate`", file.display())]
    InExampleFile {
        /// The file.
        file: PathBuf,
    },
    /// An example file cannot be read, so it cannot be compared.
    #[error("compare the secret key with {}: make the file readable", file.display())]
    UnreadableExample {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl SecretKey {
    /// A new key of 86 characters (516 bits) from the operating system.
    ///
    /// # Panics
    /// When the operating system has no randomness: there is nothing safe to do then.
    pub fn generate() -> Self {
        loop {
            let text = random::text(86, URL_SAFE);
            // A random text contains a placeholder word about once in ten million times.
            if let Ok(key) = Self::parse(&text) {
                return key;
            }
        }
    }

    /// Accepts a key that is long and varied enough and no known placeholder.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, WeakKeyError> {
        let length = text.chars().count();
        if length < SHORTEST {
            return Err(WeakKeyError::TooShort { length });
        }
        if text.len() > LONGEST {
            return Err(WeakKeyError::TooLong { length });
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(WeakKeyError::Unprintable);
        }
        let lower = Zeroizing::new(text.to_lowercase());
        if let Some(text) = KNOWN_INSECURE.iter().find(|known| lower.contains(**known)) {
            return Err(WeakKeyError::KnownInsecure { text });
        }
        if repeats(text) {
            return Err(WeakKeyError::Repeats);
        }
        let bits = variety_bits(text);
        if bits < LEAST_BITS {
            return Err(WeakKeyError::LowEntropy { bits });
        }
        Ok(Self { text: SecretString::from(text) })
    }

    /// Refuses the key if one of these files contains it: examples, compose files, documentation. A file that does not
    /// exist contains nothing. The first MiB of each is read.
    ///
    /// # Errors
    /// When a file contains it, or cannot be read.
    pub fn refuse_if_in(&self, files: &[impl AsRef<Path>]) -> Result<(), WeakKeyError> {
        for file in files {
            let file = file.as_ref();
            let mut content = Zeroizing::new(Vec::new());
            let read = File::open(file).and_then(|opened| opened.take(1 << 20).read_to_end(&mut content));
            match read {
                Ok(_bytes) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => {
                    return Err(WeakKeyError::UnreadableExample { file: file.to_owned(), source });
                }
            }
            let key = self.text.expose_secret().as_bytes();
            if content.windows(key.len()).any(|window| window == key) {
                return Err(WeakKeyError::InExampleFile { file: file.to_owned() });
            }
        }
        Ok(())
    }

    /// The key itself: for signing, and for writing it to a [`KeyFile`](crate::KeyFile).
    pub fn dangerous_expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// 16 hexadecimal digits that tell keys apart and say nothing about them: may be shown and compared.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update(b"golive key fingerprint\0").chain_update(self.dangerous_expose());
        crate::hex::encode(&digest.finalize()[..8])
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.fingerprint())
    }
}

/// Shannon's estimate from the characters' frequencies. 64 random hexadecimal digits give about 240.
fn variety_bits(text: &str) -> u32 {
    let mut counts: HashMap<char, f64> = HashMap::new();
    for c in text.chars() {
        *counts.entry(c).or_default() += 1.0;
    }
    let length: f64 = counts.values().sum();
    let bits: f64 = counts.values().map(|count| -count * (count / length).log2()).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a few thousand")]
    let bits = bits as u32;
    bits
}

/// Whether the text is a shorter text over and over, or a run up or down the character table.
fn repeats(text: &str) -> bool {
    let bytes = text.as_bytes();
    let periodic =
        (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b));
    let steps = bytes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    periodic || steps * 2 > bytes.len()
}

const SHORTEST: usize = 64;
const LONGEST: usize = 4096;
const LEAST_BITS: u32 = 200;
const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Texts of six and more characters that stand in published examples; shorter ones would refuse random keys.
const KNOWN_INSECURE: &[&str] = &[
    "change-me",
    "change_me",
    "changeme",
    "change-this",
    "change_this",
    "changethis",
    "development",
    "django-insecure",
    "dummykey",
    "example",
    "generate-a",
    "insecure",
    "jwt-secret",
    "jwt_secret",
    "my-secret",
    "my_secret",
    "mysecret",
    "not-a-secret",
    "password",
    "placeholder",
    "production-key",
    "replace-me",
    "replace_me",
    "replaceme",
    "replace-with",
    "sample-key",
    "secret-key",
    "secret_key",
    "secretkey",
    "super-secret",
    "super_secret",
    "supersecret",
    "test-secret",
    "testing",
    "todo-",
    "your-256",
    "your-key",
    "your-secret",
    "your_secret",
    "yoursecret",
    "12345678",
    "abcdefgh",
    "qwertyui",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_are_accepted_and_differ() {
        let (a, b) = (SecretKey::generate(), SecretKey::generate());
        assert!(SecretKey::parse(a.dangerous_expose()).is_ok());
        assert_ne!(a.fingerprint(), b.fingerprint());
        assert!(!format!("{a:?}").contains(a.dangerous_expose()));
    }

    #[test]
    fn hexadecimal_keys_are_accepted() {
        let key = random::text(64, b"0123456789abcdef");
        assert!(SecretKey::parse(&key).is_ok());
    }

    #[test]
    fn refuses_each_kind_of_weak_key() {
        let refused = |text: &str| SecretKey::parse(text).expect_err("weak");
        assert!(matches!(refused("short"), WeakKeyError::TooShort { length: 5 }));
        assert!(matches!(refused(&"k7Qz".repeat(20)), WeakKeyError::Repeats));
        assert!(matches!(refused(&"a".repeat(64)), WeakKeyError::Repeats));
        assert!(matches!(
            refused(&format!("{}\n", random::text(64, URL_SAFE).as_str())),
            WeakKeyError::Unprintable
        ));
        let published = format!("your-secret-key-{}", random::text(60, URL_SAFE).as_str());
        assert!(matches!(refused(&published), WeakKeyError::KnownInsecure { .. }));
        let poor = random::text(70, b"ab7");
        assert!(matches!(refused(&poor), WeakKeyError::LowEntropy { .. } | WeakKeyError::Repeats));
    }

    #[test]
    fn refuses_a_key_from_an_example_file() {
        let directory = tempfile::tempdir().unwrap();
        let key = SecretKey::generate();
        let example = directory.path().join(".env.example");
        std::fs::write(&example, format!("SECRET_KEY={}\n", key.dangerous_expose())).unwrap();
        let missing = directory.path().join("missing");
        assert!(matches!(key.refuse_if_in(&[&missing, &example]), Err(WeakKeyError::InExampleFile { .. })));
        assert!(SecretKey::generate().refuse_if_in(&[&missing, &example]).is_ok());
    }
}
