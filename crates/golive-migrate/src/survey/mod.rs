//! Looks at everything that would go wrong before anything does: one pass over the source, and a look at the target.
//! It writes nothing anywhere.

mod against;
mod catalog;
mod collisions;
mod columns;
mod decide;
mod existing;
mod galera;
mod gather;
mod keys;
mod model;
mod objects;
mod orphans;
mod page;
mod reserved;
mod room;
mod scan;
mod sent;

use std::collections::BTreeSet;

use rusqlite::Connection;

pub(crate) use self::catalog::{
    Catalog, CatalogColumn, CatalogForeignKey, CatalogIndex, CatalogTable, read as read_catalog,
};
use self::gather::Gathered;
pub use self::model::{
    DEFAULT_COLLATION, SchemaOrigin, Survey, SurveyOptions, SurveyedCheck, SurveyedColumn,
    SurveyedForeignKey, SurveyedHelper, SurveyedIndex, SurveyedIndexColumn, SurveyedTable, SurveyedView,
};
use self::scan::Look;
pub(crate) use self::scan::key_text;
use crate::core::declared::Declared;
use crate::core::sqltext;
use crate::core::translate;
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;
use crate::source::{Source, WatchError};
use crate::stall;
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
    /// It was cancelled; a survey changes nothing.
    #[error("finish the survey: it was cancelled, survey again when ready")]
    Cancelled,
    /// An override names no type that we make.
    #[error(
        "use the type given for `{column}`: `{given}` is none of TINYINT, SMALLINT, MEDIUMINT, INT, BIGINT (also UNSIGNED), \
             TINYINT(1), FLOAT, DOUBLE, DECIMAL(p,s), CHAR(n), VARCHAR(n), TINYTEXT, TEXT, MEDIUMTEXT, LONGTEXT, JSON, \
             DATETIME(0..6), TIMESTAMP(0..6), DATE, TIME(0..6), BINARY(n), VARBINARY(n), TINYBLOB, BLOB, MEDIUMBLOB, LONGBLOB"
    )]
    UnknownType {
        /// The column, as `table.column`, or the declared type.
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
    /// The target's own tables are to be used, and no target was given.
    #[error("measure the source against the target's own tables: name the target")]
    NoTarget,
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

impl From<WatchError> for SurveyError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Sqlite(error) => Self::Source(error),
            WatchError::File(error) => Self::Fingerprint(error),
        }
    }
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
    let (reading, mut options) = (source.clone(), options.clone());
    let existing = match (options.schema, target) {
        (SchemaOrigin::Source, _) => None,
        (SchemaOrigin::Target, None) => return Err(SurveyError::NoTarget),
        (SchemaOrigin::Target, Some(target)) => {
            let mut conn = target.open().await?;
            let existing = existing::read(&mut conn).await?;
            let _ = conn.disconnect().await;
            existing.choose_types(&mut options);
            Some(existing)
        }
    };
    let mut survey = tokio::task::spawn_blocking(move || survey_source(&reading, &options)).await??;
    if let Some(existing) = existing {
        existing.compare(&mut survey);
    }
    if let Some(target) = target {
        let look = against::survey(source, target, &mut survey);
        stall::guarded(target, stall::DEFAULT_TIMEOUT, SurveyError::Target, look).await?;
    }
    decide::settle(&mut survey);
    survey.findings.sort_by(|a, b| {
        (a.severity, a.id, &a.table, &a.column).cmp(&(b.severity, b.id, &b.table, &b.column))
    });
    Ok(survey)
}

fn survey_source(source: &Source, options: &SurveyOptions) -> Result<Survey, SurveyError> {
    let watch = source.watch()?;
    let connection = source.connect()?;
    let mut findings = Vec::new();
    let mut catalog = catalog::read(&connection)?;
    check_options(&catalog, options)?;
    catalog.tables.retain(|table| !options.exclude.contains(&table.name));
    let looks: Vec<Vec<Look>> = catalog.tables.iter().map(|table| columns::looks(table, options)).collect();
    let (gathered, digest) = gather::gather(source, &catalog.tables, &looks, options)?;
    let mut tables = Vec::with_capacity(catalog.tables.len());
    for (table, gathered) in catalog.tables.iter().zip(gathered) {
        tables.push(survey_table(&connection, table, gathered, &catalog, options, &mut findings)?);
    }
    keys::unify(&mut tables, &mut findings);
    let chosen =
        |table: &str, column: &str, target| columns::is_chosen(options, &catalog, table, column, target);
    room::narrow(&mut tables, &chosen, &mut findings);
    for table in &mut tables {
        let declared = catalog.tables.iter().find(|one| one.name == table.name);
        let undeclared = |name: &str| {
            let column = declared.and_then(|table| table.columns.iter().find(|column| column.name == name));
            column.is_some_and(|column| {
                !matches!(scan::meaning(column), Declared::Text(Some(_)) | Declared::Uuid)
            })
        };
        keys::fit(table, &undeclared, &mut findings);
        page::rows(&connection, table, &mut findings)?;
        settle_defaults(table, declared, &mut findings);
    }
    objects::findings(&catalog, &tables, source.is_wal(), options, &mut findings);
    objects::writer(source, &mut findings);
    let views = objects::views(&catalog, &tables, &options.exclude, &mut findings);
    if !watch.is_unchanged(&digest)? {
        return Err(SurveyError::Changed);
    }
    Ok(Survey {
        source_digest: digest,
        collation: options.collation.clone(),
        schema: options.schema,
        policies: options.policies.clone(),
        views,
        tables,
        findings,
    })
}

