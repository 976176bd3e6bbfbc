//! The one way to Redis: breaker, standing of the server, commands in flight, time-out. Every command of this crate goes
//! through [`Cache::run`]. What a command means is not known here.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fred::prelude::{
    Builder, Client, ClientLike, Config, EventInterface, FromValue, ReconnectPolicy, Server,
    TrackingInterface,
};
use fred::types::RespVersion;
use fred::types::client::Invalidation;
use fred::types::config::{ClusterDiscoveryPolicy, Options};
use fred::types::{ClusterHash, ConnectHandle, CustomCommand, Value};
use rand::RngExt;
use secrecy::ExposeSecret;
use tokio::sync::{broadcast, watch};

use crate::breaker::Breaker;
use crate::command::CommandError;
use crate::lease::Lease;
use crate::options::{CacheOptions, CacheOptionsError};
use crate::tls;
use crate::watchdog::{self, SentinelWatch, Standing};

/// A connection to Redis. Cheap to clone; all clones share one multiplexed connection, which reconnects by itself.
///
/// A watchdog asks the server every [`CacheOptions::watchdog_interval`] whether it answers and is the primary. Until it
/// has looked at a new connection no command goes through, because what a demoted primary answers is out of date.
#[derive(Clone)]
pub struct Cache {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) breaker: Breaker,
    pub(crate) command: Options,
    pub(crate) counts: Counts,
    /// What the watchdog thinks of the server. Only it writes.
    pub(crate) standing: watch::Sender<Standing>,
    /// Goes up with each new connection, before anything else is known of it.
    pub(crate) generation: AtomicU64,
    /// Connections made that the watchdog has not seen yet. The client library announces one before it sends a command
    /// over it, so an answer that finds this empty came over one that the watchdog knows.
    pub(crate) unseen: RwLock<broadcast::Receiver<Server>>,
    /// The library's own task, which reads and writes. It should run as long as the client, and does not always.
    task: Mutex<Option<ConnectHandle>>,
    is_closed: AtomicBool,
    is_clustered: bool,
    /// With Sentinel: for how long one look at the server holds. See [`Lease`].
    pub(crate) lease: Option<Lease>,
    options: CacheOptions,
    in_flight: AtomicUsize,
    max_in_flight: usize,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commands: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) reconnections: AtomicU64,
    pub(crate) forced_reconnections: AtomicU64,
    /// Of the watchdog's last answered question; 0 is none.
    pub(crate) latency_microseconds: AtomicU64,
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

impl Cache {
    /// Connects and waits until the server answers and is the primary.
    ///
    /// # Errors
    /// When an option is unusable, or the server does not accept the connection within
    /// [`CacheOptions::connect_timeout`].
    pub async fn connect(options: &CacheOptions) -> Result<Self, ConnectCacheError> {
        Self::open(options, true).await
    }

    /// [`Cache::connect`], to a replica too: for looking at it.
    pub(crate) async fn open(options: &CacheOptions, to_primary: bool) -> Result<Self, ConnectCacheError> {
        let (cache, host) = Self::build(options, true)?;
        let client = cache.shared.client.clone();
        let unreachable = |reason: String| ConnectCacheError::Unreachable { host: host.clone(), reason };
        let no_answer = || unreachable(format!("no answer in {} ms", options.connect_timeout.as_millis()));
        let began = Instant::now();
        match tokio::time::timeout(options.connect_timeout, client.init()).await {
            Ok(Ok(task)) => cache.shared.keep(task),
            Ok(Err(e)) if *e.kind() == fred::error::ErrorKind::Auth => {
                return Err(ConnectCacheError::Login { host });
            }
            Ok(Err(e)) => return Err(unreachable(format!("{:?}", e.kind()).to_lowercase())),
            Err(_elapsed) => return Err(no_answer()),
        }
        match watchdog::first_look(&cache.shared).await {
            Ok(()) => {}
            Err(CommandError::Refused { reason, .. }) if reason.starts_with("NOAUTH") => {
                return Err(ConnectCacheError::Login { host });
            }
            Err(e) => return Err(unreachable(e.to_string())),
        }
        let left = options.connect_timeout.saturating_sub(began.elapsed());
        if to_primary && let Err(error) = cache.ready(left).await {
            let is_replica = matches!(error, CommandError::ReadOnly);
            return Err(unreachable(if is_replica {
                "it is a replica".to_owned()
            } else {
                error.to_string()
            }));
        }
        Ok(cache)
    }

    /// Starts connecting and returns at once, for a service that must come up while Redis is away. Until it is
    /// connected every command is [`CommandError::Unavailable`].
    ///
    /// # Errors
    /// When an option is unusable.
    pub fn start(options: &CacheOptions) -> Result<Self, ConnectCacheError> {
        let (cache, _host) = Self::build(options, false)?;
        cache.shared.keep(cache.shared.client.connect());
        Ok(cache)
    }

