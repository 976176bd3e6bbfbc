//! Which role may do what, and whose rows somebody may see: data, denied unless it says otherwise. Requests and tables
//! are not known here.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};
use serde::{Deserialize, Serialize};

use crate::token::Claims;

/// Roles with their permissions, as they stand in a configuration file:
///
/// ```toml
/// permissions = ["entries.write", "users.manage"]
/// across_tenants = ["admin"]
/// [roles]
/// admin = ["users.manage"]
/// operator = ["entries.write"]
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePolicy {
    permissions: BTreeSet<String>,
    roles: BTreeMap<String, BTreeSet<String>>,
    across_tenants: BTreeSet<String>,
}

/// Why roles and permissions do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RolePolicyError {
    /// A role has a permission that nobody asks for.
    #[error("give the role `{role}` the permission `{permission}`: it is not in the list of permissions")]
    UnknownPermission {
        /// The role.
        role: String,
        /// The permission.
        permission: String,
    },
    /// A role that sees all tenants is not a role.
    #[error("let the role `{role}` see all tenants: it is not in the list of roles")]
    UnknownRole {
        /// The role.
        role: String,
    },
}

impl RolePolicy {
    /// A policy whose every permission is one of `permissions`.
    ///
    /// # Errors
    /// When a role has a permission that is not in the list: mistyped, it would never be granted.
    pub fn new(
        permissions: impl IntoIterator<Item = String>,
        roles: BTreeMap<String, BTreeSet<String>>,
        across_tenants: impl IntoIterator<Item = String>,
    ) -> Result<Self, RolePolicyError> {
        let permissions: BTreeSet<String> = permissions.into_iter().collect();
        for (role, granted) in &roles {
            if let Some(permission) = granted.difference(&permissions).next() {
                let (role, permission) = (role.clone(), permission.clone());
                return Err(RolePolicyError::UnknownPermission { role, permission });
            }
        }
        let across_tenants: BTreeSet<String> = across_tenants.into_iter().collect();
        if let Some(role) = across_tenants.iter().find(|role| !roles.contains_key(*role)) {
            return Err(RolePolicyError::UnknownRole { role: role.clone() });
        }
        Ok(Self { permissions, roles, across_tenants })
    }

    /// Whether the role may do it. An unknown role may nothing, and nobody may do what is not a permission.
    pub fn allows(&self, role: &str, permission: &str) -> bool {
        self.roles.get(role).is_some_and(|granted| granted.contains(permission))
    }

    /// Whether there is such a permission.
    pub fn knows(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }

    /// Every role with every permission and whether it has it: what a test walks with real requests.
    pub fn matrix(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.roles.iter().flat_map(|(role, granted)| {
            self.permissions
                .iter()
                .map(move |permission| (role.as_str(), permission.as_str(), granted.contains(permission)))
        })
    }

    /// Whose rows the caller may see: the tenant's of the token; all, for a role that sees across tenants and has none.
    ///
    /// # Errors
    /// When the caller has no tenant and the role does not see across them: then there is nothing to see.
    pub fn scope(&self, claims: &Claims) -> Result<TenantScope, NoTenantError> {
        self.scope_of(&claims.role, claims.client_id.as_deref())
    }

    /// [`RolePolicy::scope`] by role and tenant, for a service that reads the account anew with each request.
    ///
    /// ```
    /// let policy = golive_auth::RolePolicy::new([], [("clerk".to_owned(), [].into())].into(), [])?;
    /// assert_eq!(policy.scope_of("clerk", Some("NORTH")).unwrap().tenant(), Some("NORTH"));
    /// assert!(policy.scope_of("clerk", None).is_err());
    /// # Ok::<(), golive_auth::RolePolicyError>(())
    /// ```
    ///
    /// # Errors
    /// As [`RolePolicy::scope`].
    pub fn scope_of(&self, role: &str, tenant: Option<&str>) -> Result<TenantScope, NoTenantError> {
        match tenant {
            Some(tenant) if !tenant.is_empty() => Ok(TenantScope(Scope::One(tenant.to_owned()))),
            _ if self.across_tenants.contains(role) => Ok(TenantScope(Scope::All)),
            _ => Err(NoTenantError),
        }
    }
}

impl<'de> Deserialize<'de> for RolePolicy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            permissions: Vec<String>,
            roles: BTreeMap<String, BTreeSet<String>>,
            #[serde(default)]
            across_tenants: Vec<String>,
        }
        let written = Written::deserialize(deserializer)?;
        Self::new(written.permissions, written.roles, written.across_tenants)
            .map_err(serde::de::Error::custom)
    }
}

