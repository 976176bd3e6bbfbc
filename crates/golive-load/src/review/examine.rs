//! One statement: its plan, and what the plan shows.
//!
//! What must not be here: executing it. `EXPLAIN` only, and the server's own messages leave as numbers and column names.

use std::time::Duration;

use serde_json::Value;
use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::collect::Candidate;
use super::plan::{self, Node};
use super::structure::IndexColumns;
use super::{Finding, FindingKind, ReviewError, ReviewOptions, ReviewedQuery, advise, fingerprint};

pub(crate) async fn review_one(
    connection: &mut MySqlConnection,
    database: &str,
    options: &ReviewOptions,
    indexes: &[IndexColumns],
    candidate: Candidate,
) -> Result<ReviewedQuery, ReviewError> {
    let mut reviewed = ReviewedQuery {
        statement: candidate.fingerprint.clone(),
        executions: candidate.executions,
        total_seconds: candidate.total_seconds,
        not_explained: None,
        findings: loop_finding(&candidate).into_iter().collect(),
    };
    match plan_of(connection, "EXPLAIN", &candidate.sample, options.statement_timeout).await {
        Ok(plan) => {
            let nodes = plan::nodes(&plan);
            let unusable = unusable_columns(connection).await;
            let seen = Seen { database, options, indexes, candidate: &candidate, nodes: &nodes };
            reviewed.findings.extend(seen.findings(connection, &unusable).await?);
        }
        Err(reason) => reviewed.not_explained = Some(reason),
    }
    Ok(reviewed)
}

/// `EXPLAIN` or `ANALYZE` of one SELECT, as JSON. The server's own message may quote the statement, so only its number is
/// passed on.
pub(crate) async fn plan_of(
    connection: &mut MySqlConnection,
    how: &'static str,
    sample: &str,
    timeout: Duration,
) -> Result<Value, String> {
    if !fingerprint::is_single_select(sample) {
        return Err("not a single SELECT".to_owned());
    }
    let seconds = timeout.as_secs().max(1);
    let statement = format!("SET STATEMENT max_statement_time={seconds} FOR {how} FORMAT=JSON {sample}");
    let row =
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).fetch_one(connection).await.map_err(
            |error| match error
                .as_database_error()
                .map(|e| e.downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number())
            {
                Some(STATEMENT_TIMEOUT) => format!("it took longer than {seconds} s"),
                Some(number) => format!("the server refused to explain it, error {number}"),
                None => "the connection was lost while explaining it".to_owned(),
            },
        )?;
    let text: String = row.try_get_unchecked(0).map_err(|_| "the plan could not be read".to_owned())?;
    serde_json::from_str(&text).map_err(|_| "the plan is no JSON".to_owned())
}

/// Makes `EXPLAIN` say which keys a comparison cannot use; `false` where the server does not know how.
pub(crate) async fn ask_for_notes(connection: &mut MySqlConnection) -> bool {
    sqlx::raw_sql("SET SESSION note_verbosity = 'basic,unusable_keys,explain'")
        .execute(connection)
        .await
        .is_ok()
}

/// Key and column of each note of the last `EXPLAIN` that a key cannot be used. The rest of the note holds literals.
async fn unusable_columns(connection: &mut MySqlConnection) -> Vec<(String, String)> {
    let Ok(rows) = sqlx::raw_sql("SHOW WARNINGS").fetch_all(connection).await else { return Vec::new() };
    rows.iter().filter_map(|row| unusable(&row.try_get_unchecked::<String, _>(2).ok()?)).collect()
}

/// ``Cannot use key `k` part[0] for lookup: `db`.`t`.`c` of type …`` gives `t` and `c`.
fn unusable(message: &str) -> Option<(String, String)> {
    let rest = message.strip_prefix("Cannot use key")?;
    let lookup = rest.split_once("for lookup: ")?.1;
    let path = lookup.split(" of ").next()?;
    let names: Vec<&str> = path.split("`.`").map(|name| name.trim_matches('`')).collect();
    let [.., table, column] = names.as_slice() else { return None };
    Some(((*table).to_owned(), (*column).to_owned()))
}

/// What is known when a statement's findings are made.
struct Seen<'s> {
    database: &'s str,
    options: &'s ReviewOptions,
    indexes: &'s [IndexColumns],
    candidate: &'s Candidate,
    nodes: &'s [Node],
}

