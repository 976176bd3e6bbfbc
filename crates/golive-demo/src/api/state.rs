//! What every request shares: the database, tokens, limits, caches. Built once by `serve`; no decision about a request
//! is made here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use golive_auth::{
    MemoryRefreshStore, MemoryRevocation, PasswordHasher, PasswordPolicy, RefreshStore, Revocation,
    TokenService, TokenSettings,
};
use golive_cache::{Cache, RefreshFamilies, RevocationStore};
use sea_orm::DatabaseConnection;

use super::config::{Mode, Network, ServeConfig};
use super::limits::Limits;
use super::lookups::Lookups;

/// The platform, shared by all requests.
pub(crate) type App = Arc<Platform>;

/// The parts that requests use.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) db: DatabaseConnection,
    pub(crate) clock: fn() -> DateTime<Utc>,
    pub(crate) tokens: TokenService,
    pub(crate) revocation: Arc<dyn Revocation>,
    pub(crate) families: Arc<dyn RefreshStore>,
    pub(crate) passwords: PasswordHasher,
    pub(crate) policy: PasswordPolicy,
    pub(crate) limits: Limits,
    pub(crate) lookups: Lookups,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) release: String,
    pub(crate) is_shared: bool,
}

impl Platform {
    /// The platform on an open database, with Redis where there is one.
    pub(crate) fn new(
        config: &ServeConfig,
        db: DatabaseConnection,
        cache: Option<&Cache>,
        clock: fn() -> DateTime<Utc>,
    ) -> Self {
        let (revocation, families): (Arc<dyn Revocation>, Arc<dyn RefreshStore>) = match cache {
            Some(cache) => {
                (Arc::new(RevocationStore::new(cache.clone())), Arc::new(RefreshFamilies::new(cache.clone())))
            }
            None => (Arc::new(MemoryRevocation::new()), Arc::new(MemoryRefreshStore::new())),
        };
        let mut policy = PasswordPolicy::default();
        policy.context_words = vec!["golive".to_owned(), "production".to_owned()];
        Self {
            db,
            clock,
            tokens: TokenService::new(config.token_keys.clone(), TokenSettings::new(SERVICE, SERVICE)),
            revocation,
            families,
            passwords: PasswordHasher::for_this_machine(),
            policy,
            limits: Limits::new(cache),
            lookups: Lookups::new(cache),
            trusted_proxies: config.trusted_proxies.clone(),
            cors_origins: config.cors_origins.clone(),
            mode: config.mode,
            release: config.release.clone(),
            is_shared: cache.is_some(),
        }
    }

    /// Now, in UTC.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

/// Issuer and audience of tokens, and the name in logs.
pub(crate) const SERVICE: &str = "golive-demo";
