//! Reads Prometheus text (exposition format 0.0.4) back into samples: for proofs of any service. Pure.

use std::collections::BTreeMap;

/// One line of numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MetricSample {
    /// The name, as `http_server_errors_total`.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// Why a text is no Prometheus text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the metrics: line {line}: {reason}")]
#[non_exhaustive]
pub struct InvalidMetricsText {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// All samples of a metrics text, in order; comments are passed over.
///
/// # Errors
/// Names the first line that is malformed. A text without any sample is refused too: it proves nothing.
pub fn parse_metrics_text(text: &str) -> Result<Vec<MetricSample>, InvalidMetricsText> {
    let mut samples = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        samples.push(sample(line).map_err(|reason| InvalidMetricsText { line: index + 1, reason })?);
    }
    if samples.is_empty() {
        return Err(InvalidMetricsText { line: 1, reason: "there is no sample" });
    }
    Ok(samples)
}

fn sample(line: &str) -> Result<MetricSample, &'static str> {
    let end = line.find(|c: char| !is_name(c)).ok_or("a value is missing")?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("it does not start with a metric name");
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().and_then(|value| value.parse().ok()).ok_or("the value is not a number")?;
    let has_valid_end =
        words.next().is_none_or(|stamp| stamp.parse::<i64>().is_ok()) && words.next().is_none();
    if !has_valid_end {
        return Err("there is more after the value than a time stamp");
    }
    Ok(MetricSample { name: name.to_owned(), labels, value })
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), &'static str> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, after) = rest.split_once("=\"").ok_or("a label has no quoted value")?;
        if name.is_empty() || !name.chars().all(is_name) {
            return Err("a label's name is malformed");
        }
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().ok_or("a label's value is not closed")? {
                (at, '"') => break at,
                (_, '\\') => match characters.next().ok_or("a label's value is not closed")?.1 {
                    'n' => value.push('\n'),
                    escaped => value.push(escaped),
                },
                (_, character) => value.push(character),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return Err("a label stands twice");
        }
        rest = &after[end + 1..];
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# HELP a b\na_total{route=\"/x/{id}\",why=\"say \\\"no\\\"\\n\"} 3 1700000000\nb +Inf\n";
        let samples = parse_metrics_text(text).unwrap();
        assert_eq!((samples[0].name.as_str(), samples[0].value), ("a_total", 3.0));
        assert_eq!(samples[0].labels["route"], "/x/{id}");
        assert_eq!(samples[0].labels["why"], "say \"no\"\n");
        assert_eq!(samples[1].value, f64::INFINITY);
    }

    #[test]
    fn what_is_malformed_is_refused_by_line() {
        for (text, line) in [
            ("", 1),
            ("# only comments", 1),
            ("a 1\n1a 2", 2),
            ("a", 1),
            ("a x", 1),
            ("a{b=1} 1", 1),
            ("a{b=\"1} 1", 1),
            ("a{b=\"1\",b=\"2\"} 1", 1),
            ("a 1 2 3", 1),
            ("<html>", 1),
        ] {
            assert_eq!(parse_metrics_text(text).unwrap_err().line, line, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "([a-z]|[{}=\",\\\\ \n]|\\PC|[0-9]){0,60}") {
            let _ = parse_metrics_text(&text);
        }
    }
}
