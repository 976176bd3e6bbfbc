//! Takes back room in keys that is only declared: SQLite indexes a `VARCHAR(8000)` that holds five characters, InnoDB does
//! not. Pure; what is too long for its values' sake stays, and `keys` says so.

use super::keys::{KEY_BYTES, key_bytes};
use super::model::SurveyedTable;
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};

/// Narrows the columns of primary keys, of references and of what these refer to, as far as their values allow.
/// `chosen` are types that the operator gave, which stay.
pub(super) fn narrow(
    tables: &mut [SurveyedTable],
    chosen: &dyn Fn(&str, &str, TargetType) -> bool,
    findings: &mut Vec<Finding>,
) {
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    for table in &*tables {
        keys.push((table.name.clone(), table.primary_key.clone()));
        for key in &table.foreign_keys {
            keys.push((table.name.clone(), key.columns.clone()));
            keys.push((key.parent.clone(), key.parent_columns.clone()));
        }
    }
    for (name, key) in keys {
        if let Some(table) = tables.iter_mut().find(|table| table.name == name) {
            narrow_key(table, &key, chosen, findings);
        }
    }
}

fn narrow_key(
    table: &mut SurveyedTable,
    key: &[String],
    chosen: &dyn Fn(&str, &str, TargetType) -> bool,
    findings: &mut Vec<Finding>,
) {
    if key_bytes(table, key) <= KEY_BYTES {
        return;
    }
    let share = KEY_BYTES / 4 / u32::try_from(key.len()).unwrap_or(1).max(1);
    let before: Vec<TargetType> = table.columns.iter().map(|column| column.target).collect();
    for column in &mut table.columns {
        let needed = u32::try_from(column.census.max_chars).unwrap_or(u32::MAX);
        if let TargetType::Varchar { chars } = column.target
            && key.contains(&column.name)
            && !chosen(&table.name, &column.name, column.target)
        {
            column.target = TargetType::Varchar { chars: chars.min(share.max(needed)) };
        }
    }
    if key_bytes(table, key) > KEY_BYTES {
        for (column, target) in table.columns.iter_mut().zip(before) {
            column.target = target;
        }
        return;
    }
    for (column, before) in table.columns.iter().zip(before).filter(|(column, was)| column.target != *was) {
        let what = format!(
            "{before} is more than InnoDB's {KEY_BYTES} bytes of a key; becomes {}, its longest value has {} characters",
            column.target, column.census.max_chars
        );
        let remedy = "nothing, unless longer values are to come; MariaDB refuses them then";
        let finding = Finding::new("MIG-KEY-NARROWED", Severity::Note, what, remedy);
        findings.push(finding.table(&table.name).column(column.name.clone()));
    }
}
