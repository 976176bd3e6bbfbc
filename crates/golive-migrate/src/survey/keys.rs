//! Lays out keys: which indexes and foreign keys are carried, and the types that keys force on columns. Pure.

use std::collections::BTreeMap;

use super::catalog::{Catalog, CatalogIndex, CatalogTable};
use super::model::{SurveyedForeignKey, SurveyedHelper, SurveyedIndex, SurveyedIndexColumn, SurveyedTable};
use super::{orphans, page};
use crate::core::census::Tally;
use crate::core::sqltext::{self, Token};
use crate::core::translate;
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;

/// InnoDB's longest key.
pub(super) const KEY_BYTES: u32 = 3072;
/// The longest row outside of long columns, with some room for flags.
const ROW_BYTES: u32 = 65_000;
const INDEXES: usize = 64;

/// The unique keys and indexes of a table that can be carried.
/// `names` are the columns that an expression of MariaDB may name.
pub(crate) fn indexes(
    table: &CatalogTable,
    names: &[String],
    findings: &mut Vec<Finding>,
) -> Vec<SurveyedIndex> {
    let mut carried: Vec<SurveyedIndex> = Vec::new();
    for index in table.indexes.iter().filter(|index| !index.primary) {
        let place = |finding: Finding| finding.table(&table.name).column(index.name.clone());
        let Some(columns) = index.columns.iter().cloned().collect::<Option<Vec<String>>>() else {
            findings.push(place(not_carried(index, "MIG-INDEX-EXPRESSION", "is over an expression")));
            continue;
        };
        if let Some(collation) = &index.collation {
            let severity = if index.unique { Severity::ChangesData } else { Severity::Note };
            findings.push(place(Finding::new(
                "MIG-COLLATION",
                severity,
                format!(
                    "compares by COLLATE {}; in MariaDB it compares exactly",
                    collation.to_ascii_uppercase()
                ),
                "store one spelling, or compare by LOWER(column), RTRIM(column) and alike in the application",
            )));
        }
        let mut unique = index.unique;
        let mut helper = None;
        if index.partial && !only_not_null(index, &columns) {
            if unique {
                helper = emulated(index, names);
                findings.push(place(partial_unique(helper.as_ref())));
            }
            unique = helper.is_some();
        }
        let name = if index.implicit { unique_name(&columns) } else { ident::bounded(&[&index.name]) };
        let columns = columns.into_iter().zip(&index.descending);
        let columns = columns
            .map(|(name, down)| SurveyedIndexColumn { name, descending: *down, prefix: None })
            .collect();
        let name = distinct(name, &carried);
        carried.push(SurveyedIndex { name, unique, columns, helper, quarantine: false });
    }
    if carried.len() > INDEXES - 1 {
        findings.push(
            Finding::new(
                "MIG-INDEX-COUNT",
                Severity::Blocks,
                format!("has {} indexes, InnoDB allows {INDEXES}", carried.len()),
                "drop indexes that are prefixes of others in the source",
            )
            .table(&table.name),
        );
    }
    carried
}

/// A hidden column that is 1 where the condition holds and NULL where not: NULLs are distinct in a unique key, so the key
/// binds exactly the rows that SQLite's bound.
fn emulated(index: &CatalogIndex, names: &[String]) -> Option<SurveyedHelper> {
    let condition = translate::expression(sqltext::index_condition(&index.tokens)?, names).ok()?;
    let name = ident::bounded(&[ident::HELPER, &index.name]);
    Some(SurveyedHelper { name, expression: format!("CASE WHEN {condition} THEN 1 END") })
}

/// Takes back what was emulated by a condition that means something else over the types that columns became.
pub(crate) fn suit(
    table: &CatalogTable,
    indexes: &mut [SurveyedIndex],
    type_of: &dyn Fn(&str) -> Option<TargetType>,
    findings: &mut Vec<Finding>,
) {
    for index in table.indexes.iter().filter(|index| index.partial && index.unique) {
        let Some(condition) = sqltext::index_condition(&index.tokens) else { continue };
        if translate::suits(condition, type_of).is_ok() {
            continue;
        }
        let helper = ident::bounded(&[ident::HELPER, &index.name]);
        let is_it = |one: &&mut SurveyedIndex| one.helper.as_ref().is_some_and(|one| one.name == helper);
        if let Some(carried) = indexes.iter_mut().find(is_it) {
            carried.helper = None;
            carried.unique = false;
            let finding = partial_unique(None).table(&table.name).column(index.name.clone());
            findings.retain(|one| one.selector() != finding.selector());
            findings.push(finding);
        }
    }
}

