//! Writes one SQLite value as the text that MariaDB stores without changing it, and that text as a field of
//! `LOAD DATA`. What does not fit is an error here, since `LOAD DATA LOCAL` would only warn and store something else.

use std::io::Write as _;

use chrono::NaiveDateTime;
use rusqlite::types::ValueRef;

use super::census::boolean_word;
use super::datetime;
use super::decimal::{Digits, Scratch};
use super::types::TargetType;

/// Why a value does not go into its column. It never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) &'static str);

/// Writes the value's text into `out`; `false` means NULL.
pub(crate) fn write_value(
    value: ValueRef<'_>,
    target: TargetType,
    out: &mut Vec<u8>,
) -> Result<bool, Misfit> {
    if matches!(value, ValueRef::Null) {
        return Ok(false);
    }
    match target {
        TargetType::BigInt | TargetType::Int { .. } => integer(value, target, out)?,
        TargetType::Boolean => out.push(if boolean(value)? { b'1' } else { b'0' }),
        TargetType::Double => double(value, out)?,
        TargetType::Decimal { precision, scale } => decimal(value, precision, scale, out)?,
        TargetType::Float => {
            if matches!(value, ValueRef::Real(real) if f64::from(real as f32) != real) {
                return Err(Misfit("has more digits than a FLOAT"));
            }
            double(value, out)?;
        }
        TargetType::DateTime { .. } | TargetType::Timestamp { .. } => {
            datetime::write_datetime(moment(value, target)?, out);
        }
        TargetType::Date => {
            let parsed = parsed_datetime(value)?;
            if parsed.has_time {
                return Err(Misfit("has a time of day"));
            }
            datetime::write_date(parsed.utc.date(), out);
        }
        TargetType::Time { digits } => match value {
            ValueRef::Text(text) => {
                let (time, _) = datetime::parse_time(text).ok_or(Misfit("is no time of day"))?;
                fits_digits(datetime::fraction_digits(time), digits)?;
                datetime::write_time(time, out);
            }
            _ => return Err(Misfit("is no time of day")),
        },
        TargetType::Varchar { chars } => text(value, Some(chars), out)?,
        TargetType::Char { chars } => {
            if matches!(value, ValueRef::Text(text) if text.ends_with(b" ")) {
                return Err(Misfit("ends in a space, which a CHAR loses"));
            }
            text(value, Some(chars), out)?;
        }
        TargetType::LongText | TargetType::Json => text(value, None, out)?,
        TargetType::Text { bytes } => {
            let start = out.len();
            text(value, None, out)?;
            if out.len() - start > bytes as usize {
                return Err(Misfit("is longer than its column"));
            }
        }
        TargetType::Binary { bytes } => binary(value, |length| length == bytes as usize, out)?,
        TargetType::VarBinary { bytes } => binary(value, |length| length <= bytes as usize, out)?,
        TargetType::LongBlob => binary(value, |_| true, out)?,
        TargetType::Blob { bytes } => binary(value, |length| length <= bytes as usize, out)?,
    }
    Ok(true)
}

/// The value's own bytes where they are what [`write_value`] would write, so that a large one need not be copied.
pub(crate) fn as_is(value: ValueRef<'_>, target: TargetType) -> Option<&[u8]> {
    match (value, target) {
        (ValueRef::Text(text), TargetType::LongText | TargetType::Json) => {
            std::str::from_utf8(text).ok().map(str::as_bytes)
        }
        (ValueRef::Text(bytes) | ValueRef::Blob(bytes), TargetType::LongBlob) => Some(bytes),
        _ => None,
    }
}

