//! The keys of a service and what each may still do. Pure: no file, no clock.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::secret_key::SecretKey;
use super::signing_key::{KeyAlgorithm, SigningKey, SigningKeyError};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyState {
    /// Published and accepted, signs after the next rotation: verifiers learn it before they need it.
    Next,
    /// Signs. There is exactly one.
    Active,
    /// Accepted until its time, signs no more.
    Retiring {
        /// When it ends.
        until: DateTime<Utc>,
    },
    /// Refused. Its secret is wiped; only its name is left.
    Revoked,
}

/// How the old keys end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cutover {
    /// At once: every token signed so far is refused. The rotation of a go-live, and of a leaked key.
    Immediate,
    /// The active key is accepted for this long: at least the longest life of a token.
    Overlap(Duration),
}

/// What a rotation did.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Rotated {
    /// The key that signs now.
    pub active: String,
    /// The one that signed before.
    pub previous: String,
    /// Until when the previous one is accepted; `None`: no longer.
    pub previous_until: Option<DateTime<Utc>>,
}

/// A key as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyInfo {
    /// The `kid`.
    pub id: String,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// What it may do.
    pub state: KeyState,
    /// When it was made, to the second.
    pub created_at: DateTime<Utc>,
}

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeKeyError {
    /// It signs.
    #[error("revoke the active key {id}: rotate with an immediate cut instead, which revokes it")]
    Active {
        /// The key.
        id: String,
    },
    /// There is none of that name.
    #[error("revoke the key {id}: it is not in the ring")]
    Unknown {
        /// The name.
        id: String,
    },
}

/// Why a text is not a key ring. Never shows a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRingError {
    /// Not the JSON of a ring.
    #[error("read the key ring as JSON: restore it, or make a new one with `golive secret generate --ring`")]
    Json,
    /// Made by a newer version.
    #[error("read a key ring of version {version}: upgrade golive")]
    Version {
        /// Its version.
        version: u32,
    },
    /// Not exactly one key signs.
    #[error("use a key ring with {count} active keys: exactly one must sign")]
    ActiveKeys {
        /// How many.
        count: usize,
    },
    /// A key stands under another name than its own, or twice.
    #[error("use the key {id}: it stands under another name than its own, or twice")]
    Name {
        /// The name.
        id: String,
    },
    /// A key cannot be used.
    #[error("use the key {id}")]
    Key {
        /// Its name.
        id: String,
        /// Why not.
        #[source]
        source: SigningKeyError,
    },
}

/// The keys of a service. Never in `Debug` with a secret.
pub struct KeyRing {
    keys: Vec<RingKey>,
}

pub(super) struct RingKey {
    pub(super) info: KeyInfo,
    /// None: wiped.
    pub(super) material: Option<SigningKey>,
}

impl KeyRing {
    /// A ring with one new key.
    pub fn generate(algorithm: KeyAlgorithm, now: DateTime<Utc>) -> Self {
        Self { keys: vec![RingKey::new(SigningKey::generate(algorithm), KeyState::Active, now)] }
    }

    /// A ring around a key that is in use already: its tokens stay good.
    pub fn from_secret(secret: &SecretKey, now: DateTime<Utc>) -> Self {
        Self { keys: vec![RingKey::new(SigningKey::from_secret(secret), KeyState::Active, now)] }
    }

    /// Adds the key that the next rotation makes active, so that others fetch it before a token needs it. One that was
    /// staged before is replaced.
    pub fn stage(&mut self, algorithm: KeyAlgorithm, now: DateTime<Utc>) -> KeyInfo {
        self.keys.retain(|key| key.info.state != KeyState::Next);
        let key = RingKey::new(SigningKey::generate(algorithm), KeyState::Next, now);
        let info = key.info.clone();
        self.keys.push(key);
        info
    }

