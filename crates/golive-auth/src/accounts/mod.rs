//! The accounts and tenants of any application, in MariaDB or SQLite, as a mapping describes them. Tokens and sessions are
//! not known here: after a deactivation the caller revokes.

mod candidates;
mod change;
mod create;
mod directory;
mod fitting;
mod mapping;
mod onboard;
mod recording;
mod rows;
mod scan;
mod seed_files;
mod tenants;

pub use candidates::DEFAULT_CANDIDATES;
pub use change::{ChangeAccountError, RoleRuleError};
pub use create::{CreateAccountError, NewAccount};
pub use directory::{Account, Accounts, AccountsError};
pub use fitting::FittingPassword;
pub use mapping::{AccountsMapping, IdStrategy, Literal, TenantMapping, TenantRule};
pub use onboard::{
    OnboardError, OnboardingPlan, PlannedAccount, RefusedMember, TeamListError, TeamMember, team_of_csv,
};
pub use rows::{AccountState, DeactivateError, Deactivated};
pub use scan::{KnownCredential, MatchRule, ScanOptions, ScanReport, StorageKind, Untried, WeakStorage};
pub use seed_files::{SeedFileError, literals_of_seed_file};
pub use tenants::{NewTenant, Tenant, Tenants};
