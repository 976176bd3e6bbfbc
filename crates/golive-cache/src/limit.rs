//! Rate limits shared by all instances: GCRA in one round trip, on Redis' clock. What an HTTP answer looks like is the
//! application's.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fred::types::Value;

use crate::command::CommandError;
use crate::connection::Cache;
use crate::local_limit::LocalLimiter;
use crate::script::Script;

/// How much is allowed, under a name that is part of the key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Quota {
    /// The policy's name, for example `login`. Quotas of different names do not share counts.
    pub name: &'static str,
    /// How many in each period.
    pub limit: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// How many at once. Default: `limit`.
    pub burst: NonZeroU32,
    /// The share of the limit that each instance allows by itself while Redis is away: one in this many. Set it to the
    /// number of instances, or higher to be stricter. Default 2.
    pub local_share: NonZeroU32,
}

impl Quota {
    /// `limit` in each `period`, all at once if they come so.
    pub fn new(name: &'static str, limit: NonZeroU32, period: Duration) -> Self {
        Self { name, limit, period, burst: limit, local_share: NonZeroU32::MIN.saturating_add(1) }
    }

    /// `limit` in each second. A limit of 0 counts as 1.
    pub fn per_second(name: &'static str, limit: u32) -> Self {
        Self::new(name, NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN), Duration::from_secs(1))
    }

    /// `limit` in each minute. A limit of 0 counts as 1.
    pub fn per_minute(name: &'static str, limit: u32) -> Self {
        Self::new(name, NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN), Duration::from_secs(60))
    }

    /// The same with another burst.
    #[must_use]
    pub fn with_burst(mut self, burst: NonZeroU32) -> Self {
        self.burst = burst;
        self
    }

    /// The same with another [`Quota::local_share`].
    #[must_use]
    pub fn with_local_share(mut self, local_share: NonZeroU32) -> Self {
        self.local_share = local_share;
        self
    }

    /// The time in which one more is allowed.
    pub(crate) fn interval(&self) -> Duration {
        (self.period / self.limit.get()).max(Duration::from_micros(1))
    }
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecisionSource {
    /// Redis, for all instances.
    Redis,
    /// This process alone, at its share, because Redis is away.
    Local,
}

/// Whether a request may pass, and the numbers for its `RateLimit` and `Retry-After` headers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decision {
    /// Whether it may pass.
    pub allowed: bool,
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

/// A limiter for one [`Quota`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    cache: Cache,
    quota: Quota,
    script: Script,
    local: LocalLimiter,
    degraded: AtomicBool,
    degraded_decisions: AtomicU64,
}

impl RateLimiter {
    /// A limiter on this connection.
    pub fn new(cache: Cache, quota: Quota) -> Self {
        let local = LocalLimiter::new(&quota);
        let inner = Inner {
            cache,
            quota,
            script: Script::new(GCRA),
            local,
            degraded: AtomicBool::new(false),
            degraded_decisions: AtomicU64::new(0),
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
        match self.ask_redis(key, cost).await {
            Ok(decision) => {
                if self.inner.degraded.swap(false, Ordering::Relaxed) {
                    tracing::info!(policy = self.inner.quota.name, "rate limits are shared again");
                }
                decision
            }
            Err(error) => {
                self.inner.degraded_decisions.fetch_add(1, Ordering::Relaxed);
                if !self.inner.degraded.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        policy = self.inner.quota.name,
                        %error,
                        "rate limits are decided by this instance alone, at its share"
                    );
                }
                self.inner.local.check(key, cost)
            }
        }
    }

    /// How many decisions were made without Redis since the start.
    pub fn degraded_decisions(&self) -> u64 {
        self.inner.degraded_decisions.load(Ordering::Relaxed)
    }

    /// The quota.
    pub fn quota(&self) -> &Quota {
        &self.inner.quota
    }

    async fn ask_redis(&self, key: &str, cost: NonZeroU32) -> Result<Decision, CommandError> {
        let quota = &self.inner.quota;
        let full_key = self.inner.cache.key(&format!("limit:gcra:{}:{{{}}}", quota.name, bounded(key)));
        let interval = i64::try_from(quota.interval().as_micros()).unwrap_or(i64::MAX >> 12);
        let arguments = [
            Value::from(interval),
            Value::from(i64::from(quota.burst.get())),
            Value::from(i64::from(cost.get())),
        ];
        let answer: Vec<i64> = self.inner.script.run(&self.inner.cache, &[&full_key], &arguments).await?;
        let &[allowed, remaining, retry_after, reset] = answer.as_slice() else {
            return Err(CommandError::Shape { command: "EVALSHA" });
        };
        let micros = |n: i64| Duration::from_micros(u64::try_from(n).unwrap_or(0));
        Ok(Decision {
            allowed: allowed == 1,
            limit: quota.burst.get(),
            remaining: u32::try_from(remaining).unwrap_or(0),
            retry_after: micros(retry_after),
            reset: micros(reset),
            source: DecisionSource::Redis,
        })
    }
}

/// Keys come from requests: a long one is replaced by its beginning and a digest, so that it cannot fill the memory.
fn bounded(key: &str) -> String {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    const LONGEST: usize = 128;
    if key.len() <= LONGEST {
        return key.to_owned();
    }
    let beginning: String = key.chars().take(LONGEST / 4).collect();
    let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    format!("{beginning}~{digest:016x}~{}", key.len())
}

/// KEYS: bucket. ARGV: microseconds for one, burst, cost. Answers allowed, remaining, retry and reset in microseconds.
/// The stored value is the theoretical arrival time, written as a whole number: Lua has only floating ones.
/// One that lies further ahead than the burst allows (the server's clock was set back) is pulled in.
const GCRA: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local whole = interval * burst
local arrival = tonumber(redis.call('GET', KEYS[1]) or '0')
if arrival < now then arrival = now end
if arrival > now + whole then arrival = now + whole end
local next_arrival = arrival + interval * cost
local wait = next_arrival - whole - now
if wait > 0 then
  return {0, math.floor((now + whole - arrival) / interval), wait, arrival - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', next_arrival), 'PX', math.ceil((next_arrival - now) / 1000))
return {1, math.floor((now + whole - next_arrival) / interval), 0, next_arrival - now}";

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
