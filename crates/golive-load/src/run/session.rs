//! Whether a user is signed in, and for how long.
//!
//! What must not be here: sending.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::time::Instant;

/// The session of one user.
#[derive(Default)]
pub(super) struct Session {
    pub(super) token: Option<HeaderValue>,
    /// Values taken from the sign-in's answer.
    pub(super) taken: BTreeMap<String, String>,
    renew_at: Option<Instant>,
    is_open: bool,
    /// Sign-ins so far, failed ones among them.
    pub(super) used: u32,
}

impl Session {
    /// Whether a sign-in is needed before the next request.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.is_open || self.renew_at.is_some_and(|at| now >= at)
    }

    pub(super) fn open(&mut self, token: Option<&str>, lifetime: Option<Duration>, now: Instant) {
        self.token = token.and_then(bearer);
        self.renew_at = lifetime.map(|lifetime| now + lifetime.saturating_sub((lifetime / 10).min(EARLY)));
        self.is_open = true;
    }

    pub(super) fn close(&mut self) {
        (self.is_open, self.token) = (false, None);
    }
}

/// `None` where a token holds what a header may not.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// So long before its end a token is renewed, or a tenth of its life where that is shorter.
const EARLY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_renewed_shortly_before_its_end() {
        let (mut session, now) = (Session::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(session.is_due(now));
        session.open(Some("t"), Some(Duration::from_secs(3600)), now);
        assert_eq!((session.is_due(at(3569)), session.is_due(at(3570))), (false, true));
        session.open(Some("t"), Some(Duration::from_secs(10)), now);
        assert_eq!((session.is_due(at(8)), session.is_due(at(9))), (false, true));
        session.open(None, None, now);
        assert!(!session.is_due(at(1_000_000)) && session.token.is_none());
        session.close();
        assert!(session.is_due(now));
    }
}
