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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::census::Census;
    use crate::survey::{SurveyedColumn, SurveyedForeignKey};

    fn table(name: &str, key: &[&str], longest: u64) -> SurveyedTable {
        let mut census = Census::default();
        census.max_chars = longest;
        let column = |name: &&str| SurveyedColumn {
            name: (*name).to_owned(),
            declared: "VARCHAR(8000)".to_owned(),
            not_null: true,
            target: TargetType::Varchar { chars: 8000 },
            default: None,
            generated: None,
            conversions: Vec::new(),
            quarantine: false,
            census: census.clone(),
        };
        SurveyedTable {
            name: name.to_owned(),
            rows: 0,
            columns: key.iter().chain(&["other"]).map(column).collect(),
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
            auto_increment: None,
            rowid_name: None,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            without_rowid: false,
        }
    }

    /// The lengths that the columns become, and how many findings there are.
    fn narrowed(mut tables: Vec<SurveyedTable>, chosen: bool) -> (Vec<u32>, usize) {
        let mut findings = Vec::new();
        narrow(&mut tables, &|_, column, _| chosen && column == "a", &mut findings);
        assert!(findings.iter().all(|one| one.severity == Severity::Note));
        let targets = tables.iter().flat_map(|table| &table.columns).map(|column| match column.target {
            TargetType::Varchar { chars } => chars,
            other => panic!("{other}"),
        });
        (targets.collect(), findings.len())
    }

    #[test]
    fn keys_are_narrowed_as_far_as_their_values_allow() {
        assert_eq!(narrowed(vec![table("t", &["a"], 5)], false), (vec![768, 8000], 1));
        assert_eq!(narrowed(vec![table("t", &["a", "b"], 5)], false), (vec![384, 384, 8000], 2));
        assert_eq!(narrowed(vec![table("t", &["a"], 768)], false), (vec![768, 8000], 1));
        assert_eq!(
            narrowed(vec![table("t", &["a"], 769)], false),
            (vec![8000, 8000], 0),
            "its values are long"
        );
        assert_eq!(narrowed(vec![table("t", &["a", "b"], 500)], false), (vec![8000, 8000, 8000], 0));
        assert_eq!(narrowed(vec![table("t", &["a"], 5)], true), (vec![8000, 8000], 0), "the operator chose");
    }

    #[test]
    fn what_refers_and_what_it_refers_to_are_keys_too() {
        let names = |name: &str| vec![name.to_owned()];
        let mut child = table("child", &[], 5);
        child.foreign_keys.push(SurveyedForeignKey {
            name: "fk".to_owned(),
            columns: names("other"),
            parent: "parent".to_owned(),
            parent_columns: names("other"),
            on_delete: "RESTRICT".to_owned(),
            on_update: "RESTRICT".to_owned(),
            orphans: 0,
            quarantine: false,
        });
        let found = narrowed(vec![child, table("parent", &["a"], 5)], false);
        assert_eq!(found, (vec![768, 768, 768], 3));
    }
}
