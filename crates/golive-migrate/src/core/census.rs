//! Counts what a column really holds, in one pass over its values. It decides nothing: `mapping` does.

use rusqlite::types::ValueRef;
use serde::Serialize;

use super::datetime;
use super::decimal::{Digits, Scratch};
use super::declared::Declared;

/// MariaDB refuses JSON that is nested deeper.
const JSON_DEPTH: usize = 31;
/// Beyond it a double no longer holds every integer.
const EXACT_INTEGER: u64 = 1 << 53;

/// What a survey saw in one column.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Census {
    /// Rows seen.
    pub rows: u64,
    /// Of them NULL.
    pub nulls: u64,
    /// Of them stored as integers.
    pub integers: u64,
    /// Of them stored as reals.
    pub reals: u64,
    /// Of them stored as text.
    pub texts: u64,
    /// Of them stored as blobs.
    pub blobs: u64,
    /// The longest text, in characters.
    pub max_chars: u64,
    /// The longest text or blob, in bytes.
    pub max_bytes: u64,
    /// The shortest blob, in bytes.
    pub min_blob_bytes: u64,
    /// Digits before the decimal point, at most.
    pub whole_digits: u32,
    /// Digits after the decimal point, at most.
    pub fraction_digits: u32,
    /// The least and the greatest integer.
    pub integer_range: Option<(i64, i64)>,
    /// Digits of a second's fraction, at most.
    pub second_digits: u8,
    /// Reals that four bytes do not hold.
    pub wider_than_float: u64,
    /// Values that a conversion changed, by a policy; what else is counted here is counted after it.
    pub converted: u64,
    /// What stood out, with counts and up to three keys.
    #[serde(skip)]
    remarks: Remarks,
}

/// Something that stood out in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remark {
    InvalidUtf8,
    NulCharacter,
    NotFinite,
    NegativeZero,
    InexactInteger,
    NotBoolean,
    BooleanWord,
    NotDecimal,
    MoreScaleThanDeclared,
    NotDateTime,
    OffsetShifted,
    FractionCut,
    TimeInDate,
    OutsideTimestamp,
    TrailingSpace,
    EmptyText,
    Converted,
    NotTime,
    NotJson,
    NotUuidText,
    LongerThanDeclared,
    IsInteger,
    IsReal,
    IsText,
    IsBlob,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) keys: Vec<String>,
    /// The values beside the keys, where the operator asked to see them.
    pub(crate) values: Vec<String>,
}

/// One row in which something stood out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Example {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

/// How an example is had: only while one is wanted.
pub(crate) type Exemplify<'a> = &'a dyn Fn() -> Example;

impl Tally {
    pub(crate) fn add(&mut self, example: Exemplify<'_>) {
        self.count += 1;
        if self.keys.len() < EXAMPLES {
            let example = example();
            self.keys.push(example.key);
            self.values.extend(example.value);
        }
    }

    /// Takes in what was counted in rows that come after.
    pub(crate) fn append(&mut self, later: Self) {
        self.count += later.count;
        self.keys.extend(later.keys);
        self.keys.truncate(EXAMPLES);
        self.values.extend(later.values);
        self.values.truncate(EXAMPLES);
    }
}

/// Examples a tally keeps.
pub(crate) const EXAMPLES: usize = 3;

/// A tally a remark, at the remark's place: some columns earn a remark a row.
#[derive(Debug, Clone, Default, PartialEq)]
struct Remarks(Vec<Tally>);

impl Remarks {
    fn get(&self, remark: Remark) -> Option<&Tally> {
        self.0.get(remark as usize)
    }

    fn tally(&mut self, remark: Remark) -> &mut Tally {
        let at = remark as usize;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, Tally::default);
        }
        &mut self.0[at]
    }
}

