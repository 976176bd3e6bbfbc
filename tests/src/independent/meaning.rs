//! What a cell means, as a text, given the type of the column it is to be compared in.

use std::fmt::Write as _;

/// An integer. In a column of decimals or doubles it is that number, elsewhere itself.
pub(super) fn of_integer(number: i64, kind: &str) -> String {
    match kind {
        "double" if (number as f64) as i128 == i128::from(number) => of_real(number as f64, kind),
        "decimal" => decimal(&number.to_string()).unwrap_or_else(|| format!("integer {number}")),
        _ => format!("integer {number}"),
    }
}

/// A real, by its bits; among decimals by the shortest digits that make it.
pub(super) fn of_real(number: f64, kind: &str) -> String {
    match kind {
        "decimal" => decimal(&format!("{number}")).unwrap_or_else(|| format!("real {number:e}")),
        _ => format!("real {number:e}"),
    }
}

/// An integer of the target, which the server wrote as text.
pub(super) fn of_digits(text: &[u8]) -> String {
    format!("integer {}", String::from_utf8_lossy(text))
}

/// A text, read as what its column holds.
pub(super) fn of_text(bytes: &[u8], kind: &str) -> String {
    let text = String::from_utf8_lossy(bytes);
    let read = match kind {
        "decimal" => decimal(&text),
        "datetime" | "timestamp" | "date" => moment(&text),
        "time" => time_of_day(&text).map(|(micros, rest)| format!("time {micros}{rest}")),
        _ => None,
    };
    read.unwrap_or_else(|| match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= 200 => format!("text {text:?}"),
        _ => format!("text of {} bytes {:016x}", bytes.len(), fingerprint(bytes)),
    })
}

/// Bytes.
pub(super) fn of_blob(bytes: &[u8]) -> String {
    let mut shown = String::from("blob ");
    for byte in bytes.iter().take(200) {
        let _ = write!(shown, "{byte:02x}");
    }
    if bytes.len() > 200 {
        let _ = write!(shown, " of {} bytes {:016x}", bytes.len(), fingerprint(bytes));
    }
    shown
}

/// FNV-1a: enough to tell two long values of a test apart.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `-12.50` and `1.25e1` by their digits, without zeros that say nothing.
fn decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || !whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit())
    {
        return None;
    }
    let mut all: Vec<char> = whole.chars().chain(fraction.chars()).collect();
    let mut point = i32::try_from(whole.len()).ok()? + exponent;
    while point < 0 {
        all.insert(0, '0');
        point += 1;
    }
    while usize::try_from(point).ok()? > all.len() {
        all.push('0');
    }
    let point = usize::try_from(point).ok()?;
    let whole: String = all[..point].iter().collect();
    let fraction: String = all[point..].iter().collect();
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
    Some(format!("decimal {sign}{whole}.{fraction}"))
}

/// A date, with or without a time, in UTC: microseconds since 1970; what was more exact or had an offset says so.
fn moment(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some()
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in(year, month)
        || year < 1
    {
        return None;
    }
    let days = days_since_1970(year, month, day);
    if rest.is_empty() {
        return Some(format!("moment {}", days * 86_400_000_000));
    }
    let rest = rest.strip_prefix([' ', 'T'])?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (micros, more) = time_of_day(&rest[..end])?;
    let offset = offset_minutes(rest[end..].trim_start())?;
    let told = if offset == 0 { String::new() } else { format!(" offset {offset}") };
    Some(format!("moment {}{more}{told}", days * 86_400_000_000 + micros - offset * 60_000_000))
}

/// Microseconds since midnight, and the digits beyond them.
fn time_of_day(text: &str) -> Option<(i64, String)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |second| number(second, 2))?;
    if parts.next().is_some()
        || hour > 23
        || minute > 59
        || second > 59
        || !fraction.chars().all(|c| c.is_ascii_digit())
    {
        return None;
    }
    let padded = format!("{fraction:0<6}");
    let micros: i64 = padded[..6].parse().ok()?;
    let beyond = padded[6..].trim_end_matches('0');
    let beyond = if beyond.is_empty() { String::new() } else { format!(" and {beyond}") };
    Some((((hour * 60 + minute) * 60 + second) * 1_000_000 + micros, beyond))
}

fn offset_minutes(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z" | "UTC" | "GMT") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.strip_prefix(['+', '-'])?.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits, 2)?, 0),
        4 => (number(&digits[..2], 2)?, number(&digits[2..], 2)?),
        _ => return None,
    };
    Some(sign * (hours * 60 + minutes))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.chars().all(|c| c.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counted by whole years and months, slowly and plainly.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| 365 * (year - 1) + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    before(year) - before(1970) + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_the_same_and_a_loss_is_seen() {
        assert_eq!(of_text(b"1970-01-02", "date"), "moment 86400000000");
        assert_eq!(
            of_text(b"2024-02-29T00:00:00Z", "datetime"),
            of_text(b"2024-02-29 00:00:00.000000", "datetime")
        );
        assert_ne!(
            of_text(b"2024-02-29T02:00:00+02:00", "datetime"),
            of_text(b"2024-02-29 00:00:00", "datetime")
        );
        assert_ne!(
            of_text(b"2024-02-29 00:00:00.1234567", "datetime"),
            of_text(b"2024-02-29 00:00:00.123456", "datetime")
        );
        assert_eq!(of_text(b"2024-02-30", "date"), "text \"2024-02-30\"");
        assert_eq!(of_integer(8, "decimal"), of_text(b"8.00", "decimal"));
        assert_eq!(of_real(1e21, "decimal"), of_text(b"1000000000000000000000", "decimal"));
        assert_eq!(of_integer(8, "double"), of_real(8.0, "double"));
        assert_ne!(of_real(-0.0, "double"), of_real(0.0, "double"));
        assert_ne!(of_integer((1 << 53) + 1, "double"), of_real(9_007_199_254_740_992.0, "double"));
        assert_ne!(of_integer(5, "longtext"), of_text(b"5", "longtext"));
        assert_ne!(of_text(b"a", "longblob"), of_blob(b"a"));
    }
}
