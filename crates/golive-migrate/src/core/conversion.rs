//! Named conversions: what an operator may decide about values that do not fit, one value at a time. Each is total over
//! what it names and leaves every other value alone. Verification reads them by its own path on purpose.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveTime};
use rusqlite::types::ValueRef;
use serde::{Deserialize, Serialize};

use super::convert::write_value;
use super::datetime;
use super::decimal::{Digits, Scratch};
use super::types::TargetType;

/// A named conversion of a column's values.
///
/// A conversion is only made where a policy asks for it, and every value it changes is counted in the finding
/// `MIG-CONVERTED`.
///
/// ```
/// use golive_migrate::Conversion;
/// assert_eq!("epoch-seconds".parse(), Ok(Conversion::EpochSeconds));
/// assert!("guess".parse::<Conversion>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Conversion {
    /// What does not go into the column's type becomes NULL.
    Null,
    /// An empty text, or one of spaces, becomes NULL.
    EmptyAsNull,
    /// A number is seconds since 1970-01-01 UTC, and becomes a datetime.
    EpochSeconds,
    /// Likewise, of milliseconds.
    EpochMillis,
    /// Likewise, of microseconds.
    EpochMicros,
    /// A number is a Julian day, and becomes a datetime, to the millisecond.
    JulianDay,
    /// `MM/DD/YYYY` with an optional time behind it becomes a date or datetime.
    DateMdy,
    /// `DD/MM/YYYY`, also with points or dashes, likewise.
    DateDmy,
    /// A text longer than its column is cut to the column's characters.
    Truncate,
    /// A decimal of more digits than declared is rounded to the declared scale, half away from zero.
    Round,
    /// Bytes that are no UTF-8 become U+FFFD.
    LossyUtf8,
    /// Every value becomes its text; the column becomes `LONGTEXT`.
    Text,
    /// Spaces around a text are taken away.
    Trim,
    /// A text that is a whole decimal number becomes that number.
    Number,
}

/// All of them, with the name that a policy gives.
pub(crate) const NAMES: [(&str, Conversion); 14] = [
    ("null", Conversion::Null),
    ("empty-as-null", Conversion::EmptyAsNull),
    ("epoch-seconds", Conversion::EpochSeconds),
    ("epoch-millis", Conversion::EpochMillis),
    ("epoch-micros", Conversion::EpochMicros),
    ("julian-day", Conversion::JulianDay),
    ("date-mdy", Conversion::DateMdy),
    ("date-dmy", Conversion::DateDmy),
    ("truncate", Conversion::Truncate),
    ("round", Conversion::Round),
    ("lossy-utf8", Conversion::LossyUtf8),
    ("text", Conversion::Text),
    ("trim", Conversion::Trim),
    ("number", Conversion::Number),
];

impl Conversion {
    /// Its name in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, one)| *one == self).map_or("null", |(name, _)| name)
    }

    /// The type that it forces on its column, where it does.
    pub(crate) fn forced_type(self, declared: super::declared::Declared) -> Option<TargetType> {
        use super::declared::Declared;
        match (self, declared) {
            (Self::Text, _) => Some(TargetType::LongText),
            (Self::Truncate, Declared::Text(Some(chars))) => {
                Some(TargetType::Varchar { chars: chars.clamp(1, 16_383) })
            }
            (Self::Round, Declared::Decimal(Some((precision, scale)))) => Some(TargetType::Decimal {
                precision: u8::try_from(precision.clamp(1, 65)).ok()?,
                scale: u8::try_from(scale.min(38).min(precision)).ok()?,
            }),
            _ => None,
        }
    }

    /// The value after the conversion; `None` when it leaves the value alone.
    pub(crate) fn apply<'a>(self, value: ValueRef<'a>, target: TargetType) -> Option<Converted<'a>> {
        let text = match value {
            ValueRef::Text(bytes) => Some(bytes),
            _ => None,
        };
        match self {
            Self::Null => {
                let misfit =
                    !matches!(value, ValueRef::Null) && write_value(value, target, &mut Vec::new()).is_err();
                misfit.then_some(Converted::Null)
            }
            Self::EmptyAsNull => text.filter(|text| text.trim_ascii().is_empty()).map(|_| Converted::Null),
            Self::EpochSeconds => epoch(value, 1_000_000),
            Self::EpochMillis => epoch(value, 1_000),
            Self::EpochMicros => epoch(value, 1),
            Self::JulianDay => julian(value),
            Self::DateMdy => {
                parts_of_date(text?).and_then(|(one, two, year, rest)| iso(year, one, two, rest))
            }
            Self::DateDmy => {
                parts_of_date(text?).and_then(|(one, two, year, rest)| iso(year, two, one, rest))
            }
            Self::Truncate => truncate(std::str::from_utf8(text?).ok()?, target),
            Self::Round => round(value, target),
            Self::LossyUtf8 => match String::from_utf8_lossy(text?) {
                Cow::Owned(mended) => Some(Converted::Text(Cow::Owned(mended))),
                Cow::Borrowed(_) => None,
            },
            // A number's text is what the column's type makes of it anyway; bytes become text where they are UTF-8.
            Self::Text => match value {
                ValueRef::Blob(bytes) => {
                    std::str::from_utf8(bytes).ok().map(|text| Converted::Text(text.into()))
                }
                _ => None,
            },
            Self::Trim => {
                let text = std::str::from_utf8(text?).ok()?;
                let trimmed = text.trim();
                (trimmed.len() != text.len()).then_some(Converted::Text(trimmed.into()))
            }
            Self::Number => number(std::str::from_utf8(text?).ok()?.trim()),
        }
    }
}

