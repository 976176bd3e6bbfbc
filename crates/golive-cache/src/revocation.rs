//! Revoked tokens, sessions, users, tenants, or everything. Fails closed: no answer is an error, never "not revoked".
//! Tokens themselves are not known here, only their facts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fred::types::{ClusterHash, Value};

use crate::batch::Batches;
use crate::command::CommandError;
use crate::connection::Cache;
use crate::filling::Filling;
use crate::journal::{Revocation, RevocationJournal};
use crate::known::Known;
use crate::script::Script;

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
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) cache: Cache,
    pub(crate) settings: Settings,
    pub(crate) filling: Option<Filling>,
    known: Known,
    checks: Batches<Value, Answers>,
    /// What every key begins with: one hash tag for all, so that a check is one command on a cluster as well.
    prefix: String,
    /// The key of the cutoff for everything.
    everything: String,
    raise: Script,
    prepare: Script,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long cutoffs are kept.
    pub(crate) cutoff_lifetime: Duration,
    /// What a revocation outlives its token by.
    pub(crate) margin: Duration,
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
        };
        Self::with(cache, settings, None)
    }

    fn with(cache: Cache, settings: Settings, filling: Option<Filling>) -> Self {
        let (raise, prepare) = (Script::new(RAISE), Script::new(PREPARE));
        let prefix = cache.key("{revoked}:");
        let inner = Inner {
            cache,
            settings,
            known: Known::default(),
            filling,
            checks: Batches::new(MOST_KEYS),
            everything: format!("{prefix}all"),
            prefix,
            raise,
            prepare,
        };
        Self { inner: Arc::new(inner) }
    }

    /// How long cutoffs are kept: at least the longest life of any token, refresh tokens included.
    #[must_use]
    pub fn with_cutoff_lifetime(self, lifetime: Duration) -> Self {
        let settings = Settings { cutoff_lifetime: lifetime, ..self.inner.settings };
        self.with_settings(settings)
    }

    /// By how much a revocation outlives its token: the verifier's leeway and what clocks may differ by.
    #[must_use]
    pub fn with_margin(self, margin: Duration) -> Self {
        let settings = Settings { margin, ..self.inner.settings };
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
        let store = Self::with(self.inner.cache.clone(), self.inner.settings, Some(filling));
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
        let (marker, all) = (self.inner.key("marker"), self.inner.key("all"));
        let arguments = [Value::from(now.timestamp_millis()), self.inner.cutoff_milliseconds()];
        let fresh: i64 = self.inner.prepare.run(&self.inner.cache, &[&marker, &all], &arguments).await?;
        if fresh == 1 {
            tracing::warn!("revocation store was empty: tokens issued before now are refused");
        }
        Ok(fresh == 1)
    }

    /// Asks whether the token, its session, user or tenant, or everything is revoked, and whether the store can be
    /// trusted: one round trip, shared with whoever asks at the same moment.
    ///
    /// # Errors
    /// When Redis does not answer in time or has lost its memory. The caller refuses the request, with 503 and not with
    /// 401: the token may be good. See [`CommandError::http_status`].
    pub async fn status(
        &self,
        token: &TokenFacts,
        now: DateTime<Utc>,
    ) -> Result<RevocationStatus, CommandError> {
        let keys = self.inner.keys(token)?;
        let issued = token.issued_at.timestamp_millis();
        if let Some(status) = self.inner.known.status(&self.inner.everything, &keys, issued) {
            return Ok(status);
        }
        self.inner.cache.admitted()?;
        let (has_session, has_tenant) = (keys.session.is_some(), keys.tenant.is_some());
        let store = self.clone();
        let place =
            self.inner.checks.join(keys.asked(), move |keys| async move { store.ask(keys, now).await });
        let answers = match place.answer().await? {
            Answers::Emptied => return Ok(RevocationStatus::AllRevoked),
            Answers::Values(values) => values,
        };
        // Everything, then as `Keys::asked` has them.
        let mut own = answers[1 + place.start..].iter();
        let mut next = |is_asked: bool| if is_asked { own.next() } else { None };
        let (token, user, session, tenant) = (next(true), next(true), next(has_session), next(has_tenant));
        let is_there = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        Ok(if before(issued, answers.first())? {
            RevocationStatus::AllRevoked
        } else if before(issued, tenant)? {
            RevocationStatus::TenantRevoked
        } else if before(issued, user)? {
            RevocationStatus::UserRevoked
        } else if is_there(session) {
            RevocationStatus::SessionRevoked
        } else if is_there(token) {
            RevocationStatus::TokenRevoked
        } else {
            RevocationStatus::Active
        })
    }

    /// One command for all of them: the marker, everything, and what they ask for.
    async fn ask(self, keys: Vec<Value>, now: DateTime<Utc>) -> Result<Answers, CommandError> {
        let asked = 1 + keys.len();
        let mut arguments = Vec::with_capacity(1 + asked);
        arguments
            .extend([Value::from(self.inner.key("marker")), Value::from(self.inner.everything.as_str())]);
        arguments.extend(keys);
        let mut values: Vec<Value> = self.inner.cache.run("MGET", ClusterHash::FirstKey, arguments).await?;
        if values.len() != 1 + asked {
            return Err(CommandError::Shape { command: "MGET" });
        }
        let marker = values.remove(0);
        match &self.inner.filling {
            Some(filling) => filling.trusts(marker.as_str().as_deref(), self.inner.cache.generation())?,
            None if marker.is_null() => {
                self.prepare(now).await?;
                return Ok(Answers::Emptied);
            }
            None => {}
        }
        Ok(Answers::Values(values))
    }

    /// [`RevocationStore::status`] as yes or no.
    ///
    /// # Errors
    /// As [`RevocationStore::status`].
    pub async fn is_revoked(&self, token: &TokenFacts, now: DateTime<Utc>) -> Result<bool, CommandError> {
        Ok(self.status(token, now).await?.is_revoked())
    }

    /// Revokes, in this order: for this instance, in the journal, in Redis.
    ///
    /// # Errors
    /// When the journal does not confirm, or there is none and Redis does not. Then nothing is *known* to be revoked,
    /// though this instance refuses it from now on. With a journal, a Redis that is away is not an error but
    /// [`Receipt::propagated`].
    pub async fn revoke(&self, revocation: &Revocation, now: DateTime<Utc>) -> Result<Receipt, CommandError> {
        let entry = self.inner.entry(revocation, now)?;
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
        let entry = self.inner.token_entry(token_id, remaining)?;
        let of = |expires_at| Revocation::Token { token_id: token_id.to_owned(), expires_at };
        self.revoke_for(entry, remaining, of).await
    }

    /// Revokes a session with all its access and refresh tokens, of which the last expires after `remaining`.
    ///
    /// # Errors
    /// As [`RevocationStore::revoke_token`].
    pub async fn revoke_session(&self, session: &str, remaining: Duration) -> Result<(), CommandError> {
        let entry = self.inner.session_entry(session, remaining)?;
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

/// A revocation as Redis holds it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) ttl: Duration,
    /// Milliseconds of the cutoff; `None` for a token or session.
    pub(crate) cutoff: Option<i64>,
    pub(crate) status: RevocationStatus,
}

