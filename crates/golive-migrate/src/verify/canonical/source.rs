//! The canonical form of a cell of SQLite. Nothing here knows how the target writes its cells.

use std::io::Write as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use rusqlite::types::ValueRef;

use super::{Form, Kind, NULL, SOURCE_MISFIT, VALUE, content, decimal, integer, real};

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Appends a source cell.
pub(crate) fn source(value: ValueRef<'_>, form: Form, out: &mut Vec<u8>) {
    match (form.kind, value) {
        (_, ValueRef::Null) => return out.push(NULL),
        (Kind::Text | Kind::Bytes | Kind::Other, ValueRef::Text(bytes))
        | (Kind::Bytes, ValueRef::Blob(bytes)) => return content(bytes, form, out),
        _ => {}
    }
    let start = out.len();
    out.push(VALUE);
    if written(value, form.kind, out).is_none() {
        out.truncate(start);
        out.push(SOURCE_MISFIT);
        match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.extend_from_slice(bytes),
            ValueRef::Integer(integer) => out.extend_from_slice(&integer.to_be_bytes()),
            ValueRef::Real(real) => out.extend_from_slice(&real.to_bits().to_be_bytes()),
            ValueRef::Null => {}
        }
    }
}

fn written(value: ValueRef<'_>, kind: Kind, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (Kind::Integer | Kind::Boolean, ValueRef::Integer(number)) => integer(number, out),
        (Kind::Boolean, ValueRef::Text(text)) => integer(truth(text)?, out),
        (Kind::Real, ValueRef::Real(number)) => real(number, out),
        (Kind::Real, ValueRef::Integer(number)) if (number as f64) as i128 == i128::from(number) => {
            real(number as f64, out);
        }
        (Kind::Decimal, ValueRef::Integer(number)) => with_text(number, |text| decimal(text, out))?,
        (Kind::Decimal, ValueRef::Real(number)) if number.is_finite() => {
            with_text(number, |text| match even(number, text) {
                Some(text) => decimal(&text, out),
                None => decimal(text, out),
            })?;
        }
        (Kind::Decimal, ValueRef::Text(text)) => {
            let text = std::str::from_utf8(text).ok()?.trim();
            match text.find(['e', 'E']) {
                Some(_) => {
                    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
                    decimal(&number.to_string(), out)?;
                }
                None => decimal(text, out)?,
            }
        }
        (Kind::Text | Kind::Other, ValueRef::Integer(number)) => {
            let _ = write!(out, "{number}");
        }
        (Kind::Text, ValueRef::Real(number)) => {
            let _ = write!(out, "{number:?}");
        }
        (Kind::DateTime, ValueRef::Text(text)) => integer(datetime_micros(text)?, out),
        (Kind::Date, ValueRef::Text(text)) => {
            let micros = datetime_micros(text)?;
            if micros.rem_euclid(MICROS_A_DAY) != 0 {
                return None;
            }
            integer(micros, out);
        }
        (Kind::Time, ValueRef::Text(text)) => {
            let read = read_time(std::str::from_utf8(text).ok()?)?;
            let seconds = i64::from(read.num_seconds_from_midnight());
            integer(seconds * 1_000_000 + i64::from(read.nanosecond() / 1000), out);
        }
        _ => return None,
    }
    Some(())
}

fn truth(text: &[u8]) -> Option<i64> {
    match std::str::from_utf8(text).ok()?.trim().to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(1),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(0),
        _ => None,
    }
}

/// A number's shortest text, without an allocation: a double has at most 327 characters.
fn with_text<T>(number: impl std::fmt::Display, then: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut text = [0_u8; 352];
    let mut rest = text.as_mut_slice();
    write!(rest, "{number}").ok()?;
    let left = rest.len();
    then(std::str::from_utf8(&text[..text.len() - left]).ok()?)
}

