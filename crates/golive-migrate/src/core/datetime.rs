//! Reads dates, times and datetimes as SQLite applications write them, without guessing: what is no such text is `None`.
//! Used by survey and copy; verification reads them by another path on purpose.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike as _};

/// A datetime text, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParsedDateTime {
    /// The instant in UTC; a text without offset is taken as UTC, as SQLite's own functions do.
    pub(crate) utc: NaiveDateTime,
    /// Whether it had an offset other than zero.
    pub(crate) shifted: bool,
    /// Whether digits beyond the microsecond were cut.
    pub(crate) cut: bool,
    /// Whether it had a time of day other than midnight.
    pub(crate) has_time: bool,
    /// Digits of the second's fraction that are not zeros at its end, at most 6.
    pub(crate) digits: u8,
}

/// Whether a `TIMESTAMP` can hold it: 1970-01-01 00:00:01 to 2038-01-19 03:14:07, the range of every supported server.
pub(crate) fn in_timestamp(utc: NaiveDateTime) -> bool {
    (1..=i64::from(i32::MAX)).contains(&utc.and_utc().timestamp())
}

/// Digits of a time's fraction that are not zeros at its end, at most 6.
pub(crate) fn fraction_digits(time: NaiveTime) -> u8 {
    let mut micros = chrono::Timelike::nanosecond(&time) / 1000;
    if micros == 0 {
        return 0;
    }
    let mut digits = 6;
    while micros.is_multiple_of(10) {
        micros /= 10;
        digits -= 1;
    }
    digits
}

/// Reads `YYYY-MM-DD`, with ` ` or `T` and `HH:MM[:SS[.fraction]]`, with `Z`, ` UTC`, `+HH:MM` or `+HHMM` behind.
pub(crate) fn parse_datetime(text: &[u8]) -> Option<ParsedDateTime> {
    let (date, rest) = take_date(text)?;
    if rest.is_empty() {
        let utc = date.and_time(NaiveTime::MIN);
        return Some(ParsedDateTime { utc, shifted: false, cut: false, has_time: false, digits: 0 });
    }
    let rest = match rest {
        [b' ' | b'T' | b't', rest @ ..] => rest,
        _ => return None,
    };
    let (time, cut, rest) = take_time(rest)?;
    let offset = parse_offset(rest)?;
    let local = date.and_time(time);
    let utc = match offset {
        0 => local,
        minutes => local.checked_sub_signed(TimeDelta::minutes(i64::from(minutes)))?,
    };
    if !(1..=9999).contains(&utc.year()) {
        return None;
    }
    let has_time = utc.time() != NaiveTime::MIN || cut;
    let digits = fraction_digits(time);
    Some(ParsedDateTime { utc, shifted: offset != 0, cut, has_time, digits })
}

/// Reads `HH:MM[:SS[.fraction]]`; the flag tells that digits beyond the microsecond were cut.
pub(crate) fn parse_time(text: &[u8]) -> Option<(NaiveTime, bool)> {
    match take_time(text)? {
        (time, cut, []) => Some((time, cut)),
        _ => None,
    }
}

/// Appends `YYYY-MM-DD HH:MM:SS.ffffff`.
pub(crate) fn write_datetime(at: NaiveDateTime, out: &mut Vec<u8>) {
    write_date(at.date(), out);
    out.push(b' ');
    write_time(at.time(), out);
}

/// Appends `YYYYMMDDHHMMSS`, and `.ffffff` where there is a fraction; MariaDB reads fourteen digits as that.
pub(crate) fn write_briefly(at: NaiveDateTime, out: &mut Vec<u8>) {
    let mut text = *b"00000000000000.000000";
    put(at.year().unsigned_abs(), &mut text[..4]);
    let parts = [at.month(), at.day(), at.hour(), at.minute(), at.second()];
    for (part, start) in parts.into_iter().zip((4..).step_by(2)) {
        put(part, &mut text[start..start + 2]);
    }
    let micros = at.nanosecond() / 1000;
    put(micros, &mut text[15..]);
    out.extend_from_slice(if micros == 0 { &text[..14] } else { &text });
}

/// Appends `YYYY-MM-DD`. What is parsed here lies in the years 1 to 9999.
pub(crate) fn write_date(date: NaiveDate, out: &mut Vec<u8>) {
    let mut text = *b"0000-00-00";
    put(date.year().unsigned_abs(), &mut text[..4]);
    put(date.month(), &mut text[5..7]);
    put(date.day(), &mut text[8..]);
    out.extend_from_slice(&text);
}

