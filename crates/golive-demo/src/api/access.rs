//! Who may do what, as data: one table of roles. Nothing here looks at a request or at the database.

use serde::{Deserialize, Serialize};

use crate::entity::enums::Role;

/// Something that a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Whether an account of a role belongs to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TenantRule {
    /// It must.
    Required,
    /// It may; without one it sees every tenant.
    Optional,
}

/// What a role is.
#[derive(Debug)]
pub(crate) struct RoleRule {
    pub(crate) role: Role,
    pub(crate) name: &'static str,
    pub(crate) tenant: TenantRule,
    /// Every active tenant, even when the account belongs to one.
    pub(crate) sees_all_tenants: bool,
    pub(crate) permissions: &'static [Permission],
}

use Permission::{
    EnterProduction, ManageClients, ManageMasterData, ManageThresholds, ManageUsers, RaiseErrors,
    RunCapacity, ViewAudit, ViewData, ViewSettings,
};

/// The rules. A role that is missing here could do nothing.
pub(crate) const ROLES: [RoleRule; 6] = [
    RoleRule {
        role: Role::Admin,
        name: "admin",
        tenant: TenantRule::Optional,
        sees_all_tenants: true,
        permissions: &[
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
        ],
    },
    RoleRule {
        role: Role::Poweruser,
        name: "poweruser",
        tenant: TenantRule::Optional,
        sees_all_tenants: false,
        permissions: &[ViewData, RunCapacity, ManageThresholds, ViewSettings],
    },
    RoleRule {
        role: Role::Leader,
        name: "leader",
        tenant: TenantRule::Required,
        sees_all_tenants: false,
        permissions: &[ViewData, EnterProduction, RunCapacity],
    },
    RoleRule {
        role: Role::Supervisor,
        name: "supervisor",
        tenant: TenantRule::Required,
        sees_all_tenants: false,
        permissions: &[ViewData, EnterProduction, ManageMasterData, RunCapacity, ManageThresholds],
    },
    RoleRule {
        role: Role::Operator,
        name: "operator",
        tenant: TenantRule::Required,
        sees_all_tenants: false,
        permissions: &[ViewData, EnterProduction],
    },
    RoleRule {
        role: Role::Viewer,
        name: "viewer",
        tenant: TenantRule::Required,
        sees_all_tenants: false,
        permissions: &[ViewData],
    },
];

/// The rule of a role.
pub(crate) fn rule(role: Role) -> &'static RoleRule {
    ROLES.iter().find(|rule| rule.role == role).expect("every role has a rule, which a test holds")
}

#[cfg(test)]
mod tests {
    use sea_orm::{ActiveEnum, Iterable};

    use super::*;

    #[test]
    fn every_role_has_one_rule_under_its_stored_name() {
        for role in Role::iter() {
            assert_eq!(ROLES.iter().filter(|rule| rule.role == role).count(), 1, "{role:?}");
            assert_eq!(rule(role).name, role.to_value());
        }
    }

    #[test]
    fn the_roles_differ_where_they_must() {
        let may = |role, permission| rule(role).permissions.contains(&permission);
        for (role, enters, masters, settings, manages, tenant) in [
            (Role::Admin, true, true, true, true, TenantRule::Optional),
            (Role::Poweruser, false, false, true, false, TenantRule::Optional),
            (Role::Leader, true, false, false, false, TenantRule::Required),
            (Role::Supervisor, true, true, false, false, TenantRule::Required),
            (Role::Operator, true, false, false, false, TenantRule::Required),
            (Role::Viewer, false, false, false, false, TenantRule::Required),
        ] {
            assert!(may(role, ViewData), "{role:?}");
            assert_eq!(may(role, EnterProduction), enters, "{role:?}");
            assert_eq!(may(role, ManageMasterData), masters, "{role:?}");
            assert_eq!(may(role, ViewSettings), settings, "{role:?}");
            for permission in [ManageUsers, ManageClients, ViewAudit, RaiseErrors] {
                assert_eq!(may(role, permission), manages, "{role:?} {permission:?}");
            }
            assert_eq!(rule(role).tenant, tenant, "{role:?}");
            assert!(!rule(role).sees_all_tenants || role == Role::Admin);
        }
    }
}