fn partial_unique(helper: Option<&SurveyedHelper>) -> Finding {
    match helper {
        Some(helper) => Finding::new(
            "MIG-INDEX-PARTIAL",
            Severity::Note,
            format!("is unique only under a condition; an invisible column `{}` carries it", helper.name),
            "nothing, MariaDB enforces it as SQLite did",
        ),
        None => Finding::new(
            "MIG-INDEX-PARTIAL",
            Severity::ChangesData,
            "is unique only under a condition that MariaDB has no equal for; it becomes a plain index, which enforces nothing",
            "enforce it in the application, or add a generated column that is NULL where it does not apply",
        ),
    }
}

fn not_carried(index: &CatalogIndex, id: &'static str, why: &str) -> Finding {
    if index.unique {
        let remedy = "enforce it in the application, or add a generated column with a unique key in MariaDB";
        Finding::new(
            id,
            Severity::ChangesData,
            format!("a unique index that {why}; it is not carried"),
            remedy,
        )
    } else {
        let remedy = "add a generated column with an index in MariaDB if queries need it";
        Finding::new(id, Severity::Note, format!("an index that {why}; it is not carried"), remedy)
    }
}

/// `WHERE a IS NOT NULL` over `a`: NULLs are distinct in MariaDB's unique keys anyway.
fn only_not_null(index: &CatalogIndex, columns: &[String]) -> bool {
    match sqltext::index_condition(&index.tokens) {
        Some([Token::Word(name) | Token::Name(name), is, not, null]) => {
            is.is_word("is")
                && not.is_word("not")
                && null.is_word("null")
                && columns.iter().any(|column| column.eq_ignore_ascii_case(name))
        }
        _ => false,
    }
}

fn unique_name(columns: &[String]) -> String {
    let mut parts = vec!["uq"];
    parts.extend(columns.iter().map(String::as_str));
    ident::bounded(&parts)
}

fn distinct(name: String, taken: &[SurveyedIndex]) -> String {
    let clash = |name: &str| {
        name.eq_ignore_ascii_case("primary")
            || taken.iter().any(|index| index.name.eq_ignore_ascii_case(name))
    };
    if !clash(&name) {
        return name;
    }
    (2..)
        .map(|number: u32| ident::bounded(&[&name, &number.to_string()]))
        .find(|name| !clash(name))
        .unwrap_or(name)
}

/// The foreign keys of a table that can be carried, with their orphans by number.
pub(crate) fn foreign_keys(
    table: &CatalogTable,
    catalog: &Catalog,
    orphans: &BTreeMap<i64, Tally>,
    findings: &mut Vec<Finding>,
) -> Vec<SurveyedForeignKey> {
    let mut carried = Vec::new();
    for key in &table.foreign_keys {
        let place = |finding: Finding| finding.table(&table.name).column(key.columns.join(", "));
        let parent = catalog.tables.iter().find(|parent| parent.name == key.parent);
        let lost = |what: String| {
            place(Finding::new(
                "MIG-FK-PARENT",
                Severity::ChangesData,
                what,
                "mend the schema in the source; the foreign key is not carried",
            ))
        };
        let Some(parent) = parent else {
            findings.push(lost(format!("refers to `{}`, which does not exist or stays behind", key.parent)));
            continue;
        };
        let Some((columns, parent_columns)) = along_a_key(&key.columns, &key.parent_columns, parent) else {
            findings.push(lost(format!("refers to columns of `{}` that are no key there", key.parent)));
            continue;
        };
        let tally = orphans.get(&key.id).cloned().unwrap_or_default();
        if tally.count > 0 {
            let collation = parent.key_collation(&parent_columns);
            let finding = orphans::finding(&key.parent, collation);
            findings.push(place(finding.rows(tally.count, tally.keys)));
        }
        let on_delete = action(&key.on_delete, table, &columns, &place, findings);
        let on_update = action(&key.on_update, table, &columns, &place, findings);
        let mut parts = vec!["fk", table.name.as_str()];
        parts.extend(columns.iter().map(String::as_str));
        let name = ident::bounded(&parts);
        let taken = carried.iter().any(|one: &SurveyedForeignKey| one.name == name);
        let name = if taken { ident::bounded(&[&name, &key.id.to_string()]) } else { name };
        carried.push(SurveyedForeignKey {
            name,
            columns,
            parent: key.parent.clone(),
            parent_columns,
            on_delete,
            on_update,
            orphans: tally.count,
            quarantine: false,
        });
    }
    carried
}

