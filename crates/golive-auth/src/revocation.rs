//! What it takes to revoke tokens, and the same in memory for tests and single processes. Redis is behind the feature
//! `redis`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// What a store needs to know of a verified token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenFacts {
    /// The token's `jti`.
    pub token_id: String,
    /// The session (refresh family) that it belongs to.
    pub session: String,
    /// The user.
    pub user: String,
    /// The tenant, if the user has one.
    pub tenant: Option<String>,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
}

impl TokenFacts {
    /// The facts of a token of a user without tenant.
    pub fn new(
        token_id: impl Into<String>,
        session: impl Into<String>,
        user: impl Into<String>,
        issued_at: DateTime<Utc>,
    ) -> Self {
        Self {
            token_id: token_id.into(),
            session: session.into(),
            user: user.into(),
            tenant: None,
            issued_at,
        }
    }
}

/// The store cannot be asked. The request is refused with 503, never served and never 401.
#[derive(Debug, thiserror::Error)]
#[error("ask the {store} store")]
#[non_exhaustive]
pub struct StoreUnavailable {
    /// Which store: `revocation` or `refresh token`.
    pub store: &'static str,
    /// Why not.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreUnavailable {
    /// The named store cannot be asked because of `source`.
    pub fn new(store: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { store, source: source.into() }
    }
}

/// Revoked tokens, sessions, users, tenants. Every method fails rather than guess.
#[async_trait]
pub trait Revocation: std::fmt::Debug + Send + Sync {
    /// Whether the token must be refused.
    async fn is_revoked(&self, token: &TokenFacts, now: DateTime<Utc>) -> Result<bool, StoreUnavailable>;
    /// Revokes one token for `ttl`, its remaining life and a margin.
    async fn revoke_token(&self, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable>;
    /// Revokes a session with all its tokens for `ttl`.
    async fn revoke_session(&self, session: &str, ttl: Duration) -> Result<(), StoreUnavailable>;
    /// Revokes everything of a user issued before `instant`.
    async fn revoke_user_before(&self, user: &str, instant: DateTime<Utc>) -> Result<(), StoreUnavailable>;
    /// Revokes everything of a tenant issued before `instant`.
    async fn revoke_tenant_before(
        &self,
        tenant: &str,
        instant: DateTime<Utc>,
    ) -> Result<(), StoreUnavailable>;
    /// Revokes everything issued before `instant`.
    async fn revoke_all_before(&self, instant: DateTime<Utc>) -> Result<(), StoreUnavailable>;
}

/// Revocations of this process only: forgotten when it ends, unknown to other instances. For tests and for a demo on
/// one machine; production uses Redis.
#[derive(Debug, Default)]
pub struct MemoryRevocation {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Tokens and sessions with the time until which they stay revoked.
    ended: HashMap<String, Instant>,
    cutoffs: HashMap<String, DateTime<Utc>>,
}

impl MemoryRevocation {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, key: String, ttl: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        state.ended.retain(|_, until| *until > now);
        state.ended.insert(key, now + ttl);
    }

    fn raise(&self, key: String, instant: DateTime<Utc>) {
        let mut state = self.lock();
        let cutoff = state.cutoffs.entry(key).or_insert(instant);
        *cutoff = instant.max(*cutoff);
    }
}

#[async_trait]
impl Revocation for MemoryRevocation {
    async fn is_revoked(&self, token: &TokenFacts, _now: DateTime<Utc>) -> Result<bool, StoreUnavailable> {
        let now = Instant::now();
        let state = self.lock();
        let ended = |key: String| state.ended.get(&key).is_some_and(|until| *until > now);
        let cut = |key: String| state.cutoffs.get(&key).is_some_and(|cutoff| token.issued_at < *cutoff);
        Ok(ended(format!("token:{}", token.token_id))
            || ended(format!("session:{}", token.session))
            || cut("all".to_owned())
            || cut(format!("user:{}", token.user))
            || token.tenant.as_ref().is_some_and(|tenant| cut(format!("tenant:{tenant}"))))
    }

    async fn revoke_token(&self, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        self.end(format!("token:{token_id}"), ttl);
        Ok(())
    }

    async fn revoke_session(&self, session: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        self.end(format!("session:{session}"), ttl);
        Ok(())
    }

    async fn revoke_user_before(&self, user: &str, instant: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        self.raise(format!("user:{user}"), instant);
        Ok(())
    }

    async fn revoke_tenant_before(
        &self,
        tenant: &str,
        instant: DateTime<Utc>,
    ) -> Result<(), StoreUnavailable> {
        self.raise(format!("tenant:{tenant}"), instant);
        Ok(())
    }

    async fn revoke_all_before(&self, instant: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        self.raise("all".to_owned(), instant);
        Ok(())
    }
}
