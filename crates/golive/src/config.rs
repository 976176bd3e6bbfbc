//! `golive.toml`: what an application is, as its operator describes it. Parsed once, at the edge.
//!
//! Not here: opening anything the file names (that is `context`), and secrets: the file holds where a secret
//! is found (`env:NAME`, `file:PATH`), never the secret.

mod alerts;
mod application;
mod digest;
mod kept;
mod proofs;
mod roles;
mod setting;

use std::path::{Path, PathBuf};

use golive_auth::{AccountsMapping, TenantMapping};
use golive_gate::Policy;
use serde::Deserialize;
use thiserror::Error;

pub use alerts::{AlertMail, Alerts};
pub use application::{Application, Commands, DatabaseQuestion, Http, RequestTemplate, Requests, Respond};
pub use kept::{Lookup, fetch_kept};
pub use proofs::{
    Admin, Backup, CiCheck, Deploy, ErrorProof, Journeys, Load, LoadScenario, RateLimitProof, Team, Tenant,
    Tls,
};
pub use roles::{ReadRolesError, Roles};
pub use setting::{Setting, SettingError};

/// The whole of `golive.toml`.
///
/// Every section but `[application]` is optional: what is not described cannot be proven, and is reported as
/// unknown.
///
/// ```
/// let config = golive::Config::parse("[application]\nname = \"ledger\"\n", std::path::Path::new(".")).unwrap();
/// assert_eq!(config.application.name, "ledger");
/// assert!(golive::Config::parse("[application]\nname = \"x\"\n[acounts]\n", std::path::Path::new(".")).is_err());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// What the application is called and how it is started.
    pub application: Application,
    /// The production environment, name to value; `{placeholders}` are filled in when it is written.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, String>,
    /// The demo's environment, for running it on SQLite before the go-live.
    #[serde(default)]
    pub demo_environment: std::collections::BTreeMap<String, String>,
    /// The SQLite side.
    #[serde(default)]
    pub source: SourceConfig,
    /// The MariaDB side.
    #[serde(default)]
    pub target: TargetConfig,
    /// Redis.
    #[serde(default)]
    pub redis: RedisConfig,
    /// What the operator decided about the migration.
    #[serde(default)]
    pub migrate: MigrateConfig,
    /// Versioned migrations.
    #[serde(default)]
    pub schema: SchemaConfig,
    /// Where user accounts live.
    pub accounts: Option<AccountsMapping>,
    /// Which role may do what, for whoever hands roles out to see it.
    pub roles: Option<Roles>,
    /// Where tenants live.
    pub tenants: Option<TenantMapping>,
    /// The tenant that goes live.
    pub tenant: Option<Tenant>,
    /// The production administrator to create.
    pub admin: Option<Admin>,
    /// The real team to onboard.
    pub team: Option<Team>,
    /// How the application is spoken to.
    #[serde(default)]
    pub http: Http,
    /// What revocation and access proofs ask of the application.
    #[serde(default)]
    pub journeys: Journeys,
    /// How the rate limit is proven.
    pub rate_limit: Option<RateLimitProof>,
    /// How error tracking is proven.
    pub errors: Option<ErrorProof>,
    /// Who is told by commands that run on a schedule.
    pub alerts: Option<Alerts>,
    /// Backups.
    #[serde(default)]
    pub backup: Backup,
    /// Container and proxy files to audit.
    #[serde(default)]
    pub deploy: Deploy,
    /// The TLS endpoint.
    pub tls: Option<Tls>,
    /// The load test.
    pub load: Option<Load>,
    /// The application's own checks.
    #[serde(default)]
    pub ci: Vec<CiCheck>,
    /// What the gate asks for.
    #[serde(default)]
    pub gate: Policy,
    /// The folder of `golive.toml`; relative paths start here.
    #[serde(skip)]
    pub directory: PathBuf,
    /// A digest of every section of the file, by its name; none where the text came from elsewhere.
    #[serde(skip)]
    pub(crate) digests: std::collections::BTreeMap<String, String>,
}

/// `[source]`: the SQLite database that the demo ran on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SourceConfig {
    /// Path of the SQLite file, relative to `golive.toml`.
    pub sqlite: Option<PathBuf>,
}

/// `[target]`: the MariaDB database that production runs on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TargetConfig {
    /// `mysql://user:password@host/database`, by reference: `env:NAME` or `file:PATH`. Several hosts of one cluster as
    /// `host1:port1,host2:port2`: the first that answers serves the whole run.
    pub url: Option<Setting>,
    /// How many instances of the application will share the server.
    pub instances: Option<u32>,
    /// The database user that nobody but the application logs in as: its connections show that the application is there.
    pub application_user: Option<String>,
}

/// `[redis]`: the Redis that production runs on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RedisConfig {
    /// `redis://:password@host/0`, by reference: `env:NAME` or `file:PATH`; over TLS `rediss://`, with
    /// `?ssl_ca_certs=FILE` for an authority of one's own.
    pub url: Option<Setting>,
}

