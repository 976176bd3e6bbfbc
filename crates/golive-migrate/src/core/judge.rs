//! Says what of a column's data does not go into the type that was chosen for it, or changes on the way. Pure; the choice
//! itself is `mapping`'s.

use super::census::{Census, Remark};
use super::mapping::{DRIVER_PRECISION, MOST_PRECISION, MOST_SCALE, OVERRIDE, Proposal};
use super::types::TargetType;
use crate::finding::{Finding, Severity};

/// Says what of the data does not go into the type, or changes on the way.
pub(super) fn judge(census: &Census, proposal: &mut Proposal) {
    let target = proposal.target;
    if census.converted > 0 {
        let what = format!("values are converted on the way into {target}, as a policy says");
        let finding = Finding::new("MIG-CONVERTED", Severity::ChangesData, what, "nothing, this was decided");
        proposal.findings.push(finding.tally(census.tally(Remark::Converted)));
    }
    let mut say = |remark: Remark, id, severity, what: String, remedy: &str| {
        let count = census.count(remark);
        if count > 0 {
            proposal.findings.push(Finding::new(id, severity, what, remedy).tally(census.tally(remark)));
        }
    };
    match target {
        TargetType::BigInt
        | TargetType::Int { .. }
        | TargetType::Boolean
        | TargetType::Double
        | TargetType::Float => judge_number(target, &mut say),
        TargetType::Decimal { .. } => judge_decimal(census, target, &mut say),
        TargetType::DateTime { .. } | TargetType::Timestamp { .. } | TargetType::Date => {
            judge_datetime(target, &mut say);
        }
        TargetType::Time { .. } => judge_time(target, &mut say),
        TargetType::Varchar { .. }
        | TargetType::Char { .. }
        | TargetType::LongText
        | TargetType::Text { .. }
        | TargetType::Json => judge_text(target, &mut say),
        TargetType::Binary { .. }
        | TargetType::VarBinary { .. }
        | TargetType::LongBlob
        | TargetType::Blob { .. } => {
            let fixed = matches!(target, TargetType::Binary { .. });
            let severity = if fixed { Severity::Blocks } else { Severity::ChangesData };
            let what = "text among blobs; its bytes are kept, its storage class is not".to_owned();
            say(Remark::IsText, "MIG-BLOB-TEXT", severity, what, OVERRIDE);
            mixed(&[Remark::IsInteger, Remark::IsReal], target, &mut say);
        }
    }
    if target.is_text() && census.nulls > 0 && census.count(Remark::EmptyText) > 0 {
        let what = "empty texts beside NULL; both are kept apart, as in SQLite";
        let finding = Finding::new("MIG-TEXT-EMPTY", Severity::Note, what, "nothing");
        proposal.findings.push(finding.tally(census.tally(Remark::EmptyText)));
    }
    judge_lengths(census, proposal);
}

