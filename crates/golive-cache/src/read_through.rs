//! A cache in front of a loader: one load a key in this process, and never an answer from before an invalidation that
//! the load did not see. Its failure costs time, not correctness. Nothing security-relevant belongs in it.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::types::{ClusterHash, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::CommandError;
use crate::connection::Cache;
use crate::script::Script;

/// Values of one kind, kept as JSON for a while. Cheap to clone.
pub struct ReadThrough<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    cache: Cache,
    name: &'static str,
    ttl: Duration,
    publish: Script,
    invalidate: Script,
    loads: Mutex<HashMap<String, Slot<T>>>,
    hits: AtomicU64,
    misses: AtomicU64,
    failures: AtomicU64,
    value: PhantomData<fn() -> T>,
}

/// Empty while the first caller loads; the others wait at the lock and find its result.
type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct ReadThroughStats {
    /// Answered from Redis.
    pub hits: u64,
    /// Not in Redis.
    pub misses: u64,
    /// Redis did not answer; the loader did.
    pub failures: u64,
}

impl<T> Clone for ReadThrough<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> std::fmt::Debug for ReadThrough<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadThrough")
            .field("name", &self.inner.name)
            .field("ttl", &self.inner.ttl)
            .finish_non_exhaustive()
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync> ReadThrough<T> {
    /// Values kept under `name` for `ttl`. Two caches of different types must not share a name. For absence to be
    /// remembered, let `T` be an `Option`.
    pub fn new(cache: Cache, name: &'static str, ttl: Duration) -> Self {
        let inner = Inner {
            cache,
            name,
            ttl,
            publish: Script::new(PUBLISH),
            invalidate: Script::new(INVALIDATE),
            loads: Mutex::new(HashMap::new()),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            value: PhantomData,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The value of `key`: from Redis, or from a load that is under way, or from `load`.
    ///
    /// # Errors
    /// Only those of `load`; they are not kept.
    pub async fn get_or_load<F, Fut, E>(&self, key: &str, load: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let before = self.look(key).await;
        if let Ok((Some(value), _generation)) = before {
            self.inner.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(value);
        }
        let counter = if before.is_ok() { &self.inner.misses } else { &self.inner.failures };
        counter.fetch_add(1, Ordering::Relaxed);
        let flight = Flight::join(&self.inner.loads, key);
        let mut slot = flight.slot.lock().await;
        if let Some(value) = slot.as_ref() {
            return Ok(value.clone());
        }
        let value = load().await?;
        if let Ok((_none, generation)) = before {
            self.publish(key, &value, &generation).await;
        }
        *slot = Some(value.clone());
        Ok(value)
    }

    /// Drops the value of `key`, here and for all instances; a load under way will not be kept.
    ///
    /// # Errors
    /// When Redis does not confirm in time. Then the old value may be served until its time is over.
    pub async fn invalidate(&self, key: &str) -> Result<(), CommandError> {
        // Later callers must not join a load that began before.
        self.inner.loads.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        let (value, generation) = self.keys(key);
        let keep = milliseconds(self.inner.ttl).saturating_add(LONGEST_LOAD_MILLISECONDS);
        let _generation: i64 = self
            .inner
            .invalidate
            .run(&self.inner.cache, &[&value, &generation], &[Value::from(keep)])
            .await?;
        Ok(())
    }

    /// Counts since the start.
    pub fn stats(&self) -> ReadThroughStats {
        ReadThroughStats {
            hits: self.inner.hits.load(Ordering::Relaxed),
            misses: self.inner.misses.load(Ordering::Relaxed),
            failures: self.inner.failures.load(Ordering::Relaxed),
        }
    }

    async fn look(&self, key: &str) -> Result<(Option<T>, String), CommandError> {
        let (value, generation) = self.keys(key);
        let arguments = vec![Value::from(value), Value::from(generation)];
        let found: Vec<Option<String>> =
            self.inner.cache.run("MGET", ClusterHash::FirstKey, arguments).await?;
        let [value, generation] =
            <[Option<String>; 2]>::try_from(found).map_err(|_| CommandError::Shape { command: "MGET" })?;
        // A value of an older release that no longer parses counts as absent.
        let value = value.and_then(|json| serde_json::from_str(&json).ok());
        Ok((value, generation.unwrap_or_else(|| "0".to_owned())))
    }

    async fn publish(&self, key: &str, value: &T, generation: &str) {
        let Ok(json) = serde_json::to_string(value) else {
            tracing::warn!(cache = self.inner.name, "a value cannot be written as JSON and is not cached");
            return;
        };
        let (value, generation_key) = self.keys(key);
        let arguments =
            [Value::from(generation), Value::from(json), Value::from(milliseconds(self.inner.ttl).max(1))];
        let kept: Result<i64, _> =
            self.inner.publish.run(&self.inner.cache, &[&value, &generation_key], &arguments).await;
        if let Err(error) = kept {
            tracing::debug!(cache = self.inner.name, %error, "value not cached");
        }
    }

    /// Value and generation, in one slot of a cluster.
    fn keys(&self, key: &str) -> (String, String) {
        let tag = format!("{{{}:{key}}}", self.inner.name);
        (self.inner.cache.key(&format!("cache:{tag}:v")), self.inner.cache.key(&format!("cache:{tag}:g")))
    }
}

/// A place in the map of loads, given back when the last one leaves, also when a caller is cancelled.
struct Flight<'a, T> {
    loads: &'a Mutex<HashMap<String, Slot<T>>>,
    key: &'a str,
    slot: Slot<T>,
}

impl<'a, T> Flight<'a, T> {
    fn join(loads: &'a Mutex<HashMap<String, Slot<T>>>, key: &'a str) -> Self {
        let mut map = loads.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(map.entry(key.to_owned()).or_default());
        Self { loads, key, slot }
    }
}

impl<T> Drop for Flight<'_, T> {
    fn drop(&mut self) {
        let mut map = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        // After the load nobody may join: the next caller asks Redis again. Two references: the map's and ours.
        let ours = map.get(self.key).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot));
        let done = self.slot.try_lock().is_ok_and(|slot| slot.is_some());
        if ours && (done || Arc::strong_count(&self.slot) <= 2) {
            map.remove(self.key);
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX >> 12)
}

/// A generation must outlive every load that began before it.
const LONGEST_LOAD_MILLISECONDS: i64 = 3_600_000;

/// KEYS: value, generation. ARGV: generation seen before the load, value, time to live.
const PUBLISH: &str = "
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

const INVALIDATE: &str = "
redis.call('DEL', KEYS[1])
local generation = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return generation";