impl Census {
    /// Takes one value in. `key` is only asked for while examples are wanted.
    pub(crate) fn observe(&mut self, declared: Declared, value: ValueRef<'_>, key: Exemplify<'_>) {
        self.rows += 1;
        match value {
            ValueRef::Null => self.nulls += 1,
            ValueRef::Integer(integer) => {
                self.integers += 1;
                self.integer(declared, integer, key);
            }
            ValueRef::Real(real) => {
                self.reals += 1;
                self.real(declared, real, key);
            }
            ValueRef::Text(text) => {
                self.texts += 1;
                self.text(declared, text, key);
            }
            ValueRef::Blob(blob) => {
                self.blobs += 1;
                self.remark_class(declared, Remark::IsBlob, key);
                let bytes = blob.len() as u64;
                self.max_bytes = self.max_bytes.max(bytes);
                self.min_blob_bytes = if self.blobs == 1 { bytes } else { self.min_blob_bytes.min(bytes) };
            }
        }
    }

    /// Takes in the census of rows that come after.
    pub(crate) fn append(&mut self, later: Self) {
        // In full, so that a field which is added is not forgotten here.
        let Self {
            rows,
            nulls,
            integers,
            reals,
            texts,
            blobs,
            max_chars,
            max_bytes,
            min_blob_bytes,
            whole_digits,
            fraction_digits,
            integer_range,
            second_digits,
            wider_than_float,
            converted,
            remarks,
        } = later;
        self.min_blob_bytes = match (self.blobs, blobs) {
            (_, 0) => self.min_blob_bytes,
            (0, _) => min_blob_bytes,
            _ => self.min_blob_bytes.min(min_blob_bytes),
        };
        self.rows += rows;
        self.nulls += nulls;
        self.integers += integers;
        self.reals += reals;
        self.texts += texts;
        self.blobs += blobs;
        self.max_chars = self.max_chars.max(max_chars);
        self.max_bytes = self.max_bytes.max(max_bytes);
        self.whole_digits = self.whole_digits.max(whole_digits);
        self.fraction_digits = self.fraction_digits.max(fraction_digits);
        self.integer_range = match (self.integer_range, integer_range) {
            (Some((low, high)), Some((least, most))) => Some((low.min(least), high.max(most))),
            (ours, theirs) => ours.or(theirs),
        };
        self.second_digits = self.second_digits.max(second_digits);
        self.wider_than_float += wider_than_float;
        self.converted += converted;
        for (at, tally) in remarks.0.into_iter().enumerate() {
            match self.remarks.0.get_mut(at) {
                Some(ours) => ours.append(tally),
                None => self.remarks.0.push(tally),
            }
        }
    }

    /// How often something stood out.
    pub(crate) fn count(&self, remark: Remark) -> u64 {
        self.remarks.get(remark).map_or(0, |tally| tally.count)
    }

    /// How often something stood out, and where.
    pub(crate) fn tally(&self, remark: Remark) -> Tally {
        self.remarks.get(remark).cloned().unwrap_or_default()
    }

    /// Takes in that a conversion changed the value that is observed next.
    pub(crate) fn observe_converted(&mut self, key: Exemplify<'_>) {
        self.converted += 1;
        self.remark(Remark::Converted, key);
    }

    /// Values that are not NULL.
    pub(crate) fn values(&self) -> u64 {
        self.rows - self.nulls
    }

    fn integer(&mut self, declared: Declared, integer: i64, key: Exemplify<'_>) {
        self.remark_class(declared, Remark::IsInteger, key);
        match declared {
            Declared::Boolean if !matches!(integer, 0 | 1) => self.remark(Remark::NotBoolean, key),
            Declared::Decimal(_) => {
                self.digits(declared, &Digits::of_integer(integer, &mut Scratch::default()), key);
            }
            _ => {}
        }
        let (least, most) = self.integer_range.unwrap_or((integer, integer));
        self.integer_range = Some((least.min(integer), most.max(integer)));
        if integer.unsigned_abs() > EXACT_INTEGER {
            self.remark(Remark::InexactInteger, key);
        }
        // The text that it would become, should the column become text.
        self.max_chars = self.max_chars.max(20);
    }

