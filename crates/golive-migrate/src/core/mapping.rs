//! Decides a column's MariaDB type from what was declared and what is there, and says what is wrong or will change. No
//! value is ever guessed: where declaration and data cannot be reconciled without loss, the finding blocks.

use super::census::{Census, Remark};
use super::declared::Declared;
use super::judge;
use super::types::TargetType;
use crate::finding::{Finding, Severity};

/// MariaDB's own limits of `DECIMAL`.
pub(super) const MOST_PRECISION: u32 = 65;
pub(super) const MOST_SCALE: u32 = 38;
/// What `rust_decimal`, and so sqlx and sea-orm, can read.
pub(super) const DRIVER_PRECISION: u32 = 28;
/// Room left in a decimal that was declared without precision: `DECIMAL(19,6)` at the least.
const BARE_DECIMAL: (u32, u32) = (19, 6);
/// The longest `VARCHAR` we make outside of keys; longer text is `LONGTEXT`.
const MOST_VARCHAR: u64 = 4000;

/// How a column is used by keys.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// In any key: primary, unique, index, foreign.
    pub(crate) indexed: bool,
}

/// The proposal for one column.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) target: TargetType,
    pub(crate) findings: Vec<Finding>,
}

pub(super) const OVERRIDE: &str =
    "mend the rows, or override the column's type (LONGTEXT keeps what is there as text)";

/// Proposes a type. `place` is only used to word findings.
pub(crate) fn propose(
    declared: Declared,
    declared_name: &str,
    census: &Census,
    usage: Usage,
    chosen: Option<TargetType>,
) -> Proposal {
    let mut proposal = Proposal { target: TargetType::LongText, findings: Vec::new() };
    proposal.target = match chosen {
        Some(target) => target,
        None => by_data(declared, declared_name, census, usage, &mut proposal.findings),
    };
    if chosen.is_none() && declared == Declared::Date && census.count(Remark::TimeInDate) > 0 {
        proposal.findings.push(times_in_date(declared_name, census));
    }
    judge::judge(census, &mut proposal);
    proposal
}

fn times_in_date(name: &str, census: &Census) -> Finding {
    let target = TargetType::DATETIME;
    let what = format!("declared `{name}`, some values have a time of day; becomes {target}");
    let remedy =
        "nothing, unless the application expects a date alone: every value of the column reads as a datetime";
    Finding::new("MIG-TYPE-DIFFERS", Severity::Note, what, remedy).tally(census.tally(Remark::TimeInDate))
}

/// The storage classes that occur decide which branch is taken.
fn by_data(
    declared: Declared,
    name: &str,
    census: &Census,
    usage: Usage,
    findings: &mut Vec<Finding>,
) -> TargetType {
    let (integers, reals, texts, blobs) = (census.integers, census.reals, census.texts, census.blobs);
    let numbers = integers + reals;
    let natural = natural(declared, census, usage);
    if census.values() == 0 {
        return natural;
    }
    let class_of = |finding: &mut Vec<Finding>, what: &str, target: TargetType| {
        finding.push(Finding::new(
            "MIG-TYPE-DIFFERS",
            Severity::Note,
            format!("declared `{name}`, every value is {what}; becomes {target}"),
            "nothing, unless the application relies on the declared type",
        ));
        target
    };
    match declared {
        Declared::Unknown if numbers == 0 && texts == 0 => blob_type(None, census, usage),
        Declared::Unknown if texts + blobs == 0 => number_type(census),
        Declared::Unknown if blobs + numbers == 0 => text_type(None, census, usage),
        Declared::Integer if texts + blobs == 0 && reals > 0 => {
            class_of(findings, "a number, some with fractions", TargetType::Double)
        }
        Declared::Boolean if texts + blobs + reals == 0 && census.count(Remark::NotBoolean) > 0 => {
            class_of(findings, "an integer, some neither 0 nor 1", TargetType::BigInt)
        }
        Declared::Integer | Declared::Real | Declared::Decimal(_)
            if numbers == 0 && blobs == 0 && !numeric_texts(declared, census) =>
        {
            class_of(findings, "text", text_type(None, census, usage))
        }
        Declared::Boolean if numbers == 0 && blobs == 0 && census.count(Remark::NotBoolean) == texts => {
            class_of(findings, "text", text_type(None, census, usage))
        }
        Declared::DateTime | Declared::Date | Declared::Time if texts + blobs == 0 => {
            let target = number_type(census);
            findings.push(Finding::new(
                "MIG-DATETIME-NUMBER",
                Severity::ChangesData,
                format!("declared `{name}`, every value is a number (a time stamp?); kept as it is, as {target}"),
                "nothing, or say what it counts by a policy: convert:epoch-seconds, epoch-millis, epoch-micros or julian-day",
            ));
            target
        }
        Declared::Text(_)
        | Declared::Json
        | Declared::Uuid
        | Declared::DateTime
        | Declared::Date
        | Declared::Time
            if texts + numbers == 0 && declared != Declared::Uuid =>
        {
            class_of(findings, "a blob", blob_type(None, census, usage))
        }
        Declared::Blob(limit) if numbers + blobs == 0 => {
            class_of(findings, "text", text_type(limit, census, usage))
        }
        Declared::Json if census.count(Remark::NotJson) > 0 && blobs == 0 => {
            findings.push(
                Finding::new(
                    "MIG-JSON-INVALID",
                    Severity::ChangesData,
                    "not valid JSON to MariaDB; the column becomes LONGTEXT, without its JSON check",
                    "mend the documents if the application expects JSON in MariaDB too",
                )
                .tally(census.tally(Remark::NotJson)),
            );
            text_type(None, census, usage)
        }
        _ => natural,
    }
}

