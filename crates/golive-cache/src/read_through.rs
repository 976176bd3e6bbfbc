//! A cache in front of a loader: one load a key at a time, and never an answer from before an invalidation that the load
//! did not see. Its failure costs time, not correctness. Nothing security-relevant belongs in it.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fred::types::{ClusterHash, Value};
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::cache_key::CacheKey;
use crate::command::CommandError;
use crate::connection::Cache;
use crate::flight::Flights;
use crate::local_tier::{Local, LocalTier, channel};
use crate::script::Script;

/// How values of one kind are kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReadThroughOptions {
    /// How long a value is fresh.
    pub ttl: Duration,
    /// By how much of `ttl` that varies, up and down, so that what was loaded together is not loaded again together.
    /// Default 0.1.
    pub jitter: f64,
    /// For how long afterwards the old value is served while one caller loads a new one, or if the load fails. Default
    /// none.
    pub stale: Duration,
    /// How long instances wait for the one that loads a key. `None`, the default: each instance loads for itself.
    pub shared_load: Option<Duration>,
    /// Loads at a time, of all keys: what the source must bear when Redis is away. Default 64.
    pub loads_at_once: usize,
    /// Values kept in the process too. Default none.
    pub local: Option<LocalTier>,
}

impl ReadThroughOptions {
    /// Values fresh for `ttl`.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, jitter: 0.1, stale: Duration::ZERO, shared_load: None, loads_at_once: 64, local: None }
    }
}

/// Values of one kind, kept as JSON for a while. Cheap to clone.
///
/// ```no_run
/// use std::time::Duration;
/// use golive_cache::{Cache, LocalTier, ReadThrough, ReadThroughOptions};
///
/// # async fn look(cache: Cache) -> Result<(), std::io::Error> {
/// // Thresholds of a tenant, by metric; ten minutes.
/// let mut options = ReadThroughOptions::new(Duration::from_secs(600));
/// options.stale = Duration::from_secs(60);
/// options.local = Some(LocalTier::new(10_000, Duration::from_secs(5)));
/// let thresholds: ReadThrough<f64, (i64, &str)> = ReadThrough::with(cache.clone(), "thresholds", options);
/// let value = thresholds.get_or_load(&(7, "oee"), async || Ok::<_, std::io::Error>(0.85)).await?;
///
/// // The configuration of a tenant, which may have none: that is remembered for a minute, what there is for five.
/// let options = ReadThroughOptions::new(Duration::from_secs(300));
/// let config: ReadThrough<Option<String>, i64> =
///     ReadThrough::of_optional(cache.clone(), "config", options, Duration::from_secs(60));
///
/// // Permissions of an account; two minutes.
/// let permissions: ReadThrough<Vec<String>, i64> = ReadThrough::new(cache, "permissions", Duration::from_secs(120));
/// # Ok(())
/// # }
/// ```
pub struct ReadThrough<T, K: ?Sized = str> {
    inner: Arc<Inner<T>>,
    key: PhantomData<fn(&K)>,
}

struct Inner<T> {
    cache: Cache,
    name: &'static str,
    options: ReadThroughOptions,
    absent: Option<Absent<T>>,
    publish: Script,
    invalidate: Script,
    give_back: Script,
    flights: Flights<T>,
    loads: Semaphore,
    local: Option<Arc<Local<T>>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    local_hits: AtomicU64,
    stale_hits: AtomicU64,
    misses: AtomicU64,
    failures: AtomicU64,
    loads: AtomicU64,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct ReadThroughStats {
    /// Answered from Redis, fresh.
    pub hits: u64,
    /// Answered from this process.
    pub local_hits: u64,
    /// Answered from Redis after its time, while another loads or because the load failed.
    pub stale_hits: u64,
    /// Not in Redis, or after its time.
    pub misses: u64,
    /// Redis did not answer; the loader did.
    pub failures: u64,
    /// Loads begun.
    pub loads: u64,
}

impl ReadThroughStats {
    /// The part answered without a load, from 0 to 1; `None` before the first question.
    pub fn hit_ratio(&self) -> Option<f64> {
        let hits = self.hits + self.local_hits + self.stale_hits;
        let all = self.hits + self.local_hits + self.misses + self.failures;
        (all > 0).then(|| hits as f64 / all as f64)
    }
}

impl<T, K: ?Sized> Clone for ReadThrough<T, K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), key: PhantomData }
    }
}

