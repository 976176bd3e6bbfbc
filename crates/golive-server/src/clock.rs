//! The one room of this crate that reads the clock. Everything else takes the time as a parameter.

use chrono::{DateTime, Utc};

#[expect(clippy::disallowed_methods, reason = "the console is an edge where time enters")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
