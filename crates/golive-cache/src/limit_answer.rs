//! What an HTTP answer says of a limit: `RateLimit-Policy` and `RateLimit` (IETF draft `ratelimit-headers`, structured
//! fields), `Retry-After` (RFC 9110), and the body of a 429 as `application/problem+json` (RFC 9457). Text only.

use std::time::Duration;

use crate::limit::Decision;
use crate::quota::{Quota, Window};

impl Quota {
    /// The value of `RateLimit-Policy`: `"login";q=10;w=60`, one item for each window.
    pub fn policy_header(&self) -> String {
        let item = |(index, window): (usize, &Window)| {
            format!("{};q={};w={}", item_name(self, index), window.limit, seconds(window.period).max(1))
        };
        self.windows().iter().enumerate().map(item).collect::<Vec<_>>().join(", ")
    }
}

impl Decision {
    /// The value of `RateLimit`: `"login";r=3;t=42`. `r` is how many more pass now, `t` the seconds until there are more
    /// if there are none, else until there are all.
    pub fn rate_limit_header(&self, quota: &Quota) -> String {
        let until = if self.remaining == 0 && !self.allowed { self.retry_after } else { self.reset };
        format!("{};r={};t={}", item_name(quota, self.window), self.remaining, seconds(until))
    }

    /// The value of `Retry-After` in seconds, never less than the time left; `None` for a request that may pass.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        (!self.allowed).then(|| seconds(self.retry_after).max(1))
    }

    /// The body of the 429, as `application/problem+json`.
    pub fn problem_json(&self, quota: &Quota) -> String {
        let wait = self.retry_after_seconds().unwrap_or(0);
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": "Too Many Requests",
            "status": 429,
            "detail": format!("The limit `{}` is used up. Try again in {wait} seconds.", quota.name()),
            "retry_after": wait,
        });
        problem.to_string()
    }
}

/// A structured-field string: only what needs no escape is kept of a name.
fn item_name(quota: &Quota, window: usize) -> String {
    let name: String =
        quota.name().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if window == 0 { format!("\"{name}\"") } else { format!("\"{name}-{}\"", window + 1) }
}

/// Rounded up: nobody is told to come too early.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::DecisionSource;

    #[test]
    fn says_when_to_come_again_and_never_too_early() {
        let quota = Quota::per_minute("login", 10).and_per_hour(60);
        assert_eq!(quota.policy_header(), "\"login\";q=10;w=60, \"login-2\";q=60;w=3600");
        let denied = Decision {
            allowed: false,
            window: 1,
            limit: 60,
            remaining: 0,
            retry_after: Duration::from_millis(41_200),
            reset: Duration::from_secs(3_000),
            source: DecisionSource::Redis,
        };
        assert_eq!(denied.rate_limit_header(&quota), "\"login-2\";r=0;t=42");
        assert_eq!(denied.retry_after_seconds(), Some(42));
        assert!(denied.problem_json(&quota).contains("\"status\":429"));
        let allowed =
            Decision { allowed: true, window: 0, remaining: 3, retry_after: Duration::ZERO, ..denied };
        assert_eq!(allowed.rate_limit_header(&quota), "\"login\";r=3;t=3000");
        assert_eq!(allowed.retry_after_seconds(), None);
    }
}
