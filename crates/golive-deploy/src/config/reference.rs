//! Values that are kept elsewhere: in a file, in another variable, or by a secret manager's command. Nothing is fetched here.

use std::fmt;
use std::path::PathBuf;

use super::VariableNames;
use super::settings::Settings;

/// Where the value of a variable is kept.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// `file:/PATH`, or `NAME_FILE=/PATH` where the rules look at `NAME` and it is not set, as container secrets are given.
    File(PathBuf),
    /// `env:NAME`.
    Environment(String),
    /// `command:PROGRAM ARGUMENTS`: words as in a shell, but none is run, and nothing is expanded.
    Command(Vec<String>),
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            // Its arguments may be anything.
            Self::Command(words) => write!(f, "command:{} …", words.first().map_or("", String::as_str)),
        }
    }
}

impl Reference {
    /// What a value refers to; `None` when it is a value.
    fn of(value: &str) -> Option<Self> {
        let value = value.trim();
        if let Some(path) = value.strip_prefix("file:").filter(|path| path.starts_with('/')) {
            Some(Self::File(PathBuf::from(path)))
        } else if let Some(name) = value.strip_prefix("env:") {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            (!name.is_empty() && name.chars().all(is_name)).then(|| Self::Environment(name.to_owned()))
        } else {
            let words = shlex::split(value.strip_prefix("command:")?)?;
            (!words.is_empty()).then_some(Self::Command(words))
        }
    }
}

impl Settings {
    /// The variables whose values are kept elsewhere, each with where. Fetch a value and give it to [`Settings::fill`];
    /// what stays a reference is told as not checked.
    ///
    /// ```
    /// use golive_deploy::{Settings, VariableNames};
    ///
    /// let names = VariableNames::default();
    /// let mut settings = Settings::from_pairs([("SECRET_KEY", "env:APP_KEY"), ("DATABASE_URL_FILE", "/run/secrets/db")]);
    /// let kept: Vec<String> = settings.references(&names).into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(kept, ["DATABASE_URL", "SECRET_KEY"]);
    /// settings.fill("DATABASE_URL", "…".into());
    /// settings.fill("SECRET_KEY", "…".into());
    /// assert!(settings.references(&names).is_empty());
    /// ```
    pub fn references(&self, names: &VariableNames) -> Vec<(String, Reference)> {
        let mut found = Vec::new();
        for name in self.names() {
            let value = self.get(name).unwrap_or_default();
            if let Some(reference) = Reference::of(value) {
                found.push((name.to_owned(), reference));
            } else if let Some(of) = name.strip_suffix("_FILE")
                && value.starts_with('/')
                // A file that the application itself opens, such as LOG_FILE, is no value of a variable.
                && names.all().contains(&of)
                && self.get(of).is_none_or(|value| value.trim().is_empty())
            {
                found.push((of.to_owned(), Reference::File(PathBuf::from(value))));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_reference_and_what_is_a_value() {
        let words =
            |words: &[&str]| Some(Reference::Command(words.iter().map(|&word| word.to_owned()).collect()));
        for (value, expected) in [
            ("file:/run/secrets/key", Some(Reference::File("/run/secrets/key".into()))),
            ("file:app.db", None),
            ("env:APP_KEY", Some(Reference::Environment("APP_KEY".to_owned()))),
            ("env:", None),
            ("env:a b", None),
            (
                "command:vault kv get -field='the key' secret/app",
                words(&["vault", "kv", "get", "-field=the key", "secret/app"]),
            ),
            ("command:", None),
            ("command:a 'b", None),
            ("mysql://u:p@h/d", None),
            ("", None),
        ] {
            assert_eq!(Reference::of(value), expected, "{value}");
        }
        assert!(!format!("{:?}", Reference::of("command:get hunter2")).contains("hunter2"));
    }
}
