//! The one connection of a run. It holds the lock and runs every statement, so that a lock can never outlive its work
//! or the other way round. A pool in name only, since sea-orm asks for one: it connects once, and a connection that
//! broke is not replaced, for the lock went with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions, MySql, Row};
use sea_orm::{DatabaseConnection, SqlxMySqlConnector};
use secrecy::{ExposeSecret, SecretString};

use super::error::VersionedError;
use super::options::VersionedOptions;
use crate::target::{Target, TargetOptions};

/// The connection of one run.
pub(crate) struct Session {
    pool: MySqlPool,
    pub(crate) target: String,
    pub(crate) database: String,
    /// What the session began with; a migration may have changed it.
    reset: String,
    lock: Option<String>,
}

/// Which client a migration was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `||` is OR, as in the `mariadb` client.
    Client,
    /// `||` joins texts, as sqlx sets it for sea-orm.
    Sqlx,
}

impl Session {
    /// Connects without taking the lock.
    pub(crate) async fn open(options: &VersionedOptions, dialect: Dialect) -> Result<Self, VersionedError> {
        // Looks first, for it can tell what is wrong with an address.
        let target = Target::connect(&TargetOptions::new(options.url.clone()))
            .await
            .map_err(VersionedError::Connect)?;
        let pool = connect_once(&options.url, dialect).await?;
        let mut session = Self {
            pool,
            target: target.display_name(),
            database: target.database().to_owned(),
            reset: String::new(),
            lock: None,
        };
        session.prepare(options.lock_wait_seconds).await?;
        Ok(session)
    }

    async fn prepare(&mut self, wait_seconds: u32) -> Result<(), VersionedError> {
        const DOING: &str = "prepare the session";
        let modes: Option<String> = self.value(DOING, "SELECT @@SESSION.sql_mode", &[]).await?;
        // The statements were split under the rule that a backslash escapes.
        let modes: Vec<String> = modes
            .unwrap_or_default()
            .split(',')
            .filter(|mode| {
                *mode != "NO_BACKSLASH_ESCAPES" && mode.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
            .map(str::to_owned)
            .collect();
        self.reset = format!(
            "SET SESSION sql_mode = '{}', foreign_key_checks = 1, unique_checks = 1, check_constraint_checks = 1, \
             time_zone = '+00:00', lock_wait_timeout = {wait_seconds}, wait_timeout = 28800, max_statement_time = 0, \
             NAMES utf8mb4",
            modes.join(",")
        );
        self.reset().await
    }

    /// Makes the session what it was at the beginning; a migration may have set something.
    pub(crate) async fn reset(&self) -> Result<(), VersionedError> {
        self.run(&self.reset).await.map(drop).map_err(VersionedError::server("prepare the session"))
    }

    /// Takes the lock of this database, or says who has it.
    pub(crate) async fn lock(&mut self, patience: Duration) -> Result<(), VersionedError> {
        const DOING: &str = "take the lock";
        let name = crate::ident::bounded(&["golive", &self.database, "schema"]);
        let seconds = patience.as_secs().to_string();
        let got: Option<i64> = self.value(DOING, "SELECT GET_LOCK(?, ?)", &[&name, &seconds]).await?;
        if got == Some(1) {
            self.lock = Some(name);
            return Ok(());
        }
        let holder: Option<Option<u64>> =
            self.value(DOING, "SELECT CAST(IS_USED_LOCK(?) AS UNSIGNED)", &[&name]).await?;
        let holder = holder.flatten().map_or_else(String::new, |id| format!(" (connection {id})"));
        Err(VersionedError::AnotherRun { target: self.target.clone(), holder })
    }

    /// Refuses to go on without the lock: the session may have lost it unseen.
    pub(crate) async fn still_locked(&self) -> Result<(), VersionedError> {
        let Some(name) = &self.lock else { return Ok(()) };
        let sql = "SELECT CAST(COALESCE(IS_USED_LOCK(?) = CONNECTION_ID(), 0) AS SIGNED)";
        match self.value::<i64>("look at the lock", sql, &[name]).await? {
            Some(1) => Ok(()),
            _ => Err(VersionedError::LostLock { target: self.target.clone() }),
        }
    }

    /// Says goodbye; the lock goes with the connection.
    pub(crate) async fn close(self) {
        // One whose statement never ended would be waited for; dropped, it is closed the hard way.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.pool.close()).await;
    }

    /// The same connection for sea-orm.
    pub(crate) fn orm(&self) -> DatabaseConnection {
        SqlxMySqlConnector::from_sqlx_mysql_pool(self.pool.clone())
    }

    /// Runs statement text as it is; gives the number of rows changed.
    pub(crate) async fn run(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let mut connection = self.connection().await?;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *connection).await?;
        Ok(done.rows_affected())
    }

    /// Runs one statement of ours with its values bound.
    pub(crate) async fn run_with(
        &self,
        sql: &'static str,
        values: &[Option<&str>],
    ) -> Result<u64, sqlx::Error> {
        let mut connection = self.connection().await?;
        let mut query = sqlx::query(sql);
        for value in values {
            query = query.bind(value.map(str::to_owned));
        }
        Ok(query.execute(&mut *connection).await?.rows_affected())
    }

    /// Rows of one question of ours.
    pub(crate) async fn rows(&self, sql: &str, values: &[&str]) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let mut connection = self.connection().await?;
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        for value in values {
            query = query.bind((*value).to_owned());
        }
        query.fetch_all(&mut *connection).await
    }

