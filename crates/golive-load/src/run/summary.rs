//! From tallies to the report, and whether the numbers can be trusted.
//!
//! What must not be here: anything that waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::measure::{Tally, Times};
use crate::plan::{LoadPlan, Scenario, ScenarioKind};
use crate::report::{KindReport, LoadReport, Mark, Moment, Sample, ScenarioReport, StopReason};
use crate::schedule::Arrivals;
use crate::threshold::Verdict;

use super::Shared;
use super::judge::{felt, judge};

/// What was counted so far.
pub(super) struct Counted {
    pub(super) totals: Vec<Tally>,
    pub(super) timeline: Vec<Moment>,
    pub(super) samples: Vec<Sample>,
    open: Vec<bool>,
    counted_from: Instant,
    until: Instant,
}

impl Counted {
    pub(super) fn new(plan: &LoadPlan, shared: &Shared) -> Self {
        Self {
            totals: plan.scenarios.iter().map(|_| Tally::new()).collect(),
            timeline: Vec::new(),
            samples: Vec::new(),
            open: plan.scenarios.iter().map(Scenario::is_open).collect(),
            counted_from: shared.counted_from,
            until: shared.counted_from,
        }
    }

    /// Takes what the users recorded since the last time.
    pub(super) fn take(&mut self, shared: &Shared) {
        let now = Instant::now();
        let lately = shared.recorder.drain();
        let mut times = Times::new();
        for ((total, own), open) in self.totals.iter_mut().zip(&lately).zip(&self.open) {
            total.merge(own);
            times.merge(if *open { &own.response } else { &own.service });
        }
        let requests: u64 = lately.iter().map(|tally| tally.requests).sum();
        let lasted = now.saturating_duration_since(self.until).as_secs_f64();
        if now <= self.counted_from || self.timeline.len() >= MAX_MOMENTS || (requests == 0 && lasted < 0.5) {
            return;
        }
        self.timeline.push(Moment {
            seconds: now.duration_since(self.counted_from).as_secs_f64(),
            lasted,
            requests,
            failures: lately.iter().map(|tally| tally.error_count() + tally.content_failures).sum(),
            latency: times.summary(),
        });
        self.until = now;
    }

    pub(super) fn lately(&self) -> Option<&Moment> {
        self.timeline.last()
    }

    /// Since when some threshold has been broken without a break.
    pub(super) fn broken_since(&self, plan: &LoadPlan, before: Option<Instant>) -> Option<Instant> {
        let now = Instant::now();
        let seconds = now.saturating_duration_since(self.counted_from).as_secs_f64();
        let broken =
            |threshold| judge(threshold, &plan.scenarios, &self.totals, seconds).verdict == Verdict::Broken;
        plan.thresholds.iter().any(broken).then(|| before.unwrap_or(now))
    }
}

pub(super) fn summarize(
    plan: &LoadPlan,
    shared: &Shared,
    counted: Counted,
    stopped: StopReason,
    cores: Option<f64>,
) -> LoadReport {
    let time = Instant::now().saturating_duration_since(shared.counted_from);
    let together: Vec<_> = plan.scenarios.iter().zip(&counted.totals).collect();
    let scenarios: Vec<_> = together.iter().map(|(s, tally)| scenario_report(s, tally, time)).collect();
    let requests = scenarios.iter().map(|s| s.requests).sum();
    let errors = scenarios.iter().map(ScenarioReport::error_count).sum();
    let judged = |threshold| judge(threshold, &plan.scenarios, &counted.totals, time.as_secs_f64());
    LoadReport {
        target: plan.base_url.origin().ascii_serialization(),
        seconds: time.as_secs_f64(),
        requests,
        errors,
        content_failures: scenarios.iter().map(|s| s.content_failures).sum(),
        error_rate: if requests == 0 { 1.0 } else { errors as f64 / requests as f64 },
        stopped,
        inconclusive: doubts(plan, &counted.totals, stopped, cores),
        kinds: kinds(&together),
        scenarios,
        samples: counted.samples,
        timeline: counted.timeline,
        marks: marks(plan),
        thresholds: plan.thresholds.iter().map(judged).collect(),
        generator_cores: cores,
    }
}