type Say<'a> = &'a mut dyn FnMut(Remark, &'static str, Severity, String, &str);

/// Storage classes that the type cannot take.
fn mixed(classes: &[Remark], target: TargetType, say: Say<'_>) {
    for class in classes {
        let what = match class {
            Remark::IsText => "text",
            Remark::IsBlob => "blobs",
            Remark::IsReal => "fractions",
            _ => "integers",
        };
        let what = format!("{what} in a column that becomes {target}");
        say(*class, "MIG-TYPE-MIXED", Severity::Blocks, what, OVERRIDE);
    }
}

fn judge_number(target: TargetType, say: Say<'_>) {
    use Severity::{Blocks, ChangesData};
    match target {
        TargetType::Boolean => {
            let words = "words for true and false become 1 and 0".to_owned();
            say(Remark::NotBoolean, "MIG-BOOL-VALUE", Blocks, "neither true nor false".to_owned(), OVERRIDE);
            say(
                Remark::BooleanWord,
                "MIG-BOOL-WORD",
                ChangesData,
                words,
                "nothing, unless something reads the words",
            );
            mixed(&[Remark::IsReal, Remark::IsBlob], target, say);
        }
        TargetType::BigInt | TargetType::Int { .. } => {
            mixed(&[Remark::IsText, Remark::IsBlob, Remark::IsReal], target, say);
        }
        _ => {
            let infinite = "infinite, which MariaDB cannot hold".to_owned();
            let inexact = "integers beyond 2^53 would lose digits in a DOUBLE".to_owned();
            let zero = "negative zero becomes zero".to_owned();
            mixed(&[Remark::IsText, Remark::IsBlob], target, say);
            say(
                Remark::NotFinite,
                "MIG-REAL-INFINITE",
                Blocks,
                infinite,
                "replace them by NULL or a bound in the source",
            );
            say(
                Remark::InexactInteger,
                "MIG-REAL-INTEGER",
                Blocks,
                inexact,
                // The survey, which can look at the fractions beside them, says which type holds both.
                "override the column's type with a DECIMAL",
            );
            say(
                Remark::NegativeZero,
                "MIG-REAL-ZERO",
                ChangesData,
                zero,
                "nothing, unless its sign means something",
            );
        }
    }
}

fn judge_time(target: TargetType, say: Say<'_>) {
    let what = "not a time of day HH:MM:SS".to_owned();
    say(Remark::NotTime, "MIG-TIME-FORMAT", Severity::Blocks, what, OVERRIDE);
    let what = "digits beyond the microsecond are cut".to_owned();
    say(
        Remark::FractionCut,
        "MIG-DATETIME-FRACTION",
        Severity::ChangesData,
        what,
        "nothing, unless nanoseconds matter",
    );
    mixed(&[Remark::IsInteger, Remark::IsReal, Remark::IsBlob], target, say);
}

fn judge_decimal(census: &Census, target: TargetType, say: Say<'_>) {
    let nothing = "nothing, the column is widened so that no digit is lost";
    let wide = census.whole_digits + census.fraction_digits;
    let fits = census.fraction_digits <= MOST_SCALE && wide <= MOST_PRECISION;
    say(
        Remark::NotDecimal,
        "MIG-DECIMAL-VALUE",
        Severity::Blocks,
        "not a decimal number".to_owned(),
        OVERRIDE,
    );
    say(Remark::IsBlob, "MIG-TYPE-MIXED", Severity::Blocks, "blobs in a decimal column".to_owned(), OVERRIDE);
    let (severity, what, remedy) = if !fits {
        (
            Severity::Blocks,
            format!(
                "{} digits before and {} after the point, more than DECIMAL can hold",
                census.whole_digits, census.fraction_digits
            ),
            "round them in the source, or override the column's type with DOUBLE",
        )
    } else if wide > DRIVER_PRECISION {
        (
            Severity::ChangesData,
            format!(
                "more digits than declared; the column becomes {target}, of which rust_decimal reads 28 digits"
            ),
            nothing,
        )
    } else {
        (Severity::Note, format!("more digits than declared; the column becomes {target}"), nothing)
    };
    say(Remark::MoreScaleThanDeclared, "MIG-DECIMAL-SCALE", severity, what, remedy);
}

fn judge_datetime(target: TargetType, say: Say<'_>) {
    use Severity::{Blocks, ChangesData};
    say(
        Remark::NotDateTime,
        "MIG-DATETIME-FORMAT",
        Blocks,
        "not a date or datetime that can be read without guessing".to_owned(),
        OVERRIDE,
    );
    mixed(&[Remark::IsInteger, Remark::IsReal, Remark::IsBlob], target, say);
    say(
        Remark::OffsetShifted,
        "MIG-DATETIME-OFFSET",
        ChangesData,
        "an offset other than UTC; the instant is kept in UTC, the offset is not".to_owned(),
        "nothing, unless the local offset itself matters",
    );
    say(
        Remark::FractionCut,
        "MIG-DATETIME-FRACTION",
        ChangesData,
        "digits beyond the microsecond are cut".to_owned(),
        "nothing, unless nanoseconds matter",
    );
    if matches!(target, TargetType::Timestamp { .. }) {
        say(
            Remark::OutsideTimestamp,
            "MIG-TIMESTAMP-RANGE",
            Blocks,
            "outside of 1970-01-01 to 2038-01-19, which is all that a TIMESTAMP holds".to_owned(),
            "override the column's type with DATETIME(6)",
        );
    }
    if target == TargetType::Date {
        // Only reachable by an override: by itself such a column becomes DATETIME(6).
        say(
            Remark::TimeInDate,
            "MIG-DATE-TIME",
            Blocks,
            "a time of day in a DATE column".to_owned(),
            "leave the type to the survey, it takes DATETIME(6)",
        );
    }
}

fn judge_text(target: TargetType, say: Say<'_>) {
    use Severity::{Blocks, ChangesData, Note};
    say(
        Remark::InvalidUtf8,
        "MIG-TEXT-UTF8",
        Blocks,
        "bytes that are no UTF-8".to_owned(),
        "mend the rows, or override the column's type with LONGBLOB",
    );
    say(
        Remark::NulCharacter,
        "MIG-TEXT-NUL",
        Note,
        "text with a NUL character, which is kept".to_owned(),
        "check that the application copes with it",
    );
    say(
        Remark::IsBlob,
        "MIG-TYPE-MIXED",
        Blocks,
        format!("blobs in a column that becomes {target}"),
        "mend the rows, or override the column's type with LONGBLOB",
    );
    say(
        Remark::IsInteger,
        "MIG-TEXT-NUMBER",
        ChangesData,
        "integers become their decimal text".to_owned(),
        "nothing, unless something tells 5 from '5'",
    );
    say(
        Remark::IsReal,
        "MIG-TEXT-NUMBER",
        ChangesData,
        "reals become their shortest decimal text".to_owned(),
        "nothing, unless something tells 5.5 from '5.5'",
    );
    say(
        Remark::LongerThanDeclared,
        "MIG-TEXT-LENGTH",
        Note,
        format!("longer than declared; the column becomes {target}"),
        "nothing, the column is widened",
    );
    if matches!(target, TargetType::Char { .. }) {
        let what = "text that ends in a space, which a CHAR loses".to_owned();
        say(Remark::TrailingSpace, "MIG-CHAR-SPACE", Blocks, what, "override the column's type with VARCHAR");
    }
    if target == TargetType::Json {
        say(Remark::NotJson, "MIG-JSON-INVALID", Blocks, "not valid JSON to MariaDB".to_owned(), OVERRIDE);
    }
}

/// Overrides may be too narrow, and so may an existing column.
fn judge_lengths(census: &Census, proposal: &mut Proposal) {
    let mut block = |id, what: String, remedy: &str| {
        proposal.findings.push(Finding::new(id, Severity::Blocks, what, remedy));
    };
    let target = proposal.target;
    let (longest, limit) = match target {
        TargetType::Varchar { chars } | TargetType::Char { chars } => (census.max_chars, u64::from(chars)),
        TargetType::VarBinary { bytes } | TargetType::Text { bytes } | TargetType::Blob { bytes } => {
            (census.max_bytes, u64::from(bytes))
        }
        TargetType::Binary { bytes } if census.blobs > 0 && census.min_blob_bytes != u64::from(bytes) => {
            (u64::MAX, u64::from(bytes))
        }
        TargetType::Binary { bytes } => (census.max_bytes, u64::from(bytes)),
        TargetType::DateTime { digits } | TargetType::Timestamp { digits } | TargetType::Time { digits } => {
            (census.second_digits.into(), digits.into())
        }
        TargetType::Decimal { precision, scale } => {
            let fits = census.fraction_digits <= u32::from(scale)
                && census.whole_digits <= u32::from(precision) - u32::from(scale);
            (u64::from(!fits), 0)
        }
        TargetType::Float => (census.wider_than_float, 0),
        TargetType::BigInt | TargetType::Int { .. } => {
            let (least, most) = target.integer_range().unwrap_or((i64::MIN, i64::MAX));
            if census.integer_range.is_some_and(|(low, high)| low < least || high > most) {
                let what = format!("some integers are outside of what {target} holds, {least} to {most}");
                block("MIG-INT-RANGE", what, "override the column's type with BIGINT");
            }
            return;
        }
        _ => return,
    };
    if longest > limit {
        let what = format!("some values do not fit {target}");
        block("MIG-TYPE-NARROW", what, "override the column's type with a wider one");
    }
}
