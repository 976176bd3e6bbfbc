//! References to secrets: where a value is found, so that `golive.toml` never holds it.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use thiserror::Error;

/// A value by reference: `env:NAME`, `file:PATH`, or the value itself when it is no secret.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum Setting {
    /// The environment variable of this name.
    Environment(String),
    /// The first line of this file.
    File(PathBuf),
    /// The value itself.
    Literal(SecretString),
}

/// Why a referenced value is not to be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingError {
    /// The variable is not set.
    #[error("find environment variable {name}: set it, then try again")]
    Unset {
        /// The variable.
        name: String,
    },
    /// The file could not be read.
    #[error("read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is empty.
    #[error("find a value in {path}: it is empty", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl From<String> for Setting {
    fn from(text: String) -> Self {
        if let Some(name) = text.strip_prefix("env:") {
            Self::Environment(name.to_owned())
        } else if let Some(path) = text.strip_prefix("file:") {
            Self::File(PathBuf::from(path))
        } else {
            Self::Literal(SecretString::from(text))
        }
    }
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Literal(_) => f.write_str("(literal)"),
        }
    }
}

impl Setting {
    /// Fetches the value; `environment` looks a variable up, relative files start at `directory`.
    ///
    /// # Errors
    /// Names the variable or the file that is missing.
    pub fn resolve(
        &self,
        directory: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<SecretString, SettingError> {
        match self {
            Self::Environment(name) => environment(name)
                .filter(|value| !value.is_empty())
                .map(SecretString::from)
                .ok_or_else(|| SettingError::Unset { name: name.clone() }),
            Self::File(path) => {
                let path = directory.join(path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|source| SettingError::Unreadable { path: path.clone(), source })?;
                match text.lines().next().map(str::trim) {
                    Some(line) if !line.is_empty() => Ok(SecretString::from(line.to_owned())),
                    _ => Err(SettingError::Empty { path }),
                }
            }
            Self::Literal(value) => Ok(SecretString::from(value.expose_secret().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_where_it_says_and_never_shown() {
        let environment = |name: &str| (name == "T").then(|| "hunter2".to_owned());
        let here = Path::new(".");
        let found = Setting::from("env:T".to_owned()).resolve(here, &environment).unwrap();
        assert_eq!(found.expose_secret(), "hunter2");
        let missing = Setting::from("env:U".to_owned()).resolve(here, &environment).unwrap_err();
        assert!(missing.to_string().contains("U"));
        assert_eq!(format!("{:?}", Setting::from("mysql://a:secret@h/d".to_owned())), "(literal)");
    }
}
