//! From tallies to the report, and whether the numbers can be trusted.
//!
//! What must not be here: anything that waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::measure::{Tally, Times};
use crate::plan::{LoadPlan, Scenario, ScenarioKind};
use crate::report::{KindReport, LoadReport, Sample, ScenarioReport, StopReason};

use super::Shared;

pub(crate) fn summarize(
    plan: &LoadPlan,
    shared: &Shared,
    tallies: Vec<Tally>,
    samples: Vec<Sample>,
    stopped: StopReason,
) -> LoadReport {
    let counted = Instant::now().saturating_duration_since(shared.counted_from);
    let together: Vec<_> = plan.scenarios.iter().zip(tallies).collect();
    let scenarios: Vec<_> = together.iter().map(|(s, tally)| scenario_report(s, tally, counted)).collect();
    let requests = scenarios.iter().map(|s| s.requests).sum();
    let errors = scenarios.iter().map(ScenarioReport::error_count).sum();
    LoadReport {
        target: shared.base_url.origin().ascii_serialization(),
        seconds: counted.as_secs_f64(),
        requests,
        errors,
        content_failures: scenarios.iter().map(|s| s.content_failures).sum(),
        error_rate: if requests == 0 { 1.0 } else { errors as f64 / requests as f64 },
        stopped,
        inconclusive: doubts(plan, &scenarios, stopped),
        kinds: kinds(&together),
        scenarios,
        samples,
    }
}

fn scenario_report(scenario: &Scenario, tally: &Tally, counted: Duration) -> ScenarioReport {
    let open = scenario.arrivals_per_second.is_some();
    let active = counted.saturating_sub(scenario.start_after).as_secs_f64();
    ScenarioReport {
        name: scenario.name.clone(),
        kind: scenario.kind,
        users: scenario.users,
        requests: tally.requests,
        errors: tally.errors.clone(),
        content_failures: tally.content_failures,
        content_failure_reasons: tally.complaints.clone(),
        service: tally.service.summary(),
        response: if open { tally.response.summary() } else { None },
        send_lag: if open { tally.send_lag.summary() } else { None },
        throughput_per_second: if active > 0.0 { tally.requests as f64 / active } else { 0.0 },
        bytes: tally.bytes,
    }
}

fn kinds(together: &[(&Scenario, Tally)]) -> Vec<KindReport> {
    let mut kinds: BTreeMap<ScenarioKind, (KindReport, Times)> = BTreeMap::new();
    for (scenario, tally) in together {
        let (report, times) =
            kinds.entry(scenario.kind).or_insert_with(|| (empty(scenario.kind), Times::new()));
        report.requests += tally.requests;
        report.errors += tally.error_count();
        report.content_failures += tally.content_failures;
        // A closed user feels service time; `response` there would count the scheduling of the generator.
        let felt = if scenario.arrivals_per_second.is_some() { &tally.response } else { &tally.service };
        times.merge(felt);
    }
    kinds.into_values().map(|(report, times)| KindReport { latency: times.summary(), ..report }).collect()
}

fn empty(kind: ScenarioKind) -> KindReport {
    KindReport { kind, requests: 0, errors: 0, content_failures: 0, latency: None }
}

fn doubts(plan: &LoadPlan, scenarios: &[ScenarioReport], stopped: StopReason) -> Vec<String> {
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
    for (scenario, report) in plan.scenarios.iter().zip(scenarios) {
        if let Some(lag) = report.send_lag.filter(|lag| lag.p99_ms > MAX_SEND_LAG_MS) {
            doubts.push(format!(
                "`{}`: the generator itself sent {:.0} ms late (p99): give it more processor time",
                scenario.name, lag.p99_ms
            ));
        }
        if report.requests < MIN_SAMPLES_FOR_P95 && scenario.iterations.is_none() {
            doubts.push(format!(
                "`{}`: {} requests are too few for a 95th percentile; {MIN_SAMPLES_FOR_P95} are needed: run longer",
                scenario.name, report.requests
            ));
        }
    }
    doubts
}

const MAX_SEND_LAG_MS: f64 = 50.0;
/// Below about 60 samples the 95th percentile is the maximum, more or less.
const MIN_SAMPLES_FOR_P95: u64 = 60;
