//! The keys that a running service signs and verifies with: prepared once, replaced when their file is. Claims are not
//! known here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::ring::{KeyInfo, KeyRing, KeyState, RingKey};
use super::ring_file::{FileIdentity, KeyRingFile, RingFileError};
use super::secret_key::SecretKey;
use super::signing_key::SigningKey;

/// The keys of a [`TokenService`](crate::TokenService), found by `kid`. Cheap to clone.
///
/// With [`TokenKeys::watch`] every instance follows the file of a [`KeyRing`]: a rotation is seen within two seconds, and
/// at once by whoever meets a key that it does not know. A file that cannot be read any more is told in the log; the
/// keys read last are used for five minutes, and then none.
#[derive(Clone)]
pub struct TokenKeys {
    shared: Arc<Shared>,
}

struct Shared {
    ring: RwLock<Arc<PreparedRing>>,
    source: Option<Source>,
}

/// The file that is followed.
struct Source {
    file: KeyRingFile,
    started: Instant,
    /// Milliseconds after `started` at which to look again.
    due: AtomicU64,
    seen: Mutex<Seen>,
    /// Whether the keys read last are too old to be used.
    stale: AtomicBool,
}

struct Seen {
    identity: Option<FileIdentity>,
    looked: Instant,
    good: Instant,
    failing: bool,
}

/// The keys could not be read for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeysUnavailable;

/// A ring as verification needs it.
pub(crate) struct PreparedRing {
    keys: Vec<PreparedKey>,
    active: usize,
}

/// A key with the first segments of its tokens.
pub(crate) struct PreparedKey {
    pub(crate) info: KeyInfo,
    pub(crate) key: SigningKey,
    headers: Vec<(&'static str, String)>,
}

impl TokenKeys {
    /// Signs and verifies with this key only: every token of another key is refused. This is the rotation of a go-live.
    pub fn new(current: &SecretKey) -> Self {
        Self::with_retiring(current, &[])
    }

    /// Signs with `current`; verifies with the others too, each until its time: the longest life of a token after the
    /// rotation.
    pub fn with_retiring(current: &SecretKey, retiring: &[(&SecretKey, DateTime<Utc>)]) -> Self {
        let made = DateTime::UNIX_EPOCH;
        let mut keys = vec![RingKey::new(SigningKey::from_secret(current), KeyState::Active, made)];
        keys.extend(retiring.iter().map(|(key, until)| {
            RingKey::new(SigningKey::from_secret(key), KeyState::Retiring { until: *until }, made)
        }));
        Self::prepared(keys, None)
    }

    /// Signs and verifies with a ring that stays as it is.
    pub fn from_ring(ring: KeyRing) -> Self {
        Self::prepared(ring.into_keys(), None)
    }

    /// Signs and verifies with the ring in a file, and follows the file from then on.
    ///
    /// # Errors
    /// When it cannot be read now.
    pub fn watch(file: KeyRingFile) -> Result<Self, RingFileError> {
        // Before reading: a change in between is then seen as one.
        let identity = file.identity().ok();
        let keys = file.load()?.into_keys();
        let now = Instant::now();
        let seen = Mutex::new(Seen { identity, looked: now, good: now, failing: false });
        let due = AtomicU64::new(milliseconds(LOOK_EVERY));
        Ok(Self::prepared(
            keys,
            Some(Source { file, started: now, due, seen, stale: AtomicBool::new(false) }),
        ))
    }

    fn prepared(keys: Vec<RingKey>, source: Option<Source>) -> Self {
        let ring = RwLock::new(Arc::new(PreparedRing::new(keys)));
        Self { shared: Arc::new(Shared { ring, source }) }
    }

    /// The `kid` of new tokens.
    pub fn current_id(&self) -> String {
        self.latest().active().info.id.clone()
    }

    /// The keys, the oldest first; revoked ones are not among them.
    pub fn keys(&self) -> Vec<KeyInfo> {
        self.latest().keys.iter().map(|key| key.info.clone()).collect()
    }

    /// The JWKS document (RFC 7517 5) of the public keys that others may verify with at `now`; serve it with a
    /// `max-age` well under the overlap of a rotation. HS256 keys are never in it.
    pub fn jwks(&self, now: DateTime<Utc>) -> Value {
        let ring = self.latest();
        let usable = ring.keys.iter().filter(|key| key.info.is_usable(now));
        let keys: Vec<Value> = usable.filter_map(|key| key.key.public_jwk()).collect();
        serde_json::json!({ "keys": keys })
    }

