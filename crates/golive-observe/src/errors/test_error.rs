//! Errors on purpose, to prove that errors arrive: one through the running service, one straight to an endpoint. Both are
//! scrubbed like any other.

use std::borrow::Cow;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sentry::protocol::{Envelope, Event, Level};
use sentry::types::Dsn;

use super::chain;
use super::delivery::post;
use super::transport::scrub_envelope;
use crate::scrub;

/// Longest that the endpoint may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reports an error on purpose in this process, through everything that [`init`](crate::init) set up.
pub fn send_test_error(text: &str) {
    tracing::error!(target: "golive_observe::test", "test error: {text}");
}

/// Why a test error did not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliverTestError {
    /// The address is not one; it is a secret, so it is not repeated.
    #[error("read the error tracking address: it must look like https://KEY@host/PROJECT")]
    Dsn,
    /// The endpoint is out of reach.
    #[error("reach the error tracking endpoint {host}: {reason}; check the address and the network")]
    Unreachable {
        /// The endpoint's host, without the key.
        host: String,
        /// What stood in the way.
        reason: String,
    },
    /// The endpoint answered, but did not take it.
    #[error("have the error taken by {host}: it answered {status}; check key and project")]
    Refused {
        /// The endpoint's host, without the key.
        host: String,
        /// The HTTP status.
        status: u16,
    },
}

/// Sends one error event straight to the endpoint and waits for its answer: at most ten seconds. Returns the event's id, by
/// which it is found there. Blocks, so call it outside of a runtime or where blocking is allowed.
///
/// # Errors
/// When the address makes no sense, or the endpoint does not take the event.
pub fn deliver_test_error(
    dsn: &SecretString,
    release: &str,
    environment: &str,
    text: &str,
) -> Result<String, DeliverTestError> {
    let dsn: Dsn = dsn.expose_secret().parse().map_err(|_| DeliverTestError::Dsn)?;
    let host = dsn.host().to_owned();
    let event = Event {
        level: Level::Error,
        message: Some(format!("test error: {text}")),
        logger: Some("golive_observe::test".to_owned()),
        release: Some(Cow::Owned(release.to_owned())),
        environment: Some(Cow::Owned(environment.to_owned())),
        platform: Cow::Borrowed("native"),
        ..Event::default()
    };
    let id = event.event_id.simple().to_string();
    let mut raw = Vec::new();
    let written = Envelope::from(event).to_writer(&mut raw).ok();
    let scrubbed = written.and_then(|()| scrub_envelope(&raw, scrub::global()));
    let envelope = scrubbed.expect("an event just made serializes").bytes;
    let unreachable = |error: reqwest::Error| DeliverTestError::Unreachable {
        host: host.clone(),
        reason: chain(&error.without_url()),
    };
    let client = reqwest::blocking::Client::builder().timeout(TIMEOUT).build().map_err(unreachable)?;
    let status = post(&client, &dsn, envelope).map_err(unreachable)?.status();
    if status.is_success() {
        return Ok(id);
    }
    Err(DeliverTestError::Refused { host: host.clone(), status: status.as_u16() })
}
