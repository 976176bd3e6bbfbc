//! Opens the database and brings its schema up or down. What the schema is, the migrations say.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement};
use sea_orm_migration::{MigrationStatus, MigratorTrait};
use secrecy::{ExposeSecret, SecretString};

use crate::schema::Migrator;

/// The database could not be opened or brought to the wanted schema.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// Nothing answers there, or it does not let us in.
    #[error(
        "the database at DATABASE_URL cannot be opened; check that the server runs (or the folder of the SQLite \
         file exists) and that the user may connect"
    )]
    Open(#[source] DbErr),
    /// Somebody else migrates the same database.
    #[error("another process is migrating this database; wait until it has finished and try again")]
    Busy,
    /// A migration failed.
    #[error(
        "the schema could not be migrated; mend the cause and run `golive-demo migrate up` again, it resumes"
    )]
    Migrate(#[source] DbErr),
    /// The state of the migrations is unknown.
    #[error("the state of the migrations cannot be read; is this release older than the database?")]
    Status(#[source] DbErr),
}

/// How long a caller waits for a connection, the first one included.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection lives; below the eight hours after which MariaDB drops an idle one.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(3600);
const MIGRATION_LOCK_SECONDS: u32 = 30;

/// Opens the database with at most `max_connections` at a time. A missing SQLite file is an error, unless the address
/// says `mode=rwc`.
pub(crate) async fn open(
    url: &SecretString,
    max_connections: u32,
) -> Result<DatabaseConnection, DatabaseError> {
    connect(url, max_connections, MissingFile::AsAddressSays).await
}

/// What becomes of an SQLite file that is not there.
#[derive(Clone, Copy)]
enum MissingFile {
    AsAddressSays,
    Create,
}

async fn connect(
    url: &SecretString,
    max_connections: u32,
    missing: MissingFile,
) -> Result<DatabaseConnection, DatabaseError> {
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(max_connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(CONNECTION_LIFETIME)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = match missing {
                MissingFile::AsAddressSays => sqlite,
                MissingFile::Create => sqlite.create_if_missing(true),
            };
            sqlite
                .foreign_keys(true)
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlx::sqlite::SqliteSynchronous::Normal)
        });
    Database::connect(options).await.map_err(DatabaseError::Open)
}

/// Applies every pending migration and says how many there were. Two of these at once do not disturb each other.
pub(crate) async fn migrate_up(url: &SecretString) -> Result<usize, DatabaseError> {
    let connection = open_locked(url).await?;
    let pending = Migrator::get_pending_migrations(&connection).await.map_err(DatabaseError::Status)?.len();
    Migrator::up(&connection, None).await.map_err(DatabaseError::Migrate)?;
    close(connection).await?;
    Ok(pending)
}

/// Undoes the last `steps` migrations, or all of them.
pub(crate) async fn migrate_down(url: &SecretString, steps: Option<u32>) -> Result<usize, DatabaseError> {
    let connection = open_locked(url).await?;
    let applied = Migrator::get_applied_migrations(&connection).await.map_err(DatabaseError::Status)?.len();
    Migrator::down(&connection, steps).await.map_err(DatabaseError::Migrate)?;
    close(connection).await?;
    Ok(steps.map_or(applied, |steps| applied.min(steps as usize)))
}

/// The name of every migration and whether it is applied. Changes nothing.
pub(crate) async fn migration_status(
    connection: &DatabaseConnection,
) -> Result<Vec<(String, bool)>, DatabaseError> {
    let migrations =
        Migrator::get_migration_with_status_read_only(connection).await.map_err(DatabaseError::Status)?;
    Ok(migrations.iter().map(|m| (m.name().to_owned(), m.status() == MigrationStatus::Applied)).collect())
}

/// A single connection that holds the migration lock until it is closed. SQLite locks its file by itself, and a missing
/// one is created.
async fn open_locked(url: &SecretString) -> Result<DatabaseConnection, DatabaseError> {
    let connection = connect(url, 1, MissingFile::Create).await?;
    if connection.get_database_backend() == DbBackend::MySql {
        // The lock is server-wide, hence the database in its name, and at most 64 characters long.
        let statement = Statement::from_sql_and_values(
            DbBackend::MySql,
            "SELECT GET_LOCK(LEFT(CONCAT('golive-demo:migrate:', DATABASE()), 64), ?) AS taken",
            [MIGRATION_LOCK_SECONDS.into()],
        );
        let row = connection.query_one_raw(statement).await.map_err(DatabaseError::Open)?;
        let taken: Option<i64> = row.and_then(|row| row.try_get("", "taken").ok());
        if taken != Some(1) {
            return Err(DatabaseError::Busy);
        }
    }
    Ok(connection)
}

/// Closes the connection so that the SQLite file is whole without its write-ahead log.
pub(crate) async fn close(connection: DatabaseConnection) -> Result<(), DatabaseError> {
    connection.close().await.map_err(DatabaseError::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_migrating_up_makes_a_missing_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.db");
        let url = SecretString::from(format!("sqlite://{}", path.display()));
        let error = open(&url, 1).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Open(_)) && !path.exists(), "{error}");
        assert_eq!(migrate_up(&url).await.unwrap(), 11);
        let connection = open(&url, 1).await.unwrap();
        assert_eq!(migration_status(&connection).await.unwrap().len(), 11);
    }

    #[tokio::test]
    async fn down_undoes_one_step_and_up_brings_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let url = SecretString::from(format!("sqlite://{}/demo.db", folder.path().display()));
        migrate_up(&url).await.unwrap();
        assert_eq!(migrate_down(&url, Some(1)).await.unwrap(), 1);
        assert_eq!(migrate_up(&url).await.unwrap(), 1);
        assert_eq!(migrate_up(&url).await.unwrap(), 0);
    }
}
