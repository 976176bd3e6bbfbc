//! Findings about what is neither a column nor a key: views, triggers, virtual tables, names, tables without a key.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Catalog, CatalogTable, CatalogView};
use super::model::{SurveyOptions, SurveyedTable, SurveyedView};
use super::reserved::RESERVED;
use crate::core::order;
use crate::core::sqltext;
use crate::core::types::TargetType;
use crate::core::view;
use crate::finding::{Finding, Severity};
use crate::ident::MARIADB_NAME_CHARS;
use crate::journal;
use crate::source::Source;

const MOST_COLUMNS: usize = 1017;
/// A file's name has 255 bytes, of which four are its ending.
const FILE_NAME_BYTES: usize = 251;

pub(crate) fn findings(
    catalog: &Catalog,
    tables: &[SurveyedTable],
    wal: bool,
    options: &SurveyOptions,
    findings: &mut Vec<Finding>,
) {
    for (trigger, table) in &catalog.triggers {
        let remedy = "write it in MariaDB's words, or let the application do it";
        let what = format!("the trigger `{trigger}` is not carried");
        findings.push(Finding::new("MIG-TRIGGER", Severity::ChangesData, what, remedy).table(table));
    }
    for table in &catalog.virtual_tables {
        let remedy = "build the search or index anew in MariaDB (FULLTEXT, SPATIAL)";
        let what = "a virtual table (full-text, R-tree or alike), which is not carried";
        findings.push(Finding::new("MIG-VIRTUAL", Severity::ChangesData, what, remedy).table(table));
    }
    for table in &options.exclude {
        let finding =
            Finding::new("MIG-EXCLUDED", Severity::ChangesData, "stays behind, as asked for", "nothing");
        findings.push(finding.table(table));
    }
    for table in &catalog.tables {
        kinds(table, findings);
        collations(table, findings);
        clauses(table, findings);
    }
    if !catalog.numbers.is_empty() {
        let numbers = catalog.numbers.iter().map(|(name, number)| format!("{name} {number}"));
        let what = format!(
            "numbers that the file keeps for its application and MariaDB does not: {}",
            numbers.collect::<Vec<_>>().join(", ")
        );
        let remedy = "see that the application keeps its schema's version in a table, or does without it";
        let finding = Finding::new("MIG-PRAGMA", Severity::Note, what, remedy);
        findings.push(finding.rows(catalog.numbers.len() as u64, Vec::new()));
    }
    for table in tables {
        names(table, findings);
        if table.primary_key.is_empty() {
            // With all three names of the row number taken by columns there is nothing to continue a copy by.
            let severity = if table.rowid_name.is_some() { Severity::Note } else { Severity::Blocks };
            let what =
                "has no primary key; it is copied by row number and verified by content, which is slower";
            let remedy = "give it a primary key";
            findings.push(Finding::new("MIG-KEY-NONE", severity, what, remedy).table(&table.name));
        }
    }
    cycles(tables, findings);
    if !options.collation.ends_with("_nopad_bin") {
        let what = format!("{} finds some texts equal that SQLite tells apart", options.collation);
        let remedy = "nothing if wanted; a unique key that collides is told when it is built";
        findings.push(Finding::new("MIG-COLLATION", Severity::ChangesData, what, remedy));
    }
    if wal {
        let what = "the source is in WAL mode, where a writer may work beside the copy";
        let remedy = "stop the application before the copy; rows written later are not in the target";
        findings.push(Finding::new("MIG-SOURCE-WAL", Severity::Note, what, remedy));
    }
}

/// Columns that compare otherwise than byte by byte.
fn collations(table: &CatalogTable, findings: &mut Vec<Finding>) {
    let named: Vec<String> = sqltext::collations(&table.tokens)
        .filter(|name| !name.eq_ignore_ascii_case("binary"))
        .map(str::to_ascii_uppercase)
        .collect();
    if !named.is_empty() {
        let kinds: BTreeSet<&str> = named.iter().map(String::as_str).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        let what =
            format!("columns compare by COLLATE {}; in MariaDB they compare exactly", kinds.join(", "));
        let remedy =
            "store one spelling, or compare by LOWER(column), RTRIM(column) and alike in the application";
        let finding = Finding::new("MIG-COLLATION", Severity::ChangesData, what, remedy);
        findings.push(finding.table(&table.name).rows(named.len() as u64, Vec::new()));
    }
}

