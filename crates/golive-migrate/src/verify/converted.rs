//! What a policy makes of a source cell, worked out a second time. Deliberately shares nothing with `core::conversion`, so
//! that a fault there shows as a difference here.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat};
use rusqlite::types::ValueRef;

use super::canonical::{self, Form};
use crate::core::conversion::Conversion;
use crate::core::types::TargetType;

/// A cell's value after its policy.
enum Made {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// Appends the canonical form of a source cell whose column has conversions.
pub(super) fn source(
    value: ValueRef<'_>,
    form: Form,
    conversions: &[Conversion],
    target: Option<TargetType>,
    out: &mut Vec<u8>,
) {
    let made = conversions.iter().find_map(|conversion| made(*conversion, value, form, target));
    let value = match &made {
        None => value,
        Some(Made::Null) => ValueRef::Null,
        Some(Made::Integer(integer)) => ValueRef::Integer(*integer),
        Some(Made::Real(real)) => ValueRef::Real(*real),
        Some(Made::Text(text)) => ValueRef::Text(text.as_bytes()),
    };
    canonical::source(value, form, out);
}

fn made(conversion: Conversion, value: ValueRef<'_>, form: Form, target: Option<TargetType>) -> Option<Made> {
    let bytes = if let ValueRef::Text(bytes) = value { bytes } else { b"" };
    let text = std::str::from_utf8(bytes).ok().filter(|_| matches!(value, ValueRef::Text(_)));
    match conversion {
        Conversion::Null => (!fits(value, form, target)).then_some(Made::Null),
        Conversion::EmptyAsNull => text?.chars().all(|c| c.is_ascii_whitespace()).then_some(Made::Null),
        Conversion::EpochSeconds => moment(number(value)?, 1e6),
        Conversion::EpochMillis => moment(number(value)?, 1e3),
        Conversion::EpochMicros => moment(number(value)?, 1.0),
        Conversion::JulianDay => {
            let Number::Real(day) = number(value)?.as_real() else { return None };
            let milliseconds = ((day - 2_440_587.5) * 86_400_000.0).round();
            // Whole from here on: a double does not hold the microseconds of a far future.
            moment(milliseconds.is_finite().then_some(Number::Integer(milliseconds as i64))?, 1e3)
        }
        Conversion::DateMdy => date(text?, "%m/%d/%Y"),
        Conversion::DateDmy => date(text?, "%d/%m/%Y"),
        Conversion::Truncate => match target? {
            TargetType::Varchar { chars } | TargetType::Char { chars } => {
                let text = text?;
                let cut: String = text.chars().take(chars as usize).collect();
                (cut.len() < text.len()).then_some(Made::Text(cut))
            }
            _ => None,
        },
        Conversion::Round => match (target?, value) {
            (TargetType::Decimal { scale, .. }, ValueRef::Real(real)) => {
                rounded(&real.to_string(), scale.into())
            }
            (TargetType::Decimal { scale, .. }, ValueRef::Text(_)) => rounded(text?.trim(), scale.into()),
            _ => None,
        },
        Conversion::LossyUtf8 if matches!(value, ValueRef::Text(_)) => {
            text.is_none().then(|| Made::Text(String::from_utf8_lossy(bytes).into_owned()))
        }
        Conversion::Text => match value {
            ValueRef::Blob(blob) => String::from_utf8(blob.to_vec()).ok().map(Made::Text),
            _ => None,
        },
        Conversion::Trim => Some(Made::Text(text?.trim().to_owned())),
        Conversion::Number => {
            let text = text?.trim();
            let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
            let integer = || text.parse().ok().map(Made::Integer);
            plain.then(|| integer().or_else(|| text.parse().ok().map(Made::Real))).flatten()
        }
        Conversion::LossyUtf8 => None,
    }
}

enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    fn as_real(&self) -> Self {
        match self {
            Self::Integer(integer) => Self::Real(*integer as f64),
            Self::Real(real) => Self::Real(*real),
        }
    }
}

fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Integer(integer) => Some(Number::Integer(integer)),
        ValueRef::Real(real) => Some(Number::Real(real)),
        _ => None,
    }
}

/// A number of units since 1970, each of so many microseconds.
fn moment(count: Number, unit_micros: f64) -> Option<Made> {
    let micros = match count {
        Number::Integer(count) => i128::from(count) * unit_micros as i128,
        Number::Real(count) => (count * unit_micros).round() as i128,
    };
    let at = DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)?;
    (1..=9999).contains(&at.year()).then(|| Made::Text(at.to_rfc3339_opts(SecondsFormat::Micros, true)))
}

fn date(text: &str, format: &str) -> Option<Made> {
    let text = text.trim();
    let (day, time) = text.split_at(text.find(' ').unwrap_or(text.len()));
    let day = day.replace(['.', '-'], "/");
    let year = day.rsplit('/').next()?;
    if year.len() != 4 {
        return None;
    }
    let day = NaiveDate::parse_from_str(&day, format).ok()?;
    let time = match time.trim() {
        "" => NaiveTime::MIN,
        time => {
            ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(time, format).ok())?
        }
    };
    Some(Made::Text(day.and_time(time).format("%Y-%m-%dT%H:%M:%S%.6f").to_string()))
}

