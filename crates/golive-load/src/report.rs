//! What a load test found.
//!
//! What must not be here: verdicts against limits. Whoever asks for the numbers knows the limits; only whether the
//! numbers can be trusted is said here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::ScenarioKind;

/// The result of a load test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadReport {
    /// Where it was sent, without path or credentials.
    pub target: String,
    /// Counted seconds, the warm-up not among them.
    pub seconds: f64,
    /// Requests counted.
    pub requests: u64,
    /// Requests not answered, or with an unexpected status.
    pub errors: u64,
    /// Answers with the right status and the wrong content.
    pub content_failures: u64,
    /// `errors / requests`, 1 when nothing was sent.
    pub error_rate: f64,
    /// Why it ended.
    pub stopped: StopReason,
    /// A scenario each.
    pub scenarios: Vec<ScenarioReport>,
    /// All scenarios of a kind together.
    pub kinds: Vec<KindReport>,
    /// What the sampler saw, a second apart.
    pub samples: Vec<Sample>,
    /// Why the numbers do not tell about the application: the generator was late, there were too few samples.
    pub inconclusive: Vec<String>,
}

impl LoadReport {
    /// What users of this kind felt: response time where arrivals were paced, else service time.
    #[must_use]
    pub fn latency_of(&self, kind: ScenarioKind) -> Option<&Latency> {
        self.kinds.iter().find(|k| k.kind == kind)?.latency.as_ref()
    }

    /// Names of the scenarios that got not a single good answer.
    pub fn scenarios_missing(&self) -> impl Iterator<Item = &str> {
        self.scenarios
            .iter()
            .filter(|s| s.requests <= s.error_count() + s.content_failures)
            .map(|s| s.name.as_str())
    }
}

/// Why a load test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The planned time was over.
    Duration,
    /// Every scenario had done its iterations.
    Iterations,
    /// The plan's limit of requests was reached.
    RequestLimit,
    /// Somebody stopped it.
    Canceled,
}

/// The result of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScenarioReport {
    /// As planned.
    pub name: String,
    /// As planned.
    pub kind: ScenarioKind,
    /// As planned.
    pub users: u32,
    /// Requests counted.
    pub requests: u64,
    /// Errors by class: `connect`, `timeout`, `transport`, `too_large`, `not_sent` (the server could not
    /// keep up with an open schedule), `status_503` and the like.
    pub errors: BTreeMap<String, u64>,
    /// Answers with the right status and the wrong content.
    pub content_failures: u64,
    /// What was wrong with them, by count; never what was answered.
    pub content_failure_reasons: BTreeMap<String, u64>,
    /// From sending to the last byte.
    pub service: Option<Latency>,
    /// From the moment of the intended arrival; only for open scenarios. This is what users feel.
    pub response: Option<Latency>,
    /// How late the generator itself was; only for open scenarios.
    pub send_lag: Option<Latency>,
    /// Answers a second while the scenario ran.
    pub throughput_per_second: f64,
    /// Bytes of bodies received.
    pub bytes: u64,
}

impl ScenarioReport {
    /// Errors of all classes.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// All scenarios of one kind together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KindReport {
    /// The kind.
    pub kind: ScenarioKind,
    /// Requests counted.
    pub requests: u64,
    /// Errors of all classes.
    pub errors: u64,
    /// Answers with the right status and the wrong content.
    pub content_failures: u64,
    /// What users of this kind felt.
    pub latency: Option<Latency>,
}

/// Percentiles in milliseconds. Failed requests are not among them (a fast failure is no speed), timeouts are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many requests they rest on.
    pub samples: u64,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// One observation of the sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// Seconds since the run began, warm-up included.
    pub seconds: f64,
    /// What it returned, e.g. open database connections.
    pub value: f64,
}

impl Sample {
    pub(crate) fn new(seconds: f64, value: f64) -> Self {
        Self { seconds, value }
    }
}