/// What constraints do in SQLite beside refusing at once.
fn clauses(table: &CatalogTable, findings: &mut Vec<Finding>) {
    let mut tell = |id, count: usize, what: &str, remedy: &str| {
        if count > 0 {
            let finding = Finding::new(id, Severity::ChangesData, what, remedy);
            findings.push(finding.table(&table.name).rows(count as u64, Vec::new()));
        }
    };
    tell(
        "MIG-CONFLICT-CLAUSE",
        sqltext::conflict_clauses(&table.tokens),
        "constraints replace, ignore or roll back (ON CONFLICT); in MariaDB they refuse the statement",
        "say it in the statements: INSERT ... ON DUPLICATE KEY UPDATE, INSERT IGNORE",
    );
    tell(
        "MIG-FK-DEFERRED",
        sqltext::deferred_keys(&table.tokens),
        "foreign keys are checked when the transaction ends (INITIALLY DEFERRED); MariaDB checks each row at once",
        "let the application write parents before their children",
    );
}

/// Somebody who has the source open for writing may add rows after it was read.
pub(crate) fn writer(source: &Source, findings: &mut Vec<Finding>) {
    if Source::activity(source.path()).is_ok_and(|activity| activity.is_live()) {
        let what = "somebody has the source open for writing; rows written later are not in the target";
        let remedy = "stop the application before the last copy; until then a run works from a frozen copy of one state";
        findings.push(Finding::new("MIG-SOURCE-WRITER", Severity::Note, what, remedy));
    }
}

/// The views that are carried; a finding says which are not, and why.
pub(crate) fn views(
    catalog: &Catalog,
    tables: &[SurveyedTable],
    excluded: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) -> Vec<SurveyedView> {
    let names = tables.iter().map(|table| table.name.clone());
    let names: Vec<String> = names.chain(catalog.views.iter().map(|view| view.name.clone())).collect();
    let mut carried = Vec::new();
    // Which table a name is of is not known, so it must be true of all.
    let alike = |name: &str| {
        let mut of_name = tables.iter().flat_map(|table| &table.columns);
        let columns = of_name.by_ref().filter(|column| column.name.eq_ignore_ascii_case(name));
        let columns: Vec<TargetType> = columns.map(|column| column.target).collect();
        let is_alike = |target: &TargetType| target.is_text() || matches!(target, TargetType::BigInt);
        !columns.is_empty() && columns.iter().all(is_alike)
    };
    for view in &catalog.views {
        // What a column of another view is, is not known either.
        let over_a_view =
            |one: &&CatalogView| view.tokens.iter().skip(3).any(|token| token.is_named(&one.name));
        let plain = !catalog.views.iter().any(|one| over_a_view(&one));
        match view::create(&view.name, &view.tokens, &names, &|name| plain && alike(name)) {
            Ok(create) => carried.push(SurveyedView { name: view.name.clone(), create }),
            Err(part) => lost(findings, &view.name, &format!("{part} has no equal in MariaDB")),
        }
    }
    // A view over what stays behind stays behind too, and so may a view over that one.
    loop {
        let there = |name: &str| {
            let is = |one: &str| one.eq_ignore_ascii_case(name);
            tables.iter().any(|table| is(&table.name))
                || carried.iter().any(|view: &SurveyedView| is(&view.name))
        };
        let behind = |view: &&CatalogView| {
            let known =
                catalog.views.iter().map(|one| &one.name).chain(&catalog.virtual_tables).chain(excluded);
            let mut missing = known.filter(|name| !there(name));
            missing.any(|name| view.tokens.iter().skip(3).any(|token| token.is_named(name)))
        };
        let is_carried = |view: &&CatalogView| carried.iter().any(|one| one.name == view.name);
        let Some(view) = catalog.views.iter().filter(is_carried).find(behind) else { return carried };
        lost(findings, &view.name, "it shows what stays behind");
        carried.retain(|one| one.name != view.name);
    }
}

fn lost(findings: &mut Vec<Finding>, view: &str, why: &str) {
    let what = format!("a view, which is not carried: {why}");
    let remedy = "create it in MariaDB's words by hand, or by the application's own migrations";
    findings.push(Finding::new("MIG-VIEW", Severity::ChangesData, what, remedy).table(view));
}

/// What SQLite promises of a table beyond its columns.
fn kinds(table: &CatalogTable, findings: &mut Vec<Finding>) {
    let mut note = |id, what: String, remedy: &str| {
        findings.push(Finding::new(id, Severity::Note, what, remedy).table(&table.name));
    };
    if table.without_rowid {
        let what =
            "is WITHOUT ROWID; InnoDB keeps every table by its primary key, so nothing changes".to_owned();
        note("MIG-WITHOUT-ROWID", what, "nothing");
    }
    if table.strict {
        let what = "is STRICT; MariaDB's types are as strict, each column's own".to_owned();
        note("MIG-STRICT", what, "nothing");
    }
    if let Some(sequence) = table.sequence.filter(|sequence| *sequence > 0) {
        let what = format!("AUTOINCREMENT has given numbers up to {sequence}; MariaDB goes on after it");
        note("MIG-SEQUENCE", what, "nothing");
    }
}

