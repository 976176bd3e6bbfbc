//! The provider state: what says which database the application uses. It is replaced atomically, holds no secret, and
//! cannot be switched without a verification that matched. `store` keeps it, `proof` asks whether the application
//! follows it.

mod back;
mod observe;
mod proof;
mod store;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::back::{AcceptedLoss, SwitchBackRequest, WritesSince, switch_back};
pub use self::observe::observe;
pub use self::proof::{ApplicationQuestion, DatabaseInUse, SwitchProof, judge_answer, judge_observation};
pub use self::store::{ProviderFile, ProviderStore};
use crate::verify::Verified;

/// How many former states are kept.
const HISTORY_ENTRIES: usize = 50;

/// Which database engine the application uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// The demo's file.
    Sqlite,
    /// The production server.
    Mariadb,
}

/// The content of the state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProviderState {
    /// The engine in use.
    pub provider: Provider,
    /// `host:port/database`; never user or password. After a switch back: the MariaDB that was left.
    pub target: String,
    /// Fingerprint of the SQLite file that was verified against the target.
    pub source_digest: String,
    /// Digest of the plan by which the target was built, when it was built by one.
    pub plan_digest: Option<String>,
    /// Digest of the state recorded in the target at cut-over, when it was.
    #[serde(default)]
    pub record_digest: Option<String>,
    /// When the switch was made.
    pub switched_at: DateTime<Utc>,
    /// Who made it.
    pub switched_by: String,
    /// Why; of a switch back also what was given up.
    #[serde(default)]
    pub note: Option<String>,
    /// Former states, newest last.
    #[serde(default)]
    pub history: Vec<PastState>,
}

/// One former state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PastState {
    /// The engine that was in use.
    pub provider: Provider,
    /// Its `host:port/database`.
    pub target: String,
    /// The fingerprint of that time.
    pub source_digest: String,
    /// The plan of that time.
    #[serde(default)]
    pub plan_digest: Option<String>,
    /// The record of that time.
    #[serde(default)]
    pub record_digest: Option<String>,
    /// Since when it was in use.
    pub switched_at: DateTime<Utc>,
    /// Who had switched to it.
    pub switched_by: String,
    /// Why.
    #[serde(default)]
    pub note: Option<String>,
}

/// A switch that may be made: it can only be built from a verification that matched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SwitchRequest {
    /// The proof.
    pub verified: Verified,
    /// When.
    pub now: DateTime<Utc>,
    /// Who: a person or a program, for the record.
    pub by: String,
    /// Digest of the state recorded in the target, from [`record`](crate::record).
    pub record_digest: Option<String>,
    /// Why, for the record.
    pub reason: Option<String>,
}

impl SwitchRequest {
    /// Asks for a switch to the verified target.
    pub fn new(verified: Verified, now: DateTime<Utc>, by: impl Into<String>) -> Self {
        Self { verified, now, by: by.into(), record_digest: None, reason: None }
    }
}

/// Why the state was not switched. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchError {
    /// The present file cannot be read.
    #[error("read the provider state {path}: check its permissions")]
    Read {
        /// The state file.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
    /// The present file is not ours.
    #[error(
        "understand the provider state {path}: it is not a golive provider state, move it away if it is none"
    )]
    Malformed {
        /// The state file.
        path: PathBuf,
        /// Where it stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// The new file cannot be written.
    #[error("write the provider state {path}: check that its folder exists and is writable")]
    Write {
        /// The state file.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else switched meanwhile.
    #[error(
        "replace the provider state {place}: somebody else changed it meanwhile, look at it and try again"
    )]
    Changed {
        /// The state file, or what an embedder calls its store.
        place: String,
    },
    /// An embedder's store failed.
    #[error("reach the provider state's store")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is nothing to go back from.
    #[error("switch back: the provider state does not say MariaDB, so nothing was switched")]
    NotSwitched,
    /// Rows were written to MariaDB since.
    #[error(
        "switch back to SQLite: {added} rows were added to MariaDB since the switch, {changed} changed and {deleted} deleted, \
         and the file has none of that; carry them over, or accept the loss of exactly {} rows", added + changed + deleted
    )]
    WouldLose {
        /// Rows that came since.
        added: u64,
        /// Rows changed since.
        changed: u64,
        /// Rows deleted since.
        deleted: u64,
    },
    /// It is not known what was written to MariaDB since.
    #[error(
        "switch back to SQLite: it is not known what was written to MariaDB since the switch, because no state was \
         recorded then; stop the application, look, and accept an unknown loss"
    )]
    LossUnknown,
}

