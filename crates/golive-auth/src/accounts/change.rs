//! An account that is there gets another role and tenant, or a new password that must be changed at the next login.
//!
//! Not here: making an account (`create`) and switching one off (`directory`); and its tokens, which live until the caller
//! revokes them.

use sea_orm::{DatabaseTransaction, DbErr, Value};
use secrecy::SecretString;

use super::create::GENERIC;
use super::directory::{Account, Accounts, AccountsError, StoredAccount};
use super::mapping::{AccountsMapping, TenantRule};
use super::recording::Recording;
use super::rows::{AccountState, begin, update};
use crate::audit::AuditError;
use crate::password::{HashPasswordError, PasswordHasher, PasswordPolicy, PasswordRefusal};
use crate::sql::{DEADLOCK_PAUSE, DEADLOCK_TRIES, is_deadlock};

/// Why an account was not changed. Nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeAccountError {
    /// There is none of that name.
    #[error("change the account `{username}`: there is none; look at the list again")]
    Missing {
        /// The login name.
        username: String,
    },
    /// It is there for what refers to it, and for nobody to get in.
    #[error("change the account `{username}`: it is switched off and stays as it was; create another one")]
    Inactive {
        /// The login name.
        username: String,
    },
    /// One of the demo, which is to be switched off.
    #[error(
        "change the account `{username}`: it is one of the demo; deactivate it, and create one for a person"
    )]
    Demo {
        /// The login name.
        username: String,
    },
    /// The first name that an attacker tries.
    #[error(
        "let `{username}` administer: the name is generic; create an account with one that is the client's"
    )]
    GenericName {
        /// The login name.
        username: String,
    },
    /// The role does not go with this, or with any, tenant.
    #[error("assign the role `{role}`")]
    Role {
        /// The role.
        role: String,
        /// Which rule is broken.
        #[source]
        source: RoleRuleError,
    },
    /// Nobody could administer any more.
    #[error(
        "take the last active administrator's role away from `{username}`: let somebody else administer first"
    )]
    LastAdmin {
        /// The login name.
        username: String,
    },
    /// The mapping has no such column.
    #[error("change accounts in `{table}`: name its column {column} in golive.toml")]
    NoColumn {
        /// The table.
        table: String,
        /// The key of the mapping.
        column: &'static str,
    },
    /// The password is weak.
    #[error("accept the new password")]
    Password(#[source] PasswordRefusal),
    /// The password cannot be hashed.
    #[error("hash the new password")]
    Hash(#[source] HashPasswordError),
    /// It cannot be recorded.
    #[error("record the change; nothing was changed")]
    Audit(#[source] AuditError),
    /// The database cannot be read or written.
    #[error("write the account")]
    Database(#[source] AccountsError),
}

/// How a role and a tenant do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleRuleError {
    /// The rules do not know the role.
    #[error("find it in role_tenants of golive.toml: use one that stands there, or add it")]
    Unknown,
    /// The role needs a tenant.
    #[error("leave it without a tenant: name one")]
    TenantRequired,
    /// The role must have no tenant, or the mapping has no column for it.
    #[error("give it a tenant: leave the tenant out")]
    TenantForbidden,
}

impl AccountsMapping {
    /// Whether the role goes with a tenant, or without one, as `role_tenants` says.
    pub(super) fn check_role(&self, role: &str, tenant: Option<&str>) -> Result<(), RoleRuleError> {
        let rule = match self.role_tenants.get(role) {
            Some(rule) => *rule,
            None if self.role_tenants.is_empty() => TenantRule::Optional,
            None => return Err(RoleRuleError::Unknown),
        };
        match (rule, tenant) {
            (TenantRule::Required, None) => Err(RoleRuleError::TenantRequired),
            (TenantRule::Forbidden, Some(_)) => Err(RoleRuleError::TenantForbidden),
            (_, Some(_)) if self.tenant.is_none() => Err(RoleRuleError::TenantForbidden),
            _ => Ok(()),
        }
    }

    fn is_demo(&self, username: &str) -> bool {
        self.demo_usernames.iter().any(|demo| demo.to_lowercase() == username.to_lowercase())
    }
}

/// What is to be changed of one account.
struct Change<'a> {
    /// As it is recorded.
    action: &'a str,
    username: &'a str,
    set: &'a [(String, Value)],
    check: &'a (dyn Fn(&Account) -> Result<(), ChangeAccountError> + Sync),
    is_done: &'a (dyn Fn(&StoredAccount) -> bool + Sync),
}

impl Accounts {
    /// Gives an active account another role, and the tenant that goes with it; without a tenant it has none afterwards.
    ///
    /// # Errors
    /// The rule that is broken, or what the database said; nothing is changed then.
    pub async fn assign(
        &self,
        username: &str,
        role: &str,
        tenant: Option<&str>,
    ) -> Result<Account, ChangeAccountError> {
        let mapping = &self.mapping;
        let column = mapping.role.as_deref().ok_or_else(|| self.no_column("role"))?;
        let refused = |source| ChangeAccountError::Role { role: role.to_owned(), source };
        mapping.check_role(role, tenant).map_err(refused)?;
        let mut set = vec![(column.to_owned(), Value::from(role))];
        if let Some(column) = &mapping.tenant {
            set.push((column.clone(), Value::from(tenant.map(str::to_owned))));
        }
        let is_done = |found: &StoredAccount| {
            found.account.role.as_deref() == Some(role) && found.account.tenant.as_deref() == tenant
        };
        let check = |account: &Account| {
            let generic = GENERIC.contains(&account.username.to_lowercase().as_str());
            if generic && mapping.admin_roles.iter().any(|admin| admin == role) {
                return Err(ChangeAccountError::GenericName { username: account.username.clone() });
            }
            Ok(())
        };
        self.change(&Change { action: "assign role", username, set: &set, check: &check, is_done: &is_done })
            .await
    }

    /// Gives an active account a new password, which must be changed at the next login. An administrator's has 16 characters or more.
    ///
    /// # Errors
    /// The rule that is broken, or what the database said; the old password is good then as before.
    pub async fn reissue(
        &self,
        username: &str,
        password: &SecretString,
        hasher: &PasswordHasher,
    ) -> Result<Account, ChangeAccountError> {
        let mapping = &self.mapping;
        let forced =
            mapping.must_change_password.as_deref().ok_or_else(|| self.no_column("must_change_password"))?;
        let found = self.get(username).await.map_err(ChangeAccountError::Database)?;
        let account = self.changeable(username, found)?; // before the hash, which costs
        let administers = account.role.as_ref().is_some_and(|role| mapping.admin_roles.contains(role));
        let mut policy = PasswordPolicy::default();
        if administers {
            policy.min_length = policy.min_length.max(16);
        }
        policy.check(password, &[&account.username]).map_err(ChangeAccountError::Password)?;
        let hash = hasher.hash(password.clone()).await.map_err(ChangeAccountError::Hash)?;
        let set = [(mapping.password.clone(), hash.clone().into()), (forced.to_owned(), true.into())];
        // What the table made of it is what counts: a hash that was cut lets nobody in.
        let is_done = |found: &StoredAccount| {
            found.stored.as_ref() == Some(&hash) && found.account.must_change_password == Some(true)
        };
        let (action, check) = ("reissue password", |_: &Account| Ok(()));
        self.change(&Change { action, username, set: &set, check: &check, is_done: &is_done }).await
    }

    async fn change(&self, change: &Change<'_>) -> Result<Account, ChangeAccountError> {
        // As with a deactivation: a transaction that the server gave up is tried again.
        for _ in 1..DEADLOCK_TRIES {
            match self.change_once(change).await {
                Err(
                    ChangeAccountError::Database(AccountsError::Read { source, .. })
                    | ChangeAccountError::Audit(AuditError::Database(source)),
                ) if is_deadlock(&source) => tokio::time::sleep(DEADLOCK_PAUSE).await,
                ended => return ended,
            }
        }
        self.change_once(change).await
    }

    async fn change_once(&self, change: &Change<'_>) -> Result<Account, ChangeAccountError> {
        let Change { action, username, set, check, is_done } = *change;
        let failed = |source| self.unwritten(source);
        let transaction = begin(&self.connection).await.map_err(failed)?;
        // Locks the administrators' rows, as a deactivation does: two at once must not each count on the other's.
        let before = self.count_active_admins(&transaction).await.map_err(failed)?;
        let found = self.find_locked(&transaction, username).await.map_err(ChangeAccountError::Database)?;
        let account = self.changeable(username, found.map(|stored| stored.account))?;
        check(&account)?;
        let key = (self.mapping.username.as_str(), account.username.as_str());
        update(&transaction, &self.mapping.table, key, set).await.map_err(failed)?;
        let changed = self.read_back(&transaction, &account.username).await?;
        if !is_done(&changed) {
            return Err(failed(DbErr::RecordNotUpdated)); // the transaction is rolled back
        }
        let administrators = self.count_active_admins(&transaction).await.map_err(failed)?;
        if administrators == Some(0) && before != Some(0) {
            return Err(ChangeAccountError::LastAdmin { username: account.username });
        }
        let name = [account.username.as_str()];
        let recorded = Recording::add(self.recording.as_ref(), &transaction, action, name).await;
        recorded.map_err(ChangeAccountError::Audit)?;
        transaction.commit().await.map_err(failed)?;
        Ok(changed.account)
    }

    async fn read_back(
        &self,
        transaction: &DatabaseTransaction,
        username: &str,
    ) -> Result<StoredAccount, ChangeAccountError> {
        let found = self.find(transaction, username).await.map_err(ChangeAccountError::Database)?;
        found.ok_or_else(|| self.unwritten(DbErr::RecordNotUpdated))
    }

    fn changeable(&self, asked: &str, found: Option<Account>) -> Result<Account, ChangeAccountError> {
        let account = found.ok_or_else(|| ChangeAccountError::Missing { username: asked.to_owned() })?;
        let username = || account.username.clone();
        if self.mapping.is_demo(&account.username) {
            return Err(ChangeAccountError::Demo { username: username() });
        }
        if account.state == AccountState::Inactive {
            return Err(ChangeAccountError::Inactive { username: username() });
        }
        Ok(account)
    }

    fn no_column(&self, column: &'static str) -> ChangeAccountError {
        ChangeAccountError::NoColumn { table: self.mapping.table.clone(), column }
    }

    fn unwritten(&self, source: DbErr) -> ChangeAccountError {
        ChangeAccountError::Database(AccountsError::Read { table: self.mapping.table.clone(), source })
    }
}
