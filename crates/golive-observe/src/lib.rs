//! Logs, error tracking, health, metrics, traces and alerts in one call.
//!
//! The whole of it in a service, as `examples/minimal.rs` has it:
//!
//! ```no_run
#![doc = include_str!("../examples/minimal.rs")]
//! ```
//!
//! Once a request is authenticated, [`identify`] tells whose it is, and every log line and error below it says so.
//! Log with the macros of [`tracing`]; everything is scrubbed of secrets before it leaves the process.
//!
//! Must not be in here: any knowledge of a particular database, cache or backup. What is checked comes in as closures.

#![cfg_attr(
    not(feature = "axum"),
    expect(dead_code, reason = "parts that only the request layer and the routes use")
)]

#[cfg(feature = "axum")]
mod access;
mod alerts;
#[cfg(feature = "axum")]
mod beacon;
mod clock;
mod context;
mod disk;
mod envelope;
mod errors;
mod fields;
mod health;
mod init;
mod layer;
mod level;
mod line;
mod log;
mod metrics;
mod otlp;
mod process;
mod proof;
mod redis;
#[cfg(feature = "axum")]
mod request;
#[cfg(feature = "axum")]
mod routes;
mod rules;
mod samples;
mod sampling;
mod scrub;

pub use alerts::{
    AlertChannel, AlertOptions, AlertSetupError, MailOptions, Notice, TestedChannel, send_notice,
    send_test_alert,
};
#[cfg(feature = "axum")]
pub use beacon::beacon_router;
pub use context::{current_request_id, identify, outgoing_headers};
pub use envelope::{Envelope, EnvelopeEvent, ParseEnvelopeError};
pub use errors::{
    DeliverTestError, ErrorEntry, ReadJournalError, deliver_test_error, read_error_journal, send_test_error,
};
pub use health::{CheckOutput, CheckReport, HealthChecks, HealthReport, HealthStatus, Importance};
pub use init::{Guard, InitError, ObserveOptions, init};
pub use level::{InvalidLevel, level, set_level};
pub use log::{LogFile, LogTarget};
pub use metrics::{Metrics, PoolStatus, metrics, metrics_text};
pub use proof::{InvalidHealthDocument, MissingFields, check_health_document, check_log_line};
pub use redis::RedisInfo;
#[cfg(feature = "axum")]
pub use request::{RequestFuture, RequestLayer, RequestService, request_layer};
pub use rules::{alert_rules, grafana_dashboard};
pub use samples::{InvalidMetricsText, MetricSample, parse_metrics_text};
pub use sampling::{InvalidSampling, TraceSampling};
pub use scrub::{EmailPolicy, MASK, Scrubber, scrub};

/// The logging macros, in the version that this crate listens to.
#[doc(no_inline)]
pub use tracing;