fn numeric_texts(declared: Declared, census: &Census) -> bool {
    matches!(declared, Declared::Decimal(_)) && census.count(Remark::NotDecimal) == 0
}

/// The type that the declaration means, wide enough for the data.
fn natural(declared: Declared, census: &Census, usage: Usage) -> TargetType {
    match declared {
        Declared::Integer => TargetType::BigInt,
        Declared::Boolean => TargetType::Boolean,
        Declared::Real => TargetType::Double,
        Declared::Decimal(pair) => decimal_type(pair, census),
        Declared::Text(limit) => text_type(limit, census, usage),
        Declared::Json => TargetType::Json,
        Declared::DateTime => TargetType::DATETIME,
        Declared::Date if census.count(Remark::TimeInDate) > 0 => TargetType::DATETIME,
        Declared::Date => TargetType::Date,
        Declared::Time => TargetType::TIME,
        Declared::Uuid if census.texts > 0 => text_type(Some(36), census, usage),
        Declared::Uuid if census.blobs == 0 || census.max_bytes == 16 => TargetType::Binary { bytes: 16 },
        Declared::Uuid => blob_type(None, census, usage),
        Declared::Blob(limit) => blob_type(limit, census, usage),
        Declared::Unknown => text_type(None, census, usage),
    }
}

fn number_type(census: &Census) -> TargetType {
    if census.reals == 0 { TargetType::BigInt } else { TargetType::Double }
}

fn decimal_type(pair: Option<(u32, u32)>, census: &Census) -> TargetType {
    let (precision, scale) = pair.unwrap_or(BARE_DECIMAL);
    let scale = scale.max(census.fraction_digits).min(MOST_SCALE);
    let whole =
        precision.saturating_sub(pair.map_or(BARE_DECIMAL.1, |(_, scale)| scale)).max(census.whole_digits);
    let precision = (whole + scale).clamp(1, MOST_PRECISION);
    TargetType::Decimal { precision: narrow(precision), scale: narrow(scale) }
}

/// The `DECIMAL` that holds every number seen exactly, where there is one.
pub(crate) fn exact_decimal(census: &Census) -> Option<TargetType> {
    let (whole, scale) = (census.whole_digits.max(1), census.fraction_digits);
    let fits =
        census.count(Remark::NotDecimal) == 0 && scale <= MOST_SCALE && whole + scale <= MOST_PRECISION;
    fits.then(|| TargetType::Decimal { precision: narrow(whole + scale), scale: narrow(scale) })
}

/// The text of a column in a key, wide enough for what is there; what is too long for a key is found when keys are laid out.
pub(crate) fn key_text(census: &Census) -> TargetType {
    text_type(None, census, Usage { indexed: true })
}

fn narrow(number: u32) -> u8 {
    u8::try_from(number).expect("both are at most 65")
}

