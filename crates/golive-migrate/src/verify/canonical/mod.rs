//! The canonical form of a cell, made from either side by its own path: bytes that are equal exactly when the cells
//! mean the same, and that sort as keys do. Deliberately shares nothing with `core::convert`.
//!
//! The first byte says what follows: nothing for NULL (0), a value (1), a source cell that means nothing in its column
//! (2), a target cell that no source cell could become (3), or the digest of a long text or blob (4). Then, by what the
//! target's column is:
//!
//! | column | form of a value |
//! |---|---|
//! | integers, `TINYINT(1)` | eight bytes, big-endian, sign bit turned; words such as `true` and `no` are 1 and 0 |
//! | `DOUBLE`, `FLOAT` | the eight bytes of the double, ordered; negative zero is zero |
//! | `DECIMAL` | sign, number of digits before the point, digits without zeros at either end: `8` is `8.00` |
//! | text, JSON | its bytes, nothing trimmed, folded or normalized; numbers in a text column as SQLite prints them |
//! | blobs, `BINARY` | its bytes |
//! | `DATETIME`, `DATE` | microseconds since 1970 in UTC; an offset is applied, digits beyond the microsecond are cut |
//! | `TIME` | microseconds since midnight |
//! | anything else | its bytes |
//!
//! Outside of keys a text or blob longer than [`LONG_BYTES`] stands as its length and BLAKE3 digest, so that a row of
//! long documents takes no more room than another.

mod decode;
mod source;
mod target;
#[cfg(test)]
mod tests;

pub(super) use self::decode::{as_parameter, as_sql_text, for_people};
pub(super) use self::source::source;
pub(super) use self::target::target;

/// The longest content that stands as itself outside of keys.
pub(super) const LONG_BYTES: usize = 2048;

const NULL: u8 = 0;
const VALUE: u8 = 1;
/// Begins what a source cell is when it means nothing in its column's kind; no target cell begins so.
const SOURCE_MISFIT: u8 = 2;
/// Likewise for the target.
const TARGET_MISFIT: u8 = 3;
const DIGEST: u8 = 4;

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

/// How a column's cells are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) kind: Kind,
    /// Whether long content may stand as its digest; a key's may not, since it is sorted by.
    pub(super) brief: bool,
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

/// Whether a source cell means nothing in its column.
pub(super) fn is_misfit(cell: &[u8]) -> bool {
    cell.first() == Some(&SOURCE_MISFIT)
}

/// Digits before and after the point of a decimal's cell.
pub(super) fn decimal_digits(cell: &[u8]) -> Option<(usize, usize)> {
    let [VALUE, sign, rest @ ..] = cell else { return None };
    let turned: Vec<u8> = rest.iter().map(|byte| if *sign == 0 { !byte } else { *byte }).collect();
    let (length, digits) = turned.split_at_checked(2)?;
    let whole = usize::from(u16::from_be_bytes([length[0], length[1]]));
    // A space ends it.
    Some((whole, digits.len().checked_sub(whole + 1)?))
}

/// Content of any length, with the byte before it.
fn content(bytes: &[u8], form: Form, out: &mut Vec<u8>) {
    if form.brief && bytes.len() > LONG_BYTES {
        out.push(DIGEST);
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(blake3::hash(bytes).as_bytes());
    } else {
        out.push(VALUE);
        out.extend_from_slice(bytes);
    }
}
