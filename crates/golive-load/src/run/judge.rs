//! Thresholds held against what was counted.
//!
//! What must not be here: waiting. The same is asked every second while a run goes on, and once at its end.

use crate::measure::{Tally, Times};
use crate::plan::Scenario;
use crate::threshold::{Aggregate, Judged, Label, Metric, Threshold, Verdict};

use super::summary::late;

/// Judges one threshold after so many counted seconds.
pub(super) fn judge(
    threshold: &Threshold,
    scenarios: &[Scenario],
    tallies: &[Tally],
    seconds: f64,
) -> Judged {
    let chosen: Vec<_> =
        scenarios.iter().zip(tallies).filter(|(scenario, _)| fits(threshold, scenario)).collect();
    let measured = measure(threshold, &chosen, seconds);
    let lateness = chosen.iter().find_map(|(scenario, tally)| late(scenario, tally));
    let (verdict, actual, why) = match (measured, lateness) {
        (Err(why), _) => (Verdict::Unknown, None, Some(why)),
        (Ok(actual), Some(why)) => (Verdict::Unknown, Some(actual), Some(why)),
        (Ok(actual), None) if threshold.holds(actual) => (Verdict::Kept, Some(actual), None),
        (Ok(actual), None) => (Verdict::Broken, Some(actual), None),
    };
    Judged { threshold: threshold.to_string(), verdict, actual, unit: threshold.unit().to_owned(), why }
}

fn fits(threshold: &Threshold, scenario: &Scenario) -> bool {
    threshold.labels.iter().all(|(label, wanted)| match label {
        Label::Scenario => scenario.name == *wanted,
        Label::Route => scenario.route() == wanted,
        Label::Kind => scenario.kind.name() == wanted,
        // Chosen when the times are taken.
        Label::Status => true,
    })
}

fn measure(threshold: &Threshold, chosen: &[(&Scenario, &Tally)], seconds: f64) -> Result<f64, String> {
    if chosen.is_empty() {
        return Err("no scenario has these labels".to_owned());
    }
    let sum = |of: fn(&Tally) -> u64| chosen.iter().map(|(_, tally)| of(tally)).sum::<u64>() as f64;
    let requests = sum(|tally| tally.requests);
    let of = |count: f64| match threshold.aggregate {
        Aggregate::Count => Ok(count),
        _ if requests == 0.0 => Err("no request was counted".to_owned()),
        _ => Ok(count / requests),
    };
    match threshold.metric {
        Metric::Duration | Metric::Service => duration(threshold, chosen),
        Metric::Errors => of(sum(Tally::error_count)),
        Metric::ContentFailures => of(sum(|tally| tally.content_failures)),
        Metric::Requests if threshold.aggregate == Aggregate::Count => Ok(requests),
        Metric::Requests => Ok(requests / seconds.max(0.001)),
    }
}

fn duration(threshold: &Threshold, chosen: &[(&Scenario, &Tally)]) -> Result<f64, String> {
    let status = threshold.labels.iter().find(|(label, _)| *label == Label::Status);
    let mut times = Times::new();
    for (scenario, tally) in chosen {
        match status {
            Some((_, status)) => {
                let wanted = status.parse().ok().and_then(|status: u16| tally.by_status.get(&status));
                wanted.into_iter().for_each(|own| times.merge(own));
            }
            None if threshold.metric == Metric::Service => times.merge(&tally.service),
            None => times.merge(felt(scenario, tally)),
        }
    }
    let needed = threshold.samples_needed();
    if times.samples() < needed {
        return Err(format!("{} samples are too few; {needed} are needed: run longer", times.samples()));
    }
    let summary = times.summary().ok_or("nothing was measured")?;
    Ok(match threshold.aggregate {
        Aggregate::Quantile(quantile) => times.at_quantile(quantile),
        Aggregate::Max => summary.max_ms,
        _ => summary.mean_ms,
    })
}

/// What users felt: a closed user feels service time; `response` there would count the scheduling of the generator.
pub(super) fn felt<'t>(scenario: &Scenario, tally: &'t Tally) -> &'t Times {
    if scenario.is_open() { &tally.response } else { &tally.service }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::{RequestTemplate, ScenarioKind};

    fn scenario(name: &str, rate: Option<f64>) -> Scenario {
        let mut scenario =
            Scenario::new(name, ScenarioKind::Dashboard, RequestTemplate::get(format!("/{name}?x=1")));
        scenario.arrivals_per_second = rate;
        scenario
    }

    fn tally(count: u64, millis: u64, lag: Option<u64>) -> Tally {
        let mut tally = Tally::new();
        for _ in 0..count {
            tally.requests += 1;
            tally.service.record(Duration::from_millis(1));
            tally.response.record(Duration::from_millis(millis));
            lag.into_iter().for_each(|lag| tally.send_lag.record(Duration::from_millis(lag)));
        }
        tally
    }

    fn verdict(text: &str, scenarios: &[Scenario], tallies: &[Tally]) -> Verdict {
        judge(&text.parse().unwrap(), scenarios, tallies, 10.0).verdict
    }

    #[test]
    fn labels_choose_and_the_open_model_is_judged_by_what_was_felt() {
        let scenarios = [scenario("a", Some(10.0)), scenario("b", None)];
        let tallies = [tally(100, 700, None), tally(100, 700, None)];
        assert_eq!(verdict("http.duration{route=\"/a\"}.p95 < 500ms", &scenarios, &tallies), Verdict::Broken);
        assert_eq!(verdict("http.service{route=\"/a\"}.p95 < 500ms", &scenarios, &tallies), Verdict::Kept);
        assert_eq!(verdict("http.duration{scenario=\"b\"}.p95 < 500ms", &scenarios, &tallies), Verdict::Kept);
        assert_eq!(
            verdict("http.duration{kind=\"dashboard\"}.p95 < 500ms", &scenarios, &tallies),
            Verdict::Broken
        );
        assert_eq!(verdict("http.requests.rate >= 20", &scenarios, &tallies), Verdict::Kept);
    }

    #[test]
    fn a_late_generator_few_samples_and_nothing_measured_are_unknown() {
        let open = [scenario("a", Some(10.0))];
        for limit in ["500ms", "1ms"] {
            let text = format!("http.duration.p95 < {limit}");
            assert_eq!(verdict(&text, &open, &[tally(100, 100, Some(200))]), Verdict::Unknown);
            assert_eq!(verdict(&text, &open, &[tally(59, 100, Some(1))]), Verdict::Unknown);
        }
        assert_eq!(verdict("http.duration.p95 < 500ms", &open, &[tally(60, 100, Some(1))]), Verdict::Kept);
        assert_eq!(
            verdict("http.duration.p99 < 500ms", &open, &[tally(299, 100, Some(1))]),
            Verdict::Unknown
        );
        assert_eq!(
            verdict("http.errors{route=\"/x\"}.count == 0", &open, &[tally(60, 1, None)]),
            Verdict::Unknown
        );
        assert_eq!(verdict("http.errors.rate < 1%", &open, &[Tally::new()]), Verdict::Unknown);
        assert_eq!(
            verdict("http.duration{status=\"500\"}.p50 < 1s", &open, &[tally(60, 1, None)]),
            Verdict::Unknown
        );
    }
}
