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
//! Not in this crate: tokens and passwords (golive-auth), HTTP answers (the application).

mod breaker;
mod check;
mod connection;
mod families;
mod limit;
mod local_limit;
mod options;
mod read_through;
mod revocation;
mod script;

pub use check::{CacheCheck, CacheFinding, CheckCacheError, FindingSeverity, check};
pub use connection::{Cache, CommandError, ConnectCacheError};
pub use families::{FamilyRotation, RefreshFamilies};
pub use limit::{Decision, DecisionSource, Quota, RateLimiter};
pub use options::{CacheOptions, CacheOptionsError};
pub use read_through::{ReadThrough, ReadThroughStats};
pub use revocation::{RevocationStatus, RevocationStore, TokenFacts};
