//! In whose name accounts and tenants are changed: the entry of the audit trail is written in the transaction that does the
//! deed, so both happen or neither.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DatabaseTransaction};

use super::directory::Accounts;
use super::tenants::Tenants;
use crate::audit::{AuditEntry, AuditError, AuditTrail};

#[derive(Clone, Debug)]
pub(super) struct Recording {
    trail: AuditTrail,
    actor: String,
    now: DateTime<Utc>,
}

impl Recording {
    fn new(connection: &DatabaseConnection, actor: impl Into<String>, now: DateTime<Utc>) -> Self {
        Self { trail: AuditTrail::new(connection.clone()), actor: actor.into(), now }
    }

    /// The last thing before the commit: others who record wait until then.
    pub(super) async fn add<'a>(
        recording: Option<&Self>,
        transaction: &DatabaseTransaction,
        action: &str,
        targets: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), AuditError> {
        let Some(Self { trail, actor, now }) = recording else { return Ok(()) };
        for target in targets {
            trail.append_in(transaction, &AuditEntry::new(actor, action, target), *now).await?;
        }
        Ok(())
    }
}

impl Accounts {
    /// The same accounts, changed in this person's name: each change is an entry of [`Accounts::audit_trail`], whose
    /// tables must be there. What cannot be recorded is not done.
    #[must_use]
    pub fn recorded(mut self, actor: impl Into<String>, now: DateTime<Utc>) -> Self {
        self.recording = Some(Recording::new(&self.connection, actor, now));
        self
    }
}

impl Tenants {
    /// As [`Accounts::recorded`].
    #[must_use]
    pub fn recorded(mut self, actor: impl Into<String>, now: DateTime<Utc>) -> Self {
        self.recording = Some(Recording::new(&self.connection, actor, now));
        self
    }
}