/// Half away from zero: a digit after another, from the right.
fn rounded(text: &str, scale: usize) -> Option<Made> {
    if text.contains(['e', 'E']) {
        return rounded(&text.parse::<f64>().ok()?.to_string(), scale);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.')?;
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.trim_end_matches('0').len() <= scale {
        return None;
    }
    let mut up = fraction.as_bytes()[scale] >= b'5';
    let mut written: Vec<char> =
        fraction[..scale].chars().rev().chain(['.']).chain(whole.chars().rev()).collect();
    for digit in written.iter_mut().filter(|digit| **digit != '.') {
        let value = digit.to_digit(10)? + u32::from(up);
        up = value == 10;
        *digit = char::from_digit(value % 10, 10)?;
    }
    written.extend(up.then_some('1'));
    let written: String = written.into_iter().rev().collect();
    Some(Made::Text(format!("{sign}0{written}")))
}

/// Whether the column can hold the value as it is.
fn fits(value: ValueRef<'_>, form: Form, target: Option<TargetType>) -> bool {
    let mut cell = Vec::new();
    canonical::source(value, form, &mut cell);
    if canonical::is_misfit(&cell) {
        return false;
    }
    let text = |value| match value {
        ValueRef::Text(text) => std::str::from_utf8(text).map_or(usize::MAX, |text| text.chars().count()),
        ValueRef::Integer(integer) => integer.to_string().len(),
        ValueRef::Real(real) => format!("{real:?}").len(),
        ValueRef::Null | ValueRef::Blob(_) => 0,
    };
    match (target, value) {
        (_, ValueRef::Real(real)) if !real.is_finite() => false,
        (_, ValueRef::Null) | (None, _) => true,
        (Some(TargetType::Varchar { chars } | TargetType::Char { chars }), _) => {
            text(value) <= chars as usize
        }
        (Some(TargetType::Boolean), ValueRef::Integer(integer)) => matches!(integer, 0 | 1),
        (Some(target @ (TargetType::BigInt | TargetType::Int { .. })), ValueRef::Integer(integer)) => {
            target.integer_range().is_some_and(|(least, most)| (least..=most).contains(&integer))
        }
        (Some(TargetType::VarBinary { bytes }), ValueRef::Blob(blob) | ValueRef::Text(blob)) => {
            blob.len() <= bytes as usize
        }
        (Some(TargetType::Binary { bytes }), ValueRef::Blob(blob) | ValueRef::Text(blob)) => {
            blob.len() == bytes as usize
        }
        (Some(TargetType::Decimal { precision, scale }), _) => {
            canonical::decimal_digits(&cell).is_some_and(|(whole, fraction)| {
                whole <= usize::from(precision - scale) && fraction <= usize::from(scale)
            })
        }
        (Some(TargetType::LongText | TargetType::Text { .. } | TargetType::Json), ValueRef::Text(text)) => {
            std::str::from_utf8(text).is_ok()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::conversion::Converted;
    use crate::verify::canonical::Kind;
    use proptest::prelude::*;

    /// Both workings come to the same cell, whatever the value.
    fn agree(value: ValueRef<'_>, conversion: Conversion, target: &str, kind: Kind) {
        let target = TargetType::parse(target).unwrap();
        let form = Form { kind, brief: false };
        let (mut here, mut there) = (Vec::new(), Vec::new());
        source(value, form, &[conversion], Some(target), &mut here);
        let converted = conversion.apply(value, target);
        canonical::source(converted.as_ref().map_or(value, Converted::as_value), form, &mut there);
        assert_eq!(here, there, "{conversion} of {value:?} to {target}");
    }

    fn agree_on_all(value: ValueRef<'_>) {
        for name in [
            "epoch-seconds",
            "epoch-millis",
            "epoch-micros",
            "julian-day",
            "date-mdy",
            "date-dmy",
            "empty-as-null",
        ] {
            agree(value, name.parse().unwrap(), "DATETIME(6)", Kind::DateTime);
        }
        for name in ["truncate", "trim", "text", "lossy-utf8", "null"] {
            agree(value, name.parse().unwrap(), "VARCHAR(3)", Kind::Text);
        }
        for name in ["round", "null"] {
            agree(value, name.parse().unwrap(), "DECIMAL(6,2)", Kind::Decimal);
        }
        for name in ["number", "null"] {
            agree(value, name.parse().unwrap(), "SMALLINT", Kind::Integer);
        }
    }

    #[test]
    fn a_far_future_is_worked_out_to_the_microsecond() {
        agree_on_all(ValueRef::Real(3_373_260.045_411_533_7));
    }

    proptest! {
        #[test]
        fn two_workings_of_a_conversion_agree(
            integer in any::<i64>(), small in -5_000_i64..5_000, real in any::<f64>(), near in -1e5_f64..1e5,
            text in "[ 0-9a-zé/.:-]{0,16}", day in "[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4}( [0-9]{2}:[0-9]{2})?",
            decimal in "-?[0-9]{1,4}\\.[0-9]{0,6}", bytes in proptest::collection::vec(any::<u8>(), 0..6),
        ) {
            for value in [ValueRef::Integer(integer), ValueRef::Integer(small), ValueRef::Real(real), ValueRef::Real(near)] {
                agree_on_all(value);
            }
            for text in [&text, &day, &decimal] {
                agree_on_all(ValueRef::Text(text.as_bytes()));
            }
            agree_on_all(ValueRef::Text(&bytes));
            agree_on_all(ValueRef::Blob(&bytes));
            agree_on_all(ValueRef::Null);
        }
    }
}
