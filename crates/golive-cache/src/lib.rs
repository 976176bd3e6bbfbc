//! Redis as a production service needs it: a revocation store that fails closed, rate limits shared by all
//! instances, and a read-through cache whose failure costs time and never correctness.
//!
//! The three differ in what happens when Redis is away, and that difference is not configurable:
//!
//! | part | Redis away, emptied, failed over, or a replica |
//! |---|---|
//! | [`RevocationStore`] | an error: the caller refuses the request (503, never 401) |
//! | [`RateLimiter`] | a local limiter decides at a stricter share; the [`Decision`] says so |
//! | [`ReadThrough`] | the loader answers |
//!
//! Every command goes one way: refused at once while Redis is known to be away ([`CacheOptions::breaker_failures`]) or while
//! too many wait ([`CacheOptions::max_commands_in_flight`]), sent with a time-out ([`CacheOptions::command_timeout`]), and
//! its answer trusted only if the server was seen to be the primary over that very connection. A watchdog looks at it
//! ([`CacheOptions::watchdog_interval`]), so no request is ever the one that tries. What each fault means to a request was
//! measured: `docs/redis-faults.md` in the repository.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use chrono::{DateTime, Utc};
//! use golive_cache::{
//!     Cache, CacheOptions, Quota, RateLimiter, ReadThrough, RevocationJournal, RevocationStore, TokenFacts,
//! };
//!
//! # async fn serve(
//! #     now: DateTime<Utc>, clock: fn() -> DateTime<Utc>, journal: Arc<dyn RevocationJournal>
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let url = "redis://:secret@localhost/0".into();
//! let cache = Cache::start(&CacheOptions::for_application(url, "plant", "production"))?; // Redis may come later
//! let revocation = RevocationStore::new(cache.clone()).with_journal(journal, clock);
//! let login = RateLimiter::new(cache.clone(), Quota::per_minute("login", 10).and_per_hour(60).with_local_share(4));
//! let thresholds: ReadThrough<Vec<f64>> = ReadThrough::new(cache.clone(), "thresholds", Duration::from_secs(600));
//!
//! if !login.check("192.0.2.7").await.allowed { /* 429; the feature `tower` has a layer */ }
//! match revocation.is_revoked(&TokenFacts::new("token-id", "user-1", now), now).await {
//!     Ok(false) => {}     // serve
//!     Ok(true) => {}      // 401
//!     Err(unknown) => {   // never serve, and never log everybody out
//!         let _ = (unknown.http_status(), unknown.retry_after()); // 503, Retry-After
//!     }
//! }
//! let limits = thresholds.get_or_load("tenant-1", async || Ok::<_, std::io::Error>(vec![0.85])).await?;
//! let health = cache.health().await; // for readiness
//! # Ok(())
//! # }
//! ```
//!
//! Not in this crate: tokens and passwords (golive-auth), what a request is worth (the application).

mod batch;
mod breaker;
mod cache_key;
mod check;
mod client_address;
mod command;
mod connection;
mod denied;
mod entry;
mod families;
mod filling;
mod flight;
mod health;
mod journal;
mod known;
#[cfg(feature = "tower")]
mod layer;
mod lease;
mod limit;
mod limit_answer;
mod local_limit;
mod local_tier;
mod options;
mod quota;
mod read_through;
mod revocation;
mod revocation_check;
mod rules;
mod script;
mod tls;
mod tracked;
mod watchdog;

pub use cache_key::CacheKey;
pub use check::{CacheCheck, CacheFinding, CheckCacheError, FindingSeverity, check};
pub use client_address::{
    AddressPrefix, ClientAddress, ForwardedHeader, Network, NetworkError, TrustedProxies,
};
pub use command::CommandError;
pub use connection::{Cache, ConnectCacheError};
pub use families::{FamilyRotation, RefreshFamilies};
pub use health::{CacheHealth, CacheStats, ServerFacts};
pub use journal::{JournalEntry, JournalError, Revocation, RevocationJournal};
#[cfg(feature = "tower")]
pub use layer::{RateKey, RateLimitLayer, RateLimited};
pub use limit::{Decision, DecisionSource, RateLimiter, RateLimiterStats};
pub use local_tier::LocalTier;
pub use options::{CacheOptions, CacheOptionsError};
pub use quota::{OnOutage, Quota, Window};
pub use read_through::{ReadThrough, ReadThroughOptions, ReadThroughStats};
pub use revocation::{Receipt, RevocationStatus, RevocationStore, TokenFacts};
pub use rules::{CacheRule, cache_rules};
pub use watchdog::Standing;
