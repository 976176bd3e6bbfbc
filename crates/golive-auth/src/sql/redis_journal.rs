//! The journal in SQL as golive-cache's record of revocations: a Redis that lost its memory is filled from it. No Redis
//! command here.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use golive_cache::{JournalEntry, JournalError, Revocation, RevocationJournal};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use super::journal::{Scope, SqlRevocation};
use super::retry;

#[async_trait]
impl RevocationJournal for SqlRevocation {
    async fn append(&self, revocation: &Revocation, keep_until: DateTime<Utc>) -> Result<(), JournalError> {
        let (scope, subject, before) = match revocation {
            Revocation::Token { token_id, .. } => (Scope::Token, token_id.as_str(), None),
            Revocation::Session { session, .. } => (Scope::Session, session.as_str(), None),
            Revocation::User { user, not_before } => (Scope::User, user.as_str(), Some(*not_before)),
            Revocation::Tenant { tenant, not_before } => (Scope::Tenant, tenant.as_str(), Some(*not_before)),
            Revocation::All { not_before } => (Scope::All, "", Some(*not_before)),
            other => return Err(format!("a revocation not known here: {other:?}").into()),
        };
        self.enter(scope, subject, before, "?", keep_until.timestamp_millis()).await?;
        Ok(())
    }

    async fn unexpired(
        &self,
        now: DateTime<Utc>,
        after: Option<u64>,
        at_most: usize,
    ) -> Result<Vec<JournalEntry>, JournalError> {
        let sql = format!(
            "SELECT id, scope, subject, before_ms, until_ms FROM _golive_revocation WHERE until_ms > ? AND id > ? \
             ORDER BY id LIMIT {at_most}"
        );
        let after = i64::try_from(after.unwrap_or(0))?;
        let connection = self.connection();
        let backend = connection.get_database_backend();
        let rows = retry("revocation", || {
            let values = [now.timestamp_millis().into(), after.into()];
            connection.query_all_raw(Statement::from_sql_and_values(backend, sql.clone(), values))
        });
        Ok(rows.await?.iter().map(entry).collect::<Result<_, DbErr>>()?)
    }
}

/// A token is taken to expire when its row may go: later than it does, which revokes nothing else.
fn entry(row: &QueryResult) -> Result<JournalEntry, DbErr> {
    let id: i64 = row.try_get_by_index(0)?;
    let scope: String = row.try_get_by_index(1)?;
    let subject: String = row.try_get_by_index(2)?;
    let before: Option<i64> = row.try_get_by_index(3)?;
    let until: i64 = row.try_get_by_index(4)?;
    let unreadable = || DbErr::Custom(format!("row {id} of _golive_revocation cannot be read"));
    let before = before.and_then(DateTime::from_timestamp_millis);
    let expires_at = DateTime::from_timestamp_millis(until).ok_or_else(unreadable)?;
    let revocation = match (Scope::parse(&scope).ok_or_else(unreadable)?, before) {
        (Scope::Token, None) => Revocation::Token { token_id: subject, expires_at },
        (Scope::Session, None) => Revocation::Session { session: subject, expires_at },
        (Scope::User, Some(not_before)) => Revocation::User { user: subject, not_before },
        (Scope::Tenant, Some(not_before)) => Revocation::Tenant { tenant: subject, not_before },
        (Scope::All, Some(not_before)) => Revocation::All { not_before },
        _ => return Err(unreadable()),
    };
    Ok(JournalEntry::new(u64::try_from(id).map_err(|_| unreadable())?, revocation))
}
