//! One moment, seen by two: the session that writes the digests and the dump tool.
//!
//! Both open a transaction with a consistent snapshot. So that no write falls between the two, a third session holds
//! `FLUSH TABLES WITH READ LOCK` from before the first snapshot until the dump tool has shown that its own is open:
//! some milliseconds, since the tool opens it before it prints the first table. The wait for the lock is short and
//! repeated, because a waiting lock makes every write behind it wait too.

use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnection;
use sqlx::{Connection, Row};

use crate::create::Digests;
use crate::inventory::{self, InspectError};
use crate::manifest::{BinlogPosition, SnapshotMethod, TableFacts};
use crate::progress::{Progress, Stage};
use crate::server::{ConnectError, Server, error_number};
use crate::witness::{self, Beside};

/// How often the lock is tried.
const LOCK_ATTEMPTS: u32 = 5;
/// How long one attempt may make others wait, in seconds; and how long the server keeps the lock of a run that stands
/// still, which is somewhat longer than the run itself would.
const LOCK_WAIT: &str = "SET SESSION lock_wait_timeout = 2, wait_timeout = 40";

/// An open snapshot, and the lock that still keeps it equal to the present.
pub(crate) struct Snapshot {
    pub(crate) reader: MySqlConnection,
    pub(crate) method: SnapshotMethod,
    pub(crate) binlog: Option<BinlogPosition>,
    locker: Option<(MySqlConnection, Instant)>,
}

/// Why no snapshot could be opened.
#[derive(Debug)]
pub(crate) enum SnapshotError {
    Connect(ConnectError),
    Query(sqlx::Error),
    Lock(sqlx::Error),
}

impl Snapshot {
    /// Opens the snapshot. Without `exact` a missing lock is accepted, and the method says so.
    pub(crate) async fn open(server: &Server, exact: bool) -> Result<Self, SnapshotError> {
        let mut reader = server.connect().await.map_err(SnapshotError::Connect)?.connection;
        let mut locker = server.connect().await.map_err(SnapshotError::Connect)?.connection;
        let locked = match lock(&mut locker).await {
            Ok(()) => Some((locker, Instant::now())),
            Err(error) if exact => return Err(SnapshotError::Lock(error)),
            Err(error) => {
                tracing::warn!(%error, "no lock could be had; the manifest will be advisory");
                None
            }
        };
        let binlog = begin(&mut reader).await.map_err(SnapshotError::Query)?;
        let method = if locked.is_some() { SnapshotMethod::Locked } else { SnapshotMethod::Advisory };
        Ok(Self { reader, method, binlog, locker: locked })
    }

    /// Lets writes go on; says how long they had to wait.
    pub(crate) async fn unlock(&mut self) -> Result<Duration, sqlx::Error> {
        let Some((mut locker, since)) = self.locker.take() else { return Ok(Duration::ZERO) };
        sqlx::raw_sql("UNLOCK TABLES").execute(&mut locker).await?;
        let held = since.elapsed();
        // The lock is gone; a failing farewell changes nothing.
        drop(locker.close().await);
        Ok(held)
    }
}

async fn lock(locker: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(LOCK_WAIT).execute(&mut *locker).await?;
    let mut attempt = 1;
    loop {
        match sqlx::raw_sql("FLUSH TABLES WITH READ LOCK").execute(&mut *locker).await {
            Ok(_) => return Ok(()),
            Err(error) if attempt == LOCK_ATTEMPTS || !is_lock_timeout(&error) => return Err(error),
            Err(_) => {
                // Let the writers that queued behind us through before asking again.
                tokio::time::sleep(Duration::from_millis(500) * attempt).await;
                attempt += 1;
            }
        }
    }
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error_number(error) == Some(1205)
}

/// What the server says of one table in the snapshot of this session. The table is let go of afterwards, where the account
/// may: whoever changes it meanwhile would wait for the transaction's end, and everybody after him.
pub(crate) async fn look_at_table(
    reader: &mut MySqlConnection,
    database: &str,
    table: &str,
    (digests, beside, seed): (Digests, Beside, &str),
    progress: &Progress,
) -> Result<TableFacts, InspectError> {
    let (stage, tables) = (Stage::Digesting, [table.to_owned()]);
    let facts = match digests {
        Digests::Sql => inventory::read_tables(reader, database, &tables, progress, stage).await,
        Digests::Quick => witness::read(reader, database, &tables, (beside, seed), progress, stage).await,
    };
    let facts = facts?.into_iter().next().expect("one table was asked for");
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT golive_snapshot")
        .execute(reader)
        .await
        .map_err(InspectError::query(format!("what is after table {table}")))?;
    Ok(facts)
}

