//! What is deployed: one service, as every rendered file needs it. No file format is known here.

use super::RenderError;

/// A service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Service {
    /// Its name: lower-case letters, digits and dashes. Image, unit, user and volumes are named after it.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// The program and its arguments; the program as it is called inside the image or, for a unit, on the host.
    pub command: Vec<String>,
    /// The port it listens on.
    pub port: u16,
    /// Path of the probe that answers while it lives.
    pub live_path: String,
    /// Path of the probe that answers when it can serve; [`Service::live_path`] unless given.
    pub ready_path: Option<String>,
    /// What it reads from its environment.
    pub variables: Vec<Variable>,
    /// Most memory, in MiB.
    pub memory_mebibytes: u32,
}

/// What a service is written in: which images build and run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// A Cargo package whose binary has the name of the service.
    Rust,
    /// A Python project with a `requirements.txt`.
    Python,
    /// A Node.js project with a lock file and a script `build`.
    Node,
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value in production; `None` for one that whoever deploys must give, as every secret is.
    pub value: Option<String>,
}

impl Variable {
    /// A variable that must be given.
    pub fn required(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }

    /// A variable with this value. One that is named like a secret must be given all the same.
    pub fn fixed(name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        let value = (!crate::config::is_secret_name(&name)).then(|| value.into());
        Self { name, value }
    }
}

impl Service {
    /// A service that listens on this port and is alive while `/health/live` answers; half a GiB.
    pub fn new<W: Into<String>>(
        name: impl Into<String>,
        language: Language,
        command: impl IntoIterator<Item = W>,
        port: u16,
    ) -> Self {
        Self {
            name: name.into(),
            language,
            command: command.into_iter().map(Into::into).collect(),
            port,
            live_path: "/health/live".into(),
            ready_path: None,
            variables: Vec::new(),
            memory_mebibytes: 512,
        }
    }

    pub(super) fn ready(&self) -> &str {
        self.ready_path.as_deref().unwrap_or(&self.live_path)
    }

    /// Every word that goes into a file is one that no format reads as anything else.
    pub(super) fn validate(&self, what: &'static str) -> Result<(), RenderError> {
        let name = |text: &str| {
            text.len() <= 40
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let path = |text: &str| {
            text.starts_with('/')
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte))
        };
        let variable = |variable: &Variable| {
            let identifier = variable.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && variable.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            identifier && variable.value.as_deref().is_none_or(|value| !value.chars().any(char::is_control))
        };
        let word = |word: &String| !word.is_empty() && !word.chars().any(char::is_control);
        let fields = [
            ("name", name(&self.name)),
            ("command", !self.command.is_empty() && self.command.iter().all(word)),
            ("port", self.port > 0),
            ("live_path", path(&self.live_path)),
            ("ready_path", self.ready_path.as_deref().is_none_or(path)),
            ("variables", self.variables.iter().all(variable)),
            ("memory_mebibytes", self.memory_mebibytes >= 16),
        ];
        match fields.iter().find(|(_, safe)| !safe) {
            Some((field, _)) => Err(RenderError::Unsafe { what, field }),
            None => Ok(()),
        }
    }
}

/// A list of words as JSON, which Dockerfiles and YAML both read.
pub(super) fn words(words: &[String]) -> String {
    serde_json::Value::from(words.to_vec()).to_string()
}

/// The first line of every rendered file.
pub(super) const RENDERED: &str = "# Rendered by golive; change golive.toml and render again.\n";
