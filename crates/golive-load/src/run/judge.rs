//! Thresholds held against what was counted.
//!
//! What must not be here: waiting. The same is asked every second while a run goes on, and once at its end.

use crate::measure::{Tally, Times};
use crate::plan::Scenario;
use crate::threshold::{Aggregate, Judged, Label, Metric, Threshold, Verdict};

use super::spot::Spot;
use super::summary::late;

/// What was counted at a spot.
pub(super) type Place<'t> = (&'t Spot, &'t Scenario, &'t Tally);

/// All of them.
pub(super) fn places<'t>(
    scenarios: &'t [Scenario],
    spots: &'t [Spot],
    tallies: &'t [Tally],
) -> Vec<Place<'t>> {
    spots.iter().zip(tallies).map(|(spot, tally)| (spot, &scenarios[spot.scenario], tally)).collect()
}

/// Judges one threshold after so many counted seconds.
pub(super) fn judge(threshold: &Threshold, places: &[Place<'_>], seconds: f64) -> Judged {
    let chosen: Vec<_> = places.iter().filter(|place| fits(threshold, place)).copied().collect();
    let measured = measure(threshold, &chosen, seconds);
    let lateness = chosen.iter().find_map(late);
    let (verdict, actual, why) = match (measured, lateness) {
        (Err(why), _) => (Verdict::Unknown, None, Some(why)),
        (Ok(actual), Some(why)) => (Verdict::Unknown, Some(actual), Some(why)),
        (Ok(actual), None) if threshold.holds(actual) => (Verdict::Kept, Some(actual), None),
        (Ok(actual), None) => (Verdict::Broken, Some(actual), None),
    };
    Judged { threshold: threshold.to_string(), verdict, actual, unit: threshold.unit().to_owned(), why }
}

fn fits(threshold: &Threshold, (spot, scenario, _): &Place<'_>) -> bool {
    let is_named = threshold.labels.iter().any(|(label, _)| *label == Label::Route);
    let is_time = matches!(threshold.metric, Metric::Duration | Metric::Service);
    if spot.is_sign_in && is_time && !is_named {
        return false;
    }
    threshold.labels.iter().all(|(label, wanted)| match label {
        Label::Scenario => scenario.name == *wanted,
        Label::Route => spot.route == *wanted,
        Label::Kind => scenario.kind.name() == wanted,
        Label::Tag => spot.tags.contains(wanted),
        // Chosen when the times are taken.
        Label::Status => true,
    })
}

fn measure(threshold: &Threshold, chosen: &[Place<'_>], seconds: f64) -> Result<f64, String> {
    if chosen.is_empty() {
        return Err("no scenario has these labels".to_owned());
    }
    let sum = |of: fn(&Tally) -> u64| chosen.iter().map(|(_, _, tally)| of(tally)).sum::<u64>() as f64;
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

fn duration(threshold: &Threshold, chosen: &[Place<'_>]) -> Result<f64, String> {
    let status = threshold.labels.iter().find(|(label, _)| *label == Label::Status);
    let mut times = Times::new();
    for (spot, _, tally) in chosen {
        match status {
            Some((_, status)) => {
                let wanted = status.parse().ok().and_then(|status: u16| tally.by_status.get(&status));
                wanted.into_iter().for_each(|own| times.merge(own));
            }
            None if threshold.metric == Metric::Service => times.merge(&tally.service),
            None => times.merge(felt(spot, tally)),
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

/// What users felt: service time, unless a schedule said when.
pub(super) fn felt<'t>(spot: &Spot, tally: &'t Tally) -> &'t Times {
    if spot.is_paced { &tally.response } else { &tally.service }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journey::{JourneyStep, SignIn};
    use crate::plan::{RequestTemplate, ScenarioKind};
    use crate::run::spot::spots;

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
        let spots = spots(scenarios);
        judge(&text.parse().unwrap(), &places(scenarios, &spots, tallies), 10.0).verdict
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
    fn steps_and_tags_are_chosen_and_sign_ins_only_by_name() {
        let mut journey = scenario("a", Some(10.0));
        journey.tags = vec!["all".into()];
        let mut step = JourneyStep::new(RequestTemplate::get("/then"));
        step.tags = vec!["detail".into()];
        journey.then = vec![step];
        journey.sign_in = Some(SignIn::new(RequestTemplate::get("/in"), None));
        let scenarios = [journey];
        let mut tallies = [tally(100, 10, None), tally(100, 700, None), tally(100, 10, None)];
        // The second step is not paced: what counts is its service time of a millisecond.
        assert_eq!(verdict("http.duration{tag=\"detail\"}.p95 < 5ms", &scenarios, &tallies), Verdict::Kept);
        assert_eq!(verdict("http.duration{tag=\"all\"}.p95 < 5ms", &scenarios, &tallies), Verdict::Broken);
        assert_eq!(verdict("http.duration{tag=\"none\"}.p95 < 5ms", &scenarios, &tallies), Verdict::Unknown);
        (0..100).for_each(|_| tallies[2].service.record(Duration::from_secs(9)));
        assert_eq!(verdict("http.duration.max < 5s", &scenarios, &tallies), Verdict::Kept);
        assert_eq!(verdict("http.duration{route=\"/in\"}.max < 5s", &scenarios, &tallies), Verdict::Broken);
        tallies[2].fail("status_500".into(), None);
        assert_eq!(verdict("http.errors.count == 0", &scenarios, &tallies), Verdict::Broken);
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
