//! The content digest of a table, computed inside the server.
//!
//! Each row becomes one canonical byte string: per column, in order, `N` for NULL or `<length>:<value>`, so that no
//! two different rows share a string ("ab","c" and "a","bc", NULL and "NULL" differ). The MD5 of that string is cut
//! in two 64-bit numbers, and each half is *summed* over the rows, exactly, in decimal. The sums do not depend on row
//! order; a value moved to another row, a shift of a whole column, a doubled row all change them (an XOR of checksums
//! would let two equal rows cancel out). This guards against accidents, not against somebody who forges collisions.
//!
//! Values are taken so that one value has one text: strings as their stored bytes, floating point as the double with
//! all its digits, times in UTC (the session is pinned by [`crate::server`]). Long values enter by their own MD5, for
//! a concatenation above `max_allowed_packet` would be NULL; rows that still have no digest are an error.

use crate::identifier::quote;

/// Names the method in the manifest.
pub(crate) const METHOD: &str = "md5-halves-sum-1";

/// Strings longer than this enter by their own digest.
const INLINE_OCTETS: u64 = 1024;

/// A column as `information_schema.COLUMNS` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) data_type: String,
    pub(crate) octets: Option<u64>,
}

/// How single-precision columns enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floats {
    /// With every digit that is stored.
    Exact,
    /// With the six digits that the server prints, and so any dump carries.
    AsDumped,
}

/// The statement that yields rows, rows with a digest, and the two sums as text.
pub(crate) fn statement(database: &str, table: &str, columns: &[Column], floats: Floats) -> String {
    statement_over(&format!("{}.{}", quote(database), quote(table)), columns, floats)
}

/// The same over other rows: `from` is a table, or a query in parentheses with a name.
pub(crate) fn statement_over(from: &str, columns: &[Column], floats: Floats) -> String {
    let row = columns.iter().map(|column| canonical(column, floats)).collect::<Vec<_>>().join(", ");
    let half =
        |cut: &str| format!("CAST(COALESCE(SUM(CAST(CONV({cut}(h, 16), 16, 10) AS UNSIGNED)), 0) AS CHAR)");
    format!(
        "SELECT COUNT(*), COUNT(h), {}, {} FROM (SELECT MD5(CONCAT('', {row})) AS h FROM {from}) AS d",
        half("LEFT"),
        half("RIGHT"),
    )
}

/// The canonical text of one column.
fn canonical(column: &Column, floats: Floats) -> String {
    let name = quote(&column.name);
    let value = match column.data_type.to_ascii_lowercase().as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" | "date" | "time"
        | "datetime" | "timestamp" | "uuid" | "inet4" | "inet6" => format!("CAST({name} AS CHAR)"),
        "float" if floats == Floats::AsDumped => format!("CAST({name} AS CHAR)"),
        // A FLOAT prints six digits; the double of the same value prints all of them.
        "float" | "double" => format!("CAST({name} + 0e0 AS CHAR)"),
        "char" | "varchar" | "binary" | "varbinary" | "enum" | "set"
            if column.octets.is_none_or(|octets| octets <= INLINE_OCTETS) =>
        {
            format!("CAST({name} AS BINARY)")
        }
        "char" | "varchar" | "binary" | "varbinary" | "enum" | "set" | "tinytext" | "text" | "mediumtext"
        | "longtext" | "json" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            return format!("COALESCE(CONCAT(LENGTH({name}), ':', MD5({name})), 'N')");
        }
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" => {
            format!("CONCAT(ST_SRID({name}), '/', MD5(ST_AsWKB({name})))")
        }
        // BIT, and types of later servers.
        _ => format!("HEX({name})"),
    };
    format!("COALESCE(CONCAT(LENGTH({value}), ':', {value}), 'N')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_length_are_part_of_the_row() {
        let columns = [
            Column { name: "a`b".into(), data_type: "varchar".into(), octets: Some(40) },
            Column { name: "x".into(), data_type: "float".into(), octets: None },
            Column { name: "t".into(), data_type: "LONGTEXT".into(), octets: Some(4_294_967_295) },
        ];
        insta::assert_snapshot!(statement("kpi", "order", &columns, Floats::Exact));
    }
}
