//! New accounts: rules first, then one row. Passwords come in and leave as hashes only.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, SqlErr, Value};
use secrecy::{ExposeSecret, SecretString};

use super::change::RoleRuleError;
use super::directory::{Account, Accounts, AccountsError};
use super::mapping::{IdStrategy, Literal};
use super::recording::Recording;
use super::rows::{begin, insert};
use crate::audit::AuditError;
use crate::password::{HashPasswordError, PasswordHasher, PasswordPolicy, PasswordRefusal};

/// An account to be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewAccount {
    /// The login name.
    pub username: String,
    /// The first password.
    pub password: SecretString,
    /// The role.
    pub role: String,
    /// The tenant's key.
    pub tenant: Option<String>,
    /// Whether it must be changed at the first login. Default `true`.
    pub must_change_password: bool,
    /// The full name.
    pub full_name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Further columns, over those of the mapping: a shift, a site.
    pub columns: BTreeMap<String, Literal>,
}

impl NewAccount {
    /// An account without tenant whose password must be changed at the first login.
    pub fn new(username: impl Into<String>, password: SecretString, role: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password,
            role: role.into(),
            tenant: None,
            must_change_password: true,
            full_name: None,
            email: None,
            columns: BTreeMap::new(),
        }
    }
}

/// Why no account was made. Nothing is left in the table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateAccountError {
    /// The login name is empty, too long, or has unprintable characters.
    #[error("create an account with this login name: 1 to 150 printable characters are allowed")]
    Username,
    /// There is one already.
    #[error("create the account `{username}`: it exists")]
    Exists {
        /// The login name.
        username: String,
    },
    /// The first that an attacker tries, or one of the demo.
    #[error(
        "create the administrator `{username}`: choose a name that is the client's and not a generic one"
    )]
    GenericName {
        /// The login name.
        username: String,
    },
    /// Not an administrator's role.
    #[error("create an administrator with the role `{role}`: use one of {}", admin_roles.join(", "))]
    NotAdminRole {
        /// The role.
        role: String,
        /// Those that administer.
        admin_roles: Vec<String>,
    },
    /// The rules do not know the role.
    #[error("create an account with the role `{role}`: it is not in role_tenants of golive.toml")]
    UnknownRole {
        /// The role.
        role: String,
    },
    /// The role needs a tenant.
    #[error("create an account with the role `{role}` without a tenant: name one")]
    TenantRequired {
        /// The role.
        role: String,
    },
    /// The role must have no tenant, or the mapping has no column for it.
    #[error("create an account with the role `{role}` for a tenant: leave the tenant out")]
    TenantForbidden {
        /// The role.
        role: String,
    },
    /// The password is weak.
    #[error("accept the first password")]
    Password(#[source] PasswordRefusal),
    /// The password cannot be hashed.
    #[error("hash the first password")]
    Hash(#[source] HashPasswordError),
    /// The mapping has no column for something that must not be lost.
    #[error("record that the password must be changed: name the column must_change_password in golive.toml")]
    NoMustChangeColumn,
    /// It cannot be recorded.
    #[error("record the new account; nothing was written")]
    Audit(#[source] AuditError),
    /// The database cannot be read or written.
    #[error("write the account")]
    Database(#[source] AccountsError),
}

impl CreateAccountError {
    pub(super) fn of_insert(error: DbErr, table: &str, username: &str) -> Self {
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            return Self::Exists { username: username.to_owned() };
        }
        Self::Database(AccountsError::Read { table: table.to_owned(), source: error })
    }
}

impl Accounts {
    /// Makes the production administrator: an administrator's role, a name that is not generic, a password of 16
    /// characters or more.
    ///
    /// # Errors
    /// The rule that is broken; nothing is written then.
    pub async fn create_admin(
        &self,
        admin: &NewAccount,
        hasher: &PasswordHasher,
        now: DateTime<Utc>,
    ) -> Result<Account, CreateAccountError> {
        if !self.mapping.admin_roles.contains(&admin.role) {
            let admin_roles = self.mapping.admin_roles.clone();
            return Err(CreateAccountError::NotAdminRole { role: admin.role.clone(), admin_roles });
        }
        let name = admin.username.to_lowercase();
        let demo = self.mapping.demo_usernames.iter().any(|demo| demo.to_lowercase() == name);
        if demo || GENERIC.contains(&name.as_str()) {
            return Err(CreateAccountError::GenericName { username: admin.username.clone() });
        }
        let policy = PasswordPolicy { min_length: 16, ..PasswordPolicy::default() };
        self.create("create administrator", admin, &policy, hasher, now).await
    }

    /// Makes an account.
    ///
    /// # Errors
    /// The rule that is broken; nothing is written then.
    pub async fn create_account(
        &self,
        account: &NewAccount,
        hasher: &PasswordHasher,
        now: DateTime<Utc>,
    ) -> Result<Account, CreateAccountError> {
        self.create("create account", account, &PasswordPolicy::default(), hasher, now).await
    }

    /// Whether an account could be made, by the rules that need no database. For a dry run.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn check_new_account(&self, account: &NewAccount) -> Result<(), CreateAccountError> {
        let length = account.username.chars().count();
        if length == 0 || length > 150 || account.username.chars().any(|c| c.is_control() || c == ' ') {
            return Err(CreateAccountError::Username);
        }
        let mapping = &self.mapping;
        let role = account.role.clone();
        match mapping.check_role(&account.role, account.tenant.as_deref()) {
            Err(RoleRuleError::Unknown) => Err(CreateAccountError::UnknownRole { role }),
            Err(RoleRuleError::TenantRequired) => Err(CreateAccountError::TenantRequired { role }),
            Err(RoleRuleError::TenantForbidden) => Err(CreateAccountError::TenantForbidden { role }),
            Ok(()) if account.must_change_password && mapping.must_change_password.is_none() => {
                Err(CreateAccountError::NoMustChangeColumn)
            }
            Ok(()) => Ok(()),
        }
    }

    async fn create(
        &self,
        action: &str,
        account: &NewAccount,
        policy: &PasswordPolicy,
        hasher: &PasswordHasher,
        now: DateTime<Utc>,
    ) -> Result<Account, CreateAccountError> {
        self.check_new_account(account)?;
        self.check_password(account, policy)?;
        let table = &self.mapping.table;
        let failed =
            |source| CreateAccountError::Database(AccountsError::Read { table: table.clone(), source });
        let exists = || CreateAccountError::Exists { username: account.username.clone() };
        if self.get(&account.username).await.map_err(CreateAccountError::Database)?.is_some() {
            return Err(exists()); // before the hash, which costs
        }
        let hash = hasher.hash(account.password.clone()).await.map_err(CreateAccountError::Hash)?;
        let row = self.new_row(account, SecretString::from(hash), now);
        let transaction = begin(&self.connection).await.map_err(failed)?;
        match insert(&transaction, table, row).await {
            Ok(()) => {}
            Err(e) => return Err(CreateAccountError::of_insert(e, table, &account.username)),
        }
        // Read back before the commit: what the table made of it is what counts.
        let found = self.find(&transaction, &account.username).await.map_err(CreateAccountError::Database)?;
        let Some(found) = found else {
            let lost = sea_orm::DbErr::RecordNotFound("the new row under its login name".to_owned());
            return Err(failed(lost));
        };
        let name = [found.account.username.as_str()];
        let recorded = Recording::add(self.recording.as_ref(), &transaction, action, name).await;
        recorded.map_err(CreateAccountError::Audit)?;
        transaction.commit().await.map_err(failed)?;
        Ok(found.account)
    }

    pub(super) fn check_password(
        &self,
        account: &NewAccount,
        policy: &PasswordPolicy,
    ) -> Result<(), CreateAccountError> {
        let email = account.email.as_deref().unwrap_or_default();
        let full_name = account.full_name.as_deref().unwrap_or_default();
        let checked = policy.check(&account.password, &[&account.username, email, full_name]);
        checked.map_err(CreateAccountError::Password)
    }

    pub(super) fn new_row(
        &self,
        account: &NewAccount,
        hash: SecretString,
        now: DateTime<Utc>,
    ) -> Vec<(String, Value)> {
        let mapping = &self.mapping;
        let further = mapping.new_row.iter().chain(&account.columns);
        let mut row: BTreeMap<String, Value> =
            further.map(|(column, literal)| (column.clone(), literal.new_value(now))).collect();
        // The mapped columns last: a literal must not decide a role or a password.
        let mut set = |column: Option<&String>, value: Option<Value>| {
            if let (Some(column), Some(value)) = (column, value) {
                row.insert(column.clone(), value);
            }
        };
        set(Some(&mapping.username), Some(account.username.clone().into()));
        set(Some(&mapping.password), Some(hash.expose_secret().into()));
        set(mapping.active.as_ref(), mapping.active_values.first().map(Literal::value));
        set(mapping.role.as_ref(), Some(account.role.clone().into()));
        set(mapping.tenant.as_ref(), account.tenant.clone().map(Into::into));
        set(mapping.must_change_password.as_ref(), Some(account.must_change_password.into()));
        set(mapping.full_name.as_ref(), account.full_name.clone().map(Into::into));
        set(mapping.email.as_ref(), account.email.clone().map(Into::into));
        if mapping.id_strategy == IdStrategy::Uuid {
            set(Some(&mapping.id), Some(uuid::Uuid::new_v4().to_string().into()));
        }
        row.into_iter().collect()
    }
}

pub(super) const GENERIC: &[&str] = &[
    "admin",
    "admin1",
    "administrator",
    "demo",
    "guest",
    "manager",
    "operator",
    "root",
    "superadmin",
    "superuser",
    "supervisor",
    "support",
    "sysadmin",
    "system",
    "test",
    "user",
];
