//! Asks the server on nobody's behalf whether it answers and whether it is the primary, opens and closes the gate for
//! everybody else, and has the connection made anew when it is dead. The client library's own detection does not fire
//! as long as something is written, and a stopped server looks connected to it. No request waits for anything here.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use fred::interfaces::ClusterInterface;
use fred::prelude::{Client, ClientLike, Config, Server};
use fred::types::config::{Options, ServerConfig};
use fred::types::{ClusterHash, CustomCommand, RespVersion, Value};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::time::MissedTickBehavior;

use crate::command::CommandError;
use crate::connection::{Shared, client};
use crate::options::CacheOptions;

/// What the server behind the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It was not asked yet, or does not answer.
    Unknown,
    /// The primary: what it answers holds.
    Primary,
    /// A replica, or a former primary that Sentinel has replaced: what it answers may be old.
    Replica,
}

/// Making the connection anew can block in the library.
const LONGEST_RECONNECTION: Duration = Duration::from_secs(2);
/// Of the sentinels named in the URL so many are asked.
const MOST_SENTINELS: usize = 7;

struct Watchdog {
    sentinels: Option<SentinelWatch>,
    connected_to: Option<Server>,
    misses: u32,
    misses_to_reconnect: u32,
    pause: Duration,
    first_pause: Duration,
    longest_pause: Duration,
    no_reconnection_before: Option<Instant>,
}

pub(crate) fn spawn(
    shared: &Arc<Shared>,
    announced: broadcast::Receiver<Server>,
    sentinels: Option<SentinelWatch>,
    options: &CacheOptions,
) {
    let watchdog = Watchdog {
        sentinels,
        connected_to: None,
        misses: 0,
        misses_to_reconnect: options.watchdog_misses.max(1),
        pause: options.watchdog_interval,
        first_pause: options.watchdog_interval,
        longest_pause: options.longest_reconnect_pause.max(options.watchdog_interval),
        no_reconnection_before: None,
    };
    // Ends by itself with the last clone of the connection.
    drop(tokio::spawn(watchdog.run(Arc::downgrade(shared), announced, options.watchdog_interval)));
}

/// One question, whose answer is not acted on: why a first connection is of no use.
pub(crate) async fn first_look(shared: &Shared) -> Result<(), CommandError> {
    ask(shared).await.map(|_| ()).map_err(|(error, _has_answered)| error)
}

impl Watchdog {
    async fn run(
        mut self,
        shared: Weak<Shared>,
        mut announced: broadcast::Receiver<Server>,
        interval: Duration,
    ) {
        if let Some(sentinels) = &self.sentinels {
            sentinels.connect();
        }
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                news = announced.recv() => match news {
                    Ok(server) => self.connected_to = Some(server),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
            let Some(shared) = shared.upgrade() else { return };
            self.look(&shared).await;
        }
    }

    async fn look(&mut self, shared: &Shared) {
        shared.revive();
        shared.note_new_connections();
        let began = Instant::now();
        let standing = match ask(shared).await {
            Ok(Answers::All(standing)) => {
                self.misses = 0;
                standing
            }
            Ok(Answers::Some) => {
                self.misses = self.misses.saturating_add(1);
                Standing::Primary
            }
            Err((_error, true)) => Standing::Unknown,
            Err((_error, false)) => {
                self.misses = self.misses.saturating_add(1);
                shared.breaker.failed();
                if self.misses >= self.misses_to_reconnect {
                    shared.set_standing(Standing::Unknown);
                    self.reconnect(shared).await;
                }
                return;
            }
        };
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        shared.counts.latency_microseconds.store(micros, Ordering::Relaxed);
        let is_replaced = standing == Standing::Primary && self.is_replaced().await;
        if let (Some(lease), Standing::Primary, false) = (&shared.lease, standing, is_replaced) {
            lease.renew(began);
        }
        let known = if is_replaced { Standing::Replica } else { standing };
        if known == Standing::Primary {
            // In this order, so that whoever waited for the primary finds the gate open.
            shared.breaker.close();
            shared.set_standing(known);
        } else {
            shared.set_standing(known);
            shared.breaker.close();
        }
        match standing {
            Standing::Primary if !is_replaced && self.misses == 0 => {
                self.pause = self.first_pause;
                self.no_reconnection_before = None;
            }
            Standing::Primary if !is_replaced && self.misses < self.misses_to_reconnect => {}
            Standing::Unknown => {}
            _ => self.reconnect(shared).await,
        }
    }

    /// Whether the sentinels agree that the server is not the primary any more, though it still thinks so.
    async fn is_replaced(&self) -> bool {
        let (Some(sentinels), Some(server)) = (&self.sentinels, &self.connected_to) else { return false };
        match sentinels.primary().await {
            Some((host, port)) => (host.as_str(), port) != (&*server.host, server.port),
            None => false, // they are away or of two minds; the server's own word stands
        }
    }