impl std::fmt::Display for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Conversion {
    type Err = UnknownConversion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAMES.iter().find(|(name, _)| *name == text).map(|(_, one)| *one).ok_or(UnknownConversion)
    }
}

/// A name that no conversion has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "find that conversion; there are null, empty-as-null, epoch-seconds, epoch-millis, epoch-micros, julian-day, date-mdy, \
     date-dmy, truncate, round, lossy-utf8, text, trim and number"
)]
#[non_exhaustive]
pub struct UnknownConversion;

/// What a value became.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Converted<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
}

impl Converted<'_> {
    pub(crate) fn as_value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }
    }
}

/// A datetime as the other readers of this crate read it back, in years 1 to 9999.
fn datetime_text<'a>(micros: i64) -> Option<Converted<'a>> {
    let text =
        DateTime::from_timestamp_micros(micros)?.naive_utc().format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    datetime::parse_datetime(text.as_bytes()).map(|_| Converted::Text(text.into()))
}

fn epoch<'a>(value: ValueRef<'_>, micros_a_unit: i64) -> Option<Converted<'a>> {
    let micros = match value {
        ValueRef::Integer(count) => count.checked_mul(micros_a_unit)?,
        ValueRef::Real(count) => whole(count * micros_a_unit as f64)?,
        _ => return None,
    };
    datetime_text(micros)
}

/// SQLite's own `julianday()` counts milliseconds; so does this.
fn julian<'a>(value: ValueRef<'_>) -> Option<Converted<'a>> {
    const UNIX_EPOCH: f64 = 2_440_587.5;
    let day = match value {
        ValueRef::Integer(day) if day.unsigned_abs() < 1 << 32 => day as f64,
        ValueRef::Real(day) => day,
        _ => return None,
    };
    datetime_text(whole((day - UNIX_EPOCH) * 86_400_000.0)?.checked_mul(1000)?)
}

fn whole(real: f64) -> Option<i64> {
    let rounded = real.round();
    (rounded.is_finite() && rounded.abs() < 9e18).then_some(rounded as i64)
}

/// The first two numbers, the year, and what stands behind the date.
fn parts_of_date(text: &[u8]) -> Option<(u32, u32, i32, &str)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (date, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = date.split(['/', '.', '-']);
    let (one, two, year) = (parts.next()?, parts.next()?, parts.next()?);
    let short = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !short(one) || !short(two) || year.len() != 4 {
        return None;
    }
    Some((one.parse().ok()?, two.parse().ok()?, year.parse().ok()?, rest.trim()))
}

fn iso<'a>(year: i32, month: u32, day: u32, rest: &str) -> Option<Converted<'a>> {
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    if rest.is_empty() {
        return Some(Converted::Text(date.format("%Y-%m-%d").to_string().into()));
    }
    let (time, _) = datetime::parse_time(rest.as_bytes())?;
    let written = date.and_time(time).format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    Some(Converted::Text(if time == NaiveTime::MIN { date.to_string() } else { written }.into()))
}

fn truncate(text: &str, target: TargetType) -> Option<Converted<'_>> {
    let (TargetType::Varchar { chars } | TargetType::Char { chars }) = target else { return None };
    let (end, _) = text.char_indices().nth(chars as usize)?;
    Some(Converted::Text(text[..end].into()))
}

