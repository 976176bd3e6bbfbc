//! What every request shares: the database, tokens, limits, caches. Built once by `serve`; no decision about a request
//! is made here.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use golive_auth::{AuditTrail, PasswordHasher, PasswordPolicy, TokenService, TokenSettings};
use golive_cache::{Cache, ClientAddress, ForwardedHeader, TrustedProxies};
use sea_orm::DatabaseConnection;

use super::config::{Mode, ServeConfig};
use super::limits::Limits;
use super::lookups::Lookups;
use super::sessions::Sessions;

/// The platform, shared by all requests.
pub(crate) type App = Arc<Platform>;

/// The parts that requests use.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) db: DatabaseConnection,
    pub(crate) clock: fn() -> DateTime<Utc>,
    pub(crate) tokens: TokenService,
    pub(crate) sessions: Sessions,
    /// In production: a demonstration's deeds are nobody's.
    pub(crate) trail: Option<AuditTrail>,
    pub(crate) passwords: PasswordHasher,
    pub(crate) policy: PasswordPolicy,
    pub(crate) limits: Limits,
    pub(crate) lookups: Lookups,
    pub(crate) client_address: ClientAddress,
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
        let mut policy = PasswordPolicy::default();
        policy.context_words = vec!["golive".to_owned(), "production".to_owned()];
        Self {
            sessions: Sessions::new(&db, cache, clock),
            trail: cache.map(|_| AuditTrail::new(db.clone())),
            db,
            clock,
            tokens: TokenService::new(config.token_keys.clone(), TokenSettings::new(SERVICE, SERVICE)),
            passwords: PasswordHasher::for_this_machine(),
            policy,
            limits: Limits::new(cache),
            lookups: Lookups::new(cache),
            client_address: ClientAddress::new(
                TrustedProxies::networks(config.trusted_proxies.clone()),
                ForwardedHeader::XForwardedFor,
            ),
            cors_origins: config.cors_origins.clone(),
            mode: config.mode,
            release: config.release.clone(),
            is_shared: cache.is_some(),
        }
    }

    /// Opens what is kept in the database and in Redis, however long it takes until both are there. Until then nobody is
    /// let in.
    pub(crate) async fn open(&self) {
        while let Err(error) = self.try_open().await {
            tracing::debug!(%error, "what is kept is not open yet");
            tokio::time::sleep(PAUSE).await;
        }
        tracing::info!("open");
    }

    async fn try_open(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if let Some(trail) = &self.trail {
            trail.create_tables().await?;
        }
        Ok(self.sessions.open(self.now()).await?)
    }

    /// Now, in UTC.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

/// Between two attempts to open what is kept.
const PAUSE: Duration = Duration::from_millis(500);
/// Issuer and audience of tokens, and the name in logs.
pub(crate) const SERVICE: &str = "golive-demo";
