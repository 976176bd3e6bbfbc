//! Credentials of a service that goes live: its secret key, its tokens and their revocation, passwords, and the accounts
//! that must not survive the demo.
//!
//! - [`SecretKey`] cannot be weak; [`TokenService`] signs with it and checks everything (RFC 8725).
//! - A [`KeyRing`] in a [`KeyRingFile`] is rotated by one command, `golive secret rotate --ring`, or one call; running instances
//!   follow it with [`TokenKeys::watch`].
//! - [`Revocation`] and [`RefreshStore`] fail rather than guess: [`AuthenticateError::http_status`] is 503 then, not 401.
//!   [`SqlRevocation`] and [`SqlRefreshStore`] keep them in the application's database.
//! - [`PasswordHasher`] makes argon2id hashes, verifies those of bcrypt, scrypt, Django, Werkzeug and passlib, and turns away
//!   what it cannot hash in time; [`PasswordPolicy`] judges what people choose; [`LoginGuard`] slows guessing down.
//! - [`Accounts`] works on any table of users in MariaDB or SQLite, described by an [`AccountsMapping`]: scan for known
//!   passwords, deactivate, create, onboard a team.
//! - An [`AuditTrail`] tells when it was changed; [`RolePolicy`] says who may do what, a [`TenantScope`] whose rows a query sees.
//!
//! Features: `redis` keeps sessions through golive-cache, `axum` has a layer and extractors, `age` seals first passwords.
//!
//! ```
//! use chrono::{DateTime, Utc};
//! use golive_auth::{MemoryRefreshStore, MemoryRevocation, SecretKey, Subject, TokenKeys, TokenKind, TokenService, TokenSettings};
//! use secrecy::ExposeSecret;
//!
//! # async fn login(now: DateTime<Utc>) -> Result<(), Box<dyn std::error::Error>> {
//! let key = SecretKey::parse(SecretKey::generate().dangerous_expose())?;
//! let service = TokenService::new(TokenKeys::new(&key), TokenSettings::new("plant", "plant-api"));
//! // In production: golive_cache::RefreshFamilies and golive_cache::RevocationStore, with the feature `redis`.
//! let (families, revocation) = (MemoryRefreshStore::new(), MemoryRevocation::new());
//! let pair = service.start_session(&Subject::new("17", "rosa", "operator"), &families, now).await?;
//! let token = pair.access.token.expose_secret();
//! let claims = service.authenticate(token, TokenKind::Access, &revocation, now).await?;
//! assert_eq!(claims.username, "rosa");
//! # Ok(())
//! # }
//! ```
//!
//! Not in this crate: Redis commands (golive-cache, behind the feature `redis`), HTTP (the application).

mod accounts;
mod audit;
mod hex;
mod keys;
mod login_guard;
mod password;
mod random;
#[cfg(feature = "redis")]
mod redis;
mod refresh;
mod revocation;
mod roles;
mod sql;
mod token;
#[cfg(feature = "axum")]
mod web;

pub use accounts::{
    Account, AccountState, Accounts, AccountsError, AccountsMapping, ChangeAccountError, CreateAccountError,
    DEFAULT_CANDIDATES, DeactivateError, Deactivated, FittingPassword, IdStrategy, KnownCredential, Literal,
    MatchRule, NewAccount, NewTenant, OnboardError, OnboardingPlan, PlannedAccount, RefusedMember,
    RoleRuleError, ScanOptions, ScanReport, SeedFileError, StorageKind, TeamListError, TeamMember, Tenant,
    TenantMapping, TenantRule, Tenants, Untried, WeakStorage, literals_of_seed_file, team_of_csv,
};
pub use audit::{
    AuditBreak, AuditBreakKind, AuditEntry, AuditError, AuditHead, AuditTrail, AuditVerdict, audit_schema,
};
pub use keys::{
    Cutover, InvalidRingError, KeyAlgorithm, KeyFile, KeyInfo, KeyRing, KeyRingFile, KeyState,
    RevokeKeyError, RingFileError, Rotated, SecretKey, SigningKeyError, TokenKeys, WeakKeyError,
    WriteKeyFileError,
};
#[cfg(feature = "age")]
pub use keys::{RecipientError, SecretRecipient};
pub use login_guard::{LoginGuard, LoginGuardSettings, MustWait};
pub use password::{
    Argon2Cost, Blocklist, BlocklistError, Calibration, GeneratedPassword, HashFormat, HashPasswordError,
    PasswordHasher, PasswordPolicy, PasswordRefusal, Verified, generate_password, hash_password,
    verify_password,
};
pub use refresh::{MemoryRefreshStore, RefreshStore, Rotation, RotationRequest};
pub use revocation::{MemoryRevocation, Revocation, StoreUnavailable, TokenFacts};
pub use roles::{NoTenantError, RolePolicy, RolePolicyError, TenantScope};
pub use sql::{SqlRefreshStore, SqlRevocation, session_schema};
pub use token::{
    AuthenticateError, Claims, ForeignKeysError, ForeignTokens, IssueTokenError, IssuedToken, RefreshError,
    Subject, TokenKind, TokenPair, TokenService, TokenSettings, VerifyTokenError,
};
#[cfg(feature = "axum")]
pub use web::{
    Authenticated, Permission, Refused, RequirePermission, RestrictedSession, TokenGate, require_login,
};
