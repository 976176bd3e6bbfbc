//! Numbers that are kept elsewhere and read at every scrape: what a service says of its pool, its Redis, its backups and
//! whatever else it counts. They come in as closures, which must not wait: a scrape is no time to ask a server.

use std::sync::Arc;

use super::{Metrics, PoolStatus};
use crate::redis::RedisInfo;

impl Metrics {
    /// Reads the state of a connection pool at every scrape, as `db_pool_size`, `db_pool_idle` and `db_pool_waiting`.
    /// The closure must not wait for anything.
    pub fn observe_pool(&self, read: impl Fn() -> PoolStatus + Send + Sync + Clone + 'static) {
        let (size, idle, waiting) = (read.clone(), read.clone(), read);
        self.gauge("db.pool.size", "Open database connections.", move || size().size as f64);
        self.gauge("db.pool.idle", "Open database connections that nobody uses.", move || idle().idle as f64);
        self.gauge("db.pool.waiting", "Callers waiting for a database connection.", move || {
            waiting().waiting as f64
        });
    }

    /// Reads at every scrape whether Redis answers, as `redis_up` (1 or 0). The closure must not wait for anything.
    pub fn observe_redis(&self, is_up: impl Fn() -> bool + Send + Sync + 'static) {
        self.gauge("redis.up", "Whether Redis answers: 1 or 0.", move || f64::from(u8::from(is_up())));
    }

    /// Reads at every scrape what Redis says of itself: memory, clients, evicted keys, hits and misses, as `redis_…`; left
    /// out while nothing is known. The closure must not wait for anything: ask Redis every few seconds from a task of the
    /// service's own, and keep what [`RedisInfo::parse`] makes of its answer.
    pub fn observe_redis_info(&self, read: impl Fn() -> Option<RedisInfo> + Send + Sync + 'static) {
        let read = Arc::new(read);
        let gauge = |name: &'static str,
                     unit: &'static str,
                     help: &'static str,
                     of: fn(&RedisInfo) -> u64| {
            let read = Arc::clone(&read);
            let gauge = self.meter.u64_observable_gauge(name).with_unit(unit).with_description(help);
            gauge
                .with_callback(move |observer| read().iter().for_each(|info| observer.observe(of(info), &[])))
                .build();
        };
        gauge("redis.memory.used", "By", "Memory that Redis uses.", |info| info.used_memory);
        gauge("redis.memory.max", "By", "Memory that Redis may use; zero without a bound.", |info| {
            info.max_memory
        });
        gauge("redis.clients", "", "Clients connected to Redis.", |info| info.clients);
        let total = |name: &'static str, help: &'static str, of: fn(&RedisInfo) -> u64| {
            let read = Arc::clone(&read);
            let counter = self.meter.u64_observable_counter(name).with_description(help);
            counter
                .with_callback(move |observer| read().iter().for_each(|info| observer.observe(of(info), &[])))
                .build();
        };
        total("redis.keys.evicted", "Keys that Redis gave up for lack of memory.", |info| info.evicted_keys);
        total("redis.keyspace.hits", "Lookups in Redis that found their key.", |info| info.hits);
        total("redis.keyspace.misses", "Lookups in Redis that found nothing.", |info| info.misses);
    }

    /// Reads at every scrape how old the last good backup is, as `backup_age_seconds`; left out while unknown.
    /// Alerts go by it, too, and there an unknown age is no good one. Only the first call counts.
    pub fn observe_backup_age(&self, seconds: impl Fn() -> Option<f64> + Send + Sync + 'static) {
        let seconds = Arc::new(seconds);
        let told = Arc::clone(&seconds);
        if self.backup_age.set(Box::new(move || told())).is_err() {
            return;
        }
        let gauge = self.meter.f64_observable_gauge("backup.age").with_unit("s");
        let gauge = gauge.with_description("Age of the last good backup.");
        gauge
            .with_callback(move |observer| {
                if let Some(seconds) = seconds() {
                    observer.observe(seconds, &[]);
                }
            })
            .build();
    }

    /// A gauge of the service's own, read at every scrape. Dots in the name become underscores.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let gauge = self.meter.f64_observable_gauge(name).with_description(help);
        gauge.with_callback(move |observer| observer.observe(read(), &[])).build();
    }

    /// Totals kept elsewhere (a cache's own counters, for example), read at every scrape. The exposed name ends in
    /// `_total`.
    pub fn total(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let counter = self.meter.u64_observable_counter(name).with_description(help);
        counter.with_callback(move |observer| observer.observe(read(), &[])).build();
    }
}