/// Appends `HH:MM:SS.ffffff`.
pub(crate) fn write_time(time: NaiveTime, out: &mut Vec<u8>) {
    let mut text = *b"00:00:00.000000";
    put(time.hour(), &mut text[..2]);
    put(time.minute(), &mut text[3..5]);
    put(time.second(), &mut text[6..8]);
    put(time.nanosecond() / 1000, &mut text[9..]);
    out.extend_from_slice(&text);
}

fn put(mut value: u32, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789"[(value % 10) as usize];
        value /= 10;
    }
}

fn take_date(text: &[u8]) -> Option<(NaiveDate, &[u8])> {
    let (date, rest) = text.split_at_checked(10)?;
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let year = digits(&date[..4])?;
    if year == 0 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, digits(&date[5..7])?, digits(&date[8..])?)?;
    Some((date, rest))
}

fn take_time(text: &[u8]) -> Option<(NaiveTime, bool, &[u8])> {
    let (head, rest) = text.split_at_checked(5)?;
    if head[2] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&head[..2])?, digits(&head[3..])?);
    let [b':', rest @ ..] = rest else {
        return Some((NaiveTime::from_hms_opt(hour, minute, 0)?, false, rest));
    };
    let (second, rest) = rest.split_at_checked(2)?;
    let second = digits(second)?;
    let [b'.', rest @ ..] = rest else {
        return Some((NaiveTime::from_hms_opt(hour, minute, second)?, false, rest));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let (fraction, rest) = rest.split_at(length);
    let mut micros = digits(&fraction[..length.min(6)])?;
    for _ in length..6 {
        micros *= 10;
    }
    let cut = fraction.iter().skip(6).any(|digit| *digit != b'0');
    Some((NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?, cut, rest))
}

/// Minutes east of UTC.
fn parse_offset(text: &[u8]) -> Option<i32> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let (sign, rest) = match text {
        b"" | b"Z" | b"z" | b"UTC" | b"GMT" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [_, _, b':', _, _] => (digits(&rest[..2])?, digits(&rest[3..])?),
        [_, _, _, _] => (digits(&rest[..2])?, digits(&rest[2..])?),
        [_, _] => (digits(rest)?, 0),
        _ => return None,
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    Some(sign * i32::try_from(hours * 60 + minutes).ok()?)
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<String> {
        parse_datetime(text.as_bytes()).map(|parsed| {
            let mut out = Vec::new();
            write_datetime(parsed.utc, &mut out);
            String::from_utf8(out).unwrap()
        })
    }

    #[test]
    fn the_shapes_in_use() {
        assert_eq!(utc("2024-02-18").as_deref(), Some("2024-02-18 00:00:00.000000"));
        assert_eq!(utc("2024-02-18 01:59").as_deref(), Some("2024-02-18 01:59:00.000000"));
        assert_eq!(utc("2024-02-18T01:59:31.5Z").as_deref(), Some("2024-02-18 01:59:31.500000"));
        assert_eq!(utc("2024-02-18 01:59:31 +00:00").as_deref(), Some("2024-02-18 01:59:31.000000"));
        assert_eq!(utc("2024-02-18T01:59:31+02:00").as_deref(), Some("2024-02-17 23:59:31.000000"));
        assert_eq!(utc("2024-02-18 01:59:31.123456789+00:00").as_deref(), Some("2024-02-18 01:59:31.123456"));
    }

    #[test]
    fn what_is_none_is_not_guessed() {
        for text in [
            "",
            "1700000000",
            "2024-02-30",
            "0000-00-00",
            "02/18/2024",
            "2024-02-18 25:00:00",
            "2024-02-18 01:59:31+99:00",
            "2024-2-8",
            "now",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
        assert_eq!(utc("0001-01-01 00:00:00+00:01"), None);
        assert!(parse_time(b"24:00:00").is_none());
        assert!(parse_time(b"08:30:00.25").is_some());
    }
    proptest::proptest! {
        #[test]
        fn it_is_written_as_chrono_writes_it(seconds in -62_135_596_800_i64..253_402_300_800, micros in 0_u32..1_000_000) {
            let at = chrono::DateTime::from_timestamp(seconds, micros * 1000).unwrap().naive_utc();
            let mut out = Vec::new();
            write_datetime(at, &mut out);
            proptest::prop_assert_eq!(String::from_utf8(out).unwrap(), at.format("%Y-%m-%d %H:%M:%S%.6f").to_string());
        }
    }
}
