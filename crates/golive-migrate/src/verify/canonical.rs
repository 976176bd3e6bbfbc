//! The canonical form of a cell, made from either side by its own path: bytes that are equal exactly when the cells
//! mean the same, that end themselves, and that sort as keys do. Deliberately shares nothing with `core::convert`.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use mysql_async::Value;
use rusqlite::types::ValueRef;

/// What a target column holds, as its own schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Boolean,
    Real,
    Decimal,
    Text,
    Bytes,
    DateTime,
    Date,
    Time,
    /// A type that golive never makes: compared as text.
    Other,
}

impl Kind {
    /// Reads `DATA_TYPE` and `COLUMN_TYPE` of `information_schema`.
    pub(super) fn of(data_type: &str, column_type: &str) -> Self {
        match data_type {
            "tinyint" if column_type.starts_with("tinyint(1)") => Self::Boolean,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Self::Integer,
            "double" | "float" => Self::Real,
            "decimal" => Self::Decimal,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json" | "enum" => {
                Self::Text
            }
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Self::Bytes,
            "datetime" | "timestamp" => Self::DateTime,
            "date" => Self::Date,
            "time" => Self::Time,
            _ => Self::Other,
        }
    }
}

const NULL: u8 = 0;
const VALUE: u8 = 1;
/// Begins what a source cell is when it means nothing in its column's kind; no target cell begins so.
const MISFIT: u8 = 2;

/// Appends a source cell.
pub(super) fn source(value: ValueRef<'_>, kind: Kind, out: &mut Vec<u8>) {
    let start = out.len();
    if matches!(value, ValueRef::Null) {
        out.push(NULL);
        return;
    }
    out.push(VALUE);
    if source_value(value, kind, out).is_none() {
        out.truncate(start);
        out.push(MISFIT);
        match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => ended(bytes, out),
            ValueRef::Integer(integer) => out.extend_from_slice(&integer.to_be_bytes()),
            ValueRef::Real(real) => out.extend_from_slice(&real.to_bits().to_be_bytes()),
            ValueRef::Null => {}
        }
    }
}

fn source_value(value: ValueRef<'_>, kind: Kind, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (Kind::Integer | Kind::Boolean, ValueRef::Integer(number)) => integer(number, out),
        (Kind::Boolean, ValueRef::Text(text)) => {
            let word = std::str::from_utf8(text).ok()?.trim().to_lowercase();
            let truth = match word.as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => 1,
                "false" | "f" | "no" | "n" | "off" | "0" => 0,
                _ => return None,
            };
            integer(truth, out);
        }
        (Kind::Real, ValueRef::Real(number)) => real(number, out),
        (Kind::Real, ValueRef::Integer(number)) if (number as f64) as i128 == i128::from(number) => {
            real(number as f64, out);
        }
        (Kind::Decimal, ValueRef::Integer(number)) => decimal(&number.to_string(), out)?,
        (Kind::Decimal, ValueRef::Real(number)) if number.is_finite() => decimal(&format!("{number}"), out)?,
        (Kind::Decimal, ValueRef::Text(text)) => decimal(std::str::from_utf8(text).ok()?.trim(), out)?,
        (Kind::Text, ValueRef::Text(text)) => ended(text, out),
        (Kind::Text, ValueRef::Integer(number)) => ended(number.to_string().as_bytes(), out),
        (Kind::Text, ValueRef::Real(number)) => ended(format!("{number:?}").as_bytes(), out),
        (Kind::Bytes, ValueRef::Blob(bytes) | ValueRef::Text(bytes)) => ended(bytes, out),
        (Kind::DateTime, ValueRef::Text(text)) => {
            datetime(read_datetime(std::str::from_utf8(text).ok()?)?, out);
        }
        (Kind::Date, ValueRef::Text(text)) => {
            let read = read_datetime(std::str::from_utf8(text).ok()?)?;
            if read.time() != NaiveTime::MIN {
                return None;
            }
            datetime(read, out);
        }
        (Kind::Time, ValueRef::Text(text)) => time(read_time(std::str::from_utf8(text).ok()?)?, out),
        (Kind::Other, ValueRef::Text(text)) => ended(text, out),
        (Kind::Other, ValueRef::Integer(number)) => ended(number.to_string().as_bytes(), out),
        _ => return None,
    }
    Some(())
}

/// Appends a target cell.
pub(super) fn target(value: &Value, kind: Kind, out: &mut Vec<u8>) {
    if matches!(value, Value::NULL) {
        out.push(NULL);
        return;
    }
    let start = out.len();
    out.push(VALUE);
    if target_value(value, kind, out).is_none() {
        out.truncate(start);
        // Neither NULL, nor a value, nor what a source cell that does not fit becomes.
        out.push(MISFIT + 1);
        ended(value.as_sql(true).as_bytes(), out);
    }
}

