//! Rate limits: shared through Redis where there is one, of this process otherwise. Who is counted is decided by the
//! callers, how by golive-cache.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use golive_cache::{AddressPrefix, Cache, Decision, Quota, RateLimiter};

use super::error::ApiError;

/// The limits of the service.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Requests for a forgotten password, by address.
    pub(crate) forgot_password: Limit,
    /// Requests of a user.
    pub(crate) requests: Limit,
    /// Failed logins of a name from an address.
    pub(crate) login_failures: FailureLimit,
}

impl Limits {
    /// Shared through Redis, or of this process.
    pub(crate) fn new(cache: Option<&Cache>) -> Self {
        let limit = |quota: Quota| {
            Limit(match cache {
                Some(cache) => RateLimiter::new(cache.clone(), quota),
                None => RateLimiter::in_process(quota),
            })
        };
        Self {
            forgot_password: limit(Quota::per_minute("forgot-password", 10)),
            requests: limit(Quota::per_minute("requests", 600)),
            login_failures: FailureLimit {
                // Stricter than the others while Redis is away.
                limit: limit(Quota::per_minute("login-failures", 10).with_local_share(5)),
                blocked: Mutex::default(),
            },
        }
    }
}

/// One limit.
#[derive(Debug)]
pub(crate) struct Limit(RateLimiter);

impl Limit {
    /// Takes one from the quota of `key`.
    pub(crate) async fn take(&self, key: &str) -> Decided {
        Decided { decision: self.0.check(key).await, quota: self.0.quota().clone() }
    }
}

/// What a limit decided.
#[derive(Debug)]
pub(crate) struct Decided {
    decision: Decision,
    quota: Quota,
}

impl Decided {
    /// The error when it is not allowed.
    pub(crate) fn allowed(&self) -> Result<(), ApiError> {
        if self.decision.allowed { Ok(()) } else { Err(ApiError::too_many(self.decision.retry_after)) }
    }

    /// Tells the limit in the headers of the answer.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        self.decision.describe(&self.quota, headers);
    }
}

/// Keys that are refused at most; beyond that each failure asks the limit.
const MOST_KEYS: usize = 10_000;

/// Counts failures only, so that fifty people who log in at once are no attack; after too many even the right password
/// must wait.
#[derive(Debug)]
pub(crate) struct FailureLimit {
    limit: Limit,
    blocked: Mutex<HashMap<String, Instant>>,
}

impl FailureLimit {
    /// Refuses while the key has failed too often.
    pub(crate) fn check(&self, key: &str) -> Result<(), ApiError> {
        let now = Instant::now();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        match blocked.get(key) {
            Some(until) if *until > now => Err(ApiError::too_many(*until - now)),
            Some(_) => {
                blocked.remove(key);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes a failure; an error when it is one too many.
    pub(crate) async fn failed(&self, key: &str) -> Result<(), ApiError> {
        let Decision { allowed, retry_after, .. } = self.limit.take(key).await.decision;
        if allowed {
            return Ok(());
        }
        let now = Instant::now();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if blocked.len() >= MOST_KEYS {
            blocked.retain(|_, until| *until > now);
        }
        if blocked.len() < MOST_KEYS {
            blocked.insert(key.to_owned(), now + retry_after);
        }
        Err(ApiError::too_many(retry_after))
    }
}

/// What an address is counted under.
pub(crate) fn address_key(address: IpAddr) -> String {
    AddressPrefix::default().key(address)
}
