//! What a load test found.
//!
//! What must not be here: verdicts against limits. Whoever asks for the numbers knows the limits; only whether the
//! numbers can be trusted is said here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::growth::Growth;
use crate::plan::ScenarioKind;
use crate::threshold::{Judged, Verdict};
use crate::watch::Watched;

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
    /// The same, by name: connections of the database, waits for a pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
    /// The run over time, about a second each, the warm-up not among them.
    pub timeline: Vec<Moment>,
    /// Where rates change and scenarios begin.
    pub marks: Vec<Mark>,
    /// How the plan's thresholds were kept.
    pub thresholds: Vec<Judged>,
    /// Whether the values grew that the plan wants steady.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<Growth>,
    /// Processor time that this process took, in cores; `None` where the system does not tell.
    pub generator_cores: Option<f64>,
    /// Why the numbers do not tell about the application: the generator was late, there were too few samples.
    pub inconclusive: Vec<String>,
}

impl LoadReport {
    /// What users of this kind felt: response time where arrivals were paced, else service time.
    #[must_use]
    pub fn latency_of(&self, kind: ScenarioKind) -> Option<&Latency> {
        self.kinds.iter().find(|k| k.kind == kind)?.latency.as_ref()
    }

    /// Whether every threshold was kept and nothing grew that must not: one broken is [`Verdict::Broken`], else one unknown is
    /// [`Verdict::Unknown`].
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| {
            self.thresholds.iter().any(|judged| judged.verdict == verdict)
                || self.growth.iter().any(|growth| growth.verdict() == verdict)
        };
        if any(Verdict::Broken) {
            Verdict::Broken
        } else if any(Verdict::Unknown) || !self.inconclusive.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Kept
        }
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
    /// A threshold was broken for as long as the plan bears it.
    Breached,
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
    /// What its request is called.
    pub route: String,
    /// Requests counted.
    pub requests: u64,
    /// Errors by class: `connect`, `tls`, `timeout`, `transport`, `too_large`, `redirect_elsewhere`, `request` (it could not
    /// be written), `not_sent` (the server could not keep up with an open schedule), `status_503` and the like.
    pub errors: BTreeMap<String, u64>,
    /// The cause of the first error of a class, where there is more to say than its name.
    pub error_causes: BTreeMap<String, String>,
    /// Answers 429 and 503 that asked to wait (`Retry-After`). A closed user waits, up to 30 s; a schedule does not.
    pub asked_to_wait: u64,
    /// The longest such wait, in seconds.
    pub longest_wait_seconds: u64,
    /// Answers with the right status and the wrong content.
    pub content_failures: u64,
    /// What was wrong with them, by count; never what was answered.
    pub content_failure_reasons: BTreeMap<String, u64>,
    /// From sending to the last byte.
    pub service: Option<Latency>,
    /// From the moment of the intended arrival; only for open scenarios. This is what users feel.
    pub response: Option<Latency>,
    /// How late the generator itself woke to send.
    pub send_lag: Option<Latency>,
    /// Answers a second while the scenario ran.
    pub throughput_per_second: f64,
    /// Bytes of bodies received.
    pub bytes: u64,
    /// What users felt, by HTTP status, whether it was expected or not.
    pub by_status: BTreeMap<u16, Latency>,
    /// The whole distribution of what users felt: highest value of a bucket in microseconds, and its count. Recorded again it
    /// gives the same histogram.
    pub distribution: Vec<(u64, u64)>,
    /// The steps of a journey, each by itself; none where the scenario is one request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepReport>,
    /// Its sign-ins; not among the figures above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<StepReport>,
    /// Journeys that ended before their last step, since an answer was not what it must be.
    #[serde(default)]
    pub journeys_abandoned: u64,
    /// Tokens that an answer refused (401); each was renewed and the request sent once more, the time of both counting.
    #[serde(default)]
    pub tokens_refused: u64,
}

/// One step of a journey, or the sign-ins of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// What its request is called.
    pub route: String,
    /// Its own tags and those of the scenario.
    pub tags: Vec<String>,
    /// Requests counted.
    pub requests: u64,
    /// Errors by class, as in [`ScenarioReport::errors`].
    pub errors: BTreeMap<String, u64>,
    /// The cause of the first error of a class.
    pub error_causes: BTreeMap<String, String>,
    /// Answers with the right status and the wrong content.
    pub content_failures: u64,
    /// What was wrong with them.
    pub content_failure_reasons: BTreeMap<String, u64>,
    /// What users felt.
    pub latency: Option<Latency>,
    /// As in [`ScenarioReport::distribution`].
    pub distribution: Vec<(u64, u64)>,
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
    /// 99.9th percentile.
    #[serde(default)]
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// One observation of the sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// Seconds since the run began, warm-up included.
    pub seconds: f64,
    /// What it returned, by name.
    pub values: BTreeMap<String, f64>,
}

impl Sample {
    pub(crate) fn new(seconds: f64, values: BTreeMap<String, f64>) -> Self {
        Self { seconds, values }
    }
}

/// About a second of a run, all scenarios together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Moment {
    /// Its end, in seconds of the counted time.
    pub seconds: f64,
    /// How long it was, in seconds.
    pub lasted: f64,
    /// Requests that ended in it.
    pub requests: u64,
    /// Of these, errors and wrong content.
    pub failures: u64,
    /// What users felt.
    pub latency: Option<Latency>,
}

/// A point in time with a meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mark {
    /// In seconds of the counted time.
    pub seconds: f64,
    /// What begins there.
    pub says: String,
}
