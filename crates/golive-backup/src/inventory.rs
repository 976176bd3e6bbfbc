//! Looks at a database: its objects with the digest of each definition, its tables with rows and content digests.
//! Only reads; used on the source in the snapshot and on the restored copy alike, so that both are seen the same way.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::digest::{self, Column, Floats};
use crate::identifier::quote;
use crate::manifest::TableFacts;
use crate::progress::{Progress, Stage};
use crate::server::error_number;

/// What kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ObjectKind {
    /// A base table.
    Table,
    /// A view.
    View,
    /// A trigger.
    Trigger,
    /// A stored procedure.
    Procedure,
    /// A stored function.
    Function,
    /// A scheduled event.
    Event,
    /// A sequence.
    Sequence,
}

impl ObjectKind {
    const ALL: [Self; 7] = [
        Self::Table,
        Self::View,
        Self::Trigger,
        Self::Procedure,
        Self::Function,
        Self::Event,
        Self::Sequence,
    ];

    /// Lists names, by schema.
    fn names_statement(self) -> &'static str {
        match self {
            Self::Table => {
                "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? \
                 AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME"
            }
            Self::View => {
                "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? \
                 AND TABLE_TYPE = 'VIEW' ORDER BY TABLE_NAME"
            }
            Self::Sequence => {
                "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? \
                 AND TABLE_TYPE = 'SEQUENCE' ORDER BY TABLE_NAME"
            }
            Self::Trigger => {
                "SELECT CAST(TRIGGER_NAME AS CHAR) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ? \
                 ORDER BY TRIGGER_NAME"
            }
            Self::Procedure => {
                "SELECT CAST(ROUTINE_NAME AS CHAR) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? \
                 AND ROUTINE_TYPE = 'PROCEDURE' ORDER BY ROUTINE_NAME"
            }
            Self::Function => {
                "SELECT CAST(ROUTINE_NAME AS CHAR) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? \
                 AND ROUTINE_TYPE = 'FUNCTION' ORDER BY ROUTINE_NAME"
            }
            Self::Event => {
                "SELECT CAST(EVENT_NAME AS CHAR) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? \
                 ORDER BY EVENT_NAME"
            }
        }
    }

    /// The keyword of `SHOW CREATE` and the column of its answer that holds the definition.
    fn show_create(self) -> (&'static str, usize) {
        match self {
            Self::Table => ("TABLE", 1),
            Self::View => ("VIEW", 1),
            Self::Sequence => ("SEQUENCE", 1),
            Self::Trigger => ("TRIGGER", 2),
            Self::Procedure => ("PROCEDURE", 2),
            Self::Function => ("FUNCTION", 2),
            Self::Event => ("EVENT", 3),
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Trigger => "trigger",
            Self::Procedure => "procedure",
            Self::Function => "function",
            Self::Event => "event",
            Self::Sequence => "sequence",
        })
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// BLAKE3 of what `SHOW CREATE` says, without the counter of AUTO_INCREMENT.
    pub definition: String,
}

/// Every object of a database, by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inventory {
    /// The objects.
    pub objects: Vec<Object>,
    /// Accounts that views, triggers, routines and events run as; they must exist where this is restored.
    pub definers: Vec<String>,
}

impl Inventory {
    /// How many objects of a kind there are.
    pub fn count(&self, kind: ObjectKind) -> usize {
        self.names(kind).count()
    }

    /// The names of a kind.
    pub fn names(&self, kind: ObjectKind) -> impl Iterator<Item = &str> {
        self.objects.iter().filter(move |object| object.kind == kind).map(|object| object.name.as_str())
    }
}

/// Why a database could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// A statement failed.
    #[error("read {what}")]
    Query {
        /// What was being read.
        what: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The account may not see a definition, so a dump by it would lack the body.
    #[error(
        "read the definition of {kind} {name}: the account may not see it; grant it SELECT on mysql.proc, SHOW VIEW, \
         TRIGGER and EVENT"
    )]
    Hidden {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// Rows without a digest.
    #[error(
        "digest {rows} rows of table {table}: a row is too large for max_allowed_packet; raise that setting"
    )]
    Undigested {
        /// The table.
        table: String,
        /// How many rows.
        rows: u64,
    },
}

impl InspectError {
    pub(crate) fn query(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let what = what.into();
        move |source| Self::Query { what, source }
    }

    /// Whether a table that was there when the reading began is another one now, or gone.
    pub(crate) fn is_schema_change(&self) -> bool {
        let Self::Query { source, .. } = self else { return false };
        matches!(error_number(source), Some(TABLE_DEF_CHANGED | NO_SUCH_TABLE))
    }
}

/// ER_TABLE_DEF_CHANGED and ER_NO_SUCH_TABLE of MariaDB's list of errors.
const TABLE_DEF_CHANGED: u16 = 1412;
const NO_SUCH_TABLE: u16 = 1146;

/// Reads every object of a database.
pub(crate) async fn read_inventory(
    connection: &mut MySqlConnection,
    database: &str,
) -> Result<Inventory, InspectError> {
    // In its own database a view is shown without the database's name, so that copies under another name compare.
    sqlx::raw_sql(AssertSqlSafe(format!("USE {}", quote(database))))
        .execute(&mut *connection)
        .await
        .map_err(InspectError::query(format!("database {database}")))?;
    let mut objects = Vec::new();
    for kind in ObjectKind::ALL {
        for name in names(connection, database, kind).await? {
            let text = definition(connection, kind, &name).await?;
            let definition = blake3::hash(without_counter(&text).as_bytes()).to_hex().to_string();
            objects.push(Object { kind, name, definition });
        }
    }
    Ok(Inventory { objects, definers: definers(connection, database).await? })
}

