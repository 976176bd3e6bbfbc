//! The MariaDB column types that a plan may hold, their SQL text and its parsing. No decision which to take: that is
//! `mapping`.

use serde::Serialize;

/// A MariaDB column type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TargetType {
    /// `BIGINT`: SQLite's integers are 64-bit whatever they are called.
    BigInt,
    /// A narrower or unsigned integer, which only an operator or an existing schema asks for.
    Int {
        /// 1, 2, 3, 4 or 8.
        bytes: u8,
        /// Whether it refuses negative numbers.
        unsigned: bool,
    },
    /// `TINYINT(1)`, which drivers read as a boolean.
    Boolean,
    /// `DOUBLE`: SQLite's reals are 8-byte; MariaDB's `FLOAT` would lose half of them.
    Double,
    /// `FLOAT`: four bytes, for values that are exact in them.
    Float,
    /// `DECIMAL(precision,scale)`.
    Decimal {
        /// Digits in all, at most 65.
        precision: u8,
        /// Digits after the point, at most 38.
        scale: u8,
    },
    /// `VARCHAR(chars)`.
    Varchar {
        /// Characters, at most 16383.
        chars: u32,
    },
    /// `CHAR(chars)`, which loses trailing spaces.
    Char {
        /// Characters, at most 255.
        chars: u32,
    },
    /// `LONGTEXT`: MariaDB's `TEXT` ends at 65,535 bytes.
    LongText,
    /// `TINYTEXT`, `TEXT` or `MEDIUMTEXT`.
    Text {
        /// 255, 65,535 or 16,777,215.
        bytes: u32,
    },
    /// `JSON`: `LONGTEXT` kept byte for byte, with a `json_valid` check.
    Json,
    /// `DATETIME(digits)`, holding UTC.
    DateTime {
        /// Digits of a second's fraction, 0 to 6.
        digits: u8,
    },
    /// `TIMESTAMP(digits)`, which ends on 2038-01-19.
    Timestamp {
        /// Digits of a second's fraction, 0 to 6.
        digits: u8,
    },
    /// `DATE`.
    Date,
    /// `TIME(digits)`.
    Time {
        /// Digits of a second's fraction, 0 to 6.
        digits: u8,
    },
    /// `BINARY(bytes)`: values of one length, such as UUIDs.
    Binary {
        /// Bytes, at most 255.
        bytes: u32,
    },
    /// `VARBINARY(bytes)`.
    VarBinary {
        /// Bytes, at most 65532.
        bytes: u32,
    },
    /// `LONGBLOB`.
    LongBlob,
    /// `TINYBLOB`, `BLOB` or `MEDIUMBLOB`.
    Blob {
        /// 255, 65,535 or 16,777,215.
        bytes: u32,
    },
}

/// Seconds with microseconds, as every date and time gets them unless asked otherwise.
const MICROSECONDS: u8 = 6;
/// Sizes of the shorter texts and blobs, with what comes before `TEXT` or `BLOB`.
const SHORTER: [(&str, u32); 3] = [("TINY", 255), ("", 65_535), ("MEDIUM", 16_777_215)];
/// Bytes of a reference to a value that InnoDB keeps outside of the row's page.
const POINTER: u32 = 20;
const INTEGERS: [(&str, u8); 6] =
    [("TINYINT", 1), ("SMALLINT", 2), ("MEDIUMINT", 3), ("INT", 4), ("INTEGER", 4), ("BIGINT", 8)];

impl TargetType {
    /// `DATETIME(6)`.
    pub(crate) const DATETIME: Self = Self::DateTime { digits: MICROSECONDS };
    /// `TIME(6)`.
    pub(crate) const TIME: Self = Self::Time { digits: MICROSECONDS };

