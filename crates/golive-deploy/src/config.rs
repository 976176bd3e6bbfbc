//! Production configuration: which rules there are, and what they found.
//!
//! Reads no file and no environment itself: `Settings` does the one, the caller gives the other.

mod key;
mod names;
mod network;
mod reference;
mod settings;
mod values;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::finding::{Finding, Severity, sort};
pub use reference::Reference;
pub use settings::{Settings, SettingsError};
pub(crate) use values::is_secret_name;

/// A rule of an application's own, for its own variables.
pub trait ConfigRule: Send + Sync {
    /// The identity of its findings, such as `APP-001`.
    fn id(&self) -> &str;
    /// The variables it knows, so that they do not count as unknown.
    fn variables(&self) -> Vec<String> {
        Vec::new()
    }
    /// Looks. A finding must not carry a value.
    fn check(&self, settings: &Settings) -> Vec<Finding>;
}

/// Says whether a file is under version control; `None` when that cannot be told.
pub type TrackedCheck = Arc<dyn Fn(&Path) -> Option<bool> + Send + Sync>;

/// Names of the variables that the built-in rules look at.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct VariableNames {
    /// The mode of the application; production rules depend on it.
    pub environment: String,
    /// The key that signs tokens.
    pub secret_key: String,
    /// The debug switch.
    pub debug: String,
    /// The demo switch.
    pub demo_mode: String,
    /// Origins that a browser may call from.
    pub cors_origins: String,
    /// Where the database is.
    pub database_url: String,
    /// Where Redis is.
    pub redis_url: String,
    /// Where errors are reported.
    pub sentry_dsn: String,
    /// Connections that a pool keeps.
    pub pool_size: String,
    /// Connections that a pool may open beyond its size.
    pub pool_overflow: String,
}

impl Default for VariableNames {
    fn default() -> Self {
        Self {
            environment: "ENVIRONMENT".into(),
            secret_key: "SECRET_KEY".into(),
            debug: "DEBUG".into(),
            demo_mode: "DEMO_MODE".into(),
            cors_origins: "CORS_ORIGINS".into(),
            database_url: "DATABASE_URL".into(),
            redis_url: "REDIS_URL".into(),
            sentry_dsn: "SENTRY_DSN".into(),
            pool_size: "DATABASE_POOL_SIZE".into(),
            pool_overflow: "DATABASE_MAX_OVERFLOW".into(),
        }
    }
}

impl VariableNames {
    fn all(&self) -> [&str; 10] {
        [
            &self.environment,
            &self.secret_key,
            &self.debug,
            &self.demo_mode,
            &self.cors_origins,
            &self.database_url,
            &self.redis_url,
            &self.sentry_dsn,
            &self.pool_size,
            &self.pool_overflow,
        ]
    }
}

/// What the pools of all processes are judged against.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolLimits {
    /// Processes with a pool of their own (hosts × workers).
    pub instances: u32,
    /// The server's `max_connections`.
    pub max_connections: u32,
    /// Connections left for administration, backup and monitoring.
    pub reserved: u32,
    /// Connections that a pool keeps, when the variable does not say.
    pub default_size: u32,
    /// Connections beyond, when the variable does not say.
    pub default_overflow: u32,
}

impl PoolLimits {
    /// `instances` pools against `max_connections`, ten connections kept back.
    pub fn new(instances: u32, max_connections: u32) -> Self {
        Self { instances, max_connections, reserved: 10, default_size: 5, default_overflow: 10 }
    }
}

/// The rules and what they need to know.
#[non_exhaustive]
pub struct ConfigRules {
    /// How the variables are called.
    pub names: VariableNames,
    /// Values of the environment mode that mean production; matched without regard to case.
    pub production_modes: Vec<String>,
    /// Keys known to the world, beside those that we know.
    pub known_insecure_keys: Vec<String>,
    /// The application's example files: no secret of theirs may be in use.
    pub examples: Vec<Settings>,
    /// What the pools are judged against; without it that is reported as not checked.
    pub pool: Option<PoolLimits>,
    /// Variables of the application. Without any, unknown names are not looked for.
    pub known_names: Vec<String>,
    /// Tells whether an env file is under version control; without it that is reported as not checked.
    pub tracked: Option<TrackedCheck>,
    /// Rules of the application's own.
    pub extra: Vec<Box<dyn ConfigRule>>,
}

