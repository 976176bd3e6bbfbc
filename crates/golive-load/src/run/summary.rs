//! From tallies to the report, and whether the numbers can be trusted.
//!
//! What must not be here: anything that waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::growth::growth;
use crate::measure::{Tally, Times};
use crate::plan::{LoadPlan, Scenario, ScenarioKind};
use crate::report::{KindReport, LoadReport, Mark, Moment, ScenarioReport, StepReport, StopReason};
use crate::schedule::Arrivals;
use crate::threshold::Verdict;
use crate::watch::{Samples, watched};

use super::Shared;
use super::judge::{Place, felt, judge, places};
use super::spot::Spot;

/// What was counted so far.
pub(crate) struct Counted {
    pub(crate) totals: Vec<Tally>,
    pub(crate) timeline: Vec<Moment>,
    pub(crate) samples: Samples,
    spots: Vec<Spot>,
    counted_from: Instant,
    until: Instant,
}

impl Counted {
    pub(crate) fn new(spots: Vec<Spot>, counted_from: Instant) -> Self {
        Self {
            totals: spots.iter().map(|_| Tally::new()).collect(),
            timeline: Vec::new(),
            samples: Samples::new(),
            spots,
            counted_from,
            until: counted_from,
        }
    }

    /// Takes what the users recorded since the last time.
    pub(crate) fn take(&mut self, shared: &Shared) {
        self.add(&shared.recorder.drain());
    }

