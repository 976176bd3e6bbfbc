//! Which refresh token of a session is current: the store's contract, and the same in memory. Signing is elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::revocation::StoreUnavailable;

/// A refresh token presented, and what shall replace it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RotationRequest<'a> {
    /// The family (session).
    pub family: &'a str,
    /// The `jti` presented.
    pub presented: &'a str,
    /// The `jti` that replaces it, if it is current.
    pub successor: &'a str,
    /// Now.
    pub now: DateTime<Utc>,
    /// How long after a rotation the same old token is answered with the same successor.
    pub grace: Duration,
    /// How long the family is kept from now on.
    pub ttl: Duration,
}

/// What became of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// The presented token was current; the successor is now.
    Rotated,
    /// Another request rotated it a moment ago: hand out the same successor.
    Replayed {
        /// The successor's `jti`.
        successor: String,
        /// When it was issued.
        issued_at: DateTime<Utc>,
    },
    /// An old token was presented: somebody has a copy. The store has ended the family.
    Reused,
    /// No such family.
    Unknown,
}

/// Keeps the current refresh token of each family. `rotate` is atomic: two at once have one winner.
#[async_trait]
pub trait RefreshStore: std::fmt::Debug + Send + Sync {
    /// Starts a family.
    async fn start(&self, family: &str, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable>;
    /// Replaces the presented token if it is the current one.
    async fn rotate(&self, request: &RotationRequest<'_>) -> Result<Rotation, StoreUnavailable>;
    /// Ends a family.
    async fn end(&self, family: &str) -> Result<(), StoreUnavailable>;
}

/// Families of this process only. For tests and for a demo on one machine; production uses Redis.
#[derive(Debug, Default)]
pub struct MemoryRefreshStore {
    families: Mutex<HashMap<String, Family>>,
}

#[derive(Debug)]
struct Family {
    /// None: ended.
    current: Option<String>,
    previous: Option<(String, DateTime<Utc>)>,
    until: Instant,
}

impl MemoryRefreshStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RefreshStore for MemoryRefreshStore {
    async fn start(&self, family: &str, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        let now = Instant::now();
        let mut families = self.lock();
        families.retain(|_, family| family.until > now);
        let started = Family { current: Some(token_id.to_owned()), previous: None, until: now + ttl };
        families.insert(family.to_owned(), started);
        Ok(())
    }

    async fn rotate(&self, request: &RotationRequest<'_>) -> Result<Rotation, StoreUnavailable> {
        let now = Instant::now();
        let mut families = self.lock();
        let Some(family) = families.get_mut(request.family).filter(|family| family.until > now) else {
            return Ok(Rotation::Unknown);
        };
        if family.current.as_deref() == Some(request.presented) {
            family.current = Some(request.successor.to_owned());
            family.previous = Some((request.presented.to_owned(), request.now));
            family.until = now + request.ttl;
            return Ok(Rotation::Rotated);
        }
        if let (Some(current), Some((previous, rotated_at))) = (&family.current, &family.previous)
            && previous == request.presented
            && (request.now - rotated_at).to_std().unwrap_or_default() <= request.grace
        {
            return Ok(Rotation::Replayed { successor: current.clone(), issued_at: *rotated_at });
        }
        family.current = None;
        Ok(Rotation::Reused)
    }

    async fn end(&self, family: &str) -> Result<(), StoreUnavailable> {
        self.lock().remove(family);
        Ok(())
    }
}
