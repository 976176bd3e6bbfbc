//! `[roles]`: where the application says which role may do what, for whoever hands roles out to see it.
//!
//! Not here: what a permission means. That is the application's.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use golive_auth::RolePolicy;
use serde::Deserialize;
use thiserror::Error;

/// `[roles]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Roles {
    /// A TOML file with `permissions`, `across_tenants` and `[roles]`, as [`golive_auth::RolePolicy`] reads it; relative to
    /// `golive.toml`.
    pub file: PathBuf,
}

/// Why it is not known which role may do what.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadRolesError {
    /// The file cannot be read, or is longer than 256 KiB.
    #[error("read {path}, which [roles] of golive.toml names", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is not such a file.
    #[error("parse {path}: it must hold `permissions` and `[roles]`", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl Roles {
    /// Reads the file; `directory` is that of `golive.toml`.
    ///
    /// # Errors
    /// When it cannot be read, or its roles and permissions do not fit together.
    pub fn read(&self, directory: &Path) -> Result<RolePolicy, ReadRolesError> {
        let path = directory.join(&self.file);
        let text = read_bounded(&path)
            .map_err(|source| ReadRolesError::Unreadable { path: path.clone(), source })?;
        toml::from_str(&text).map_err(|source| ReadRolesError::Invalid { path, source: Box::new(source) })
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is longer than 256 KiB"));
    }
    Ok(text)
}

const MOST_BYTES: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_applications_own_file_is_read_and_a_wrong_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let roles = Roles { file: "roles.toml".into() };
        let write = |text: &str| std::fs::write(folder.path().join("roles.toml"), text).unwrap();
        assert!(matches!(roles.read(folder.path()), Err(ReadRolesError::Unreadable { .. })));
        write("permissions = [\"see\"]\n[roles]\nclerk = [\"see\"]\n");
        assert!(roles.read(folder.path()).unwrap().allows("clerk", "see"));
        write("permissions = [\"see\"]\n[roles]\nclerk = [\"sea\"]\n");
        let error = roles.read(folder.path()).unwrap_err();
        assert!(crate::error_chain(&error).contains("`sea`") && error.to_string().contains("roles.toml"));
        write(&" ".repeat(256 * 1024 + 1));
        assert!(matches!(roles.read(folder.path()), Err(ReadRolesError::Unreadable { .. })));
    }
}
