//! Looking at accounts and switching them off.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr};
use secrecy::SecretString;
use serde::Serialize;

use super::mapping::{AccountsMapping, Literal};
use super::recording::Recording;
use super::rows::{
    self, AccountState, ActiveColumn, DeactivateError, Deactivated, begin, connect, quote, select_text,
    switch_off,
};
use crate::audit::{AuditError, AuditTrail};
use crate::password::HashFormat;
use crate::sql::{DEADLOCK_PAUSE, DEADLOCK_TRIES, is_deadlock};

/// The accounts of an application. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    pub(super) connection: DatabaseConnection,
    pub(super) mapping: AccountsMapping,
    pub(super) recording: Option<Recording>,
}

/// An account, without its password hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Account {
    /// The key, as text.
    pub id: String,
    /// The login name.
    pub username: String,
    /// Whether it may log in.
    pub state: AccountState,
    /// How the password is hashed; `None` when none is stored.
    pub hash_format: Option<HashFormat>,
    /// The role, if the mapping names a column.
    pub role: Option<String>,
    /// The tenant's key, as text.
    pub tenant: Option<String>,
    /// Whether the password must be changed at the next login, if the mapping names a column.
    pub must_change_password: Option<bool>,
    /// The last login, as the database writes it.
    pub last_login: Option<String>,
}

impl Account {
    /// Whether it may log in; an unclear state counts as yes.
    pub fn is_active(&self) -> bool {
        self.state != AccountState::Inactive
    }
}

/// Why accounts cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// No connection.
    #[error("connect to the database of `{table}`: check that it runs, and user and password in the URL")]
    Connect {
        /// The table asked for.
        table: String,
        /// What the driver said. Its text holds no password.
        #[source]
        source: DbErr,
    },
    /// The table or a column is not as the mapping says.
    #[error("read `{table}`: check its columns in golive.toml and the grants")]
    Read {
        /// The table.
        table: String,
        /// What the database said.
        #[source]
        source: DbErr,
    },
    /// More rows than this tool is made for.
    #[error("read `{table}`: it has more than {most} rows")]
    TooMany {
        /// The table.
        table: String,
        /// The limit.
        most: usize,
    },
}

/// An account with its stored hash, which stays inside this module's neighbors.
#[derive(Clone)]
pub(super) struct StoredAccount {
    pub(super) account: Account,
    pub(super) stored: Option<String>,
}

