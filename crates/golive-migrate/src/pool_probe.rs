//! Measures a pool as the application would have it: so many requests at once, how long each waits for a connection.

use std::time::{Duration, Instant};

use sea_orm::sqlx::mysql::MySqlPool;
use sea_orm::{Database, DbErr};
use secrecy::SecretString;
use serde::Serialize;

use crate::pool::PoolSettings;

/// How long each request holds its connection, as a short query would.
const HOLD_SECONDS: &str = "0.02";
/// Requests each simulated client makes.
const REQUESTS_PER_CLIENT: usize = 4;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolProbe {
    /// The settings that were measured.
    pub settings: PoolSettings,
    /// One entry a concurrency, in the order given.
    pub runs: Vec<PoolRun>,
}

/// One concurrency.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolRun {
    /// Requests at once.
    pub concurrency: usize,
    /// Requests made.
    pub requests: usize,
    /// Requests that waited more than five milliseconds for a connection.
    pub waited: usize,
    /// Requests that got none within the pool's timeout.
    pub exhausted: usize,
    /// Requests that failed otherwise.
    pub failed: usize,
    /// Half of the requests waited no longer, in milliseconds.
    pub acquire_p50_ms: f64,
    /// 95 of 100 requests waited no longer, in milliseconds.
    pub acquire_p95_ms: f64,
    /// The longest wait, in milliseconds.
    pub acquire_max_ms: f64,
    /// The most connections that were open.
    pub connections: u32,
}

/// Why a pool could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolProbeError {
    /// No connection at all.
    #[error("open the pool: check the database address and that the server runs")]
    Connect(#[source] DbErr),
    /// A worker of the probe died.
    #[error("finish the pool probe")]
    Worker(#[from] tokio::task::JoinError),
}

enum Outcome {
    Served(Duration),
    Exhausted(Duration),
    Failed,
}

/// Opens a pool of these settings and lets so many requests at once use it, one concurrency after the other.
///
/// # Errors
/// When no connection can be made; requests that fail under load are counted, not errors.
pub async fn probe_pool(
    url: &SecretString,
    settings: &PoolSettings,
    concurrencies: &[usize],
) -> Result<PoolProbe, PoolProbeError> {
    let database = Database::connect(settings.connect_options(url)).await.map_err(PoolProbeError::Connect)?;
    let pool = database.get_mysql_connection_pool().clone();
    let mut runs = Vec::with_capacity(concurrencies.len());
    for concurrency in concurrencies {
        runs.push(run(&pool, (*concurrency).clamp(1, 1000)).await?);
    }
    pool.close().await;
    Ok(PoolProbe { settings: settings.clone(), runs })
}

async fn run(pool: &MySqlPool, concurrency: usize) -> Result<PoolRun, PoolProbeError> {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..concurrency {
        let pool = pool.clone();
        clients.spawn(async move {
            let mut outcomes = Vec::with_capacity(REQUESTS_PER_CLIENT);
            for _ in 0..REQUESTS_PER_CLIENT {
                outcomes.push(request(&pool).await);
            }
            outcomes
        });
    }
    let mut waits = Vec::new();
    let (mut exhausted, mut failed) = (0, 0);
    while let Some(outcomes) = clients.join_next().await {
        for outcome in outcomes? {
            match outcome {
                Outcome::Served(wait) => waits.push(wait),
                Outcome::Exhausted(wait) => {
                    exhausted += 1;
                    waits.push(wait);
                }
                Outcome::Failed => failed += 1,
            }
        }
    }
    waits.sort_unstable();
    Ok(PoolRun {
        concurrency,
        requests: concurrency * REQUESTS_PER_CLIENT,
        waited: waits.iter().filter(|wait| **wait > Duration::from_millis(5)).count(),
        exhausted,
        failed,
        acquire_p50_ms: percentile(&waits, 50),
        acquire_p95_ms: percentile(&waits, 95),
        acquire_max_ms: percentile(&waits, 100),
        connections: pool.size(),
    })
}

async fn request(pool: &MySqlPool) -> Outcome {
    let start = Instant::now();
    let acquired = pool.acquire().await;
    let wait = start.elapsed();
    match acquired {
        Ok(mut connection) => {
            let query = sea_orm::sqlx::query("SELECT SLEEP(?)").bind(HOLD_SECONDS);
            if query.execute(&mut *connection).await.is_ok() {
                Outcome::Served(wait)
            } else {
                Outcome::Failed
            }
        }
        Err(sea_orm::sqlx::Error::PoolTimedOut) => Outcome::Exhausted(wait),
        Err(_) => Outcome::Failed,
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let waits: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert!((percentile(&waits, 95) - 95.0).abs() < 1e-9);
        assert!((percentile(&waits, 100) - 100.0).abs() < 1e-9);
        assert!(percentile(&[], 95).abs() < 1e-9);
    }
}