    fn latest(&self) -> Arc<PreparedRing> {
        Arc::clone(&self.shared.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The ring to sign or verify with now.
    pub(crate) fn ring(&self) -> Result<Arc<PreparedRing>, KeysUnavailable> {
        let Some(source) = &self.shared.source else { return Ok(self.latest()) };
        if milliseconds(source.started.elapsed()) >= source.due.load(Ordering::Relaxed) {
            // One looks, the others go on with what there is.
            if let Ok(mut seen) = source.seen.try_lock() {
                self.look(source, &mut seen);
                source.stale.store(seen.failing && seen.good.elapsed() > STALE_AT_MOST, Ordering::Relaxed);
            }
        }
        if source.stale.load(Ordering::Relaxed) { Err(KeysUnavailable) } else { Ok(self.latest()) }
    }

    /// The ring after a token named a key that is not in it: perhaps another instance has just rotated. At most one look
    /// in 100 ms, so that made-up names cost nothing.
    pub(crate) fn ring_for_unknown_key(&self) -> Arc<PreparedRing> {
        if let Some(source) = &self.shared.source {
            let mut seen = source.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.looked.elapsed() >= UNKNOWN_KEY_PAUSE {
                self.look(source, &mut seen);
            }
        }
        self.latest()
    }

    fn look(&self, source: &Source, seen: &mut Seen) {
        seen.looked = Instant::now();
        source.due.store(milliseconds(source.started.elapsed() + LOOK_EVERY), Ordering::Relaxed);
        let identity = source.file.identity().ok();
        if identity.is_some() && identity == seen.identity && !seen.failing {
            seen.good = seen.looked;
            return;
        }
        match source.file.load() {
            Ok(ring) => {
                let ring = Arc::new(PreparedRing::new(ring.into_keys()));
                tracing::info!(active = ring.active().info.id, "the key ring was read again");
                *self.shared.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
                *seen = Seen { identity, looked: seen.looked, good: seen.looked, failing: false };
            }
            Err(error) => {
                if !seen.failing {
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::error!(
                        error,
                        "the key ring cannot be read; its last keys are used for five minutes"
                    );
                }
                seen.failing = true;
            }
        }
    }
}

impl PreparedRing {
    fn new(keys: Vec<RingKey>) -> Self {
        let mut prepared = Vec::with_capacity(keys.len());
        for RingKey { info, material } in keys {
            if let Some(key) = material {
                prepared.push(PreparedKey::new(info, key));
            }
        }
        let active = prepared.iter().position(|key| key.info.state == KeyState::Active);
        Self { active: active.expect("a ring has an active key"), keys: prepared }
    }

    pub(crate) fn active(&self) -> &PreparedKey {
        &self.keys[self.active]
    }

    /// The key and the `typ` whose header segment this is, byte for byte.
    pub(crate) fn by_header(&self, segment: &str) -> Option<(&PreparedKey, &'static str)> {
        self.keys.iter().find_map(|key| {
            let (typ, _) = key.headers.iter().find(|(_, header)| header == segment)?;
            Some((key, *typ))
        })
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&PreparedKey> {
        self.keys.iter().find(|key| key.info.id == id)
    }
}

impl PreparedKey {
    fn new(info: KeyInfo, key: SigningKey) -> Self {
        let header = |typ: &&'static str| {
            // Every part is our own and needs no escape: names of algorithms, and base64url or hexadecimal digits.
            let json = format!(r#"{{"typ":"{typ}","alg":"{}","kid":"{}"}}"#, info.algorithm.name(), info.id);
            (*typ, URL_SAFE_NO_PAD.encode(json))
        };
        Self { headers: HEADER_TYPES.iter().map(header).collect(), info, key }
    }

    pub(crate) fn header(&self, typ: &str) -> &str {
        let found = self.headers.iter().find(|(name, _)| *name == typ);
        found.map(|(_, header)| header.as_str()).expect("each kind of token has one")
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The `typ` of each kind of token.
pub(crate) const HEADER_TYPES: [&str; 3] = ["at+jwt", "rt+jwt", "pc+jwt"];
const LOOK_EVERY: Duration = Duration::from_secs(2);
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_millis(100);
const STALE_AT_MOST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::super::ring::Cutover;
    use super::super::signing_key::KeyAlgorithm;
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_file_that_breaks_is_outlived_for_a_while_and_then_followed_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = KeyRingFile::at(directory.path().join("ring.json"));
        file.create(&KeyRing::generate(KeyAlgorithm::EdDsa, now())).unwrap();
        let keys = TokenKeys::watch(file.clone()).unwrap();
        let first = keys.current_id();
        let source = keys.shared.source.as_ref().unwrap();
        let look = |age: Duration| {
            let mut seen = source.seen.lock().unwrap();
            seen.good = Instant::now().checked_sub(age).unwrap();
            source.due.store(0, Ordering::Relaxed);
            drop(seen);
            keys.ring().map(|ring| ring.active().info.id.clone())
        };
        let good = std::fs::read(file.path()).unwrap();
        std::fs::write(file.path(), "{").unwrap();
        assert_eq!(look(Duration::ZERO), Ok(first.clone()), "what was read last still holds");
        assert_eq!(look(STALE_AT_MOST + Duration::from_secs(1)), Err(KeysUnavailable), "but not for ever");
        std::fs::write(file.path(), good).unwrap();
        let rotated = file.change(|ring| ring.rotate(Cutover::Immediate, now())).unwrap();
        assert_eq!(look(STALE_AT_MOST + Duration::from_secs(1)), Ok(rotated.active));
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(
            look(STALE_AT_MOST + Duration::from_secs(1)),
            Err(KeysUnavailable),
            "nor one that is gone"
        );
    }
}
