//! The names and shapes of revocations in Redis: what a check reads and what a revocation writes. No I/O here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::types::Value;

use crate::command::CommandError;
use crate::journal::Revocation;
use crate::revocation::{RevocationStatus, TokenFacts};

/// What every key of a store begins with: one hash tag for all, so that a check is one command on a cluster as well.
#[derive(Debug)]
pub(crate) struct Naming {
    prefix: String,
    /// The key of the cutoff for everything.
    pub(crate) everything: String,
    /// The key that tells whether the store can be trusted.
    pub(crate) marker: String,
    pub(crate) settings: Settings,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long cutoffs are kept.
    pub(crate) cutoff_lifetime: Duration,
    /// What a revocation outlives its token by.
    pub(crate) margin: Duration,
    /// How old the proof may be that what is remembered still holds.
    pub(crate) max_staleness: Duration,
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

/// What a check reads of its own.
pub(crate) struct Keys {
    token: String,
    user: String,
    session: Option<String>,
    tenant: Option<String>,
}

/// The number that a key holds, if there is one.
pub(crate) type Held = Option<i64>;

/// What Redis holds of a token, its user, session and tenant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OfToken {
    pub(crate) token: Held,
    pub(crate) user: Held,
    pub(crate) session: Held,
    pub(crate) tenant: Held,
}

impl OfToken {
    /// What that means for a token issued then, with the cutoff for everything.
    pub(crate) fn status(self, everything: Held, issued_milliseconds: i64) -> RevocationStatus {
        let before = |cutoff: Held| cutoff.is_some_and(|cutoff| issued_milliseconds < cutoff);
        if before(everything) {
            RevocationStatus::AllRevoked
        } else if before(self.tenant) {
            RevocationStatus::TenantRevoked
        } else if before(self.user) {
            RevocationStatus::UserRevoked
        } else if self.session.is_some() {
            RevocationStatus::SessionRevoked
        } else if self.token.is_some() {
            RevocationStatus::TokenRevoked
        } else {
            RevocationStatus::Active
        }
    }
}

/// Cutoffs are milliseconds, and a token or session that is revoked holds a 1.
pub(crate) fn held(value: &Value) -> Result<Held, CommandError> {
    if value.is_null() {
        return Ok(None);
    }
    let number = value.as_str().and_then(|text| text.parse().ok());
    number.map(Some).ok_or(CommandError::Shape { command: "MGET" })
}

impl Keys {
    pub(crate) fn asked(self) -> impl Iterator<Item = Value> {
        [Some(self.token), Some(self.user), self.session, self.tenant].into_iter().flatten().map(Value::from)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let all = [Some(&self.token), Some(&self.user), self.session.as_ref(), self.tenant.as_ref()];
        all.into_iter().flatten().map(String::as_str)
    }
}

impl Naming {
    pub(crate) fn new(prefix: String, settings: Settings) -> Self {
        let (everything, marker) = (format!("{prefix}all"), format!("{prefix}marker"));
        Self { prefix, everything, marker, settings }
    }

    pub(crate) fn key(&self, rest: &str) -> String {
        self.key_of("", rest)
    }

    /// A key of one kind, in a buffer that serves for many.
    fn spell<'a>(&self, buffer: &'a mut String, kind: &str, name: &str) -> &'a str {
        buffer.clear();
        for part in [self.prefix.as_str(), kind, name] {
            buffer.push_str(part);
        }
        buffer
    }

    /// What is known of a token by what each of its keys holds; `None` if that is not known of one of them.
    pub(crate) fn recall(
        &self,
        token: &TokenFacts,
        mut held: impl FnMut(&str) -> Option<Held>,
    ) -> Option<OfToken> {
        let mut buffer = String::with_capacity(128);
        let mut look = |kind, name: &str| held(self.spell(&mut buffer, kind, name));
        let of_token = look("token:", &token.token_id)?;
        let user = look("user:", &token.user)?;
        let session = token.session.as_ref().map_or(Some(None), |name| look("session:", name))?;
        let tenant = token.tenant.as_ref().map_or(Some(None), |name| look("tenant:", name))?;
        Some(OfToken { token: of_token, user, session, tenant })
    }

    fn key_of(&self, kind: &str, name: &str) -> String {
        [self.prefix.as_str(), kind, name].concat()
    }

    /// Of a token that was looked at by [`valid_facts`].
    pub(crate) fn keys(&self, token: &TokenFacts) -> Keys {
        let optional = |kind: &str, name: &Option<String>| name.as_ref().map(|name| self.key_of(kind, name));
        Keys {
            token: self.key_of("token:", &token.token_id),
            user: self.key_of("user:", &token.user),
            session: optional("session:", &token.session),
            tenant: optional("tenant:", &token.tenant),
        }
    }

    pub(crate) fn token_entry(&self, token_id: &str, remaining: Duration) -> Result<Entry, CommandError> {
        valid("token identifier", token_id)?;
        let ttl = remaining.saturating_add(self.settings.margin);
        let (key, status) = (self.key_of("token:", token_id), RevocationStatus::TokenRevoked);
        Ok(Entry { key, ttl, cutoff: None, status })
    }

    pub(crate) fn session_entry(&self, session: &str, remaining: Duration) -> Result<Entry, CommandError> {
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
                Ok(cutoff(self.everything.clone(), not_before, RevocationStatus::AllRevoked))
            }
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2).max(1)
}

/// # Errors
/// When one of the names could not be part of a key.
pub(crate) fn valid_facts(token: &TokenFacts) -> Result<(), CommandError> {
    valid("token identifier", &token.token_id)?;
    valid("user", &token.user)?;
    token.session.as_ref().map_or(Ok(()), |session| valid("session identifier", session))?;
    token.tenant.as_ref().map_or(Ok(()), |tenant| valid("tenant", tenant))
}

fn valid(what: &'static str, value: &str) -> Result<(), CommandError> {
    if value.is_empty() || value.len() > 256 || value.chars().any(char::is_control) {
        return Err(CommandError::InvalidKey { what, rule: "1 to 256 bytes without control characters" });
    }
    Ok(())
}
