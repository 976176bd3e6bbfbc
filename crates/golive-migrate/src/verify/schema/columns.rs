//! Columns: type, NULL, default, computed or not, character set, and the numbering of new rows.

use super::{Sides, defaults};
use crate::core::declared::Declared;
use crate::survey::{CatalogColumn, CatalogTable};
use crate::verify::canonical::Kind;
use crate::verify::layout::TargetColumn;
use crate::verify::report::{Difference, SchemaDifference};

pub(super) fn compare(
    sides: Sides<'_>,
    table: &CatalogTable,
    there: &[TargetColumn],
    found: &mut Vec<SchemaDifference>,
) {
    for column in &table.columns {
        // That a column is missing is told where columns are laid beside each other.
        if let Some(present) = there.iter().find(|one| one.name.eq_ignore_ascii_case(&column.name)) {
            kind(sides, table, column, present, found);
            null(sides, table, column, present, found);
            generated(table, column, present, found);
            defaults::compare(table, column, present, found);
            numbering(sides, table, column, present, found);
        }
    }
}

fn kind(
    sides: Sides<'_>,
    table: &CatalogTable,
    column: &CatalogColumn,
    present: &TargetColumn,
    found: &mut Vec<SchemaDifference>,
) {
    let charset = present.charset.as_deref();
    if charset.is_some_and(|charset| charset != "utf8mb4") {
        let what = format!("the character set of `{}` is not utf8mb4", column.name);
        found.push(SchemaDifference::new(&table.name, Difference::Collation, what));
    }
    let planned = sides.options.intentions.types.get(&format!("{}.{}", table.name, column.name));
    match planned {
        Some(planned) if plain(planned) != plain(&present.column_type) => {
            let what =
                format!("column `{}` is {}, not {planned}", column.name, present.column_type.to_uppercase());
            found.push(SchemaDifference::new(&table.name, Difference::Type, what));
        }
        None if !fits(Declared::parse(&column.declared), present.kind) => {
            let what = format!(
                "column `{}` is declared `{}` and became {}",
                column.name,
                column.declared,
                present.column_type.to_uppercase()
            );
            let difference = SchemaDifference::new(&table.name, Difference::Type, what);
            found.push(difference.declared(&["MIG-TYPE-DIFFERS"], Some(&column.name)));
        }
        _ => {}
    }
}

/// Without the width that the server shows of integers; `JSON` is stored as `LONGTEXT`.
fn plain(column_type: &str) -> String {
    let lower = column_type.to_ascii_lowercase();
    match lower.as_str() {
        "json" => return "longtext".to_owned(),
        text if text.starts_with("tinyint(1)") => return "tinyint(1)".to_owned(),
        _ => {}
    }
    match lower.split_once('(') {
        Some((name, rest)) if name.ends_with("int") => {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            format!("{name}{after}")
        }
        _ => lower,
    }
}

/// Whether a column so declared may become one of this kind, whatever its data.
fn fits(declared: Declared, kind: Kind) -> bool {
    match declared {
        Declared::Integer | Declared::Boolean => matches!(kind, Kind::Integer | Kind::Boolean),
        Declared::Real => matches!(kind, Kind::Real | Kind::Decimal),
        Declared::Decimal(_) => kind == Kind::Decimal,
        Declared::Text(_) | Declared::Json => kind == Kind::Text,
        Declared::DateTime => kind == Kind::DateTime,
        Declared::Date => matches!(kind, Kind::Date | Kind::DateTime),
        Declared::Time => kind == Kind::Time,
        Declared::Uuid => matches!(kind, Kind::Text | Kind::Bytes),
        Declared::Blob(_) => kind == Kind::Bytes,
        _ => true,
    }
}

fn null(
    sides: Sides<'_>,
    table: &CatalogTable,
    column: &CatalogColumn,
    present: &TargetColumn,
    found: &mut Vec<SchemaDifference>,
) {
    let keyed = table.primary_key.contains(&column.name);
    if column.generated || present.generated {
        return;
    }
    let what = match (column.not_null || keyed, present.nullable) {
        // That the key is gone is told once, and with it goes what it alone refused.
        (true, true) if !column.not_null && !sides.target.primary_keys.contains_key(&table.name) => return,
        (true, true) => format!("column `{}` takes NULL", column.name),
        (false, false) => format!("column `{}` refuses NULL", column.name),
        _ => return,
    };
    found.push(SchemaDifference::new(&table.name, Difference::Nullability, what));
}

fn generated(
    table: &CatalogTable,
    column: &CatalogColumn,
    present: &TargetColumn,
    found: &mut Vec<SchemaDifference>,
) {
    let what = match (column.generated, present.generated) {
        (true, false) => format!("column `{}` is no longer computed", column.name),
        (false, true) => format!("column `{}` is computed", column.name),
        _ => return,
    };
    let difference = SchemaDifference::new(&table.name, Difference::Generated, what);
    found.push(difference.declared(&["MIG-GENERATED"], Some(&column.name)));
}

fn numbering(
    sides: Sides<'_>,
    table: &CatalogTable,
    column: &CatalogColumn,
    present: &TargetColumn,
    found: &mut Vec<SchemaDifference>,
) {
    let numbers = table.rowid_alias.as_ref() == Some(&column.name);
    if numbers != present.auto_increment {
        let what = if numbers {
            format!("column `{}` does not number new rows", column.name)
        } else {
            format!("column `{}` numbers new rows", column.name)
        };
        found.push(SchemaDifference::new(&table.name, Difference::NextNumber, what));
    }
    let next = sides.facts.tables.get(&table.name).and_then(|facts| facts.next_number);
    let given = table.sequence.filter(|sequence| *sequence > 0).map(i64::unsigned_abs);
    if numbers && given.zip(next).is_some_and(|(given, next)| next <= given) {
        let what = "the next number would be given twice";
        found.push(SchemaDifference::new(&table.name, Difference::NextNumber, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_their_shown_width() {
        assert_eq!(plain("bigint(20)"), plain("BIGINT"));
        assert_ne!(plain("bigint(20) unsigned"), plain("BIGINT"));
        assert_ne!(plain("int(11)"), plain("BIGINT"));
        assert_eq!(plain("tinyint(1)"), plain("TINYINT(1)"));
        assert_ne!(plain("tinyint(4)"), plain("TINYINT(1)"));
        assert_eq!(plain("longtext"), plain("JSON"));
        assert_eq!(plain("decimal(10,2)"), plain("DECIMAL(10,2)"));
    }
}