/// Puts the columns in the order of the parent's key that they refer to, as InnoDB wants them.
pub(super) fn along_a_key(
    columns: &[String],
    parent_columns: &[String],
    parent: &CatalogTable,
) -> Option<(Vec<String>, Vec<String>)> {
    if columns.len() != parent_columns.len() || columns.is_empty() {
        return None;
    }
    for key in parent.referable_keys() {
        let order: Option<Vec<usize>> =
            key.iter().map(|part| parent_columns.iter().position(|column| column == part)).collect();
        if let Some(order) = order
            && order.len() == parent_columns.len()
        {
            return Some((order.iter().map(|at| columns[*at].clone()).collect(), key));
        }
    }
    None
}

fn action(
    action: &str,
    table: &CatalogTable,
    columns: &[String],
    place: &dyn Fn(Finding) -> Finding,
    findings: &mut Vec<Finding>,
) -> String {
    let strict = table.columns.iter().any(|column| column.not_null && columns.contains(&column.name));
    let action = action.to_ascii_uppercase();
    let refused = match action.as_str() {
        "SET DEFAULT" => "ON DELETE/UPDATE SET DEFAULT, which InnoDB does not do",
        "SET NULL" if strict => "SET NULL on a column that refuses NULL",
        _ => return action,
    };
    findings.push(place(Finding::new(
        "MIG-FK-ACTION",
        Severity::ChangesData,
        format!("has {refused}; it becomes RESTRICT"),
        "let the application do it",
    )));
    "RESTRICT".to_owned()
}

