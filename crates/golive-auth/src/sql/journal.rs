//! Revocations as an append-only journal in SQL. It answers by itself; how it fills a Redis that lost its memory is in
//! `redis_journal`.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, Value};

use super::{clock, milliseconds, retry, text};
use crate::revocation::{Revocation, StoreUnavailable, TokenFacts};

/// Revocations in a table `_golive_revocation`, shared by all instances. Rows are added and, when their time is over,
/// removed; none is ever changed. Cheap to clone.
///
/// With the feature `redis` it is what `golive_cache::RevocationStore::with_journal` takes: Redis then answers, and is
/// filled from here when it lost its memory.
#[derive(Clone, Debug)]
pub struct SqlRevocation {
    connection: DatabaseConnection,
    cutoff_lifetime: Duration,
}

/// What a row covers, by the word that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Token,
    Session,
    User,
    Tenant,
    All,
}

impl Scope {
    #[cfg(feature = "redis")]
    const EACH: [Self; 5] = [Self::Token, Self::Session, Self::User, Self::Tenant, Self::All];

    fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::All => "all",
        }
    }

    #[cfg(feature = "redis")]
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|scope| scope.word() == word)
    }
}

pub(super) fn schema(backend: DbBackend) -> String {
    let text = text(backend);
    let (key, index) = match backend {
        DbBackend::MySql => {
            ("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", ", KEY (scope, subject, until_ms), KEY (until_ms)")
        }
        _ => ("INTEGER PRIMARY KEY AUTOINCREMENT", ""),
    };
    format!(
        "CREATE TABLE IF NOT EXISTS _golive_revocation (id {key}, scope VARCHAR(8) NOT NULL, subject {text} NOT NULL, \
         before_ms BIGINT NULL, until_ms BIGINT NOT NULL{index})"
    )
}

impl SqlRevocation {
    /// A journal on this connection; the table must be there. Cutoffs ("before T") are kept 31 days; see
    /// [`SqlRevocation::with_cutoff_lifetime`].
    pub fn new(connection: DatabaseConnection) -> Self {
        Self { connection, cutoff_lifetime: Duration::from_secs(31 * 24 * 3600) }
    }

    /// How long cutoffs are kept: at least the longest life of any token, refresh tokens included.
    #[must_use]
    pub fn with_cutoff_lifetime(mut self, lifetime: Duration) -> Self {
        self.cutoff_lifetime = lifetime;
        self
    }

    /// Makes the table, if it is not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create_table(&self) -> Result<(), StoreUnavailable> {
        let sql = schema(self.connection.get_database_backend());
        let made = self.connection.execute_unprepared(&sql).await;
        made.map(drop).map_err(|error| StoreUnavailable::new(STORE, error))
    }

    /// Removes entries whose time is over, a thousand at most. Returns how many; call it now and then.
    ///
    /// # Errors
    /// When the database does not confirm.
    pub async fn prune(&self) -> Result<u64, StoreUnavailable> {
        let sql = format!(
            "DELETE FROM _golive_revocation WHERE id IN (SELECT id FROM (SELECT id FROM _golive_revocation \
             WHERE until_ms <= {} LIMIT 1000) AS ended)",
            clock(&self.connection)
        );
        retry(STORE, || self.run(&sql, Vec::new())).await
    }

    async fn append(
        &self,
        scope: Scope,
        subject: &str,
        before: Option<DateTime<Utc>>,
        ttl: Duration,
    ) -> Result<(), StoreUnavailable> {
        let until = format!("{} + ?", clock(&self.connection));
        self.enter(scope, subject, before, &until, milliseconds(ttl)).await
    }

    /// Adds a row. `until` is SQL for when it may go, of one parameter in milliseconds.
    pub(super) async fn enter(
        &self,
        scope: Scope,
        subject: &str,
        before: Option<DateTime<Utc>>,
        until: &str,
        milliseconds: i64,
    ) -> Result<(), StoreUnavailable> {
        // A server that is not strict would cut it, and the revocation would be nobody's.
        if subject.chars().count() > LONGEST_SUBJECT {
            return Err(StoreUnavailable::new(STORE, "a name of more than 190 characters cannot be revoked"));
        }
        if scope == Scope::Tenant && subject.is_empty() {
            return Err(StoreUnavailable::new(STORE, "a tenant without a name cannot be revoked"));
        }
        let sql = format!(
            "INSERT INTO _golive_revocation (scope, subject, before_ms, until_ms) VALUES (?, ?, ?, {until})"
        );
        let before = before.map(|time| time.timestamp_millis());
        let values = || vec![scope.word().into(), subject.into(), before.into(), milliseconds.into()];
        retry(STORE, || self.run(&sql, values())).await.map(drop)
    }

    #[cfg(feature = "redis")]
    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    async fn run(&self, sql: &str, values: Vec<Value>) -> Result<u64, DbErr> {
        let backend = self.connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(self.connection.execute_raw(statement).await?.rows_affected())
    }
}

#[async_trait]
impl Revocation for SqlRevocation {
    async fn is_revoked(&self, token: &TokenFacts, _now: DateTime<Utc>) -> Result<bool, StoreUnavailable> {
        let now = clock(&self.connection);
        // Five looks into one index; the database stops at the first hit.
        let ended = |scope: Scope| {
            let scope = scope.word();
            format!(
                "SELECT 1 AS hit FROM _golive_revocation WHERE scope = '{scope}' AND subject = ? AND until_ms > {now}"
            )
        };
        let cut = |scope: Scope| format!("{} AND before_ms > ?", ended(scope));
        let sql = format!(
            "SELECT hit FROM ({} UNION ALL {} UNION ALL {} UNION ALL {} UNION ALL {}) AS hits LIMIT 1",
            ended(Scope::Token),
            ended(Scope::Session),
            cut(Scope::User),
            cut(Scope::Tenant),
            cut(Scope::All)
        );
        let issued = token.issued_at.timestamp_millis();
        // A user without tenant has none of this name: tenants' names are not empty.
        let tenant = token.tenant.clone().unwrap_or_default();
        let values = || -> Vec<Value> {
            vec![
                token.token_id.clone().into(),
                token.session.clone().into(),
                token.user.clone().into(),
                issued.into(),
                tenant.clone().into(),
                issued.into(),
                "".into(),
                issued.into(),
            ]
        };
        let backend = self.connection.get_database_backend();
        let hit = retry(STORE, || {
            self.connection.query_one_raw(Statement::from_sql_and_values(backend, sql.clone(), values()))
        });
        Ok(hit.await?.is_some())
    }

    async fn revoke_token(&self, token_id: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        self.append(Scope::Token, token_id, None, ttl).await
    }

    async fn revoke_session(&self, session: &str, ttl: Duration) -> Result<(), StoreUnavailable> {
        self.append(Scope::Session, session, None, ttl).await
    }

    async fn revoke_user_before(&self, user: &str, instant: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        self.append(Scope::User, user, Some(instant), self.cutoff_lifetime).await
    }

    async fn revoke_tenant_before(
        &self,
        tenant: &str,
        instant: DateTime<Utc>,
    ) -> Result<(), StoreUnavailable> {
        self.append(Scope::Tenant, tenant, Some(instant), self.cutoff_lifetime).await
    }

    async fn revoke_all_before(&self, instant: DateTime<Utc>) -> Result<(), StoreUnavailable> {
        self.append(Scope::All, "", Some(instant), self.cutoff_lifetime).await
    }
}

const STORE: &str = "revocation";
const LONGEST_SUBJECT: usize = 190;