fn scenario_report(scenario: &Scenario, tally: &Tally, counted: Duration) -> ScenarioReport {
    let active = counted.saturating_sub(scenario.start_after).as_secs_f64();
    ScenarioReport {
        name: scenario.name.clone(),
        kind: scenario.kind,
        users: scenario.users,
        route: scenario.route().to_owned(),
        requests: tally.requests,
        errors: tally.errors.clone(),
        error_causes: tally.causes.clone(),
        asked_to_wait: tally.asked_to_wait,
        longest_wait_seconds: tally.longest_wait.as_secs(),
        content_failures: tally.content_failures,
        content_failure_reasons: tally.complaints.clone(),
        service: tally.service.summary(),
        response: if scenario.is_open() { tally.response.summary() } else { None },
        send_lag: tally.send_lag.summary(),
        throughput_per_second: if active > 0.0 { tally.requests as f64 / active } else { 0.0 },
        bytes: tally.bytes,
        by_status: tally
            .by_status
            .iter()
            .filter_map(|(status, times)| Some((*status, times.summary()?)))
            .collect(),
        distribution: felt(scenario, tally).buckets(),
    }
}

fn kinds(together: &[(&Scenario, &Tally)]) -> Vec<KindReport> {
    let mut kinds: BTreeMap<ScenarioKind, (KindReport, Times)> = BTreeMap::new();
    for (scenario, tally) in together {
        let (report, times) =
            kinds.entry(scenario.kind).or_insert_with(|| (empty(scenario.kind), Times::new()));
        report.requests += tally.requests;
        report.errors += tally.error_count();
        report.content_failures += tally.content_failures;
        times.merge(felt(scenario, tally));
    }
    kinds.into_values().map(|(report, times)| KindReport { latency: times.summary(), ..report }).collect()
}

fn empty(kind: ScenarioKind) -> KindReport {
    KindReport { kind, requests: 0, errors: 0, content_failures: 0, latency: None }
}

fn marks(plan: &LoadPlan) -> Vec<Mark> {
    let mut marks = Vec::new();
    for scenario in &plan.scenarios {
        let begins = scenario.start_after.as_secs_f64();
        if begins > 0.0 {
            marks.push(Mark { seconds: begins, says: format!("{} begins", scenario.name) });
        }
        let left = plan.duration.saturating_sub(scenario.start_after);
        let shape = scenario.arrivals.iter().flat_map(|arrivals: &Arrivals| arrivals.marks(left));
        marks.extend(
            shape.map(|(at, says)| Mark { seconds: begins + at, says: format!("{}: {says}", scenario.name) }),
        );
    }
    marks
}

/// Whether the generator itself was late, in words.
pub(super) fn late(scenario: &Scenario, tally: &Tally) -> Option<String> {
    let limit = if scenario.is_open() { MAX_SEND_LAG_MS } else { MAX_WAKING_LAG_MS };
    let lag = tally.send_lag.summary().filter(|lag| lag.p99_ms > limit)?;
    Some(format!(
        "`{}`: the generator itself sent {:.0} ms late (p99): give it more processor time",
        scenario.name, lag.p99_ms
    ))
}

fn doubts(plan: &LoadPlan, tallies: &[Tally], stopped: StopReason, cores: Option<f64>) -> Vec<String> {
    let mut doubts = Vec::new();
    match stopped {
        StopReason::Canceled => doubts.push("the run was stopped early".to_owned()),
        StopReason::RequestLimit => {
            doubts.push(format!(
                "the run ended at its limit of {} requests, before its time",
                plan.max_requests
            ));
        }
        _ => {}
    }
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    if let Some(cores) = cores.filter(|cores| *cores > all * FULL) {
        doubts.push(format!(
            "the generator took {cores:.1} of {all:.0} cores, so it may be what was slow: run it on a machine of its own"
        ));
    }
    for (scenario, tally) in plan.scenarios.iter().zip(tallies) {
        doubts.extend(late(scenario, tally));
        if tally.requests < MIN_SAMPLES_FOR_P95 && scenario.iterations.is_none() {
            doubts.push(format!(
                "`{}`: {} requests are too few for a 95th percentile; {MIN_SAMPLES_FOR_P95} are needed: run longer",
                scenario.name, tally.requests
            ));
        }
    }
    doubts
}

const MAX_SEND_LAG_MS: f64 = 50.0;
/// A closed user that wakes late from its pause delays itself, not its measure; only a starved generator is so late.
const MAX_WAKING_LAG_MS: f64 = 250.0;
/// The share of all cores from which on the generator may be the slow one.
const FULL: f64 = 0.9;
/// Below about 60 samples the 95th percentile is the maximum, more or less.
const MIN_SAMPLES_FOR_P95: u64 = 60;
/// A day of seconds, and some.
const MAX_MOMENTS: usize = 100_000;
