//! Rate limits: shared through Redis where there is one, of this process otherwise. Only counting; who is counted is
//! decided by the callers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::HeaderValue;
use golive_cache::{Cache, Quota, RateLimiter};

use super::config::Network;
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
        let limit = |quota: Quota| match cache {
            Some(cache) => Limit::Shared(RateLimiter::new(cache.clone(), quota)),
            None => Limit::Local(LocalLimit::new(&quota)),
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

/// What a limit decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) is_allowed: bool,
    limit: u32,
    remaining: u32,
    reset: Duration,
    pub(crate) retry_after: Duration,
}

impl Decided {
    /// The error when it is not allowed.
    pub(crate) fn allowed(&self) -> Result<(), ApiError> {
        if self.is_allowed { Ok(()) } else { Err(ApiError::too_many(self.retry_after)) }
    }

    /// Adds the `RateLimit` headers of the IETF draft in its separate form.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        let reset = self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0);
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(reset));
    }
}

/// One limit.
#[derive(Debug)]
pub(crate) enum Limit {
    Shared(RateLimiter),
    Local(LocalLimit),
}

impl Limit {
    /// Takes one from the quota of `key`.
    pub(crate) async fn take(&self, key: &str) -> Decided {
        match self {
            Self::Shared(limiter) => {
                let decision = limiter.check(key).await;
                Decided {
                    is_allowed: decision.allowed,
                    limit: decision.limit,
                    remaining: decision.remaining,
                    reset: decision.reset,
                    retry_after: decision.retry_after,
                }
            }
            Self::Local(limit) => limit.take(key),
        }
    }
}

/// Keys kept at most; when all of them are in use, further callers share one.
const MOST_KEYS: usize = 10_000;

/// The generic cell rate algorithm for one process: a key's time is when its quota is whole again.
#[derive(Debug)]
pub(crate) struct LocalLimit {
    limit: u32,
    interval: Duration,
    whole_at: Mutex<HashMap<String, Instant>>,
}

impl LocalLimit {
    fn new(quota: &Quota) -> Self {
        let window = quota.windows()[0];
        let limit = window.limit.get();
        Self { limit, interval: window.period / limit, whole_at: Mutex::default() }
    }

    fn take(&self, key: &str) -> Decided {
        let now = Instant::now();
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        if whole_at.len() >= MOST_KEYS {
            whole_at.retain(|_, at| *at > now);
        }
        let key = if whole_at.len() >= MOST_KEYS && !whole_at.contains_key(key) { "" } else { key };
        let at = whole_at.get(key).copied().unwrap_or(now).max(now);
        let wanted = at + self.interval;
        let window = self.interval * self.limit;
        let is_allowed = wanted <= now + window;
        if is_allowed {
            whole_at.insert(key.to_owned(), wanted);
        }
        let reset = if is_allowed { wanted - now } else { at - now };
        let used =
            u32::try_from(reset.as_nanos().div_ceil(self.interval.as_nanos().max(1))).unwrap_or(self.limit);
        Decided {
            is_allowed,
            limit: self.limit,
            remaining: self.limit.saturating_sub(used),
            reset,
            retry_after: wanted.saturating_duration_since(now + window),
        }
    }
}

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
        let decided = self.limit.take(key).await;
        if decided.is_allowed {
            return Ok(());
        }
        let now = Instant::now();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if blocked.len() >= MOST_KEYS {
            blocked.retain(|_, until| *until > now);
        }
        if blocked.len() < MOST_KEYS {
            blocked.insert(key.to_owned(), now + decided.retry_after);
        }
        Err(ApiError::too_many(decided.retry_after))
    }
}

/// Who sent a request: the peer, or whom trusted proxies say they speak for. The header is read from the right, and
/// only as long as the one who wrote it is trusted: what stands further left anybody can write.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    let texts: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in texts.iter().flat_map(|text| text.split(',')).rev() {
        if !is_trusted(address) {
            break;
        }
        let Ok(named) = hop.trim().parse::<IpAddr>() else { break };
        address = named.to_canonical();
    }
    address
}

/// What an address is counted under: one person has a whole /64 of IPv6.
pub(crate) fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_header_changes_nothing() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1, 203.0.113.7"));
        headers.append("x-forwarded-for", HeaderValue::from_static("10.0.0.9"));
        let peer: IpAddr = "10.0.0.5".parse().unwrap();
        assert_eq!(client_address(peer, &headers, &[]), peer);
        let proxies = [Network::parse("10.0.0.0/8").unwrap()];
        assert_eq!(client_address(peer, &headers, &proxies), "203.0.113.7".parse::<IpAddr>().unwrap());
        let stranger: IpAddr = "198.51.100.1".parse().unwrap();
        assert_eq!(client_address(stranger, &headers, &proxies), stranger);
        assert_eq!(
            address_key("2001:db8::1".parse().unwrap()),
            address_key("2001:db8::ffff:1".parse().unwrap())
        );
    }

    #[test]
    fn the_local_limit_counts_each_key() {
        let limit = LocalLimit::new(&Quota::per_minute("test", 3));
        let taken: Vec<_> = (0..4).map(|_| limit.take("a")).collect();
        assert_eq!(taken.iter().map(|d| d.is_allowed).collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(taken[0].remaining, 2);
        assert!(
            taken[3].retry_after > Duration::from_secs(15) && taken[3].retry_after <= Duration::from_secs(20)
        );
        assert!(limit.take("b").is_allowed);
    }
}