impl Accounts {
    /// Connects to `mysql://` or `sqlite://`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(url: &SecretString, mapping: AccountsMapping) -> Result<Self, AccountsError> {
        let connection = connect(url)
            .await
            .map_err(|source| AccountsError::Connect { table: mapping.table.clone(), source })?;
        Ok(Self::on(connection, mapping))
    }

    /// On a connection that the application already has.
    pub fn on(connection: DatabaseConnection, mapping: AccountsMapping) -> Self {
        Self { connection, mapping, recording: None }
    }

    /// The mapping.
    pub fn mapping(&self) -> &AccountsMapping {
        &self.mapping
    }

    /// The audit trail in the same database; its tables may not be there yet.
    pub fn audit_trail(&self) -> AuditTrail {
        AuditTrail::new(self.connection.clone())
    }

    /// All accounts, by login name.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self) -> Result<Vec<Account>, AccountsError> {
        let order = format!("ORDER BY {} LIMIT {}", quote(&self.mapping.username), MOST_ACCOUNTS + 1);
        let stored = self.read(&self.connection, &order, Vec::new()).await?;
        Ok(stored.into_iter().map(|stored| stored.account).collect())
    }

    /// One account by its login name.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, username: &str) -> Result<Option<Account>, AccountsError> {
        Ok(self.find(&self.connection, username).await?.map(|stored| stored.account))
    }

    /// Switches accounts off, all or none, and tells which were on. Their tokens live on until the caller revokes them.
    ///
    /// # Errors
    /// When no administrator would be left, or the database refuses; then nothing is changed.
    pub async fn deactivate(&self, usernames: &[String]) -> Result<Deactivated, DeactivateError> {
        // People sign in meanwhile and their rows are locked too: a transaction that the server gave up is tried again.
        for _ in 1..DEADLOCK_TRIES {
            match self.deactivate_once(usernames).await {
                Err(
                    DeactivateError::Database { source, .. }
                    | DeactivateError::Audit(AuditError::Database(source)),
                ) if is_deadlock(&source) => tokio::time::sleep(DEADLOCK_PAUSE).await,
                ended => return ended,
            }
        }
        self.deactivate_once(usernames).await
    }

    async fn deactivate_once(&self, usernames: &[String]) -> Result<Deactivated, DeactivateError> {
        let table = &self.mapping.table;
        let failed = |source| DeactivateError::Database { table: table.clone(), source };
        let transaction = begin(&self.connection).await.map_err(failed)?;
        // Locks the administrators' rows: two runs at once must not each count on the one that the other switches off.
        self.count_active_admins(&transaction).await.map_err(failed)?;
        let done = switch_off(&transaction, table, &self.mapping.username, self.active(), usernames).await?;
        let administrators = self.count_active_admins(&transaction).await.map_err(failed)?;
        if administrators == Some(0) && !done.changed.is_empty() {
            transaction.rollback().await.map_err(failed)?;
            return Err(DeactivateError::LastAdmin { table: table.clone() });
        }
        let changed = done.changed.iter().map(String::as_str);
        let recorded = Recording::add(self.recording.as_ref(), &transaction, "deactivate", changed).await;
        recorded.map_err(DeactivateError::Audit)?;
        transaction.commit().await.map_err(failed)?;
        Ok(done)
    }

    /// Switches off the demo's accounts, [`AccountsMapping::demo_usernames`], and those named besides: what a scan found.
    ///
    /// # Errors
    /// As [`Accounts::deactivate`].
    pub async fn deactivate_demo(&self, besides: &[String]) -> Result<Deactivated, DeactivateError> {
        let names: BTreeSet<String> = self.mapping.demo_usernames.iter().chain(besides).cloned().collect();
        self.deactivate(&names.into_iter().collect::<Vec<_>>()).await
    }

    pub(super) fn active(&self) -> ActiveColumn<'_> {
        ActiveColumn {
            column: self.mapping.active.as_deref(),
            yes: &self.mapping.active_values,
            no: &self.mapping.inactive_value,
        }
    }

    pub(super) async fn find<C: ConnectionTrait>(
        &self,
        connection: &C,
        username: &str,
    ) -> Result<Option<StoredAccount>, AccountsError> {
        let condition = format!("WHERE {} = ?", quote(&self.mapping.username));
        let mut found = self.read(connection, &condition, vec![username.into()]).await?;
        Ok(found.pop())
    }

    /// The same, and nobody else changes it until the transaction ends.
    pub(super) async fn find_locked(
        &self,
        transaction: &DatabaseTransaction,
        username: &str,
    ) -> Result<Option<StoredAccount>, AccountsError> {
        let lock = rows::for_update(transaction);
        let condition = format!("WHERE {} = ?{lock}", quote(&self.mapping.username));
        let mut found = self.read(transaction, &condition, vec![username.into()]).await?;
        Ok(found.pop())
    }

    /// All accounts, with their hashes.
    pub(super) async fn stored(&self) -> Result<Vec<StoredAccount>, AccountsError> {
        let order = format!("ORDER BY {} LIMIT {}", quote(&self.mapping.username), MOST_ACCOUNTS + 1);
        self.read(&self.connection, &order, Vec::new()).await
    }

    /// All accounts that are not switched off, with their hashes.
    pub(super) async fn not_inactive(&self) -> Result<Vec<StoredAccount>, AccountsError> {
        let mut stored = self.stored().await?;
        stored.retain(|stored| stored.account.state != AccountState::Inactive);
        Ok(stored)
    }

    async fn read<C: ConnectionTrait>(
        &self,
        connection: &C,
        condition: &str,
        values: Vec<sea_orm::Value>,
    ) -> Result<Vec<StoredAccount>, AccountsError> {
        let mapping = &self.mapping;
        let columns = [
            Some(mapping.id.as_str()),
            Some(mapping.username.as_str()),
            Some(mapping.password.as_str()),
            mapping.active.as_deref(),
            mapping.role.as_deref(),
            mapping.tenant.as_deref(),
            mapping.must_change_password.as_deref(),
            mapping.last_login.as_deref(),
        ];
        let found = select_text(connection, &mapping.table, &columns, condition, values)
            .await
            .map_err(|source| AccountsError::Read { table: mapping.table.clone(), source })?;
        if found.len() > MOST_ACCOUNTS {
            return Err(AccountsError::TooMany { table: mapping.table.clone(), most: MOST_ACCOUNTS });
        }
        let stored = found.into_iter().map(|row| {
            let [id, username, stored, active, role, tenant, must_change, last_login] =
                <[Option<String>; 8]>::try_from(row).expect("as many cells as columns");
            let account = Account {
                id: id.unwrap_or_default(),
                username: username.unwrap_or_default(),
                state: self.active().state(active.as_deref()),
                hash_format: stored.as_deref().map(HashFormat::of),
                role,
                tenant,
                must_change_password: must_change.map(|cell| Literal::Bool(true).is_text(&cell)),
                last_login,
            };
            StoredAccount { account, stored }
        });
        Ok(stored.collect())
    }

    /// How many active administrators there are; `None` when the mapping cannot tell.
    pub(super) async fn count_active_admins<C: ConnectionTrait>(
        &self,
        connection: &C,
    ) -> Result<Option<usize>, DbErr> {
        let (Some(role), Some(active)) = (&self.mapping.role, &self.mapping.active) else { return Ok(None) };
        let roles: Vec<sea_orm::Value> =
            self.mapping.admin_roles.iter().map(|role| role.clone().into()).collect();
        if roles.is_empty() {
            return Ok(None);
        }
        let lock = rows::for_update(connection);
        let condition = format!("WHERE {} IN ({}){lock}", quote(role), rows::placeholders(roles.len()));
        let found = select_text(connection, &self.mapping.table, &[Some(active)], &condition, roles).await?;
        let active = self.active();
        Ok(Some(found.iter().filter(|row| active.state(row[0].as_deref()) == AccountState::Active).count()))
    }
}

const MOST_ACCOUNTS: usize = 200_000;
