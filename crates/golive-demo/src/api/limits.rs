//! Rate limits: shared through Redis where there is one, of this process otherwise. Who is counted is decided by the
//! callers, how by golive-cache.

use std::net::IpAddr;

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use golive_auth::{LoginGuard, LoginGuardSettings};
use golive_cache::{AddressPrefix, Cache, Decision, Quota, RateLimiter};

use super::error::ApiError;

/// The limits of the service.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Requests for a forgotten password, by address.
    pub(crate) forgot_password: Limit,
    /// Requests of a user.
    pub(crate) requests: Limit,
    /// Failed logins.
    pub(crate) logins: Logins,
}

impl Limits {
    /// Shared through Redis, or of this process.
    pub(crate) fn new(cache: Option<&Cache>) -> Self {
        let limiter = |quota: Quota| match cache {
            Some(cache) => RateLimiter::new(cache.clone(), quota),
            None => RateLimiter::in_process(quota),
        };
        Self {
            forgot_password: Limit(limiter(Quota::per_minute("forgot-password", 10))),
            requests: Limit(limiter(Quota::per_minute("requests", 600))),
            logins: Logins {
                guard: LoginGuard::new(LoginGuardSettings::default()),
                // Stricter than the others while Redis is away.
                failures: limiter(Quota::per_minute("login-failures", 10).with_local_share(5)),
            },
        }
    }
}

/// One limit.
#[derive(Debug)]
pub(crate) struct Limit(RateLimiter);

impl Limit {
    /// Takes one from the quota of `key`.
    pub(crate) async fn take(&self, key: &str) -> Decided<'_> {
        Decided { decision: self.0.check(key).await, quota: self.0.quota() }
    }
}

/// What a limit decided.
#[derive(Debug)]
pub(crate) struct Decided<'a> {
    decision: Decision,
    quota: &'a Quota,
}

impl Decided<'_> {
    /// The error when it is not allowed.
    pub(crate) fn allowed(&self) -> Result<(), ApiError> {
        if self.decision.allowed { Ok(()) } else { Err(ApiError::too_many(self.decision.retry_after)) }
    }

    /// Tells the limit in the headers of the answer.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        self.decision.describe(self.quota, headers);
    }
}

/// Failed logins: who guesses waits longer and longer, here by the guard and, whatever instance is asked, by a limit that
/// all share. Fifty people who log in at once are no attack.
#[derive(Debug)]
pub(crate) struct Logins {
    guard: LoginGuard,
    failures: RateLimiter,
}

impl Logins {
    /// Refuses while there were too many failures; then even the right password must wait.
    pub(crate) fn check(&self, name: &str, address: IpAddr, now: DateTime<Utc>) -> Result<(), ApiError> {
        self.guard.check(name, address, now).map_err(|wait| ApiError::too_many(wait.retry_after))
    }

    /// Notes a failure; an error when it is one too many.
    pub(crate) async fn failed(
        &self,
        name: &str,
        address: IpAddr,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        self.guard.failed(name, address, now);
        let key = format!("{}:{name}", address_key(address));
        let decision = self.failures.check(&key).await;
        if decision.allowed {
            return Ok(());
        }
        self.guard.refuse(name, address, decision.retry_after, now);
        Err(ApiError::too_many(decision.retry_after))
    }

    /// Notes that somebody got in.
    pub(crate) fn succeeded(&self, name: &str, address: IpAddr, now: DateTime<Utc>) {
        self.guard.succeeded(name, address, now);
    }
}

/// What an address is counted under.
pub(crate) fn address_key(address: IpAddr) -> String {
    AddressPrefix::default().key(address)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use chrono::TimeDelta;
    use golive_cache::CacheOptions;
    use golive_sandbox::{Redis, RedisOptions};

    use super::*;

    #[tokio::test]
    async fn who_guesses_at_one_instance_waits_at_the_other() {
        let redis = Redis::start(&RedisOptions::new()).unwrap();
        let cache = Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap();
        let [one, other] = [(); 2].map(|()| Limits::new(Some(&cache)).logins);
        let address = IpAddr::from([192, 0, 2, 1]);
        // So patiently that the guard has nothing against it; for the limit on Redis' clock it is all at once.
        let at = |attempt: i32| DateTime::UNIX_EPOCH + TimeDelta::minutes(20) * attempt;
        for attempt in 0..10 {
            one.check("rosa", address, at(attempt)).unwrap();
            one.failed("rosa", address, at(attempt)).await.unwrap();
        }
        other.check("rosa", address, at(10)).unwrap();
        let refused = other.failed("rosa", address, at(10)).await.unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(other.check("rosa", address, at(10)).is_err(), "even the right password waits");
        other.check("juan", address, at(10)).unwrap();
        other.check("rosa", address, at(11)).unwrap();
    }
}
