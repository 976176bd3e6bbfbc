//! The canonical form of a cell of MariaDB, as the binary protocol brings it. Nothing here knows how SQLite writes it.

use chrono::{NaiveDate, NaiveTime, Timelike};
use mysql_async::Value;

use super::{Form, Kind, NULL, TARGET_MISFIT, VALUE, content, decimal, integer, real};

/// Appends a target cell.
pub(crate) fn target(value: &Value, form: Form, out: &mut Vec<u8>) {
    match (form.kind, value) {
        (_, Value::NULL) => return out.push(NULL),
        (Kind::Text | Kind::Bytes | Kind::Other, Value::Bytes(bytes)) => return content(bytes, form, out),
        _ => {}
    }
    let start = out.len();
    out.push(VALUE);
    if written(value, form.kind, out).is_none() {
        out.truncate(start);
        // Neither NULL, nor a value, nor what a source cell that does not fit becomes.
        out.push(TARGET_MISFIT);
        out.extend_from_slice(value.as_sql(true).as_bytes());
    }
}

fn written(value: &Value, kind: Kind, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (Kind::Integer | Kind::Boolean, Value::Int(number)) => integer(*number, out),
        (Kind::Integer | Kind::Boolean, Value::UInt(number)) => integer(i64::try_from(*number).ok()?, out),
        (Kind::Real, Value::Double(number)) => real(*number, out),
        (Kind::Real, Value::Float(number)) => real(f64::from(*number), out),
        (Kind::Decimal, Value::Bytes(text)) => decimal(std::str::from_utf8(text).ok()?, out)?,
        (Kind::DateTime | Kind::Date, Value::Date(year, month, day, hour, minute, second, micros)) => {
            let date = NaiveDate::from_ymd_opt(i32::from(*year), u32::from(*month), u32::from(*day))?;
            let time =
                date.and_hms_micro_opt(u32::from(*hour), u32::from(*minute), u32::from(*second), *micros)?;
            integer(time.and_utc().timestamp_micros(), out);
        }
        (Kind::Time, Value::Time(false, 0, hour, minute, second, micros)) => {
            let (hour, minute, second) = (u32::from(*hour), u32::from(*minute), u32::from(*second));
            let time = NaiveTime::from_hms_micro_opt(hour, minute, second, *micros)?;
            let seconds = i64::from(time.num_seconds_from_midnight());
            integer(seconds * 1_000_000 + i64::from(time.nanosecond() / 1000), out);
        }
        _ => return None,
    }
    Some(())
}