/// Appends the value as a field of a `LOAD DATA` line: `\N` for NULL, everything special escaped. `false` means NULL.
pub(crate) fn write_field(
    value: ValueRef<'_>,
    target: TargetType,
    line: &mut Vec<u8>,
) -> Result<bool, Misfit> {
    if matches!(target, TargetType::DateTime { .. } | TargetType::Timestamp { .. })
        && !matches!(value, ValueRef::Null)
    {
        // The server's reading of the line is what a copy waits for, so what it reads is short.
        datetime::write_briefly(moment(value, target)?, line);
        return Ok(true);
    }
    let start = line.len();
    let given = write_value(value, target, line)?;
    if !given {
        line.extend_from_slice(b"\\N");
    } else if special(&line[start..]).is_some() {
        // Few fields hold anything special, so the others are written once and stay where they are.
        let plain = line.split_off(start);
        escape(&plain, line);
    }
    Ok(given)
}

/// Appends text of a field, everything special escaped.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = special(rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => b"\\\\",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => b"\\0",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Where the first byte is that must not stand in a line as it is.
fn special(text: &[u8]) -> Option<usize> {
    let is_special = |byte: u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r' | 0);
    // Without a branch a byte, so that it is done with many at once; blocks, so that a long text is looked at once.
    let quiet =
        text.chunks(64).take_while(|block| !block.iter().fold(false, |any, byte| any | is_special(*byte)));
    let start: usize = quiet.map(<[u8]>::len).sum();
    text[start..].iter().position(|byte| is_special(*byte)).map(|at| start + at)
}

fn integer(value: ValueRef<'_>, target: TargetType, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let ValueRef::Integer(integer) = value else { return Err(Misfit("is no integer")) };
    let (least, most) = target.integer_range().unwrap_or((i64::MIN, i64::MAX));
    if !(least..=most).contains(&integer) {
        return Err(Misfit("is outside of its column's range"));
    }
    integer_text(integer, out);
    Ok(())
}

/// MariaDB would cut the rest without a word.
fn fits_digits(has: u8, column: u8) -> Result<(), Misfit> {
    if has <= column { Ok(()) } else { Err(Misfit("has more digits of a second than its column")) }
}

fn integer_text(integer: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
}

fn boolean(value: ValueRef<'_>) -> Result<bool, Misfit> {
    let misfit = Misfit("is neither true nor false");
    match value {
        ValueRef::Integer(0) => Ok(false),
        ValueRef::Integer(1) => Ok(true),
        ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(boolean_word).ok_or(misfit),
        _ => Err(misfit),
    }
}

fn double(value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match value {
        // Seventeen digits at the most: the shortest text that reads back as the same bits.
        ValueRef::Real(real) if real.is_finite() => {
            out.extend_from_slice(zmij::Buffer::new().format_finite(real).as_bytes());
            Ok(())
        }
        ValueRef::Real(_) => Err(Misfit("is infinite")),
        ValueRef::Integer(integer) if integer.unsigned_abs() <= 1 << 53 => {
            integer_text(integer, out);
            Ok(())
        }
        ValueRef::Integer(_) => Err(Misfit("is an integer that a DOUBLE cannot hold")),
        _ => Err(Misfit("is no number")),
    }
}

fn decimal(value: ValueRef<'_>, precision: u8, scale: u8, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let mut scratch = Scratch::default();
    let digits = match value {
        ValueRef::Integer(integer) => Some(Digits::of_integer(integer, &mut scratch)),
        ValueRef::Real(real) => Digits::of_real(real, &mut scratch),
        ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(Digits::parse),
        _ => None,
    };
    let digits = digits.ok_or(Misfit("is no decimal number"))?;
    if digits.fraction.len() > usize::from(scale) || digits.whole.len() > usize::from(precision - scale) {
        return Err(Misfit("has more digits than its column"));
    }
    digits.write(out);
    Ok(())
}

/// The instant that goes into a column of `DATETIME` or `TIMESTAMP`.
fn moment(value: ValueRef<'_>, target: TargetType) -> Result<NaiveDateTime, Misfit> {
    let parsed = parsed_datetime(value)?;
    let (TargetType::DateTime { digits } | TargetType::Timestamp { digits }) = target else {
        return Err(Misfit("is no datetime"));
    };
    fits_digits(parsed.digits, digits)?;
    if matches!(target, TargetType::Timestamp { .. }) && !datetime::in_timestamp(parsed.utc) {
        return Err(Misfit("is outside of what a TIMESTAMP holds"));
    }
    Ok(parsed.utc)
}