impl<T, K: ?Sized> std::fmt::Debug for ReadThrough<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadThrough")
            .field("name", &self.inner.name)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

/// What counts as absent, and how long that is remembered.
type Absent<T> = (fn(&T) -> bool, Duration);

/// What Redis holds of a key.
struct Found<T> {
    value: Option<T>,
    is_fresh: bool,
    generation: String,
}

impl<V, K> ReadThrough<Option<V>, K>
where
    V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    K: CacheKey + ?Sized,
{
    /// Values that may be absent; absence is remembered for `negative_ttl`.
    pub fn of_optional(
        cache: Cache,
        name: &'static str,
        options: ReadThroughOptions,
        negative_ttl: Duration,
    ) -> Self {
        Self::build(cache, name, options, Some((Option::is_none, negative_ttl)))
    }
}

impl<T, K> ReadThrough<T, K>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    K: CacheKey + ?Sized,
{
    /// Values kept under `name` for `ttl`. Two caches of different types must not share a name. For absence to be
    /// remembered, let `T` be an `Option`.
    pub fn new(cache: Cache, name: &'static str, ttl: Duration) -> Self {
        Self::with(cache, name, ReadThroughOptions::new(ttl))
    }

    /// Values kept under `name`.
    pub fn with(cache: Cache, name: &'static str, options: ReadThroughOptions) -> Self {
        Self::build(cache, name, options, None)
    }

    fn build(
        cache: Cache,
        name: &'static str,
        options: ReadThroughOptions,
        absent: Option<Absent<T>>,
    ) -> Self {
        let local = options.local.map(|tier| Local::start(&cache, name, tier));
        let inner = Inner {
            cache,
            name,
            options,
            absent,
            publish: Script::new(PUBLISH),
            invalidate: Script::new(INVALIDATE),
            give_back: Script::new(GIVE_BACK),
            flights: Flights::new(),
            loads: Semaphore::new(options.loads_at_once.clamp(1, Semaphore::MAX_PERMITS)),
            local,
            counts: Counts::default(),
        };
        Self { inner: Arc::new(inner), key: PhantomData }
    }

    /// The value of `key`: from this process, from Redis, from a load that is under way, or from `load`.
    ///
    /// # Errors
    /// Only those of `load`; they are not kept.
    pub async fn get_or_load<F, Fut, E>(&self, key: &K, load: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (inner, key) = (&*self.inner, &*key.text());
        let local_generation = inner.local.as_ref().map_or(0, |local| local.generation());
        if let Some(value) = inner.look_here(key) {
            return Ok(value);
        }
        let before = inner.look(key).await;
        let stale = match &before {
            Ok(Found { value: Some(value), is_fresh: true, .. }) => {
                inner.counts.hits.fetch_add(1, Ordering::Relaxed);
                inner.keep_here(key, value, local_generation);
                return Ok(value.clone());
            }
            Ok(found) => found.value.clone(),
            Err(_) => None,
        };
        let counter = if before.is_ok() { &inner.counts.misses } else { &inner.counts.failures };
        counter.fetch_add(1, Ordering::Relaxed);
        let flight = inner.flights.join(key);
        let mut slot = match (&stale, flight.slot.try_lock()) {
            (_, Ok(slot)) => slot,
            (Some(_), Err(_another_loads)) => return Ok(inner.serve_stale(stale)),
            (None, Err(_)) => flight.slot.lock().await,
        };
        if let Some(value) = slot.as_ref() {
            return Ok(value.clone());
        }
        let (before, ours) = match before {
            Ok(found) => inner.wait_for_others(key, found).await,
            Err(error) => (Err(error), None),
        };
        if let Ok(Found { value: Some(value), is_fresh: true, .. }) = &before {
            inner.keep_here(key, value, local_generation);
            *slot = Some(value.clone());
            return Ok(value.clone());
        }
        let loaded = {
            // Never closed.
            let _place = inner.loads.acquire().await;
            inner.counts.loads.fetch_add(1, Ordering::Relaxed);
            load().await
        };
        let value = match loaded {
            Ok(value) => value,
            Err(error) => {
                inner.give_back(key, ours.as_deref()).await;
                return if stale.is_some() { Ok(inner.serve_stale(stale)) } else { Err(error) };
            }
        };
        if let Ok(Found { generation, .. }) = before
            && inner.publish(key, &value, &generation, ours.as_deref()).await
        {
            inner.keep_here(key, &value, local_generation);
        }
        *slot = Some(value.clone());
        Ok(value)
    }

