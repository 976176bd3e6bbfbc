//! Looks at everything that would go wrong before anything does: one pass over the source, and a look at the target.
//! It writes nothing anywhere.

mod catalog;
mod galera;
mod keys;
mod model;
mod objects;
mod scan;

use std::collections::BTreeSet;

use mysql_async::prelude::Queryable;
use rusqlite::Connection;

pub(crate) use self::catalog::{Catalog, CatalogTable, read as read_catalog};
pub use self::model::{
    DEFAULT_COLLATION, Survey, SurveyOptions, SurveyedColumn, SurveyedForeignKey, SurveyedIndex,
    SurveyedIndexColumn, SurveyedTable,
};
pub(crate) use self::scan::key_text;
use crate::core::declared::Declared;
use crate::core::mapping::{self, Usage};
use crate::core::sqltext;
use crate::core::translate;
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;
use crate::journal;
use crate::source::{Source, data_version};
use crate::target::Target;

/// Why a survey could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SurveyError {
    /// The source could not be read to its end.
    #[error("read the source; check that it is on a healthy disk and not moved meanwhile")]
    Source(#[from] rusqlite::Error),
    /// The source's file could not be read.
    #[error("fingerprint the source; check its permissions")]
    Fingerprint(#[from] std::io::Error),
    /// The target did not answer.
    #[error("look at the target")]
    Target(#[from] mysql_async::Error),
    /// The source was written to meanwhile.
    #[error("survey a source at rest: it was written to meanwhile, stop the application and survey again")]
    Changed,
    /// An override names no type that we make.
    #[error(
        "use the type given for `{column}`: `{given}` is none of BIGINT, TINYINT(1), DOUBLE, DECIMAL(p,s), VARCHAR(n), \
             LONGTEXT, JSON, DATETIME(6), DATE, TIME(6), BINARY(n), VARBINARY(n), LONGBLOB"
    )]
    UnknownType {
        /// The column, as `table.column`.
        column: String,
        /// What was given.
        given: String,
    },
    /// An option names something that the source does not have.
    #[error("find `{name}` in the source: check its spelling in the options")]
    UnknownName {
        /// The table or column.
        name: String,
    },
    /// The collation is none that golive can prove.
    #[error("use the collation `{collation}`: it must belong to utf8mb4, like utf8mb4_nopad_bin")]
    Collation {
        /// What was given.
        collation: String,
    },
    /// The reading thread died.
    #[error("finish reading the source")]
    Worker(#[from] tokio::task::JoinError),
}

/// Surveys the source, and the target too where one is given.
///
/// # Errors
/// When source or target cannot be looked at; what is found in them is a finding, not an error.
pub async fn survey(
    source: &Source,
    target: Option<&Target>,
    options: &SurveyOptions,
) -> Result<Survey, SurveyError> {
    let collation = options.collation.clone();
    if !collation.starts_with("utf8mb4_")
        || !collation.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Err(SurveyError::Collation { collation });
    }
    let (source, options) = (source.clone(), options.clone());
    let mut survey = tokio::task::spawn_blocking(move || survey_source(&source, &options)).await??;
    if let Some(target) = target {
        survey_target(target, &mut survey).await?;
    }
    survey.findings.sort_by(|a, b| {
        (a.severity, a.id, &a.table, &a.column).cmp(&(b.severity, b.id, &b.table, &b.column))
    });
    Ok(survey)
}

fn survey_source(source: &Source, options: &SurveyOptions) -> Result<Survey, SurveyError> {
    let connection = source.connect()?;
    let before = (data_version(&connection)?, source.digest()?);
    let mut findings = Vec::new();
    let mut catalog = catalog::read(&connection)?;
    check_options(&catalog, options)?;
    catalog.tables.retain(|table| !options.exclude.contains(&table.name));
    let mut tables = Vec::with_capacity(catalog.tables.len());
    for table in &catalog.tables {
        tables.push(survey_table(&connection, table, &catalog, options, &mut findings)?);
    }
    keys::unify(&mut tables, &mut findings);
    for table in &mut tables {
        let declared = catalog.tables.iter().find(|one| one.name == table.name);
        let undeclared = |name: &str| {
            let column = declared.and_then(|table| table.columns.iter().find(|column| column.name == name));
            column.is_some_and(|column| {
                !matches!(scan::meaning(column), Declared::Text(Some(_)) | Declared::Uuid)
            })
        };
        keys::fit(table, &undeclared, &mut findings);
        settle_defaults(table, declared, &mut findings);
    }
    objects::findings(&catalog, &tables, source.is_wal(), options, &mut findings);
    let after = (data_version(&connection)?, source.digest()?);
    if before != after {
        return Err(SurveyError::Changed);
    }
    Ok(Survey { source_digest: after.1, collation: options.collation.clone(), tables, findings })
}