/// `[migrate]`: the operator's word on types and findings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MigrateConfig {
    /// Collation of the tables; `utf8mb4_nopad_bin`, which keeps SQLite's meaning of equal, unless given.
    pub collation: Option<String>,
    /// MariaDB types by `table.column`, or by the type that the source declares.
    pub types: std::collections::BTreeMap<String, String>,
    /// Tables left behind.
    pub exclude: std::collections::BTreeSet<String>,
    /// Findings accepted, as the survey names them.
    pub accept: std::collections::BTreeSet<String>,
    /// Who makes the tables: `source` (golive, from the source) or `target` (the application's own migrations did).
    pub schema: golive_migrate::SchemaOrigin,
    /// What becomes of a finding: `"ID"`, `"ID:table"` or `"ID:table.column"` to `stop`, `accept`, `quarantine` or
    /// `convert:NAME`.
    pub policy: golive_migrate::Policies,
}

impl MigrateConfig {
    /// All of it that a survey asks for.
    #[must_use]
    pub fn survey_options(&self) -> golive_migrate::SurveyOptions {
        let mut options = golive_migrate::SurveyOptions::default();
        if let Some(collation) = &self.collation {
            options.collation.clone_from(collation);
        }
        options.column_types.clone_from(&self.types);
        options.exclude.clone_from(&self.exclude);
        options.schema = self.schema;
        options.policies.clone_from(&self.policy);
        let accepted = self.accept.iter().map(|selector| (selector.clone(), golive_migrate::Policy::Accept));
        options.policies.0.extend(accepted);
        options
    }
}

/// `[schema]`: versioned migrations of an application in any language.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SchemaConfig {
    /// Folder of `NNNN_name.up.sql` and `NNNN_name.down.sql`, relative to `golive.toml`; `migrations` unless given.
    pub directory: Option<PathBuf>,
}

/// Why a `golive.toml` could not be taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadConfigError {
    /// The file could not be read.
    #[error("read {path}; `golive init` writes one for your application", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what golive expects.
    #[error("parse {path}; correct the line that is named", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line that is wrong, from 1, where there is one.
        line: Option<usize>,
        /// The character of that line, from 1.
        column: Option<usize>,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl ReadConfigError {
    fn invalid(path: &Path, text: &str, source: toml::de::Error) -> Self {
        let before = source.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let column = before.map(|before| before.rsplit('\n').next().unwrap_or_default().chars().count() + 1);
        Self::Invalid { path: path.to_owned(), line, column, source: Box::new(source) }
    }

    /// The word that was probably meant, where an unknown one stands.
    #[must_use]
    pub fn did_you_mean(&self) -> Option<String> {
        let Self::Invalid { source, .. } = self else { return None };
        // "unknown field `ulr`, expected one of `url`, `instances`": what is quoted first is the unknown word.
        let message = source.message().strip_prefix("unknown ")?;
        let mut quoted = message.split('`').skip(1).step_by(2);
        let unknown = quoted.next()?;
        let near = quoted.map(|word| (strsim::damerau_levenshtein(unknown, word), word)).min()?;
        (near.0 * 3 <= unknown.chars().count().max(3)).then(|| near.1.to_owned())
    }
}

impl Config {
    /// Reads and checks a `golive.toml`.
    ///
    /// # Errors
    /// When the file cannot be read, or holds an unknown key or a value of the wrong kind; the line is named.
    pub fn read(path: &Path) -> Result<Self, ReadConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ReadConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::of_text(path, &text)
    }

    /// What the file at `path` says if this is its text.
    pub(crate) fn of_text(path: &Path, text: &str) -> Result<Self, ReadConfigError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = std::path::absolute(directory)
            .map_err(|source| ReadConfigError::Unreadable { path: path.to_owned(), source })?;
        let mut config =
            Self::parse(text, &directory).map_err(|source| ReadConfigError::invalid(path, text, source))?;
        config.digests = digest::of_sections(text, &directory);
        Ok(config)
    }

    /// Parses the text of a `golive.toml` whose relative paths start at `directory`.
    ///
    /// # Errors
    /// Names the line that holds an unknown key or a value of the wrong kind.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, toml::de::Error> {
        let mut config: Self = toml::from_str(text)?;
        config.gate.validate().map_err(serde::de::Error::custom)?;
        config.directory = directory.to_owned();
        Ok(config)
    }

    /// A configuration that knows nothing but a name: whatever needs more is reported as unknown.
    #[must_use]
    pub fn nameless(directory: &Path) -> Self {
        Self::parse("[application]\nname = \"application\"\n", directory).expect("a constant that parses")
    }

    /// A path of the file, made absolute.
    #[must_use]
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.directory.join(relative)
    }
}
