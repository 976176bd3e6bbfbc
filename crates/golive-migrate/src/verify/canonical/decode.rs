//! Reads cells back out of their canonical form: for people, as a parameter of a statement, and as the text that the
//! server makes of them for its digests.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use mysql_async::Value;

use super::{Kind, NULL, VALUE};

/// What names a row: the value of a key's part.
pub(crate) fn for_people(cell: &[u8], kind: Kind) -> String {
    let [VALUE, content @ ..] = cell else {
        return match cell {
            [NULL] => "NULL".to_owned(),
            _ => "a value that does not fit its column".to_owned(),
        };
    };
    match kind {
        Kind::Integer | Kind::Boolean => number(content).to_string(),
        Kind::Real => double(content).to_string(),
        Kind::DateTime => moment(content).format("%F %T%.f").to_string(),
        Kind::Date => moment(content).format("%F").to_string(),
        Kind::Time => moment(content).format("%T%.f").to_string(),
        Kind::Decimal => decimal(content, 0),
        Kind::Text | Kind::Other => String::from_utf8_lossy(content).chars().take(80).collect(),
        Kind::Bytes => content.iter().take(40).map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// A parameter that the server compares with the column; `None` where the cell is no value of it.
pub(crate) fn as_parameter(cell: &[u8], kind: Kind) -> Option<Value> {
    let [VALUE, content @ ..] = cell else { return None };
    Some(match kind {
        Kind::Integer | Kind::Boolean => Value::Int(number(content)),
        Kind::Real => Value::Double(double(content)),
        Kind::Decimal => Value::Bytes(decimal(content, 0).into_bytes()),
        Kind::DateTime => Value::Bytes(moment(content).format("%F %T%.6f").to_string().into_bytes()),
        Kind::Date => Value::Bytes(moment(content).format("%F").to_string().into_bytes()),
        Kind::Time => Value::Bytes(moment(content).format("%T%.6f").to_string().into_bytes()),
        Kind::Text | Kind::Bytes | Kind::Other => Value::Bytes(content.to_vec()),
    })
}

/// Appends what `digest::sql` makes of the cell in the server: NULL is `N`, everything else says where it ends. A cell
/// that no target cell can equal becomes what no server writes.
pub(crate) fn as_sql_text(cell: &[u8], kind: Kind, scale: usize, out: &mut Vec<u8>) {
    let [VALUE, content @ ..] = cell else {
        return out.extend_from_slice(if cell == [NULL] { b"N" } else { b"?" });
    };
    let _ = match kind {
        Kind::Integer | Kind::Boolean => write!(out, "{},", number(content)),
        Kind::Real => {
            out.push(b'=');
            out.extend_from_slice(&double(content).to_le_bytes());
            Ok(())
        }
        Kind::Decimal => {
            let text = decimal(content, scale);
            write!(out, "{text},")
        }
        Kind::DateTime => timestamp(number(content), out),
        Kind::Date => write!(out, "{}", moment(content).format("%F")),
        Kind::Time => clock(number(content), out),
        Kind::Text | Kind::Bytes | Kind::Other => {
            let _ = write!(out, "{}:", content.len());
            out.extend_from_slice(content);
            Ok(())
        }
    };
}

fn timestamp(micros: i64, out: &mut Vec<u8>) -> std::io::Result<()> {
    const DAY: i64 = 86_400_000_000;
    let date = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    write!(out, "{} ", date.format("%F"))?;
    clock(micros.rem_euclid(DAY), out)
}

fn clock(micros: i64, out: &mut Vec<u8>) -> std::io::Result<()> {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    write!(out, "{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn number(content: &[u8]) -> i64 {
    let bytes = content.try_into().map(u64::from_be_bytes).unwrap_or_default();
    (bytes ^ (1 << 63)) as i64
}

fn double(content: &[u8]) -> f64 {
    let bits = content.try_into().map(u64::from_be_bytes).unwrap_or_default();
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

fn moment(content: &[u8]) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(number(content)).unwrap_or_default()
}

/// With at least so many digits after the point.
fn decimal(content: &[u8], scale: usize) -> String {
    let [sign, rest @ ..] = content else { return String::new() };
    let rest: Vec<u8> = if *sign == 0 { rest.iter().map(|byte| !byte).collect() } else { rest.to_vec() };
    let Some((length, digits)) = rest.split_at_checked(2) else { return String::new() };
    let whole = usize::from(u16::from_be_bytes([length[0], length[1]])).min(digits.len());
    let (whole, fraction) = digits.split_at(whole);
    let (whole, fraction) = (String::from_utf8_lossy(whole), String::from_utf8_lossy(fraction));
    let sign = if *sign == 0 { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { &whole };
    match fraction.trim_end() {
        "" if scale == 0 => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction:0<scale$}"),
    }
}