/// Of one command at most, or a few more: some thirty checks. Larger ones let client and server wait for each other.
const MOST_KEYS: usize = 96;

/// What Redis said to a batch of checks.
#[derive(Debug)]
enum Answers {
    /// It had lost everything and there is no journal: whatever was issued before now is revoked.
    Emptied,
    /// The cutoff for everything, and the value of each key asked for.
    Values(Vec<Value>),
}

/// What a check reads of its own.
pub(crate) struct Keys {
    token: String,
    user: String,
    session: Option<String>,
    tenant: Option<String>,
}

impl Keys {
    fn asked(self) -> impl Iterator<Item = Value> {
        [Some(self.token), Some(self.user), self.session, self.tenant].into_iter().flatten().map(Value::from)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let all = [Some(&self.token), Some(&self.user), self.session.as_ref(), self.tenant.as_ref()];
        all.into_iter().flatten().map(String::as_str)
    }
}

impl Inner {
    pub(crate) fn key(&self, rest: &str) -> String {
        self.key_of("", rest)
    }

    fn key_of(&self, kind: &str, name: &str) -> String {
        [self.prefix.as_str(), kind, name].concat()
    }

    fn keys(&self, token: &TokenFacts) -> Result<Keys, CommandError> {
        valid("token identifier", &token.token_id)?;
        valid("user", &token.user)?;
        let optional = |what, kind: &str, value: &Option<String>| match value {
            Some(value) => valid(what, value).map(|()| Some(self.key_of(kind, value))),
            None => Ok(None),
        };
        Ok(Keys {
            token: self.key_of("token:", &token.token_id),
            user: self.key_of("user:", &token.user),
            session: optional("session identifier", "session:", &token.session)?,
            tenant: optional("tenant", "tenant:", &token.tenant)?,
        })
    }