impl Seen<'_> {
    async fn findings(
        &self,
        connection: &mut MySqlConnection,
        unusable: &[(String, String)],
    ) -> Result<Vec<Finding>, ReviewError> {
        let tables = fingerprint::tables(&self.candidate.fingerprint);
        let largest = self.nodes.iter().map(|node| node.rows).max().unwrap_or(0);
        let large = self.options.large_table_rows;
        let mut found = Vec::new();
        for node in self.nodes.iter().filter(|node| node.reads_everything() && node.rows >= large) {
            let table = tables.get(&node.table.to_lowercase()).map(String::as_str);
            let index = match table {
                Some(table) => {
                    let order = advise::order(&self.candidate.fingerprint, self.nodes);
                    advise::index_for(connection, self.database, table, node, &order, self.indexes).await?
                }
                None => None,
            };
            found.push(scan_finding(node, table, index));
        }
        if largest >= large {
            found.extend(sort_findings(self.nodes));
        }
        for node in self.nodes {
            let table = tables.get(&node.table.to_lowercase()).map_or(node.table.as_str(), String::as_str);
            found.extend(wrapped_findings(node, table, self.indexes));
            let named = unusable.iter().filter(|(owner, _)| owner.eq_ignore_ascii_case(table));
            found.extend(named.map(|(_, column)| conversion_finding(table, column)));
        }
        found.dedup();
        Ok(found)
    }
}

fn scan_finding(node: &Node, table: Option<&str>, index: Option<String>) -> Finding {
    let name = table.unwrap_or(&node.table);
    let kind = if node.join_buffer { FindingKind::JoinWithoutIndex } else { FindingKind::FullScan };
    let what = if node.join_buffer { "each row of the join reads" } else { "reads" };
    let next = if index.is_some() {
        "create the index"
    } else {
        "narrow the query down, or accept it if it is rare"
    };
    Finding {
        kind,
        table: Some(name.to_owned()),
        rows: Some(node.rows),
        says: format!("{what} about {} rows of `{name}`: {next}", node.rows),
        index,
    }
}

fn finding(kind: FindingKind, table: Option<&str>, says: String) -> Finding {
    Finding { kind, table: table.map(str::to_owned), rows: None, says, index: None }
}

fn sort_findings(nodes: &[Node]) -> Vec<Finding> {
    let mut found = Vec::new();
    if nodes.iter().any(|node| node.filesort) {
        let says = "the result is sorted after reading: an index that ends in the ORDER BY columns avoids it";
        found.push(finding(FindingKind::Filesort, None, says.to_owned()));
    }
    if nodes.iter().any(|node| node.temporary) {
        let says =
            "the result goes through a temporary table: group by columns of one index, not by an expression";
        found.push(finding(FindingKind::TemporaryTable, None, says.to_owned()));
    }
    found
}

fn wrapped_findings(node: &Node, table: &str, indexes: &[IndexColumns]) -> Vec<Finding> {
    let indexed = |column: &str| {
        indexes.iter().any(|index| index.table.eq_ignore_ascii_case(table) && index.begins_with(column))
    };
    let wrapped = node.wrapped.iter().filter(|(_, column)| indexed(column));
    wrapped
        .map(|(function, column)| {
            finding(
                FindingKind::FunctionOverIndex,
                Some(table),
                format!(
                    "`{column}` of `{table}` has an index that {function}() around it keeps from use: compare the bare \
                     column with a range"
                ),
            )
        })
        .collect()
}

fn conversion_finding(table: &str, column: &str) -> Finding {
    let says = format!(
        "`{column}` of `{table}` has an index that a comparison with another type or collation keeps from use: give the \
         value the column's own type and collation"
    );
    finding(FindingKind::ImplicitConversion, Some(table), says)
}

fn loop_finding(candidate: &Candidate) -> Option<Finding> {
    let run = candidate.longest_run.filter(|run| *run >= LOOP_RUN)?;
    let says = format!(
        "ran {run} times in a row in one session: a SELECT inside a loop; read all rows at once with IN or a join"
    );
    Some(finding(FindingKind::QueryInLoop, None, says))
}

/// So often in a row, with nothing else between, is no chance.
const LOOP_RUN: u64 = 10;
/// `ER_STATEMENT_TIMEOUT`.
const STATEMENT_TIMEOUT: u16 = 1969;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_gives_table_and_column_and_no_literal() {
        let note = "Cannot use key `ix` part[0] for lookup: `shop`.`entries`.`code` of type `varchar` = \"42\" of type `int`";
        assert_eq!(unusable(note), Some(("entries".to_owned(), "code".to_owned())));
        assert_eq!(unusable("select 1"), None);
    }
}
