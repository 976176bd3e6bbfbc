//! Who may log in: a private file of names, roles and argon2id hashes, read again whenever it changes.
//!
//! Not here: sessions, and how somebody is let in (`access`).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use golive_auth::{GeneratedPassword, HashPasswordError, generate_password, hash_password};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks and acts.
    Operator,
}

impl Role {
    /// The word of the file and of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// Somebody who may log in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Operator {
    /// The name to log in by.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Since when.
    pub since: DateTime<Utc>,
    pub(crate) password_hash: String,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Why operators could not be read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OperatorsError {
    /// The file system said no.
    #[error("use the file of operators {path}; check its permissions", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others may read or write it.
    #[error("trust the file of operators {path}: others may read or write it; `chmod 600` it", path = path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// It is not what this crate writes.
    #[error("understand the file of operators {path}; add the operators anew with `golive serve --add-operator NAME`", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A name that cannot be one.
    #[error("call an operator `{name}`: use 1 to 64 letters, digits, dots, dashes, underscores or `@`")]
    BadName {
        /// The name.
        name: String,
    },
    /// There is nobody of that name.
    #[error("remove the operator `{name}`: there is none of that name")]
    NoSuchOperator {
        /// The name.
        name: String,
    },
    /// The password could not be hashed.
    #[error("hash a password")]
    Hash(#[source] HashPasswordError),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] golive::RunDirectoryError),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    operators: Vec<Operator>,
}

/// The file of operators.
#[derive(Debug)]
pub struct OperatorsFile {
    path: PathBuf,
    known: Mutex<Option<(Stamp, Arc<Vec<Operator>>)>>,
}

/// When it was written, and how long it is.
type Stamp = (SystemTime, u64);

impl OperatorsFile {
    /// The file at `path`, which need not be there yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::default() }
    }

    /// Everybody who may log in, as the file says now.
    ///
    /// # Errors
    /// When it is there and cannot be read, is damaged, or is not private to its owner.
    pub fn list(&self) -> Result<Arc<Vec<Operator>>, OperatorsError> {
        let fail = |source| OperatorsError::File { path: self.path.clone(), source };
        let about = match std::fs::metadata(&self.path) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(fail(error)),
        };
        if about.permissions().mode() & 0o077 != 0 {
            return Err(OperatorsError::NotPrivate { path: self.path.clone() });
        }
        let stamp = (about.modified().map_err(fail)?, about.len());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, operators)) = &*known
            && *when == stamp
        {
            return Ok(Arc::clone(operators));
        }
        let operators = Arc::new(self.read()?.operators);
        *known = Some((stamp, Arc::clone(&operators)));
        Ok(operators)
    }

    /// Lets somebody log in, with a password that is made here and stands nowhere; whoever was called so before has the new
    /// role and password, and their sessions end.
    ///
    /// # Errors
    /// When the name cannot be one, or the file cannot be read or written.
    pub fn add(
        &self,
        name: &str,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<GeneratedPassword, OperatorsError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return Err(OperatorsError::BadName { name: name.chars().take(80).collect() });
        }
        let password = generate_password(24);
        let password_hash = hash_password(&password.password).map_err(OperatorsError::Hash)?;
        let mut written = self.read()?;
        written.operators.retain(|operator| !is_called(operator, name));
        written.operators.push(Operator { name: name.to_owned(), role, since: now, password_hash });
        self.write(&written)?;
        Ok(password)
    }

    /// Lets somebody in no more; their sessions end.
    ///
    /// # Errors
    /// When there is nobody of that name, or the file cannot be read or written.
    pub fn remove(&self, name: &str) -> Result<(), OperatorsError> {
        let mut written = self.read()?;
        let before = written.operators.len();
        written.operators.retain(|operator| !is_called(operator, name));
        if written.operators.len() == before {
            return Err(OperatorsError::NoSuchOperator { name: name.chars().take(80).collect() });
        }
        self.write(&written)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> Result<Written, OperatorsError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| OperatorsError::Damaged { path: self.path.clone(), source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Written::default()),
            Err(source) => Err(OperatorsError::File { path: self.path.clone(), source }),
        }
    }

    fn write(&self, written: &Written) -> Result<(), OperatorsError> {
        if let Some(folder) = self.path.parent() {
            let fail = |source| OperatorsError::File { path: folder.to_owned(), source };
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let text = serde_json::to_vec_pretty(written).expect("operators are plain data");
        golive::write_private(&self.path, &text)?;
        // The same second and the same length would look unchanged.
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

pub(crate) fn is_called(operator: &Operator, name: &str) -> bool {
    operator.name.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn an_operator_is_added_replaced_and_removed_and_no_password_stands_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = OperatorsFile::new(folder.path().join("operators.json"));
        assert!(file.list().unwrap().is_empty());
        let first = file.add("rosa", Role::Viewer, DateTime::UNIX_EPOCH).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(first.password.expose_secret()) && text.contains("$argon2id$"));
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        file.add("Rosa", Role::Operator, DateTime::UNIX_EPOCH).unwrap();
        let listed = file.list().unwrap();
        assert_eq!((listed.len(), listed[0].role), (1, Role::Operator));
        assert!(!format!("{listed:?}").contains("argon2id"));
        file.remove("rosa").unwrap();
        assert!(file.list().unwrap().is_empty());
        assert!(matches!(file.remove("rosa"), Err(OperatorsError::NoSuchOperator { .. })));
        for name in ["", "a b", "<script>", "a\nb", &"x".repeat(65)] {
            assert!(matches!(
                file.add(name, Role::Viewer, DateTime::UNIX_EPOCH),
                Err(OperatorsError::BadName { .. })
            ));
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let file = OperatorsFile::new(folder.path().join("operators.json"));
        file.add("rosa", Role::Viewer, DateTime::UNIX_EPOCH).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(file.list(), Err(OperatorsError::NotPrivate { .. })));
    }
}
