//! Why a command has no answer, and what an HTTP service makes of that. Nothing is sent here.

use std::sync::Arc;
use std::time::Duration;

use fred::error::{Error, ErrorKind};

use crate::journal::JournalError;

/// Why a command has no answer. For a security decision each of them means: refuse.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Redis is not connected, failed too often a moment ago, or was connected anew and not yet looked at.
    #[error("ask Redis, which is away: check `golive cache check`")]
    Unavailable,
    /// Too many commands wait for an answer already.
    #[error("ask Redis: {waiting} commands wait already; raise max_commands_in_flight or shed load")]
    Busy {
        /// How many may wait.
        waiting: usize,
    },
    /// No answer in time.
    #[error("get an answer from Redis within {} ms", timeout.as_millis())]
    Timeout {
        /// The time allowed.
        timeout: Duration,
    },
    /// The server is full and its policy refuses to evict.
    #[error("write to Redis, which is out of memory: raise maxmemory")]
    OutOfMemory,
    /// The server is not, or no longer, the primary: what it answers may be old.
    #[error("trust Redis, which is a replica: point the URL at the primary or use redis-sentinel://")]
    ReadOnly,
    /// The store lost revocations, or may have, and they are not yet written to it again.
    #[error("trust the revocation store before it is filled again from its journal: try again in a moment")]
    Cold,
    /// The journal of revocations does not answer.
    #[error("use the journal of revocations")]
    Journal(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// A value handed in cannot be used in a key.
    #[error("use this {what}: {rule}")]
    InvalidKey {
        /// Which value.
        what: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
    /// The server answered something else.
    #[error("run {command} on Redis: {reason}")]
    Refused {
        /// The command's name.
        command: &'static str,
        /// The server's words.
        reason: String,
    },
    /// A stored value has not the shape expected.
    #[error("read the answer of {command}: another program may be writing under this key prefix")]
    Shape {
        /// The command's name.
        command: &'static str,
    },
}

impl CommandError {
    pub(crate) fn journal(error: JournalError) -> Self {
        Self::Journal(error.into())
    }

    /// The status of the HTTP answer when a check of a token ends so: 503, for the token may be good and 401 would
    /// make clients throw it away; 400 for an identifier that no token of this service can have.
    pub fn http_status(&self) -> u16 {
        if matches!(self, Self::InvalidKey { .. }) { 400 } else { 503 }
    }

    /// What the `Retry-After` header of that 503 should say: long enough for a failover.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Busy { .. } | Self::Timeout { .. } | Self::Cold => Duration::from_secs(1),
            _ => Duration::from_secs(5),
        }
    }

    /// Sorts an error of the client library. The second is whether the server answered at all.
    pub(crate) fn sort(command: &'static str, error: &Error, timeout: Duration) -> (Self, bool) {
        match error.kind() {
            ErrorKind::Timeout => return (Self::Timeout { timeout }, false),
            ErrorKind::Canceled | ErrorKind::IO | ErrorKind::Routing | ErrorKind::Backpressure => {
                return (Self::Unavailable, false);
            }
            _ => {}
        }
        let details = error.details();
        let starts = |words: &[&str]| words.iter().any(|word| details.starts_with(word));
        let sorted = if starts(&["OOM"]) {
            Self::OutOfMemory
        } else if starts(&["READONLY"]) {
            Self::ReadOnly
        } else if starts(&["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"]) {
            Self::Unavailable // for a while, and nothing to mend
        } else {
            Self::Refused { command, reason: details.chars().take(200).collect() }
        };
        (sorted, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_503_and_never_401() {
        let errors = [
            CommandError::Unavailable,
            CommandError::Cold,
            CommandError::ReadOnly,
            CommandError::OutOfMemory,
        ];
        for error in errors {
            assert_eq!(error.http_status(), 503);
            assert!(error.retry_after() >= Duration::from_secs(1));
        }
        let invalid = CommandError::InvalidKey { what: "token identifier", rule: "short" };
        assert_eq!(invalid.http_status(), 400);
    }

    #[test]
    fn what_the_server_says_is_sorted() {
        let sort = |details: &'static str| {
            CommandError::sort("SET", &Error::new(ErrorKind::Unknown, details), Duration::ZERO)
        };
        assert!(matches!(sort("OOM command not allowed"), (CommandError::OutOfMemory, true)));
        assert!(matches!(sort("READONLY You can't write"), (CommandError::ReadOnly, true)));
        assert!(matches!(sort("CLUSTERDOWN The cluster is down"), (CommandError::Unavailable, true)));
        assert!(matches!(sort("NOSCRIPT No matching script"), (CommandError::Refused { .. }, true)));
    }
}
