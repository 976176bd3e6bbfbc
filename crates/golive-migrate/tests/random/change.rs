//! Changes to a target, each as small as its type allows: a bit of a double, a microsecond, a trailing character.

use golive_migrate::{MismatchKind, Plan};
use proptest::prelude::*;

use crate::schema::{Table, backquoted};

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    kind: Kind,
    /// Which table, which column, which row.
    table: usize,
    column: usize,
    row: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Cell,
    Delete,
    Insert,
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let kind = prop_oneof![3 => Just(Kind::Cell), 1 => Just(Kind::Delete), 1 => Just(Kind::Insert)];
    (kind, any::<usize>(), any::<usize>(), any::<u32>()).prop_map(|(kind, table, column, row)| Change {
        kind,
        table,
        column,
        row,
    })
}

impl Change {
    /// One of these.
    pub(crate) fn pick(&self, from: &[usize]) -> Option<usize> {
        (!from.is_empty()).then(|| from[self.table % from.len()])
    }

    /// The statement, and how its effect must be named.
    pub(crate) fn statement(&self, table: &Table, plan: &Plan) -> (String, (MismatchKind, Option<String>)) {
        let name = backquoted(&table.name);
        match self.kind {
            Kind::Cell => {
                let column = &table.columns[self.column % table.columns.len()].0;
                let planned = plan.tables.iter().find(|one| one.name == table.name).unwrap();
                let target =
                    planned.columns.iter().find(|one| one.name == *column).unwrap().target.to_string();
                let quoted = backquoted(column);
                let statement = format!(
                    "UPDATE {name} SET {quoted} = {} ORDER BY RAND({}) LIMIT 1",
                    another(&quoted, &target),
                    self.row
                );
                (statement, (MismatchKind::Differs, Some(column.clone())))
            }
            Kind::Delete => {
                let statement = format!("DELETE FROM {name} ORDER BY RAND({}) LIMIT 1", self.row);
                (statement, (MismatchKind::MissingInTarget, None))
            }
            Kind::Insert => (table.another_row(), (MismatchKind::OnlyInTarget, None)),
        }
    }
}

/// An expression for another value of the same column; NULL becomes the least of values, not a large one.
fn another(column: &str, target: &str) -> String {
    let kind = target.split('(').next().unwrap_or_default();
    let (instead_of_null, changed) = match kind {
        _ if target == "TINYINT(1)" => ("0".to_owned(), format!("1 - {column}")),
        _ if kind.ends_with("INT") || kind.ends_with("UNSIGNED") => {
            ("0".to_owned(), format!("IF({column} > 0, {column} - 1, {column} + 1)"))
        }
        "DOUBLE" | "FLOAT" => (
            "0".to_owned(),
            format!(
                "IF(ABS({column}) < 1e-290, 1, IF(ABS({column}) > 1e300, {column} / 2, {column} * 1.0000000000000004e0))"
            ),
        ),
        "DECIMAL" => {
            let scale: usize =
                target.split([',', ')']).nth(1).and_then(|scale| scale.trim().parse().ok()).unwrap_or(0);
            let least = if scale == 0 { "1".to_owned() } else { format!("0.{}1", "0".repeat(scale - 1)) };
            ("0".to_owned(), format!("IF({column} > 0, {column} - {least}, {column} + {least})"))
        }
        "VARCHAR" | "CHAR" | "LONGTEXT" | "TEXT" | "MEDIUMTEXT" => {
            let shorter = format!("LEFT({column}, CHAR_LENGTH({column}) - 1)");
            // A CHAR has no spaces at its end.
            let longer = if kind == "CHAR" { "'x'" } else { "' '" };
            let changed = match kind {
                "CHAR" => format!("IF({column} = 'x', 'y', 'x')"),
                _ => format!("IF({column} = '', {longer}, {shorter})"),
            };
            ("''".to_owned(), changed)
        }
        "JSON" => ("'null'".to_owned(), format!("CONCAT({column}, ' ')")),
        "DATETIME" | "TIMESTAMP" => ("'2024-01-01'".to_owned(), format!("{column} + INTERVAL 1 MICROSECOND")),
        "DATE" => ("'2024-01-01'".to_owned(), format!("{column} + INTERVAL 1 DAY")),
        "TIME" => (
            "'00:00:00'".to_owned(),
            format!(
                "IF({column} > '12:00:00', SUBTIME({column}, '00:00:00.000001'), ADDTIME({column}, '00:00:00.000001'))"
            ),
        ),
        // One digit of the first byte.
        _ => (
            "x'00112233445566778899aabbccddeeff'".to_owned(),
            format!("UNHEX(CONCAT(IF(LEFT(HEX({column}), 1) = '0', '1', '0'), SUBSTR(HEX({column}), 2)))"),
        ),
    };
    format!("IF({column} IS NULL, {instead_of_null}, {changed})")
}