impl ProviderState {
    /// Reads the state; `None` when there is no file yet, which means that nothing was ever switched.
    ///
    /// # Errors
    /// When the file cannot be read or is not a provider state.
    pub fn read(path: &Path) -> Result<Option<Self>, SwitchError> {
        ProviderFile::new(path).read()
    }

    /// The history with this state at its end.
    fn into_history(self) -> Vec<PastState> {
        let mut history = self.history;
        history.push(PastState {
            provider: self.provider,
            target: self.target,
            source_digest: self.source_digest,
            plan_digest: self.plan_digest,
            record_digest: self.record_digest,
            switched_at: self.switched_at,
            switched_by: self.switched_by,
            note: self.note,
        });
        let surplus = history.len().saturating_sub(HISTORY_ENTRIES);
        history.drain(..surplus);
        history
    }
}

/// Switches the provider state in a file to the verified MariaDB. A reader sees the old file or the new one, never a part.
///
/// # Errors
/// When the present state cannot be read or the new one not be written; the file is then as it was.
pub fn switch(path: &Path, request: &SwitchRequest) -> Result<ProviderState, SwitchError> {
    switch_in(&ProviderFile::new(path), request)
}

/// Switches a provider state, wherever it is kept, to the verified MariaDB.
///
/// # Errors
/// When the present state cannot be read or not be replaced; it is then as it was.
pub fn switch_in(store: &dyn ProviderStore, request: &SwitchRequest) -> Result<ProviderState, SwitchError> {
    let present = store.read()?;
    if let Some(present) = &present
        && present.provider == Provider::Mariadb
        && present.target == request.verified.target()
        && present.source_digest == request.verified.source_digest()
    {
        // Switched before: asking again is not another switch.
        return Ok(present.clone());
    }
    let state = ProviderState {
        provider: Provider::Mariadb,
        target: request.verified.target().to_owned(),
        source_digest: request.verified.source_digest().to_owned(),
        plan_digest: request.verified.plan_digest().map(str::to_owned),
        record_digest: request.record_digest.clone(),
        switched_at: request.now,
        switched_by: request.by.clone(),
        note: request.reason.clone(),
        history: present.clone().map(ProviderState::into_history).unwrap_or_default(),
    };
    store.replace(present.as_ref(), &state)?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn request(digest: &str, by: &str) -> SwitchRequest {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        SwitchRequest::new(Verified::for_test("db:3306/prod", digest), now, by)
    }

    #[test]
    fn a_switch_is_recorded_and_kept_as_history() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("provider.json");
        assert_eq!(ProviderState::read(&path).unwrap(), None);
        let first = switch(&path, &request("one", "ann")).unwrap();
        assert_eq!(ProviderState::read(&path).unwrap(), Some(first.clone()));
        let again = switch(&path, &request("one", "bob")).unwrap();
        assert_eq!(again, first, "the same switch is not made twice");
        let second = switch(&path, &request("two", "bob")).unwrap();
        assert_eq!(second.history.len(), 1);
        assert_eq!(second.history[0].switched_by, "ann");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_foreign_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("provider.json");
        std::fs::write(&path, "something else").unwrap();
        assert!(matches!(switch(&path, &request("one", "ann")), Err(SwitchError::Malformed { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "something else");
    }

    #[test]
    fn a_state_written_before_these_fields_were_is_still_read() {
        let old = r#"{"provider":"mariadb","target":"db:3306/prod","source_digest":"one","plan_digest":null,
            "switched_at":"2024-01-01T00:00:00Z","switched_by":"ann","history":[{"provider":"sqlite","target":"x",
            "source_digest":"y","switched_at":"2023-01-01T00:00:00Z","switched_by":"bob"}]}"#;
        let read: ProviderState = serde_json::from_str(old).unwrap();
        assert_eq!((read.record_digest, read.history.len()), (None, 1));
    }
}
