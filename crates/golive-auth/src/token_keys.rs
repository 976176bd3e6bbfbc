//! The keys that sign and verify tokens: one current, others retiring. Each key pins its algorithm. Claims are not known
//! here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey};

use crate::secret_key::SecretKey;

/// A ring of HS256 keys, found by `kid`. Cheap to clone.
#[derive(Clone)]
pub struct TokenKeys {
    ring: Arc<Ring>,
}

struct Ring {
    current_id: String,
    signing: EncodingKey,
    verifying: Vec<VerifyingKey>,
}

struct VerifyingKey {
    id: String,
    key: DecodingKey,
    /// None: for as long as it is in the ring.
    until: Option<DateTime<Utc>>,
}

impl TokenKeys {
    /// Signs and verifies with this key only: every token of another key is refused. This is the rotation of a go-live.
    pub fn new(current: &SecretKey) -> Self {
        Self::with_retiring(current, &[])
    }

    /// Signs with `current`; verifies with the others too, each until its time: the longest life of a token after the
    /// rotation.
    pub fn with_retiring(current: &SecretKey, retiring: &[(&SecretKey, DateTime<Utc>)]) -> Self {
        let verifying = |key: &SecretKey, until| VerifyingKey {
            id: key.fingerprint(),
            key: DecodingKey::from_secret(key.dangerous_expose().as_bytes()),
            until,
        };
        let mut keys = vec![verifying(current, None)];
        keys.extend(retiring.iter().map(|(key, until)| verifying(key, Some(*until))));
        let ring = Ring {
            current_id: current.fingerprint(),
            signing: EncodingKey::from_secret(current.dangerous_expose().as_bytes()),
            verifying: keys,
        };
        Self { ring: Arc::new(ring) }
    }

    /// The `kid` of new tokens: the key's fingerprint.
    pub fn current_id(&self) -> &str {
        &self.ring.current_id
    }

    pub(crate) fn signing(&self) -> &EncodingKey {
        &self.ring.signing
    }

    pub(crate) fn verifying(&self, id: &str, now: DateTime<Utc>) -> Option<&DecodingKey> {
        let found = self.ring.verifying.iter().find(|key| key.id == id)?;
        found.until.is_none_or(|until| now < until).then_some(&found.key)
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.ring.verifying.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("TokenKeys").field("current", &self.ring.current_id).field("all", &ids).finish()
    }
}
