//! A target whose tables the application's own migrations made: their columns are read, the source is measured against
//! them, and rows go where names agree. Nothing is made or changed there.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::model::{Survey, SurveyOptions, SurveyedTable};
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;
use crate::journal;

/// Findings about a schema that golive would have made.
const ABOUT_OURS: [&str; 16] = [
    "MIG-CHECK",
    "MIG-CHECK-BROKEN",
    "MIG-DEFAULT",
    "MIG-FK-ACTION",
    "MIG-FK-LENGTH",
    "MIG-FK-PARENT",
    "MIG-FK-TYPE",
    "MIG-GENERATED",
    "MIG-INDEX-COUNT",
    "MIG-INDEX-EXPRESSION",
    "MIG-INDEX-PARTIAL",
    "MIG-INDEX-PREFIX",
    "MIG-KEY-LENGTH",
    "MIG-KEY-NARROWED",
    "MIG-ROW-SIZE",
    "MIG-VIEW",
];

/// The tables that are there, by name.
pub(super) struct Existing {
    tables: BTreeMap<String, Vec<Column>>,
    /// Referring columns with their parent, by table; columns sorted.
    references: BTreeMap<String, BTreeSet<(Vec<String>, String)>>,
    /// Tables that hold rows already.
    filled: BTreeSet<String>,
}

struct Column {
    name: String,
    written: String,
    target: Option<TargetType>,
    not_null: bool,
    /// Whether a row may leave it out.
    filled_in: bool,
    auto_increment: bool,
    generated: bool,
}

/// Reads the target's tables.
pub(super) async fn read(conn: &mut Conn) -> Result<Existing, Error> {
    let rows: Vec<(String, String, String, String, Option<String>, String)> = conn
        .query(
            "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE, c.COLUMN_DEFAULT, c.EXTRA \
             FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) \
             WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' \
             ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
        )
        .await?;
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for (table, name, written, nullable, default, extra) in rows {
        if table.starts_with(journal::PREFIX) {
            continue;
        }
        let extra = extra.to_ascii_lowercase();
        let (auto_increment, generated) = (extra.contains("auto_increment"), extra.contains("generated"));
        let not_null = nullable == "NO";
        let filled_in = auto_increment || generated || default.is_some() || !not_null;
        let target = type_of(&written);
        let column = Column { name, written, target, not_null, filled_in, auto_increment, generated };
        tables.entry(table).or_default().push(column);
    }
    let mut filled = BTreeSet::new();
    // A run of ours that was begun has filled them itself.
    let begun = journal::exists(conn).await?;
    for table in tables.keys().filter(|_| !begun) {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", ident::mariadb(table));
        if conn.query_first::<u8, _>(sql).await?.is_some() {
            filled.insert(table.clone());
        }
    }
    Ok(Existing { tables, references: references(conn).await?, filled })
}

async fn references(conn: &mut Conn) -> Result<BTreeMap<String, BTreeSet<(Vec<String>, String)>>, Error> {
    let rows: Vec<(String, String, String, String)> = conn
        .query(
            "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME \
             FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE() \
             AND REFERENCED_TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME",
        )
        .await?;
    let mut named: BTreeMap<(String, String), (Vec<String>, String)> = BTreeMap::new();
    for (table, name, column, parent) in rows {
        named.entry((table, name)).or_insert_with(|| (Vec::new(), parent)).0.push(column);
    }
    let mut references: BTreeMap<String, BTreeSet<(Vec<String>, String)>> = BTreeMap::new();
    for ((table, _), key) in named {
        references.entry(table).or_default().insert(key);
    }
    Ok(references)
}

/// The type as this crate writes it. An `ENUM` takes texts; which ones, the server says when a row is refused.
fn type_of(written: &str) -> Option<TargetType> {
    let Some(members) = written.strip_prefix("enum(").and_then(|rest| rest.strip_suffix(')')) else {
        return TargetType::parse(written);
    };
    let longest = members.split(',').map(|member| member.trim_matches('\'').chars().count()).max()?;
    Some(TargetType::Varchar { chars: u32::try_from(longest).ok()?.max(1) })
}

impl Existing {
    /// Measures the source's columns against the types that are there.
    pub(super) fn choose_types(&self, options: &mut SurveyOptions) {
        for (table, columns) in &self.tables {
            for column in columns {
                if let Some(target) = column.target {
                    options.column_types.insert(format!("{table}.{}", column.name), target.to_string());
                }
            }
        }
    }

