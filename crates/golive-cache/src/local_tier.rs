//! Values kept in this process for a short while, dropped when any instance invalidates them. It serves only while it
//! hears its own voice over the channel that invalidations come by: a channel that fell silent would make it serve what
//! is out of date. How values get here is not known.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use fred::interfaces::PubsubInterface;
use fred::prelude::{Client, ClientLike, Config, EventInterface};
use fred::types::{ClusterHash, Message, Value};
use rand::RngExt;
use secrecy::ExposeSecret;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use crate::connection::{Cache, client};

/// How often it calls, and how long it goes on without hearing itself: with it, what is invalidated is not served for
/// longer than this even if every message is lost.
const CALL_EVERY: Duration = Duration::from_millis(250);
const LONGEST_SILENCE_MILLISECONDS: u64 = 1_000;
/// Calls in a row without an answer after which it subscribes, or connects, anew.
const SUBSCRIBE_AFTER_CALLS: u32 = 4;
const RECONNECT_AFTER_CALLS: u32 = 20;
const LONGEST_SUBSCRIBE: Duration = Duration::from_secs(2);

/// How many values are kept in the process, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalTier {
    /// How many values at most.
    pub capacity: u64,
    /// How long at most. Short: it is what remains if all else fails.
    pub ttl: Duration,
}

impl LocalTier {
    /// So many values for so long.
    pub fn new(capacity: u64, ttl: Duration) -> Self {
        Self { capacity, ttl }
    }
}

pub(crate) struct Local<T> {
    values: moka::sync::Cache<String, T>,
    /// Goes up with every invalidation: a value looked up before one is not kept after it.
    generation: AtomicU64,
    start: Instant,
    /// Milliseconds since the start; 0 is never.
    heard_at: AtomicU64,
    name: &'static str,
}

impl<T: Clone + Send + Sync + 'static> Local<T> {
    pub(crate) fn start(cache: &Cache, name: &'static str, tier: LocalTier) -> Arc<Self> {
        let values = moka::sync::Cache::builder().max_capacity(tier.capacity).time_to_live(tier.ttl).build();
        let (generation, heard_at) = (AtomicU64::new(0), AtomicU64::new(0));
        let local = Arc::new(Self { values, generation, start: Instant::now(), heard_at, name });
        if let Some(client) = subscriber(cache) {
            // Ends by itself with the last clone of the cache.
            drop(tokio::spawn(listen(Arc::downgrade(&local), cache.clone(), client)));
        }
        local
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Whether it would hear of an invalidation.
    pub(crate) fn is_listening(&self) -> bool {
        let heard_at = self.heard_at.load(Ordering::Acquire);
        heard_at > 0 && self.now().saturating_sub(heard_at) < LONGEST_SILENCE_MILLISECONDS
    }

    pub(crate) fn get(&self, key: &str) -> Option<T> {
        if self.is_listening() { self.values.get(key) } else { None }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps a value that was looked up or loaded after `generation`.
    pub(crate) fn keep(&self, key: &str, value: &T, generation: u64) {
        if !self.is_listening() || self.generation() != generation {
            return;
        }
        self.values.insert(key.to_owned(), value.clone());
        // An invalidation between the look and the insert has found nothing to drop.
        if self.generation() != generation {
            self.values.invalidate(key);
        }
    }

    pub(crate) fn forget(&self, key: &str) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.values.invalidate(key);
    }

    fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.heard_at.store(0, Ordering::Release);
        self.values.invalidate_all();
    }

    fn hear(&self, message: &Message, own_channel: &str) {
        if *message.channel == *own_channel {
            self.heard_at.store(self.now(), Ordering::Release);
        } else if let Some(text) = message.value.as_str()
            && let Some((name, key)) = text.split_once('\n')
            && name == self.name
        {
            self.forget(key);
        }
    }
}

/// The channel that all instances publish invalidations to, as the cache's name, a line feed, and the key.
pub(crate) fn channel(cache: &Cache) -> String {
    cache.key("cache:invalidated")
}

/// A connection that sends nothing but subscriptions.
fn subscriber(cache: &Cache) -> Option<Client> {
    let options = cache.options();
    let mut config = Config::from_url(options.url.expose_secret()).ok()?;
    config.fail_fast = false;
    client(config, options)
}

async fn listen<T: Clone + Send + Sync + 'static>(local: Weak<Local<T>>, cache: Cache, client: Client) {
    let channel = channel(&cache);
    let own = format!("{channel}:{:032x}", rand::rng().random::<u128>());
    let (mut messages, mut connected) = (client.message_rx(), client.reconnect_rx());
    let _task = client.connect();
    let mut silent_calls = 0_u32;
    let mut calls = tokio::time::interval(CALL_EVERY);
    calls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            news = connected.recv() => {
                let Some(local) = local.upgrade() else { break };
                if matches!(news, Err(RecvError::Closed)) {
                    break;
                }
                // What was invalidated while nobody listened is not known.
                local.forget_all();
                subscribe(&client, &channel, &own).await;
            }
            message = messages.recv() => {
                let Some(local) = local.upgrade() else { break };
                match message {
                    Ok(message) => local.hear(&message, &own),
                    Err(RecvError::Lagged(_)) => local.forget_all(),
                    Err(RecvError::Closed) => break,
                }
            }
            _ = calls.tick() => {
                let Some(local) = local.upgrade() else { break };
                silent_calls = if local.is_listening() { 0 } else { silent_calls + 1 };
                if silent_calls % RECONNECT_AFTER_CALLS == RECONNECT_AFTER_CALLS - 1 {
                    let _anew = tokio::time::timeout(LONGEST_SUBSCRIBE, client.force_reconnection()).await;
                } else if silent_calls > SUBSCRIBE_AFTER_CALLS && client.is_connected() {
                    subscribe(&client, &channel, &own).await;
                }
                let call = vec![Value::from(own.as_str()), Value::from("")];
                let _receivers: Result<i64, _> = cache.run("PUBLISH", ClusterHash::Random, call).await;
            }
        }
    }
    let _closed = tokio::time::timeout(LONGEST_SUBSCRIBE, client.quit()).await;
}

/// Whether it worked is heard.
async fn subscribe(client: &Client, channel: &str, own: &str) {
    let channels = vec![channel.to_owned(), own.to_owned()];
    let _subscribed = tokio::time::timeout(LONGEST_SUBSCRIBE, client.subscribe(channels)).await;
}