impl ConfigRules {
    /// All built-in rules, for production.
    pub fn production() -> Self {
        Self {
            names: VariableNames::default(),
            production_modes: vec!["production".into(), "prod".into()],
            known_insecure_keys: Vec::new(),
            examples: Vec::new(),
            pool: None,
            known_names: Vec::new(),
            tracked: None,
            extra: Vec::new(),
        }
    }

    /// These rules and one more.
    #[must_use]
    pub fn with(mut self, rule: impl ConfigRule + 'static) -> Self {
        self.extra.push(Box::new(rule));
        self
    }
}

impl fmt::Debug for ConfigRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra: Vec<&str> = self.extra.iter().map(|rule| rule.id()).collect();
        f.debug_struct("ConfigRules")
            .field("names", &self.names)
            .field("pool", &self.pool)
            .field("extra", &extra)
            .finish_non_exhaustive()
    }
}

/// What the rules found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ConfigReport {
    /// What is not ready, in the order of file and line.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub not_checked: Vec<String>,
    /// How many variables were seen.
    pub variables: usize,
}

impl ConfigReport {
    /// Valid without warnings, and nothing left unlooked at.
    pub fn is_ready(&self) -> bool {
        self.not_checked.is_empty() && self.count(Severity::Error) + self.count(Severity::Warning) == 0
    }

    /// Says of values that are kept elsewhere why they could not be fetched, each by the name of its variable.
    pub fn not_fetched(&mut self, failed: impl IntoIterator<Item = (String, String)>) {
        for (name, reason) in failed {
            let said = format!("{name}: ");
            self.not_checked.retain(|open| !open.starts_with(&said));
            self.not_checked
                .push(format!("{name}: its value is kept elsewhere and could not be fetched: {reason}"));
        }
    }

    /// How many findings weigh this much.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.counts() && finding.severity == severity).count()
    }
}

/// Holds settings against the rules.
pub fn check_config(settings: &Settings, rules: &ConfigRules) -> ConfigReport {
    let elsewhere: Vec<String> =
        settings.references(&rules.names).into_iter().map(|(name, _)| name).collect();
    let not_checked =
        elsewhere.iter().map(|name| format!("{name}: its value is kept elsewhere and was not fetched"));
    let mut seen =
        Seen { settings, rules, findings: Vec::new(), not_checked: not_checked.collect(), elsewhere };
    key::check(&mut seen);
    values::check(&mut seen);
    network::check(&mut seen);
    names::check(&mut seen);
    for rule in &rules.extra {
        seen.findings.extend(rule.check(settings));
    }
    sort(&mut seen.findings);
    ConfigReport {
        findings: seen.findings,
        not_checked: seen.not_checked,
        variables: settings.names().count(),
    }
}

/// What the rules look at and write to.
struct Seen<'a> {
    settings: &'a Settings,
    rules: &'a ConfigRules,
    findings: Vec<Finding>,
    not_checked: Vec<String>,
    /// Variables whose values are not here: nothing is found about these values.
    elsewhere: Vec<String>,
}

impl<'a> Seen<'a> {
    fn is_elsewhere(&self, name: &str) -> bool {
        self.elsewhere.iter().any(|other| other == name)
    }

    /// The trimmed value of a name; `None` when unset, empty or not here.
    fn value(&self, name: &str) -> Option<&'a str> {
        if self.is_elsewhere(name) {
            return None;
        }
        self.settings.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// A finding about a variable, at its place.
    fn find(&mut self, id: &'static str, name: &str, message: &str) {
        // That a name is misspelt holds whatever its value is.
        if self.is_elsewhere(name) && id != "CFG-080" {
            return;
        }
        let mut finding = Finding::of(id, format!("{name} {message}"));
        if let Some(setting) = self.settings.setting(name)
            && let Some(file) = &setting.file
        {
            finding = finding.at(file.clone(), setting.line.unwrap_or(0));
        }
        self.findings.push(finding);
    }
}
