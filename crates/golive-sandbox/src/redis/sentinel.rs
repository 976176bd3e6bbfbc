//! A private Redis Sentinel that watches private servers and promotes a replica when the primary is gone.

use std::fmt;
use std::io;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Kind, Redis, RedisOptions};
use crate::error::StartError;

/// A running sentinel, the only one, so its word is enough; killed and removed when dropped.
pub struct RedisSentinel {
    server: Redis,
}

/// How the sentinel calls what it watches.
const SERVICE: &str = "golive";

impl RedisSentinel {
    /// Watches the primary. It counts as gone when it did not answer for `down_after`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(primary: &Redis, down_after: Duration) -> Result<Self, StartError> {
        let password = primary.password().expose_secret();
        let watch = vec![
            format!("sentinel monitor {SERVICE} 127.0.0.1 {} 1", primary.port()),
            format!("sentinel auth-pass {SERVICE} {password}"),
            format!("sentinel down-after-milliseconds {SERVICE} {}", down_after.as_millis()),
            format!("sentinel failover-timeout {SERVICE} 10000"),
            format!("sentinel parallel-syncs {SERVICE} 1"),
        ];
        let options = RedisOptions { settings: watch, ..RedisOptions::new() };
        let password = Some(primary.password().clone());
        Ok(Self { server: Redis::start_as(Kind::Sentinel, &options, password)? })
    }

    /// The address for clients: `redis-sentinel://` with the password of servers and sentinel, which is the same.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.server.password().expose_secret();
        let port = self.server.port();
        format!(
            "redis-sentinel://:{password}@127.0.0.1:{port}/0?sentinelServiceName={SERVICE}&sentinelPassword={password}"
        )
    }

    /// The port of the server that it holds for the primary.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn primary_port(&self) -> io::Result<u16> {
        let address = self.server.command(&["SENTINEL", "get-master-addr-by-name", SERVICE])?;
        let port = address.lines().nth(1).and_then(|port| port.parse().ok());
        port.ok_or_else(|| io::Error::other("the sentinel names no primary"))
    }

    /// How many replicas that could be promoted it knows of.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn replicas(&self) -> io::Result<usize> {
        let answer = self.server.command(&["SENTINEL", "replicas", SERVICE])?;
        let lines: Vec<&str> = answer.lines().collect();
        let value = |name: &str| lines.iter().skip_while(move |line| **line != name).nth(1).copied();
        let is_linked = value("master-link-status") == Some("ok") && value("flags") == Some("slave");
        Ok(usize::from(is_linked) * lines.iter().filter(|line| **line == "master-link-status").count())
    }

    /// The sentinel as a server, to be frozen or killed.
    #[must_use]
    pub fn server(&self) -> &Redis {
        &self.server
    }
}

impl fmt::Debug for RedisSentinel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSentinel").field("port", &self.server.port()).finish_non_exhaustive()
    }
}
