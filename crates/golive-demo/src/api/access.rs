//! Who may do what: `roles.toml`, and the names in it as types. Nothing here looks at a request or at the database.

use std::sync::LazyLock;

use golive_auth::{RolePolicy, TenantScope};
use sea_orm::{ActiveEnum, Iterable};
use serde::{Deserialize, Serialize};

use crate::entity::enums::Role;

/// Something that a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sea_orm::EnumIter)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Permission {
    ViewData,
    EnterProduction,
    ManageMasterData,
    RunCapacity,
    ManageThresholds,
    ViewSettings,
    ManageUsers,
    ManageClients,
    ViewAudit,
    RaiseErrors,
}

impl Permission {
    /// As `roles.toml` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::ViewData => "view_data",
            Self::EnterProduction => "enter_production",
            Self::ManageMasterData => "manage_master_data",
            Self::RunCapacity => "run_capacity",
            Self::ManageThresholds => "manage_thresholds",
            Self::ViewSettings => "view_settings",
            Self::ManageUsers => "manage_users",
            Self::ManageClients => "manage_clients",
            Self::ViewAudit => "view_audit",
            Self::RaiseErrors => "raise_errors",
        }
    }
}

static POLICY: LazyLock<RolePolicy> =
    LazyLock::new(|| toml::from_str(include_str!("roles.toml")).expect("a test reads it"));

/// What a role may do.
pub(crate) fn permissions(role: Role) -> Vec<Permission> {
    let role = role.to_value();
    Permission::iter().filter(|permission| POLICY.allows(&role, permission.name())).collect()
}

/// Whose rows an account of this role and tenant may see; `None` when nobody's.
pub(crate) fn scope(role: Role, tenant: Option<&str>) -> Option<TenantScope> {
    POLICY.scope_of(&role.to_value(), tenant).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Permission::*;
    use super::*;

    #[test]
    fn the_file_and_the_types_name_the_same_roles_and_permissions() {
        let named: BTreeSet<(String, &str)> = Role::iter()
            .flat_map(|role| Permission::iter().map(move |permission| (role.to_value(), permission.name())))
            .collect();
        let written = POLICY.matrix().map(|(role, permission, _)| (role.to_owned(), permission)).collect();
        assert_eq!(named, written);
    }

    #[test]
    fn the_roles_differ_where_they_must() {
        for (role, enters, masters, settings, manages, needs_tenant) in [
            (Role::Admin, true, true, true, true, false),
            (Role::Poweruser, false, false, true, false, false),
            (Role::Leader, true, false, false, false, true),
            (Role::Supervisor, true, true, false, false, true),
            (Role::Operator, true, false, false, false, true),
            (Role::Viewer, false, false, false, false, true),
        ] {
            let may = |permission| permissions(role).contains(&permission);
            assert!(may(ViewData), "{role:?}");
            assert_eq!(may(EnterProduction), enters, "{role:?}");
            assert_eq!(may(ManageMasterData), masters, "{role:?}");
            assert_eq!(may(ViewSettings), settings, "{role:?}");
            for permission in [ManageUsers, ManageClients, ViewAudit, RaiseErrors] {
                assert_eq!(may(permission), manages, "{role:?} {permission:?}");
            }
            assert_eq!(scope(role, None).is_none(), needs_tenant, "{role:?}");
            assert_eq!(scope(role, Some("NORTH")).unwrap().tenant(), Some("NORTH"), "{role:?}");
        }
    }
}
