//! What the health endpoints look at. How they answer is golive-observe's business.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use golive_cache::Cache;
use golive_observe::{CheckOutput, HealthChecks, Importance, PoolStatus, RedisInfo, metrics};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::entity::for_every_entity;

/// A frozen server must be noticed before the probe's own patience ends.
const PATIENCE: Duration = Duration::from_secs(2);
const DEEP_PATIENCE: Duration = Duration::from_secs(3);

/// How often Redis is asked for its own numbers: often enough for a scrape every fifteen seconds.
const REDIS_PAUSE: Duration = Duration::from_secs(5);

/// The checks, and the numbers for /metrics.
pub(crate) fn checks(
    db: &DatabaseConnection,
    cache: Option<&Cache>,
    most_connections: u32,
    data_directory: &std::path::Path,
    revocation_prepared: &Arc<AtomicBool>,
) -> HealthChecks {
    let pool = Pool { db: db.clone(), most: most_connections };
    let (pinged, tested, shown, measured) = (db.clone(), db.clone(), pool.clone(), pool);
    metrics().observe_pool(move || measured.status());
    let mut checks = HealthChecks::new()
        .ready("database", Importance::Critical, PATIENCE, move || ping(pinged.clone()))
        .ready("database_pool", Importance::Degradable, PATIENCE, move || {
            let output = shown.output();
            async move { Ok::<_, std::convert::Infallible>(output) }
        })
        .deep("tables", Importance::Critical, DEEP_PATIENCE, move || tables(tested.clone()))
        .deep("query", Importance::Critical, DEEP_PATIENCE, {
            let db = db.clone();
            move || test_query(db.clone())
        })
        .deep("clock", Importance::Critical, DEEP_PATIENCE, {
            let db = db.clone();
            move || clock_skew(db.clone())
        })
        .deep_disk_space("disk", data_directory);
    if let Some(cache) = cache {
        let (pinged, asked, prepared) = (cache.clone(), cache.clone(), Arc::clone(revocation_prepared));
        checks = checks.ready("redis", Importance::Critical, PATIENCE, move || {
            ping_redis(pinged.clone(), prepared.load(Ordering::Acquire))
        });
        metrics().observe_redis(move || asked.is_connected());
        watch_redis(cache.clone());
    }
    checks
}

/// Feeds Redis' own numbers to /metrics; they are left out while it does not answer.
fn watch_redis(cache: Cache) {
    let known = Arc::new(Mutex::new(None));
    let shown = Arc::clone(&known);
    metrics().observe_redis_info(move || *shown.lock().unwrap_or_else(PoisonError::into_inner));
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(REDIS_PAUSE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let info = redis_info(&cache).await;
            *known.lock().unwrap_or_else(PoisonError::into_inner) = info;
        }
    });
}

/// Nothing unless Redis answers in time and says all of it.
async fn redis_info(cache: &Cache) -> Option<RedisInfo> {
    let facts = cache.server_facts().await.ok()?;
    let mut info = RedisInfo::default();
    info.used_memory = facts.used_memory_bytes?;
    info.max_memory = facts.maxmemory_bytes?;
    info.clients = facts.clients?;
    info.evicted_keys = facts.evicted_keys?;
    info.hits = facts.keyspace_hits?;
    info.misses = facts.keyspace_misses?;
    Some(info)
}

/// Which error to show: the kind, not the server's words, which may name hosts and users.
struct Unavailable(&'static str);

impl Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

async fn ping(db: DatabaseConnection) -> Result<CheckOutput, Unavailable> {
    let asked = db.query_one_raw(Statement::from_string(db.get_database_backend(), "SELECT 1 AS one")).await;
    match asked {
        Ok(Some(_)) => Ok(CheckOutput::up()),
        Ok(None) => Err(Unavailable("the database answers with nothing")),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "the database check failed");
            Err(Unavailable(
                "the database does not answer; check that it runs and that DATABASE_URL is right",
            ))
        }
    }
}

async fn ping_redis(cache: Cache, prepared: bool) -> Result<CheckOutput, Unavailable> {
    if !prepared {
        // A token issued before that would be refused a moment later.
        return Err(Unavailable("the store of revocations is not open yet"));
    }
    match cache.ping().await {
        Ok(_) => Ok(CheckOutput::up()),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "the Redis check failed");
            Err(Unavailable("Redis does not answer, so no login can be checked; see that it runs"))
        }
    }
}

