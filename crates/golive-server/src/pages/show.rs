//! How times, numbers and values are written, in the reader's language. Every time says its zone.
//!
//! Not here: markup around them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::i18n::{Language, Words};

/// `2026-05-04 12:00:05 UTC`.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long ago, in one unit.
pub(crate) fn age(words: Words, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).max(TimeDelta::zero()).num_seconds();
    let (key, count) = match seconds {
        0..60 => ("ago-seconds", seconds),
        60..3600 => ("ago-minutes", seconds / 60),
        3600..172_800 => ("ago-hours", seconds / 3600),
        _ => ("ago-days", seconds / 86_400),
    };
    words.count(key, usize::try_from(count).unwrap_or_default())
}

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 03 min`.
pub(crate) fn duration(words: Words, seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".to_owned();
    }
    if seconds < 9.95 {
        return format!("{} s", number(words, (seconds * 10.0).round() / 10.0));
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

/// `1 234 567.5`, with narrow no-break spaces; the decimal sign is the language's.
pub(crate) fn number(words: Words, number: f64) -> String {
    // A small rate keeps its first digits: 0.0005 is not 0.001.
    let scale = if number.abs() < 0.1 { 1e4 } else { 1e2 };
    let rounded = (number * scale).round() / scale;
    let text = rounded.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::from(if rounded < 0.0 { "−" } else { "" });
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push(if words.language() == Language::German { ',' } else { '.' });
        out.push_str(fraction);
    }
    out
}

/// A whole number.
pub(crate) fn count(words: Words, count: u64) -> String {
    number(words, count as f64)
}

/// A value as somebody reads it; one line, cut where it is long.
pub(crate) fn value(words: Words, value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::Bool(true) => words.t("value-yes"),
        Value::Bool(false) => words.t("value-no"),
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |n| self::number(words, n))
        }
        Value::String(text) => line(text, MOST_CHARACTERS),
        Value::Array(items) if items.is_empty() => words.t("value-none"),
        Value::Object(fields) if fields.is_empty() => words.t("value-none"),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(|item| self::value(words, item)).collect();
            line(&texts.join("; "), 4 * MOST_CHARACTERS)
        }
        Value::Object(_) => line(&value.to_string(), 4 * MOST_CHARACTERS),
    }
}

/// Foreign text on one line without what a reader cannot see: control characters, and marks that turn text around.
pub(crate) fn line(text: &str, most: usize) -> String {
    let unseen = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean: String = text.chars().map(|c| if unseen(c) { ' ' } else { c }).collect();
    let mut joined = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = joined.char_indices().nth(most) {
        joined.truncate(end);
        joined.push('…');
    }
    joined
}

const MOST_CHARACTERS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_durations_and_ages_are_written_as_the_language_does() {
        let (english, german) = (Words::new(Language::English), Words::new(Language::German));
        assert_eq!(number(english, 1_234_567.5), "1\u{202f}234\u{202f}567.5");
        assert_eq!(number(german, 0.0005), "0,0005");
        assert_eq!(number(english, 9999.0), "9999");
        assert_eq!(duration(english, 4.04), "4 s");
        assert_eq!(duration(german, 4.44), "4,4 s");
        assert_eq!(duration(english, 75.0), "1 min 15 s");
        assert_eq!(duration(english, f64::NAN), "—");
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(age(english, at, at + TimeDelta::seconds(61)), "1 minute ago");
        assert_eq!(age(german, at, at + TimeDelta::hours(30)), "vor 30 Stunden");
        assert_eq!(
            age(english, at + TimeDelta::hours(1), at),
            "0 seconds ago",
            "a clock that differs a little"
        );
    }

    #[test]
    fn foreign_text_is_one_visible_line() {
        assert_eq!(line("a\n\tb\u{1b}[31m\u{202e}c", 40), "a b [31m c");
        assert_eq!(line("abcdef", 3), "abc…");
    }
}
