//! The columns of one table: their census, their types, what policies convert, what MariaDB computes.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::SurveyError;
use super::catalog::{Catalog, CatalogColumn, CatalogTable};
use super::model::{SurveyOptions, SurveyedColumn};
use super::scan::{self, Look};
use crate::core::census::{Census, Example};
use crate::core::declared::Declared;
use crate::core::mapping::{self, Proposal, Usage};
use crate::core::sqltext;
use crate::core::translate;
use crate::core::types::TargetType;
use crate::finding::{Finding, Severity};
use crate::ident;
use crate::policy::Policy;

/// A conversion may bring another finding to light, which may have its own policy, and so on; more rounds are a circle.
const ROUNDS: usize = 4;

/// What is known of a table's columns before they are counted.
pub(super) struct Given<'a> {
    pub(super) table: &'a CatalogTable,
    pub(super) options: &'a SurveyOptions,
    /// Columns in any key.
    pub(super) indexed: &'a BTreeSet<String>,
    /// Columns that an expression of MariaDB may name.
    pub(super) names: &'a [String],
}

/// How each column is looked at first, before any policy converts.
pub(super) fn looks(table: &CatalogTable, options: &SurveyOptions) -> Vec<Look> {
    let look = |column: &CatalogColumn| Look::new(column, chosen(options, &table.name, column));
    table.columns.iter().map(look).collect()
}