    /// Makes the staged key sign, or a new one of the same algorithm. With [`Cutover::Immediate`] the new key is always
    /// a fresh one and everything else is revoked: whoever has read the file has read the staged key as well.
    pub fn rotate(&mut self, cutover: Cutover, now: DateTime<Utc>) -> Rotated {
        self.end_expired(now);
        let old = self.active().info.clone();
        let until = match cutover {
            Cutover::Immediate => {
                self.keys.iter_mut().for_each(RingKey::revoke);
                None
            }
            Cutover::Overlap(overlap) => {
                let overlap = chrono::TimeDelta::from_std(overlap.min(LONGEST_OVERLAP)).unwrap_or_default();
                let until = (now + overlap).trunc_subsecs(0);
                let active = self.keys.iter_mut().find(|key| key.info.state == KeyState::Active);
                active.expect("a ring has one").info.state = KeyState::Retiring { until };
                Some(until)
            }
        };
        let active = match self.keys.iter_mut().find(|key| key.info.state == KeyState::Next) {
            Some(staged) => {
                staged.info.state = KeyState::Active;
                staged.info.id.clone()
            }
            None => {
                let key = RingKey::new(SigningKey::generate(old.algorithm), KeyState::Active, now);
                let id = key.info.id.clone();
                self.keys.push(key);
                id
            }
        };
        self.forget_oldest();
        Rotated { active, previous: old.id, previous_until: until }
    }

    /// Refuses a key from now on. The active one is replaced by [`KeyRing::rotate`].
    ///
    /// # Errors
    /// When it is the active one, or not in the ring.
    pub fn revoke(&mut self, id: &str) -> Result<(), RevokeKeyError> {
        let found = self.keys.iter_mut().find(|key| key.info.id == id);
        match found {
            None => Err(RevokeKeyError::Unknown { id: id.to_owned() }),
            Some(key) if key.info.state == KeyState::Active => {
                Err(RevokeKeyError::Active { id: id.to_owned() })
            }
            Some(key) => {
                key.revoke();
                Ok(())
            }
        }
    }

    /// The keys, the oldest first.
    pub fn keys(&self) -> Vec<KeyInfo> {
        self.keys.iter().map(|key| key.info.clone()).collect()
    }

    /// The key that signs.
    pub fn active_id(&self) -> &str {
        &self.active().info.id
    }

    /// The JWKS document (RFC 7517 5): the public keys that others may verify with at `now`. HS256 keys are never in it.
    pub fn jwks(&self, now: DateTime<Utc>) -> Value {
        let usable = self.keys.iter().filter(|key| key.info.is_usable(now));
        let keys: Vec<Value> = usable.filter_map(|key| key.material.as_ref()?.public_jwk()).collect();
        json!({ "keys": keys })
    }

    /// Reads what [`KeyRing::to_secret_json`] wrote.
    ///
    /// # Errors
    /// When it is not a ring, or a key in it cannot be used: a ring is good as a whole or not at all.
    pub fn from_secret_json(text: &str) -> Result<Self, InvalidRingError> {
        let stored: StoredRing = serde_json::from_str(text).map_err(|_| InvalidRingError::Json)?;
        if stored.golive_key_ring != VERSION {
            return Err(InvalidRingError::Version { version: stored.golive_key_ring });
        }
        let mut names = BTreeSet::new();
        let mut keys = Vec::with_capacity(stored.keys.len());
        for key in stored.keys {
            let key = RingKey::try_from(key)?;
            if !names.insert(key.info.id.clone()) {
                return Err(InvalidRingError::Name { id: key.info.id });
            }
            keys.push(key);
        }
        match keys.iter().filter(|key| key.info.state == KeyState::Active).count() {
            1 => Ok(Self { keys }),
            count => Err(InvalidRingError::ActiveKeys { count }),
        }
    }

    /// The ring with its secrets, for the file that keeps it.
    pub fn to_secret_json(&self) -> SecretString {
        let keys: Vec<StoredKeyRef<'_>> = self.keys.iter().map(RingKey::stored).collect();
        let ring = StoredRingRef { golive_key_ring: VERSION, keys };
        let text = Zeroizing::new(serde_json::to_string_pretty(&ring).expect("plain data"));
        SecretString::from(text.as_str())
    }

