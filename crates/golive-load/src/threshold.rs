//! Limits as expressions: `http.duration{route="dashboard"}.p95 < 500ms`.
//!
//! | metric | of what | aggregates |
//! |---|---|---|
//! | `http.duration` | what users felt: from the intended start in the open model | `p50` … `p99.9`, `mean`, `max` |
//! | `http.service` | from sending to the last byte | the same |
//! | `http.errors` | no answer, or an unexpected status | `rate` (a share, `1%` or `0.01`), `count` |
//! | `http.content_failures` | the right status and the wrong content | `rate`, `count` |
//! | `http.requests` | requests | `count`, `rate` (a second) |
//!
//! Labels: `scenario`, `route`, `kind`, `tag`, and for `http.duration` also `status`. Sign-ins count among times only where `route`
//! names theirs. What must not be here: where the figures come from. A limit that cannot be judged is unknown, and unknown never passes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Threshold {
    text: String,
    pub(crate) metric: Metric,
    pub(crate) labels: Vec<(Label, String)>,
    pub(crate) aggregate: Aggregate,
    pub(crate) operator: Operator,
    /// In milliseconds for times, as a share for rates of failures.
    pub(crate) limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Duration,
    Service,
    Errors,
    ContentFailures,
    Requests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Scenario,
    Route,
    Kind,
    Tag,
    Status,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aggregate {
    /// Between 0 and 1.
    Quantile(f64),
    Mean,
    Max,
    Rate,
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
}

/// Why a text is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "read the threshold `{text}`: {what}; write it like `http.duration{{route=\"dashboard\"}}.p95 < 500ms`"
)]
#[non_exhaustive]
pub struct ThresholdError {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub what: &'static str,
}

/// How a limit was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Judged {
    /// The limit, as written.
    pub threshold: String,
    /// Whether it was kept.
    pub verdict: Verdict,
    /// What was measured, in the limit's unit.
    pub actual: Option<f64>,
    /// The unit: `ms`, `share`, `per second`, or nothing.
    pub unit: String,
    /// Why it is unknown.
    pub why: Option<String>,
}

/// Whether a limit was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It was.
    Kept,
    /// It was not.
    Broken,
    /// The figures do not tell.
    Unknown,
}

impl Threshold {
    pub(crate) fn holds(&self, actual: f64) -> bool {
        match self.operator {
            Operator::Less => actual < self.limit,
            Operator::AtMost => actual <= self.limit,
            Operator::More => actual > self.limit,
            Operator::AtLeast => actual >= self.limit,
            Operator::Equal => (actual - self.limit).abs() < 1e-9,
        }
    }

    pub(crate) fn unit(&self) -> &'static str {
        match (self.metric, self.aggregate) {
            (Metric::Duration | Metric::Service, _) => "ms",
            (Metric::Requests, Aggregate::Rate) => "per second",
            (_, Aggregate::Rate) => "share",
            _ => "",
        }
    }

    /// How many samples a percentile needs before it is one: below about three beyond it, it is the maximum, more or less.
    pub(crate) fn samples_needed(&self) -> u64 {
        match self.aggregate {
            Aggregate::Quantile(quantile) => samples_needed(quantile),
            _ => 1,
        }
    }
}

/// 60 for p95, 300 for p99, 3000 for p99.9.
pub(crate) fn samples_needed(quantile: f64) -> u64 {
    (3.0 / (1.0 - quantile).max(1e-6)).round() as u64
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.text
    }
}

impl TryFrom<String> for Threshold {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, ThresholdError> {
        text.parse()
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        parse(text.trim()).map_err(|what| ThresholdError { text: text.to_owned(), what })
    }
}

fn parse(text: &str) -> Result<Threshold, &'static str> {
    let (subject, operator, limit) = split(text)?;
    let (metric_text, labels_text, aggregate_text) = match subject.split_once('{') {
        Some((metric, rest)) => {
            let (labels, rest) = rest.rsplit_once('}').ok_or("the { is never closed")?;
            (metric, labels, rest.strip_prefix('.').ok_or("an aggregate such as .p95 is missing")?)
        }
        // `.p99.9` has a dot of its own, so the metric's two words are taken from the front.
        None => {
            let second = subject.match_indices('.').nth(1).ok_or("an aggregate such as .p95 is missing")?.0;
            (&subject[..second], "", &subject[second + 1..])
        }
    };
    let metric = metric(metric_text.trim())?;
    let aggregate = aggregate(aggregate_text.trim())?;
    let timed = matches!(metric, Metric::Duration | Metric::Service);
    let of_time = matches!(aggregate, Aggregate::Quantile(_) | Aggregate::Mean | Aggregate::Max);
    if timed != of_time {
        return Err("this metric has no such aggregate");
    }
    let labels = labels(labels_text)?;
    if metric != Metric::Duration && labels.iter().any(|(label, _)| *label == Label::Status) {
        return Err("only http.duration is kept by status");
    }
    let limit = number(limit.trim(), timed)?;
    Ok(Threshold { text: text.to_owned(), metric, labels, aggregate, operator, limit })
}