    /// Drops the value of `key`, here and for all instances; a load under way will not be kept.
    ///
    /// # Errors
    /// When Redis does not confirm in time. Then the old value may be served until its time is over: try again.
    pub async fn invalidate(&self, key: &K) -> Result<(), CommandError> {
        let (inner, key) = (&*self.inner, &*key.text());
        inner.flights.forget(key);
        if let Some(local) = &inner.local {
            local.forget(key);
        }
        let keys = inner.keys(key);
        let options = &inner.options;
        let keep =
            milliseconds(options.ttl.saturating_add(options.stale)).saturating_add(LONGEST_LOAD_MILLISECONDS);
        let message = format!("{}\n{key}", inner.name);
        let arguments = [Value::from(keep), Value::from(channel(&inner.cache)), Value::from(message)];
        let _generation: i64 =
            inner.invalidate.run(&inner.cache, &keys.each_ref().map(String::as_str), &arguments).await?;
        Ok(())
    }

    /// Counts since the start.
    pub fn stats(&self) -> ReadThroughStats {
        let counts = &self.inner.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ReadThroughStats {
            hits: read(&counts.hits),
            local_hits: read(&counts.local_hits),
            stale_hits: read(&counts.stale_hits),
            misses: read(&counts.misses),
            failures: read(&counts.failures),
            loads: read(&counts.loads),
        }
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Inner<T> {
    /// Without Redis nobody would tell of an invalidation.
    fn look_here(&self, key: &str) -> Option<T> {
        let value = self.local.as_ref().filter(|_| self.cache.shared.admitted().is_ok())?.get(key)?;
        self.counts.local_hits.fetch_add(1, Ordering::Relaxed);
        Some(value)
    }

    fn keep_here(&self, key: &str, value: &T, generation: u64) {
        if let Some(local) = &self.local {
            local.keep(key, value, generation);
        }
    }

    fn serve_stale(&self, stale: Option<T>) -> T {
        self.counts.stale_hits.fetch_add(1, Ordering::Relaxed);
        stale.expect("asked only with a value")
    }

    async fn look(&self, key: &str) -> Result<Found<T>, CommandError> {
        let [value, generation, fresh, _lock] = self.keys(key);
        let arguments = vec![Value::from(value), Value::from(generation), Value::from(fresh)];
        let found: Vec<Option<String>> = self.cache.run("MGET", ClusterHash::FirstKey, arguments).await?;
        let [value, generation, fresh] =
            <[Option<String>; 3]>::try_from(found).map_err(|_| CommandError::Shape { command: "MGET" })?;
        // A value of an older release that no longer parses counts as absent.
        let value = value.and_then(|json| serde_json::from_str(&json).ok());
        let generation = generation.unwrap_or_else(|| "0".to_owned());
        Ok(Found { value, is_fresh: fresh.is_some(), generation })
    }

    /// Takes the right to load, or waits for the instance that has it. The second is the right, to be given back.
    async fn wait_for_others(
        &self,
        key: &str,
        mut found: Found<T>,
    ) -> (Result<Found<T>, CommandError>, Option<String>) {
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let Some(patience) = self.options.shared_load else { return (Ok(found), None) };
        let [_, _, _, lock] = self.keys(key);
        let token = format!("{:032x}", rand::rng().random::<u128>());
        let begun = Instant::now();
        loop {
            let mut take: Vec<Value> = [lock.as_str(), &token, "NX", "PX"].map(Value::from).to_vec();
            take.push(Value::from(milliseconds(patience).max(1)));
            let taken: Result<Option<String>, _> = self.cache.run("SET", ClusterHash::FirstKey, take).await;
            match taken {
                Ok(Some(_)) => return (Ok(found), Some(token)),
                Ok(None) if begun.elapsed() < patience => tokio::time::sleep(LOOK_EVERY).await,
                Ok(None) => return (Ok(found), None),
                Err(error) => return (Err(error), None),
            }
            found = match self.look(key).await {
                Ok(found) if found.value.is_some() && found.is_fresh => return (Ok(found), None),
                Ok(found) => found,
                Err(error) => return (Err(error), None),
            };
        }
    }

    /// Lets another instance load after a load that failed.
    async fn give_back(&self, key: &str, ours: Option<&str>) {
        let Some(token) = ours else { return };
        let [_, _, _, lock] = self.keys(key);
        let given_back: Result<i64, _> =
            self.give_back.run(&self.cache, &[&lock], &[Value::from(token)]).await;
        if let Err(error) = given_back {
            tracing::debug!(cache = self.name, %error, "the others wait until it expires");
        }
    }

    /// Whether Redis has it now: not if it was invalidated since the load began.
    async fn publish(&self, key: &str, value: &T, generation: &str, ours: Option<&str>) -> bool {
        let Ok(json) = serde_json::to_string(value) else {
            tracing::warn!(cache = self.name, "a value cannot be written as JSON and is not cached");
            return false;
        };
        let ttl = match self.absent {
            Some((is_absent, negative_ttl)) if is_absent(value) => negative_ttl,
            _ => self.options.ttl,
        };
        let fresh = milliseconds(jittered(ttl, self.options.jitter)).max(1);
        let arguments = [
            Value::from(generation),
            Value::from(json),
            Value::from(fresh),
            Value::from(fresh.saturating_add(milliseconds(self.options.stale))),
            Value::from(ours.unwrap_or("")),
        ];
        let keys = self.keys(key);
        let kept: Result<i64, _> =
            self.publish.run(&self.cache, &keys.each_ref().map(String::as_str), &arguments).await;
        match kept {
            Ok(kept) => kept == 1,
            Err(error) => {
                tracing::debug!(cache = self.name, %error, "value not cached");
                false
            }
        }
    }

    /// Value, generation, mark of freshness and right to load, in one slot of a cluster.
    fn keys(&self, key: &str) -> [String; 4] {
        let tag = format!("{{{}:{}}}", self.name, without_braces(key));
        ["v", "g", "f", "l"].map(|kind| self.cache.key(&format!("cache:{tag}:{kind}")))
    }
}

/// A brace in a key would end the part that decides the slot of a cluster.
fn without_braces(key: &str) -> Cow<'_, str> {
    if key.contains(['{', '}', '%']) {
        key.replace('%', "%25").replace('{', "%7B").replace('}', "%7D").into()
    } else {
        key.into()
    }
}

const LONGEST_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn jittered(ttl: Duration, jitter: f64) -> Duration {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 0.9) } else { 0.0 };
    if jitter == 0.0 {
        return ttl;
    }
    ttl.min(LONGEST_TTL).mul_f64(rand::rng().random_range(1.0 - jitter..=1.0 + jitter))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX >> 12)
}

