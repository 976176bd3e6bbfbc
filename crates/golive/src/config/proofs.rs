//! The sections that say what is to be proven: accounts to create, limits to hit, load to bear.

use std::path::PathBuf;

use chrono::NaiveTime;
use serde::Deserialize;

/// `[tenant]`: the client that goes live.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tenant {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Requests the administrator sends once to set it up (shifts, lines, products).
    #[serde(default)]
    pub setup: Vec<String>,
}

/// `[admin]`: the production administrator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Admin {
    /// A name of the client's own, not `admin`.
    pub username: String,
    /// The role as the application spells it.
    pub role: String,
    /// The tenant the account belongs to, where the application's role rules ask for one.
    pub tenant: Option<String>,
    /// The name of the person or office, where the application asks for one.
    pub full_name: Option<String>,
    /// The e-mail address, where the application asks for one.
    pub email: Option<String>,
}

/// `[team]`: the client's people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Team {
    /// A CSV with a header; its columns fill the placeholders of the request `create_user`.
    pub csv: PathBuf,
    /// The role, as spelled in the column `role`, that enters data.
    #[serde(default = "operator")]
    pub operator_role: String,
    /// The role that looks at dashboards.
    #[serde(default = "supervisor")]
    pub supervisor_role: String,
}

/// `[journeys]`: which of `[http.requests]` prove what; the names default to the meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Journeys {
    /// Exchanges `{username}` and `{password}` for a token.
    pub login: String,
    /// Any request that needs a valid token.
    pub authenticated: String,
    /// Ends the session of the token.
    pub logout: String,
    /// Changes `{current_password}` to `{new_password}`.
    pub change_password: String,
    /// Creates an account from a row of the team's CSV and `{password}`; sent by the administrator.
    pub create_user: String,
    /// Lists the tenants that may be chosen; `respond.take` points at the list.
    pub tenants: String,
    /// What only an operator's day needs: their shift. An operator must reach it.
    pub my_shift: String,
    /// What an operator must not reach.
    pub settings: String,
    /// Enters data.
    pub submit_entry: String,
    /// Lists the audit log; `respond.take` points at the list.
    pub audit_log: String,
    /// Reads a cached lookup, twice: the second must be a hit.
    pub cached: String,
}

impl Default for Journeys {
    fn default() -> Self {
        let name = str::to_owned;
        Self {
            login: name("login"),
            authenticated: name("authenticated"),
            logout: name("logout"),
            change_password: name("change_password"),
            create_user: name("create_user"),
            tenants: name("tenants"),
            my_shift: name("my_shift"),
            settings: name("settings"),
            submit_entry: name("submit_entry"),
            audit_log: name("audit_log"),
            cached: name("cached"),
        }
    }
}

/// `[rate_limit]`: a request whose limit is low enough to be hit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RateLimitProof {
    /// The request's name.
    pub request: String,
    /// How many of it are allowed; two more are sent than that.
    pub limit: u32,
    /// The window of the limit in seconds.
    pub window_seconds: u32,
}

/// `[errors]`: a request that makes the application fail on purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ErrorProof {
    /// The request's name, sent by the administrator; `{secret}` in it must never leave the process.
    pub request: String,
    /// The error tracker's address, by reference; a rehearsal uses a local sink instead.
    pub dsn: Option<super::Setting>,
    /// Where alerts are posted to, by reference; a rehearsal uses a local sink instead.
    pub alert_webhook: Option<super::Setting>,
}

/// `[backup]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Backup {
    /// The repository's folder; the run directory's `backups` unless given. Or a place on another machine, with its login in
    /// a file since the schedule gives its command no environment: `s3://BUCKET/PREFIX?credentials=FILE`, or
    /// `sftp://USER@HOST/PATH?key=FILE&known_hosts=FILE`.
    pub directory: Option<PathBuf>,
    /// How many days backups are kept.
    pub retention_days: u32,
    /// When the daily backup starts, UTC.
    pub daily_at: NaiveTime,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            directory: None,
            retention_days: 30,
            daily_at: NaiveTime::from_hms_opt(2, 30, 0).expect("a time of day"),
        }
    }
}