fn parsed_datetime(value: ValueRef<'_>) -> Result<datetime::ParsedDateTime, Misfit> {
    match value {
        ValueRef::Text(text) => datetime::parse_datetime(text).ok_or(Misfit("is no datetime")),
        _ => Err(Misfit("is no datetime")),
    }
}

fn text(value: ValueRef<'_>, chars: Option<u32>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let start = out.len();
    match value {
        ValueRef::Text(text) => {
            let checked = std::str::from_utf8(text).map_err(|_| Misfit("is no UTF-8"))?;
            out.extend_from_slice(checked.as_bytes());
        }
        ValueRef::Integer(integer) => integer_text(integer, out),
        ValueRef::Real(real) => {
            let _ = write!(out, "{real:?}");
        }
        _ => return Err(Misfit("is a blob")),
    }
    let written = &out[start..];
    let fits = |limit: u32| {
        written.len() <= limit as usize
            || std::str::from_utf8(written).is_ok_and(|text| text.chars().count() <= limit as usize)
    };
    if chars.is_none_or(fits) { Ok(()) } else { Err(Misfit("is longer than its column")) }
}

fn binary(value: ValueRef<'_>, fits: impl Fn(usize) -> bool, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) if fits(bytes.len()) => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        ValueRef::Blob(_) | ValueRef::Text(_) => Err(Misfit("is not as long as its column")),
        _ => Err(Misfit("is a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: ValueRef<'_>, target: &str) -> Result<String, Misfit> {
        let mut out = Vec::new();
        write_value(value, TargetType::parse(target).unwrap(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_line_holds_datetimes_without_what_goes_without_saying() {
        let field = |text: &[u8]| {
            let mut line = Vec::new();
            write_field(ValueRef::Text(text), TargetType::DATETIME, &mut line).unwrap();
            String::from_utf8(line).unwrap()
        };
        assert_eq!(field(b"2024-02-18 01:59:31"), "20240218015931");
        assert_eq!(field(b"0001-01-01T00:00:00.000500Z"), "00010101000000.000500");
        assert_eq!(field(b"2024-02-18"), "20240218000000");
    }

    #[test]
    fn what_would_be_changed_is_refused() {
        assert!(written(ValueRef::Text(b"abc"), "BIGINT").is_err());
        assert!(written(ValueRef::Real(1.5), "BIGINT").is_err());
        assert!(written(ValueRef::Real(12.345), "DECIMAL(10,2)").is_err());
        assert!(written(ValueRef::Text(b"abcd"), "VARCHAR(3)").is_err());
        assert!(written(ValueRef::Text(b""), "DATETIME(6)").is_err());
        assert!(written(ValueRef::Text(b"2024-01-01 10:00:00"), "DATE").is_err());
        assert_eq!(written(ValueRef::Integer(8), "DECIMAL(10,2)").unwrap(), "8");
        assert_eq!(written(ValueRef::Text("äöü".as_bytes()), "VARCHAR(3)").unwrap(), "äöü");
        let utc = written(ValueRef::Text(b"2024-02-18T01:59:31+02:00"), "DATETIME(6)").unwrap();
        assert_eq!(utc, "2024-02-17 23:59:31.000000");
    }

    proptest! {
        #[test]
        fn an_escaped_field_has_no_separator_and_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut out = Vec::new();
            escape(&bytes, &mut out);
            prop_assert!(!out.iter().any(|byte| matches!(byte, b'\t' | b'\n' | 0)));
            let mut back = Vec::new();
            let mut rest = out.iter();
            while let Some(byte) = rest.next() {
                back.push(match byte {
                    b'\\' => match rest.next().unwrap() { b't' => b'\t', b'n' => b'\n', b'r' => b'\r', b'0' => 0, other => *other },
                    other => *other,
                });
            }
            prop_assert_eq!(back, bytes);
        }
    }
}
