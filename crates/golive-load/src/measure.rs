//! Counts and histograms of one user, merged when the run is over, so that measuring takes no lock.
//!
//! What must not be here: sending, or rounding; a histogram keeps three significant digits.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::Latency;

/// Latencies in microseconds, 1 µs to an hour.
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, HOUR_MICROS, 3).expect("the bounds are valid"))
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(HOUR_MICROS);
        self.0.saturating_record(micros.max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    pub(crate) fn summary(&self) -> Option<Latency> {
        if self.0.is_empty() {
            return None;
        }
        let at = |quantile| millis(self.0.value_at_quantile(quantile));
        Some(Latency {
            samples: self.0.len(),
            mean_ms: self.0.mean() / 1000.0,
            p50_ms: at(0.50),
            p90_ms: at(0.90),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: millis(self.0.max()),
        })
    }
}

/// What one user, or one scenario, saw.
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) content_failures: u64,
    pub(crate) complaints: BTreeMap<String, u64>,
    /// From sending to the last byte.
    pub(crate) service: Times,
    /// From the moment the request should have been sent to the last byte; the same as `service` for closed scenarios.
    pub(crate) response: Times,
    /// How late an idle sender woke: the generator's own fault.
    pub(crate) send_lag: Times,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            requests: 0,
            bytes: 0,
            errors: BTreeMap::new(),
            content_failures: 0,
            complaints: BTreeMap::new(),
            service: Times::new(),
            response: Times::new(),
            send_lag: Times::new(),
        }
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

    pub(crate) fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.content_failures += other.content_failures;
        for (class, count) in other.errors {
            *self.errors.entry(class).or_default() += count;
        }
        for (complaint, count) in other.complaints {
            *self.complaints.entry(complaint).or_default() += count;
        }
        self.service.merge(&other.service);
        self.response.merge(&other.response);
        self.send_lag.merge(&other.send_lag);
    }
}

fn millis(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1000.0
}

const HOUR_MICROS: u64 = 3_600_000_000;
/// Distinct reasons kept per user; a plan has no more tests than that.
const MAX_COMPLAINTS: usize = 20;