    pub(super) fn into_keys(self) -> Vec<RingKey> {
        self.keys
    }

    fn active(&self) -> &RingKey {
        let active = self.keys.iter().find(|key| key.info.state == KeyState::Active);
        active.expect("a ring has one")
    }

    fn end_expired(&mut self, now: DateTime<Utc>) {
        for key in &mut self.keys {
            if matches!(key.info.state, KeyState::Retiring { until } if until <= now) {
                key.revoke();
            }
        }
    }

    /// The names of old keys are kept to tell a revoked one from a foreign one, but not for ever.
    fn forget_oldest(&mut self) {
        let revoked = self.keys.iter().filter(|key| key.info.state == KeyState::Revoked).count();
        let mut surplus = revoked.saturating_sub(MOST_REVOKED);
        self.keys.retain(|key| {
            let forget = surplus > 0 && key.info.state == KeyState::Revoked;
            surplus -= usize::from(forget);
            !forget
        });
    }
}

impl KeyInfo {
    /// Whether a token of it may be accepted at `now`.
    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        match self.state {
            KeyState::Next | KeyState::Active => true,
            KeyState::Retiring { until } => now < until,
            KeyState::Revoked => false,
        }
    }
}

impl RingKey {
    pub(super) fn new(material: SigningKey, state: KeyState, now: DateTime<Utc>) -> Self {
        let (id, algorithm) = (material.id(), material.algorithm());
        let info = KeyInfo { id, algorithm, state, created_at: now.trunc_subsecs(0) };
        Self { info, material: Some(material) }
    }

    fn revoke(&mut self) {
        self.info.state = KeyState::Revoked;
        self.material = None;
    }

    fn stored(&self) -> StoredKeyRef<'_> {
        let (state, until) = match self.info.state {
            KeyState::Next => (StoredState::Next, None),
            KeyState::Active => (StoredState::Active, None),
            KeyState::Retiring { until } => (StoredState::Retiring, Some(until)),
            KeyState::Revoked => (StoredState::Revoked, None),
        };
        StoredKeyRef {
            kid: &self.info.id,
            alg: self.info.algorithm,
            state,
            until,
            created_at: self.info.created_at,
            secret: self.material.as_ref().map(SigningKey::dangerous_expose),
        }
    }
}

impl TryFrom<StoredKey> for RingKey {
    type Error = InvalidRingError;

    fn try_from(stored: StoredKey) -> Result<Self, InvalidRingError> {
        let state = match (stored.state, stored.until) {
            (StoredState::Next, None) => KeyState::Next,
            (StoredState::Active, None) => KeyState::Active,
            (StoredState::Retiring, Some(until)) => KeyState::Retiring { until },
            (StoredState::Revoked, None) => KeyState::Revoked,
            _ => return Err(InvalidRingError::Json),
        };
        let info = KeyInfo { id: stored.kid, algorithm: stored.alg, state, created_at: stored.created_at };
        let material = match (state, stored.secret) {
            // A secret beside a revoked key is not even looked at.
            (KeyState::Revoked, _) => None,
            (_, None) => return Err(InvalidRingError::Json),
            (_, Some(secret)) => {
                let key = SigningKey::parse(stored.alg, secret.expose_secret());
                Some(key.map_err(|source| InvalidRingError::Key { id: info.id.clone(), source })?)
            }
        };
        if material.as_ref().is_some_and(|key| key.id() != info.id) {
            return Err(InvalidRingError::Name { id: info.id });
        }
        Ok(Self { info, material })
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.info)).finish()
    }
}

#[derive(Serialize)]
struct StoredRingRef<'a> {
    golive_key_ring: u32,
    keys: Vec<StoredKeyRef<'a>>,
}

