//! Counts and histograms, recorded by many users at once, drained twice a second.
//!
//! Each user records into the shard of its number, so that locks are seldom waited for and ten thousand users do not hold ten
//! thousand histograms. What must not be here: sending, or rounding; a histogram keeps three significant digits.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::report::Latency;

/// Latencies in microseconds, 1 µs to an hour. What holds nothing takes no memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Option<Histogram<u64>>);

impl Times {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    fn histogram(&mut self) -> &mut Histogram<u64> {
        self.0.get_or_insert_with(|| {
            Histogram::new_with_bounds(1, HOUR_MICROS, 3).expect("the bounds are valid")
        })
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(HOUR_MICROS);
        self.histogram().saturating_record(micros.max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if let Some(other) = &other.0 {
            self.histogram().add(other).expect("all histograms have the same bounds");
        }
    }

    pub(crate) fn samples(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// In milliseconds.
    pub(crate) fn at_quantile(&self, quantile: f64) -> f64 {
        self.0.as_ref().map_or(0.0, |times| millis(times.value_at_quantile(quantile)))
    }

    /// Every bucket that holds something, as its highest value in microseconds and its count. Recorded again, these give the
    /// same histogram: nothing is lost on the way through a file or a wire.
    pub(crate) fn buckets(&self) -> Vec<(u64, u64)> {
        let Some(times) = &self.0 else { return Vec::new() };
        times
            .iter_recorded()
            .map(|bucket| (bucket.value_iterated_to(), bucket.count_since_last_iteration()))
            .collect()
    }

    /// The histogram that gave these buckets.
    pub(crate) fn from_buckets(buckets: &[(u64, u64)]) -> Self {
        let mut times = Self::new();
        for (micros, count) in buckets {
            times.histogram().saturating_record_n((*micros).max(1), *count);
        }
        times
    }

    pub(crate) fn summary(&self) -> Option<Latency> {
        let times = self.0.as_ref().filter(|times| !times.is_empty())?;
        Some(Latency {
            samples: times.len(),
            mean_ms: times.mean() / 1000.0,
            p50_ms: self.at_quantile(0.50),
            p90_ms: self.at_quantile(0.90),
            p95_ms: self.at_quantile(0.95),
            p99_ms: self.at_quantile(0.99),
            p999_ms: self.at_quantile(0.999),
            max_ms: millis(times.max()),
        })
    }
}

// On the wire a histogram is its buckets.
impl Serialize for Times {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.buckets().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::from_buckets(&Vec::deserialize(from)?))
    }
}

/// What was seen at one spot, by one user or by all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// One cause a class of error, for people.
    pub(crate) causes: BTreeMap<String, String>,
    pub(crate) content_failures: u64,
    pub(crate) complaints: BTreeMap<String, u64>,
    /// Answers with `Retry-After`, and the longest wait that one asked for.
    pub(crate) asked_to_wait: u64,
    pub(crate) longest_wait: Duration,
    /// Journeys that ended before their last step.
    pub(crate) abandoned: u64,
    /// Tokens that an answer refused, and that were renewed.
    pub(crate) tokens_refused: u64,
    /// From sending to the last byte.
    pub(crate) service: Times,
    /// From the moment the request should have been sent to the last byte; nothing where no schedule says when.
    pub(crate) response: Times,
    /// How late an idle sender woke: the generator's own fault.
    pub(crate) send_lag: Times,
    /// What users felt, by HTTP status, of every answer that had one.
    pub(crate) by_status: BTreeMap<u16, Times>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn is_empty(&self) -> bool {
        self.requests == 0 && self.abandoned == 0 && self.tokens_refused == 0
    }

    pub(crate) fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    pub(crate) fn complain(&mut self, complaint: String) {
        self.content_failures += 1;
        if self.complaints.len() < MAX_COMPLAINTS || self.complaints.contains_key(&complaint) {
            *self.complaints.entry(complaint).or_default() += 1;
        }
    }

    pub(crate) fn fail(&mut self, class: String, cause: Option<String>) {
        if let Some(cause) = cause {
            self.causes.entry(class.clone()).or_insert(cause);
        }
        *self.errors.entry(class).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.content_failures += other.content_failures;
        self.asked_to_wait += other.asked_to_wait;
        self.abandoned += other.abandoned;
        self.tokens_refused += other.tokens_refused;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        for (class, count) in &other.errors {
            *self.errors.entry(class.clone()).or_default() += count;
        }
        for (class, cause) in &other.causes {
            self.causes.entry(class.clone()).or_insert_with(|| cause.clone());
        }
        for (complaint, count) in &other.complaints {
            *self.complaints.entry(complaint.clone()).or_default() += count;
        }
        for (status, times) in &other.by_status {
            self.by_status.entry(*status).or_default().merge(times);
        }
        self.service.merge(&other.service);
        self.response.merge(&other.response);
        self.send_lag.merge(&other.send_lag);
    }
}