    async fn reconnect(&mut self, shared: &Shared) {
        let now = Instant::now();
        let is_too_soon = self.no_reconnection_before.is_some_and(|before| now < before);
        // One that has lost its connection is at it already.
        if is_too_soon || !shared.client.is_connected() {
            return;
        }
        self.no_reconnection_before = Some(now + self.pause);
        self.pause = (self.pause * 2).min(self.longest_pause);
        shared.counts.forced_reconnections.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("redis does not answer as a primary: connecting anew");
        let client = &shared.client;
        let anew = async {
            if client.is_clustered() {
                client.sync_cluster().await
            } else {
                client.force_reconnection().await
            }
        };
        // Either way the next look tells how it went.
        let _ended = tokio::time::timeout(LONGEST_RECONNECTION, anew).await;
        self.misses = 0;
    }
}

impl Shared {
    /// Nothing is trusted any more until the new connection was asked. The order holds the promise of `admitted`.
    fn note_new_connections(&self) {
        if self.unseen.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return;
        }
        self.standing.send_replace(Standing::Unknown);
        if let Some(lease) = &self.lease {
            lease.unsettle();
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.counts.reconnections.fetch_add(1, Ordering::Relaxed);
        let mut unseen = self.unseen.write().unwrap_or_else(PoisonError::into_inner);
        while matches!(unseen.try_recv(), Ok(_) | Err(TryRecvError::Lagged(_))) {}
    }

    fn set_standing(&self, standing: Standing) {
        let is_changed = self.standing.send_if_modified(|old| std::mem::replace(old, standing) != standing);
        if is_changed {
            tracing::info!(?standing, "redis");
        }
    }
}

/// Whose answers there are.
enum Answers {
    /// Of the server, or all primaries of a cluster.
    All(Standing),
    /// Of some primaries of a cluster.
    Some,
}

async fn ask(shared: &Shared) -> Result<Answers, (CommandError, bool)> {
    if !shared.client.is_clustered() {
        return ask_one(&shared.client, &shared.command).await.map(Answers::All);
    }
    // A replica in a cluster sends a reader away itself, and so does a primary that lost the majority.
    let nodes = shared.client.cached_cluster_state().map(|state| state.unique_primary_nodes());
    let nodes = nodes.filter(|nodes| !nodes.is_empty()).ok_or((CommandError::Unavailable, false))?;
    let all = nodes.len();
    let asked = nodes.into_iter().map(|node| {
        let options = Options { cluster_node: Some(node), ..shared.command.clone() };
        async move { ask_one(&shared.client, &options).await }
    });
    let answers = join_all(asked).await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    match answers.into_iter().find_map(Result::err) {
        None => Ok(Answers::All(Standing::Primary)),
        Some(_) if answered > 0 && answered < all => Ok(Answers::Some),
        Some(error) => Err(error),
    }
}

async fn ask_one(client: &Client, options: &Options) -> Result<Standing, (CommandError, bool)> {
    let timeout = options.timeout.unwrap_or_default();
    let role = CustomCommand::new_static("ROLE", ClusterHash::Random, false);
    let answer = client.with_options(options).custom::<Value, Value>(role, Vec::new()).await;
    let answer = answer.map_err(|error| CommandError::sort("ROLE", &error, timeout))?;
    let first = answer.into_array().into_iter().next().and_then(Value::into_string);
    match first.as_deref() {
        Some("master") => Ok(Standing::Primary),
        Some(_) => Ok(Standing::Replica),
        None => Err((CommandError::Shape { command: "ROLE" }, true)),
    }
}

/// The sentinels of the URL, asked who the primary is.
pub(crate) struct SentinelWatch {
    service: String,
    clients: Vec<Client>,
    options: Options,
}

impl SentinelWatch {
    /// `None` unless the URL names sentinels.
    pub(crate) fn new(config: &Config, options: &CacheOptions) -> Option<Self> {
        let ServerConfig::Sentinel { hosts, service_name, username, password } = &config.server else {
            return None;
        };
        let clients = hosts.iter().take(MOST_SENTINELS).filter_map(|server| {
            let config = Config {
                server: ServerConfig::Centralized { server: server.clone() },
                fail_fast: false,
                username: username.clone(),
                password: password.clone(),
                version: RespVersion::RESP2,
                database: None,
                ..config.clone()
            };
            client(config, options)
        });
        let timeout = Some(options.command_timeout);
        let command = Options { timeout, fail_fast: true, max_attempts: Some(1), ..Options::default() };
        Some(Self { service: service_name.clone(), clients: clients.collect(), options: command })
    }

    fn connect(&self) {
        for client in &self.clients {
            drop(client.connect());
        }
    }

    /// The address that most of those that answer name.
    async fn primary(&self) -> Option<(String, u16)> {
        let asked = self.clients.iter().map(|client| self.ask(client));
        let named: Vec<(String, u16)> = join_all(asked).await.into_iter().flatten().collect();
        let votes = |address: &(String, u16)| named.iter().filter(|other| *other == address).count();
        named.iter().find(|address| votes(address) * 2 > named.len()).cloned()
    }

    async fn ask(&self, client: &Client) -> Option<(String, u16)> {
        let sentinel = CustomCommand::new_static("SENTINEL", ClusterHash::Random, false);
        let arguments = vec!["get-master-addr-by-name".to_owned(), self.service.clone()];
        let address: Vec<String> =
            client.with_options(&self.options).custom(sentinel, arguments).await.ok()?;
        let [host, port] = address.as_slice() else { return None };
        Some((host.clone(), port.parse().ok()?))
    }
}