fn text_type(limit: Option<u32>, census: &Census, usage: Usage) -> TargetType {
    let longest = census.max_chars.max(u64::from(limit.unwrap_or(0)));
    if usage.indexed {
        // A key needs a bounded type; what is too long for one is found when keys are laid out.
        let chars = longest.max(if limit.is_some() { 1 } else { 255 });
        return if chars <= 16_000 {
            TargetType::Varchar { chars: chars as u32 }
        } else {
            TargetType::LongText
        };
    }
    match limit {
        Some(_) if longest <= MOST_VARCHAR => TargetType::Varchar { chars: (longest as u32).max(1) },
        _ => TargetType::LongText,
    }
}

fn blob_type(limit: Option<u32>, census: &Census, usage: Usage) -> TargetType {
    let longest = census.max_bytes.max(u64::from(limit.unwrap_or(0)));
    if census.blobs > 0
        && census.texts == 0
        && usage.indexed
        && census.max_bytes == 16
        && census.min_blob_bytes == 16
    {
        return TargetType::Binary { bytes: 16 };
    }
    match limit {
        Some(_) if longest <= MOST_VARCHAR => TargetType::VarBinary { bytes: (longest as u32).max(1) },
        _ if usage.indexed && longest <= 3072 => TargetType::VarBinary { bytes: (longest as u32).max(255) },
        _ => TargetType::LongBlob,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::census::Example;
    use rusqlite::types::ValueRef;

    fn of(declared: &str, values: &[ValueRef<'_>]) -> (String, Vec<&'static str>) {
        let meaning = Declared::parse(declared);
        let mut census = Census::default();
        for value in values {
            census.observe(meaning, *value, &|| Example { key: "id=1".to_owned(), value: None });
        }
        let proposal = propose(meaning, declared, &census, Usage::default(), None);
        let blocking =
            proposal.findings.iter().filter(|f| f.severity == Severity::Blocks).map(|f| f.id).collect();
        (proposal.target.to_string(), blocking)
    }

    #[test]
    fn declaration_and_data_decide() {
        use ValueRef::{Blob, Integer, Real, Text};
        let none: Vec<&str> = Vec::new();
        assert_eq!(of("INTEGER", &[Integer(1 << 40)]), ("BIGINT".into(), none.clone()));
        assert_eq!(of("INTEGER", &[Integer(1), Text(b"x")]), ("BIGINT".into(), vec!["MIG-TYPE-MIXED"]));
        assert_eq!(of("INTEGER", &[Text(b"x")]), ("LONGTEXT".into(), none.clone()));
        assert_eq!(of("NUMERIC(6,2)", &[Real(55.858_918)]), ("DECIMAL(10,6)".into(), none.clone()));
        assert_eq!(of("NUMERIC(6,2)", &[Text(b"abc"), Integer(1)]).1, ["MIG-DECIMAL-VALUE"]);
        assert_eq!(of("real(12, 4)", &[]), ("DECIMAL(12,4)".into(), none.clone()));
        assert_eq!(of("FLOAT", &[Real(0.1)]), ("DOUBLE".into(), none.clone()));
        assert_eq!(of("REAL", &[Real(f64::INFINITY)]).1, ["MIG-REAL-INFINITE"]);
        assert_eq!(of("boolean", &[Integer(0), Text(b"yes")]), ("TINYINT(1)".into(), none.clone()));
        assert_eq!(of("boolean", &[Integer(2)]), ("BIGINT".into(), none.clone()));
        assert_eq!(of("boolean", &[Integer(1), Text(b"maybe")]).1, ["MIG-BOOL-VALUE"]);
        assert_eq!(of("DATETIME", &[Text(b"2024-01-01T10:00:00Z")]), ("DATETIME(6)".into(), none.clone()));
        assert_eq!(of("DATETIME", &[Integer(1_700_000_000)]), ("BIGINT".into(), none.clone()));
        assert_eq!(of("DATETIME", &[Text(b"")]).1, ["MIG-DATETIME-FORMAT"]);
        assert_eq!(of("date_text", &[Text(b"2024-01-01 10:00")]), ("DATETIME(6)".into(), none.clone()));
        assert_eq!(of("uuid_text", &[Blob(&[7; 16])]), ("BINARY(16)".into(), none.clone()));
        assert_eq!(of("json_text", &[Text(b"{")]), ("LONGTEXT".into(), none.clone()));
        assert_eq!(of("varchar(3)", &[Text(b"abcdef")]), ("VARCHAR(6)".into(), none.clone()));
        assert_eq!(of("TEXT", &[Text(b"\xff")]).1, ["MIG-TEXT-UTF8"]);
        assert_eq!(of("", &[Integer(1), Real(1.5)]), ("DOUBLE".into(), none));
    }
}
