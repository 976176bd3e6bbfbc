//! The shape of an SQLite database as SQLite itself tells it: tables, columns, foreign keys and what breaks them.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable, Statement,
};

use super::chain;
use crate::entity::for_every_entity;

/// Tables of the platform.
const TABLES: usize = 45;
/// Tables on the longest path of foreign keys.
const TIERS: usize = 11;

/// The names of the platform's tables, sorted; without SQLite's own and the migrations' bookkeeping.
pub(super) async fn tables(connection: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    texts(
        connection,
        "SELECT name AS text FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' \
         AND name <> 'seaql_migrations' ORDER BY name",
    )
    .await
}

pub(super) async fn count_tables(connection: &DatabaseConnection) -> Result<String, String> {
    let count = tables(connection).await.map_err(|error| chain(&error))?.len();
    expect(count == TABLES, format!("{count} tables"))
}

pub(super) async fn count_tiers(connection: &DatabaseConnection) -> Result<String, String> {
    let parents = parents(connection).await.map_err(|error| chain(&error))?;
    match deepest(&parents) {
        Some(tiers) => expect(tiers == TIERS, format!("{tiers} tiers")),
        None => Err("the foreign keys run in a circle".to_owned()),
    }
}

/// Table names to the tables they refer to; a self reference does not count.
async fn parents(connection: &DatabaseConnection) -> Result<BTreeMap<String, BTreeSet<String>>, DbErr> {
    let mut parents = BTreeMap::new();
    for table in tables(connection).await? {
        let query = format!("SELECT \"table\" AS text FROM pragma_foreign_key_list({})", literal(&table));
        let named: BTreeSet<_> =
            texts(connection, &query).await?.into_iter().filter(|parent| *parent != table).collect();
        parents.insert(table, named);
    }
    Ok(parents)
}

/// The number of tables on the longest path, by taking away, tier after tier, those whose parents are all gone.
fn deepest(parents: &BTreeMap<String, BTreeSet<String>>) -> Option<usize> {
    let mut placed = BTreeSet::new();
    let mut tiers = 0;
    while placed.len() < parents.len() {
        let free =
            parents.iter().filter(|(table, above)| !placed.contains(*table) && above.is_subset(&placed));
        let tier: Vec<_> = free.map(|(table, _)| table.clone()).collect();
        if tier.is_empty() {
            return None;
        }
        placed.extend(tier);
        tiers += 1;
    }
    Some(tiers)
}

pub(super) async fn compare_columns(connection: &DatabaseConnection) -> Result<String, String> {
    macro_rules! columns {
        ($($module:ident),* $(,)?) => {
            [$(columns_of::<crate::entity::$module::Entity>()),*]
        };
    }
    let entities = for_every_entity!(columns);
    for (table, wanted) in &entities {
        let query = format!("SELECT name AS text FROM pragma_table_info({})", literal(table));
        let found = texts(connection, &query).await.map_err(|error| chain(&error))?;
        if found != *wanted {
            return Err(format!("{table} has the columns {}", found.join(", ")));
        }
    }
    expect(entities.len() == TABLES, format!("{} entities", entities.len()))
}

fn columns_of<E: EntityTrait>() -> (String, Vec<String>) {
    let columns = E::Column::iter().map(|column| column.as_str().to_owned()).collect();
    (E::default().table_name().to_owned(), columns)
}

/// The column types that go wrong on the way to another database, all of them somewhere.
pub(super) async fn difficult_columns(connection: &DatabaseConnection) -> Result<String, String> {
    let declared = texts(
        connection,
        "SELECT DISTINCT i.type AS text FROM sqlite_schema AS t, pragma_table_info(t.name) AS i WHERE t.type = 'table'",
    );
    let declared: BTreeSet<_> = declared.await.map_err(|error| chain(&error))?.into_iter().collect();
    let wanted = [
        "BIGINT",
        "BLOB",
        "BOOLEAN",
        "DATE",
        "DATETIME",
        "DOUBLE",
        "FLOAT",
        "INTEGER",
        "TEXT",
        "TIME",
        "json_text",
        "real_decimal(10,2)",
        "real_decimal(12,4)",
    ];
    let missing: Vec<_> = wanted.into_iter().filter(|kind| !declared.contains(*kind)).collect();
    let offsets = "SELECT occurred_at AS text FROM event_store WHERE occurred_at LIKE '%+05:30' LIMIT 1";
    let fractions =
        "SELECT created_at AS text FROM production_entry WHERE created_at LIKE '%.999999' LIMIT 1";
    for (query, what) in [(offsets, "a time with an offset"), (fractions, "a time with a fraction")] {
        if texts(connection, query).await.map_err(|error| chain(&error))?.is_empty() {
            return Err(format!("no row has {what}"));
        }
    }
    if missing.is_empty() {
        return Ok(format!("{} declared types", declared.len()));
    }
    Err(format!(
        "no column of type {}; there are {}",
        missing.join(", "),
        declared.into_iter().collect::<Vec<_>>().join(", ")
    ))
}