/// A generation must outlive every load that began before it.
const LONGEST_LOAD_MILLISECONDS: i64 = 3_600_000;

/// KEYS: value, generation, fresh, lock. ARGV: generation seen before the load, value, milliseconds fresh, milliseconds
/// kept, the lock's token.
const PUBLISH: &str = "
if ARGV[5] ~= '' and redis.call('GET', KEYS[4]) == ARGV[5] then redis.call('DEL', KEYS[4]) end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
return 1";

/// KEYS: lock. ARGV: token.
const GIVE_BACK: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// KEYS: value, generation, fresh, lock. ARGV: milliseconds to keep the generation, channel, message.
const INVALIDATE: &str = "
redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
local generation = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return generation";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_together_does_not_end_together() {
        let ttl = Duration::from_secs(100);
        let all: std::collections::HashSet<Duration> = (0..100).map(|_| jittered(ttl, 0.1)).collect();
        assert!(all.len() > 50);
        assert!(all.iter().all(|ttl| (Duration::from_secs(89)..Duration::from_secs(111)).contains(ttl)));
        assert_eq!(jittered(ttl, 0.0), ttl);
    }

    #[test]
    fn braces_in_keys_stay_apart() {
        assert_eq!(without_braces("plain"), "plain");
        assert_ne!(without_braces("a{"), without_braces("a%7B"));
    }
}
