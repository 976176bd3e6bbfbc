//! How values, times and durations are written, the same in every form.
//!
//! What must not be here: layout of any form.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::step::{StepResult, StepStatus};

/// A value for people: yes/no, thousands apart, few decimals, one line, shortened when long.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), self::number),
        Value::String(text) => line(text, VALUE_CHARS),
        other => line(&other.to_string(), VALUE_CHARS),
    }
}

/// `1234567.5` as `1 234 567.5`, with a narrow no-break space.
pub(crate) fn number(number: f64) -> String {
    // A small rate keeps its first digits: 0.0005 is not 0.001.
    let scale = if number.abs() < 0.1 { 1e6 } else { 1e3 };
    let rounded = (number * scale).round() / scale;
    let text = rounded.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::from(if rounded < 0.0 { "-" } else { "" });
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Text of foreign origin on one line: no control characters (a terminal would obey them), at most `limit` characters.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let clean: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    let mut words = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(limit) {
        words.truncate(end);
        words.push('…');
    }
    words
}

/// `2026-05-04 12:00 UTC`.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// `12:00:05`, with the day when it is another one than the report's.
pub(crate) fn clock(at: DateTime<Utc>, today: DateTime<Utc>) -> String {
    if at.date_naive() == today.date_naive() {
        at.format("%H:%M:%S").to_string()
    } else {
        at.format("%Y-%m-%d %H:%M").to_string()
    }
}

/// `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    if whole < 60.0 {
        return format!("{whole:.0} s");
    }
    let (hours, minutes, rest) = ((whole / 3600.0).floor(), ((whole % 3600.0) / 60.0).floor(), whole % 60.0);
    if hours > 0.0 {
        format!("{hours:.0} h {minutes:02.0} min")
    } else {
        format!("{minutes:.0} min {rest:02.0} s")
    }
}

/// How long a step took; nothing for one that did not run.
pub(crate) fn took(step: &StepResult) -> String {
    match step.status {
        StepStatus::Skipped | StepStatus::Planned => String::new(),
        _ => seconds(step.seconds),
    }
}

/// Bidirectional overrides reorder what is read; they count as unprintable.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const VALUE_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable_and_not_rounded_to_something_else() {
        let cases = [
            (0.0, "0"),
            (0.0005, "0.0005"),
            (12.5, "12.5"),
            (182.4449, "182.445"),
            (9999.0, "9999"),
            (2_054_318.0, "2\u{202f}054\u{202f}318"),
            (-12_345.6, "-12\u{202f}345.6"),
            (499.996, "499.996"),
        ];
        for (input, expected) in cases {
            assert_eq!(number(input), expected);
        }
    }

    #[test]
    fn durations_are_short() {
        let cases = [
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (75.0, "1 min 15 s"),
            (7384.0, "2 h 03 min"),
        ];
        for (input, expected) in cases {
            assert_eq!(seconds(input), expected);
        }
        assert_eq!(seconds(f64::NAN), "—");
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line("a\n\tb\u{1b}[31m\u{202e}c", 40), "a b [31m c");
        assert_eq!(line("abcdef", 3), "abc…");
    }
}