fn target_value(value: &Value, kind: Kind, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (Kind::Integer | Kind::Boolean, Value::Int(number)) => integer(*number, out),
        (Kind::Integer | Kind::Boolean, Value::UInt(number)) => integer(i64::try_from(*number).ok()?, out),
        (Kind::Real, Value::Double(number)) => real(*number, out),
        (Kind::Real, Value::Float(number)) => real(f64::from(*number), out),
        (Kind::Decimal, Value::Bytes(text)) => decimal(std::str::from_utf8(text).ok()?, out)?,
        (Kind::Text | Kind::Bytes | Kind::Other, Value::Bytes(bytes)) => ended(bytes, out),
        (Kind::DateTime | Kind::Date, Value::Date(year, month, day, hour, minute, second, micros)) => {
            let date = NaiveDate::from_ymd_opt(i32::from(*year), u32::from(*month), u32::from(*day))?;
            let time =
                date.and_hms_micro_opt(u32::from(*hour), u32::from(*minute), u32::from(*second), *micros)?;
            datetime(time, out);
        }
        (Kind::Time, Value::Time(false, 0, hour, minute, second, micros)) => {
            let (hour, minute, second) = (u32::from(*hour), u32::from(*minute), u32::from(*second));
            time(NaiveTime::from_hms_micro_opt(hour, minute, second, *micros)?, out);
        }
        _ => return None,
    }
    Some(())
}

/// The sign bit is turned, so that bytes sort as numbers do.
fn integer(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&((number as u64) ^ (1 << 63)).to_be_bytes());
}

fn real(number: f64, out: &mut Vec<u8>) {
    // MariaDB keeps no negative zero.
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    out.extend_from_slice(&ordered.to_be_bytes());
}

/// Sign, digits before the point by number and face, digits after it; all turned when negative.
fn decimal(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let expanded;
    let text = match text.find(['e', 'E']) {
        Some(_) => {
            expanded = text.parse::<f64>().ok().filter(|number| number.is_finite())?.to_string();
            expanded.as_str()
        }
        None => text,
    };
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.bytes().chain(fraction.bytes());
    if whole.len() + fraction.len() == 0 || digits.clone().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let negative = negative && !(whole.is_empty() && fraction.is_empty());
    out.push(if negative { 0 } else { 1 });
    let start = out.len();
    out.extend_from_slice(&u16::try_from(whole.len()).ok()?.to_be_bytes());
    out.extend_from_slice(whole.as_bytes());
    out.extend_from_slice(fraction.as_bytes());
    out.push(b' ');
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Some(())
}

