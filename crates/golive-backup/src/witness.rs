//! What the server itself says of a table, without reading all of it: the number of rows, the digest of a few thousand
//! of them, and every digit of its FLOAT columns.
//!
//! It stands beside the digest of a dump's text and rests on nothing that made the dump: characters that the dump
//! could not carry, a tool that left rows out, digits that no dump prints show here. The rows of a sample are found
//! again by their primary key, in the source's snapshot and in the restored copy alike. Only reads.

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::digest::{self, Column, Floats};
use crate::identifier::quote;
use crate::inventory::{InspectError, is_float, read_columns};
use crate::manifest::{Sample, SampleOf, TableFacts};
use crate::progress::{Progress, Stage};

/// Names the method of a manifest whose tables have nothing but this.
pub(crate) const METHOD: &str = "rows-and-samples-1";

/// A table of no more rows is in the sample whole.
const WHOLE_ROWS: u64 = 4096;
/// Of a larger one, so many rows from each of so many keys on.
const EACH_ROWS: u64 = 128;
const KEYS: u64 = 16;

/// Whether digits of FLOAT columns are asked for apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// A dump, which rounds them: the sample does too, and they are digested on their own.
    Dump,
    /// Files, which do not.
    Files,
}

impl Beside {
    fn floats(self) -> Floats {
        match self {
            Self::Dump => Floats::AsDumped,
            Self::Files => Floats::Exact,
        }
    }
}

/// Reads every table named. `seed` decides which rows are in the sample, so that it is another one each day.
pub(crate) async fn read(
    connection: &mut MySqlConnection,
    database: &str,
    tables: &[String],
    (beside, seed): (Beside, &str),
    progress: &Progress,
    stage: Stage,
) -> Result<Vec<TableFacts>, InspectError> {
    let mut found = Vec::with_capacity(tables.len());
    for name in tables {
        progress.table(stage, name);
        let table = Table::read(connection, database, name).await?;
        let rows = table.count(connection).await?;
        let of = table.choose(connection, rows, seed).await?;
        let sample = match of {
            Some(of) => Some(table.sample(connection, of, beside).await?),
            None => None,
        };
        let floats = table.floats(connection, beside).await?;
        let name = name.clone();
        found.push(TableFacts { name, rows, digest: String::new(), rounded_digest: None, sample, floats });
    }
    Ok(found)
}

/// Reads the same of a restored table: the rows that are in the sample of `expected`.
pub(crate) async fn read_again(
    connection: &mut MySqlConnection,
    database: &str,
    expected: &TableFacts,
    beside: Beside,
) -> Result<TableFacts, InspectError> {
    let table = Table::read(connection, database, &expected.name).await?;
    let rows = table.count(connection).await?;
    let sample = match &expected.sample {
        Some(sample) => Some(table.sample(connection, sample.of.clone(), beside).await?),
        None => None,
    };
    let floats = match expected.floats {
        Some(_) => table.floats(connection, beside).await?,
        None => None,
    };
    let name = expected.name.clone();
    Ok(TableFacts { name, rows, digest: String::new(), rounded_digest: None, sample, floats })
}

struct Table<'a> {
    name: &'a str,
    /// With its database, quoted.
    place: String,
    columns: Vec<Column>,
    /// Columns of the primary key, in order; empty without one.
    key: Vec<Column>,
}

impl<'a> Table<'a> {
    async fn read(
        connection: &mut MySqlConnection,
        database: &str,
        name: &'a str,
    ) -> Result<Self, InspectError> {
        let columns = read_columns(connection, database, name).await?;
        let key: Vec<String> = sqlx::query_scalar(
            "SELECT CAST(COLUMN_NAME AS CHAR) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? \
             AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX",
        )
        .bind(database)
        .bind(name)
        .fetch_all(connection)
        .await
        .map_err(InspectError::query(format!("the primary key of table {name}")))?;
        // A key over a computed column is passed over: such columns are not read.
        let found = key.iter().filter_map(|key| columns.iter().find(|column| column.name == *key).cloned());
        let key =
            Some(found.collect::<Vec<_>>()).filter(|found| found.len() == key.len()).unwrap_or_default();
        let place = format!("{}.{}", quote(database), quote(name));
        Ok(Self { name, place, columns, key })
    }

