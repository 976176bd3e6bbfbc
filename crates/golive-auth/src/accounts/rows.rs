//! SQL over tables whose names are data: connect, quote, read as text, switch off. Every identifier goes through [`quote`],
//! every value is bound. Users and tenants are not known here.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    Statement, TransactionTrait, Value,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::audit::AuditError;

use super::mapping::Literal;

/// Whether a row is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountState {
    /// In use.
    Active,
    /// Switched off.
    Inactive,
    /// The column holds neither value: counts as active wherever that is the safe side.
    Unclear,
}

/// What a deactivation did. Running it again changes nothing more.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Deactivated {
    /// Were active and are not any more.
    pub changed: Vec<String>,
    /// Were inactive already.
    pub already: Vec<String>,
    /// Are not in the table.
    pub missing: Vec<String>,
}

/// Why nothing was deactivated. The transaction was rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeactivateError {
    /// The mapping has no such column.
    #[error("deactivate rows of `{table}`: name its column `active` in golive.toml")]
    NoActiveColumn {
        /// The table.
        table: String,
    },
    /// Nobody could administer any more.
    #[error(
        "deactivate the last active administrator in `{table}`: create the production administrator first"
    )]
    LastAdmin {
        /// The table.
        table: String,
    },
    /// It cannot be recorded.
    #[error("record the deactivation; nothing was changed")]
    Audit(#[source] AuditError),
    /// The database refused.
    #[error("update `{table}`: check its columns in golive.toml and the grants")]
    Database {
        /// The table.
        table: String,
        /// What it said.
        #[source]
        source: DbErr,
    },
}

/// The column that switches rows off, and its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActiveColumn<'a> {
    pub(super) column: Option<&'a str>,
    pub(super) yes: &'a [Literal],
    pub(super) no: &'a Literal,
}

impl ActiveColumn<'_> {
    pub(super) fn state(&self, cell: Option<&str>) -> AccountState {
        if self.column.is_none() {
            return AccountState::Active;
        }
        match cell {
            Some(cell) if self.yes.iter().any(|yes| yes.is_text(cell)) => AccountState::Active,
            Some(cell) if self.no.is_text(cell) => AccountState::Inactive,
            _ => AccountState::Unclear,
        }
    }
}

/// Opens a small pool: this is an operator's tool beside a running service.
pub(super) async fn connect(url: &SecretString) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(2)
        .connect_timeout(Duration::from_secs(10))
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    Database::connect(options).await
}

/// A quoted identifier. Backticks mean the same on both databases; in SQLite a double-quoted name that does not exist
/// would silently be a text.
pub(super) fn quote(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

/// Locks the rows read until the transaction ends. SQLite has one writer anyway, and no word for it.
pub(super) fn for_update<C: ConnectionTrait>(connection: &C) -> &'static str {
    if connection.get_database_backend() == DbBackend::MySql { " FOR UPDATE" } else { "" }
}

/// `?, ?, ?`
pub(super) fn placeholders(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// Reads columns as text; a missing column reads as NULL. `condition` is SQL with placeholders for `values`.
pub(super) async fn select_text<C: ConnectionTrait>(
    connection: &C,
    table: &str,
    columns: &[Option<&str>],
    condition: &str,
    values: Vec<Value>,
) -> Result<Vec<Vec<Option<String>>>, DbErr> {
    let backend = connection.get_database_backend();
    let text = if backend == DbBackend::MySql { "CHAR" } else { "TEXT" };
    let list: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| match column {
            Some(column) => format!("CAST({} AS {text}) AS c{i}", quote(column)),
            None => format!("NULL AS c{i}"),
        })
        .collect();
    let sql = format!("SELECT {} FROM {} {condition}", list.join(", "), quote(table));
    let found = connection.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    found
        .iter()
        .map(|row| {
            (0..columns.len())
                .map(|i| match columns[i] {
                    Some(_) => row.try_get_by_index::<Option<String>>(i),
                    None => Ok(None),
                })
                .collect()
        })
        .collect()
}

/// Inserts one row.
pub(super) async fn insert<C: ConnectionTrait>(
    connection: &C,
    table: &str,
    row: Vec<(String, Value)>,
) -> Result<(), DbErr> {
    let (columns, values): (Vec<String>, Vec<Value>) =
        row.into_iter().map(|(column, value)| (quote(&column), value)).unzip();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        quote(table),
        columns.join(", "),
        placeholders(values.len())
    );
    let backend = connection.get_database_backend();
    connection.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(())
}

/// Sets columns of the row that has this value in this column.
pub(super) async fn update<C: ConnectionTrait>(
    connection: &C,
    table: &str,
    (key, value): (&str, &str),
    set: &[(String, Value)],
) -> Result<(), DbErr> {
    let columns: Vec<String> = set.iter().map(|(column, _)| format!("{} = ?", quote(column))).collect();
    let sql = format!("UPDATE {} SET {} WHERE {} = ?", quote(table), columns.join(", "), quote(key));
    let values = set.iter().map(|(_, value)| value.clone()).chain([value.into()]);
    let backend = connection.get_database_backend();
    connection.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(())
}

/// Switches rows off inside a transaction that the caller commits.
pub(super) async fn switch_off(
    transaction: &DatabaseTransaction,
    table: &str,
    key: &str,
    active: ActiveColumn<'_>,
    wanted: &[String],
) -> Result<Deactivated, DeactivateError> {
    let column = active.column.ok_or_else(|| DeactivateError::NoActiveColumn { table: table.to_owned() })?;
    let failed = |source| DeactivateError::Database { table: table.to_owned(), source };
    let backend = transaction.get_database_backend();
    let mut done = Deactivated::default();
    // Lists are short, but placeholders have a limit on both databases.
    for wanted in wanted.chunks(500) {
        let keys: Vec<Value> = wanted.iter().map(|key| key.clone().into()).collect();
        let lock = for_update(transaction);
        let condition = format!("WHERE {} IN ({}){lock}", quote(key), placeholders(keys.len()));
        let found = select_text(transaction, table, &[Some(key), Some(column)], &condition, keys)
            .await
            .map_err(failed)?;
        let mut changed = Vec::new();
        for row in &found {
            let name = row[0].clone().unwrap_or_default();
            match active.state(row[1].as_deref()) {
                AccountState::Inactive => done.already.push(name),
                AccountState::Active | AccountState::Unclear => changed.push(name),
            }
        }
        let seen = |name: &String| {
            found.iter().any(|row| row[0].as_ref().is_some_and(|found| found.eq_ignore_ascii_case(name)))
        };
        done.missing.extend(wanted.iter().filter(|name| !seen(name)).cloned());
        if !changed.is_empty() {
            let sql = format!(
                "UPDATE {} SET {} = ? WHERE {} IN ({})",
                quote(table),
                quote(column),
                quote(key),
                placeholders(changed.len())
            );
            let values =
                std::iter::once(active.no.value()).chain(changed.iter().map(|key| key.clone().into()));
            transaction
                .execute_raw(Statement::from_sql_and_values(backend, sql, values))
                .await
                .map_err(failed)?;
            done.changed.extend(changed);
        }
    }
    Ok(done)
}

pub(super) async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    connection.begin().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_whatever_a_name_holds() {
        assert_eq!(quote("order"), "`order`");
        assert_eq!(quote("a`; DROP TABLE x; --"), "`a``; DROP TABLE x; --`");
    }
}
