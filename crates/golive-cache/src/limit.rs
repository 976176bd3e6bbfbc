//! Rate limits shared by all instances: GCRA in one round trip, on Redis' clock. What an HTTP answer looks like is said
//! in `limit_answer`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fred::types::{ClusterHash, Value};

use crate::batch::Batches;
use crate::command::CommandError;
use crate::connection::Cache;
use crate::denied::Denied;
use crate::local_limit::LocalLimiter;
use crate::quota::{OnOutage, Quota};
use crate::script::Script;

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecisionSource {
    /// Redis, for all instances.
    Redis,
    /// This process, from what Redis said a moment ago: not before then, whoever asks.
    Remembered,
    /// This process alone, at its share, because Redis is away.
    Local,
    /// This process, which shares its limits with no other: see [`RateLimiter::in_process`].
    Process,
}

/// Whether a request may pass, and the numbers for its `RateLimit` and `Retry-After` headers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decision {
    /// Whether it may pass.
    pub allowed: bool,
    /// Which window of the quota is the tightest, counted from 0. The numbers are this window's.
    pub window: usize,
    /// How many at once the deciding limiter allows.
    pub limit: u32,
    /// How many more would pass now.
    pub remaining: u32,
    /// How long to wait before trying again; zero when allowed.
    pub retry_after: Duration,
    /// When the whole limit is available again.
    pub reset: Duration,
    /// Who decided. [`DecisionSource::Local`] is a degraded state: count it and show it in readiness.
    pub source: DecisionSource,
}

impl Decision {
    /// Whether Redis was away.
    pub fn is_degraded(&self) -> bool {
        self.source == DecisionSource::Local
    }
}

/// Counts since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
#[non_exhaustive]
pub struct RateLimiterStats {
    /// Requests that may pass.
    pub allowed: u64,
    /// Requests that may not.
    pub denied: u64,
    /// Of both, decided without Redis.
    pub degraded: u64,
    /// Whether the last decision was made without Redis.
    pub is_degraded: bool,
}

/// A limiter for one [`Quota`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    quota: Quota,
    shared: Option<Shared>,
    local: LocalLimiter,
    denied: Denied,
    start: Instant,
    is_degraded: AtomicBool,
    allowed_count: AtomicU64,
    denied_count: AtomicU64,
    degraded_count: AtomicU64,
    /// Milliseconds since the start.
    logged_at: AtomicU64,
}

/// The count that all instances share.
#[derive(Debug)]
struct Shared {
    cache: Cache,
    /// What the script needs of the quota, but for the cost.
    arguments: Vec<Value>,
    script: Script,
    asked: Batches<(String, NonZeroU32), Vec<i64>>,
    /// What every key begins with.
    prefix: String,
}