/// Ends the transaction: nothing more is read in the snapshot, and nobody waits for it.
pub(crate) async fn end(reader: &mut MySqlConnection) -> Result<(), InspectError> {
    let ended = sqlx::raw_sql("ROLLBACK").execute(reader).await;
    ended.map(drop).map_err(InspectError::query("the end of the snapshot".to_owned()))
}

/// Opens the snapshot in this session; says where the binary log stands in it.
pub(crate) async fn begin(reader: &mut MySqlConnection) -> Result<Option<BinlogPosition>, sqlx::Error> {
    // A session that might still write into the binary log goes on holding what it gave up by a savepoint. Refused to
    // an account without BINLOG ADMIN, which then holds every table until it has looked at all.
    let _ = sqlx::raw_sql("SET SESSION sql_log_bin = 0").execute(&mut *reader).await;
    sqlx::raw_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *reader).await?;
    sqlx::raw_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT").execute(&mut *reader).await?;
    sqlx::raw_sql("SAVEPOINT golive_snapshot").execute(&mut *reader).await?;
    let mut file = String::new();
    let mut position = 0;
    for row in sqlx::raw_sql("SHOW STATUS LIKE 'binlog_snapshot_%'").fetch_all(&mut *reader).await? {
        let name: String = row.try_get_unchecked(0)?;
        let value: String = row.try_get_unchecked(1)?;
        match name.to_ascii_lowercase().as_str() {
            "binlog_snapshot_file" => file = value,
            "binlog_snapshot_position" => position = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    if file.is_empty() {
        return Ok(None);
    }
    let gtid: Option<String> = sqlx::query_scalar("SELECT CAST(BINLOG_GTID_POS(?, ?) AS CHAR)")
        .bind(&file)
        .bind(position)
        .fetch_one(reader)
        .await?;
    Ok(Some(BinlogPosition { file, position, gtid: gtid.unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use golive_sandbox::{MariaDb, MariaDbOptions};
    use secrecy::SecretString;

    use super::*;

    /// Whether `t` can be changed now.
    fn can_be_changed(mariadb: &MariaDb) -> bool {
        mariadb.execute("SET SESSION lock_wait_timeout = 1; ALTER TABLE app.t COMMENT ''").is_ok()
    }

    #[tokio::test]
    async fn a_table_is_let_go_of_when_it_was_looked_at_and_the_snapshot_stays() {
        let mut options = MariaDbOptions::new();
        options.binary_log = true;
        options.databases = vec!["app".to_owned()];
        let mariadb = MariaDb::start(&options).unwrap();
        let statements = "CREATE TABLE app.t (id INT PRIMARY KEY); CREATE TABLE app.u LIKE app.t; \
                          INSERT INTO app.t VALUES (1); CREATE USER backup@localhost IDENTIFIED BY 'pw'; \
                          GRANT SELECT, RELOAD, PROCESS ON *.* TO backup@localhost";
        mariadb.execute(statements).unwrap();
        let own = mariadb.socket_url("");
        let socket = own.split_once('?').unwrap().1;
        let limited = format!("mysql://backup:pw@localhost/?{socket}");
        for (url, may) in [(&own, true), (&limited, false)] {
            let server = Server::parse(&SecretString::from(url.as_str())).unwrap();
            let mut snapshot = Snapshot::open(&server, true).await.unwrap();
            assert!(snapshot.binlog.is_some());
            let (locker, _) = snapshot.locker.as_mut().unwrap();
            let kept: u64 = sqlx::query_scalar("SELECT @@wait_timeout").fetch_one(locker).await.unwrap();
            assert_eq!(kept, 40, "a run that is stopped must not block the server for eight hours");
            snapshot.unlock().await.unwrap();
            mariadb.execute("DELETE FROM app.u; INSERT INTO app.u VALUES (1), (2)").unwrap();
            let how = (Digests::Quick, Beside::Dump, "seed");
            let reader = &mut snapshot.reader;
            let looked = look_at_table(reader, "app", "t", how, &Progress::silent()).await.unwrap();
            assert_eq!((looked.rows, can_be_changed(&mariadb)), (1, may));
            let looked = look_at_table(reader, "app", "u", how, &Progress::silent()).await.unwrap();
            assert_eq!(looked.rows, if may { 0 } else { 2 }, "as it was when the snapshot was opened");
            mariadb.execute("INSERT INTO app.u VALUES (3)").unwrap();
            assert_eq!(
                look_at_table(reader, "app", "u", how, &Progress::silent()).await.unwrap().rows,
                looked.rows
            );
            end(reader).await.unwrap();
            assert!(can_be_changed(&mariadb));
            mariadb.execute("DELETE FROM app.u WHERE id = 3").unwrap();
        }
    }
}
