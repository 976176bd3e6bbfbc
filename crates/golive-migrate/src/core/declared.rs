//! What a declared SQLite type means. SQLite itself only derives an affinity; applications mean more by the name, and
//! sea-query writes names of its own (`datetime_text`, `real(10, 2)` for decimals, `uuid_text`).

use super::types::TargetType;

/// The meaning of a declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Integer,
    Boolean,
    Real,
    /// With precision and scale when declared.
    Decimal(Option<(u32, u32)>),
    /// With its length in characters when declared.
    Text(Option<u32>),
    Json,
    DateTime,
    Date,
    Time,
    Uuid,
    /// With its length in bytes when declared.
    Blob(Option<u32>),
    /// Nothing, or a name that says nothing: the data decides.
    Unknown,
}

impl Declared {
    /// What an overriding type means, so that the census looks for what it cannot hold.
    pub(crate) fn of_target(target: TargetType) -> Self {
        match target {
            TargetType::BigInt | TargetType::Int { .. } => Self::Integer,
            TargetType::Boolean => Self::Boolean,
            TargetType::Double | TargetType::Float => Self::Real,
            TargetType::Decimal { precision, scale } => Self::Decimal(Some((precision.into(), scale.into()))),
            TargetType::Varchar { .. }
            | TargetType::Char { .. }
            | TargetType::LongText
            | TargetType::Text { .. } => Self::Text(None),
            TargetType::Json => Self::Json,
            TargetType::DateTime { .. } | TargetType::Timestamp { .. } => Self::DateTime,
            TargetType::Date => Self::Date,
            TargetType::Time { .. } => Self::Time,
            TargetType::Binary { .. }
            | TargetType::VarBinary { .. }
            | TargetType::LongBlob
            | TargetType::Blob { .. } => Self::Blob(None),
        }
    }

    /// Reads a declared type as it stands in the schema.
    pub(crate) fn parse(declared: &str) -> Self {
        let lower = declared.trim().to_ascii_lowercase();
        let (name, arguments) = match lower.split_once('(') {
            Some((name, rest)) => (name.trim(), numbers(rest)),
            None => (lower.as_str(), Vec::new()),
        };
        // `character varying (20) collate x`: what follows the parenthesis says nothing about the type.
        match name {
            "" | "any" => return Self::Unknown,
            "bool" | "boolean" => return Self::Boolean,
            "json" | "json_text" | "jsonb_text" => return Self::Json,
            "uuid" | "uuid_text" | "guid" | "uniqueidentifier" => return Self::Uuid,
            "date" | "date_text" => return Self::Date,
            "time" | "time_text" => return Self::Time,
            "real_decimal" | "real_money" | "money" | "smallmoney" | "decimal" | "decimal_text"
            | "numeric" | "dec" | "number" => return Self::Decimal(pair(&arguments)),
            // sea-query writes a decimal with scale for SQLite as `real(10, 2)`.
            "real" | "float" | "double" | "double precision" if arguments.len() == 2 => {
                return Self::Decimal(pair(&arguments));
            }
            _ => {}
        }
        if name.starts_with("datetime") || name.starts_with("timestamp") || name == "smalldatetime" {
            Self::DateTime
        } else if name.contains("int") {
            Self::Integer
        } else if ["char", "clob", "text", "string", "enum"].iter().any(|part| name.contains(part)) {
            Self::Text(arguments.first().copied())
        } else if name.contains("blob") || name.contains("binary") || name == "bytea" {
            Self::Blob(arguments.first().copied())
        } else if ["real", "floa", "doub"].iter().any(|part| name.contains(part)) {
            Self::Real
        } else {
            Self::Unknown
        }
    }
}

fn numbers(arguments: &str) -> Vec<u32> {
    let inside = arguments.split(')').next().unwrap_or_default();
    inside.split(',').filter_map(|part| part.trim().parse().ok()).collect()
}

fn pair(arguments: &[u32]) -> Option<(u32, u32)> {
    match arguments {
        [precision] => Some((*precision, 0)),
        [precision, scale, ..] => Some((*precision, *scale)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sea_query_and_of_everybody_else() {
        let cases = [
            ("integer", Declared::Integer),
            ("BIGINT UNSIGNED", Declared::Integer),
            ("tinyint", Declared::Integer),
            ("boolean", Declared::Boolean),
            ("real(10, 2)", Declared::Decimal(Some((10, 2)))),
            ("real_decimal", Declared::Decimal(None)),
            ("real_money(19, 4)", Declared::Decimal(Some((19, 4)))),
            ("NUMERIC(6,2)", Declared::Decimal(Some((6, 2)))),
            ("float", Declared::Real),
            ("double", Declared::Real),
            ("REAL", Declared::Real),
            ("varchar(50)", Declared::Text(Some(50))),
            ("varchar", Declared::Text(None)),
            ("NVARCHAR(160)", Declared::Text(Some(160))),
            ("enum_text", Declared::Text(None)),
            ("datetime_text", Declared::DateTime),
            ("timestamp_with_timezone_text", Declared::DateTime),
            ("TIMESTAMP", Declared::DateTime),
            ("date_text", Declared::Date),
            ("time_text", Declared::Time),
            ("uuid_text", Declared::Uuid),
            ("json_text", Declared::Json),
            ("blob(16)", Declared::Blob(Some(16))),
            ("varbinary_blob(32)", Declared::Blob(Some(32))),
            ("", Declared::Unknown),
            ("POINT", Declared::Integer), // SQLite's own rule: it contains INT
        ];
        for (text, meaning) in cases {
            assert_eq!(Declared::parse(text), meaning, "{text}");
        }
    }
}