pub(super) async fn refuses_orphans(connection: &DatabaseConnection) -> Result<String, String> {
    let orphan = "INSERT INTO shift (client_id, code, shift_name, starts_at, ends_at) \
                  VALUES ('NOBODY', 'X', 'x', '06:00:00', '14:00:00')";
    match connection.execute_unprepared(orphan).await {
        Err(error) if error.to_string().contains("FOREIGN KEY") => Ok("refused".to_owned()),
        Err(error) => Err(chain(&error)),
        Ok(_) => Err("a shift of a client that does not exist was accepted".to_owned()),
    }
}

pub(super) async fn no_orphans(connection: &DatabaseConnection) -> Result<String, String> {
    let query = "SELECT DISTINCT \"table\" AS text FROM pragma_foreign_key_check";
    let tables = texts(connection, query).await.map_err(|error| chain(&error))?;
    if tables.is_empty() { Ok("none".to_owned()) } else { Err(format!("orphans in {}", tables.join(", "))) }
}

/// Rows whose parent belongs to another tenant, in the tables where both say whose they are.
pub(super) async fn no_mixed_tenants(connection: &DatabaseConnection) -> Result<String, String> {
    const PAIRS: [(&str, &str, &str); 12] = [
        ("work_order", "line_id", "production_line"),
        ("work_order", "product_id", "product"),
        ("work_order", "order_id", "order"),
        ("production_entry", "line_id", "production_line"),
        ("production_entry", "shift_id", "shift"),
        ("production_entry", "entered_by", "user"),
        ("attendance_entry", "employee_id", "employee"),
        ("downtime_entry", "reason_id", "downtime_reason"),
        ("quality_entry", "production_entry_id", "production_entry"),
        ("hold_entry", "work_order_id", "work_order"),
        ("capacity_scenario", "parent_id", "capacity_scenario"),
        ("employee", "supervisor_id", "employee"),
    ];
    for (child, column, parent) in PAIRS {
        let query = format!(
            "SELECT '{child}' AS text FROM \"{child}\" AS c JOIN \"{parent}\" AS p ON p.id = c.{column} \
             WHERE p.client_id <> c.client_id LIMIT 1"
        );
        if !texts(connection, &query).await.map_err(|error| chain(&error))?.is_empty() {
            return Err(format!("a row of {child} names a {parent} of another tenant"));
        }
    }
    Ok(format!("{} relations", PAIRS.len()))
}

pub(super) async fn is_sound(connection: &DatabaseConnection) -> Result<String, String> {
    let query = "SELECT integrity_check AS text FROM pragma_integrity_check";
    let says = texts(connection, query).await.map_err(|error| chain(&error))?;
    expect(says == ["ok"], says.join("; "))
}

fn expect(holds: bool, seen: String) -> Result<String, String> {
    if holds { Ok(seen) } else { Err(seen) }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn texts(connection: &DatabaseConnection, query: &str) -> Result<Vec<String>, DbErr> {
    let rows = connection.query_all_raw(Statement::from_string(DbBackend::Sqlite, query)).await?;
    rows.iter().map(|row| row.try_get("", "text")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_counts_not_the_shortest() {
        let above = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let mut parents = BTreeMap::from([
            ("a".to_owned(), above(&[])),
            ("b".to_owned(), above(&["a"])),
            ("c".to_owned(), above(&["a", "b"])),
        ]);
        assert_eq!(deepest(&parents), Some(3));
        parents.insert("a".to_owned(), above(&["c"]));
        assert_eq!(deepest(&parents), None);
    }
}
