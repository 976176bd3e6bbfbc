//! What a connection needs to know. No I/O here.

use std::time::Duration;

use secrecy::SecretString;

/// How to reach Redis and how long to wait for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// `redis://`, `rediss://`, `redis-sentinel://`, `redis-cluster://` or `redis+unix://`, with its password.
    pub url: SecretString,
    /// Prepended to every key, so that applications and environments sharing a server do not meet. Default `golive`.
    pub key_prefix: String,
    /// The longest that one command may take. Default 250 ms: a request waits for it.
    pub command_timeout: Duration,
    /// The longest that [`Cache::connect`](crate::Cache::connect) may take. Default 5 s.
    pub connect_timeout: Duration,
    /// Commands waiting for an answer at most; more are refused at once. Default 10 000.
    pub max_commands_in_flight: usize,
    /// Failures in a row after which commands are refused at once. Default 5.
    pub breaker_failures: u32,
    /// How long they are refused before one is let through to try. Default 250 ms.
    pub breaker_pause: Duration,
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
            key_prefix: "golive".to_owned(),
            command_timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(5),
            max_commands_in_flight: 10_000,
            breaker_failures: 5,
            breaker_pause: Duration::from_millis(250),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), CacheOptionsError> {
        let readable = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if self.key_prefix.is_empty() || self.key_prefix.len() > 64 || !self.key_prefix.chars().all(readable)
        {
            return Err(CacheOptionsError::KeyPrefix { prefix: self.key_prefix.clone() });
        }
        if self.command_timeout.is_zero() {
            return Err(CacheOptionsError::ZeroTimeout { option: "command_timeout" });
        }
        if self.connect_timeout.is_zero() {
            return Err(CacheOptionsError::ZeroTimeout { option: "connect_timeout" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_prefix_with_a_hash_tag() {
        let mut options = CacheOptions::new("redis://localhost".into());
        assert!(options.validate().is_ok());
        options.key_prefix = "a{b}".to_owned();
        assert!(matches!(options.validate(), Err(CacheOptionsError::KeyPrefix { .. })));
    }

    #[test]
    fn debug_shows_no_password() {
        let options = CacheOptions::new("redis://:hunter2@localhost".into());
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