/// `[deploy]`: files to audit, relative to `golive.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Deploy {
    /// Dockerfiles.
    pub dockerfiles: Vec<PathBuf>,
    /// Compose files.
    pub compose: Vec<PathBuf>,
    /// nginx configurations.
    pub nginx: Vec<PathBuf>,
    /// Caddyfiles.
    pub caddy: Vec<PathBuf>,
    /// Traefik's YAML files, static and dynamic.
    pub traefik: Vec<PathBuf>,
    /// Example environment files, whose values must not be used.
    pub example_environment: Vec<PathBuf>,
    /// What the application calls the variables that the rules look at.
    pub variables: golive_deploy::VariableNames,
    /// Further variables that the application reads, so that others are told as misspelt.
    pub known_variables: Vec<String>,
    /// Whether values that the environment file keeps elsewhere (`file:`, `env:`, `command:`, `NAME_FILE`) are fetched and judged.
    /// Without it they are told as not checked.
    pub fetch_secrets: bool,
    /// The ruleset that the files were last held against, such as `2026.1`; the newest unless given.
    pub ruleset: Option<String>,
    /// Findings that somebody answers for, each until a day.
    pub waivers: Vec<golive_deploy::Waiver>,
}

impl Deploy {
    /// All files to audit with what they are, as they are named.
    pub fn files(&self) -> Vec<(golive_deploy::AuditKind, &std::path::Path)> {
        use golive_deploy::AuditKind::{Caddy, Compose, Dockerfile, Nginx, Traefik};
        let all = [
            (Dockerfile, &self.dockerfiles),
            (Compose, &self.compose),
            (Nginx, &self.nginx),
            (Caddy, &self.caddy),
            (Traefik, &self.traefik),
        ];
        all.into_iter()
            .flat_map(|(kind, paths)| paths.iter().map(move |path| (kind, path.as_path())))
            .collect()
    }

    /// Marks findings of deployment files, or of the configuration's variables (`CFG-…`), that waivers cover or that are
    /// newer than the ruleset.
    ///
    /// # Errors
    /// When there is no such ruleset.
    pub fn hold(
        &self,
        findings: &mut Vec<golive_deploy::Finding>,
        of_variables: bool,
        today: chrono::NaiveDate,
    ) -> Result<(), golive_deploy::UnknownRuleset> {
        let is_of_variables = |waiver: &&golive_deploy::Waiver| {
            waiver.rule.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("CFG"))
        };
        let waivers: Vec<_> =
            self.waivers.iter().filter(|waiver| is_of_variables(waiver) == of_variables).cloned().collect();
        golive_deploy::waive(findings, &waivers, today);
        match &self.ruleset {
            Some(ruleset) => golive_deploy::hold_to_ruleset(findings, ruleset),
            None => Ok(()),
        }
    }
}

/// `[tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tls {
    /// The names the endpoint is reached by.
    pub server_names: Vec<String>,
    /// `host:port` of the live endpoint; a rehearsal starts its own nginx instead.
    pub endpoint: Option<String>,
    /// The Content-Security-Policy.
    pub content_security_policy: Option<String>,
    /// How long browsers must insist on TLS; two years unless given.
    pub hsts_seconds: Option<u64>,
}

/// `[load]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Load {
    /// How long the load lasts.
    #[serde(default = "twenty")]
    pub seconds: u64,
    /// Limits such as `http.duration{route="dashboard"}.p95 < 500ms`, for `golive load`; the gate has its own in `[gate]`.
    #[serde(default)]
    pub thresholds: Vec<golive_load::Threshold>,
    /// Metrics of the application that are looked at once a second beside the load, by their names at `[http] metrics`, as
    /// `db_pool_waiting`.
    #[serde(default)]
    pub watch_metrics: Vec<String>,
    /// Who does what.
    pub scenarios: Vec<LoadScenario>,
}

/// `[[load.scenarios]]`: who does what, as golive-load describes it; `{tenant_id}`, `{today}`, `{from}` and `{to}` are
/// given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoadScenario {
    /// The role in the team whose members send the requests; anonymous unless given.
    pub role: Option<String>,
    /// The scenario.
    pub run: golive_load::Scenario,
}

/// `[[ci]]`: one of the application's own checks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CiCheck {
    /// Its name.
    pub name: String,
    /// The command, run beside `golive.toml`; `{junit}` is a file it may write. Its exit code counts.
    pub command: Vec<String>,
    /// The command writes JUnit XML to `{junit}`: failures and skipped tests are read from it.
    #[serde(default)]
    pub junit: bool,
    /// Seconds until it is given up.
    #[serde(default = "ten_minutes")]
    pub timeout_seconds: u64,
}

fn operator() -> String {
    "operator".to_owned()
}

fn supervisor() -> String {
    "supervisor".to_owned()
}

fn twenty() -> u64 {
    20
}

fn ten_minutes() -> u64 {
    600
}
