//! The application going live, when golive runs it: instances with a rendered environment, started, restarted, ended.
//!
//! Not here: what is asked of it (`http`, `steps/`). Nothing in this file knows any particular application.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use golive_sandbox::{Process, ProcessError, ProcessSpec, free_port};
use thiserror::Error;

use crate::config::Config;
use crate::http::{Endpoint, HttpError};
use crate::placeholder::{UnknownPlaceholder, Values};

/// Why the application did not come up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartApplicationError {
    /// `golive.toml` does not say how.
    #[error("start the application: add `serve` to [application.commands] in golive.toml")]
    NotDescribed,
    /// A command line is there for everybody on the machine to read.
    #[error(
        "pass `{word}` to a command: everybody can read a command line; give it in [environment] instead"
    )]
    SecretInArguments {
        /// The word of the command, as golive.toml has it.
        word: String,
    },
    /// Its environment or command has a placeholder that stands for nothing.
    #[error("prepare the application's environment")]
    Environment(#[from] UnknownPlaceholder),
    /// The program did not start.
    #[error("start the application")]
    Process(#[from] ProcessError),
    /// No port was free.
    #[error("find a free port on 127.0.0.1")]
    Port(#[source] std::io::Error),
    /// No client could be made.
    #[error("prepare to speak to the application")]
    Client(#[from] HttpError),
    /// It ended, or never answered.
    #[error("see the application answer {path}: {what}; its output is in {log}", log = log.display())]
    NotReady {
        /// The probe.
        path: String,
        /// What was seen instead.
        what: String,
        /// Where it wrote.
        log: PathBuf,
    },
    /// A folder could not be used.
    #[error("use {path}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A running instance; it ends with the value.
pub(crate) struct Instance {
    process: Process,
    pub(crate) endpoint: Endpoint,
    pub(crate) log: PathBuf,
}

/// What an instance is started with.
pub(crate) struct Launch<'a> {
    pub(crate) config: &'a Config,
    /// What serves it.
    pub(crate) serve: &'a [String],
    /// Environment templates, name to value.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// What the placeholders stand for; ports and files are added here.
    pub(crate) values: Values,
    /// Folder of logs.
    pub(crate) logs: &'a Path,
    /// Names the log file.
    pub(crate) name: &'a str,
}

impl Instance {
    /// Starts an instance and waits until its liveness probe answers.
    pub(crate) async fn start(launch: Launch<'_>) -> Result<Self, StartApplicationError> {
        let config = launch.config;
        let port = free_port().map_err(StartApplicationError::Port)?;
        let management = free_port().map_err(StartApplicationError::Port)?;
        let log = launch.logs.join(format!("{}.log", launch.name));
        let values = launch
            .values
            .set("bind", format!("127.0.0.1:{port}"))
            .set("port", port.to_string())
            .set("management_bind", format!("127.0.0.1:{management}"))
            .set("management_port", management.to_string())
            .set("log_file", launch.logs.join(format!("{}.json.log", launch.name)).to_string_lossy());
        let separate = launch.environment.values().any(|value| value.contains("{management_"));
        let environment = render(launch.environment, &values)?;
        let spec =
            command(config, launch.serve, &values)?.empty_environment().environment(environment).output(&log);
        let process = start(spec).await?;
        let management_url = separate.then(|| format!("http://127.0.0.1:{management}"));
        let endpoint = Endpoint::new(&format!("http://127.0.0.1:{port}"), management_url.as_deref())?;
        let instance = Self { process, endpoint, log };
        instance.wait_until_live(config).await?;
        instance.wait_until_ready(config).await;
        Ok(instance)
    }

    async fn wait_until_live(&self, config: &Config) -> Result<(), StartApplicationError> {
        let path = config.http.live.as_deref().unwrap_or("/");
        let deadline = Instant::now() + Duration::from_secs(config.application.start_timeout_seconds);
        let mut seen = "nothing".to_owned();
        while Instant::now() < deadline {
            if let Some(status) = self.process.exit_status() {
                seen = format!("it ended with {status}");
                break;
            }
            match self.endpoint.probe(path).await {
                Ok(answer) if answer.status < 500 => return Ok(()),
                Ok(answer) => seen = format!("it answered {}", answer.status),
                Err(_) => seen = "nobody listens yet".to_owned(),
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Err(StartApplicationError::NotReady { path: path.to_owned(), what: seen, log: self.log.clone() })
    }

    /// Traffic is sent to what is ready, here as behind a load balancer. One that never becomes ready is the health step's
    /// finding, not an error of the start.
    async fn wait_until_ready(&self, config: &Config) {
        let Some(path) = config.http.ready.as_deref() else { return };
        let deadline = Instant::now() + Duration::from_secs(config.application.start_timeout_seconds);
        while Instant::now() < deadline {
            if self.endpoint.probe(path).await.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it the polite way, then the hard way.
    pub(crate) async fn stop(self) {
        let ended = tokio::task::spawn_blocking(move || {
            if self.process.terminate(STOP_WITHIN).is_none() {
                self.process.kill();
            }
        });
        ended.await.expect("stopping does not panic");
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(self) {
        let ended = tokio::task::spawn_blocking(move || self.process.kill());
        ended.await.expect("killing does not panic");
    }
}

/// Fills every variable of an environment.
pub(crate) fn render(
    templates: &BTreeMap<String, String>,
    values: &Values,
) -> Result<Vec<(String, String)>, UnknownPlaceholder> {
    templates.iter().map(|(name, template)| Ok((name.clone(), values.fill(template)?))).collect()
}

/// A command of `golive.toml`, ready to be run beside it.
pub(crate) fn command(
    config: &Config,
    words: &[String],
    values: &Values,
) -> Result<ProcessSpec, StartApplicationError> {
    let (program, arguments) = words.split_first().ok_or(StartApplicationError::NotDescribed)?;
    let program = match program.strip_prefix("./") {
        Some(beside) => config.path(Path::new(beside)),
        None => PathBuf::from(program),
    };
    if let Some(word) = arguments.iter().find(|word| SECRETS.iter().any(|secret| word.contains(secret))) {
        return Err(StartApplicationError::SecretInArguments { word: word.clone() });
    }
    let arguments = arguments.iter().map(|word| values.fill(word)).collect::<Result<Vec<_>, _>>()?;
    Ok(ProcessSpec::new(program).arguments(arguments).directory(&config.directory))
}

async fn start(spec: ProcessSpec) -> Result<Process, ProcessError> {
    tokio::task::spawn_blocking(move || Process::start(spec)).await.expect("starting does not panic")
}

const STOP_WITHIN: Duration = Duration::from_secs(10);
/// What must not stand on a command line.
const SECRETS: [&str; 5] =
    ["{secret_key}", "{database_url}", "{redis_url}", "{sentry_dsn}", "{alert_webhook}"];
