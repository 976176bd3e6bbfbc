//! How versioned migrations are to be run. Plain data.

use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::SecretString;

/// How to reach the database, how long to wait, and what the operator has decided.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VersionedOptions {
    /// `mysql://user:password@host:port/database`, with `socket=`, `ssl-mode=` and `ssl-ca=` as sqlx writes them.
    pub url: SecretString,
    /// How long to wait for another run to end; 5 seconds by default.
    pub lock_patience: Duration,
    /// How long a statement may wait for a metadata lock, in seconds; everybody who comes after it waits as long. 1 by
    /// default.
    pub lock_wait_seconds: u32,
    /// How often such a statement is tried; 10 by default.
    pub tries: u32,
    /// How long those who queued behind a try have the table for themselves before the next; 2 seconds by default.
    pub pause: Duration,
    /// How long one statement may take; a day by default. After it the run ends, and what became of the statement is
    /// looked at in the next.
    pub statement_limit: Duration,
    /// At most so many migrations; all by default.
    pub steps: Option<usize>,
    /// Findings accepted, as `ID` or `ID:migration`.
    pub accept: BTreeSet<String>,
    /// The operator's word on what cannot be proven.
    pub resolution: Option<Resolution>,
    /// Of what is pending only these, for building what another database has applied.
    pub(crate) only: Option<BTreeSet<String>>,
}

impl VersionedOptions {
    /// The defaults for an address.
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            lock_patience: Duration::from_secs(5),
            lock_wait_seconds: 1,
            tries: 10,
            pause: Duration::from_secs(2),
            statement_limit: Duration::from_secs(86_400),
            steps: None,
            accept: BTreeSet::new(),
            resolution: None,
            only: None,
        }
    }
}

/// What the operator found out by looking, about the first migration on which the journal is unsure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// The statement in doubt took effect: go on after it.
    StatementDone,
    /// The statement in doubt did not take effect: run it.
    StatementNotDone,
    /// The whole migration is in effect: count it as applied.
    Applied,
    /// Nothing of the migration is in effect any more: count it as not applied.
    NotApplied,
}
