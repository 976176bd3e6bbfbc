//! The edge of the process: the one room that reads the clock and the environment.

use chrono::{DateTime, Utc};

/// The time.
#[expect(clippy::disallowed_methods, reason = "the command line is the edge where time enters")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// An environment variable, if it is set and is text.
#[expect(clippy::disallowed_methods, reason = "the command line is the edge where the environment enters")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
