//! Makes argon2id hashes and verifies stored ones, as many at once as the machine takes.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use super::format::{Attempt, HashFormat, try_password};

/// The outcome of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Whether the password is right.
    pub ok: bool,
    /// Whether a hash by today's rules should replace the stored one; only when `ok`.
    pub needs_upgrade: bool,
}

/// Why no hash was made or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashPasswordError {
    /// Longer than is hashed.
    #[error("hash a password of more than {LONGEST_PASSWORD} bytes: choose a shorter one")]
    TooLong,
    /// The stored hash has a form that is not known here, so nobody can log in with it.
    #[error("verify a stored hash of an unknown form: reset the account's password")]
    UnknownFormat,
    /// Hashing failed.
    #[error("hash a password")]
    Hash,
    /// The worker is gone: the process is shutting down.
    #[error("hash a password while shutting down")]
    ShuttingDown,
}

/// An argon2id hash (19 MiB, 2 passes, 1 lane: OWASP's first choice) with a fresh salt. Takes about 20 ms of one core; in
/// a service use [`PasswordHasher`].
///
/// # Errors
/// When the password is longer than 1024 bytes.
pub fn hash_password(password: &SecretString) -> Result<String, HashPasswordError> {
    let password = password.expose_secret();
    if password.len() > LONGEST_PASSWORD {
        return Err(HashPasswordError::TooLong);
    }
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| HashPasswordError::Hash)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|_| HashPasswordError::Hash)
}

/// Checks a password against a stored hash of any [`HashFormat`]. Blocks; in a service use [`PasswordHasher`].
///
/// # Errors
/// When the stored form is unknown or asks for more memory or time than is safe.
pub fn verify_password(stored: &str, password: &SecretString) -> Result<Verified, HashPasswordError> {
    if password.expose_secret().len() > LONGEST_PASSWORD {
        return Ok(Verified { ok: false, needs_upgrade: false });
    }
    match try_password(stored, password.expose_secret()) {
        Attempt::Match => Ok(Verified { ok: true, needs_upgrade: needs_upgrade(stored) }),
        Attempt::NoMatch => Ok(Verified { ok: false, needs_upgrade: false }),
        Attempt::Unknown => Err(HashPasswordError::UnknownFormat),
    }
}

fn needs_upgrade(stored: &str) -> bool {
    HashFormat::of(stored) != HashFormat::Argon2id
        || !stored.starts_with("$argon2id$v=19$")
        || !stored.contains(&format!("m={MEMORY_KIB},t={PASSES},p={LANES}$"))
}

/// Hashes and verifies off the request threads, a bounded number at once, so that a storm of logins cannot take all cores
/// and memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PasswordHasher {
    permits: Arc<Semaphore>,
}

impl PasswordHasher {
    /// At most `at_once` hashes at a time (about 19 MiB and one core each); 0 counts as 1.
    pub fn new(at_once: usize) -> Self {
        // Now, so that the first unknown user does not take longer than the next.
        let _made = nobodys_hash();
        Self { permits: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    /// One at a time for each core.
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// [`hash_password`] on a worker thread.
    ///
    /// # Errors
    /// As [`hash_password`].
    pub async fn hash(&self, password: SecretString) -> Result<String, HashPasswordError> {
        self.run(move || hash_password(&password)).await
    }

    /// [`verify_password`] on a worker thread. Pass `None` for a user who does not exist: it takes as long as one who does
    /// (and whose hash is of today's form), and is never right. A stored hash of unknown form is not right either, and logged.
    ///
    /// # Errors
    /// When the process is shutting down.
    pub async fn verify(
        &self,
        stored: Option<String>,
        password: SecretString,
    ) -> Result<Verified, HashPasswordError> {
        self.run(move || {
            let unknown_user = stored.is_none();
            let stored = stored.unwrap_or_else(|| nobodys_hash().to_owned());
            let verified = match verify_password(&stored, &password) {
                Err(HashPasswordError::UnknownFormat) => {
                    tracing::warn!("an account has a password hash of unknown form and cannot log in");
                    let _same_time = verify_password(nobodys_hash(), &password);
                    Verified { ok: false, needs_upgrade: false }
                }
                verified => verified?,
            };
            Ok(Verified { ok: verified.ok && !unknown_user, ..verified })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashPasswordError> + Send + 'static,
    ) -> Result<T, HashPasswordError> {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| HashPasswordError::ShuttingDown)?;
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work and not by the caller, who may be cancelled.
            let _permit = permit;
            work()
        });
        work.await.map_err(|_| HashPasswordError::ShuttingDown)?
    }
}

/// The hash of a password that nobody has.
fn nobodys_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let password = SecretString::from(crate::random::text(32, b"0123456789abcdef").as_str());
        hash_password(&password).expect("32 characters can be hashed")
    })
}

pub(crate) const LONGEST_PASSWORD: usize = 1024;
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn argon2id_round_trip_and_unknown_users() {
        let hasher = PasswordHasher::new(2);
        let stored = hasher.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let right = hasher.verify(Some(stored.clone()), "correct horse".into()).await.unwrap();
        assert_eq!(right, Verified { ok: true, needs_upgrade: false });
        assert!(!hasher.verify(Some(stored), "wrong".into()).await.unwrap().ok);
        assert!(!hasher.verify(None, "correct horse".into()).await.unwrap().ok);
        assert!(!hasher.verify(Some("gibberish".into()), "gibberish".into()).await.unwrap().ok);
    }

    #[test]
    fn old_hashes_verify_and_want_an_upgrade() {
        let bcrypt = bcrypt::hash("secret-1", 4).unwrap();
        let verified = verify_password(&bcrypt, &"secret-1".into()).unwrap();
        assert_eq!(verified, Verified { ok: true, needs_upgrade: true });
        assert!(!verify_password(&bcrypt, &"secret-2".into()).unwrap().ok);
        assert!(hash_password(&"x".repeat(2000).into()).is_err());
    }
}