/// Where two shortest texts lie equally near to a double, the one that ends in an even digit; std takes the upper one.
/// `None` where there is only one. That needs sixteen digits at the least.
fn even(number: f64, text: &str) -> Option<String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let (_, fraction) = text.split_once('.').filter(|_| digits >= 16)?;
    // Half a unit of the last digit and nothing more: then so many digits show it exactly.
    let exact = format!("{number:.*}", fraction.len() + 40);
    let (lower, rest) = exact.split_at_checked(exact.len() - 40)?;
    let half = rest.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'));
    let is_even = lower.bytes().last().is_some_and(|digit| digit % 2 == 0);
    (half && is_even).then(|| lower.to_owned())
}

/// Microseconds since the epoch: what lies beyond them MariaDB does not keep.
pub(super) fn datetime_micros(text: &[u8]) -> Option<i64> {
    plain(text).or_else(|| {
        let read = read_datetime(std::str::from_utf8(text).ok()?)?;
        Some(floor(read).and_utc().timestamp_micros())
    })
}

/// The shapes that almost every cell has, read digit by digit, since a general reader takes a microsecond a cell:
/// `YYYY-MM-DD`, then ` ` or `T`, `HH:MM:SS`, a fraction, `Z` or an offset `+HH:MM`. What is none of them is left to
/// the general one.
pub(super) fn plain(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let year = i64::from(two(&date[..2])?) * 100 + i64::from(two(&date[2..4])?);
    let day = days(year, two(&date[5..7])?, two(&date[8..])?)? * MICROS_A_DAY;
    let [b' ' | b'T', rest @ ..] = rest else {
        return rest.is_empty().then_some(day);
    };
    let (time, rest) = rest.split_at_checked(8)?;
    if time[2] != b':' || time[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(&time[..2])?, two(&time[3..5])?, two(&time[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = i64::from((hour * 60 + minute) * 60 + second) * 1_000_000;
    let mut rest = rest;
    if let [b'.', digits @ ..] = rest {
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        let mut fraction = 0_i64;
        for at in 0..6 {
            fraction = fraction * 10 + i64::from(digits[..length].get(at).map_or(0, |byte| byte - b'0'));
        }
        micros += fraction;
        rest = &digits[length..];
    }
    Some(day + micros - offset(rest)?)
}

fn offset(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b" ").filter(|rest| !rest.is_empty()).unwrap_or(text) {
        b"" | b"Z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] if hours.len() == 2 => {
            let (hours, minutes) = (two(hours)?, two(&[*tens, *ones])?);
            if hours > 18 || minutes > 59 {
                return None;
            }
            let micros = i64::from(hours * 60 + minutes) * 60_000_000;
            Some(if *sign == b'-' { -micros } else { micros })
        }
        _ => None,
    }
}

fn two(digits: &[u8]) -> Option<u32> {
    match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    }
}

/// Days since 1970-01-01, counted in years that begin with March.
fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let (year, month) =
        if month > 2 { (year, i64::from(month) - 3) } else { (year - 1, i64::from(month) + 9) };
    let of_years = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 153 days are five months of 31, 30, 31, 30, 31; 719,468 lie between 0000-03-01 and the epoch.
    Some(of_years + (153 * month + 2) / 5 + i64::from(day) - 1 - 719_468)
}

/// By chrono's own readers.
pub(super) fn read_datetime(text: &str) -> Option<NaiveDateTime> {
    if text.len() == 10 {
        return NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    }
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix("GMT")).unwrap_or(text).trim_end();
    let text = text.strip_suffix("UTC").unwrap_or(text);
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(read) = NaiveDateTime::parse_from_str(text, format) {
            return Some(read);
        }
    }
    if let Ok(read) = DateTime::parse_from_rfc3339(text) {
        return Some(read.naive_utc());
    }
    // `%#z` also takes an offset of hours alone.
    for format in [
        "%Y-%m-%d %H:%M:%S%.f %#z",
        "%Y-%m-%dT%H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M%#z",
        "%Y-%m-%dT%H:%M%#z",
    ] {
        if let Ok(read) = DateTime::parse_from_str(text, format) {
            return Some(read.naive_utc());
        }
    }
    let text = text.strip_suffix(['Z', 'z'])?;
    read_datetime(text)
}

fn floor(read: NaiveDateTime) -> NaiveDateTime {
    let nanos = read.nanosecond();
    read.with_nanosecond(nanos - nanos % 1000).unwrap_or(read)
}

fn read_time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M")).ok()
}