/// A query as requests ask it.
async fn test_query(db: DatabaseConnection) -> Result<CheckOutput, Unavailable> {
    let sql = "SELECT COUNT(*) AS n FROM client WHERE is_active = ?";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [true.into()]);
    let row = db.query_one_raw(statement).await.map_err(|_| Unavailable("the test query failed"))?;
    let active: i64 = row
        .and_then(|row| row.try_get("", "n").ok())
        .ok_or(Unavailable("the test query answered with nothing"))?;
    Ok(CheckOutput::up_with(format!("{active} active clients")))
}

/// How far the database's clock is from ours: rows and tokens are ordered by both. SQLite has no clock of its own.
async fn clock_skew(db: DatabaseConnection) -> Result<CheckOutput, Unavailable> {
    if db.get_database_backend() != DbBackend::MySql {
        return Ok(CheckOutput::up_with("SQLite goes by this machine's clock"));
    }
    let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED) AS millis";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row =
        db.query_one_raw(statement).await.map_err(|_| Unavailable("the database's clock cannot be read"))?;
    let millis: Option<i64> = row.and_then(|row| row.try_get("", "millis").ok());
    let skew =
        millis.map(|millis| Duration::from_millis(millis.abs_diff(crate::serve::now().timestamp_millis())));
    Ok(CheckOutput::clock_skew(skew))
}

async fn tables(db: DatabaseConnection) -> Result<CheckOutput, Unavailable> {
    let found = table_names(&db).await.map_err(|_| Unavailable("the tables cannot be listed"))?;
    let wanted = entity_tables();
    let missing: Vec<&str> = wanted.iter().filter(|name| !found.contains(**name)).copied().collect();
    if missing.is_empty() {
        return Ok(CheckOutput::up_with(format!("{} tables", wanted.len())));
    }
    Ok(CheckOutput::down(format!("missing tables: {}; run `golive-demo migrate up`", missing.join(", "))))
}

async fn table_names(db: &DatabaseConnection) -> Result<BTreeSet<String>, DbErr> {
    let sql = match db.get_database_backend() {
        DbBackend::MySql => {
            "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()"
        }
        _ => "SELECT name FROM sqlite_master WHERE type = 'table'",
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}

fn entity_tables() -> Vec<&'static str> {
    use sea_orm::EntityName;
    let mut names = Vec::new();
    macro_rules! add {
        ($($module:ident),* $(,)?) => { $( names.push(crate::entity::$module::Entity.table_name()); )* };
    }
    for_every_entity!(add);
    names
}

#[derive(Clone)]
struct Pool {
    db: DatabaseConnection,
    most: u32,
}

impl Pool {
    fn status(&self) -> PoolStatus {
        let (size, idle) = match self.db.get_database_backend() {
            DbBackend::MySql => {
                let pool = self.db.get_mysql_connection_pool();
                (pool.size(), pool.num_idle())
            }
            _ => {
                let pool = self.db.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
        };
        // The two are read one after the other; a negative number of busy connections is nobody's business.
        PoolStatus::new(u64::from(size), (idle as u64).min(u64::from(size)), 0)
    }

    fn output(&self) -> CheckOutput {
        let status = self.status();
        CheckOutput::pool_utilisation(status.size - status.idle, u64::from(self.most), status.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golive_cache::CacheOptions;
    use golive_observe::parse_metrics_text;
    use golive_sandbox::{Redis, RedisOptions};

    #[tokio::test(flavor = "multi_thread")]
    async fn metrics_show_what_redis_says_of_itself() {
        let redis = Redis::start(&RedisOptions::new()).unwrap();
        let cache = Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap();
        redis.command(&["CONFIG", "SET", "maxmemory", "67108864"]).unwrap();
        redis.command(&["SET", "present", "1"]).unwrap();
        for key in ["present", "present", "absent"] {
            let _answer = redis.command(&["GET", key]).unwrap();
        }
        watch_redis(cache.clone());
        let began = std::time::Instant::now();
        let shown = loop {
            let samples = parse_metrics_text(&golive_observe::metrics_text()).unwrap();
            let value =
                |name: &str| samples.iter().find(|sample| sample.name == name).map(|sample| sample.value);
            // The limit tells this server's numbers from those of another test in this process.
            if value("redis_memory_max_bytes") == Some(67_108_864.0) {
                break [
                    "redis_keyspace_hits_total",
                    "redis_keyspace_misses_total",
                    "redis_keys_evicted_total",
                ]
                .map(|name| value(name).unwrap());
            }
            assert!(began.elapsed() < Duration::from_secs(20), "Redis is not in the metrics");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(shown, [2.0, 1.0, 0.0]);
        let info = redis_info(&cache).await.unwrap();
        assert!(info.used_memory > 0 && info.clients > 0, "{info:?}");
        redis.stop().unwrap();
        assert_eq!(redis_info(&cache).await, None, "a server that is gone says nothing");
    }
}
