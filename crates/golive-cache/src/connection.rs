//! The one way to Redis: breaker, time-out, fail-fast. Every command of this crate goes through [`Cache::run`].
//! What a command means is not known here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fred::prelude::{Builder, Client, ClientLike, Config, FromValue, ReconnectPolicy};
use fred::types::config::{ClusterDiscoveryPolicy, Options, UnresponsiveConfig};
use fred::types::{ClusterHash, CustomCommand, Value};
use secrecy::ExposeSecret;

use crate::breaker::Breaker;
use crate::options::{CacheOptions, CacheOptionsError};

/// A connection to Redis. Cheap to clone; all clones share one multiplexed connection, which reconnects by itself.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    prefix: String,
    command: Options,
    timeout: Duration,
    breaker: Breaker,
}

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectCacheError {
    /// An option cannot be used.
    #[error(transparent)]
    Options(#[from] CacheOptionsError),
    /// The URL cannot be read. It is not shown, because it may hold a password.
    #[error("read the Redis URL: write it as redis://:PASSWORD@HOST:PORT/DATABASE")]
    Url,
    /// The server does not accept the user or password.
    #[error("log in to Redis at {host}: check user and password in the URL")]
    Login {
        /// Host and port.
        host: String,
    },
    /// The server does not answer.
    #[error("reach Redis at {host} ({reason}): check that it runs and that this machine may connect")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the connection attempt said.
        reason: String,
    },
}

/// Why a command has no answer. For a security decision each of them means: refuse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Redis is not connected, or failed too often a moment ago.
    #[error("ask Redis, which is away: check `golive cache check`")]
    Unavailable,
    /// No answer in time.
    #[error("get an answer from Redis within {} ms", timeout.as_millis())]
    Timeout {
        /// The time allowed.
        timeout: Duration,
    },
    /// The server is full and its policy refuses to evict.
    #[error("write to Redis, which is out of memory: raise maxmemory")]
    OutOfMemory,
    /// The server is a replica or otherwise refuses writes.
    #[error("write to Redis, which is read-only: point the URL at the primary or use Sentinel")]
    ReadOnly,
    /// A value handed in cannot be used in a key.
    #[error("use this {what}: {rule}")]
    InvalidKey {
        /// Which value.
        what: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
    /// The server answered something else.
    #[error("run {command} on Redis: {reason}")]
    Refused {
        /// The command's name.
        command: &'static str,
        /// The server's words.
        reason: String,
    },
    /// A stored value has not the shape expected.
    #[error("read the answer of {command}: another program may be writing under this key prefix")]
    Shape {
        /// The command's name.
        command: &'static str,
    },
}

impl Cache {
    /// Connects and waits until the server answers.
    ///
    /// # Errors
    /// When an option is unusable, or the server does not accept the connection within
    /// [`CacheOptions::connect_timeout`].
    pub async fn connect(options: &CacheOptions) -> Result<Self, ConnectCacheError> {
        let (cache, host) = Self::build(options, true)?;
        let client = cache.shared.client.clone();
        let unreachable = |reason: String| ConnectCacheError::Unreachable { host: host.clone(), reason };
        match tokio::time::timeout(options.connect_timeout, client.init()).await {
            Ok(Ok(_task)) => {}
            Ok(Err(e)) if *e.kind() == fred::error::ErrorKind::Auth => {
                return Err(ConnectCacheError::Login { host });
            }
            Ok(Err(e)) => return Err(unreachable(format!("{:?}", e.kind()).to_lowercase())),
            Err(_elapsed) => {
                return Err(unreachable(format!("no answer in {} ms", options.connect_timeout.as_millis())));
            }
        }
        match cache.ping().await {
            Ok(_latency) => Ok(cache),
            Err(CommandError::Refused { reason, .. })
                if reason.starts_with("NOAUTH") || reason.starts_with("NOPERM") =>
            {
                Err(ConnectCacheError::Login { host })
            }
            Err(e) => Err(unreachable(e.to_string())),
        }
    }

    /// Starts connecting and returns at once, for a service that must come up while Redis is away. Until it is
    /// connected every command is [`CommandError::Unavailable`].
    ///
    /// # Errors
    /// When an option is unusable.
    pub fn start(options: &CacheOptions) -> Result<Self, ConnectCacheError> {
        let (cache, _host) = Self::build(options, false)?;
        // The task runs as long as the client: it reconnects. Its end is seen as commands that fail.
        drop(cache.shared.client.connect());
        Ok(cache)
    }