    /// The first column of the first row.
    pub(crate) async fn value<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[&str],
    ) -> Result<Option<T>, VersionedError>
    where
        T: for<'r> sqlx::Decode<'r, MySql> + sqlx::Type<MySql>,
    {
        let rows = self.rows(sql, values).await.map_err(VersionedError::server(doing))?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(VersionedError::server(doing))
    }

    async fn connection(&self) -> Result<PoolConnection<MySql>, sqlx::Error> {
        self.pool.acquire().await
    }

    /// Whether a transaction is open in which our own marks would be.
    pub(crate) async fn in_transaction(&self) -> Result<bool, VersionedError> {
        let open: Option<i64> =
            self.value("look at the session", "SELECT CAST(@@in_transaction AS SIGNED)", &[]).await?;
        Ok(open == Some(1))
    }

    /// How many statements that change something this session has begun; the server counts, whoever sent them. One that
    /// cannot be parsed is not counted.
    pub(crate) async fn changes(&self) -> Result<Changes, VersionedError> {
        const DOING: &str = "count the session's statements";
        let rows = self
            .rows("SHOW SESSION STATUS LIKE 'Com\\_%'", &[])
            .await
            .map_err(VersionedError::server(DOING))?;
        let mut changes = Changes::default();
        for row in rows {
            let name: String = row.try_get(0).map_err(VersionedError::server(DOING))?;
            let count: String = row.try_get(1).map_err(VersionedError::server(DOING))?;
            let count = count.parse::<u64>().unwrap_or(0);
            if DEFINITIONS.iter().any(|start| name.starts_with(start)) {
                changes.definitions += count;
            } else if !HARMLESS.iter().any(|start| name.starts_with(start)) {
                changes.others += count;
            }
        }
        Ok(changes)
    }

    /// Who may hold what a statement waited for, as far as this user may see: connections with an open transaction or at
    /// work in this database. Their statements may hold values and are not told.
    pub(crate) async fn blockers(&self) -> Vec<String> {
        let rows = match self.rows(BLOCKERS, &[]).await {
            Ok(rows) => rows,
            Err(_) => {
                return vec![
                    "who holds the lock cannot be seen: GRANT PROCESS to this user shows it".to_owned(),
                ];
            }
        };
        let text = |row: &MySqlRow, at: usize| {
            row.try_get::<Option<String>, _>(at).ok().flatten().unwrap_or_default()
        };
        rows.iter()
            .map(|row| {
                let what = if text(row, 4) == "1" { "an open transaction" } else { "a statement" };
                let (id, user, host, seconds) = (text(row, 0), text(row, 1), text(row, 2), text(row, 3));
                format!("connection {id} ({user}@{host}) has {what}, in its present state for {seconds} s")
            })
            .collect()
    }
}

const BLOCKERS: &str = "SELECT CAST(p.ID AS CHAR), CAST(p.USER AS CHAR), CAST(SUBSTRING_INDEX(p.HOST, ':', 1) AS CHAR), \
    CAST(p.TIME AS CHAR), CAST(t.trx_id IS NOT NULL AS CHAR) FROM information_schema.PROCESSLIST p \
    LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID \
    WHERE p.ID <> CONNECTION_ID() AND (t.trx_id IS NOT NULL OR p.COMMAND IN ('Query', 'Execute')) \
    AND (p.DB IS NULL OR p.DB = DATABASE()) ORDER BY p.TIME DESC LIMIT 5";

/// Statements that change something, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) definitions: u64,
    pub(crate) others: u64,
}

/// Counters of statements that change definitions.
const DEFINITIONS: [&str; 4] = ["Com_create_", "Com_alter_", "Com_drop_", "Com_rename_"];

/// Counters of statements that change neither rows nor definitions.
const HARMLESS: [&str; 14] = [
    "Com_select",
    "Com_show",
    "Com_set_option",
    "Com_stmt",
    "Com_prepare",
    "Com_execute",
    "Com_dealloc",
    "Com_begin",
    "Com_commit",
    "Com_rollback",
    "Com_savepoint",
    "Com_release_savepoint",
    "Com_admin_commands",
    "Com_change_db",
];

async fn connect_once(url: &SecretString, dialect: Dialect) -> Result<MySqlPool, VersionedError> {
    let failed = VersionedError::server("connect");
    // Ours and sqlx's reading of an address agree but for the second name of the scheme.
    let address = url.expose_secret().replacen("mariadb://", "mysql://", 1);
    let options: MySqlConnectOptions = address.parse().map_err(&failed)?;
    let options = options.pipes_as_concat(dialect == Dialect::Sqlx).disable_statement_logging();
    let connected = Arc::new(AtomicBool::new(false));
    MySqlPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(move |_, _| {
            let again = connected.swap(true, Ordering::SeqCst);
            Box::pin(async move {
                match again {
                    true => {
                        Err(sqlx::Error::Protocol("the connection broke, and the lock with it".to_owned()))
                    }
                    false => Ok(()),
                }
            })
        })
        .connect_with(options)
        .await
        .map_err(failed)
}

/// The server's number of an error, if it comes from the server.
pub(crate) fn number(error: &sqlx::Error) -> Option<u16> {
    let database = error.as_database_error()?;
    Some(database.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?.number())
}

/// Whether a statement gave up waiting for a lock, or was chosen to end a deadlock: nothing of it took effect.
pub(crate) fn gave_up_waiting(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1205 | 1213))
}

/// What the server said, without the values that some of its messages quote.
pub(crate) fn said(error: &sqlx::Error) -> String {
    let Some(database) = error.as_database_error() else { return error.to_string() };
    let number = number(error).unwrap_or_default();
    let mut message = database.message().to_owned();
    if matches!(number, 1062 | 1265 | 1292 | 1366 | 1411 | 1525 | 1586)
        && let Some(first) = message.find('\'')
        && let Some(length) = message[first + 1..].find("' ")
    {
        message.replace_range(first..first + length + 2, "a value");
    }
    format!("error {number}: {message}")
}