    async fn count(&self, connection: &mut MySqlConnection) -> Result<u64, InspectError> {
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM {}", self.place)))
            .fetch_one(connection)
            .await
            .map_err(InspectError::query(format!("the number of rows of table {}", self.name)))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// Which rows; `None` where none could be found again.
    async fn choose(
        &self,
        connection: &mut MySqlConnection,
        rows: u64,
        seed: &str,
    ) -> Result<Option<SampleOf>, InspectError> {
        if rows <= WHOLE_ROWS {
            return Ok(Some(SampleOf::Table));
        }
        let Some(first) = self.key.first() else { return Ok(None) };
        let integers = ["tinyint", "smallint", "mediumint", "int", "bigint"];
        if !integers.contains(&first.data_type.to_ascii_lowercase().as_str()) {
            return Ok(Some(SampleOf::Ends { each: EACH_ROWS * KEYS / 2 }));
        }
        let name = quote(&first.name);
        let ends = format!("SELECT CAST(MIN({name}) AS CHAR), CAST(MAX({name}) AS CHAR) FROM {}", self.place);
        let what = format!("the ends of table {}", self.name);
        let row = sqlx::raw_sql(AssertSqlSafe(ends)).fetch_one(connection).await;
        let row = row.map_err(InspectError::query(what.clone()))?;
        let end = |at| row.try_get_unchecked::<Option<String>, _>(at);
        let (low, high) =
            (end(0).map_err(InspectError::query(what.clone()))?, end(1).map_err(InspectError::query(what))?);
        let end = |text: Option<String>| text.and_then(|text| text.parse::<i64>().ok());
        Ok(Some(match end(low).zip(end(high)) {
            Some((low, high)) => SampleOf::From { keys: spread(low, high, self.name, seed), each: EACH_ROWS },
            // Beyond the signed numbers.
            None => SampleOf::Ends { each: EACH_ROWS * KEYS / 2 },
        }))
    }

    async fn sample(
        &self,
        connection: &mut MySqlConnection,
        of: SampleOf,
        beside: Beside,
    ) -> Result<Sample, InspectError> {
        let from = match &of {
            SampleOf::Table => self.place.clone(),
            SampleOf::From { keys, each } => {
                let first = self.key.first().map(|column| quote(&column.name)).unwrap_or_default();
                let part = |key: &i64| self.part(&format!("WHERE {first} >= {key}"), "ASC", *each);
                union(keys.iter().map(part))
            }
            SampleOf::Ends { each } => union(["ASC", "DESC"].map(|order| self.part("", order, *each))),
        };
        let (rows, digest) = self.digest(connection, &from, &self.columns, beside.floats()).await?;
        Ok(Sample { of, rows, digest })
    }

    /// Some rows in the order of the key.
    fn part(&self, condition: &str, order: &str, each: u64) -> String {
        let names = |columns: &[Column], after: &str| {
            let names = columns.iter().map(|column| format!("{}{after}", quote(&column.name)));
            names.collect::<Vec<_>>().join(", ")
        };
        let (columns, key) = (names(&self.columns, ""), names(&self.key, &format!(" {order}")));
        format!("(SELECT {columns} FROM {} {condition} ORDER BY {key} LIMIT {each})", self.place)
    }

    /// Every digit of the FLOAT columns, beside a dump.
    async fn floats(
        &self,
        connection: &mut MySqlConnection,
        beside: Beside,
    ) -> Result<Option<String>, InspectError> {
        let floats: Vec<Column> = self.columns.iter().filter(|column| is_float(column)).cloned().collect();
        if floats.is_empty() || beside == Beside::Files {
            return Ok(None);
        }
        Ok(Some(self.digest(connection, &self.place, &floats, Floats::Exact).await?.1))
    }

    async fn digest(
        &self,
        connection: &mut MySqlConnection,
        from: &str,
        columns: &[Column],
        floats: Floats,
    ) -> Result<(u64, String), InspectError> {
        let statement = digest::statement_over(from, columns, floats);
        crate::inventory::run_digest(connection, self.name, statement).await
    }
}

fn union(parts: impl IntoIterator<Item = String>) -> String {
    format!("({}) AS sample", parts.into_iter().collect::<Vec<_>>().join(" UNION ALL "))
}

/// Keys from `low` to `high`, evenly, from a beginning that seed and table decide.
fn spread(low: i64, high: i64, table: &str, seed: &str) -> Vec<i64> {
    let width = u64::try_from(i128::from(high) - i128::from(low)).unwrap_or(0);
    let step = width / KEYS;
    let hash = blake3::hash(format!("{seed}\n{table}").as_bytes());
    let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has eight bytes"));
    let offset = number % step.max(1);
    let key = |at: u64| i64::try_from(i128::from(low) + i128::from(at * step + offset)).unwrap_or(high);
    (0..KEYS).map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_between_the_ends_and_are_others_another_day() {
        let keys = spread(1, 1_000_000, "t", "000001-20261122T021500Z");
        assert_eq!(keys.len(), 16);
        assert!(keys.iter().all(|key| (1..=1_000_000).contains(key)) && keys.is_sorted(), "{keys:?}");
        assert!(keys[15] - keys[0] > 900_000, "{keys:?}");
        assert_ne!(keys, spread(1, 1_000_000, "t", "000002-20261123T021500Z"));
        assert_eq!(keys, spread(1, 1_000_000, "t", "000001-20261122T021500Z"));
        let all = spread(i64::MIN, i64::MAX, "t", "s");
        assert!(all.is_sorted() && all[0] < all[15], "{all:?}");
        assert_eq!(spread(5, 5, "t", "s"), [5; 16]);
    }

    #[test]
    fn a_sample_is_asked_for_by_the_whole_key() {
        let column = |name: &str| Column { name: name.into(), data_type: "int".into(), octets: None };
        let key = vec![column("a`b"), column("c")];
        let table = Table {
            name: "t",
            place: "`d`.`t`".into(),
            columns: vec![column("a`b"), column("c"), column("x")],
            key,
        };
        insta::assert_snapshot!(union([
            table.part("WHERE `a``b` >= -7", "ASC", 3),
            table.part("", "DESC", 3)
        ]));
    }
}
