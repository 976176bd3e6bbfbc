//! The MariaDB column types that a plan may hold, their SQL text and its parsing. No decision which to take: that is
//! `mapping`.

use serde::Serialize;

/// A MariaDB column type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TargetType {
    /// `BIGINT`: SQLite's integers are 64-bit whatever they are called.
    BigInt,
    /// `TINYINT(1)`, which drivers read as a boolean.
    Boolean,
    /// `DOUBLE`: SQLite's reals are 8-byte; MariaDB's `FLOAT` would lose half of them.
    Double,
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
    /// `LONGTEXT`: MariaDB's `TEXT` ends at 65,535 bytes.
    LongText,
    /// `JSON`: `LONGTEXT` kept byte for byte, with a `json_valid` check.
    Json,
    /// `DATETIME(6)`, holding UTC.
    DateTime,
    /// `DATE`.
    Date,
    /// `TIME(6)`.
    Time,
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
}

impl TargetType {
    /// Whether it holds characters, and so has a collation.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Varchar { .. } | Self::LongText | Self::Json)
    }

    /// Bytes it takes of an index key of at most 3072, with four bytes a character.
    pub(crate) fn key_bytes(self) -> u32 {
        match self {
            Self::BigInt | Self::Double | Self::DateTime => 8,
            Self::Boolean => 1,
            Self::Date => 3,
            Self::Time => 6,
            Self::Decimal { precision, .. } => u32::from(precision) / 2 + 2,
            Self::Varchar { chars } => chars * 4,
            Self::Binary { bytes } | Self::VarBinary { bytes } => bytes,
            Self::LongText | Self::Json | Self::LongBlob => u32::MAX,
        }
    }

    /// Bytes it takes of a row of at most 65,535.
    pub(crate) fn row_bytes(self) -> u32 {
        match self {
            Self::LongText | Self::Json | Self::LongBlob => 12,
            Self::Varchar { .. } | Self::VarBinary { .. } => self.key_bytes() + 2,
            other => other.key_bytes(),
        }
    }

    /// Reads a type as an operator overrides it: `VARCHAR(64)`, `DECIMAL(18,4)`, `LONGTEXT`...
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix(')')?),
            None => (text.as_str(), ""),
        };
        let numbers: Vec<u32> = arguments
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| part.trim().parse().ok())
            .collect::<Option<_>>()?;
        let parsed = match (name, numbers.as_slice()) {
            ("BIGINT" | "INT" | "INTEGER", _) => Self::BigInt,
            ("BOOLEAN" | "BOOL", []) | ("TINYINT", [1]) => Self::Boolean,
            ("DOUBLE", []) => Self::Double,
            ("DECIMAL" | "NUMERIC", [precision @ 1..=65, scale @ 0..=38]) if scale <= precision => {
                Self::Decimal { precision: u8::try_from(*precision).ok()?, scale: u8::try_from(*scale).ok()? }
            }
            ("VARCHAR", [chars @ 1..=16_383]) => Self::Varchar { chars: *chars },
            ("LONGTEXT" | "TEXT", []) => Self::LongText,
            ("JSON", []) => Self::Json,
            ("DATETIME", [6]) => Self::DateTime,
            ("DATE", []) => Self::Date,
            ("TIME", [6]) => Self::Time,
            ("BINARY", [bytes @ 1..=255]) => Self::Binary { bytes: *bytes },
            ("VARBINARY", [bytes @ 1..=65_000]) => Self::VarBinary { bytes: *bytes },
            ("LONGBLOB" | "BLOB", []) => Self::LongBlob,
            _ => return None,
        };
        Some(parsed)
    }
}

impl std::fmt::Display for TargetType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BigInt => f.write_str("BIGINT"),
            Self::Boolean => f.write_str("TINYINT(1)"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Varchar { chars } => write!(f, "VARCHAR({chars})"),
            Self::LongText => f.write_str("LONGTEXT"),
            Self::Json => f.write_str("JSON"),
            Self::DateTime => f.write_str("DATETIME(6)"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME(6)"),
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
            TargetType::DateTime,
            TargetType::Date,
            TargetType::Time,
            TargetType::Binary { bytes: 16 },
            TargetType::VarBinary { bytes: 99 },
            TargetType::LongBlob,
        ];
        for one in types {
            assert_eq!(TargetType::parse(&one.to_string()), Some(one));
        }
        assert_eq!(TargetType::parse("DECIMAL(4,9)"), None);
        assert_eq!(TargetType::parse("FLOAT"), None);
    }
}