    /// Turns a survey into one of the tables that are there.
    pub(super) fn compare(&self, survey: &mut Survey) {
        survey.findings.retain(|finding| !ABOUT_OURS.contains(&finding.id));
        survey.views.clear();
        let mut findings = Vec::new();
        for table in &mut survey.tables {
            self.table(table, &mut findings);
        }
        let known: BTreeSet<&String> = survey.tables.iter().map(|table| &table.name).collect();
        for table in self.tables.keys().filter(|table| !known.contains(table)) {
            let what = "the table is only in the target; it is left as it is";
            findings.push(Finding::new("MIG-SCHEMA-EXTRA", Severity::Note, what, "nothing").table(table));
        }
        survey.findings.extend(findings);
    }

    fn table(&self, table: &mut SurveyedTable, findings: &mut Vec<Finding>) {
        let name = table.name.clone();
        let blocks =
            |id, what: String, remedy: &str| Finding::new(id, Severity::Blocks, what, remedy).table(&name);
        table.indexes.clear();
        table.checks.clear();
        let Some(columns) = self.tables.get(&name) else {
            let remedy = "add it by the application's migrations, or exclude it";
            findings.push(blocks("MIG-SCHEMA-TABLE", "the target has no such table".to_owned(), remedy));
            return;
        };
        if self.filled.contains(&name) {
            let remedy = "empty it, or exclude it if the application's migrations filled it on purpose";
            findings.push(blocks(
                "MIG-SCHEMA-ROWS",
                "the target's table holds rows already".to_owned(),
                remedy,
            ));
        }
        let find = |wanted: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(wanted));
        for column in &mut table.columns {
            let Some(found) = find(&column.name) else {
                let remedy = "add it by the application's migrations; its values would be lost";
                let finding =
                    blocks("MIG-SCHEMA-COLUMN", "the target's table has no such column".to_owned(), remedy);
                findings.push(finding.column(column.name.clone()));
                continue;
            };
            match found.target {
                Some(target) => column.target = target,
                None => {
                    let what = format!(
                        "the target's column is {}, which cannot be filled and proven",
                        found.written
                    );
                    let finding =
                        blocks("MIG-SCHEMA-TYPE", what, "change its type in the application's migrations");
                    findings.push(finding.column(column.name.clone()));
                }
            }
            if found.not_null && !column.not_null && column.census.nulls > 0 {
                let what = "the target's column refuses NULL".to_owned();
                let finding = blocks(
                    "MIG-SCHEMA-NULL",
                    what,
                    "fill the rows in the source, or let the column take NULL",
                );
                findings.push(finding.column(column.name.clone()).rows(column.census.nulls, Vec::new()));
            }
            column.not_null = found.not_null;
            column.generated = found.generated.then(|| "the target's own".to_owned());
        }
        for column in columns
            .iter()
            .filter(|column| !table.columns.iter().any(|one| one.name.eq_ignore_ascii_case(&column.name)))
        {
            let (severity, remedy) = if column.filled_in {
                (Severity::Note, "nothing")
            } else {
                (Severity::Blocks, "give it a default in the application's migrations")
            };
            let what = "the column is only in the target, and takes its default";
            let finding = Finding::new("MIG-SCHEMA-EXTRA", severity, what, remedy).table(&name);
            findings.push(finding.column(column.name.clone()));
        }
        table.auto_increment = table
            .auto_increment
            .take()
            .filter(|(column, _)| find(column).is_some_and(|one| one.auto_increment));
        self.foreign_keys(table, findings);
    }

    /// Keys that the target does not have are the application's word; the others are proven.
    fn foreign_keys(&self, table: &mut SurveyedTable, findings: &mut Vec<Finding>) {
        let name = table.name.clone();
        let present = self.references.get(&name);
        table.foreign_keys.retain(|key| {
            let mut columns = key.columns.clone();
            columns.sort();
            let kept = present.is_some_and(|present| present.contains(&(columns, key.parent.clone())));
            if !kept {
                let what = format!("the target has no foreign key to `{}`", key.parent);
                let finding = Finding::new(
                    "MIG-SCHEMA-FK",
                    Severity::ChangesData,
                    what,
                    "add it by the application's migrations",
                );
                findings.push(finding.table(&name).column(key.columns.join(", ")));
            }
            kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_other_makers_are_read() {
        let of = |written| type_of(written).map(|target| target.to_string());
        assert_eq!(of("enum('open','it''s')").as_deref(), Some("VARCHAR(5)"));
        assert_eq!(of("int(11)").as_deref(), Some("INT"));
        assert_eq!(of("bigint(20) unsigned").as_deref(), Some("BIGINT UNSIGNED"));
        assert_eq!(of("datetime").as_deref(), Some("DATETIME"));
        assert_eq!(of("geometry"), None);
    }
}
