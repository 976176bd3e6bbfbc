//! What a run works with: configuration, folder, journal, servers, and the application.
//!
//! Not here: what any step does with them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use golive_migrate::TargetOptions;
use golive_sandbox::Process;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::application::{Instance, Launch, StartApplicationError};
use crate::config::{Config, RequestTemplate};
use crate::event::{Event, Observer};
use crate::http::Endpoint;
use crate::journal::Journal;
use crate::placeholder::Values;
use crate::rehearsal::Rehearsal;
use crate::run_dir::RunDirectory;
use crate::step::{Doing, StepError};

/// What a run works with.
#[non_exhaustive]
pub struct Context {
    /// `golive.toml`.
    pub config: Config,
    /// The run's folder.
    pub directory: RunDirectory,
    /// The run's journal.
    pub journal: Journal,
    /// Whoever watches.
    pub observer: Observer,
    /// Ends the run when triggered; it can be resumed.
    pub cancel: CancellationToken,
    /// The SQLite file.
    pub(crate) source: Option<PathBuf>,
    /// The MariaDB database; of a cluster the node that this run works on.
    pub(crate) target: Option<SecretString>,
    /// `host:port/database` of the target, of each of its nodes.
    pub(crate) target_names: Vec<String>,
    /// The Redis server.
    pub(crate) redis: Option<SecretString>,
    /// The error tracker's address and the alert channel of production.
    pub(crate) sentry_dsn: Option<SecretString>,
    pub(crate) alert_webhook: Option<SecretString>,
    /// What deep health asks for.
    pub(crate) deep_token: Option<SecretString>,
    pub(crate) rehearsal: Option<Arc<Rehearsal>>,
    /// Who goes live.
    pub(crate) by: Option<String>,
    /// Whether this run may change anything; judging only looks.
    pub(crate) acts: bool,
    /// What phase 1 looked at once and need not look at again: what it holds can be had anew at any time.
    pub(crate) migration: Mutex<crate::steps::Migration>,
    /// One step signs in at a time: a first login changes a password that another step would still try.
    pub(crate) sign_in: Mutex<()>,
    /// One step makes the backup key.
    pub(crate) backup_key: std::sync::Mutex<()>,
    application: Mutex<Option<Instance>>,
    /// In a rehearsal, what archives the binary log.
    pub(crate) archiver: Mutex<Option<Process>>,
    served: std::sync::atomic::AtomicU32,
}

/// The addresses a run works against.
#[derive(Default)]
#[non_exhaustive]
pub struct Addresses {
    /// The SQLite file.
    pub source: Option<PathBuf>,
    /// The MariaDB database; several hosts of one cluster as golive-migrate takes them.
    pub target: Option<SecretString>,
    /// The Redis server.
    pub redis: Option<SecretString>,
    /// Where errors are reported to.
    pub sentry_dsn: Option<SecretString>,
    /// Where alerts are posted to.
    pub alert_webhook: Option<SecretString>,
    /// The token that deep health asks for.
    pub deep_token: Option<SecretString>,
    /// Of a target with several hosts the one that answers, chosen once for the whole run.
    pub(crate) node: Option<SecretString>,
}

