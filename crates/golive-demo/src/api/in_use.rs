//! `/health/database`: which database the service uses, as the connection in use tells it.
//!
//! What must not be here: any setting. `DATABASE_URL` says what was wanted, holds a password, and proves nothing.

use axum::Json;
use axum::http::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use serde::Serialize;

/// The database in use.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct InUse {
    /// `mariadb`, `mysql` or `sqlite`.
    kind: &'static str,
    /// As the engine tells it.
    version: String,
    /// What the server calls itself; SQLite has none.
    server: Option<String>,
    /// The schema, or the name of SQLite's file.
    schema: String,
}

/// 200 with the database in use, 503 while it does not answer.
pub(super) async fn answer(db: DatabaseConnection) -> Result<Json<InUse>, StatusCode> {
    in_use(&db).await.map(Json).map_err(|error| {
        tracing::debug!(error = &error as &dyn std::error::Error, "the database in use cannot be told");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

async fn in_use(db: &DatabaseConnection) -> Result<InUse, DbErr> {
    let backend = db.get_database_backend();
    let query = match backend {
        DbBackend::MySql => {
            "SELECT VERSION() AS version, CONCAT(@@hostname, ':', @@port) AS server, DATABASE() AS name"
        }
        _ => {
            "SELECT sqlite_version() AS version, NULL AS server, file AS name FROM pragma_database_list \
             WHERE name = 'main'"
        }
    };
    let row = db.query_one_raw(Statement::from_string(backend, query)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the database names itself".to_owned()))?;
    let (version, name): (String, String) = (row.try_get("", "version")?, row.try_get("", "name")?);
    let kind = match backend {
        DbBackend::MySql if version.contains("MariaDB") => "mariadb",
        DbBackend::MySql => "mysql",
        _ => "sqlite",
    };
    // Where the file lies is nobody's business.
    let schema = name.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(InUse { kind, version, server: row.try_get("", "server")?, schema })
}
