//! Settings: names with values, from the environment and from env files, each with its place.
//!
//! Values stay inside; nothing here prints one. What is right or wrong about them is the rules' work.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

/// An env file larger than this is not an env file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why settings could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be opened or read.
    #[error("read settings from {path}; check that it exists and that this user may read it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large to be an env file.
    #[error("read settings from {path}: larger than 1 MiB; give the env file itself")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("read settings from {path}: not UTF-8; save it as UTF-8 text")]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// One value and where it came from.
#[derive(Clone)]
pub(crate) struct Setting {
    value: SecretString,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

/// An env file that was read.
#[derive(Clone, Debug)]
pub(crate) struct SettingsFile {
    pub(crate) path: PathBuf,
    /// Permission bits, where the system has them.
    pub(crate) mode: Option<u32>,
    /// Names that the file defines, with their lines.
    pub(crate) names: Vec<(String, u32)>,
    /// Lines that are neither an assignment nor a comment.
    pub(crate) malformed: Vec<u32>,
    /// Names that the file defines twice, with the second line.
    pub(crate) repeated: Vec<(String, u32)>,
}

/// Name → value, as the application will see them. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, Setting>,
    files: Vec<SettingsFile>,
}

impl Settings {
    /// Settings from name and value pairs, for instance the environment given to the application.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = pairs.into_iter().map(|(name, value)| {
            let setting = Setting { value: SecretString::from(value.into()), file: None, line: None };
            (name.into(), setting)
        });
        Self { values: values.collect(), files: Vec::new() }
    }

    /// Reads a `.env`-style file, remembering lines and the file's permissions.
    pub fn parse_env_file(path: &Path) -> Result<Self, SettingsError> {
        let read = |source| SettingsError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(read)?;
        let mode = permission_bits(&file.metadata().map_err(read)?);
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(SettingsError::TooLarge { path: path.to_owned() });
        }
        let text =
            String::from_utf8(bytes).map_err(|_not_text| SettingsError::NotText { path: path.to_owned() })?;
        Ok(Self::from_text(path, &text, mode))
    }

    /// Settings from the text of an env file; `name` stands for the file in findings.
    pub fn parse_env_text(name: &str, text: &str) -> Self {
        Self::from_text(Path::new(name), text, None)
    }

    fn from_text(path: &Path, text: &str, mode: Option<u32>) -> Self {
        let mut file = SettingsFile {
            path: path.to_owned(),
            mode,
            names: Vec::new(),
            malformed: Vec::new(),
            repeated: Vec::new(),
        };
        let mut values = BTreeMap::new();
        for (line, raw) in (1_u32..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let raw = raw.trim();
            if raw.is_empty() || raw.starts_with('#') {
                continue;
            }
            let Some((name, value)) = assignment(raw) else {
                file.malformed.push(line);
                continue;
            };
            let setting = Setting {
                value: SecretString::from(value),
                file: Some(path.display().to_string()),
                line: Some(line),
            };
            if values.insert(name.clone(), setting).is_some() {
                file.repeated.push((name.clone(), line));
            }
            file.names.push((name, line));
        }
        Self { values, files: vec![file] }
    }

    /// These settings with `over` laid on top: its values win, as the environment wins over a file.
    #[must_use]
    pub fn overlaid_by(mut self, over: Self) -> Self {
        self.values.extend(over.values);
        self.files.extend(over.files);
        self
    }

    /// The value of a name. Do not print it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|setting| setting.value.expose_secret())
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Puts the value of a variable that was kept elsewhere in its place; its line stays.
    pub fn fill(&mut self, name: &str, value: SecretString) {
        match self.values.get_mut(name) {
            Some(setting) => setting.value = value,
            None => {
                let setting = Setting { value, file: None, line: None };
                self.values.insert(name.to_owned(), setting);
            }
        }
    }

    pub(crate) fn setting(&self, name: &str) -> Option<&Setting> {
        self.values.get(name)
    }

    pub(crate) fn files(&self) -> &[SettingsFile] {
        &self.files
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("names", &self.values.keys().collect::<Vec<_>>())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// `NAME=value`, `export NAME="value"`, `NAME=value # comment`.
fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let valid = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    valid.then(|| (name.to_owned(), unquote(value.trim())))
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some(end) = rest.find(quote)
        {
            return rest[..end].to_owned();
        }
    }
    if value.starts_with('#') {
        return String::new();
    }
    let end = value.find(" #").unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

#[cfg(unix)]
fn permission_bits(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn permission_bits(_metadata: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_shapes() {
        let text =
            "# c\n\nA=1\nexport B=\"two # not a comment\"\nC='x' # c\nD=plain # c\nE=\nnonsense\nA=2\n";
        let settings = Settings::parse_env_text("x.env", text);
        assert_eq!(settings.get("A"), Some("2"));
        assert_eq!(settings.get("B"), Some("two # not a comment"));
        assert_eq!(settings.get("C"), Some("x"));
        assert_eq!(settings.get("D"), Some("plain"));
        assert_eq!(settings.get("E"), Some(""));
        assert_eq!(settings.files()[0].malformed, vec![8]);
        assert_eq!(settings.files()[0].repeated, vec![("A".to_owned(), 9)]);
        assert_eq!(settings.setting("D").and_then(|s| s.line), Some(6));
    }

    #[test]
    fn debug_shows_no_value() {
        let settings = Settings::from_pairs([("SECRET_KEY", "tr0ub4dor")]);
        let text = format!("{settings:?}");
        assert!(text.contains("SECRET_KEY") && !text.contains("tr0ub4dor"), "{text}");
    }
}
