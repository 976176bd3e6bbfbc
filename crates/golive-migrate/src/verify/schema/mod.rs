//! Compares the schemas, from the catalogs of both sides: tables, engine, collation, columns with their types and
//! defaults, keys, indexes, foreign keys with their actions, CHECKs, views, triggers, the next numbers. What a plan
//! declared is settled as intended; what only a survey could have declared, without one, stays unknown and counts.

mod checks;
mod columns;
mod defaults;
mod facts;
mod keys;
mod objects;
mod orphans;

use mysql_async::Conn;

use self::facts::Facts;
pub(super) use self::orphans::orphans;
use super::layout::TargetSide;
use super::options::{Intentions, VerifyOptions};
use super::report::{Intended, SchemaDifference};
use crate::survey::Catalog;

/// Both schemas, and what was chosen.
#[derive(Clone, Copy)]
struct Sides<'a> {
    catalog: &'a Catalog,
    target: &'a TargetSide,
    facts: &'a Facts,
    options: &'a VerifyOptions,
}

/// Everything that differs, and the facts for whoever looks further.
pub(super) async fn check(
    conn: &mut Conn,
    catalog: &Catalog,
    target: &TargetSide,
    options: &VerifyOptions,
) -> Result<(Vec<SchemaDifference>, Facts), mysql_async::Error> {
    let mut facts = Facts::read(conn).await?;
    facts.renderings = checks::renderings(conn, catalog, target).await?;
    let mut found = Vec::new();
    let sides = Sides { catalog, target, facts: &facts, options };
    objects::compare(sides, &mut found);
    for table in &catalog.tables {
        if options.exclude.contains(&table.name) {
            continue;
        }
        if let Some(there) = target.tables.get(&table.name) {
            columns::compare(sides, table, there, &mut found);
            keys::compare(sides, table, &mut found);
            checks::compare(sides, table, &mut found);
        }
    }
    Ok((found, facts))
}

/// Parts what was meant from what was not.
pub(super) fn settle(
    found: Vec<SchemaDifference>,
    intentions: &Intentions,
) -> (Vec<SchemaDifference>, Vec<SchemaDifference>) {
    let mut left = intentions.clone();
    let mut found = found;
    found.iter_mut().for_each(|difference| difference.settle(&mut left));
    found.into_iter().partition(|difference| difference.intended != Intended::Yes)
}
