//! Redis as a production service needs it: a revocation store that fails closed, rate limits shared by all
//! instances, and a read-through cache whose failure costs time and never correctness.
//!
//! The three differ in what happens when Redis is away, and that difference is not configurable:
//!
//! | part | Redis away |
//! |---|---|
//! | [`RevocationStore`] | an error: the caller refuses the request (503, never 401) |
//! | [`RateLimiter`] | a local limiter decides at a stricter share; the [`Decision`] says so |
//! | [`ReadThrough`] | the loader answers |
//!
//! No call waits longer than [`CacheOptions::command_timeout`], and after a few failures in a row calls are refused at
//! once until a probe succeeds.
//!
//! ```no_run
//! use std::time::Duration;
//! use golive_cache::{Cache, CacheOptions, Quota, RateLimiter, ReadThrough, RevocationStore, TokenFacts};
//!
//! # async fn serve(now: chrono::DateTime<chrono::Utc>) -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::connect(&CacheOptions::new("redis://:secret@localhost/0".into())).await?;
//! let revocation = RevocationStore::new(cache.clone());
//! revocation.prepare(now).await?; // once, when the service starts
//! let login = RateLimiter::new(cache.clone(), Quota::per_minute("login", 10));
//! let thresholds: ReadThrough<Vec<f64>> = ReadThrough::new(cache, "thresholds", Duration::from_secs(600));
//!
//! if !login.check("192.0.2.7").await.allowed { /* 429 */ }
//! match revocation.is_revoked(&TokenFacts::new("token-id", "user-1", now), now).await {
//!     Ok(false) => {}      // serve
//!     Ok(true) => {}       // 401
//!     Err(_unknown) => {}  // 503: never serve, and never log everybody out
//! }
//! let limits = thresholds.get_or_load("tenant-1", async || Ok::<_, std::io::Error>(vec![0.85])).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Not in this crate: tokens and passwords (golive-auth), HTTP answers (the application).

mod breaker;
mod cache_key;
mod check;
mod client_address;
mod command;
mod connection;
mod denied;
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
mod script;
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
pub use watchdog::Standing;