fn check_options(catalog: &Catalog, options: &SurveyOptions) -> Result<(), SurveyError> {
    for (name, given) in &options.column_types {
        if TargetType::parse(given).is_none() {
            return Err(SurveyError::UnknownType { column: name.clone(), given: given.clone() });
        }
        let known = catalog.tables.iter().any(|table| {
            table.columns.iter().any(|column| {
                *name == format!("{}.{}", table.name, column.name)
                    || name.eq_ignore_ascii_case(&column.declared)
            })
        });
        // The target's own tables may be more than the source's.
        if !known && options.schema == SchemaOrigin::Source {
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
    gathered: Gathered,
    catalog: &Catalog,
    options: &SurveyOptions,
    findings: &mut Vec<Finding>,
) -> Result<SurveyedTable, SurveyError> {
    let foreign_keys = keys::foreign_keys(table, catalog, &gathered.orphans, findings);
    // MariaDB refuses expressions over the column that numbers rows.
    let names: Vec<String> =
        table.column_names().into_iter().filter(|name| Some(name) != table.rowid_alias.as_ref()).collect();
    let mut indexes = keys::indexes(table, &names, findings);
    let mut indexed: BTreeSet<String> = table.primary_key.iter().cloned().collect();
    indexed.extend(indexes.iter().flat_map(|index| index.columns.iter().map(|column| column.name.clone())));
    indexed.extend(foreign_keys.iter().flat_map(|key| key.columns.clone()));
    let referring = catalog.tables.iter().flat_map(|other| &other.foreign_keys);
    indexed
        .extend(referring.filter(|key| key.parent == table.name).flat_map(|key| key.parent_columns.clone()));
    let given = columns::Given { table, options, indexed: &indexed, names: &names };
    let columns = columns::survey(connection, &given, gathered.census, findings)?;
    let rows = columns.first().map_or(0, |column| column.census.rows);
    let type_of = |name: &str| {
        let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        column.map(|column| column.target)
    };
    keys::suit(table, &mut indexes, &type_of, findings);
    let checks = checks(connection, table, &names, &type_of, findings)?;
    Ok(SurveyedTable {
        name: table.name.clone(),
        rows,
        primary_key: table.primary_key.clone(),
        auto_increment: auto_increment(connection, table)?,
        without_rowid: table.without_rowid,
        rowid_name: table.rowid_name().map(str::to_owned),
        columns,
        indexes,
        foreign_keys,
        checks,
    })
}

fn checks(
    connection: &Connection,
    table: &CatalogTable,
    names: &[String],
    type_of: &dyn Fn(&str) -> Option<TargetType>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<SurveyedCheck>, SurveyError> {
    let mut carried = Vec::new();
    for tokens in sqltext::checks(&table.tokens) {
        let text = sqltext::render(&tokens);
        let meant = translate::numbers(&tokens, type_of);
        let suits = translate::suits(&meant, type_of);
        match suits.and_then(|()| translate::expression(&meant, names)) {
            Ok(clause) => {
                let breaking = scan::breaking_rows(connection, table, &text)?;
                if breaking > 0 {
                    let remedy = "mend the rows in the source; or set them aside by a policy, or accept, and the check is left out";
                    let what = format!("break the constraint CHECK ({text})");
                    let finding = Finding::new("MIG-CHECK-BROKEN", Severity::Blocks, what, remedy);
                    findings.push(finding.table(&table.name).rows(breaking, Vec::new()));
                }
                carried.push(SurveyedCheck { clause, source: text, breaking, quarantine: false });
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