fn check_options(catalog: &Catalog, options: &SurveyOptions) -> Result<(), SurveyError> {
    for (name, given) in &options.column_types {
        if TargetType::parse(given).is_none() {
            return Err(SurveyError::UnknownType { column: name.clone(), given: given.clone() });
        }
        let known = catalog.tables.iter().any(|table| {
            table.columns.iter().any(|column| *name == format!("{}.{}", table.name, column.name))
        });
        if !known {
            return Err(SurveyError::UnknownName { name: name.clone() });
        }
    }
    match options.exclude.iter().find(|name| !catalog.tables.iter().any(|table| table.name == **name)) {
        Some(name) => Err(SurveyError::UnknownName { name: name.clone() }),
        None => Ok(()),
    }
}

fn survey_table(
    connection: &Connection,
    table: &CatalogTable,
    catalog: &Catalog,
    options: &SurveyOptions,
    findings: &mut Vec<Finding>,
) -> Result<SurveyedTable, SurveyError> {
    let indexes = keys::indexes(table, findings);
    let orphans = if table.foreign_keys.is_empty() { None } else { scan::orphans(connection, table)? };
    let foreign_keys = keys::foreign_keys(table, catalog, orphans.as_ref(), findings);
    // MariaDB refuses expressions over the column that numbers rows.
    let names: Vec<String> =
        table.column_names().into_iter().filter(|name| Some(name) != table.rowid_alias.as_ref()).collect();
    let mut indexed: BTreeSet<String> = table.primary_key.iter().cloned().collect();
    indexed.extend(indexes.iter().flat_map(|index| index.columns.iter().map(|column| column.name.clone())));
    indexed.extend(foreign_keys.iter().flat_map(|key| key.columns.clone()));
    let referring = catalog.tables.iter().flat_map(|other| &other.foreign_keys);
    indexed
        .extend(referring.filter(|key| key.parent == table.name).flat_map(|key| key.parent_columns.clone()));
    let columns = survey_columns(connection, table, options, &indexed, &names, findings)?;
    let rows = columns.first().map_or(0, |column| column.census.rows);
    let checks = checks(connection, table, &names, findings)?;
    Ok(SurveyedTable {
        name: table.name.clone(),
        rows,
        primary_key: table.primary_key.clone(),
        auto_increment: auto_increment(connection, table)?,
        rowid_name: table.rowid_name().map(str::to_owned),
        columns,
        indexes,
        foreign_keys,
        checks,
    })
}

fn survey_columns(
    connection: &Connection,
    table: &CatalogTable,
    options: &SurveyOptions,
    indexed: &BTreeSet<String>,
    names: &[String],
    findings: &mut Vec<Finding>,
) -> Result<Vec<SurveyedColumn>, SurveyError> {
    let chosen = |column: &str| {
        let given = options.column_types.get(&format!("{}.{column}", table.name));
        given.and_then(|given| TargetType::parse(given))
    };
    let meanings: Vec<Declared> = table
        .columns
        .iter()
        .map(|column| chosen(&column.name).map_or_else(|| scan::meaning(column), Declared::of_target))
        .collect();
    let census = scan::census(connection, table, &meanings)?;
    let mut columns = Vec::with_capacity(table.columns.len());
    for ((column, census), meaning) in table.columns.iter().zip(census).zip(meanings) {
        let place = |finding: Finding| finding.table(&table.name).column(column.name.clone());
        let usage = Usage { indexed: indexed.contains(&column.name) };
        let proposal = mapping::propose(meaning, &column.declared, &census, usage, chosen(&column.name));
        findings.extend(proposal.findings.into_iter().map(place));
        let primary = table.primary_key.contains(&column.name);
        if primary && census.nulls > 0 {
            let remedy = "give those rows a key in the source";
            let finding = Finding::new("MIG-KEY-NULL", Severity::Blocks, "NULL in the primary key", remedy);
            findings.push(place(finding).rows(census.nulls, Vec::new()));
        }
        let generated = if column.generated { generated(table, &column.name, names, findings) } else { None };
        columns.push(SurveyedColumn {
            name: column.name.clone(),
            declared: column.declared.clone(),
            not_null: column.not_null || primary,
            target: proposal.target,
            default: None,
            generated,
            census,
        });
    }
    Ok(columns)
}

fn generated(
    table: &CatalogTable,
    column: &str,
    names: &[String],
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let expression = sqltext::generated(&table.tokens, column);
    let carried = expression
        .ok_or_else(|| "its expression".to_owned())
        .and_then(|tokens| translate::expression(&tokens, names));
    match carried {
        Ok(sql) => Some(sql),
        Err(part) => {
            findings.push(
                Finding::new(
                    "MIG-GENERATED",
                    Severity::ChangesData,
                    format!("is generated, and {part} has no equal in MariaDB; it becomes a plain column with its present values"),
                    "let the application compute it, or write the expression in MariaDB's words",
                )
                .table(&table.name)
                .column(column),
            );
            None
        }
    }
}