    /// Whether it holds characters, and so has a collation.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Varchar { .. } | Self::Char { .. } | Self::LongText | Self::Text { .. } | Self::Json
        )
    }

    /// Whether it holds whole numbers, and which: the least and the greatest.
    pub(crate) fn integer_range(self) -> Option<(i64, i64)> {
        match self {
            Self::BigInt => Some((i64::MIN, i64::MAX)),
            // SQLite has no integer beyond i64, so that is where an unsigned BIGINT ends for us.
            Self::Int { bytes: 8, unsigned } => Some((if unsigned { 0 } else { i64::MIN }, i64::MAX)),
            Self::Int { bytes, unsigned: true } => Some((0, (1 << (8 * bytes)) - 1)),
            Self::Int { bytes, unsigned: false } => {
                let half = 1_i64 << (8 * bytes - 1);
                Some((-half, half - 1))
            }
            _ => None,
        }
    }

    /// Bytes it takes of an index key of at most 3072, with four bytes a character.
    pub(crate) fn key_bytes(self) -> u32 {
        match self {
            Self::BigInt | Self::Double | Self::DateTime { .. } => 8,
            Self::Int { bytes, .. } => u32::from(bytes),
            Self::Float => 4,
            Self::Timestamp { .. } => 7,
            Self::Boolean => 1,
            Self::Date => 3,
            Self::Time { .. } => 6,
            Self::Decimal { precision, .. } => u32::from(precision) / 2 + 2,
            Self::Varchar { chars } | Self::Char { chars } => chars * 4,
            Self::Binary { bytes } | Self::VarBinary { bytes } => bytes,
            Self::LongText | Self::Text { .. } | Self::Json | Self::LongBlob | Self::Blob { .. } => u32::MAX,
        }
    }

    /// Bytes it takes of a row of at most 65,535.
    pub(crate) fn row_bytes(self) -> u32 {
        match self {
            Self::LongText | Self::Text { .. } | Self::Json | Self::LongBlob | Self::Blob { .. } => 12,
            Self::Varchar { .. } | Self::VarBinary { .. } => self.key_bytes() + 2,
            other => other.key_bytes(),
        }
    }

    /// Bytes that InnoDB counts for it in a page when it makes a table: what may be kept elsewhere counts as a pointer.
    pub(crate) fn page_bytes(self) -> u32 {
        let digits = |digits: u8| u32::from(digits / 9 * 4 + (digits % 9).div_ceil(2));
        match self {
            Self::LongText | Self::Text { .. } | Self::Json | Self::LongBlob | Self::Blob { .. } => {
                POINTER + 1
            }
            Self::Varchar { .. } | Self::Char { .. } | Self::VarBinary { .. } if self.key_bytes() > 255 => {
                POINTER + 1
            }
            Self::Varchar { .. } | Self::Char { .. } | Self::VarBinary { .. } => self.key_bytes() + 1,
            Self::Decimal { precision, scale } => digits(precision - scale) + digits(scale),
            other => other.key_bytes(),
        }
    }

    /// Reads a type as an operator or `information_schema` writes it: `VARCHAR(64)`, `DECIMAL(18,4)`, `int(11) unsigned`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let (name, arguments, rest) = match text.split_once('(') {
            Some((name, rest)) => {
                let (arguments, rest) = rest.split_once(')')?;
                (name.trim(), arguments, rest.trim())
            }
            None => text.split_once(' ').map_or((text.as_str(), "", ""), |(name, rest)| (name, "", rest)),
        };
        let numbers: Vec<u32> = arguments
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| part.trim().parse().ok())
            .collect::<Option<_>>()?;
        match rest {
            "" => parse_plain(name, &numbers),
            "UNSIGNED" => INTEGERS
                .iter()
                .find(|(integer, _)| *integer == name)
                .map(|(_, bytes)| Self::Int { bytes: *bytes, unsigned: true }),
            _ => None,
        }
    }
}

fn parse_plain(name: &str, numbers: &[u32]) -> Option<TargetType> {
    let digits = |numbers: &[u32]| match numbers {
        [] => Some(0),
        [digits @ 0..=6] => u8::try_from(*digits).ok(),
        _ => None,
    };
    let shorter = |suffix: &str| {
        let prefix = name.strip_suffix(suffix)?;
        SHORTER.iter().find(|(word, _)| *word == prefix).map(|(_, bytes)| *bytes)
    };
    Some(match (name, numbers) {
        ("BOOLEAN" | "BOOL", []) | ("TINYINT", [1]) => TargetType::Boolean,
        ("BIGINT", _) => TargetType::BigInt,
        ("DOUBLE" | "DOUBLE PRECISION", []) => TargetType::Double,
        ("FLOAT", []) => TargetType::Float,
        ("DECIMAL" | "NUMERIC", [precision @ 1..=65, scale @ 0..=38]) if scale <= precision => {
            TargetType::Decimal {
                precision: u8::try_from(*precision).ok()?,
                scale: u8::try_from(*scale).ok()?,
            }
        }
        ("VARCHAR", [chars @ 1..=16_383]) => TargetType::Varchar { chars: *chars },
        ("CHAR", [chars @ 1..=255]) => TargetType::Char { chars: *chars },
        ("LONGTEXT", []) => TargetType::LongText,
        ("JSON", []) => TargetType::Json,
        ("DATETIME", numbers) => TargetType::DateTime { digits: digits(numbers)? },
        ("TIMESTAMP", numbers) => TargetType::Timestamp { digits: digits(numbers)? },
        ("TIME", numbers) => TargetType::Time { digits: digits(numbers)? },
        ("DATE", []) => TargetType::Date,
        ("BINARY", [bytes @ 1..=255]) => TargetType::Binary { bytes: *bytes },
        ("VARBINARY", [bytes @ 1..=65_000]) => TargetType::VarBinary { bytes: *bytes },
        ("LONGBLOB", []) => TargetType::LongBlob,
        _ => {
            if let Some((_, bytes)) = INTEGERS.iter().find(|(integer, _)| *integer == name) {
                return Some(TargetType::Int { bytes: *bytes, unsigned: false });
            }
            match (numbers, shorter("TEXT"), shorter("BLOB")) {
                ([], Some(bytes), _) => TargetType::Text { bytes },
                ([], _, Some(bytes)) => TargetType::Blob { bytes },
                _ => return None,
            }
        }
    })
}

