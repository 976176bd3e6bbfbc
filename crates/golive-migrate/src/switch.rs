//! The provider state: the one small file that says which database the application uses. It is replaced atomically,
//! holds no secret, and cannot be switched without a verification that matched.

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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
    /// `host:port/database`; never user or password.
    pub target: String,
    /// Fingerprint of the SQLite file that was verified against the target.
    pub source_digest: String,
    /// Digest of the plan by which the target was built, when it was built by one.
    pub plan_digest: Option<String>,
    /// When the switch was made.
    pub switched_at: DateTime<Utc>,
    /// Who made it.
    pub switched_by: String,
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
    /// Since when it was in use.
    pub switched_at: DateTime<Utc>,
    /// Who had switched to it.
    pub switched_by: String,
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
}

impl SwitchRequest {
    /// Asks for a switch to the verified target.
    pub fn new(verified: Verified, now: DateTime<Utc>, by: impl Into<String>) -> Self {
        Self { verified, now, by: by.into() }
    }
}

/// Why the state was not switched. The file is as it was.
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
}

impl ProviderState {
    /// Reads the state; `None` when there is no file yet, which means that nothing was ever switched.
    ///
    /// # Errors
    /// When the file cannot be read or is not a provider state.
    pub fn read(path: &Path) -> Result<Option<Self>, SwitchError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SwitchError::Read { path: path.to_owned(), source }),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| SwitchError::Malformed { path: path.to_owned(), source })
    }

    fn into_past(self) -> (Vec<PastState>, PastState) {
        let past = PastState {
            provider: self.provider,
            target: self.target,
            source_digest: self.source_digest,
            switched_at: self.switched_at,
            switched_by: self.switched_by,
        };
        (self.history, past)
    }
}

/// Switches the provider state to the verified MariaDB. A reader sees the old file or the new one, never a part.
///
/// # Errors
/// When the present state cannot be read or the new one not be written; the file is then as it was.
pub fn switch(path: &Path, request: &SwitchRequest) -> Result<ProviderState, SwitchError> {
    let mut history = Vec::new();
    if let Some(present) = ProviderState::read(path)? {
        if present.provider == Provider::Mariadb
            && present.target == request.verified.target()
            && present.source_digest == request.verified.source_digest()
        {
            // Switched before: asking again is not another switch.
            return Ok(present);
        }
        let (earlier, past) = present.into_past();
        history = earlier;
        history.push(past);
        let surplus = history.len().saturating_sub(HISTORY_ENTRIES);
        history.drain(..surplus);
    }
    let state = ProviderState {
        provider: Provider::Mariadb,
        target: request.verified.target().to_owned(),
        source_digest: request.verified.source_digest().to_owned(),
        plan_digest: request.verified.plan_digest().map(str::to_owned),
        switched_at: request.now,
        switched_by: request.by.clone(),
        history,
    };
    write_atomically(path, &state).map_err(|source| SwitchError::Write { path: path.to_owned(), source })?;
    Ok(state)
}

fn write_atomically(path: &Path, state: &ProviderState) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut text = serde_json::to_vec_pretty(state)?;
    text.push(b'\n');
    let mut file = tempfile::Builder::new().prefix(".provider-state-").tempfile_in(folder)?;
    file.write_all(&text)?;
    readable_by_the_application(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// It holds no secret, and the application seldom runs as the operator.
#[cfg(unix)]
fn readable_by_the_application(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_the_application(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// The rename itself is only durable once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(digest: &str, by: &str) -> SwitchRequest {
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
}