    /// Waits until commands go through, `patience` at most.
    ///
    /// # Errors
    /// When they do not by then.
    pub async fn ready(&self, patience: Duration) -> Result<(), CommandError> {
        let mut standing = self.shared.standing.subscribe();
        // To be a primary is not enough: a connection that the watchdog has not seen yet closes the gate again.
        let admitted = async {
            while self.shared.admitted().is_err() {
                // The breaker and the watchdog's list tell nobody when they change.
                let _changed = tokio::time::timeout(LOOK_AGAIN, standing.changed()).await;
            }
        };
        match tokio::time::timeout(patience, admitted).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => {
                Err(self.shared.admitted().err().unwrap_or(CommandError::Timeout { timeout: patience }))
            }
        }
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

    /// Whether commands go through, as far as the watchdog knows. Only [`Cache::ping`] knows now.
    pub fn is_connected(&self) -> bool {
        self.shared.client.is_connected() && self.shared.admitted().is_ok()
    }

    /// Closes the connection; later commands fail.
    pub async fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        // Best effort: the server forgets the connection either way.
        let _closed = tokio::time::timeout(Duration::from_secs(1), self.shared.client.quit()).await;
    }

    fn build(options: &CacheOptions, fail_fast: bool) -> Result<(Self, String), ConnectCacheError> {
        options.validate()?;
        let mut config = Config::from_url(options.url.expose_secret()).map_err(|_| ConnectCacheError::Url)?;
        // With true a failed first connect ends the client for good; with false it keeps trying.
        config.fail_fast = fail_fast;
        if options.client_tracking && !config.server.is_clustered() {
            config.version = RespVersion::RESP3; // changes are told over the connection that asks
        }
        let authorities = options.ca_file.clone().or_else(|| tls::file_of(options.url.expose_secret()));
        if let Some(file) = authorities.filter(|_| config.uses_tls()) {
            config.tls = Some(tls::connector(&file)?.into());
        }
        if config.server.is_clustered() {
            // The default asks the first node of the URL only, and is lost with it.
            config
                .server
                .set_cluster_discovery_policy(ClusterDiscoveryPolicy::UseCache)
                .map_err(|_| ConnectCacheError::Url)?;
        }
        let hosts: Vec<String> =
            config.server.hosts().iter().map(|s| format!("{}:{}", s.host, s.port)).collect();
        let sentinels = SentinelWatch::new(&config, options);
        let is_clustered = config.server.is_clustered();
        let lease = sentinels.as_ref().map(|_| Lease::new(options));
        let client = client(config, options).ok_or(ConnectCacheError::Url)?;
        let unseen = client.reconnect_rx();
        let announced = client.reconnect_rx();
        let shared = Arc::new(Shared {
            breaker: Breaker::new(options.breaker_failures),
            command: command_options(options, is_clustered),
            counts: Counts::default(),
            standing: watch::Sender::new(Standing::Unknown),
            generation: AtomicU64::new(0),
            unseen: RwLock::new(unseen),
            options: options.clone(),
            in_flight: AtomicUsize::new(0),
            max_in_flight: options.max_commands_in_flight.max(1),
            lease,
            task: Mutex::new(None),
            is_closed: AtomicBool::new(false),
            is_clustered,
            client,
        });
        watchdog::spawn(&shared, announced, sentinels, options);
        Ok((Self { shared }, hosts.join(", ")))
    }

    /// A full key from its parts after the prefix.
    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.shared.options.key_prefix)
    }

    pub(crate) fn options(&self) -> &CacheOptions {
        &self.shared.options
    }

    /// The connection that the last answer came over, or a later one. It changes with each connection made.
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Refuses what need not be tried.
    ///
    /// # Errors
    /// When no command would be sent now.
    pub(crate) fn admitted(&self) -> Result<(), CommandError> {
        self.shared.admitted().inspect_err(|_| {
            self.shared.counts.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Whether the server can be had to tell of changes. In a cluster each node would have to.
    pub(crate) fn tells_of_changes(&self) -> bool {
        self.shared.options.client_tracking && !self.shared.is_clustered
    }

    /// What it tells from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Invalidation> {
        self.shared.client.invalidation_rx()
    }

    pub(crate) fn is_clustered(&self) -> bool {
        self.shared.is_clustered
    }

    /// Sends one command. Scripts go this way too, as fred's own script calls ignore the per-call options.
    pub(crate) async fn run<T: FromValue>(
        &self,
        command: &'static str,
        hash: ClusterHash,
        arguments: Vec<Value>,
    ) -> Result<T, CommandError> {
        let shared = &*self.shared;
        self.admitted()?;
        let _place = shared.take_place().inspect_err(|_| {
            shared.counts.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        shared.counts.commands.fetch_add(1, Ordering::Relaxed);
        let value = shared.send(command, hash, arguments).await?;
        // The connection may have changed meanwhile: then this is the answer of a server that nobody has looked at.
        shared.admitted()?;
        value.convert::<T>().map_err(|_| CommandError::Shape { command })
    }

    /// Waits until no instance can still be trusting a primary that was replaced by the one just written to. Longer than
    /// a moment only right after a failover.
    pub(crate) async fn settled(&self) {
        if let Some(pause) = self.shared.lease.as_ref().and_then(Lease::until_settled) {
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks a server about itself, whatever it is and however it does. Its answer decides about no request.
    pub(crate) async fn look<T: FromValue>(
        &self,
        command: &'static str,
        hash: ClusterHash,
        arguments: Vec<Value>,
    ) -> Result<T, CommandError> {
        let value = self.shared.send(command, hash, arguments).await?;
        value.convert::<T>().map_err(|_| CommandError::Shape { command })
    }
}

impl Shared {
    /// Whether a command may be sent, or an answer be trusted.
    pub(crate) fn admitted(&self) -> Result<(), CommandError> {
        // In this order: the watchdog changes the standing before it marks a connection as seen.
        let is_unseen = !self.unseen.read().unwrap_or_else(PoisonError::into_inner).is_empty();
        let is_over = self.lease.as_ref().is_some_and(Lease::is_over);
        if is_unseen || is_over || self.breaker.is_open() {
            return Err(CommandError::Unavailable);
        }
        match *self.standing.borrow() {
            Standing::Primary => Ok(()),
            Standing::Replica => Err(CommandError::ReadOnly),
            Standing::Unknown => Err(CommandError::Unavailable),
        }
    }

    fn keep(&self, task: ConnectHandle) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Starts the library's task again if it ended by itself. Nothing else would: commands would wait for ever.
    pub(crate) fn revive(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let has_ended = task.as_ref().is_some_and(ConnectHandle::is_finished);
        if has_ended && !self.is_closed.load(Ordering::Acquire) {
            tracing::warn!("the connection to redis ended: starting it again");
            *task = Some(self.client.connect());
        }
    }

    fn take_place(&self) -> Result<Place<'_>, CommandError> {
        let waiting = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.in_flight);
        if waiting >= self.max_in_flight {
            return Err(CommandError::Busy { waiting: self.max_in_flight });
        }
        Ok(place)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    async fn send(
        &self,
        command: &'static str,
        hash: ClusterHash,
        arguments: Vec<Value>,
    ) -> Result<Value, CommandError> {
        let custom = CustomCommand::new_static(command, hash, false);
        match self.client.with_options(&self.command).custom::<Value, Value>(custom, arguments).await {
            Ok(value) => {
                self.breaker.succeeded();
                Ok(value)
            }
            Err(error) => {
                let (error, has_answered) = CommandError::sort(command, &error, self.options.command_timeout);
                if has_answered {
                    self.breaker.succeeded();
                } else {
                    let is_timeout = matches!(error, CommandError::Timeout { .. });
                    let count = if is_timeout { &self.counts.timeouts } else { &self.counts.failures };
                    count.fetch_add(1, Ordering::Relaxed);
                    self.breaker.failed();
                }
                tracing::debug!(command, %error, "redis command failed");
                Err(error)
            }
        }
    }
}

/// How soon whoever waits for the gate to open looks at it again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// One command waiting for its answer.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Both are needed: fail_fast looks at the connection's state only, which a stopped server does not change. To be sent on
/// by a node of a cluster counts as an attempt, and running out of them in the middle of that ends the library's task.
fn command_options(options: &CacheOptions, is_clustered: bool) -> Options {
    Options {
        timeout: Some(options.command_timeout),
        fail_fast: true,
        max_attempts: Some(if is_clustered { 5 } else { 1 }),
        ..Options::default()
    }
}

/// A client of the library with everything that waits or queues bounded.
pub(crate) fn client(config: Config, options: &CacheOptions) -> Option<Client> {
    let attempt = Duration::from_secs(1).min(options.connect_timeout);
    let milliseconds = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
    // The library adds its own jitter before it cuts at the longest pause, so at the longest there is none.
    let longest = options.longest_reconnect_pause.mul_f64(rand::rng().random_range(0.75..1.0));
    let first = milliseconds(options.reconnect_pause);
    let mut policy = ReconnectPolicy::new_exponential(0, first, milliseconds(longest).max(first), 2);
    policy.set_jitter(first);
    Builder::from_config(config)
        .with_performance_config(|performance| {
            performance.default_command_timeout = options.command_timeout;
            performance.broadcast_channel_capacity = 1024;
        })
        .with_connection_config(|connection| {
            connection.connection_timeout = attempt;
            connection.internal_command_timeout = attempt;
            connection.max_command_attempts = 1;
            connection.max_command_buffer_len = options.max_commands_in_flight.saturating_mul(2).max(64);
            // A server that is told another password for a moment must not lose its clients for good.
            connection.reconnect_on_auth_error = true;
        })
        .set_policy(policy)
        .build()
        .ok()
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("prefix", &self.shared.options.key_prefix)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