#[derive(Serialize)]
struct StoredKeyRef<'a> {
    kid: &'a str,
    alg: KeyAlgorithm,
    state: StoredState,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRing {
    golive_key_ring: u32,
    keys: Vec<StoredKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    alg: KeyAlgorithm,
    state: StoredState,
    until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    secret: Option<SecretString>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredState {
    Next,
    Active,
    Retiring,
    Revoked,
}

const VERSION: u32 = 1;
const MOST_REVOKED: usize = 16;
const LONGEST_OVERLAP: Duration = Duration::from_secs(366 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn an_overlap_retires_and_an_immediate_cut_revokes_everything() {
        let mut ring = KeyRing::generate(KeyAlgorithm::Hs256, at(0));
        let first = ring.active_id().to_owned();
        let staged = ring.stage(KeyAlgorithm::EdDsa, at(1));
        let rotated = ring.rotate(Cutover::Overlap(Duration::from_secs(100)), at(2));
        assert_eq!((rotated.active, rotated.previous), (staged.id.clone(), first.clone()));
        assert_eq!(rotated.previous_until, Some(at(102)));
        let usable = |ring: &KeyRing, now| ring.keys().iter().filter(|key| key.is_usable(now)).count();
        assert_eq!((usable(&ring, at(101)), usable(&ring, at(102))), (2, 1));
        ring.stage(KeyAlgorithm::Es256, at(3));
        let cut = ring.rotate(Cutover::Immediate, at(4));
        assert_eq!(usable(&ring, at(4)), 1, "the staged key may have leaked as well: {ring:?}");
        assert_ne!(cut.active, staged.id);
        let text = ring.to_secret_json();
        assert_eq!(text.expose_secret().matches("secret").count(), 1, "secrets of revoked keys are wiped");
        assert_eq!(KeyRing::from_secret_json(text.expose_secret()).unwrap().keys(), ring.keys());
    }

    #[test]
    fn the_active_key_cannot_be_revoked_and_an_unknown_one_is_told() {
        let mut ring = KeyRing::generate(KeyAlgorithm::EdDsa, at(0));
        let active = ring.active_id().to_owned();
        assert!(matches!(ring.revoke(&active), Err(RevokeKeyError::Active { .. })));
        assert!(matches!(ring.revoke("nobody"), Err(RevokeKeyError::Unknown { .. })));
        let staged = ring.stage(KeyAlgorithm::EdDsa, at(1)).id;
        ring.revoke(&staged).unwrap();
        assert_eq!(ring.jwks(at(1))["keys"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn old_names_are_forgotten_in_the_end() {
        let mut ring = KeyRing::generate(KeyAlgorithm::Hs256, at(0));
        for i in 0..40 {
            ring.rotate(Cutover::Immediate, at(i));
        }
        assert_eq!(ring.keys().len(), MOST_REVOKED + 1);
    }

    #[test]
    fn a_ring_is_good_as_a_whole_or_not_at_all() {
        let good = KeyRing::generate(KeyAlgorithm::Hs256, at(0)).to_secret_json();
        let good = good.expose_secret();
        let refused = |text: &str| KeyRing::from_secret_json(text).unwrap_err();
        assert!(matches!(refused("{}"), InvalidRingError::Json));
        assert!(matches!(
            refused(&good.replace("ring\": 1", "ring\": 2")),
            InvalidRingError::Version { version: 2 }
        ));
        assert!(matches!(
            refused(&good.replace("\"active\"", "\"next\"")),
            InvalidRingError::ActiveKeys { count: 0 }
        ));
        assert!(matches!(refused(&good.replace("HS256", "ES256")), InvalidRingError::Key { .. }));
        assert!(matches!(
            refused(&good.replace("\"kid\": \"", "\"kid\": \"x")),
            InvalidRingError::Name { .. }
        ));
        assert!(matches!(refused(&good.replace("\"active\"", "\"retiring\"")), InvalidRingError::Json));
        let error = refused(&good.replace("\"secret\": \"", "\"secret\": \"short\", \"x\": \""));
        assert!(matches!(error, InvalidRingError::Json), "unknown members are not passed over");
    }

    #[test]
    fn debug_shows_no_secret() {
        let ring = KeyRing::generate(KeyAlgorithm::EdDsa, at(0));
        let secret = ring.active().material.as_ref().unwrap().dangerous_expose().to_owned();
        assert!(!format!("{ring:?}").contains(&secret));
    }
}
