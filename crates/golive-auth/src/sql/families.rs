//! Which refresh token of a session is current, in SQL. One conditional update decides between two at once.

use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, Value};

use super::{clock, milliseconds, retry, text};
use crate::refresh::{RefreshStore, Rotation, RotationRequest};
use crate::revocation::StoreUnavailable;

/// Refresh-token families in a table `_golive_refresh_family`, shared by all instances. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlRefreshStore {
    connection: DatabaseConnection,
}

pub(super) fn schema(backend: DbBackend) -> String {
    let text = text(backend);
    format!(
        "CREATE TABLE IF NOT EXISTS _golive_refresh_family (family {text} NOT NULL PRIMARY KEY, current_id {text} NULL, \
         previous_id {text} NULL, rotated_ms BIGINT NOT NULL DEFAULT 0, until_ms BIGINT NOT NULL)"
    )
}

impl SqlRefreshStore {
    /// Families on this connection; the table must be there.
    pub fn new(connection: DatabaseConnection) -> Self {
        Self { connection }
    }

    /// Makes the table, if it is not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create_table(&self) -> Result<(), StoreUnavailable> {
        let sql = schema(self.connection.get_database_backend());
        self.connection.execute_unprepared(&sql).await.map(drop).map_err(unavailable)
    }

    /// Removes families that ended by themselves, a thousand at most. Returns how many; call it now and then.
    ///
    /// # Errors
    /// When the database does not confirm.
    pub async fn prune(&self) -> Result<u64, StoreUnavailable> {
        let sql = format!(
            "DELETE FROM _golive_refresh_family WHERE family IN (SELECT family FROM (SELECT family FROM \
             _golive_refresh_family WHERE until_ms <= {} LIMIT 1000) AS ended)",
            clock(&self.connection)
        );
        retry(STORE, || self.run(&sql, Vec::new())).await
    }

    async fn run(&self, sql: &str, values: Vec<Value>) -> Result<u64, DbErr> {
        let backend = self.connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(self.connection.execute_raw(statement).await?.rows_affected())
    }

    async fn find(&self, family: &str) -> Result<Option<Family>, DbErr> {
        let sql = format!(
            "SELECT current_id, previous_id, rotated_ms FROM _golive_refresh_family WHERE family = ? AND until_ms > {}",
            clock(&self.connection)
        );
        let backend = self.connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, [family.into()]);
        let Some(row) = self.connection.query_one_raw(statement).await? else { return Ok(None) };
        Ok(Some(Family {
            current: row.try_get_by_index(0)?,
            previous: row.try_get_by_index(1)?,
            rotated: row.try_get_by_index(2)?,
        }))
    }
}

struct Family {
    /// None: ended.
    current: Option<String>,
    previous: Option<String>,
    rotated: i64,
}

#[async_trait]
impl RefreshStore for SqlRefreshStore {
    async fn start(&self, family: &str, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        let sql = format!(
            "INSERT INTO _golive_refresh_family (family, current_id, until_ms) VALUES (?, ?, {} + ?)",
            clock(&self.connection)
        );
        let values = || vec![family.into(), token_id.into(), milliseconds(ttl).into()];
        retry(STORE, || self.run(&sql, values())).await.map(drop)
    }

    async fn rotate(&self, request: &RotationRequest<'_>) -> Result<Rotation, StoreUnavailable> {
        let now = clock(&self.connection);
        let sql = format!(
            "UPDATE _golive_refresh_family SET previous_id = ?, current_id = ?, rotated_ms = ?, until_ms = {now} + ? \
             WHERE family = ? AND current_id = ? AND until_ms > {now}"
        );
        let values = || {
            vec![
                request.presented.into(),
                request.successor.into(),
                request.now.timestamp_millis().into(),
                milliseconds(request.ttl).into(),
                request.family.into(),
                request.presented.into(),
            ]
        };
        if retry(STORE, || self.run(&sql, values())).await? == 1 {
            return Ok(Rotation::Rotated);
        }
        let Some(found) = retry(STORE, || self.find(request.family)).await? else {
            return Ok(Rotation::Unknown);
        };
        let age = request.now.timestamp_millis().saturating_sub(found.rotated);
        if let Some(current) = found.current
            && found.previous.as_deref() == Some(request.presented)
            && age <= milliseconds(request.grace)
            && let Some(issued_at) = DateTime::from_timestamp_millis(found.rotated)
        {
            return Ok(Rotation::Replayed { successor: current, issued_at });
        }
        // The row stays, so that the family's other tokens are told as reused too.
        let sql = "UPDATE _golive_refresh_family SET current_id = NULL WHERE family = ?";
        retry(STORE, || self.run(sql, vec![request.family.into()])).await?;
        Ok(Rotation::Reused)
    }

    async fn end(&self, family: &str) -> Result<(), StoreUnavailable> {
        let sql = "DELETE FROM _golive_refresh_family WHERE family = ?";
        retry(STORE, || self.run(sql, vec![family.into()])).await.map(drop)
    }
}

fn unavailable(error: DbErr) -> StoreUnavailable {
    StoreUnavailable::new(STORE, error)
}

const STORE: &str = "refresh token";