fn round<'a>(value: ValueRef<'_>, target: TargetType) -> Option<Converted<'a>> {
    let TargetType::Decimal { scale, .. } = target else { return None };
    let mut scratch = Scratch::default();
    let digits = match value {
        ValueRef::Real(real) => Digits::of_real(real, &mut scratch)?,
        ValueRef::Text(text) => Digits::parse(std::str::from_utf8(text).ok()?)?,
        _ => return None,
    };
    let mut written = Vec::new();
    digits.rounded(usize::from(scale))?.write(&mut written);
    String::from_utf8(written).ok().map(|text| Converted::Text(text.into()))
}

fn number<'a>(text: &str) -> Option<Converted<'a>> {
    Digits::parse(text)?;
    text.parse()
        .map(Converted::Integer)
        .ok()
        .or_else(|| text.parse::<f64>().ok().filter(|real| real.is_finite()).map(Converted::Real))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(conversion: &str, value: ValueRef<'_>, target: &str) -> Option<String> {
        let conversion: Conversion = conversion.parse().unwrap();
        let converted = conversion.apply(value, TargetType::parse(target).unwrap())?;
        Some(match converted {
            Converted::Null => "NULL".to_owned(),
            Converted::Integer(integer) => integer.to_string(),
            Converted::Real(real) => real.to_string(),
            Converted::Text(text) => text.into_owned(),
        })
    }

    #[test]
    fn each_conversion_changes_what_it_names_and_nothing_else() {
        use ValueRef::{Blob, Integer, Null, Real, Text};
        let some = |text: &str| Some(text.to_owned());
        let stamp = some("2023-11-14 22:13:20.000000");
        assert_eq!(of("epoch-seconds", Integer(1_700_000_000), "DATETIME(6)"), stamp);
        assert_eq!(of("epoch-millis", Integer(1_700_000_000_000), "DATETIME(6)"), stamp);
        assert_eq!(of("epoch-micros", Integer(1_700_000_000_000_000), "DATETIME(6)"), stamp);
        assert_eq!(of("epoch-seconds", Real(0.5), "DATETIME(6)"), some("1970-01-01 00:00:00.500000"));
        assert_eq!(of("epoch-seconds", Text(b"2024-01-01"), "DATETIME(6)"), None);
        assert_eq!(of("epoch-seconds", Integer(i64::MAX), "DATETIME(6)"), None);
        assert_eq!(of("julian-day", Real(2_451_545.0), "DATETIME(6)"), some("2000-01-01 12:00:00.000000"));
        assert_eq!(of("date-mdy", Text(b"02/18/2024"), "DATE"), some("2024-02-18"));
        assert_eq!(
            of("date-dmy", Text(b"18.2.2024 08:30"), "DATETIME(6)"),
            some("2024-02-18 08:30:00.000000")
        );
        assert_eq!(of("date-mdy", Text(b"18/02/2024"), "DATE"), None);
        assert_eq!(of("truncate", Text("äöüß".as_bytes()), "VARCHAR(3)"), some("äöü"));
        assert_eq!(of("truncate", Text(b"abc"), "VARCHAR(3)"), None);
        assert_eq!(of("round", Real(55.858_918), "DECIMAL(6,2)"), some("55.86"));
        assert_eq!(of("round", Text(b"-0.005"), "DECIMAL(6,2)"), some("-0.01"));
        assert_eq!(of("round", Real(1.5), "DECIMAL(6,2)"), None);
        assert_eq!(of("null", Text(b"abc"), "BIGINT"), some("NULL"));
        assert_eq!(of("null", Integer(5), "BIGINT"), None);
        assert_eq!(of("null", Null, "BIGINT"), None);
        assert_eq!(of("empty-as-null", Text(b" "), "BIGINT"), some("NULL"));
        assert_eq!(of("lossy-utf8", Text(b"a\xff"), "LONGTEXT"), some("a\u{fffd}"));
        assert_eq!(of("text", Blob(b"abc"), "LONGTEXT"), some("abc"));
        assert_eq!(of("trim", Text(b" x "), "LONGTEXT"), some("x"));
        assert_eq!(of("number", Text(b" 12 "), "BIGINT"), some("12"));
        assert_eq!(of("number", Text(b"12abc"), "BIGINT"), None);
    }

    #[test]
    fn every_name_reads_back() {
        for (name, conversion) in NAMES {
            assert_eq!((name.parse(), conversion.name()), (Ok(conversion), name));
        }
    }
}
