//! Revoked tokens, sessions, users, tenants, or everything. Fails closed: no answer is an error, never "not revoked".
//! Tokens themselves are not known here, only their facts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fred::types::{ClusterHash, Value};
use rand::RngExt;

use crate::batch::Batches;
use crate::command::CommandError;
use crate::connection::Cache;
use crate::entry::{Entry, Naming, Settings, milliseconds};
use crate::filling::Filling;
use crate::journal::{Revocation, RevocationJournal};
use crate::known::Known;
use crate::revocation_check::{Answers, MOST_KEYS};
use crate::script::Script;
use crate::tracked::Tracked;

/// Revocations in Redis, shared by all instances. Cheap to clone.
///
/// Redis can lose its memory: flushed, restarted, failed over to a replica that had not received the last writes. What
/// happens then:
///
/// - With a journal ([`RevocationStore::with_journal`]) every check is [`CommandError::Cold`] until the journal's
///   revocations are in Redis again, which takes milliseconds and needs no call. A marker read with every check tells:
///   it names the filling and the server's own history, and a connection made anew is not trusted before it was compared.
/// - Without one, an emptied store means that everything issued before is revoked, so that a revocation is never
///   forgotten: people log in again. Call [`RevocationStore::prepare`] when the service starts. What a failover or a
///   crash cuts off the end (with `appendfsync everysec` the last second) is lost.
///
/// What an instance itself revoked it refuses in any case, whatever Redis says later.
#[derive(Clone, Debug)]
pub struct RevocationStore {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) cache: Cache,
    pub(crate) names: Naming,
    pub(crate) filling: Option<Filling>,
    pub(crate) known: Known,
    /// What Redis said and would take back; `None` where it does not tell of changes.
    pub(crate) tracked: Option<Tracked>,
    pub(crate) checks: Batches<Value, Answers>,
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

/// How far a revocation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Whether the journal has it.
    pub journaled: bool,
    /// Whether Redis has it, so that all instances refuse from now on. Otherwise this instance does, and goes on
    /// writing the journal to Redis until it is there.
    pub propagated: bool,
}

impl RevocationStore {
    /// A store on this connection. Cutoffs ("before T") are kept 31 days, and a revocation outlives its token by
    /// 90 seconds; see [`RevocationStore::with_cutoff_lifetime`] and [`RevocationStore::with_margin`].
    pub fn new(cache: Cache) -> Self {
        let settings = Settings {
            cutoff_lifetime: Duration::from_secs(31 * 24 * 3600),
            margin: Duration::from_secs(60 + 30), // a verifier's usual leeway, and clocks that differ
            max_staleness: Duration::ZERO,
        };
        Self::with(cache, settings, None)
    }

    fn with(cache: Cache, settings: Settings, filling: Option<Filling>) -> Self {
        let (raise, prepare) = (Script::new(RAISE), Script::new(PREPARE));
        let names = Naming::new(cache.key("{revoked}:"), settings);
        let inner = Inner {
            tracked: cache.tells_of_changes().then(|| Tracked::new(&cache)),
            cache,
            names,
            known: Known::default(),
            filling,
            checks: Batches::new(MOST_KEYS),
            raise,
            prepare,
        };
        Self { inner: Arc::new(inner) }
    }

    /// How long cutoffs are kept: at least the longest life of any token, refresh tokens included.
    #[must_use]
    pub fn with_cutoff_lifetime(self, lifetime: Duration) -> Self {
        let settings = Settings { cutoff_lifetime: lifetime, ..self.inner.names.settings };
        self.with_settings(settings)
    }

    /// By how much a revocation outlives its token: the verifier's leeway and what clocks may differ by.
    #[must_use]
    pub fn with_margin(self, margin: Duration) -> Self {
        let settings = Settings { margin, ..self.inner.names.settings };
        self.with_settings(settings)
    }

    /// How old the last answer of Redis may be for a check that it would only confirm. Default zero: each check is
    /// confirmed, in a round trip that it shares with those asked at the same moment. With more, a token that was
    /// revoked elsewhere may be accepted for so long, though no longer than the news of it takes while Redis is in reach.
    /// Needs [`CacheOptions::client_tracking`](crate::CacheOptions::client_tracking), and does nothing without it.
    #[must_use]
    pub fn with_max_staleness(self, max_staleness: Duration) -> Self {
        let settings = Settings { max_staleness, ..self.inner.names.settings };
        self.with_settings(settings)
    }

    fn with_settings(self, settings: Settings) -> Self {
        let journal = self.inner.filling.as_ref().map(|filling| (filling.journal(), filling.clock()));
        let store = Self::with(self.inner.cache.clone(), settings, None);
        match journal {
            Some((journal, clock)) => store.with_journal(journal, clock),
            None => store,
        }
    }

    /// With a journal as the truth. `clock` tells the time for filling Redis from it. From now on Redis is filled when
    /// it is found to have lost something; until it is, checks are [`CommandError::Cold`].
    #[must_use]
    pub fn with_journal(self, journal: Arc<dyn RevocationJournal>, clock: fn() -> DateTime<Utc>) -> Self {
        let filling = Filling::new(journal, clock);
        let store = Self::with(self.inner.cache.clone(), self.inner.names.settings, Some(filling));
        crate::filling::keep_filled(&store.inner);
        store
    }

