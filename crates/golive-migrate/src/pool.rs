//! Pool settings as operators name them, turned into sea-orm's options and checked against the server's limits. Pure:
//! the probe that opens connections lives in `pool_probe`.

use std::time::Duration;

use sea_orm::ConnectOptions;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::finding::{Finding, Severity};

/// Connections a server should keep free for its operators and its backup.
const RESERVED_CONNECTIONS: u64 = 10;
/// A connection idle for longer is pinged before it is handed out; pinging each time costs about 15 %.
const PING_AFTER_IDLE: Duration = Duration::from_secs(30);
/// How long connections above the pool's size stay when nobody needs them.
const OVERFLOW_IDLE: Duration = Duration::from_secs(600);

/// The pool of one application instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Connections kept; `DATABASE_POOL_SIZE`, 20.
    pub size: u32,
    /// Further ones under load; `DATABASE_MAX_OVERFLOW`, 10.
    pub max_overflow: u32,
    /// How long a request waits for one; `DATABASE_POOL_TIMEOUT`, 30 s.
    pub timeout: Duration,
    /// After how long one is replaced; `DATABASE_POOL_RECYCLE`, 3600 s.
    pub recycle: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            size: 20,
            max_overflow: 10,
            timeout: Duration::from_secs(30),
            recycle: Duration::from_secs(3600),
        }
    }
}

/// A pool setting that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolSettingsError {
    /// It is no whole number.
    #[error("read {name}: it must be a whole number, like {example}")]
    NotANumber {
        /// The variable.
        name: String,
        /// One that works.
        example: u32,
    },
    /// It is out of bounds.
    #[error("use {name}: it must lie between {least} and {most}")]
    OutOfRange {
        /// The variable.
        name: String,
        /// The smallest value allowed.
        least: u32,
        /// The largest value allowed.
        most: u32,
    },
}

/// The limits of a server that a pool must respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerLimits {
    /// `@@max_connections`.
    pub max_connections: u64,
    /// `@@wait_timeout`.
    pub wait_timeout: Duration,
}

impl ServerLimits {
    /// The two limits.
    pub fn new(max_connections: u64, wait_timeout: Duration) -> Self {
        Self { max_connections, wait_timeout }
    }
}

impl From<&crate::target::ServerInfo> for ServerLimits {
    fn from(server: &crate::target::ServerInfo) -> Self {
        Self::new(server.max_connections, Duration::from_secs(server.wait_timeout_seconds))
    }
}

impl PoolSettings {
    /// Reads `DATABASE_POOL_SIZE`, `DATABASE_MAX_OVERFLOW`, `DATABASE_POOL_TIMEOUT` and `DATABASE_POOL_RECYCLE` out of
    /// name and value pairs; what is absent or empty keeps its default, other names are passed over.
    ///
    /// # Errors
    /// When a value is no number or out of bounds. The value itself is not repeated.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, PoolSettingsError> {
        let mut settings = Self::default();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref().trim());
            if value.is_empty() {
                continue;
            }
            match name {
                "DATABASE_POOL_SIZE" => settings.size = number(name, value, 1, 10_000, 20)?,
                "DATABASE_MAX_OVERFLOW" => settings.max_overflow = number(name, value, 0, 10_000, 10)?,
                "DATABASE_POOL_TIMEOUT" => settings.timeout = seconds(number(name, value, 1, 3_600, 30)?),
                "DATABASE_POOL_RECYCLE" => settings.recycle = seconds(number(name, value, 1, 604_800, 3600)?),
                _ => {}
            }
        }
        Ok(settings)
    }

    /// The most connections one instance opens.
    pub fn max_connections(&self) -> u32 {
        self.size.saturating_add(self.max_overflow)
    }

    /// The same as sea-orm's options. Statement logging is off, since it would log SQL text.
    pub fn connect_options(&self, url: &SecretString) -> ConnectOptions {
        let mut options = ConnectOptions::new(url.expose_secret());
        options
            .max_connections(self.max_connections())
            // Opened when first needed: a start-up must not wait for twenty handshakes.
            .min_connections(0)
            .acquire_timeout(self.timeout)
            .connect_timeout(self.timeout)
            .idle_timeout(OVERFLOW_IDLE)
            .max_lifetime(self.recycle)
            .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
            .sqlx_logging(false);
        options
    }

    /// Compares with what the server allows, for so many instances of the application.
    pub fn check(&self, server: &ServerLimits, instances: u32) -> Vec<Finding> {
        let mut findings = Vec::new();
        let wanted = u64::from(self.max_connections()) * u64::from(instances.max(1));
        let available = server.max_connections.saturating_sub(RESERVED_CONNECTIONS);
        if wanted > available {
            findings.push(Finding::new(
                "MIG-POOL-CONNECTIONS",
                Severity::Blocks,
                format!(
                    "{instances} instances of {} connections want {wanted}, the server allows {} and {RESERVED_CONNECTIONS} are \
                     kept for operators",
                    self.max_connections(),
                    server.max_connections
                ),
                format!("lower DATABASE_POOL_SIZE, or raise max_connections to at least {}", wanted + RESERVED_CONNECTIONS),
            ));
        }
        if self.recycle >= server.wait_timeout {
            findings.push(Finding::new(
                "MIG-POOL-RECYCLE",
                Severity::ChangesData,
                format!(
                    "connections are replaced after {} s, the server drops idle ones after {} s",
                    self.recycle.as_secs(),
                    server.wait_timeout.as_secs()
                ),
                "set DATABASE_POOL_RECYCLE below the server's wait_timeout",
            ));
        }
        findings
    }
}

fn number(name: &str, value: &str, least: u32, most: u32, example: u32) -> Result<u32, PoolSettingsError> {
    let number: u32 =
        value.parse().map_err(|_| PoolSettingsError::NotANumber { name: name.to_owned(), example })?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(PoolSettingsError::OutOfRange { name: name.to_owned(), least, most })
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_from_pairs() {
        let settings = PoolSettings::from_pairs([
            ("DATABASE_POOL_SIZE", "5"),
            ("DATABASE_MAX_OVERFLOW", " "),
            ("OTHER", "x"),
        ])
        .unwrap();
        assert_eq!((settings.size, settings.max_overflow), (5, 10));
        assert!(PoolSettings::from_pairs([("DATABASE_POOL_SIZE", "many")]).is_err());
        assert!(PoolSettings::from_pairs([("DATABASE_POOL_SIZE", "0")]).is_err());
        let options = settings.connect_options(&SecretString::from("mysql://u:p@h/d"));
        assert_eq!(options.get_max_connections(), Some(15));
        assert!(!options.get_sqlx_logging());
    }

    #[test]
    fn four_workers_of_thirty_fit_only_so_many_connections() {
        let settings = PoolSettings::default();
        let limits = ServerLimits::new(151, Duration::from_secs(28_800));
        assert!(settings.check(&limits, 4).is_empty());
        assert_eq!(settings.check(&limits, 5)[0].id, "MIG-POOL-CONNECTIONS");
        let short = ServerLimits::new(151, Duration::from_secs(600));
        assert_eq!(settings.check(&short, 1)[0].id, "MIG-POOL-RECYCLE");
    }
}