    fn real(&mut self, declared: Declared, real: f64, key: Exemplify<'_>) {
        self.remark_class(declared, Remark::IsReal, key);
        self.max_chars = self.max_chars.max(32);
        if !real.is_finite() {
            self.remark(Remark::NotFinite, key);
        } else if real == 0.0 && real.is_sign_negative() {
            self.remark(Remark::NegativeZero, key);
        }
        self.wider_than_float += u64::from(f64::from(real as f32) != real);
        if let Declared::Decimal(_) = declared {
            match Digits::of_real(real, &mut Scratch::default()) {
                Some(digits) => self.digits(declared, &digits, key),
                None => self.remark(Remark::NotDecimal, key),
            }
        }
    }

    fn text(&mut self, declared: Declared, bytes: &[u8], key: Exemplify<'_>) {
        self.max_bytes = self.max_bytes.max(bytes.len() as u64);
        self.remark_class(declared, Remark::IsText, key);
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.remark(Remark::InvalidUtf8, key);
            return;
        };
        let chars = if text.is_ascii() { text.len() } else { text.chars().count() } as u64;
        self.max_chars = self.max_chars.max(chars);
        match bytes.last() {
            None => self.remark(Remark::EmptyText, key),
            Some(b' ') => self.remark(Remark::TrailingSpace, key),
            Some(_) => {}
        }
        if bytes.contains(&0) {
            self.remark(Remark::NulCharacter, key);
        }
        match declared {
            Declared::Boolean => self.remark(boolean_remark(text), key),
            Declared::Decimal(_) => match Digits::parse(text) {
                Some(digits) => self.digits(declared, &digits, key),
                None => self.remark(Remark::NotDecimal, key),
            },
            Declared::DateTime | Declared::Date => self.datetime(bytes, key),
            Declared::Time => match datetime::parse_time(bytes) {
                Some((time, cut)) => {
                    self.second_digits = self.second_digits.max(datetime::fraction_digits(time));
                    if cut {
                        self.remark(Remark::FractionCut, key);
                    }
                }
                None => self.remark(Remark::NotTime, key),
            },
            Declared::Json if !is_json(text) => self.remark(Remark::NotJson, key),
            Declared::Uuid if text.len() != 36 => self.remark(Remark::NotUuidText, key),
            Declared::Text(Some(limit)) if chars > u64::from(limit) => {
                self.remark(Remark::LongerThanDeclared, key);
            }
            _ => {}
        }
    }

    fn datetime(&mut self, bytes: &[u8], key: Exemplify<'_>) {
        let Some(parsed) = datetime::parse_datetime(bytes) else {
            self.remark(Remark::NotDateTime, key);
            return;
        };
        if parsed.shifted {
            self.remark(Remark::OffsetShifted, key);
        }
        if parsed.cut {
            self.remark(Remark::FractionCut, key);
        }
        if parsed.has_time {
            self.remark(Remark::TimeInDate, key);
        }
        if !datetime::in_timestamp(parsed.utc) {
            self.remark(Remark::OutsideTimestamp, key);
        }
        self.second_digits = self.second_digits.max(parsed.digits);
    }

    fn digits(&mut self, declared: Declared, digits: &Digits<'_>, key: Exemplify<'_>) {
        let whole = u32::try_from(digits.whole.len()).unwrap_or(u32::MAX);
        let fraction = u32::try_from(digits.fraction.len()).unwrap_or(u32::MAX);
        self.whole_digits = self.whole_digits.max(whole);
        self.fraction_digits = self.fraction_digits.max(fraction);
        if let Declared::Decimal(Some((precision, scale))) = declared
            && (fraction > scale || whole > precision.saturating_sub(scale))
        {
            self.remark(Remark::MoreScaleThanDeclared, key);
        }
    }

    /// Notes the storage class where the declaration promises another, so that examples are at hand if it matters.
    fn remark_class(&mut self, declared: Declared, class: Remark, key: Exemplify<'_>) {
        let expected = match declared {
            Declared::Integer | Declared::Boolean => class == Remark::IsInteger,
            Declared::Real | Declared::Decimal(_) => matches!(class, Remark::IsInteger | Remark::IsReal),
            Declared::Blob(_) => class == Remark::IsBlob,
            Declared::Uuid => matches!(class, Remark::IsBlob | Remark::IsText),
            Declared::Unknown => false,
            _ => class == Remark::IsText,
        };
        if !expected {
            self.remark(class, key);
        }
    }

    fn remark(&mut self, remark: Remark, key: Exemplify<'_>) {
        self.remarks.tally(remark).add(key);
    }
}