/// The names of one kind.
pub(crate) async fn names(
    connection: &mut MySqlConnection,
    database: &str,
    kind: ObjectKind,
) -> Result<Vec<String>, InspectError> {
    sqlx::query_scalar(kind.names_statement())
        .bind(database)
        .fetch_all(connection)
        .await
        .map_err(InspectError::query(format!("the list of {kind}s")))
}

async fn definition(
    connection: &mut MySqlConnection,
    kind: ObjectKind,
    name: &str,
) -> Result<String, InspectError> {
    let (keyword, column) = kind.show_create();
    let row = sqlx::raw_sql(AssertSqlSafe(format!("SHOW CREATE {keyword} {}", quote(name))))
        .fetch_one(connection)
        .await
        .map_err(InspectError::query(format!("the definition of {kind} {name}")))?;
    row.try_get_unchecked::<Option<String>, _>(column)
        .map_err(InspectError::query(format!("the definition of {kind} {name}")))?
        .ok_or_else(|| InspectError::Hidden { kind, name: name.to_owned() })
}

async fn definers(connection: &mut MySqlConnection, database: &str) -> Result<Vec<String>, InspectError> {
    sqlx::query_scalar(
        "SELECT CAST(DEFINER AS CHAR) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? \
         UNION SELECT CAST(DEFINER AS CHAR) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ? \
         UNION SELECT CAST(DEFINER AS CHAR) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? \
         UNION SELECT CAST(DEFINER AS CHAR) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? ORDER BY 1",
    )
    .bind(database)
    .bind(database)
    .bind(database)
    .bind(database)
    .fetch_all(connection)
    .await
    .map_err(InspectError::query("the definers"))
}

/// Reads rows and content digest of every table named.
pub(crate) async fn read_tables(
    connection: &mut MySqlConnection,
    database: &str,
    tables: &[String],
    progress: &Progress,
    stage: Stage,
) -> Result<Vec<TableFacts>, InspectError> {
    let mut facts = Vec::with_capacity(tables.len());
    for table in tables {
        progress.table(stage, table);
        let columns = read_columns(connection, database, table).await?;
        let (rows, digest) = read_digest(connection, database, table, &columns, Floats::Exact).await?;
        let rounded_digest = if columns.iter().any(is_float) {
            Some(read_digest(connection, database, table, &columns, Floats::AsDumped).await?.1)
        } else {
            None
        };
        let name = table.clone();
        facts.push(TableFacts { name, rows, digest, rounded_digest, sample: None, floats: None });
    }
    Ok(facts)
}

/// The single-precision columns of a table.
pub(crate) async fn float_columns(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> Result<Vec<String>, InspectError> {
    let columns = read_columns(connection, database, table).await?;
    Ok(columns.into_iter().filter(is_float).map(|column| column.name).collect())
}

pub(crate) fn is_float(column: &Column) -> bool {
    column.data_type.eq_ignore_ascii_case("float")
}

async fn read_digest(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
    columns: &[Column],
    floats: Floats,
) -> Result<(u64, String), InspectError> {
    run_digest(connection, table, digest::statement(database, table, columns, floats)).await
}

/// Runs a statement of [`crate::digest`], and insists that no row is without a digest.
pub(crate) async fn run_digest(
    connection: &mut MySqlConnection,
    table: &str,
    statement: String,
) -> Result<(u64, String), InspectError> {
    let (rows, digested, high, low): (i64, i64, String, String) = sqlx::query_as(AssertSqlSafe(statement))
        .fetch_one(connection)
        .await
        .map_err(InspectError::query(format!("the content of table {table}")))?;
    if rows != digested {
        let missing = u64::try_from(rows - digested).unwrap_or(0);
        return Err(InspectError::Undigested { table: table.to_owned(), rows: missing });
    }
    Ok((u64::try_from(rows).unwrap_or(0), format!("{high}-{low}")))
}

pub(crate) async fn read_columns(
    connection: &mut MySqlConnection,
    database: &str,
    table: &str,
) -> Result<Vec<Column>, InspectError> {
    // Generated columns follow from the others, and their definition is compared.
    let rows: Vec<(String, String, Option<u64>)> = sqlx::query_as(
        "SELECT CAST(COLUMN_NAME AS CHAR), CAST(DATA_TYPE AS CHAR), CAST(CHARACTER_OCTET_LENGTH AS UNSIGNED) \
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND IS_GENERATED = 'NEVER' \
         ORDER BY ORDINAL_POSITION",
    )
    .bind(database)
    .bind(table)
    .fetch_all(connection)
    .await
    .map_err(InspectError::query(format!("the columns of table {table}")))?;
    Ok(rows.into_iter().map(|(name, data_type, octets)| Column { name, data_type, octets }).collect())
}

/// The definition without ` AUTO_INCREMENT=n`, which rolled-back inserts move.
fn without_counter(definition: &str) -> String {
    const MARK: &str = " AUTO_INCREMENT=";
    // Only in the table options, after the last closing parenthesis of the columns: a comment may say the same words.
    let options = definition.rfind("\n)").unwrap_or(definition.len());
    match definition[options..].find(MARK) {
        Some(found) => {
            let start = options + found;
            let rest =
                definition[start + MARK.len()..].trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{}{rest}", &definition[..start])
        }
        None => definition.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_counter;

    #[test]
    fn only_the_counter_is_left_out() {
        assert_eq!(
            without_counter(
                "CREATE TABLE `a` (\n  `i` int\n) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4"
            ),
            "CREATE TABLE `a` (\n  `i` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        );
        let comment = "CREATE TABLE `a` (\n  `i` int COMMENT 'x AUTO_INCREMENT=1'\n) ENGINE=InnoDB";
        assert_eq!(without_counter(comment), comment);
    }
}