    /// The time of one round trip.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn ping(&self) -> Result<Duration, CommandError> {
        let start = Instant::now();
        let _pong: Value = self.run("PING", ClusterHash::Random, Vec::new()).await?;
        Ok(start.elapsed())
    }

    /// Whether the connection is believed to be up. Only [`Cache::ping`] knows.
    pub fn is_connected(&self) -> bool {
        self.shared.client.is_connected()
    }

    /// Closes the connection; later commands fail.
    pub async fn close(&self) {
        // Best effort: the server forgets the connection either way.
        let _closed = tokio::time::timeout(Duration::from_secs(1), self.shared.client.quit()).await;
    }

    fn build(options: &CacheOptions, fail_fast: bool) -> Result<(Self, String), ConnectCacheError> {
        options.validate()?;
        let mut config = Config::from_url(options.url.expose_secret()).map_err(|_| ConnectCacheError::Url)?;
        // With true a failed first connect ends the client for good; with false it keeps trying.
        config.fail_fast = fail_fast;
        if config.server.is_clustered() {
            // The default asks the first node of the URL only, and is lost with it.
            config
                .server
                .set_cluster_discovery_policy(ClusterDiscoveryPolicy::UseCache)
                .map_err(|_| ConnectCacheError::Url)?;
        }
        let hosts: Vec<String> =
            config.server.hosts().iter().map(|s| format!("{}:{}", s.host, s.port)).collect();
        let client = Builder::from_config(config)
            .with_performance_config(|performance| {
                performance.default_command_timeout = options.command_timeout;
            })
            .with_connection_config(|connection| {
                connection.connection_timeout = Duration::from_secs(1).min(options.connect_timeout);
                connection.internal_command_timeout = Duration::from_secs(1).min(options.connect_timeout);
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = options.max_commands_in_flight;
                connection.unresponsive = UnresponsiveConfig {
                    max_timeout: Some(Duration::from_secs(2)),
                    interval: Duration::from_millis(500),
                };
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 50, 1_000, 2))
            .build()
            .map_err(|_| ConnectCacheError::Url)?;
        // Both are needed: fail_fast looks at the connection's state only, which a stopped server does not change.
        let command = Options {
            timeout: Some(options.command_timeout),
            fail_fast: true,
            max_attempts: Some(1),
            ..Options::default()
        };
        let shared = Shared {
            client,
            prefix: options.key_prefix.clone(),
            command,
            timeout: options.command_timeout,
            breaker: Breaker::new(options.breaker_failures, options.breaker_pause),
        };
        Ok((Self { shared: Arc::new(shared) }, hosts.join(", ")))
    }

    /// A full key from its parts after the prefix.
    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.shared.prefix)
    }

    /// Sends one command. Scripts go this way too, as fred's own script calls ignore the per-call options.
    pub(crate) async fn run<T: FromValue>(
        &self,
        command: &'static str,
        hash: ClusterHash,
        arguments: Vec<Value>,
    ) -> Result<T, CommandError> {
        if !self.shared.breaker.admits(Instant::now()) {
            return Err(CommandError::Unavailable);
        }
        let sent = self
            .shared
            .client
            .with_options(&self.shared.command)
            .custom::<Value, Value>(CustomCommand::new_static(command, hash, false), arguments)
            .await;
        match sent {
            Ok(value) => {
                self.shared.breaker.succeeded();
                value.convert::<T>().map_err(|_| CommandError::Shape { command })
            }
            Err(error) => Err(self.classify(command, &error)),
        }
    }

    fn classify(&self, command: &'static str, error: &fred::error::Error) -> CommandError {
        use fred::error::ErrorKind;
        let answered = match error.kind() {
            ErrorKind::Timeout => CommandError::Timeout { timeout: self.shared.timeout },
            ErrorKind::Canceled | ErrorKind::IO | ErrorKind::Routing | ErrorKind::Backpressure => {
                CommandError::Unavailable
            }
            _ => {
                // The server answered, so it is not away.
                self.shared.breaker.succeeded();
                let details = error.details();
                return if details.starts_with("OOM") {
                    CommandError::OutOfMemory
                } else if details.starts_with("READONLY") {
                    CommandError::ReadOnly
                } else {
                    let reason: String = details.chars().take(200).collect();
                    CommandError::Refused { command, reason }
                };
            }
        };
        self.shared.breaker.failed(Instant::now());
        tracing::debug!(command, error = %answered, "redis command failed");
        answered
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("prefix", &self.shared.prefix)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