fn shorter_name(bytes: u32) -> &'static str {
    SHORTER.iter().find(|(_, size)| *size == bytes).map_or("MEDIUM", |(word, _)| word)
}

fn fraction(f: &mut std::fmt::Formatter<'_>, name: &str, digits: u8) -> std::fmt::Result {
    if digits == 0 { f.write_str(name) } else { write!(f, "{name}({digits})") }
}

impl std::fmt::Display for TargetType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BigInt => f.write_str("BIGINT"),
            Self::Int { bytes, unsigned } => {
                let name = INTEGERS.iter().find(|(_, size)| size == bytes).map_or("BIGINT", |(name, _)| name);
                write!(f, "{name}{}", if *unsigned { " UNSIGNED" } else { "" })
            }
            Self::Float => f.write_str("FLOAT"),
            Self::Char { chars } => write!(f, "CHAR({chars})"),
            Self::Text { bytes } => write!(f, "{}TEXT", shorter_name(*bytes)),
            Self::Blob { bytes } => write!(f, "{}BLOB", shorter_name(*bytes)),
            Self::Boolean => f.write_str("TINYINT(1)"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Varchar { chars } => write!(f, "VARCHAR({chars})"),
            Self::LongText => f.write_str("LONGTEXT"),
            Self::Json => f.write_str("JSON"),
            Self::DateTime { digits } => fraction(f, "DATETIME", *digits),
            Self::Timestamp { digits } => fraction(f, "TIMESTAMP", *digits),
            Self::Date => f.write_str("DATE"),
            Self::Time { digits } => fraction(f, "TIME", *digits),
            Self::Binary { bytes } => write!(f, "BINARY({bytes})"),
            Self::VarBinary { bytes } => write!(f, "VARBINARY({bytes})"),
            Self::LongBlob => f.write_str("LONGBLOB"),
        }
    }
}

impl Serialize for TargetType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_as_written() {
        let types = [
            TargetType::BigInt,
            TargetType::Boolean,
            TargetType::Double,
            TargetType::Decimal { precision: 18, scale: 4 },
            TargetType::Varchar { chars: 64 },
            TargetType::LongText,
            TargetType::Json,
            TargetType::DATETIME,
            TargetType::DateTime { digits: 0 },
            TargetType::Timestamp { digits: 3 },
            TargetType::Date,
            TargetType::TIME,
            TargetType::Binary { bytes: 16 },
            TargetType::VarBinary { bytes: 99 },
            TargetType::LongBlob,
            TargetType::Blob { bytes: 65_535 },
            TargetType::Text { bytes: 255 },
            TargetType::Char { chars: 36 },
            TargetType::Float,
            TargetType::Int { bytes: 4, unsigned: false },
            TargetType::Int { bytes: 8, unsigned: true },
            TargetType::Int { bytes: 1, unsigned: true },
        ];
        for one in types {
            assert_eq!(TargetType::parse(&one.to_string()), Some(one));
        }
        assert_eq!(TargetType::parse("DECIMAL(4,9)"), None);
        assert_eq!(TargetType::parse("int(11) unsigned"), Some(TargetType::Int { bytes: 4, unsigned: true }));
        assert_eq!(TargetType::parse("bigint(20)"), Some(TargetType::BigInt));
        assert_eq!(TargetType::parse("INT ZEROFILL"), None);
        assert_eq!(TargetType::parse("POINT"), None);
        let range = |text| TargetType::parse(text).unwrap().integer_range().unwrap();
        assert_eq!(range("TINYINT"), (-128, 127));
        assert_eq!(range("INT UNSIGNED"), (0, 4_294_967_295));
        assert_eq!(range("BIGINT UNSIGNED"), (0, i64::MAX));
    }
}