/// In one call of the script, which holds up everybody else on the server.
const MOST_AT_ONCE: usize = 48;
/// What the script answers for each key.
const NUMBERS: usize = 5;
/// While Redis is away, this is how often the log says so.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl RateLimiter {
    /// A limiter on this connection.
    pub fn new(cache: Cache, quota: Quota) -> Self {
        let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX >> 12);
        let window = |window: &crate::quota::Window| {
            [Value::from(micros(window.interval())), Value::from(i64::from(window.burst.get()))]
        };
        // On a cluster the keys of a script must lie together, and these lie everywhere.
        let most = if cache.is_clustered() { 1 } else { MOST_AT_ONCE };
        let shared = Shared {
            prefix: cache.key(&format!("limit:gcra:{}:{{", quota.name())),
            asked: Batches::new(most),
            cache,
            arguments: quota.windows().iter().flat_map(window).collect(),
            script: Script::new(GCRA),
        };
        let local = LocalLimiter::new(&quota);
        Self::with(quota, Some(shared), local)
    }

    /// A limiter of this process alone, for a service that has no Redis: the whole quota, forgotten when it ends, and as
    /// often as there are instances.
    pub fn in_process(quota: Quota) -> Self {
        let local = LocalLimiter::alone(&quota);
        Self::with(quota, None, local)
    }

    fn with(quota: Quota, shared: Option<Shared>, local: LocalLimiter) -> Self {
        let inner = Inner {
            quota,
            shared,
            local,
            denied: Denied::default(),
            start: Instant::now(),
            is_degraded: AtomicBool::new(false),
            allowed_count: AtomicU64::new(0),
            denied_count: AtomicU64::new(0),
            degraded_count: AtomicU64::new(0),
            logged_at: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes one from the quota of `key`: a user, an address, a tenant. Never fails: while Redis is away the local
    /// limiter decides.
    pub async fn check(&self, key: &str) -> Decision {
        self.check_cost(key, NonZeroU32::MIN).await
    }

    /// Takes `cost` from the quota of `key`. A cost above the burst never passes.
    pub async fn check_cost(&self, key: &str, cost: NonZeroU32) -> Decision {
        let decision = self.decide(key, cost).await;
        let count = if decision.allowed { &self.inner.allowed_count } else { &self.inner.denied_count };
        count.fetch_add(1, Ordering::Relaxed);
        decision
    }

    /// Gives `key` its whole quota back, for an operator. Instances that denied it go on for as long as they then said.
    ///
    /// # Errors
    /// When Redis does not confirm in time, or there is none.
    pub async fn forget(&self, key: &str) -> Result<(), CommandError> {
        let shared = self.inner.shared.as_ref().ok_or(CommandError::Unavailable)?;
        self.inner.denied.forget(key);
        let key = vec![Value::from(shared.full_key(key))];
        let _removed: i64 = shared.cache.run("DEL", ClusterHash::FirstKey, key).await?;
        Ok(())
    }

    /// How many decisions were made without Redis since the start.
    pub fn degraded_decisions(&self) -> u64 {
        self.inner.degraded_count.load(Ordering::Relaxed)
    }

    /// Counts since the start.
    pub fn stats(&self) -> RateLimiterStats {
        RateLimiterStats {
            allowed: self.inner.allowed_count.load(Ordering::Relaxed),
            denied: self.inner.denied_count.load(Ordering::Relaxed),
            degraded: self.inner.degraded_count.load(Ordering::Relaxed),
            is_degraded: self.inner.is_degraded.load(Ordering::Relaxed),
        }
    }

    /// The quota.
    pub fn quota(&self) -> &Quota {
        &self.inner.quota
    }

    async fn decide(&self, key: &str, cost: NonZeroU32) -> Decision {
        let inner = &*self.inner;
        let Some(shared) = &inner.shared else { return inner.local.check(key, cost) };
        if let Some(decision) = inner.denied.look(key, cost) {
            return decision;
        }
        match self.ask_redis(shared, key, cost).await {
            Ok(decision) => {
                if inner.is_degraded.load(Ordering::Relaxed)
                    && inner.is_degraded.swap(false, Ordering::Relaxed)
                {
                    tracing::info!(policy = inner.quota.name(), "rate limits are shared again");
                }
                if !decision.allowed {
                    inner.denied.remember(key, cost, &decision);
                }
                decision
            }
            Err(error) => {
                inner.degraded_count.fetch_add(1, Ordering::Relaxed);
                self.log_outage(&error);
                match inner.quota.on_outage() {
                    OnOutage::Share(_) => inner.local.check(key, cost),
                    OnOutage::Deny => refused(&inner.quota, &error),
                }
            }
        }
    }

    fn log_outage(&self, error: &CommandError) {
        let inner = &*self.inner;
        let now = u64::try_from(inner.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let logged_at = inner.logged_at.load(Ordering::Relaxed);
        let is_due = u128::from(now.saturating_sub(logged_at)) >= LOG_EVERY.as_millis();
        if !inner.is_degraded.swap(true, Ordering::Relaxed) || is_due {
            inner.logged_at.store(now, Ordering::Relaxed);
            tracing::warn!(
                policy = inner.quota.name(),
                %error,
                decisions = inner.degraded_count.load(Ordering::Relaxed),
                "rate limits are decided by this instance alone, at its share"
            );
        }
    }

    async fn ask_redis(
        &self,
        shared: &Shared,
        key: &str,
        cost: NonZeroU32,
    ) -> Result<Decision, CommandError> {
        shared.cache.admitted()?;
        let limiter = self.clone();
        let question = [(shared.full_key(key), cost)];
        let place = shared.asked.join(question, |asked| async move {
            let shared = limiter.inner.shared.as_ref().ok_or(CommandError::Unavailable)?;
            shared.ask_for_all(&asked).await
        });
        let answers = place.answer().await?;
        let numbers = answers.chunks_exact(NUMBERS).nth(place.start);
        let Some(&[allowed, window, remaining, retry_after, reset]) = numbers else {
            return Err(CommandError::Shape { command: "EVALSHA" });
        };
        let window = usize::try_from(window).unwrap_or(0);
        let decided =
            self.inner.quota.windows().get(window).ok_or(CommandError::Shape { command: "EVALSHA" })?;
        let micros = |n: i64| Duration::from_micros(u64::try_from(n).unwrap_or(0));
        Ok(Decision {
            allowed: allowed == 1,
            window,
            limit: decided.burst.get(),
            remaining: u32::try_from(remaining).unwrap_or(0),
            retry_after: micros(retry_after),
            reset: micros(reset),
            source: DecisionSource::Redis,
        })
    }
}

impl Shared {
    fn full_key(&self, key: &str) -> String {
        [self.prefix.as_str(), &bounded(key), "}"].concat()
    }

    /// One call of the script for all of them, [`NUMBERS`] for each.
    async fn ask_for_all(&self, asked: &[(String, NonZeroU32)]) -> Result<Vec<i64>, CommandError> {
        let keys: Vec<&str> = asked.iter().map(|(key, _)| key.as_str()).collect();
        let costs = asked.iter().map(|(_, cost)| Value::from(i64::from(cost.get())));
        let arguments: Vec<Value> = costs.chain(self.arguments.iter().cloned()).collect();
        self.script.run(&self.cache, &keys, &arguments).await
    }
}

/// Nothing passes without Redis.
fn refused(quota: &Quota, error: &CommandError) -> Decision {
    Decision {
        allowed: false,
        window: 0,
        limit: quota.windows()[0].burst.get(),
        remaining: 0,
        retry_after: error.retry_after(),
        reset: error.retry_after(),
        source: DecisionSource::Local,
    }
}

/// Keys come from requests: a long one is replaced by its beginning and a digest, so that it cannot fill the memory.
fn bounded(key: &str) -> std::borrow::Cow<'_, str> {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    const LONGEST: usize = 128;
    if key.len() <= LONGEST {
        return key.into();
    }
    let beginning: String = key.chars().take(LONGEST / 4).collect();
    // The same in all instances. Whoever makes two keys collide shares one limit with himself.
    let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    format!("{beginning}~{digest:016x}~{}", key.len()).into()
}

/// KEYS: buckets. ARGV: for each the cost, then for each window of all microseconds for one and burst. Answers for each
/// bucket allowed, and of the tightest window its index, remaining, retry and reset in microseconds. All windows must
/// allow it, or none is charged.
/// The stored values are the theoretical arrival times, written as whole numbers: Lua has only floating ones.
/// One that lies further ahead than the burst allows (the server's clock was set back) is pulled in.
const GCRA: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local windows = (#ARGV - #KEYS) / 2
local answers = {}
for k, key in ipairs(KEYS) do
  local cost = tonumber(ARGV[k])
  local stored = redis.call('GET', key) or ''
  local next_number = string.gmatch(stored, '%d+')
  local old, new, longest = {}, {}, 0
  local allowed, tightest, worst, least = 1, 0, 0, nil
  for i = 1, windows do
    local interval, burst = tonumber(ARGV[#KEYS + 2 * i - 1]), tonumber(ARGV[#KEYS + 2 * i])
    local whole = interval * burst
    local arrival = tonumber(next_number() or '0')
    if arrival < now then arrival = now end
    if arrival > now + whole then arrival = now + whole end
    old[i], new[i] = arrival, arrival + interval * cost
    local wait = new[i] - whole - now
    if wait > worst then allowed, worst, tightest = 0, wait, i end
    local left = math.floor((now + whole - new[i]) / interval)
    if allowed == 1 and (least == nil or left < least) then least, tightest = left, i end
    if new[i] - now > longest then longest = new[i] - now end
  end
  local remaining, reset = least, new[tightest] - now
  if allowed == 0 then
    local interval, burst = tonumber(ARGV[#KEYS + 2 * tightest - 1]), tonumber(ARGV[#KEYS + 2 * tightest])
    remaining = math.floor((now + interval * burst - old[tightest]) / interval)
    reset = old[tightest] - now
  else
    for i, arrival in ipairs(new) do new[i] = string.format('%.0f', arrival) end
    redis.call('SET', key, table.concat(new, ' '), 'PX', math.ceil(longest / 1000))
  end
  local at = 5 * (k - 1)
  answers[at + 1], answers[at + 2], answers[at + 3] = allowed, tightest - 1, remaining
  answers[at + 4], answers[at + 5] = worst, reset
end
return answers";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_are_bounded_and_stay_apart() {
        let (a, b) = ("x".repeat(5000), format!("{}y", "x".repeat(4999)));
        assert!(bounded(&a).len() < 128);
        assert_ne!(bounded(&a), bounded(&b));
        assert_eq!(bounded("10.0.0.1"), "10.0.0.1");
    }
}
