//! The report in Prometheus' text format, for a text-file collector or a push gateway.
//!
//! What must not be here: causes of errors and answers' contents; labels are the plan's own names.

use std::fmt::Write as _;

use crate::report::{Latency, LoadReport, ScenarioReport, StepReport};
use crate::threshold::Verdict;

/// The report in Prometheus' text exposition format, version 0.0.4. Times are in seconds, as its conventions want.
///
/// # Panics
/// Never: writing to a string does not fail.
#[must_use]
pub fn to_prometheus(report: &LoadReport) -> String {
    let mut out = String::new();
    family(&mut out, "golive_load_requests_total", "counter", "Requests counted.", report, |s| {
        vec![(String::new(), s.requests as f64)]
    });
    family(&mut out, "golive_load_errors_total", "counter", "Requests that failed, by class.", report, |s| {
        s.errors
            .iter()
            .map(|(class, count)| (format!(",class=\"{}\"", label(class)), *count as f64))
            .collect()
    });
    family(
        &mut out,
        "golive_load_content_failures_total",
        "counter",
        "Right status, wrong content.",
        report,
        |s| vec![(String::new(), s.content_failures as f64)],
    );
    family(
        &mut out,
        "golive_load_received_bytes_total",
        "counter",
        "Bytes of bodies received.",
        report,
        |s| vec![(String::new(), s.bytes as f64)],
    );
    let seconds = "Time that users felt, by percentile.";
    family(&mut out, "golive_load_duration_seconds", "gauge", seconds, report, |s| {
        s.response.or(s.service).map(quantiles).unwrap_or_default()
    });
    family(
        &mut out,
        "golive_load_step_requests_total",
        "counter",
        "Requests of a journey's step.",
        report,
        |s| {
            steps(s).map(|step| (format!(",step=\"{}\"", label(&step.route)), step.requests as f64)).collect()
        },
    );
    let seconds = "Time that users felt at a journey's step, by percentile.";
    family(&mut out, "golive_load_step_duration_seconds", "gauge", seconds, report, |s| {
        let of = |step: &StepReport| {
            let name = format!(",step=\"{}\"", label(&step.route));
            step.latency
                .map(quantiles)
                .unwrap_or_default()
                .into_iter()
                .map(move |(q, value)| (format!("{name}{q}"), value))
        };
        steps(s).flat_map(of).collect()
    });
    let lag = "How late the generator sent, by percentile.";
    family(&mut out, "golive_load_send_lag_seconds", "gauge", lag, report, |s| {
        s.send_lag.map(quantiles).unwrap_or_default()
    });
    verdicts(&mut out, report);
    out
}

fn verdicts(out: &mut String, report: &LoadReport) {
    let _ = writeln!(
        out,
        "# HELP golive_load_threshold Kept 1, broken 0, unknown NaN.\n# TYPE golive_load_threshold gauge"
    );
    let value = |verdict| match verdict {
        Verdict::Kept => "1",
        Verdict::Broken => "0",
        Verdict::Unknown => "NaN",
    };
    for judged in &report.thresholds {
        let (name, value) = (label(&judged.threshold), value(judged.verdict));
        let _ = writeln!(out, "golive_load_threshold{{threshold=\"{name}\"}} {value}");
    }
    if !report.growth.is_empty() {
        let _ = writeln!(
            out,
            "# HELP golive_load_steady Steady 1, growing 0, unknown NaN.\n# TYPE golive_load_steady gauge"
        );
    }
    for growth in &report.growth {
        let (name, value) = (label(&growth.name), value(growth.verdict()));
        let _ = writeln!(out, "golive_load_steady{{value=\"{name}\"}} {value}");
    }
    let conclusive = u8::from(report.inconclusive.is_empty());
    let _ = writeln!(
        out,
        "# HELP golive_load_conclusive Whether the figures tell about the application.\n# TYPE golive_load_conclusive gauge\ngolive_load_conclusive {conclusive}"
    );
}

fn family(
    out: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    report: &LoadReport,
    values: impl Fn(&ScenarioReport) -> Vec<(String, f64)>,
) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for scenario in &report.scenarios {
        for (more, value) in values(scenario) {
            let _ = writeln!(
                out,
                "{name}{{scenario=\"{}\",route=\"{}\"{more}}} {value}",
                label(&scenario.name),
                label(&scenario.route)
            );
        }
    }
}

fn steps(scenario: &ScenarioReport) -> impl Iterator<Item = &StepReport> {
    scenario.steps.iter().chain(&scenario.sign_in)
}

fn quantiles(latency: Latency) -> Vec<(String, f64)> {
    let of = |quantile: &str, ms: f64| (format!(",quantile=\"{quantile}\""), ms / 1000.0);
    vec![
        of("0.5", latency.p50_ms),
        of("0.9", latency.p90_ms),
        of("0.95", latency.p95_ms),
        of("0.99", latency.p99_ms),
        of("0.999", latency.p999_ms),
        of("1", latency.max_ms),
    ]
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
