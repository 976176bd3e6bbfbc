//! What is looked at beside a load, once a second: connections of the database server, and what else a caller can ask for.
//!
//! What must not be here: the load itself. A look that fails is a gap, never a zero.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{Connection, Row};
use tokio::sync::{Mutex, mpsc};

use crate::report::Sample;
use crate::review::{self, ReviewError};

/// Asked once a second during a run: values by name. None leaves a gap.
pub type Sampler = Box<dyn Fn() -> BoxFuture<'static, BTreeMap<String, f64>> + Send + Sync>;

/// How one value went over a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// How often it was seen.
    pub samples: u64,
    /// When it was seen first; of a counter, the last less the first is what the run added.
    pub first: f64,
    /// When it was seen last.
    pub last: f64,
    /// The lowest.
    pub min: f64,
    /// Its mean over the times it was seen.
    pub mean: f64,
    /// The highest.
    pub max: f64,
}

/// All values that were seen, by name.
pub(crate) fn watched(samples: &[Sample]) -> Vec<Watched> {
    let mut all: BTreeMap<&str, Watched> = BTreeMap::new();
    for (name, value) in samples.iter().flat_map(|sample| &sample.values) {
        let value = *value;
        let own = all.entry(name).or_insert_with(|| Watched {
            name: name.clone(),
            samples: 0,
            first: value,
            last: value,
            min: value,
            mean: 0.0,
            max: value,
        });
        own.samples += 1;
        own.last = value;
        (own.min, own.max) = (own.min.min(value), own.max.max(value));
        own.mean += (value - own.mean) / own.samples as f64;
    }
    all.into_values().collect()
}

/// The samples of a run. Of one too long for one a second all over, every second, fourth, … is kept, so that its end is seen as
/// well as its beginning.
#[derive(Debug)]
pub(crate) struct Samples {
    kept: Vec<Sample>,
    every: usize,
    seen: usize,
}

impl Samples {
    pub(crate) fn new() -> Self {
        Self { kept: Vec::new(), every: 1, seen: 0 }
    }

    /// Those that wait.
    pub(crate) fn take(&mut self, waiting: &mut mpsc::Receiver<Sample>) {
        while let Ok(sample) = waiting.try_recv() {
            self.push(sample);
        }
    }

    fn push(&mut self, sample: Sample) {
        if self.seen.is_multiple_of(self.every) {
            self.kept.push(sample);
        }
        self.seen += 1;
        if self.kept.len() >= MAX_SAMPLES {
            let mut number = 0;
            self.kept.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every *= 2;
        }
    }

    pub(crate) fn into_inner(self) -> Vec<Sample> {
        self.kept
    }
}

/// Sampler of a MariaDB server: `database.threads_connected` and `database.threads_running`, over one connection of its own
/// that is opened again when it is lost; it is among those that are counted.
///
/// # Errors
/// When the address is none.
pub fn watch_server(url: &SecretString) -> Result<Sampler, ReviewError> {
    let (options, _) = review::address(url)?;
    let kept = Arc::new(Mutex::new(None));
    Ok(Box::new(move || {
        let (options, kept) = (options.clone(), Arc::clone(&kept));
        Box::pin(async move { threads(&options, &kept).await.unwrap_or_default() })
    }))
}

async fn threads(
    options: &MySqlConnectOptions,
    kept: &Mutex<Option<MySqlConnection>>,
) -> Option<BTreeMap<String, f64>> {
    let mut kept = kept.lock().await;
    // Taken out: where this future is dropped half way, the connection goes with it.
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => MySqlConnection::connect_with(options).await.ok()?,
    };
    let rows =
        sqlx::raw_sql("SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running')")
            .fetch_all(&mut connection)
            .await
            .ok()?;
    *kept = Some(connection);
    let value = |row: &sqlx::mysql::MySqlRow| {
        let name = row.try_get_unchecked::<String, _>(0).ok()?.to_lowercase();
        Some((format!("database.{name}"), row.try_get_unchecked::<String, _>(1).ok()?.parse().ok()?))
    };
    Some(rows.iter().filter_map(value).collect())
}

/// What [`watch_own_memory`] calls its value.
pub const GENERATOR_MEMORY: &str = "generator.resident_bytes";

/// Sampler of this process' own memory, [`GENERATOR_MEMORY`]: a generator that grows ends a soak before the application does.
/// On systems without /proc it is a gap.
#[must_use]
pub fn watch_own_memory() -> Sampler {
    Box::new(|| Box::pin(async { own_memory().unwrap_or_default() }))
}

/// `VmRSS:     1234 kB` (proc_pid_status(5)).
fn own_memory() -> Option<BTreeMap<String, f64>> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(BTreeMap::from([(GENERATOR_MEMORY.to_owned(), kibibytes * 1024.0)]))
}

/// Several samplers as one, asked at the same time.
#[must_use]
pub fn watch_all(samplers: Vec<Sampler>) -> Option<Sampler> {
    if samplers.is_empty() {
        return None;
    }
    Some(Box::new(move || {
        let asked: Vec<_> = samplers.iter().map(|sampler| within(sampler())).collect();
        Box::pin(async move { join_all(asked).await.into_iter().flatten().collect() })
    }))
}

/// One that hangs leaves its own gap only.
async fn within(asked: BoxFuture<'static, BTreeMap<String, f64>>) -> BTreeMap<String, f64> {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_default()
}

const MAX_SAMPLES: usize = 10_000;
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(800);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_by_its_ends_bounds_and_mean() {
        let sample = |seconds: f64, value: Option<f64>| {
            Sample::new(seconds, value.map(|value| ("a".to_owned(), value)).into_iter().collect())
        };
        let samples =
            [sample(0.0, Some(2.0)), sample(1.0, None), sample(2.0, Some(7.0)), sample(3.0, Some(3.0))];
        let told = watched(&samples);
        assert_eq!(told.len(), 1);
        let a = &told[0];
        assert_eq!((a.samples, a.first, a.last, a.min, a.max), (3, 2.0, 3.0, 2.0, 7.0));
        assert!((a.mean - 4.0).abs() < 1e-9);
    }

    #[test]
    fn of_a_long_run_all_of_it_is_kept_at_even_distances() {
        let mut samples = Samples::new();
        for second in 0..86_400_u32 {
            samples.push(Sample::new(f64::from(second), BTreeMap::new()));
        }
        let kept = samples.into_inner();
        assert!(kept.len() > MAX_SAMPLES / 4 && kept.len() < MAX_SAMPLES, "{}", kept.len());
        assert!(kept[kept.len() - 1].seconds > 86_380.0);
        assert!(kept.windows(2).all(|pair| pair[1].seconds - pair[0].seconds == 16.0));
    }

    #[tokio::test]
    async fn one_that_hangs_does_not_hide_the_other() {
        let good: Sampler = Box::new(|| Box::pin(async { BTreeMap::from([("a".to_owned(), 1.0)]) }));
        let hangs: Sampler = Box::new(|| Box::pin(std::future::pending()));
        let both = watch_all(vec![hangs, good]).unwrap();
        assert_eq!(both().await, BTreeMap::from([("a".to_owned(), 1.0)]));
        assert!(watch_all(Vec::new()).is_none());
    }
}
