//! The report as one page that needs nothing else: tables, charts, what was judged.
//!
//! What must not be here: scripts, or anything that is loaded from elsewhere; the page forbids both itself.

use std::fmt::Write as _;

use crate::report::{Latency, LoadReport, Moment, Sample, ScenarioReport};
use crate::threshold::Verdict;

use super::chart::{Chart, Line};
use super::escape;

/// The report as a self-contained HTML page with SVG charts.
#[must_use]
pub fn to_html(report: &LoadReport) -> String {
    let verdict = match report.verdict() {
        Verdict::Kept => "every threshold was kept",
        Verdict::Broken if report.growth.iter().any(|growth| growth.verdict() == Verdict::Broken) => {
            "something grew that must not"
        }
        Verdict::Broken => "a threshold was broken",
        Verdict::Unknown => "the figures do not tell",
    };
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Load on {target}</title>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>Load on {target}</h1><p class=\"{class}\">{verdict}</p>\
         <p>{seconds:.0} s · {requests} requests, {rate:.1} a second · {errors} errors · {wrong} wrong answers</p>",
        class = class(report.verdict()),
        target = escape(&report.target),
        seconds = report.seconds,
        requests = report.requests,
        rate = report.requests as f64 / report.seconds.max(0.001),
        errors = report.errors,
        wrong = report.content_failures,
    );
    for doubt in &report.inconclusive {
        let _ = write!(out, "<p class=\"unknown\">{}</p>", escape(doubt));
    }
    out.push_str(&thresholds(report));
    for growth in &report.growth {
        let _ = write!(out, "<p class=\"{}\">{}</p>", class(growth.verdict()), escape(&growth.says()));
    }
    out.push_str(&scenarios(report));
    out.push_str(&charts(report));
    out.push_str(&errors(report));
    out.push_str("</body></html>\n");
    out
}

/// What a verdict is called, in words and in the style.
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Kept => "kept",
        Verdict::Broken => "broken",
        Verdict::Unknown => "unknown",
    }
}

fn thresholds(report: &LoadReport) -> String {
    if report.thresholds.is_empty() {
        return String::new();
    }
    let mut out = "<h2>Thresholds</h2><table><tr><th>threshold<th>measured<th>verdict</tr>".to_owned();
    for judged in &report.thresholds {
        let word = class(judged.verdict);
        let actual = judged.actual.map(|actual| format!("{actual:.3} {}", judged.unit)).unwrap_or_default();
        let why = judged.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td>{}<td class=\"{word}\">{word}{}</tr>",
            escape(&judged.threshold),
            escape(&actual),
            escape(&why)
        );
    }
    out + "</table>"
}

fn scenarios(report: &LoadReport) -> String {
    let mut out = "<h2>Scenarios</h2><table><tr><th>scenario<th>route<th>status<th>requests<th>per second<th>p50<th>p90\
                   <th>p95<th>p99<th>p99.9<th>max ms</tr>"
        .to_owned();
    for scenario in &report.scenarios {
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td>all<td>{}<td>{:.1}{}</tr>",
            escape(&scenario.name),
            escape(&scenario.route),
            scenario.requests,
            scenario.throughput_per_second,
            cells(scenario.response.or(scenario.service))
        );
        for (status, latency) in &scenario.by_status {
            let _ = write!(
                out,
                "<tr><td><td><td>{status}<td>{}<td>{}</tr>",
                latency.samples,
                cells(Some(*latency))
            );
        }
        for step in scenario.steps.iter().chain(&scenario.sign_in) {
            let _ = write!(
                out,
                "<tr><td><td>{}<td>step<td>{}<td>{}</tr>",
                escape(&step.route),
                step.requests,
                cells(step.latency)
            );
        }
        if let Some(lag) = scenario.send_lag {
            let _ = write!(
                out,
                "<tr class=\"lag\"><td><td>generator's lag<td><td>{}<td>{}</tr>",
                lag.samples,
                cells(Some(lag))
            );
        }
    }
    out + "</table>"
}

fn cells(latency: Option<Latency>) -> String {
    let Some(l) = latency else { return "<td>–".repeat(6) };
    [l.p50_ms, l.p90_ms, l.p95_ms, l.p99_ms, l.p999_ms, l.max_ms]
        .iter()
        .map(|ms| if *ms < 10.0 { format!("<td>{ms:.2}") } else { format!("<td>{ms:.0}") })
        .collect()
}