pub(super) fn survey(
    connection: &Connection,
    given: &Given<'_>,
    census: Vec<Census>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<SurveyedColumn>, SurveyError> {
    let table = given.table;
    let mut chosen: Vec<Option<TargetType>> =
        table.columns.iter().map(|column| chosen(given.options, &table.name, column)).collect();
    let mut looks = looks(table, given.options);
    let (census, proposals) = settle(connection, given, census, &mut chosen, &mut looks)?;
    let mut columns = Vec::with_capacity(table.columns.len());
    for (((column, census), proposal), look) in table.columns.iter().zip(census).zip(proposals).zip(looks) {
        let mut proposal = proposal;
        for finding in proposal.findings.iter_mut().filter(|finding| finding.id == "MIG-REAL-INTEGER") {
            finding.remedy = exact_remedy(connection, &table.name, &column.name)?;
        }
        findings.extend(proposal.findings);
        columns.push(SurveyedColumn {
            name: column.name.clone(),
            declared: column.declared.clone(),
            not_null: column.not_null || table.primary_key.contains(&column.name),
            target: proposal.target,
            default: None,
            generated: None,
            conversions: look.conversions.into_iter().map(|(conversion, _)| conversion).collect(),
            quarantine: false,
            census,
        });
    }
    let types: Vec<(String, TargetType)> =
        columns.iter().map(|column| (column.name.clone(), column.target)).collect();
    for (column, there) in columns.iter_mut().zip(&table.columns).filter(|(_, there)| there.generated) {
        column.generated = generated(table, &there.name, given.names, &types, findings);
    }
    Ok(columns)
}

/// Proposes, and counts and proposes again with what policies convert, until they convert nothing more.
fn settle(
    connection: &Connection,
    given: &Given<'_>,
    census: Vec<Census>,
    chosen: &mut [Option<TargetType>],
    looks: &mut [Look],
) -> Result<(Vec<Census>, Vec<Proposal>), SurveyError> {
    let mut census = census;
    for round in 1.. {
        let mut proposals = Vec::with_capacity(census.len());
        let mut changed = false;
        for (at, census) in census.iter().enumerate() {
            let proposal = propose(given, &given.table.columns[at], &looks[at], census, chosen[at]);
            changed |= convert(given.options, &proposal, &mut looks[at], &mut chosen[at]);
            proposals.push(proposal);
        }
        if !changed || round == ROUNDS {
            return Ok((census, proposals));
        }
        census = scan::census(connection, given.table, looks, None, given.options.show_values)?;
    }
    unreachable!("the last round returns")
}

fn propose(
    given: &Given<'_>,
    column: &CatalogColumn,
    look: &Look,
    census: &Census,
    chosen: Option<TargetType>,
) -> Proposal {
    let usage = Usage { indexed: given.indexed.contains(&column.name) };
    let as_text = look.conversions.iter().any(|(conversion, _)| *conversion == crate::Conversion::Text);
    let chosen = match chosen {
        // MariaDB makes no key over a LONGTEXT.
        Some(TargetType::LongText) if as_text && usage.indexed => Some(mapping::key_text(census)),
        other => other,
    };
    let mut proposal = mapping::propose(look.meaning, &column.declared, census, usage, chosen);
    if given.table.primary_key.contains(&column.name) && census.nulls > 0 {
        let remedy = "give those rows a key in the source, or set them aside by a policy; or accept, and the key becomes a unique \
             key, which takes NULL as in SQLite";
        let finding = Finding::new("MIG-KEY-NULL", Severity::Blocks, "NULL in the primary key", remedy);
        proposal.findings.push(finding.rows(census.nulls, Vec::new()));
    }
    if column.not_null && census.nulls > 0 && census.converted > 0 {
        let remedy = "another policy: quarantine keeps the rows; or let the column take NULL in the source";
        let what = "NULL, which a conversion makes, in a column that refuses it";
        proposal.findings.push(
            Finding::new("MIG-NULL-REFUSED", Severity::Blocks, what, remedy).rows(census.nulls, Vec::new()),
        );
    }
    let place = |finding: Finding| finding.table(&given.table.name).column(column.name.clone());
    proposal.findings = std::mem::take(&mut proposal.findings).into_iter().map(place).collect();
    proposal
}

/// What to do about integers that a DOUBLE does not hold: name the decimal type that holds all that is there, if there is one.
fn exact_remedy(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<String> {
    let column = ident::sqlite(column);
    let sql = format!(
        "SELECT {column} FROM {} WHERE typeof({column}) IN ('integer', 'real')",
        ident::sqlite(table)
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut seen = Census::default();
    while let Some(row) = rows.next()? {
        seen.observe(Declared::Decimal(None), row.get_ref(0)?, &Example::default);
    }
    let otherwise = "keep the digits as text by the policy convert:text, or set the rows aside";
    Ok(match mapping::exact_decimal(&seen) {
        Some(target) => format!(
            "override the column's type with {target}, which holds every value as it is; or {otherwise}"
        ),
        None => format!("no DECIMAL holds both these integers and the fractions beside them: {otherwise}"),
    })
}

/// Takes up what policies say of the findings; `true` when the column must be counted again.
fn convert(
    options: &SurveyOptions,
    proposal: &Proposal,
    look: &mut Look,
    chosen: &mut Option<TargetType>,
) -> bool {
    let mut changed = false;
    for finding in &proposal.findings {
        let Some((_, Policy::Convert(conversion))) = options.policies.of(finding) else { continue };
        if look.conversions.iter().any(|(one, _)| *one == conversion) {
            continue;
        }
        let forced = conversion.forced_type(look.meaning);
        if let Some(forced) = forced {
            *chosen = Some(forced);
        } else if conversion == crate::Conversion::Null {
            // What does not fit depends on the type, so the type stands from here on.
            *chosen = Some(proposal.target);
        }
        look.conversions.push((conversion, forced.unwrap_or(proposal.target)));
        changed = true;
    }
    changed
}

/// The type that an operator gives, by column or by declared type.
fn chosen(options: &SurveyOptions, table: &str, column: &CatalogColumn) -> Option<TargetType> {
    let by_column = options.column_types.get(&format!("{table}.{}", column.name));
    let declared = options.column_types.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.declared));
    by_column.or(declared.map(|(_, given)| given)).and_then(|given| TargetType::parse(given))
}

/// Whether the operator gave the column this type.
pub(super) fn is_chosen(
    options: &SurveyOptions,
    catalog: &Catalog,
    table: &str,
    column: &str,
    target: TargetType,
) -> bool {
    let columns = catalog.tables.iter().filter(|one| one.name == table).flat_map(|one| &one.columns);
    columns.filter(|one| one.name == column).any(|one| chosen(options, table, one) == Some(target))
}

fn generated(
    table: &CatalogTable,
    column: &str,
    names: &[String],
    types: &[(String, TargetType)],
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let type_of = |name: &str| {
        types.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, target)| *target)
    };
    let expression = sqltext::generated(&table.tokens, column);
    let carried = expression
        .ok_or_else(|| "its expression".to_owned())
        .and_then(|tokens| translate::suits(&tokens, &type_of).map(|()| tokens))
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