    /// Adds what was seen since the last time.
    pub(crate) fn add(&mut self, lately: &[Tally]) {
        let now = Instant::now();
        let mut times = Times::new();
        for ((total, own), spot) in self.totals.iter_mut().zip(lately).zip(&self.spots) {
            total.merge(own);
            if !spot.is_sign_in {
                times.merge(felt(spot, own));
            }
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

    pub(crate) fn lately(&self) -> Option<&Moment> {
        self.timeline.last()
    }

    /// Since when some threshold has been broken without a break.
    pub(crate) fn broken_since(&self, plan: &LoadPlan, before: Option<Instant>) -> Option<Instant> {
        let now = Instant::now();
        let seconds = now.saturating_duration_since(self.counted_from).as_secs_f64();
        let places = places(&plan.scenarios, &self.spots, &self.totals);
        let broken = |threshold| judge(threshold, &places, seconds).verdict == Verdict::Broken;
        plan.thresholds.iter().any(broken).then(|| before.unwrap_or(now))
    }
}

pub(crate) fn summarize(
    plan: &LoadPlan,
    counted: Counted,
    stopped: StopReason,
    cores: Option<f64>,
) -> LoadReport {
    let time = Instant::now().saturating_duration_since(counted.counted_from);
    let whole = (plan.warm_up + time).as_secs_f64();
    let samples = counted.samples.into_inner();
    let places = places(&plan.scenarios, &counted.spots, &counted.totals);
    let scenarios: Vec<_> =
        plan.scenarios.iter().map(|scenario| scenario_report(scenario, &places, time)).collect();
    let sum = |of: fn(&Tally) -> u64| counted.totals.iter().map(of).sum::<u64>();
    let (requests, errors) = (sum(|tally| tally.requests), sum(Tally::error_count));
    LoadReport {
        target: plan.base_url.origin().ascii_serialization(),
        seconds: time.as_secs_f64(),
        requests,
        errors,
        content_failures: sum(|tally| tally.content_failures),
        error_rate: if requests == 0 { 1.0 } else { errors as f64 / requests as f64 },
        stopped,
        inconclusive: doubts(plan, &places, stopped, cores),
        kinds: kinds(&places),
        scenarios,
        marks: marks(plan),
        thresholds: plan
            .thresholds
            .iter()
            .map(|threshold| judge(threshold, &places, time.as_secs_f64()))
            .collect(),
        growth: plan.steady.iter().map(|name| growth(&samples, name, whole)).collect(),
        watched: watched(&samples),
        samples,
        timeline: counted.timeline,
        generator_cores: cores,
    }
}

fn scenario_report(scenario: &Scenario, places: &[Place<'_>], counted: Duration) -> ScenarioReport {
    let active = counted.saturating_sub(scenario.start_after).as_secs_f64();
    let own: Vec<&Place<'_>> = places.iter().filter(|(_, of, _)| std::ptr::eq(*of, scenario)).collect();
    let (mut tally, mut times) = (Tally::new(), Times::new());
    for (spot, _, step) in own.iter().filter(|(spot, _, _)| !spot.is_sign_in) {
        tally.merge(step);
        times.merge(felt(spot, step));
    }
    let steps = |sign_in: bool| {
        own.iter().filter(move |(spot, _, _)| spot.is_sign_in == sign_in).map(|place| step_report(place))
    };
    let is_journey = !scenario.then.is_empty();
    ScenarioReport {
        name: scenario.name.clone(),
        kind: scenario.kind,
        users: scenario.users,
        route: scenario.route().to_owned(),
        requests: tally.requests,
        asked_to_wait: tally.asked_to_wait,
        longest_wait_seconds: tally.longest_wait.as_secs(),
        content_failures: tally.content_failures,
        service: tally.service.summary(),
        response: if scenario.is_open() { times.summary() } else { None },
        send_lag: tally.send_lag.summary(),
        throughput_per_second: if active > 0.0 { tally.requests as f64 / active } else { 0.0 },
        bytes: tally.bytes,
        by_status: tally
            .by_status
            .iter()
            .filter_map(|(status, times)| Some((*status, times.summary()?)))
            .collect(),
        distribution: times.buckets(),
        steps: if is_journey { steps(false).collect() } else { Vec::new() },
        sign_in: steps(true).next(),
        journeys_abandoned: tally.abandoned,
        tokens_refused: tally.tokens_refused,
        errors: tally.errors,
        error_causes: tally.causes,
        content_failure_reasons: tally.complaints,
    }
}

fn step_report((spot, _, tally): &Place<'_>) -> StepReport {
    StepReport {
        route: spot.route.clone(),
        tags: spot.tags.clone(),
        requests: tally.requests,
        errors: tally.errors.clone(),
        error_causes: tally.causes.clone(),
        content_failures: tally.content_failures,
        content_failure_reasons: tally.complaints.clone(),
        latency: felt(spot, tally).summary(),
        distribution: felt(spot, tally).buckets(),
    }
}

fn kinds(places: &[Place<'_>]) -> Vec<KindReport> {
    let mut kinds: BTreeMap<ScenarioKind, (KindReport, Times)> = BTreeMap::new();
    for (spot, scenario, tally) in places.iter().filter(|(spot, _, _)| !spot.is_sign_in) {
        let (report, times) =
            kinds.entry(scenario.kind).or_insert_with(|| (empty(scenario.kind), Times::new()));
        report.requests += tally.requests;
        report.errors += tally.error_count();
        report.content_failures += tally.content_failures;
        times.merge(felt(spot, tally));
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
pub(crate) fn late((spot, scenario, tally): &Place<'_>) -> Option<String> {
    let limit = if spot.is_paced { MAX_SEND_LAG_MS } else { MAX_WAKING_LAG_MS };
    let lag = tally.send_lag.summary().filter(|lag| lag.p99_ms > limit)?;
    Some(format!(
        "`{}`: the generator itself sent {:.0} ms late (p99): give it more processor time",
        scenario.name, lag.p99_ms
    ))
}

/// Whether a generator took so many of all its cores that it may have been the slow one.
pub(crate) fn full(cores: f64, all: f64) -> Option<String> {
    (cores > all * FULL).then(|| {
        format!("the generator took {cores:.1} of {all:.0} cores, so it may be what was slow: run it on a machine of its own")
    })
}

fn doubts(plan: &LoadPlan, places: &[Place<'_>], stopped: StopReason, cores: Option<f64>) -> Vec<String> {
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
    doubts.extend(cores.and_then(|cores| full(cores, all)));
    for place @ (spot, scenario, tally) in places {
        doubts.extend(late(place));
        if tally.requests < MIN_SAMPLES_FOR_P95 && scenario.iterations.is_none() && !spot.is_sign_in {
            let step =
                if scenario.then.is_empty() { String::new() } else { format!(", step {}", spot.route) };
            doubts.push(format!(
                "`{}`{step}: {} requests are too few for a 95th percentile; {MIN_SAMPLES_FOR_P95} are needed: run longer",
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

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::plan::RequestTemplate;
    use crate::run::spot::spots;

    fn plan(rate: Option<f64>) -> LoadPlan {
        let mut scenario = Scenario::new("a", ScenarioKind::Dashboard, RequestTemplate::get("/a"));
        scenario.arrivals_per_second = rate;
        LoadPlan::new(Url::parse("http://127.0.0.1:1").unwrap(), vec![scenario])
    }

    fn doubts_of(plan: &LoadPlan, requests: u64, lag: Duration, cores: f64) -> Vec<String> {
        let mut tally = Tally::new();
        for _ in 0..requests {
            tally.requests += 1;
            tally.service.record(Duration::from_millis(1));
            tally.response.record(Duration::from_millis(1));
            tally.send_lag.record(lag);
        }
        let (spots, tallies) = (spots(&plan.scenarios), [tally]);
        doubts(plan, &places(&plan.scenarios, &spots, &tallies), StopReason::Duration, Some(cores))
    }

    #[test]
    fn a_generator_that_was_late_makes_a_run_inconclusive_and_a_punctual_one_does_not() {
        let (open, closed) = (plan(Some(10.0)), plan(None));
        let doubted = |plan: &LoadPlan, lag| doubts_of(plan, 60, Duration::from_millis(lag), 0.1);
        assert_eq!(doubted(&open, 40), Vec::<String>::new());
        let late = doubted(&open, 60);
        assert!(late.len() == 1 && late[0].contains("ms late (p99)"), "{late:?}");
        assert_eq!(doubted(&closed, 200), Vec::<String>::new(), "it delays itself, not its measure");
        assert_eq!(doubted(&closed, 300).len(), 1);
    }

    #[test]
    fn too_few_requests_and_a_generator_that_took_all_cores_make_a_run_inconclusive() {
        let plan = plan(None);
        let few = doubts_of(&plan, 59, Duration::ZERO, 0.1);
        assert!(few.len() == 1 && few[0].contains("59 requests are too few"), "{few:?}");
        let full = doubts_of(&plan, 60, Duration::ZERO, 1000.0);
        assert!(full.len() == 1 && full[0].contains("1000.0 of"), "{full:?}");
        assert!(
            super::full(1.9, 2.0).is_some() && super::full(1.7, 2.0).is_none(),
            "nine tenths are the limit"
        );
    }
}
