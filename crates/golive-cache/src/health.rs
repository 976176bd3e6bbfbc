//! How the connection and the server behind it are now, and counts since the start. Whether that is good enough is
//! [`check`](crate::check())'s and the readiness probe's business.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fred::prelude::ClientLike;
use fred::types::ClusterHash;
use serde::Serialize;

use crate::command::CommandError;
use crate::connection::Cache;
use crate::watchdog::Standing;

/// How Redis is for requests now.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CacheHealth {
    /// Whether commands go through. Without it readiness says no; liveness has nothing to do with it.
    pub is_ready: bool,
    /// What the server is.
    pub standing: Standing,
    /// Whether commands are refused at once because too many failed.
    pub is_breaker_open: bool,
    /// One round trip just now; `None` when there was no answer in time.
    pub latency: Option<Duration>,
    /// Commands waiting for an answer now.
    pub in_flight: usize,
    /// What the server says of itself; `None` when it does not answer or may not say.
    pub server: Option<ServerFacts>,
    /// Counts since the start.
    pub stats: CacheStats,
}

/// What a server says of itself.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ServerFacts {
    /// The version, for example `7.0.15`.
    pub version: String,
    /// `master` or `slave`.
    pub role: String,
    /// What it does when full; `None` when it will not say.
    pub maxmemory_policy: Option<String>,
    /// The memory limit in bytes; 0 is none.
    pub maxmemory_bytes: Option<u64>,
    /// Memory in use, in bytes.
    pub used_memory_bytes: Option<u64>,
    /// Keys evicted since it started.
    pub evicted_keys: Option<u64>,
    /// Whether every write goes to the append-only file.
    pub append_only: Option<bool>,
    /// Whether the last write to the append-only file or snapshot succeeded.
    pub persists: Option<bool>,
    /// Replicas connected to it.
    pub replicas: Option<u64>,
    /// Clients connected to it.
    pub clients: Option<u64>,
    /// Lookups that found their key since it started.
    pub keyspace_hits: Option<u64>,
    /// Lookups that found nothing since it started.
    pub keyspace_misses: Option<u64>,
}

/// Counts since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct CacheStats {
    /// Commands sent.
    pub commands: u64,
    /// Of these, without an answer in time.
    pub timeouts: u64,
    /// Of these, ended by a lost connection.
    pub failures: u64,
    /// Commands refused without being sent.
    pub refused: u64,
    /// Connections made.
    pub reconnections: u64,
    /// Of these, because the watchdog asked for it.
    pub forced_reconnections: u64,
    /// How often the breaker opened.
    pub breaker_opened: u64,
}

impl Cache {
    /// How Redis is now. Takes two commands' time at most, also when Redis is away.
    pub async fn health(&self) -> CacheHealth {
        let latency = self.ping().await.ok();
        // An answer tells more than a guess: after it, not before.
        let is_ready = latency.is_some();
        let server = if self.shared.client.is_connected() { self.server_facts().await.ok() } else { None };
        CacheHealth {
            is_ready,
            standing: *self.shared.standing.borrow(),
            is_breaker_open: self.shared.breaker.is_open(),
            latency,
            in_flight: self.shared.in_flight(),
            server,
            stats: self.stats(),
        }
    }

    /// Counts since the start.
    pub fn stats(&self) -> CacheStats {
        let counts = &self.shared.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheStats {
            commands: read(&counts.commands),
            timeouts: read(&counts.timeouts),
            failures: read(&counts.failures),
            refused: read(&counts.refused),
            reconnections: read(&counts.reconnections),
            forced_reconnections: read(&counts.forced_reconnections),
            breaker_opened: self.shared.breaker.opened(),
        }
    }

    /// How long the watchdog's last question took; `None` before the first answer. Asks nothing.
    pub fn last_latency(&self) -> Option<Duration> {
        let micros = self.shared.counts.latency_microseconds.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// What the server says of itself, by one `INFO`; for metrics, asked every few seconds and not for every request. In a
    /// cluster it is one of the servers.
    ///
    /// # Errors
    /// Like every command: when there is no answer within [`CacheOptions::command_timeout`](crate::CacheOptions), or Redis is
    /// away.
    pub async fn server_facts(&self) -> Result<ServerFacts, CommandError> {
        let info: String = self.look("INFO", ClusterHash::Random, Vec::new()).await?;
        Ok(ServerFacts::parse(&info))
    }
}

impl ServerFacts {
    pub(crate) fn parse(info: &str) -> Self {
        let pairs: HashMap<&str, &str> =
            info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let text = |key: &str| pairs.get(key).map(|value| (*value).to_owned());
        let number = |key: &str| pairs.get(key).and_then(|value| value.parse::<u64>().ok());
        let append_only = pairs.get("aof_enabled").map(|value| *value == "1");
        let written = |key: &str| pairs.get(key).map(|value| *value == "ok");
        Self {
            version: text("redis_version").unwrap_or_default(),
            role: text("role").unwrap_or_default(),
            maxmemory_policy: text("maxmemory_policy"),
            maxmemory_bytes: number("maxmemory"),
            used_memory_bytes: number("used_memory"),
            evicted_keys: number("evicted_keys"),
            append_only,
            persists: if append_only == Some(true) {
                written("aof_last_write_status")
            } else {
                written("rdb_last_bgsave_status")
            },
            replicas: number("connected_slaves"),
            clients: number("connected_clients"),
            keyspace_hits: number("keyspace_hits"),
            keyspace_misses: number("keyspace_misses"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_info_tells_and_leaves_open_what_it_does_not() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\
                    connected_clients:3\r\nkeyspace_hits:5\r\nkeyspace_misses:many\r\naof_enabled:1\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:ok\r\n";
        let facts = ServerFacts::parse(info);
        assert_eq!((facts.version.as_str(), facts.role.as_str()), ("7.0.15", "master"));
        assert_eq!((facts.append_only, facts.persists), (Some(true), Some(false)));
        assert_eq!((facts.clients, facts.keyspace_hits, facts.keyspace_misses), (Some(3), Some(5), None));
        assert_eq!((facts.maxmemory_bytes, facts.evicted_keys), (Some(0), None));
    }
}
