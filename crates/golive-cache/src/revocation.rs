//! Revoked tokens, sessions, users, tenants, or everything. Fails closed: no answer is an error, never "not revoked".
//! Tokens themselves are not known here, only their facts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::types::{ClusterHash, Value};

use crate::connection::{Cache, CommandError};
use crate::script::Script;

/// Revocations in Redis, shared by all instances.
///
/// A marker key tells a store that has kept its memory from one that lost it (flushed, restarted without persistence):
/// when it is missing, everything issued before that moment counts as revoked, so that a revocation is never
/// forgotten; people log in again. Call [`RevocationStore::prepare`] when the service starts.
///
/// What the server itself may lose: with `appendfsync everysec` a crash forgets the last second of revocations, with
/// `always` none. [`check`](crate::check()) tells whether it keeps anything at all.
#[derive(Clone, Debug)]
pub struct RevocationStore {
    cache: Cache,
    cutoff_lifetime: Duration,
    scripts: Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    raise: Script,
    prepare: Script,
}

/// What a check needs to know of a token that verified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenFacts {
    /// The token's own identifier. Never a hash of the token: signatures can be rewritten.
    pub token_id: String,
    /// The session (refresh family) that it belongs to.
    pub session: Option<String>,
    /// The user.
    pub user: String,
    /// The tenant, if the user has one.
    pub tenant: Option<String>,
    /// When it was issued, to the millisecond.
    pub issued_at: DateTime<Utc>,
}

impl TokenFacts {
    /// The facts of a token without session and tenant.
    pub fn new(token_id: impl Into<String>, user: impl Into<String>, issued_at: DateTime<Utc>) -> Self {
        Self { token_id: token_id.into(), session: None, user: user.into(), tenant: None, issued_at }
    }
}

/// Whether a token may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// Not revoked.
    Active,
    /// This one token is revoked.
    TokenRevoked,
    /// Its session was ended.
    SessionRevoked,
    /// Everything of the user issued before some time is revoked.
    UserRevoked,
    /// Everything of the tenant issued before some time is revoked.
    TenantRevoked,
    /// Everything issued before some time is revoked.
    AllRevoked,
}

impl RevocationStatus {
    /// Whether the token must be refused.
    pub fn is_revoked(self) -> bool {
        self != Self::Active
    }
}

impl RevocationStore {
    /// A store on this connection. Cutoffs ("before T") are kept 31 days; see
    /// [`RevocationStore::with_cutoff_lifetime`].
    pub fn new(cache: Cache) -> Self {
        Self {
            cache,
            cutoff_lifetime: Duration::from_secs(31 * 24 * 3600),
            scripts: Arc::new(Scripts { raise: Script::new(RAISE), prepare: Script::new(PREPARE) }),
        }
    }

    /// How long cutoffs are kept: at least the longest life of any token, refresh tokens included.
    #[must_use]
    pub fn with_cutoff_lifetime(mut self, lifetime: Duration) -> Self {
        self.cutoff_lifetime = lifetime;
        self
    }

