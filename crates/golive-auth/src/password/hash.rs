//! Makes argon2id hashes and verifies stored ones, as many at once as the machine takes.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::PasswordHasher as _;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use super::cost::Argon2Cost;
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
    /// The stored hash has a form that is not known here or protects nothing, so nobody can log in with it.
    #[error("verify a stored hash of an unknown form: reset the account's password")]
    UnknownFormat,
    /// Hashing failed.
    #[error("hash a password")]
    Hash,
    /// More are waiting than will be served in time. Answer 503 with `Retry-After`.
    #[error("hash a password while many others wait: try again in a moment")]
    Busy,
    /// The worker is gone: the process is shutting down.
    #[error("hash a password while shutting down")]
    ShuttingDown,
}

/// An argon2id hash of the default [`Argon2Cost`] with a fresh salt. Takes about 20 ms of one core; in a service use
/// [`PasswordHasher`].
///
/// # Errors
/// When the password is longer than 1024 bytes.
pub fn hash_password(password: &SecretString) -> Result<String, HashPasswordError> {
    hash_at(Argon2Cost::default(), password)
}

fn hash_at(cost: Argon2Cost, password: &SecretString) -> Result<String, HashPasswordError> {
    let password = password.expose_secret();
    if password.len() > LONGEST_PASSWORD {
        return Err(HashPasswordError::TooLong);
    }
    cost.argon2()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|_| HashPasswordError::Hash)
}

/// Checks a password against a stored hash of any [`HashFormat`] that [is slow](HashFormat::is_slow). Blocks; in a
/// service use [`PasswordHasher`].
///
/// # Errors
/// When the stored form is unknown, protects nothing, or asks for more memory or time than is safe.
pub fn verify_password(stored: &str, password: &SecretString) -> Result<Verified, HashPasswordError> {
    verify_at(Argon2Cost::default(), stored, password)
}

fn verify_at(cost: Argon2Cost, stored: &str, password: &SecretString) -> Result<Verified, HashPasswordError> {
    if password.expose_secret().len() > LONGEST_PASSWORD {
        return Ok(Verified { ok: false, needs_upgrade: false });
    }
    if !HashFormat::of(stored).is_slow() {
        return Err(HashPasswordError::UnknownFormat);
    }
    match try_password(stored, password.expose_secret()) {
        Attempt::Match => Ok(Verified { ok: true, needs_upgrade: cost.is_above(stored) }),
        Attempt::NoMatch => Ok(Verified { ok: false, needs_upgrade: false }),
        Attempt::Unknown => Err(HashPasswordError::UnknownFormat),
    }
}

/// Hashes and verifies off the request threads, a bounded number at once, so that a storm of logins cannot take all cores
/// and memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PasswordHasher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    cost: Argon2Cost,
    /// Checked for users who do not exist.
    nobody: SecretString,
}

impl PasswordHasher {
    /// At most `at_once` hashes at a time (about 19 MiB and one core each); 0 counts as 1. Fifty times as many may wait.
    pub fn new(at_once: usize) -> Self {
        Self::with_cost(at_once, Argon2Cost::default())
    }

    /// [`PasswordHasher::new`] with hashes of another cost, for example from [`Argon2Cost::calibrate`].
    pub fn with_cost(at_once: usize, cost: Argon2Cost) -> Self {
        let at_once = at_once.max(1);
        // Now, so that the first unknown user does not take longer than the next.
        let nobody = if cost == Argon2Cost::default() {
            nobodys_hash().to_owned()
        } else {
            hash_at(cost, &nobodys_password()).expect("32 characters can be hashed")
        };
        Self {
            shared: Arc::new(Shared {
                permits: Arc::new(Semaphore::new(at_once)),
                waiting: AtomicUsize::new(0),
                most_waiting: at_once.saturating_mul(50),
                cost,
                nobody: nobody.into(),
            }),
        }
    }

    /// One at a time for each core.
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Lets unknown users take as long as this stored hash does, while most accounts still have one of an older form:
    /// any account's will do, its password opens nothing here.
    ///
    /// # Errors
    /// When its form is unknown.
    pub fn like(self, stored: &str) -> Result<Self, HashPasswordError> {
        verify_at(self.shared.cost, stored, &nobodys_password())?;
        let shared = &self.shared;
        Ok(Self {
            shared: Arc::new(Shared {
                permits: Arc::clone(&shared.permits),
                waiting: AtomicUsize::new(0),
                most_waiting: shared.most_waiting,
                cost: shared.cost,
                nobody: stored.into(),
            }),
        })
    }

