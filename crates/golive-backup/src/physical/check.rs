//! Reads every table of a database as the server itself does: a lost or damaged file shows here, while a server starts
//! on it without a word and counts its rows from a secondary index.

use serde::Serialize;
use sqlx::{AssertSqlSafe, Row};

use crate::identifier::quote;
use crate::inventory::{self, InspectError, ObjectKind};
use crate::server::Server;

/// What `CHECK TABLE` says of a table that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableProblem {
    /// The table.
    pub table: String,
    /// What the server says, which names no values.
    pub what: String,
}

/// Checks every table of a database.
///
/// # Errors
/// When the server or the list of tables is out of reach. A damaged table is no error.
pub async fn check_tables(server: &Server, database: &str) -> Result<Vec<TableProblem>, InspectError> {
    let connect = |error| InspectError::Query {
        what: "the server".to_owned(),
        source: sqlx::Error::Io(std::io::Error::other(error)),
    };
    let mut session = server.connect().await.map_err(connect)?;
    let names = inventory::names(&mut session.connection, database, ObjectKind::Table).await?;
    let mut problems = Vec::new();
    for table in names {
        let statement = format!("CHECK TABLE {}.{}", quote(database), quote(&table));
        let answer = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(&mut session.connection).await;
        let rows = match answer {
            Ok(rows) => rows,
            Err(error) => {
                problems.push(TableProblem { table, what: error.to_string() });
                continue;
            }
        };
        for row in rows {
            let kind: String = row.try_get_unchecked(2).unwrap_or_default();
            let text: String = row.try_get_unchecked(3).unwrap_or_default();
            if !(kind == "status" && text == "OK") && kind != "note" {
                problems.push(TableProblem { table: table.clone(), what: text });
            }
        }
    }
    Ok(problems)
}