/// Where all users record: a tally a spot and shard.
pub(crate) struct Recorder {
    shards: Vec<Vec<Mutex<Tally>>>,
}

impl Recorder {
    pub(crate) fn new(spots: usize, shards: usize) -> Self {
        let shard = || (0..shards.max(1)).map(|_| Mutex::new(Tally::new())).collect();
        Self { shards: (0..spots).map(|_| shard()).collect() }
    }

    pub(crate) fn record(&self, spot: usize, user: u32, with: impl FnOnce(&mut Tally)) {
        let shards = &self.shards[spot];
        let mut tally = shards[user as usize % shards.len()].lock().expect("recording does not panic");
        with(&mut tally);
    }

    /// Takes out what was recorded since the last time, a tally a spot.
    pub(crate) fn drain(&self) -> Vec<Tally> {
        let drain = |shards: &Vec<Mutex<Tally>>| {
            let mut all = Tally::new();
            for shard in shards {
                let mut tally = shard.lock().expect("recording does not panic");
                if !tally.is_empty() {
                    all.merge(&std::mem::replace(&mut tally, Tally::new()));
                }
            }
            all
        };
        self.shards.iter().map(drain).collect()
    }
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1000.0
}

const HOUR_MICROS: u64 = 3_600_000_000;
/// Distinct reasons kept per user; a plan has no more tests than that.
const MAX_COMPLAINTS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(micros: &[u64]) -> Times {
        let mut times = Times::new();
        micros.iter().for_each(|micros| times.record(Duration::from_micros(*micros)));
        times
    }

    /// The smallest value that so large a share of all lies at or below.
    fn exact(sorted: &[u64], quantile: f64) -> f64 {
        let rank = ((quantile * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
        sorted[rank - 1] as f64 / 1000.0
    }

    proptest! {
        #[test]
        fn percentiles_are_true_to_a_thousandth(
            micros in prop::collection::vec(prop_oneof![1_u64..1000, 1000_u64..1_000_000, 1_000_000_u64..3_000_000_000], 1..400),
            quantile in prop_oneof![Just(0.5), Just(0.9), Just(0.95), Just(0.99), Just(0.999), 0.0..1.0_f64],
        ) {
            let mut sorted = micros.clone();
            sorted.sort_unstable();
            let (told, truth) = (times(&micros).at_quantile(quantile), exact(&sorted, quantile));
            prop_assert!((told - truth).abs() <= truth * 0.001 + 1e-9, "{told} is not {truth}");
        }

        #[test]
        fn parts_merged_and_sent_are_the_whole(
            parts in prop::collection::vec(prop::collection::vec(1_u64..4_000_000_000, 0..60), 1..8),
        ) {
            let whole: Vec<u64> = parts.concat();
            let mut merged = Times::new();
            for part in &parts {
                merged.merge(&Times::from_buckets(&times(part).buckets()));
            }
            prop_assert_eq!(merged.buckets(), times(&whole).buckets());
            prop_assert_eq!(merged.samples(), whole.len() as u64);
        }
    }
}
