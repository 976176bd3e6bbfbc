//! CHECK constraints, by what they say. The server writes a condition in its own words, so it is given the source's anew, in
//! a temporary table, and two of its own renderings are compared. Nothing else is written.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::Sides;
use super::defaults::unescaped;
use crate::core::sqltext::{self, Token};
use crate::core::translate;
use crate::core::types::TargetType;
use crate::ident;
use crate::survey::{Catalog, CatalogTable};
use crate::verify::layout::{TargetColumn, TargetSide};
use crate::verify::report::{Difference, SchemaDifference};

const SCRATCH: &str = "`_golive_migrate_check`";
/// What the names of the source's conditions begin with there.
const OURS: &str = "_golive_check_";

/// One of the source's conditions, as the server says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rendering {
    Clause(String),
    /// It has no equal in MariaDB, and whoever wrote one by hand is taken by the word.
    NoEqual,
    /// The server made no temporary table, or did not take the condition there.
    Unknown,
}

/// The renderings of the source's conditions, by table, in their order.
pub(super) async fn renderings(
    conn: &mut Conn,
    catalog: &Catalog,
    target: &TargetSide,
) -> Result<BTreeMap<String, Vec<Rendering>>, Error> {
    let mut all = BTreeMap::new();
    for table in &catalog.tables {
        let checks = sqltext::checks(&table.tokens);
        let Some(columns) = target.tables.get(&table.name).filter(|_| !checks.is_empty()) else { continue };
        let carried: Vec<Option<String>> =
            checks.iter().map(|check| carried(check, table, columns)).collect();
        let rendered = match render(conn, &table.name, &carried).await {
            Ok(rendered) => rendered,
            Err(Error::Server(_)) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let of =
            |(at, carried): (usize, &Option<String>)| match (carried, rendered.get(&format!("{OURS}{at}"))) {
                (None, _) => Rendering::NoEqual,
                (Some(_), Some(clause)) => Rendering::Clause(clause.clone()),
                (Some(_), None) => Rendering::Unknown,
            };
        all.insert(table.name.clone(), carried.iter().enumerate().map(of).collect());
    }
    Ok(all)
}

/// A condition in MariaDB's words, where it means the same over the columns that are there.
fn carried(check: &[Token], table: &CatalogTable, columns: &[TargetColumn]) -> Option<String> {
    let type_of = |name: &str| {
        let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        column.and_then(|column| TargetType::parse(&column.column_type))
    };
    let names: Vec<String> =
        table.column_names().into_iter().filter(|name| Some(name) != table.rowid_alias.as_ref()).collect();
    translate::suits(check, &type_of).ok()?;
    translate::expression(check, &names).ok()
}

/// The conditions as the server shows them, by the names given here.
async fn render(
    conn: &mut Conn,
    table: &str,
    carried: &[Option<String>],
) -> Result<BTreeMap<String, String>, Error> {
    let clauses = carried.iter().enumerate().filter_map(|(at, clause)| Some((at, clause.as_ref()?)));
    let added: Vec<String> = clauses
        .map(|(at, clause)| {
            format!("ADD CONSTRAINT {} CHECK ({clause})", ident::mariadb(&format!("{OURS}{at}")))
        })
        .collect();
    if added.is_empty() {
        return Ok(BTreeMap::new());
    }
    conn.query_drop(format!("DROP TEMPORARY TABLE IF EXISTS {SCRATCH}")).await?;
    conn.query_drop(format!("CREATE TEMPORARY TABLE {SCRATCH} LIKE {}", ident::mariadb(table))).await?;
    let shown = async {
        conn.query_drop(format!("ALTER TABLE {SCRATCH} {}", added.join(", "))).await?;
        conn.query_first::<(String, String), _>(format!("SHOW CREATE TABLE {SCRATCH}")).await
    };
    let shown = shown.await;
    conn.query_drop(format!("DROP TEMPORARY TABLE IF EXISTS {SCRATCH}")).await?;
    Ok(shown?.map(|(_, statement)| statement.lines().filter_map(named_check).collect()).unwrap_or_default())
}

/// A line of ``CONSTRAINT `name` CHECK (clause)``.
fn named_check(line: &str) -> Option<(String, String)> {
    let (name, clause) = line.trim().strip_prefix("CONSTRAINT `")?.split_once("` CHECK (")?;
    let clause = clause.strip_suffix(',').unwrap_or(clause).strip_suffix(')')?;
    Some((name.to_owned(), clause.to_owned()))
}

/// Tells what one side has and the other has not.
pub(super) fn compare(sides: Sides<'_>, table: &CatalogTable, found: &mut Vec<SchemaDifference>) {
    let mut theirs: Vec<Vec<Token>> = sides
        .facts
        .checks
        .get(&table.name)
        .into_iter()
        .flatten()
        .filter_map(|clause| words(clause))
        .collect();
    let renderings = sides.facts.renderings.get(&table.name).map_or(&[][..], Vec::as_slice);
    let mut ours: Vec<(Vec<Token>, &Rendering)> =
        sqltext::checks(&table.tokens).into_iter().zip(renderings).collect();
    // The same words first, so that what is left belongs together by its columns at the most.
    ours.retain(|(_, rendering)| {
        let Rendering::Clause(clause) = rendering else { return true };
        let same = words(clause).and_then(|clause| theirs.iter().position(|one| *one == clause));
        same.map(|at| theirs.swap_remove(at)).is_none()
    });
    for (tokens, rendering) in ours {
        let columns = columns_in(&tokens, table);
        let over = named(&columns);
        let alike = theirs.iter().position(|one| columns_in(one, table) == columns);
        let what = match (alike.map(|at| theirs.swap_remove(at)), rendering) {
            (Some(_), Rendering::NoEqual) => continue,
            (Some(_), Rendering::Clause(_)) => format!("the CHECK over {over} is not the source's"),
            (Some(_), Rendering::Unknown) => format!(
                "it is unknown whether the CHECK over {over} is the source's, GRANT CREATE TEMPORARY TABLES on the database \
                 and verify again"
            ),
            (None, _) => format!("a CHECK over {over} is missing"),
        };
        let missing = alike.is_none();
        let difference = SchemaDifference::new(&table.name, Difference::Check, what);
        found.push(match missing {
            true => difference.declared(&["MIG-CHECK", "MIG-CHECK-BROKEN"], None),
            false => difference,
        });
    }
    for tokens in theirs {
        let what = format!("a CHECK over {} is only in the target", named(&columns_in(&tokens, table)));
        found.push(SchemaDifference::new(&table.name, Difference::Check, what));
    }
}

fn words(clause: &str) -> Option<Vec<Token>> {
    sqltext::tokenize(&unescaped(clause))
}

fn columns_in(tokens: &[Token], table: &CatalogTable) -> BTreeSet<String> {
    let name = |token: &Token| match token {
        Token::Word(word) | Token::Name(word) => table
            .columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(word))
            .map(|one| one.name.clone()),
        _ => None,
    };
    tokens.iter().filter_map(name).collect()
}

fn named(columns: &BTreeSet<String>) -> String {
    if columns.is_empty() {
        return "no column".to_owned();
    }
    columns.iter().cloned().collect::<Vec<_>>().join(", ")
}