    /// Marks the store as in use. If it was empty, everything issued before `now` is revoked, because revocations may
    /// have been lost with it. Returns whether it was empty.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn prepare(&self, now: DateTime<Utc>) -> Result<bool, CommandError> {
        let (marker, all) = (self.key("marker"), self.key("all"));
        let arguments = [Value::from(now.timestamp_millis()), self.cutoff_milliseconds()];
        let fresh: i64 = self.scripts.prepare.run(&self.cache, &[&marker, &all], &arguments).await?;
        if fresh == 1 {
            tracing::warn!("revocation store was empty: tokens issued before now are refused");
        }
        Ok(fresh == 1)
    }

    /// Asks in one round trip whether the token, its session, user or tenant, or everything is revoked.
    ///
    /// # Errors
    /// When Redis does not answer in time. The caller refuses the request, with 503 and not with 401: the token may be
    /// good.
    pub async fn status(
        &self,
        token: &TokenFacts,
        now: DateTime<Utc>,
    ) -> Result<RevocationStatus, CommandError> {
        valid("token identifier", &token.token_id)?;
        let none = self.key("none");
        let keys = [
            self.key("marker"),
            self.key("all"),
            self.key(&format!("user:{}", token.user)),
            token.tenant.as_ref().map_or_else(|| none.clone(), |t| self.key(&format!("tenant:{t}"))),
            token.session.as_ref().map_or_else(|| none.clone(), |s| self.key(&format!("session:{s}"))),
            self.key(&format!("token:{}", token.token_id)),
        ];
        let arguments = keys.iter().map(|key| Value::from(key.as_str())).collect();
        let values: Vec<Option<String>> = self.cache.run("MGET", ClusterHash::FirstKey, arguments).await?;
        let [marker, all, user, tenant, session, own] =
            <[Option<String>; 6]>::try_from(values).map_err(|_| CommandError::Shape { command: "MGET" })?;
        if marker.is_none() {
            self.prepare(now).await?;
            return Ok(RevocationStatus::AllRevoked);
        }
        let issued = token.issued_at.timestamp_millis();
        Ok(if before(issued, all.as_deref())? {
            RevocationStatus::AllRevoked
        } else if before(issued, tenant.as_deref())? {
            RevocationStatus::TenantRevoked
        } else if before(issued, user.as_deref())? {
            RevocationStatus::UserRevoked
        } else if session.is_some() {
            RevocationStatus::SessionRevoked
        } else if own.is_some() {
            RevocationStatus::TokenRevoked
        } else {
            RevocationStatus::Active
        })
    }

    /// [`RevocationStore::status`] as yes or no.
    ///
    /// # Errors
    /// As [`RevocationStore::status`].
    pub async fn is_revoked(&self, token: &TokenFacts, now: DateTime<Utc>) -> Result<bool, CommandError> {
        Ok(self.status(token, now).await?.is_revoked())
    }

    /// Revokes one token for `ttl`: its remaining life plus the verifier's leeway and a margin for clock skew. Answered
    /// only when Redis has it.
    ///
    /// # Errors
    /// When Redis does not confirm in time; then the token is *not* known to be revoked.
    pub async fn revoke_token(&self, token_id: &str, ttl: Duration) -> Result<(), CommandError> {
        valid("token identifier", token_id)?;
        self.set(self.key(&format!("token:{token_id}")), ttl).await
    }

    /// Revokes a session with all its access and refresh tokens for `ttl`, the longest remaining life among them.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_session(&self, session: &str, ttl: Duration) -> Result<(), CommandError> {
        valid("session identifier", session)?;
        self.set(self.key(&format!("session:{session}")), ttl).await
    }

    /// Revokes everything of a user issued before `instant`: password change, deactivation, role change.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_user_before(&self, user: &str, instant: DateTime<Utc>) -> Result<(), CommandError> {
        valid("user", user)?;
        self.raise(self.key(&format!("user:{user}")), instant).await
    }

    /// Revokes everything of a tenant issued before `instant`.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_tenant_before(
        &self,
        tenant: &str,
        instant: DateTime<Utc>,
    ) -> Result<(), CommandError> {
        valid("tenant", tenant)?;
        self.raise(self.key(&format!("tenant:{tenant}")), instant).await
    }

    /// Revokes everything issued before `instant`.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_all_before(&self, instant: DateTime<Utc>) -> Result<(), CommandError> {
        self.raise(self.key("all"), instant).await
    }

    /// One hash tag for all, so that a check is one command on a cluster as well.
    fn key(&self, rest: &str) -> String {
        self.cache.key(&format!("{{revoked}}:{rest}"))
    }

    fn cutoff_milliseconds(&self) -> Value {
        Value::from(i64::try_from(self.cutoff_lifetime.as_millis()).unwrap_or(i64::MAX / 2).max(1))
    }

    async fn set(&self, key: String, ttl: Duration) -> Result<(), CommandError> {
        let milliseconds = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 2);
        if milliseconds == 0 {
            return Ok(()); // it has expired already
        }
        let arguments =
            vec![Value::from(key), Value::from("1"), Value::from("PX"), Value::from(milliseconds)];
        let _ok: Value = self.cache.run("SET", ClusterHash::FirstKey, arguments).await?;
        Ok(())
    }

    async fn raise(&self, key: String, instant: DateTime<Utc>) -> Result<(), CommandError> {
        let arguments = [Value::from(instant.timestamp_millis()), self.cutoff_milliseconds()];
        let _cutoff: i64 = self.scripts.raise.run(&self.cache, &[&key], &arguments).await?;
        Ok(())
    }
}

fn before(issued_milliseconds: i64, cutoff: Option<&str>) -> Result<bool, CommandError> {
    match cutoff {
        None => Ok(false),
        Some(text) => {
            let cutoff: i64 = text.parse().map_err(|_| CommandError::Shape { command: "MGET" })?;
            Ok(issued_milliseconds < cutoff)
        }
    }
}

fn valid(what: &'static str, value: &str) -> Result<(), CommandError> {
    if value.is_empty() || value.len() > 256 || value.chars().any(char::is_control) {
        return Err(CommandError::InvalidKey { what, rule: "1 to 256 bytes without control characters" });
    }
    Ok(())
}

/// A cutoff only ever moves forward, whatever order two instances write in.
const RAISE: &str = "
local old = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > old then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1";

/// The cutoff is written before the marker, so that a half-done run repeats itself.
const PREPARE: &str = "
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local old = tonumber(redis.call('GET', KEYS[2]) or '0')
if tonumber(ARGV[1]) > old then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end
redis.call('SET', KEYS[1], ARGV[1])
return 1";