/// Splits at the operator that stands outside of quotes.
fn split(text: &str) -> Result<(&str, Operator, &str), &'static str> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '<' | '>' if !quoted => {
                let with_equal = text[at + 1..].starts_with('=');
                let operator = match (c, with_equal) {
                    ('<', false) => Operator::Less,
                    ('<', true) => Operator::AtMost,
                    (_, false) => Operator::More,
                    (_, true) => Operator::AtLeast,
                };
                return Ok((text[..at].trim(), operator, &text[at + 1 + usize::from(with_equal)..]));
            }
            '=' if !quoted && text[at + 1..].starts_with('=') => {
                return Ok((text[..at].trim(), Operator::Equal, &text[at + 2..]));
            }
            _ => {}
        }
    }
    Err("a comparison is missing: <, <=, >, >= or ==")
}

fn metric(text: &str) -> Result<Metric, &'static str> {
    Ok(match text {
        "http.duration" => Metric::Duration,
        "http.service" => Metric::Service,
        "http.errors" => Metric::Errors,
        "http.content_failures" => Metric::ContentFailures,
        "http.requests" => Metric::Requests,
        _ => {
            return Err(
                "the metric is none of http.duration, http.service, http.errors, http.content_failures, http.requests",
            );
        }
    })
}

fn aggregate(text: &str) -> Result<Aggregate, &'static str> {
    Ok(match text {
        "mean" => Aggregate::Mean,
        "max" => Aggregate::Max,
        "rate" => Aggregate::Rate,
        "count" => Aggregate::Count,
        _ => {
            let percent = text.strip_prefix('p').and_then(|digits| digits.parse::<f64>().ok());
            let percent = percent.filter(|percent| (0.0..100.0).contains(percent));
            Aggregate::Quantile(
                percent.ok_or("the aggregate is none of p50, p95, p99.9, mean, max, rate, count")? / 100.0,
            )
        }
    })
}

fn labels(text: &str) -> Result<Vec<(Label, String)>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or("a label needs =\"value\"")?;
        let label = match name.trim() {
            "scenario" => Label::Scenario,
            "route" => Label::Route,
            "kind" => Label::Kind,
            "tag" => Label::Tag,
            "status" => Label::Status,
            _ => return Err("the label is none of scenario, route, kind, status"),
        };
        let quoted = after.trim_start().strip_prefix('"').ok_or("a label's value stands in quotes")?;
        let (value, after) = quoted.split_once('"').ok_or("a quote is never closed")?;
        found.push((label, value.to_owned()));
        rest = after.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').ok_or("labels are separated by commas")?.trim_start();
        }
    }
    Ok(found)
}

fn number(text: &str, timed: bool) -> Result<f64, &'static str> {
    let factors: &[(&str, f64)] = if timed {
        &[("ms", 1.0), ("us", 0.001), ("µs", 0.001), ("s", 1000.0)]
    } else {
        &[("%", 0.01), ("", 1.0)]
    };
    let parsed = factors.iter().find_map(|(unit, factor)| {
        let digits = text.strip_suffix(unit)?;
        digits.trim().parse::<f64>().ok().map(|number| number * factor)
    });
    let finite = parsed.filter(|number| number.is_finite() && *number >= 0.0);
    finite.ok_or(if timed {
        "the limit is no time such as 500ms"
    } else {
        "the limit is no number such as 1% or 0.01"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn expressions_are_read() {
        let dashboard: Threshold =
            r#"http.duration{route="dash < board", status="200"}.p99.9 <= 1.5s"#.parse().unwrap();
        assert_eq!(dashboard.aggregate, Aggregate::Quantile(0.9990000000000001));
        assert_eq!((dashboard.limit, dashboard.operator), (1500.0, Operator::AtMost));
        assert_eq!(dashboard.labels[0], (Label::Route, "dash < board".to_owned()));
        let errors: Threshold = "http.errors.rate<1%".parse().unwrap();
        assert_eq!((errors.limit, errors.metric), (0.01, Metric::Errors));
        let plain: Threshold = "http.duration.p99.9 < 500us".parse().unwrap();
        assert_eq!((plain.limit, plain.samples_needed()), (0.5, 3000));
        let count: Threshold = "http.content_failures.count == 0".parse().unwrap();
        assert!(count.holds(0.0) && !count.holds(1.0));
    }

    #[test]
    fn what_is_no_limit_says_why() {
        for (text, why) in [
            ("http.duration.p95", "a comparison"),
            ("http.duration < 5ms", "an aggregate"),
            ("http.latency.p95 < 5ms", "the metric"),
            ("http.duration.p95 < 5", "no time"),
            ("http.duration.p100 < 5ms", "the aggregate"),
            ("http.duration.rate < 5ms", "no such aggregate"),
            ("http.errors.p95 < 5%", "no such aggregate"),
            ("http.errors{status=\"200\"}.rate < 5%", "only http.duration"),
            ("http.errors{route=x}.rate < 5%", "quotes"),
            ("http.errors{route=\"x}.rate < 5%", "comparison"),
            ("http.errors.rate < nan%", "no number"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in r#"[a-z0-9.{}="<>% ,µ-]{0,60}"#) {
            let _ = text.parse::<Threshold>();
        }
    }
}
