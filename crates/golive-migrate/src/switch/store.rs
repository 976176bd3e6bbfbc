//! Where a provider state is kept: a file, or whatever an embedder has.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{ProviderState, SwitchError};

/// Keeps a provider state. For embedders whose state is not a file: a row of a table, an entry of a configuration service.
///
/// ```
/// use std::sync::Mutex;
///
/// use golive_migrate::{ProviderState, ProviderStore, SwitchError};
///
/// #[derive(Default)]
/// struct InMemory(Mutex<Option<ProviderState>>);
///
/// impl ProviderStore for InMemory {
///     fn read(&self) -> Result<Option<ProviderState>, SwitchError> {
///         Ok(self.0.lock().unwrap().clone())
///     }
///
///     fn replace(&self, old: Option<&ProviderState>, new: &ProviderState) -> Result<(), SwitchError> {
///         let mut state = self.0.lock().unwrap();
///         if state.as_ref() != old {
///             return Err(SwitchError::Changed { place: "memory".to_owned() });
///         }
///         *state = Some(new.clone());
///         Ok(())
///     }
/// }
/// assert!(InMemory::default().read().unwrap().is_none());
/// ```
pub trait ProviderStore: Send + Sync {
    /// The present state; `None` when nothing was ever switched.
    ///
    /// # Errors
    /// When it cannot be read, or is no provider state.
    fn read(&self) -> Result<Option<ProviderState>, SwitchError>;

    /// Puts `new` in the place of `old`, wholly or not at all.
    ///
    /// # Errors
    /// [`SwitchError::Changed`] when the present state is not `old`; or it cannot be written.
    fn replace(&self, old: Option<&ProviderState>, new: &ProviderState) -> Result<(), SwitchError>;
}

/// A provider state in a file.
#[derive(Debug, Clone)]
pub struct ProviderFile {
    path: PathBuf,
}

impl ProviderFile {
    /// The state in this file, which need not exist yet; its folder must.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn write(&self, state: &ProviderState) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(state)?;
        text.push(b'\n');
        let mut file = tempfile::Builder::new().prefix(".provider-state-").tempfile_in(self.folder())?;
        file.write_all(&text)?;
        readable_by_the_application(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        sync_folder(self.folder())
    }
}

impl ProviderStore for ProviderFile {
    fn read(&self) -> Result<Option<ProviderState>, SwitchError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SwitchError::Read { path: self.path.clone(), source }),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| SwitchError::Malformed { path: self.path.clone(), source })
    }

    /// Two that switch at once are told apart by a lock on the folder, which dies with its holder.
    fn replace(&self, old: Option<&ProviderState>, new: &ProviderState) -> Result<(), SwitchError> {
        let failed = |source| SwitchError::Write { path: self.path.clone(), source };
        let changed = || SwitchError::Changed { place: self.path.display().to_string() };
        let _lock = match lock_folder(self.folder()) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Err(changed()),
            Err(error) => return Err(failed(error)),
        };
        if self.read()?.as_ref() != old {
            return Err(changed());
        }
        self.write(new).map_err(failed)
    }
}

#[cfg(unix)]
fn lock_folder(folder: &Path) -> std::io::Result<std::fs::File> {
    let folder = std::fs::File::open(folder)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(std::fs::TryLockError::WouldBlock) => Err(std::io::Error::from(std::io::ErrorKind::WouldBlock)),
        // Some file systems of networks know no locks; there the comparison alone has to do.
        Err(std::fs::TryLockError::Error(_)) => Ok(folder),
    }
}

#[cfg(not(unix))]
fn lock_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
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
    use super::super::tests::request;
    use super::super::{switch, switch_in};
    use super::*;

    #[test]
    fn a_state_that_changed_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("provider.json");
        let file = ProviderFile::new(&path);
        let first = switch(&path, &request("one", "ann")).unwrap();
        let second = switch_in(&file, &request("two", "bob")).unwrap();
        let late = file.replace(Some(&first), &first);
        assert!(matches!(late, Err(SwitchError::Changed { .. })), "{late:?}");
        assert_eq!(file.read().unwrap(), Some(second));
    }
}