fn names(table: &SurveyedTable, findings: &mut Vec<Finding>) {
    let mut refuse = |column: Option<&str>, why: String| {
        let remedy = "rename it in the source";
        let finding = Finding::new("MIG-NAME", Severity::Blocks, why, remedy).table(&table.name);
        findings.push(match column {
            Some(column) => finding.column(column),
            None => finding,
        });
    };
    if let Some(why) = bad_name(&table.name).or_else(|| bad_file_name(&table.name)) {
        refuse(None, why);
    }
    if table.name.starts_with(journal::PREFIX) {
        refuse(None, format!("its name begins with {}, which is golive's own", journal::PREFIX));
    }
    if table.columns.len() > MOST_COLUMNS {
        refuse(None, format!("has {} columns, InnoDB allows {MOST_COLUMNS}", table.columns.len()));
    }
    let reserved = |name: &str| RESERVED.binary_search(&name.to_ascii_lowercase().as_str()).is_ok();
    let columns = table.columns.iter().map(|column| &column.name);
    let words: Vec<&str> = std::iter::once(&table.name)
        .chain(columns)
        .filter(|name| reserved(name))
        .map(String::as_str)
        .collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for column in &table.columns {
        if let Some(why) = bad_name(&column.name) {
            refuse(Some(&column.name), why);
        }
        if !seen.insert(column.name.to_lowercase()) {
            refuse(Some(&column.name), "differs from another column only in case".to_owned());
        }
    }
    if !words.is_empty() {
        let what = format!("words that MariaDB reserves, here always quoted: {}", words.join(", "));
        let remedy = "see that the application quotes them too";
        let finding = Finding::new("MIG-NAME-RESERVED", Severity::Note, what, remedy).table(&table.name);
        findings.push(finding.rows(words.len() as u64, Vec::new()));
    }
}

fn bad_name(name: &str) -> Option<String> {
    if name.is_empty() || name.contains('\0') || name.chars().any(|c| c as u32 > 0xffff) {
        Some("its name holds characters that MariaDB does not take".to_owned())
    } else if name.ends_with(' ') {
        Some("its name ends in a space".to_owned())
    } else if name.chars().count() > MARIADB_NAME_CHARS {
        Some(format!("its name is longer than {MARIADB_NAME_CHARS} characters"))
    } else {
        None
    }
}

/// A table is a file, and what is neither a Latin letter nor a digit is written with several bytes in its name.
fn bad_file_name(name: &str) -> Option<String> {
    let bytes: usize = name.chars().map(file_name_bytes).sum();
    (bytes > FILE_NAME_BYTES).then(|| {
        format!(
            "MariaDB writes its name into a file's name with {bytes} bytes, {FILE_NAME_BYTES} are allowed"
        )
    })
}

/// `@` and two letters for the letters of the alphabets that have capitals, `@` and four digits for all else.
fn file_name_bytes(letter: char) -> usize {
    match letter {
        '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => 1,
        'À'..='Ö' | 'Ø'..='ö' | 'ø'..='į' | 'ı'..='ƾ' | 'Ǹ'..='Ɂ' | '\u{250}'..='\u{2af}' => 3,
        'Έ'..='Ί' | 'Ύ'..='Ρ' | 'Σ'..='ώ' | 'ϻ'..='ҁ' | 'Ҋ'..='ӎ' | 'Ӑ'..='ӹ' | 'Ԁ'..='ԏ' => 3,
        'Ա'..='\u{555}' | 'ա'..='օ' | 'Ḁ'..='ẛ' | 'Ạ'..='ỹ' => 3,
        _ => 5,
    }
}

fn cycles(tables: &[SurveyedTable], findings: &mut Vec<Finding>) {
    let parents: BTreeMap<String, BTreeSet<String>> = tables
        .iter()
        .map(|table| (table.name.clone(), table.foreign_keys.iter().map(|key| key.parent.clone()).collect()))
        .collect();
    for cycle in order::order(&parents).cycles {
        let what = format!("{} refer to each other in a circle", cycle.join(", "));
        let remedy = "nothing, foreign keys are added after the rows";
        findings.push(Finding::new("MIG-FK-CYCLE", Severity::Note, what, remedy).table(&cycle[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of MariaDB 10.11 on a file system whose names have 255 bytes.
    #[test]
    fn names_are_as_long_as_their_files_names() {
        for (letter, fits) in [('表', 50), (' ', 50), ('ä', 64), ('Я', 64), ('a', 64)] {
            let name = |letters: usize| letter.to_string().repeat(letters);
            assert_eq!(bad_file_name(&name(fits)), None, "{letter}");
            assert!(fits == 64 || bad_file_name(&name(fits + 1)).is_some(), "{letter}");
        }
    }
}