fn checks(
    connection: &Connection,
    table: &CatalogTable,
    names: &[String],
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, SurveyError> {
    let mut carried = Vec::new();
    for tokens in sqltext::checks(&table.tokens) {
        let text = sqltext::render(&tokens);
        match translate::expression(&tokens, names) {
            Ok(sql) => {
                let breaking = scan::breaking_rows(connection, table, &tokens)?;
                if breaking > 0 {
                    let remedy = "mend the rows in the source";
                    let what = format!("break the constraint CHECK ({text})");
                    let finding = Finding::new("MIG-CHECK-BROKEN", Severity::Blocks, what, remedy);
                    findings.push(finding.table(&table.name).rows(breaking, Vec::new()));
                }
                carried.push(sql);
            }
            Err(part) => findings.push(
                Finding::new(
                    "MIG-CHECK",
                    Severity::ChangesData,
                    format!("CHECK ({text}) is not carried: {part} has no equal in MariaDB"),
                    "enforce it in the application, or add it in MariaDB's words",
                )
                .table(&table.name),
            ),
        }
    }
    Ok(carried)
}

/// Every `INTEGER PRIMARY KEY` numbers new rows, with or without the word AUTOINCREMENT.
fn auto_increment(
    connection: &Connection,
    table: &CatalogTable,
) -> Result<Option<(String, u64)>, SurveyError> {
    let Some(column) = &table.rowid_alias else { return Ok(None) };
    let sql = format!("SELECT max({}) FROM {}", ident::sqlite(column), ident::sqlite(&table.name));
    let highest: Option<i64> = connection.query_row(&sql, [], |row| row.get(0))?;
    let highest = highest.unwrap_or(0).max(table.sequence.unwrap_or(0)).max(0);
    Ok(Some((column.clone(), highest.unsigned_abs() + 1)))
}

/// Defaults are translated last, when the types stand.
fn settle_defaults(table: &mut SurveyedTable, catalog: Option<&CatalogTable>, findings: &mut Vec<Finding>) {
    let name = table.name.clone();
    for column in &mut table.columns {
        let found = catalog.and_then(|table| table.columns.iter().find(|one| one.name == column.name));
        let Some(text) = found.and_then(|found| found.default.as_deref()) else { continue };
        match translate::default(text, column.target) {
            Ok(default) => column.default = default,
            Err(part) => findings.push(
                Finding::new(
                    "MIG-DEFAULT",
                    Severity::ChangesData,
                    format!("its default is not carried: {part} has no equal in MariaDB"),
                    "let the application give the value",
                )
                .table(&name)
                .column(column.name.clone()),
            ),
        }
    }
}

async fn survey_target(target: &Target, survey: &mut Survey) -> Result<(), SurveyError> {
    let mut conn = target.open().await?;
    let known: Option<String> = conn
        .exec_first(
            "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME = ?",
            (&survey.collation,),
        )
        .await?;
    if known.is_none() {
        return Err(SurveyError::Collation { collation: survey.collation.clone() });
    }
    let foreign = journal::foreign_tables(&mut conn).await?;
    let begun = journal::exists(&mut conn).await?;
    let _ = conn.disconnect().await;
    if let (Some(first), false) = (foreign.first(), begun) {
        let what =
            format!("the target is not empty: it holds `{first}` and {} more tables", foreign.len() - 1);
        let remedy = "drop and create the database again, or name an empty one";
        survey.findings.push(Finding::new("MIG-TARGET-NOT-EMPTY", Severity::Blocks, what, remedy));
    }
    let server = target.server();
    galera::findings(server, survey);
    if !server.local_infile {
        let what = "the server does not allow LOAD DATA LOCAL INFILE; rows go by INSERT, which takes about half as long again";
        let remedy = "nothing, or SET GLOBAL local_infile = 1 during the migration";
        survey.findings.push(Finding::new("MIG-TARGET-INFILE", Severity::Note, what, remedy));
    }
    let packet = server.max_allowed_packet_bytes;
    for table in &survey.tables {
        for column in table.columns.iter().filter(|column| column.census.max_bytes + 1024 > packet) {
            let what = format!(
                "holds a value of {} bytes, the server takes packets of {packet}",
                column.census.max_bytes
            );
            let remedy = format!(
                "SET GLOBAL max_allowed_packet = {}",
                (column.census.max_bytes + 1024).next_power_of_two()
            );
            let finding = Finding::new("MIG-PACKET", Severity::Blocks, what, remedy);
            survey.findings.push(finding.table(&table.name).column(column.name.clone()));
        }
    }
    Ok(())
}