fn charts(report: &LoadReport) -> String {
    let over_time = |pick: &dyn Fn(&Moment) -> Option<f64>| -> Vec<(f64, f64)> {
        report.timeline.iter().filter_map(|moment| Some((moment.seconds, pick(moment)?))).collect()
    };
    let latency = |pick: fn(&Latency) -> f64| over_time(&|moment| moment.latency.as_ref().map(pick));
    let each = |count: u64, moment: &Moment| Some(count as f64 / moment.lasted.max(0.001));
    let marks = || report.marks.iter().map(|mark| (mark.seconds, mark.says.clone())).collect::<Vec<_>>();
    let ticks = || {
        (0..=5)
            .map(|tick| {
                (
                    report.seconds * f64::from(tick) / 5.0,
                    format!("{:.0} s", report.seconds * f64::from(tick) / 5.0),
                )
            })
            .collect()
    };
    let chart = |title, unit, lines| Chart { title, unit, lines, marks: marks(), ticks: ticks() }.svg();
    let mut out = "<h2>Over time</h2>".to_owned();
    out.push_str(&chart(
        "Latency",
        "ms",
        vec![
            Line { name: "p50", color: "#2a7", points: latency(|l| l.p50_ms) },
            Line { name: "p95", color: "#c80", points: latency(|l| l.p95_ms) },
            Line { name: "p99", color: "#c33", points: latency(|l| l.p99_ms) },
        ],
    ));
    let requests = over_time(&|moment| each(moment.requests, moment));
    out.push_str(&chart(
        "Throughput",
        "per second",
        vec![Line { name: "requests", color: "#27c", points: requests }],
    ));
    let failures = over_time(&|moment| each(moment.failures, moment));
    out.push_str(&chart(
        "Errors and wrong answers",
        "per second",
        vec![Line { name: "failures", color: "#c33", points: failures }],
    ));
    if !report.samples.is_empty() {
        for watched in &report.watched {
            let point = |sample: &Sample| Some((sample.seconds, *sample.values.get(&watched.name)?));
            let points = report.samples.iter().filter_map(point).collect();
            out.push_str(&chart(&watched.name, "", vec![Line { name: "value", color: "#85c", points }]));
        }
    }
    out.push_str("<h2>Percentiles</h2>");
    out.push_str(&percentile_chart(&report.scenarios));
    out
}

/// The horizontal axis counts nines: 90 % at one, 99 % at two, and so on, as tails need room.
fn percentile_chart(scenarios: &[ScenarioReport]) -> String {
    const COLORS: [&str; 6] = ["#27c", "#c33", "#2a7", "#c80", "#85c", "#666"];
    let lines = scenarios.iter().zip(COLORS.iter().cycle()).map(|(scenario, color)| {
        let total: u64 = scenario.distribution.iter().map(|(_, count)| count).sum();
        let mut below = 0;
        let points = scenario.distribution.iter().map(|(micros, count)| {
            let share = below as f64 / total.max(1) as f64;
            below += count;
            (-(1.0 - share).log10(), *micros as f64 / 1000.0)
        });
        Line { name: &scenario.name, color, points: points.collect() }
    });
    let ticks =
        [(0.0, "0 %"), (0.301, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")];
    let lines: Vec<_> = lines.collect();
    let last = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.0, f64::max);
    let ticks =
        ticks.iter().filter(|(at, _)| *at <= last).map(|(at, says)| (*at, (*says).to_owned())).collect();
    Chart { title: "What share was answered within", unit: "ms", lines, marks: vec![], ticks }.svg()
}

fn errors(report: &LoadReport) -> String {
    let mut rows = String::new();
    for scenario in &report.scenarios {
        for (class, count) in &scenario.errors {
            let cause = scenario.error_causes.get(class).map_or("", String::as_str);
            let _ = write!(
                rows,
                "<tr><td>{}<td>{count}<td>{}<td>{}</tr>",
                escape(&scenario.name),
                escape(class),
                escape(cause)
            );
        }
        for (reason, count) in &scenario.content_failure_reasons {
            let _ = write!(
                rows,
                "<tr><td>{}<td>{count}<td>wrong answer<td>{}</tr>",
                escape(&scenario.name),
                escape(reason)
            );
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("<h2>Failures</h2><table><tr><th>scenario<th>count<th>kind<th>first cause</tr>{rows}</table>")
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:920px;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid #ddd}\
.kept{color:#175}.broken{color:#b11;font-weight:600}.unknown{color:#a60}.lag{color:#777}\
figure{margin:1em 0}figcaption{font-weight:600}svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#555}\
.g{stroke:#eee}.m{stroke:#999;stroke-dasharray:3 3}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th,td{border-color:#444}.g{stroke:#333}svg text{fill:#aaa}}";