/// The caller has no tenant, and a role that needs one. Answer 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("show rows to an account without a tenant: give it one")]
#[non_exhaustive]
pub struct NoTenantError;

/// Whose rows a query may see. A function that reads or writes rows of tenants takes one, so that none can be called
/// without having asked; only [`RolePolicy::scope`] makes it from a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TenantScope(Scope);

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Scope {
    All,
    One(String),
}

impl TenantScope {
    /// All tenants: for work that no request asked for, such as a nightly report.
    pub fn dangerous_all_tenants() -> Self {
        Self(Scope::All)
    }

    /// The one tenant, or `None` for all.
    pub fn tenant(&self) -> Option<&str> {
        match &self.0 {
            Scope::All => None,
            Scope::One(tenant) => Some(tenant),
        }
    }

    /// Whether rows of this tenant may be seen and written.
    pub fn covers(&self, tenant: &str) -> bool {
        self.tenant().is_none_or(|own| own == tenant)
    }

    /// The scope within this one that a caller asks for, for example by a parameter; `None` when it is outside: answer
    /// 404, as for a tenant that does not exist.
    pub fn narrowed(&self, asked: Option<&str>) -> Option<Self> {
        match asked {
            None => Some(self.clone()),
            Some(tenant) => self.covers(tenant).then(|| Self(Scope::One(tenant.to_owned()))),
        }
    }

    /// The query with a condition on the column that names a row's tenant.
    pub fn of<E: EntityTrait>(&self, query: Select<E>, column: E::Column) -> Select<E> {
        match self.tenant() {
            None => query,
            Some(tenant) => query.filter(column.eq(tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{SecretKey, TokenKeys};
    use crate::token::{Subject, TokenService, TokenSettings};

    const WRITTEN: &str = "permissions = ['entries.write', 'users.manage']\nacross_tenants = ['admin']\n\
                           [roles]\nadmin = ['users.manage']\noperator = ['entries.write']\nguest = []\n";

    fn claims(role: &str, tenant: Option<&str>) -> Claims {
        let service = TokenService::new(
            TokenKeys::new(&SecretKey::generate()),
            TokenSettings::new("plant", "plant-api"),
        );
        let mut subject = Subject::new("17", "rosa", role);
        subject.client_id = tenant.map(str::to_owned);
        service.issue_access(&subject, chrono::DateTime::UNIX_EPOCH).unwrap().claims
    }

    #[test]
    fn what_is_not_granted_is_denied() {
        let policy: RolePolicy = toml::from_str(WRITTEN).unwrap();
        assert!(policy.allows("admin", "users.manage") && policy.allows("operator", "entries.write"));
        for (role, permission) in [
            ("admin", "entries.write"),
            ("guest", "users.manage"),
            ("nobody", "users.manage"),
            ("admin", "x"),
            ("Admin", "users.manage"),
        ] {
            assert!(!policy.allows(role, permission), "{role} {permission}");
        }
        assert_eq!(policy.matrix().count(), 6);
        assert_eq!(policy.matrix().filter(|(_, _, allowed)| *allowed).count(), 2);
        let mistyped = WRITTEN.replace("operator = ['entries.write']", "operator = ['entries.wirte']");
        assert!(toml::from_str::<RolePolicy>(&mistyped).unwrap_err().to_string().contains("entries.wirte"));
        assert!(toml::from_str::<RolePolicy>(&WRITTEN.replace("['admin']", "['root']")).is_err());
    }

    #[test]
    fn a_scope_comes_from_the_token_and_never_grows() {
        let policy: RolePolicy = toml::from_str(WRITTEN).unwrap();
        let operator = policy.scope(&claims("operator", Some("NORTH"))).unwrap();
        assert!(operator.covers("NORTH") && !operator.covers("ACME"));
        assert_eq!(operator.narrowed(Some("ACME")), None);
        assert_eq!(operator.narrowed(None), Some(operator.clone()));
        let admin = policy.scope(&claims("admin", None)).unwrap();
        assert_eq!(admin.narrowed(Some("ACME")).unwrap().tenant(), Some("ACME"));
        let tied = policy.scope(&claims("admin", Some("NORTH"))).unwrap();
        assert_eq!(tied.tenant(), Some("NORTH"), "a tenant in the token always counts");
        assert_eq!(policy.scope(&claims("operator", None)), Err(NoTenantError));
        assert_eq!(policy.scope(&claims("operator", Some(""))), Err(NoTenantError));
    }
}
