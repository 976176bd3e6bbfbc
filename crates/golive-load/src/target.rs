//! Which hosts may be loaded: the loopback, or one that somebody confirmed by name.
//!
//! What must not be here: a flag that opens every host.

use url::{Host, Url};

/// The written confirmation that one host, and only that one, may be put under load.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublicTargetConfirmation {
    host: String,
}

impl PublicTargetConfirmation {
    /// Confirms that `host` (no port) belongs to whoever runs the test and may be slowed down by it.
    #[must_use]
    pub fn dangerous_i_may_overload(host: impl Into<String>) -> Self {
        Self { host: host.into() }
    }

    fn covers(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
    }
}

/// Whether this address may be loaded.
pub(crate) fn is_allowed(url: &Url, confirmation: Option<&PublicTargetConfirmation>) -> bool {
    is_loopback(url) || confirmation.is_some_and(|confirmed| confirmed.covers(url))
}

/// By the letter of the address: a name is not resolved, since it may resolve to another host a moment later.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_is_free() {
        let allowed = |url: &str| is_allowed(&Url::parse(url).unwrap(), None);
        assert!(allowed("http://127.0.0.1:8080"));
        assert!(allowed("http://[::1]:8080"));
        assert!(allowed("https://localhost/"));
        assert!(!allowed("http://10.0.0.1"));
        assert!(!allowed("http://localhost.example.com"));
        assert!(!allowed("http://127.0.0.1.example.com"));
        assert!(!allowed("http://127.0.0.1@example.com"));
    }

    #[test]
    fn a_confirmation_opens_its_host_only() {
        let confirmed = PublicTargetConfirmation::dangerous_i_may_overload("shop.example");
        assert!(is_allowed(&Url::parse("https://SHOP.example:444/x").unwrap(), Some(&confirmed)));
        assert!(!is_allowed(&Url::parse("https://www.shop.example/").unwrap(), Some(&confirmed)));
    }
}
