//! The one place of this crate that reads the wall clock: a log line, an error event and an alert carry the
//! moment at which they happen. Nothing that decides anything belongs here.

use chrono::{DateTime, SecondsFormat, Utc};

/// The moment at which something is being recorded.
#[expect(
    clippy::disallowed_methods,
    reason = "a log line is stamped where it is written; nothing is decided by it"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// RFC 3339 in UTC with microseconds, the form of every timestamp this crate writes.
pub(crate) fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}
