//! Whether rows fit into InnoDB's pages: the table as it is made, and each row as it is written.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::model::{SurveyedColumn, SurveyedTable};
use super::orphans::row_name;
use super::scan::key_text;
use crate::core::census::{Example, Tally};
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;

/// InnoDB refuses a table whose row could fill half a page of 16 KiB and more, and a row that does.
const PAGE_ROW_BYTES: u32 = 8126;
/// What every row begins with: its header, its transaction and its undo record; without a key also its number.
const HEAD_BYTES: u32 = 5 + 6 + 7;
const NUMBER_BYTES: u32 = 6;
/// A value of up to so many bytes never leaves the page.
const STAYS_BYTES: u32 = 40;
/// What a value leaves there that is kept elsewhere: a pointer, and two bytes for its length.
const LEFT_BYTES: u32 = 22;

/// Texts that InnoDB must keep in the page get the length from which on it may keep them elsewhere.
pub(super) fn fit(table: &mut SurveyedTable, keys: &[Vec<String>], findings: &mut Vec<Finding>) {
    let mut moved = Vec::new();
    while table_bytes(table) >= PAGE_ROW_BYTES {
        let free = table.columns.iter_mut().filter(|column| {
            elsewhere(column.target).is_some() && !keys.iter().any(|key| key.contains(&column.name))
        });
        let Some(widest) = free.max_by_key(|column| column.target.page_bytes()) else { break };
        widest.target = elsewhere(widest.target).unwrap_or(widest.target);
        moved.push(widest.name.clone());
    }
    if table_bytes(table) >= PAGE_ROW_BYTES {
        findings.push(
            Finding::new(
                "MIG-ROW-SIZE",
                Severity::Blocks,
                format!(
                    "its {} columns need more than the {PAGE_ROW_BYTES} bytes that InnoDB has for a row in a page",
                    table.columns.len()
                ),
                "divide the table in the source, or leave it behind",
            )
            .table(&table.name),
        );
    } else if !moved.is_empty() {
        findings.push(
            Finding::new(
                "MIG-ROW-SIZE",
                Severity::Note,
                "the row would not fit into InnoDB's page; these columns become 256 bytes long, so that it may keep them elsewhere",
                "nothing",
            )
            .table(&table.name)
            .column(moved.join(", ")),
        );
    }
}

/// As InnoDB counts when it makes a table.
fn table_bytes(table: &SurveyedTable) -> u32 {
    let columns = table.columns.iter();
    columns.fold(head_bytes(table), |sum, column| sum.saturating_add(column.target.page_bytes()))
}

fn head_bytes(table: &SurveyedTable) -> u32 {
    let nullable = table.columns.iter().filter(|column| !column.not_null).count();
    let flags = u32::try_from(nullable.div_ceil(8)).unwrap_or(u32::MAX);
    flags + if table.primary_key.is_empty() { HEAD_BYTES + NUMBER_BYTES } else { HEAD_BYTES }
}

/// The type of the same kind from which on InnoDB may keep a value outside of the page, where that saves room.
fn elsewhere(target: TargetType) -> Option<TargetType> {
    let wider = match target {
        TargetType::Varchar { chars: 6..=63 } => TargetType::Varchar { chars: 64 },
        TargetType::VarBinary { bytes: 21..=255 } => TargetType::VarBinary { bytes: 256 },
        _ => return None,
    };
    Some(wider)
}

/// Rows that InnoDB will refuse although it makes their table: a pointer elsewhere is all it counts of a long column then, but
/// short texts stay in the page.
pub(super) fn rows(
    connection: &Connection,
    table: &SurveyedTable,
    findings: &mut Vec<Finding>,
) -> rusqlite::Result<()> {
    if table_bytes(table) >= PAGE_ROW_BYTES {
        // The table itself will not be made, which is told.
        return Ok(());
    }
    let at_most = |column: &SurveyedColumn| {
        let longest = column.census.max_bytes.max(column.census.max_chars);
        u32::try_from(longest).unwrap_or(u32::MAX).min(STAYS_BYTES) + 1
    };
    let (varying, fixed): (Vec<&SurveyedColumn>, Vec<&SurveyedColumn>) =
        table.columns.iter().filter(|column| column.generated.is_none()).partition(|one| varies(one, table));
    let fixed = fixed.iter().fold(head_bytes(table), |sum, one| sum.saturating_add(one.target.page_bytes()));
    if varying.iter().fold(fixed, |sum, column| sum.saturating_add(at_most(column))) < PAGE_ROW_BYTES {
        return Ok(());
    }
    let bytes = |column: &&SurveyedColumn| {
        let length = format!("length(CAST({} AS BLOB))", ident::sqlite(&column.name));
        format!("CASE WHEN {length} > {STAYS_BYTES} THEN {LEFT_BYTES} ELSE ifnull({length} + 1, 0) END")
    };
    let terms: Vec<String> = varying.iter().map(bytes).collect();
    // In groups: SQLite takes no deeper expression than a thousand terms.
    let groups: Vec<String> = terms.chunks(100).map(|group| format!("({})", group.join(" + "))).collect();
    let named_by = row_name(&table.primary_key, table.rowid_name.as_deref());
    let sql = format!(
        "SELECT {} FROM {} WHERE {} >= {}",
        ident::sqlite_list(&named_by),
        ident::sqlite(&table.name),
        groups.join(" + "),
        i64::from(PAGE_ROW_BYTES) - i64::from(fixed)
    );
    let names: Vec<(usize, &str)> =
        named_by.iter().enumerate().map(|(at, name)| (at, name.as_str())).collect();
    let mut statement = connection.prepare(&sql)?;
    let mut found = statement.query([])?;
    let mut tally = Tally::default();
    while let Some(row) = found.next()? {
        let key = key_text(&names, |at| row.get_ref(at).unwrap_or(ValueRef::Null));
        tally.add(&|| Example { key: key.clone(), value: None });
    }
    if tally.count > 0 {
        let what = format!(
            "need more than the {PAGE_ROW_BYTES} bytes that InnoDB has for a row in a page: texts of up to {STAYS_BYTES} bytes \
             are not kept elsewhere"
        );
        let remedy = "divide the table in the source, or put several of its texts into one column";
        findings.push(
            Finding::new("MIG-ROW-SIZE", Severity::Blocks, what, remedy).table(&table.name).tally(tally),
        );
    }
    Ok(())
}

/// Whether a value of the column may be kept outside of the page. A key's never is.
fn varies(column: &SurveyedColumn, table: &SurveyedTable) -> bool {
    let long = match column.target {
        TargetType::LongText | TargetType::Text { .. } | TargetType::Json => true,
        TargetType::LongBlob | TargetType::Blob { .. } => true,
        TargetType::Varchar { .. } | TargetType::VarBinary { .. } => column.target.key_bytes() > 255,
        _ => false,
    };
    long && !table.primary_key.contains(&column.name)
}