/// Gives both ends of every foreign key one type; a column without values takes its partner's.
pub(crate) fn unify(tables: &mut [SurveyedTable], findings: &mut Vec<Finding>) {
    let links: Vec<(String, String, String, String)> = tables
        .iter()
        .flat_map(|table| {
            table.foreign_keys.iter().flat_map(|key| {
                key.columns.iter().zip(&key.parent_columns).map(|(column, parent_column)| {
                    (table.name.clone(), column.clone(), key.parent.clone(), parent_column.clone())
                })
            })
        })
        .collect();
    // A chain of references is at most as long as there are links.
    for _ in 0..links.len() {
        let mut changed = false;
        for (table, column, parent, parent_column) in &links {
            let (Some(child), Some(other)) =
                (find(tables, table, column), find(tables, parent, parent_column))
            else {
                continue;
            };
            let (child, child_empty) = child;
            let (other, other_empty) = other;
            let joint = join(child, child_empty, other, other_empty);
            if let Some(joint) = joint.filter(|joint| *joint != child || *joint != other) {
                set(tables, table, column, joint);
                set(tables, parent, parent_column, joint);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for (table, column, parent, parent_column) in &links {
        let types = find(tables, table, column).zip(find(tables, parent, parent_column));
        if let Some(((child, _), (other, _))) = types
            && child != other
        {
            findings.push(
                Finding::new(
                    "MIG-FK-TYPE",
                    Severity::Blocks,
                    format!(
                        "becomes {child} but refers to `{parent}`.`{parent_column}`, which becomes {other}"
                    ),
                    "mend the values, or override one of the two types so that they agree",
                )
                .table(table)
                .column(column.clone()),
            );
        }
    }
}

fn find(tables: &[SurveyedTable], table: &str, column: &str) -> Option<(TargetType, bool)> {
    let table = tables.iter().find(|one| one.name == table)?;
    let column = table.columns.iter().find(|one| one.name == column)?;
    Some((column.target, column.census.values() == 0))
}

fn set(tables: &mut [SurveyedTable], table: &str, column: &str, target: TargetType) {
    let table = tables.iter_mut().find(|one| one.name == table);
    if let Some(column) = table.and_then(|table| table.columns.iter_mut().find(|one| one.name == column)) {
        column.target = target;
    }
}

fn join(one: TargetType, one_empty: bool, other: TargetType, other_empty: bool) -> Option<TargetType> {
    use TargetType::{BigInt, Boolean, Decimal, VarBinary, Varchar};
    match (one, other) {
        (Varchar { chars: a }, Varchar { chars: b }) => Some(Varchar { chars: a.max(b) }),
        (VarBinary { bytes: a }, VarBinary { bytes: b }) => Some(VarBinary { bytes: a.max(b) }),
        (Decimal { precision: p, scale: s }, Decimal { precision: q, scale: t }) => {
            let scale = s.max(t);
            let whole = (p - s).max(q - t);
            (whole + scale <= 65).then_some(Decimal { precision: whole + scale, scale })
        }
        (BigInt, Boolean) | (Boolean, BigInt) => Some(BigInt),
        _ if one_empty && !other_empty => Some(other),
        _ if other_empty && !one_empty => Some(one),
        // Neither has values: the parent's declaration is the better witness.
        _ if one_empty && other_empty => Some(other),
        _ => None,
    }
}

/// Fits keys into InnoDB's key length and columns into the row length.
pub(crate) fn fit(table: &mut SurveyedTable, undeclared: &dyn Fn(&str) -> bool, findings: &mut Vec<Finding>) {
    let mut keys: Vec<Vec<String>> = vec![table.primary_key.clone()];
    keys.extend(table.indexes.iter().map(|index| index.columns.iter().map(|c| c.name.clone()).collect()));
    let referring = table.foreign_keys.iter().map(|key| key.columns.clone());
    keys.extend(referring);
    for key in &keys {
        shrink(table, key, undeclared);
    }
    if key_bytes(table, &table.primary_key) > KEY_BYTES {
        findings.push(
            Finding::new(
                "MIG-KEY-LENGTH",
                Severity::Blocks,
                format!("its primary key is longer than InnoDB's {KEY_BYTES} bytes"),
                "shorten the key's values, or override the types of its columns with shorter ones",
            )
            .table(&table.name)
            .column(table.primary_key.join(", ")),
        );
    }
    long_references(table, findings);
    let sizes: BTreeMap<String, TargetType> =
        table.columns.iter().map(|column| (column.name.clone(), column.target)).collect();
    for index in table.indexes.iter_mut().filter(|index| !index.unique) {
        let bytes: u64 = index.columns.iter().map(|c| u64::from(sizes[&c.name].key_bytes())).sum();
        if bytes <= u64::from(KEY_BYTES) {
            continue;
        }
        let share = KEY_BYTES / u32::try_from(index.columns.len()).unwrap_or(1).max(1);
        for column in &mut index.columns {
            let target = sizes[&column.name];
            if target.key_bytes() > share {
                let per = if target.is_text() { 4 } else { 1 };
                column.prefix = Some((share / per).clamp(1, 255));
            }
        }
        findings.push(
            Finding::new(
                "MIG-INDEX-PREFIX",
                Severity::Note,
                format!("is longer than InnoDB's {KEY_BYTES} bytes; only the head of its columns is indexed"),
                "nothing, queries stay right",
            )
            .table(&table.name)
            .column(index.name.clone()),
        );
    }
    page::fit(table, &keys, findings);
    fit_row(table, &keys, findings);
}

/// InnoDB wants an index over a foreign key's columns, and one over their heads does not count.
fn long_references(table: &SurveyedTable, findings: &mut Vec<Finding>) {
    for key in &table.foreign_keys {
        if key_bytes(table, &key.columns) > KEY_BYTES {
            findings.push(
                Finding::new(
                    "MIG-FK-LENGTH",
                    Severity::Blocks,
                    format!(
                        "refers to `{}` over more than InnoDB's {KEY_BYTES} bytes of an index",
                        key.parent
                    ),
                    "give the columns shorter types; or accept, and the foreign key is left out",
                )
                .table(&table.name)
                .column(key.columns.join(", ")),
            );
        }
    }
}

pub(super) fn key_bytes(table: &SurveyedTable, key: &[String]) -> u32 {
    let parts = table.columns.iter().filter(|column| key.contains(&column.name));
    parts.fold(0_u32, |sum, column| sum.saturating_add(column.target.key_bytes()))
}

/// Takes room back that was only given because nothing was declared.
fn shrink(table: &mut SurveyedTable, key: &[String], undeclared: &dyn Fn(&str) -> bool) {
    if key_bytes(table, key) <= KEY_BYTES {
        return;
    }
    let parts = u32::try_from(key.len()).unwrap_or(1).max(1);
    for column in
        table.columns.iter_mut().filter(|column| key.contains(&column.name) && undeclared(&column.name))
    {
        if let TargetType::Varchar { chars } = column.target {
            let share = KEY_BYTES / 4 / parts;
            let needed = u32::try_from(column.census.max_chars).unwrap_or(u32::MAX);
            column.target = TargetType::Varchar { chars: chars.min(share.max(needed).max(1)) };
        }
    }
}

fn fit_row(table: &mut SurveyedTable, keys: &[Vec<String>], findings: &mut Vec<Finding>) {
    let mut moved = Vec::new();
    while table.columns.iter().map(|column| column.target.row_bytes()).sum::<u32>() > ROW_BYTES {
        let free = table.columns.iter_mut().filter(|column| {
            matches!(column.target, TargetType::Varchar { .. } | TargetType::VarBinary { .. })
                && !keys.iter().any(|key| key.contains(&column.name))
        });
        let Some(widest) = free.max_by_key(|column| column.target.row_bytes()) else { break };
        widest.target = if widest.target.is_text() { TargetType::LongText } else { TargetType::LongBlob };
        moved.push(widest.name.clone());
    }
    if !moved.is_empty() {
        findings.push(
            Finding::new(
                "MIG-ROW-SIZE",
                Severity::Note,
                "the row would be longer than MariaDB's 65,535 bytes; these columns become LONGTEXT or LONGBLOB",
                "nothing",
            )
            .table(&table.name)
            .column(moved.join(", ")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::census::Census;
    use crate::survey::SurveyedColumn;

    fn table(columns: u32, target: TargetType) -> SurveyedTable {
        let column = |number: u32, target, not_null| SurveyedColumn {
            name: format!("c{number}"),
            declared: String::new(),
            not_null,
            target,
            default: None,
            generated: None,
            conversions: Vec::new(),
            quarantine: false,
            census: Census::default(),
        };
        let key = std::iter::once(column(0, TargetType::BigInt, true));
        SurveyedTable {
            name: "t".to_owned(),
            rows: 0,
            columns: key.chain((1..=columns).map(|number| column(number, target, false))).collect(),
            primary_key: vec!["c0".to_owned()],
            auto_increment: None,
            rowid_name: None,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            without_rowid: false,
        }
    }

    /// The numbers are those at which a server of MariaDB 10.11 begins to refuse the table.
    #[test]
    fn a_row_is_fitted_into_the_page_or_refused() {
        let found = |columns, target| {
            let (mut table, mut findings) = (table(columns, target), Vec::new());
            fit(&mut table, &|_| false, &mut findings);
            let long = table.columns.iter().filter(|one| one.target != target).count() - 1;
            (findings.first().map(|finding| finding.severity), long)
        };
        assert_eq!(found(383, TargetType::LongText), (None, 0));
        assert_eq!(found(384, TargetType::LongText), (Some(Severity::Blocks), 0));
        assert_eq!(found(31, TargetType::Varchar { chars: 63 }), (None, 0));
        assert_eq!(found(32, TargetType::Varchar { chars: 63 }), (Some(Severity::Note), 1));
        assert_eq!(found(81, TargetType::Varchar { chars: 200 }), (None, 0));
        assert_eq!(found(31, TargetType::Binary { bytes: 255 }), (None, 0));
        assert_eq!(found(32, TargetType::Binary { bytes: 255 }), (Some(Severity::Blocks), 0));
        let decimal = TargetType::Decimal { precision: 65, scale: 10 };
        assert_eq!(found(268, decimal), (None, 0));
        assert_eq!(found(270, decimal), (Some(Severity::Blocks), 0));
    }
}