    /// What new hashes cost.
    pub fn cost(&self) -> Argon2Cost {
        self.shared.cost
    }

    /// [`hash_password`] on a worker thread, at this hasher's cost.
    ///
    /// # Errors
    /// When the password is too long, or too many wait.
    pub async fn hash(&self, password: SecretString) -> Result<String, HashPasswordError> {
        let cost = self.shared.cost;
        self.run(move || hash_at(cost, &password)).await
    }

    /// [`verify_password`] on a worker thread. Pass `None` for a user who does not exist: it takes as long as one who does
    /// (and whose hash is of today's form, see also [`PasswordHasher::like`]), and is never right. A stored hash of unknown
    /// form is not right either, and logged.
    ///
    /// # Errors
    /// When too many wait, or the process is shutting down.
    pub async fn verify(
        &self,
        stored: Option<String>,
        password: SecretString,
    ) -> Result<Verified, HashPasswordError> {
        let shared = Arc::clone(&self.shared);
        self.run(move || {
            let unknown_user = stored.is_none();
            let nobody = shared.nobody.expose_secret();
            let verified = match verify_at(shared.cost, stored.as_deref().unwrap_or(nobody), &password) {
                Err(HashPasswordError::UnknownFormat) => {
                    tracing::warn!("an account has a password hash of unknown form and cannot log in");
                    let _same_time = verify_at(shared.cost, nobody, &password);
                    Verified { ok: false, needs_upgrade: false }
                }
                verified => verified?,
            };
            Ok(if unknown_user { Verified { ok: false, needs_upgrade: false } } else { verified })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashPasswordError> + Send + 'static,
    ) -> Result<T, HashPasswordError> {
        let permit = {
            let place = Place::take(&self.shared).ok_or(HashPasswordError::Busy)?;
            let permit = Arc::clone(&self.shared.permits).acquire_owned().await;
            drop(place);
            permit.map_err(|_| HashPasswordError::ShuttingDown)?
        };
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work and not by the caller, who may be cancelled.
            let _permit = permit;
            work()
        });
        work.await.map_err(|_| HashPasswordError::ShuttingDown)?
    }
}

/// A place in the queue, given back also when the caller goes away.
struct Place<'a>(&'a Shared);

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Option<Self> {
        let place = Self(shared);
        // Counted before asked: of two at the limit one is too many.
        let before = shared.waiting.fetch_add(1, Ordering::Relaxed);
        (before < shared.most_waiting).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn nobodys_password() -> SecretString {
    SecretString::from(crate::random::text(32, b"0123456789abcdef").as_str())
}

/// The hash of a password that nobody has.
fn nobodys_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash_password(&nobodys_password()).expect("32 characters can be hashed"))
}

pub(crate) const LONGEST_PASSWORD: usize = 1024;

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
        let md5 = verify_password("62cc2d8b4bf2d8728120d052163a77df", &"demo123".into());
        assert!(
            matches!(md5, Err(HashPasswordError::UnknownFormat)),
            "a copied table would be a list of logins"
        );
    }

    #[tokio::test]
    async fn an_unknown_user_is_never_right_not_even_with_the_hash_of_another() {
        let bcrypt = bcrypt::hash("secret-1", 4).unwrap();
        let hasher = PasswordHasher::new(1).like(&bcrypt).unwrap();
        let verified = hasher.verify(None, "secret-1".into()).await.unwrap();
        assert_eq!(verified, Verified { ok: false, needs_upgrade: false });
        assert!(PasswordHasher::new(1).like("gibberish").is_err());
    }

    #[tokio::test]
    async fn a_storm_is_turned_away_and_leaves_nothing_behind() {
        let mut hasher = PasswordHasher::new(1);
        Arc::get_mut(&mut hasher.shared).unwrap().most_waiting = 5;
        let storm: Vec<_> = (0..15)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify(None, "x".into()).await })
            })
            .collect();
        let mut busy = 0;
        for one in storm {
            match one.await.unwrap() {
                Err(HashPasswordError::Busy) => busy += 1,
                answered => assert!(!answered.unwrap().ok),
            }
        }
        // One is served and five wait; some may have been served before the last ones came.
        assert!((1..10).contains(&busy), "{busy}");
        assert_eq!(hasher.shared.waiting.load(Ordering::Relaxed), 0);
        assert!(hasher.verify(None, "x".into()).await.is_ok());
    }
}