impl Context {
    /// A context for a run against these addresses, or in a rehearsal.
    #[must_use]
    pub fn new(
        config: Config,
        directory: RunDirectory,
        journal: Journal,
        addresses: Addresses,
        rehearsal: Option<Rehearsal>,
        observer: Observer,
    ) -> Self {
        let addresses = match &rehearsal {
            Some(servers) => Addresses {
                source: addresses.source,
                target: Some(servers.database_url()),
                redis: Some(servers.redis_url()),
                sentry_dsn: Some(servers.sentry_dsn()),
                alert_webhook: Some(servers.alert_webhook()),
                deep_token: addresses.deep_token,
                node: None,
            },
            None => addresses,
        };
        let observer = crate::progress::kept(observer, directory.root().to_owned(), clock);
        let observer = crate::pace::kept(observer, directory.root().to_owned(), clock);
        let named = |url: &SecretString| TargetOptions::new(url.clone()).display_names().ok();
        let target_names = addresses.target.as_ref().and_then(named).unwrap_or_default();
        Self {
            config,
            directory,
            journal,
            observer,
            cancel: CancellationToken::new(),
            source: addresses.source,
            target: addresses.node.or(addresses.target),
            target_names,
            redis: addresses.redis,
            sentry_dsn: addresses.sentry_dsn,
            alert_webhook: addresses.alert_webhook,
            deep_token: addresses.deep_token,
            rehearsal: rehearsal.map(Arc::new),
            by: None,
            acts: true,
            migration: Mutex::default(),
            sign_in: Mutex::default(),
            backup_key: std::sync::Mutex::default(),
            application: Mutex::default(),
            archiver: Mutex::default(),
            served: Default::default(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        clock()
    }

    /// What the run is about, in words that stay the same when it is taken up: source and target, without secrets. A
    /// rehearsal's servers are its own, so there the source says it all.
    pub(crate) fn subject(&self) -> String {
        let source =
            self.source.as_ref().map_or_else(|| "no source".to_owned(), |path| path.display().to_string());
        match (&self.target_names[..], &self.rehearsal) {
            ([_, ..], None) => format!("{source} to {}", self.target_names.join(", ")),
            _ => source,
        }
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        (self.observer)(Event::Note { text: text.into() });
    }

    pub(crate) fn source(&self) -> Result<&PathBuf, StepError> {
        self.source.as_ref().ok_or_else(|| {
            StepError::unknown("no SQLite source: give `sqlite` in [source] of golive.toml, or --source")
        })
    }

    pub(crate) fn target(&self) -> Result<SecretString, StepError> {
        self.target.clone().ok_or_else(|| {
            StepError::unknown("no MariaDB target: give `url` in [target] of golive.toml, or --target")
        })
    }

    pub(crate) fn redis(&self) -> Result<SecretString, StepError> {
        self.redis.clone().ok_or_else(|| StepError::unknown("no Redis: give `url` in [redis] of golive.toml"))
    }

    /// The disposable servers; a step that breaks servers on purpose runs in a rehearsal only.
    pub(crate) fn rehearsal(&self) -> Result<&Arc<Rehearsal>, StepError> {
        self.rehearsal.as_ref().ok_or_else(|| {
            StepError::unknown("servers are stopped on purpose in a rehearsal only: run `golive rehearse`")
        })
    }

    /// A request of `golive.toml` by name.
    pub(crate) fn request(&self, name: &str) -> Result<&RequestTemplate, StepError> {
        self.config
            .http
            .requests
            .get(name)
            .ok_or_else(|| StepError::unknown(format!("golive.toml describes no [http.requests.{name}]")))
    }

    pub(crate) fn secret(&self, name: &str) -> Result<Option<SecretString>, StepError> {
        self.directory.secret(name).doing("read a secret of this run")
    }

    pub(crate) fn keep_secret(&self, name: &str, secret: &SecretString) -> Result<(), StepError> {
        self.directory.keep_secret(name, secret).doing("keep a secret of this run")
    }

    /// Whether golive starts and ends the application itself: always in a rehearsal, which must not touch what already
    /// runs; elsewhere only where `golive.toml` says no address.
    pub(crate) fn runs_application(&self) -> bool {
        let described = self.config.application.commands.serve.is_some();
        described && (self.rehearsal.is_some() || self.config.http.base_url.is_none())
    }

    pub(crate) fn kept_note(&self, name: &str) -> Result<Option<String>, StepError> {
        self.directory.note(name).doing("read a note of this run")
    }

    pub(crate) fn keep_note(&self, name: &str, text: &str) -> Result<(), StepError> {
        self.directory.keep_note(name, text).doing("keep a note of this run")
    }

    /// Where the application answers; started first if golive runs it.
    pub(crate) async fn application(&self) -> Result<Endpoint, StepError> {
        let mut running = self.application.lock().await;
        if let Some(instance) = running.as_ref() {
            return Ok(instance.endpoint.clone());
        }
        if self.runs_application() {
            let instance = self.start_instance().await?;
            let endpoint = instance.endpoint.clone();
            *running = Some(instance);
            return Ok(endpoint);
        }
        match (&self.config.http.base_url, &self.rehearsal) {
            (Some(base), None) => Endpoint::new(base, self.config.http.management_url.as_deref())
                .doing("prepare the HTTP client"),
            _ => Err(StepError::unknown(
                "the running application is needed: add `serve` to [application.commands], or `base_url` to [http] for \
                 `golive run`",
            )),
        }
    }

    /// What serves the application.
    pub(crate) fn serving(&self) -> Result<&[String], StepError> {
        let words = self.config.application.commands.serve.as_deref();
        words.ok_or_else(|| started(StartApplicationError::NotDescribed))
    }

    /// What serves the version before.
    pub(crate) fn previous_version(&self) -> Result<&[String], StepError> {
        self.config.application.commands.serve_previous.as_deref().ok_or_else(|| {
            StepError::unknown(
                "golive.toml gives no `serve_previous` in [application.commands]: whether there is a way back to the \
                 version before is not known",
            )
        })
    }

    /// A further instance beside the one that runs; it ends with the value.
    pub(crate) async fn start_instance(&self) -> Result<Instance, StepError> {
        self.start_version(self.serving()?, "application").await
    }

    /// The version before, as production would run it; it ends with the value.
    pub(crate) async fn start_previous(&self) -> Result<Instance, StepError> {
        self.start_version(self.previous_version()?, "previous").await
    }

    async fn start_version(&self, serve: &[String], name: &str) -> Result<Instance, StepError> {
        let count = self.served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let logs = self.directory.folder("logs").doing("make the folder of logs")?;
        let launch = Launch {
            config: &self.config,
            serve,
            environment: &self.config.environment,
            values: self.production_values()?,
            logs: &logs,
            name: &format!("{name}-{}-{count}", std::process::id()),
        };
        let instance = Instance::start(launch).await.map_err(started)?;
        self.note(format!("the application answers at {}", instance.endpoint.base()));
        Ok(instance)
    }

    /// Restarts the application; `crash` ends it the hard way first.
    pub(crate) async fn restart_application(&self, crash: bool) -> Result<Endpoint, StepError> {
        if !self.runs_application() {
            return Err(StepError::unknown("golive did not start the application, so it cannot restart it"));
        }
        if let Some(instance) = self.application.lock().await.take() {
            if crash {
                instance.kill().await;
            } else {
                instance.stop().await;
            }
        }
        self.application().await
    }

    /// Ends the application, if golive runs it.
    pub(crate) async fn stop_application(&self) {
        if let Some(instance) = self.application.lock().await.take() {
            instance.stop().await;
        }
    }

    /// Ends all that golive keeps running for a run: the application, and in a rehearsal what archives its binary log.
    pub async fn stop(&self) {
        self.stop_application().await;
        if let Some(archiver) = self.archiver.lock().await.take() {
            let end = move || archiver.terminate(ARCHIVER_ENDS_WITHIN);
            tokio::task::spawn_blocking(end).await.expect("ending a program does not panic");
        }
    }

    /// Folder of what the application wrote while golive ran it.
    pub(crate) fn logs(&self) -> PathBuf {
        self.directory.path("logs")
    }

    /// What the placeholders of the production environment stand for.
    pub(crate) fn production_values(&self) -> Result<Values, StepError> {
        let key = self.secret(SECRET_KEY)?.ok_or_else(|| {
            StepError::unknown("there is no production secret key yet: step `secret-key` makes it")
        })?;
        Ok(self.common_values().set("secret_key", key.expose_secret()))
    }

    /// What placeholders stand for before there is a secret key.
    pub(crate) fn common_values(&self) -> Values {
        let shown = |secret: &Option<SecretString>| {
            secret.as_ref().map(|secret| secret.expose_secret().to_owned()).unwrap_or_default()
        };
        let path = |path: Option<&PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
        Values::new()
            .set("source", path(self.source.as_ref()))
            .set("database_url", shown(&self.target))
            .set("redis_url", shown(&self.redis))
            .set("sentry_dsn", shown(&self.sentry_dsn))
            .set("alert_webhook", shown(&self.alert_webhook))
            .set("state_file", path(Some(&self.directory.path(STATE_FILE))))
            .set("directory", self.config.directory.to_string_lossy())
    }
}

/// The one place of this crate that reads the clock.
#[expect(clippy::disallowed_methods, reason = "the clock enters the flow here and nowhere else")]
fn clock() -> DateTime<Utc> {
    Utc::now()
}

fn started(error: StartApplicationError) -> StepError {
    StepError::Failed { doing: "bring the application up".to_owned(), source: Box::new(error) }
}

/// What has arrived is put away first.
const ARCHIVER_ENDS_WITHIN: Duration = Duration::from_secs(10);
/// The production secret key, among the run's secrets.
pub(crate) const SECRET_KEY: &str = "secret_key";
/// The provider state, in the run's folder.
pub(crate) const STATE_FILE: &str = "provider_state.json";