/// The words that are taken for booleans in a column declared so.
pub(crate) fn boolean_word(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn boolean_remark(text: &str) -> Remark {
    if boolean_word(text).is_some() { Remark::BooleanWord } else { Remark::NotBoolean }
}

fn is_json(text: &str) -> bool {
    let opening = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if opening > JSON_DEPTH && is_deep(text) {
        return false;
    }
    if text.contains("\\u") {
        // A lone surrogate is passed over by a reader that keeps nothing, and refused by MariaDB.
        return serde_json::from_str::<serde_json::Value>(text).is_ok();
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Whether it nests deeper than MariaDB reads.
fn is_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > JSON_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(declared: &str, values: &[ValueRef<'_>]) -> Census {
        let declared = Declared::parse(declared);
        let mut census = Census::default();
        for (row, value) in values.iter().enumerate() {
            let example = || Example { key: format!("id={row}"), value: None };
            census.observe(declared, *value, &example);
        }
        census
    }

    #[test]
    fn text_in_an_integer_column_is_counted_with_its_keys() {
        let seen = census("INTEGER", &[ValueRef::Integer(1), ValueRef::Text(b"abc"), ValueRef::Null]);
        assert_eq!((seen.integers, seen.texts, seen.nulls), (1, 1, 1));
        assert_eq!(seen.tally(Remark::IsText).keys, ["id=1"]);
    }

    #[test]
    fn digits_beyond_the_declared_scale_are_seen() {
        let seen = census("NUMERIC(6,2)", &[ValueRef::Real(55.858_918_128_654_98), ValueRef::Integer(8)]);
        assert_eq!(seen.count(Remark::MoreScaleThanDeclared), 1);
        assert_eq!((seen.whole_digits, seen.fraction_digits), (2, 14));
    }

    #[test]
    fn json_is_judged_as_mariadb_does() {
        assert!(is_json("{\"a\": [1, 2.50]}"));
        assert!(!is_json(""));
        assert!(!is_json("{'a': 1}"));
        assert!(!is_json("\"\\ud800\"") && is_json("\"\\ud83d\\ude00\""));
        assert!(!is_json(&format!("{}{}", "[".repeat(40), "]".repeat(40))));
        assert!(is_json(&format!("[{}]", vec!["[\"{\"]"; 40].join(","))));
    }
    proptest::proptest! {
        #[test]
        fn two_halves_make_the_whole(values in proptest::collection::vec(0..VALUES.len(), 0..40), cut in 0_usize..40) {
            for declared in ["INTEGER", "DECIMAL(5,1)", "DATETIME", "BOOLEAN", "JSON", "BLOB", "VARCHAR(3)", ""] {
                let declared = Declared::parse(declared);
                let observed = |from: usize, to: usize| {
                    let mut census = Census::default();
                    for row in from..to {
                        let example = || Example { key: format!("id={row}"), value: None };
                        census.observe(declared, VALUES[values[row]], &example);
                    }
                    census
                };
                let cut = cut.min(values.len());
                let mut halves = observed(0, cut);
                halves.append(observed(cut, values.len()));
                proptest::prop_assert_eq!(halves, observed(0, values.len()));
            }
        }
    }

    const VALUES: [ValueRef<'_>; 14] = [
        ValueRef::Null,
        ValueRef::Integer(1),
        ValueRef::Integer(-70_000_000_000_000_000),
        ValueRef::Real(-0.0),
        ValueRef::Real(12.375),
        ValueRef::Real(f64::INFINITY),
        ValueRef::Text(b"true"),
        ValueRef::Text(b"-17.25"),
        ValueRef::Text(b"2024-02-18T01:59:31.1234567+02:00"),
        ValueRef::Text(b"\xff\0"),
        ValueRef::Text("äöü \0".as_bytes()),
        ValueRef::Text(b"{\"a\": [1]}"),
        ValueRef::Blob(b"abc"),
        ValueRef::Blob(b""),
    ];
}
