//! What a connection needs to know. No I/O here.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// How to reach Redis and how long to wait for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// With its password: `redis://` or `rediss://` (TLS), `redis-cluster://HOST:PORT?node=HOST:PORT` and
    /// `redis-sentinel://HOST:PORT?sentinelServiceName=NAME&node=HOST:PORT` (with an `s` after `redis` for TLS),
    /// or `redis+unix://`.
    pub url: SecretString,
    /// A PEM file of certificate authorities that may vouch for a server over TLS, besides the system's own. Default none, or
    /// what the URL says: `rediss://HOST:PORT?ssl_ca_certs=FILE`.
    pub ca_file: Option<PathBuf>,
    /// Prepended to every key, so that applications and environments sharing a server do not meet. Default `golive`;
    /// see [`CacheOptions::for_application`].
    pub key_prefix: String,
    /// Has the server tell this connection of changes (RESP3 and `CLIENT TRACKING`, Redis 6 or later, not in a cluster), so
    /// that a revocation check asks only for what it does not know yet. Each check is confirmed by Redis all the same, and
    /// what is remembered ends with the connection. Default off. Where the server refuses, everything is asked for.
    pub client_tracking: bool,
    /// The longest that one command may take. Default 250 ms: a request waits for it.
    pub command_timeout: Duration,
    /// The longest that [`Cache::connect`](crate::Cache::connect) and one attempt to connect may take. Default 5 s.
    pub connect_timeout: Duration,
    /// Commands waiting for an answer at most; more are refused at once. Checks and limits asked for at the same moment
    /// share one. Default 10 000.
    pub max_commands_in_flight: usize,
    /// Failures in a row after which commands are refused at once. Default 3.
    pub breaker_failures: u32,
    /// How often the watchdog asks the server whether it answers and is the primary. Default 250 ms. It is also how
    /// soon commands are let through again.
    pub watchdog_interval: Duration,
    /// Unanswered questions in a row after which the watchdog has the connection made anew. Default 3.
    pub watchdog_misses: u32,
    /// The pause before the first attempt to connect again; it doubles with each. Default 50 ms.
    pub reconnect_pause: Duration,
    /// The longest pause between two attempts, less a random quarter, so that many instances do not come at once.
    /// Default 2 s.
    pub longest_reconnect_pause: Duration,
}

/// An option that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheOptionsError {
    /// The prefix has characters that would break cluster hash tags or make keys unreadable.
    #[error("use the key prefix `{prefix}`: 1 to 64 letters, digits, `-`, `_`, `.` or `:` are allowed")]
    KeyPrefix {
        /// The prefix that was given.
        prefix: String,
    },
    /// The authorities cannot be used.
    #[error("trust the certificate authorities in {}: it must be a readable PEM file of certificates", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
    },
    /// A duration that must not be zero is.
    #[error("use a {option} of zero: give at least one millisecond")]
    ZeroTimeout {
        /// The option's name.
        option: &'static str,
    },
}

impl CacheOptions {
    /// Options with the defaults that fit a web service.
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            ca_file: None,
            key_prefix: "golive".to_owned(),
            client_tracking: false,
            command_timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(5),
            max_commands_in_flight: 10_000,
            breaker_failures: 3,
            watchdog_interval: Duration::from_millis(250),
            watchdog_misses: 3,
            reconnect_pause: Duration::from_millis(50),
            longest_reconnect_pause: Duration::from_secs(2),
        }
    }

    /// The same, with keys apart from those of other applications and other environments (`production`, `staging`) on
    /// one server.
    pub fn for_application(url: SecretString, application: &str, environment: &str) -> Self {
        Self { key_prefix: format!("{application}:{environment}"), ..Self::new(url) }
    }

    pub(crate) fn validate(&self) -> Result<(), CacheOptionsError> {
        let readable = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if self.key_prefix.is_empty() || self.key_prefix.len() > 64 || !self.key_prefix.chars().all(readable)
        {
            return Err(CacheOptionsError::KeyPrefix { prefix: self.key_prefix.clone() });
        }
        let durations = [
            ("command_timeout", self.command_timeout),
            ("connect_timeout", self.connect_timeout),
            ("watchdog_interval", self.watchdog_interval),
            ("reconnect_pause", self.reconnect_pause),
            ("longest_reconnect_pause", self.longest_reconnect_pause),
        ];
        match durations.iter().find(|(_, duration)| duration.as_millis() == 0) {
            Some((option, _)) => Err(CacheOptionsError::ZeroTimeout { option }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_prefix_with_a_hash_tag_and_a_duration_of_nothing() {
        let mut options = CacheOptions::new("redis://localhost".into());
        assert!(options.validate().is_ok());
        options.key_prefix = "a{b}".to_owned();
        assert!(matches!(options.validate(), Err(CacheOptionsError::KeyPrefix { .. })));
        let mut options = CacheOptions::for_application("redis://localhost".into(), "plant", "staging");
        assert!(options.validate().is_ok());
        assert_eq!(options.key_prefix, "plant:staging");
        options.watchdog_interval = Duration::from_nanos(1);
        let refused = options.validate().unwrap_err();
        assert!(matches!(refused, CacheOptionsError::ZeroTimeout { option: "watchdog_interval" }));
    }

    #[test]
    fn debug_shows_no_password() {
        let options = CacheOptions::new("redis://:hunter2@localhost".into());
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