/// Bytes that end themselves and sort as they are: a zero is followed by 255, the end is two zeros.
fn ended(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    for part in bytes.split_inclusive(|byte| *byte == 0) {
        out.extend_from_slice(part);
        if part.last() == Some(&0) {
            out.push(255);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// Microseconds since the epoch: what lies beyond them MariaDB does not keep.
fn datetime(read: NaiveDateTime, out: &mut Vec<u8>) {
    integer(read.and_utc().timestamp_micros(), out);
}

fn time(read: NaiveTime, out: &mut Vec<u8>) {
    let micros =
        i64::from(read.num_seconds_from_midnight()) * 1_000_000 + i64::from(read.nanosecond() / 1000);
    integer(micros, out);
}

/// Reads a cell back out of its canonical form, for the naming of keys.
pub(super) fn for_people(cell: &[u8], kind: Kind) -> String {
    let [VALUE, content @ ..] = cell else {
        return if cell == [NULL] {
            "NULL".to_owned()
        } else {
            "a value that does not fit its column".to_owned()
        };
    };
    let number = || {
        let bytes = content.try_into().map(u64::from_be_bytes).unwrap_or_default();
        (bytes ^ (1 << 63)) as i64
    };
    match kind {
        Kind::Integer | Kind::Boolean => number().to_string(),
        Kind::Real => {
            let bits = content.try_into().map(u64::from_be_bytes).unwrap_or_default();
            let bits = if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits };
            f64::from_bits(bits).to_string()
        }
        Kind::DateTime => {
            DateTime::from_timestamp_micros(number()).unwrap_or_default().format("%F %T%.f").to_string()
        }
        Kind::Date => DateTime::from_timestamp_micros(number()).unwrap_or_default().format("%F").to_string(),
        Kind::Time => {
            DateTime::from_timestamp_micros(number()).unwrap_or_default().format("%T%.f").to_string()
        }
        Kind::Decimal => decimal_for_people(content),
        Kind::Text | Kind::Other => String::from_utf8_lossy(&unended(content)).chars().take(80).collect(),
        Kind::Bytes => unended(content).iter().take(40).map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn unended(content: &[u8]) -> Vec<u8> {
    let content = content.strip_suffix(&[0, 0]).unwrap_or(content);
    let mut bytes = Vec::with_capacity(content.len());
    let mut after_zero = false;
    for byte in content {
        if !(after_zero && *byte == 255) {
            bytes.push(*byte);
        }
        after_zero = *byte == 0;
    }
    bytes
}

fn decimal_for_people(content: &[u8]) -> String {
    let [sign, rest @ ..] = content else { return String::new() };
    let rest: Vec<u8> = if *sign == 0 { rest.iter().map(|byte| !byte).collect() } else { rest.to_vec() };
    let Some((length, digits)) = rest.split_at_checked(2) else { return String::new() };
    let whole = usize::from(u16::from_be_bytes([length[0], length[1]])).min(digits.len());
    let (whole, fraction) = digits.split_at(whole);
    let (whole, fraction) = (String::from_utf8_lossy(whole), String::from_utf8_lossy(fraction));
    let sign = if *sign == 0 { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { &whole };
    match fraction.trim_end() {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

/// By chrono's own readers.
fn read_datetime(text: &str) -> Option<NaiveDateTime> {
    if text.len() == 10 {
        return NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    }
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix("GMT")).unwrap_or(text).trim_end();
    let text = text.strip_suffix("UTC").unwrap_or(text);
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(read) = NaiveDateTime::parse_from_str(text, format) {
            return Some(floor(read));
        }
    }
    if let Ok(read) = DateTime::parse_from_rfc3339(text) {
        return Some(floor(read.naive_utc()));
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
            return Some(floor(read.naive_utc()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::convert::write_value;
    use crate::core::types::TargetType;
    use proptest::prelude::*;

    fn of_source(value: ValueRef<'_>, kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        source(value, kind, &mut out);
        out
    }

    fn of_target(value: Value, kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        target(&value, kind, &mut out);
        out
    }

    #[test]
    fn both_sides_meet_and_a_changed_cell_does_not() {
        let cases: Vec<(ValueRef<'_>, Value, Kind)> = vec![
            (ValueRef::Integer(7), Value::Int(7), Kind::Integer),
            (ValueRef::Text(b"true"), Value::Int(1), Kind::Boolean),
            (ValueRef::Real(8.5), Value::Bytes(b"8.5000".to_vec()), Kind::Decimal),
            (ValueRef::Integer(8), Value::Bytes(b"8.00".to_vec()), Kind::Decimal),
            (
                ValueRef::Text(b"2024-02-18T01:59:31.5+02:00"),
                Value::Date(2024, 2, 17, 23, 59, 31, 500_000),
                Kind::DateTime,
            ),
            (
                ValueRef::Text(b"2024-02-18 01:59:31 +00:00"),
                Value::Date(2024, 2, 18, 1, 59, 31, 0),
                Kind::DateTime,
            ),
            (
                ValueRef::Text(b"2024-02-18 01:59:31.123456789"),
                Value::Date(2024, 2, 18, 1, 59, 31, 123_456),
                Kind::DateTime,
            ),
            (ValueRef::Text(b"08:30"), Value::Time(false, 0, 8, 30, 0, 0), Kind::Time),
            (ValueRef::Real(-0.0), Value::Double(0.0), Kind::Real),
            (ValueRef::Null, Value::NULL, Kind::Text),
        ];
        for (left, right, kind) in cases {
            assert_eq!(of_source(left, kind), of_target(right.clone(), kind), "{left:?} {right:?}");
        }
        assert_ne!(of_source(ValueRef::Text(b""), Kind::Text), of_target(Value::NULL, Kind::Text));
        assert_ne!(of_source(ValueRef::Text(b"abc"), Kind::Integer), of_target(Value::Int(0), Kind::Integer));
        assert_ne!(of_source(ValueRef::Real(0.1), Kind::Real), of_target(Value::Float(0.1), Kind::Real));
        let shifted = Value::Date(2024, 2, 18, 1, 59, 31, 0);
        assert_ne!(
            of_source(ValueRef::Text(b"2024-02-18 03:59:31"), Kind::DateTime),
            of_target(shifted, Kind::DateTime)
        );
    }

    proptest! {
        #[test]
        fn integers_sort_as_numbers(a: i64, b: i64) {
            let (x, y) = (of_source(ValueRef::Integer(a), Kind::Integer), of_source(ValueRef::Integer(b), Kind::Integer));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        }

        #[test]
        fn decimals_sort_as_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let text = |n: i64| format!("{}{}.{:03}", if n < 0 { "-" } else { "" }, n.abs() / 1000, n.abs() % 1000);
            let of = |n: i64| of_source(ValueRef::Text(text(n).as_bytes()), Kind::Decimal);
            prop_assert_eq!(a.cmp(&b), of(a).cmp(&of(b)));
        }

        #[test]
        fn texts_sort_as_bytes(a in proptest::collection::vec(any::<u8>(), 0..8), b in proptest::collection::vec(any::<u8>(), 0..8)) {
            let of = |bytes: &[u8]| of_source(ValueRef::Blob(bytes), Kind::Bytes);
            prop_assert_eq!(a.cmp(&b), of(&a).cmp(&of(&b)));
        }

        #[test]
        fn what_the_copy_writes_verification_reads_alike(real in -1e12_f64..1e12) {
            let mut written = Vec::new();
            write_value(ValueRef::Real(real), TargetType::Decimal { precision: 65, scale: 38 }, &mut written).unwrap();
            prop_assert_eq!(of_source(ValueRef::Real(real), Kind::Decimal), of_target(Value::Bytes(written), Kind::Decimal));
        }
    }
}