    fn token_entry(&self, token_id: &str, remaining: Duration) -> Result<Entry, CommandError> {
        valid("token identifier", token_id)?;
        let ttl = remaining.saturating_add(self.settings.margin);
        let (key, status) = (self.key_of("token:", token_id), RevocationStatus::TokenRevoked);
        Ok(Entry { key, ttl, cutoff: None, status })
    }

    fn session_entry(&self, session: &str, remaining: Duration) -> Result<Entry, CommandError> {
        valid("session identifier", session)?;
        let ttl = remaining.saturating_add(self.settings.margin);
        let (key, status) = (self.key_of("session:", session), RevocationStatus::SessionRevoked);
        Ok(Entry { key, ttl, cutoff: None, status })
    }

    pub(crate) fn entry(&self, revocation: &Revocation, now: DateTime<Utc>) -> Result<Entry, CommandError> {
        let remaining = |expires_at: &DateTime<Utc>| (*expires_at - now).to_std().unwrap_or_default();
        let cutoff = |key: String, not_before: &DateTime<Utc>, status| Entry {
            key,
            ttl: self.settings.cutoff_lifetime,
            cutoff: Some(not_before.timestamp_millis()),
            status,
        };
        match revocation {
            Revocation::Token { token_id, expires_at } => self.token_entry(token_id, remaining(expires_at)),
            Revocation::Session { session, expires_at } => self.session_entry(session, remaining(expires_at)),
            Revocation::User { user, not_before } => {
                valid("user", user)?;
                Ok(cutoff(self.key_of("user:", user), not_before, RevocationStatus::UserRevoked))
            }
            Revocation::Tenant { tenant, not_before } => {
                valid("tenant", tenant)?;
                let key = self.key_of("tenant:", tenant);
                Ok(cutoff(key, not_before, RevocationStatus::TenantRevoked))
            }
            Revocation::All { not_before } => {
                Ok(cutoff(self.key("all"), not_before, RevocationStatus::AllRevoked))
            }
        }
    }

    fn cutoff_milliseconds(&self) -> Value {
        Value::from(milliseconds(self.settings.cutoff_lifetime))
    }

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

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2).max(1)
}

fn before(issued_milliseconds: i64, cutoff: Option<&Value>) -> Result<bool, CommandError> {
    match cutoff.filter(|value| !value.is_null()) {
        None => Ok(false),
        Some(value) => {
            let cutoff = value.as_str().and_then(|text| text.parse::<i64>().ok());
            Ok(issued_milliseconds < cutoff.ok_or(CommandError::Shape { command: "MGET" })?)
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