    /// Opens the store when the service starts. Returns whether it was empty. With a journal it is filled from it;
    /// without, an empty store means that everything issued before `now` is revoked, because revocations may have been
    /// lost with it.
    ///
    /// # Errors
    /// When Redis or the journal does not answer.
    pub async fn prepare(&self, now: DateTime<Utc>) -> Result<bool, CommandError> {
        if let Some(filling) = &self.inner.filling {
            return filling.ensure_patiently(&self.inner).await;
        }
        let names = &self.inner.names;
        let cutoff = now.timestamp_millis();
        // What was remembered of a store that was emptied must not pass for what is true of this one.
        let marker = format!("{cutoff}-{:032x}", rand::rng().random::<u128>());
        let lifetime = Value::from(milliseconds(names.settings.cutoff_lifetime));
        let arguments = [Value::from(cutoff), lifetime, Value::from(marker)];
        let keys = [names.marker.as_str(), &names.everything];
        let fresh: i64 = self.inner.prepare.run(&self.inner.cache, &keys, &arguments).await?;
        if fresh == 1 {
            tracing::warn!("revocation store was empty: tokens issued before now are refused");
        }
        Ok(fresh == 1)
    }

    /// Revokes, in this order: for this instance, in the journal, in Redis.
    ///
    /// # Errors
    /// When the journal does not confirm, or there is none and Redis does not. Then nothing is *known* to be revoked,
    /// though this instance refuses it from now on. With a journal, a Redis that is away is not an error but
    /// [`Receipt::propagated`].
    pub async fn revoke(&self, revocation: &Revocation, now: DateTime<Utc>) -> Result<Receipt, CommandError> {
        let entry = self.inner.names.entry(revocation, now)?;
        self.inner.known.add(&entry);
        let Some(filling) = &self.inner.filling else {
            self.inner.write(&entry).await?;
            return Ok(Receipt { journaled: false, propagated: true });
        };
        let keep_until = after(now, entry.ttl);
        filling.journal().append(revocation, keep_until).await.map_err(CommandError::journal)?;
        let written = self.inner.write(&entry).await;
        if let Err(error) = &written {
            tracing::warn!(%error, "a revocation is in the journal and not yet in Redis");
            filling.fall_behind();
        }
        Ok(Receipt { journaled: true, propagated: written.is_ok() })
    }

    /// Revokes one token that expires after `remaining`. Answered only when all instances refuse it.
    ///
    /// # Errors
    /// When Redis does not confirm in time; then the token is *not* known to be revoked everywhere.
    pub async fn revoke_token(&self, token_id: &str, remaining: Duration) -> Result<(), CommandError> {
        let entry = self.inner.names.token_entry(token_id, remaining)?;
        let of = |expires_at| Revocation::Token { token_id: token_id.to_owned(), expires_at };
        self.revoke_for(entry, remaining, of).await
    }

    /// Revokes a session with all its access and refresh tokens, of which the last expires after `remaining`.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_session(&self, session: &str, remaining: Duration) -> Result<(), CommandError> {
        let entry = self.inner.names.session_entry(session, remaining)?;
        let of = |expires_at| Revocation::Session { session: session.to_owned(), expires_at };
        self.revoke_for(entry, remaining, of).await
    }

    /// Revokes everything of a user issued before `instant`: password change, deactivation, role change.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_user_before(&self, user: &str, instant: DateTime<Utc>) -> Result<(), CommandError> {
        self.revoke_before(Revocation::User { user: user.to_owned(), not_before: instant }, instant).await
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
        self.revoke_before(Revocation::Tenant { tenant: tenant.to_owned(), not_before: instant }, instant)
            .await
    }

    /// Revokes everything issued before `instant`.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_all_before(&self, instant: DateTime<Utc>) -> Result<(), CommandError> {
        self.revoke_before(Revocation::All { not_before: instant }, instant).await
    }

    async fn revoke_for(
        &self,
        entry: Entry,
        remaining: Duration,
        of: impl FnOnce(DateTime<Utc>) -> Revocation,
    ) -> Result<(), CommandError> {
        let Some(filling) = &self.inner.filling else {
            self.inner.known.add(&entry);
            return self.inner.write(&entry).await;
        };
        let now = (filling.clock())();
        let expires_at = after(now, remaining);
        everywhere(self.revoke(&of(expires_at), now).await?)
    }

    async fn revoke_before(
        &self,
        revocation: Revocation,
        instant: DateTime<Utc>,
    ) -> Result<(), CommandError> {
        let now = self.inner.filling.as_ref().map_or(instant, |filling| (filling.clock())());
        everywhere(self.revoke(&revocation, now).await?)
    }
}

/// What is too far away is the end of time.
fn after(now: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let duration = TimeDelta::from_std(duration).ok();
    duration.and_then(|duration| now.checked_add_signed(duration)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn everywhere(receipt: Receipt) -> Result<(), CommandError> {
    if receipt.propagated { Ok(()) } else { Err(CommandError::Unavailable) }
}

impl Inner {
    async fn write(&self, entry: &Entry) -> Result<(), CommandError> {
        let ttl = Value::from(milliseconds(entry.ttl));
        match entry.cutoff {
            Some(cutoff) => {
                let arguments = [Value::from(cutoff), ttl];
                let _raised: i64 = self.raise.run(&self.cache, &[&entry.key], &arguments).await?;
            }
            None => {
                let key = Value::from(entry.key.as_str());
                let arguments = vec![key, Value::from("1"), Value::from("PX"), ttl];
                let _ok: Value = self.cache.run("SET", ClusterHash::FirstKey, arguments).await?;
            }
        }
        self.cache.settled().await;
        Ok(())
    }
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
redis.call('SET', KEYS[1], ARGV[3])
return 1";
